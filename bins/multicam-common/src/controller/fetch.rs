//! Fetching one file: over as many connections as it takes, kept as `NAME.part` until it is whole, on the disk and
//! verified.
//!
//! This is a sequence of steps, so it is written as one: blocking, in a thread of its own. What to ask for and what to
//! make of an answer is [`Fetch`]'s.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::BytesMut;
use multicam_common::client::{DeviceKind, Fetch, NextTry, Plan};
use multicam_common::codec::{FileDecoder, FileFrame, Reply};
use multicam_common::constants::DOWNLOAD_STALL_TIMEOUT;
use multicam_common::message::Secret;
use multicam_common::server::hex;
use multicam_common::{FileName, Form, UnixTime};
use sha2::{Digest, Sha256};

/// How far it is, for others to look at, and how to call it off.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes here.
    pub have: AtomicU64,
    /// Bytes of the file, once that is known.
    pub total: AtomicU64,
    /// Bytes that came over the network.
    pub moved: AtomicU64,
    /// Set to stop; what is here stays for a later resume.
    pub cancelled: AtomicBool,
}

/// A file that is here, whole and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// Its name at the device.
    pub file_name: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// The device had told the same hash.
    pub verified: bool,
}

/// Fetches `file` (name or id as the device gave it) into `dir`.
///
/// # Errors
/// With one line that says what stands in the way. What came so far stays as `NAME.part`.
pub fn fetch(
    address: SocketAddr,
    kind: DeviceKind,
    file: &str,
    dir: &Path,
    auth: Option<&Secret>,
    progress: &Progress,
) -> Result<Fetched> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let local = FileName::parse(file).with_context(|| format!("'{}'", file.escape_debug()))?;
    let part = dir.join(format!("{local}.part"));
    let _claim = Claim::of(&part)?;
    let mut job =
        Job { fetch: Fetch::new(file, kind, 0), part, dir, auth, progress, hashed: Hashed::default() };
    job.look_at_part()?;
    let mut again = false;
    loop {
        let why = match job.once(address) {
            Ok(Outcome::Whole(fetched)) => return Ok(fetched),
            Ok(Outcome::Refused(reply)) => match job.fetch.refused(reply.status()) {
                NextTry::After(_) => {
                    job.start_over()?;
                    continue;
                }
                NextTry::GiveUp => match &reply {
                    Reply::Error(e) if !e.message.is_empty() => bail!("{file}: {}: {}", e.status, e.message),
                    reply => bail!("{file}: {}", reply.status()),
                },
            },
            Ok(Outcome::WrongHash) if !again => {
                tracing::warn!(file, "the hash is another: fetching all of it again");
                again = true;
                job.start_over()?;
                continue;
            }
            Ok(Outcome::WrongHash) => bail!("{file}: the hash is another than the device says, twice"),
            Err(Trouble::Final(error)) => return Err(error.context(file.to_owned())),
            Err(Trouble::Network(error)) => error,
        };
        match job.fetch.failed() {
            NextTry::GiveUp => return Err(anyhow!(why).context(format!("{file}: the transfer failed"))),
            NextTry::After(pause) => {
                tracing::info!(file, %why, ?pause, "trying again");
                wait(pause, progress)?;
            }
        }
    }
}

/// The partial file is ours alone: two that write into it would make one that is neither's.
struct Claim {
    #[cfg(unix)]
    file: nix::fcntl::Flock<File>,
    #[cfg(not(unix))]
    file: File,
    part: PathBuf,
}

impl Claim {
    fn of(part: &Path) -> Result<Self> {
        let opened = File::options().create(true).truncate(false).write(true).open(part);
        let file = opened.with_context(|| format!("cannot write {}", part.display()))?;
        #[cfg(unix)]
        let file = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock)
            .map_err(|_| anyhow!("{} is being written by another transfer", part.display()))?;
        Ok(Self { file, part: part.into() })
    }
}

impl Drop for Claim {
    /// Where nothing came, nothing stays. After the end the file has its final name, and there is nothing under this.
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|m| m.len() == 0) {
            let _ = fs::remove_file(&self.part);
        }
    }
}

enum Outcome {
    Whole(Fetched),
    Refused(Reply),
    WrongHash,
}

enum Trouble {
    /// Worth another try.
    Network(io::Error),
    /// Not worth one.
    Final(anyhow::Error),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Final(error)
    }
}

/// The hash of what is here, as far as it goes.
#[derive(Clone, Default)]
struct Hashed {
    hash: Sha256,
    bytes: u64,
}

struct Job<'a> {
    fetch: Fetch,
    part: PathBuf,
    dir: &'a Path,
    auth: Option<&'a Secret>,
    progress: &'a Progress,
    hashed: Hashed,
}

