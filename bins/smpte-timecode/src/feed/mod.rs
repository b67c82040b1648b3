//! A live session as a source: what it drives, each on a thread of its own that keeps the session's time.

mod artnet;
mod ltc;
mod mtc;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use driver::Driver;
use machine::Instant;
use smpte_timecode::client::Client;
use smpte_timecode::{Rate, Timecode};
use tokio::sync::mpsc;

/// A session that stands still is looked at this often.
const IDLE: Duration = Duration::from_millis(10);

/// What a session is to drive.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// LTC: a WAV file, or raw 16-bit little-endian samples, mono, 48 000 a second, on stdout for `-`.
    pub ltc: Option<PathBuf>,
    /// Art-Net timecode to this host, `HOST` or `HOST:PORT`.
    pub artnet: Option<String>,
    /// MIDI timecode: a file or device, or stdout for `-`.
    pub mtc: Option<PathBuf>,
}

impl Outputs {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.ltc.is_some() || self.artnet.is_some() || self.mtc.is_some()
    }

    /// Whether one takes standard output.
    pub fn use_stdout(&self) -> bool {
        self.on_stdout() > 0
    }

    /// How many want standard output; no more than one can have it.
    pub fn on_stdout(&self) -> usize {
        [&self.ltc, &self.mtc].into_iter().flatten().filter(|path| path.as_os_str() == "-").count()
    }
}

/// The running outputs; they end when this is dropped.
#[derive(Debug)]
pub struct Feeds {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<Result<()>>,
}

impl Feeds {
    /// Starts what is asked for.
    ///
    /// # Errors
    /// When a file or address cannot be had.
    pub fn start(driver: &Driver<Client>, outputs: &Outputs) -> Result<Self> {
        let (end, ended) = mpsc::channel(1);
        let mut feeds = Self { stop: Arc::default(), threads: Vec::new(), ended };
        if let Some(path) = &outputs.ltc {
            let target = Target::open(path).with_context(|| format!("--ltc-out {}", path.display()))?;
            feeds.spawn("ltc-out", driver, &end, move |session| ltc::feed(session, target))?;
        }
        if let Some(path) = &outputs.mtc {
            let target = Target::open(path).with_context(|| format!("--mtc-out {}", path.display()))?;
            feeds.spawn("mtc-out", driver, &end, move |session| mtc::feed(session, target))?;
        }
        if let Some(host) = &outputs.artnet {
            let sender = artnet::Sender::open(host)?;
            feeds.spawn("artnet", driver, &end, move |session| artnet::feed(session, &sender))?;
        }
        Ok(feeds)
    }

    fn spawn(
        &mut self,
        name: &'static str,
        driver: &Driver<Client>,
        end: &mpsc::Sender<Result<()>>,
        feed: impl FnOnce(&Session) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let session = Session { driver: driver.clone(), stop: self.stop.clone() };
        let end = end.clone();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let result = feed(&session).with_context(|| format!("--{name}"));
            // Only the first end is waited for.
            let _ = end.try_send(result);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits until an output ends by itself: whoever read it has gone, or it failed.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn ended(&mut self) -> Result<()> {
        self.ended.recv().await.unwrap_or(Ok(()))
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The session as the outputs see it.
struct Session {
    driver: Driver<Client>,
    stop: Arc<AtomicBool>,
}

/// Where the session's time is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    /// The label in force.
    timecode: Timecode,
    /// Its frame, counted past midnight.
    frame: i64,
    /// When that frame began.
    began: Instant,
    running: bool,
}

impl Place {
    fn rate(&self) -> Rate {
        self.timecode.rate()
    }

    /// When frame number `frame` begins, if the session runs on.
    fn begin_of(&self, frame: i64) -> Instant {
        let nanos = frame_nanos(self.rate(), i128::from(frame) - i128::from(self.frame));
        match u64::try_from(nanos) {
            Ok(nanos) => self.began + Duration::from_nanos(nanos),
            Err(_) => self.began.saturating_sub(Duration::from_nanos(nanos.unsigned_abs() as u64)),
        }
    }
}

/// How long so many frames last, in nanoseconds.
fn frame_nanos(rate: Rate, frames: i128) -> i128 {
    frames * 1_000_000_000 * i128::from(rate.denominator()) / i128::from(rate.numerator())
}

impl Session {
    /// Where the session is now; `None`: in no session, or it runs and the server does not tell its clock.
    fn place(&self) -> Option<Place> {
        self.driver.call(|client, now| {
            let session = client.status().session?;
            if let Some(moment) = client.moment(now) {
                let (timecode, frame, began) = (moment.timecode, moment.frame, moment.began);
                return Some(Place { timecode, frame, began, running: session.running });
            }
            // Of a session that stands still when it is joined, the label is all that is told, and enough.
            let rate = session.framerate.parse().ok().filter(|_| !session.running)?;
            let timecode = Timecode::parse(&session.label, rate).ok()?;
            Some(Place { timecode, frame: timecode.frame().into(), began: now, running: false })
        })
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.driver.is_stopped()
    }

    /// Sleeps until `at`, but looks around every now and then.
    fn sleep_until(&self, at: Instant) {
        thread::sleep(at.saturating_since(driver::now()).min(IDLE * 2));
    }
}

/// A file, or standard output.
enum Target {
    File(File),
    Stdout,
}

impl Target {
    fn open(path: &std::path::Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        // Devices are written to, files made anew.
        Ok(Self::File(File::options().write(true).create(true).truncate(true).open(path)?))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
        }
    }

    /// Writes at the start of a file; nothing to do for standard output.
    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Self::File(file) = self {
            file.rewind()?;
            file.write_all(bytes)?;
        }
        Ok(())
    }
}