impl Job<'_> {
    /// What an earlier run has left is taken in.
    fn look_at_part(&mut self) -> Result<()> {
        let mut file = match File::open(&self.part) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", self.part.display())),
        };
        let mut buffer = vec![0; BLOCK];
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            self.hashed.hash.update(&buffer[..n]);
            self.hashed.bytes += n as u64;
        }
        self.have(self.hashed.bytes);
        Ok(())
    }

    fn start_over(&mut self) -> Result<()> {
        self.hashed = Hashed::default();
        self.fetch.start_over();
        self.have(0);
        File::options().write(true).open(&self.part)?.set_len(0)?;
        Ok(())
    }

    fn have(&mut self, bytes: u64) {
        self.fetch.progress(bytes);
        self.progress.have.store(bytes, Ordering::Relaxed);
    }

    fn once(&mut self, address: SocketAddr) -> Result<Outcome, Trouble> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT).map_err(Trouble::Network)?;
        let prepared = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(TICK)));
        prepared.map_err(Trouble::Network)?;
        let now = UnixTime::from_nanos(driver::unix_now());
        let command = self.fetch.command().sent_at(now).with_auth(self.auth.cloned());
        stream.write_all(command.to_text(Form::BOTH).as_bytes()).map_err(Trouble::Network)?;

        let mut decoder = FileDecoder::new();
        let mut unread = BytesMut::new();
        let mut buffer = vec![0; HEAD];
        let header = loop {
            match decoder.decode(&mut unread).map_err(|e| Trouble::Final(anyhow!("the answer: {e}")))? {
                Some(FileFrame::Header(header)) => break header,
                Some(FileFrame::Refused(reply)) => return Ok(Outcome::Refused(reply)),
                Some(_) => {}
                None => {
                    let n = self.read(&mut stream, &mut buffer)?;
                    unread.extend_from_slice(&buffer[..n]);
                }
            }
        };
        let plan = self.fetch.plan(&header).map_err(|e| Trouble::Final(e.into()))?;
        let needed = plan.total.saturating_sub(plan.write_at);
        if let Some(free) = free_space(self.dir).filter(|free| *free < needed) {
            return Err(Trouble::Final(anyhow!("the disk has {free} bytes left, {needed} more are needed")));
        }
        self.progress.total.store(plan.total, Ordering::Relaxed);
        self.body(&mut stream, &plan, unread.into())?;
        self.finish(&plan)
    }

    /// Takes the body in. The connection stays open until the file is safe: some devices delete what they have sent.
    fn body(&mut self, stream: &mut TcpStream, plan: &Plan, first: Vec<u8>) -> Result<(), Trouble> {
        let part = self.part.clone();
        let disk =
            |e: io::Error| Trouble::Final(anyhow!(e).context(format!("cannot write {}", part.display())));
        let mut file = File::options().create(true).truncate(false).write(true).open(&part).map_err(disk)?;
        file.set_len(plan.write_at).map_err(disk)?;
        file.seek(SeekFrom::Start(plan.write_at)).map_err(disk)?;
        if self.hashed.bytes != plan.write_at {
            self.hashed = Hashed::default();
        }
        let hashed = std::mem::take(&mut self.hashed);
        let mut at = plan.write_at;
        // Hashed beside reading and writing: a second core halves the time.
        let (work, empty, hasher) = hasher(hashed).map_err(|e| Trouble::Final(e.into()))?;
        let receive = || -> Result<(), Trouble> {
            let (mut skip, mut left) = (plan.skip, plan.body);
            let mut next = Some(Block::of(first)).filter(|b| !b.is_empty());
            while left > 0 {
                let mut block = match next.take() {
                    Some(block) => block,
                    None => {
                        let mut block = empty.try_recv().unwrap_or_else(|_| Block::of(vec![0; BLOCK]));
                        let most = usize::try_from(left).unwrap_or(BLOCK).min(block.bytes.len());
                        let n = self.read(stream, &mut block.bytes[..most])?;
                        block.used = 0..n;
                        block
                    }
                };
                // What follows the file is none of it.
                block.keep(left);
                left -= block.len();
                skip -= block.leave_out(skip);
                file.write_all(block.used()).map_err(disk)?;
                at += block.len();
                self.progress.have.store(at, Ordering::Relaxed);
                if work.send(block).is_err() {
                    return Err(Trouble::Final(anyhow!("the hashing thread is gone")));
                }
            }
            Ok(())
        };
        let received = receive();
        drop(work);
        drop(empty);
        self.hashed = hasher.join().map_err(|_| Trouble::Final(anyhow!("the hashing thread is gone")))?;
        // What a failed write left half done does not count.
        let _ = file.set_len(at);
        self.have(at);
        received?;
        file.sync_all().map_err(disk)
    }

    fn finish(&mut self, plan: &Plan) -> Result<Outcome, Trouble> {
        let hash: [u8; 32] = self.hashed.hash.clone().finalize().into();
        let sha256 = hex(&hash);
        if plan.sha256.as_ref().is_some_and(|told| *told != sha256) {
            return Ok(Outcome::WrongHash);
        }
        let path = free_name(self.dir, &plan.name, plan.total, &sha256)?;
        fs::rename(&self.part, &path).with_context(|| format!("cannot make {}", path.display()))?;
        if let Ok(dir) = File::open(self.dir) {
            let _ = dir.sync_all();
        }
        Ok(Outcome::Whole(Fetched {
            path,
            file_name: plan.name.as_str().into(),
            size: plan.total,
            sha256,
            verified: plan.sha256.is_some(),
        }))
    }

    /// Waits for bytes as long as the originals allow, looking now and then whether anybody still wants them.
    fn read(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let mut waited = Duration::ZERO;
        loop {
            if self.progress.cancelled.load(Ordering::Relaxed) {
                return Err(Trouble::Final(anyhow!("called off; what is here is kept for later")));
            }
            match stream.read(buffer) {
                Ok(0) => return Err(Trouble::Network(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => {
                    self.progress.moved.fetch_add(n as u64, Ordering::Relaxed);
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    waited += TICK;
                    if waited >= DOWNLOAD_STALL_TIMEOUT {
                        return Err(Trouble::Network(io::ErrorKind::TimedOut.into()));
                    }
                }
                Err(e) => return Err(Trouble::Network(e)),
            }
        }
    }
}

type Hasher = std::thread::JoinHandle<Hashed>;
/// Blocks to hash, blocks to fill again, and the thread between them.
type HashLine = (SyncSender<Block>, Receiver<Block>, Hasher);

/// A buffer that goes round between the threads, of which a part is used.
struct Block {
    bytes: Vec<u8>,
    used: Range<usize>,
}

impl Block {
    fn of(bytes: Vec<u8>) -> Self {
        Self { used: 0..bytes.len(), bytes }
    }

    fn used(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }

    fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    fn len(&self) -> u64 {
        self.used.len() as u64
    }

    /// Only the first `most` bytes stay.
    fn keep(&mut self, most: u64) {
        let len = usize::try_from(most).unwrap_or(usize::MAX).min(self.used.len());
        self.used.end = self.used.start + len;
    }

    /// Leaves out up to `most` of the first bytes; returns how many.
    fn leave_out(&mut self, most: u64) -> u64 {
        let n = usize::try_from(most).unwrap_or(usize::MAX).min(self.used.len());
        self.used.start += n;
        n as u64
    }
}

fn hasher(mut hashed: Hashed) -> io::Result<HashLine> {
    let (work, blocks) = sync_channel::<Block>(BLOCKS);
    let (done, empty) = sync_channel(BLOCKS);
    let thread = std::thread::Builder::new().name("hash".into()).spawn(move || {
        for block in blocks {
            hashed.hash.update(block.used());
            hashed.bytes += block.len();
            if block.bytes.len() == BLOCK {
                let _ = done.try_send(block);
            }
        }
        hashed
    })?;
    Ok((work, empty, thread))
}

/// Sleeps, unless it is called off.
fn wait(span: Duration, progress: &Progress) -> Result<()> {
    let mut left = span;
    while !left.is_zero() {
        if progress.cancelled.load(Ordering::Relaxed) {
            bail!("called off; what is here is kept for later");
        }
        let step = left.min(TICK);
        std::thread::sleep(step);
        left -= step;
    }
    Ok(())
}

/// The name itself, or with a number if another file has it. The very same file is replaced by itself.
fn free_name(dir: &Path, name: &FileName, size: u64, sha256: &str) -> Result<PathBuf> {
    let (stem, extension) = match name.as_str().rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name.as_str(), String::new()),
    };
    for n in 1..=1000 {
        let suffix = if n == 1 { String::new() } else { format!("-{n}") };
        let path = dir.join(format!("{stem}{suffix}{extension}"));
        let taken = match fs::metadata(&path) {
            Ok(meta) if meta.len() == size => hex(&crate::device::hash_file(&path)?) != sha256,
            Ok(_) => true,
            Err(_) => false,
        };
        if !taken {
            return Ok(path);
        }
    }
    bail!("a thousand files are called {name}")
}

#[cfg(unix)]
fn free_space(dir: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(dir).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

const CONNECT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(500);
const HEAD: usize = 16 << 10;
const BLOCK: usize = 512 << 10;
const BLOCKS: usize = 4;
