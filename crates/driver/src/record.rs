//! Recordings of machines in a file: what `--record` writes and `genlock-replay` reads.
//!
//! The first line says `genlock-recording 1`, the program and its version. Each line after it is one of
//! [`machine::record`], behind the number of its machine, as a program may run several:
//!
//! ```text
//! genlock-recording 1 smpte-server 0.1.0
//! 0 machine smpte-sessions x00…
//! 0 wall 12345 1795286400000000000
//! ```
//!
//! Lines are gathered in memory and written by a thread of their own every [`EVERY`], so that a machine waits for no
//! disk. A program that is killed loses what came after the last of these; a disk that is full, or too slow, ends the
//! recording and nothing else.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use machine::record::Sink;

/// What the first line begins with: the name of the format, and its version.
pub const HEAD: &str = "genlock-recording 1";

/// How often what was gathered is written.
pub const EVERY: Duration = Duration::from_millis(50);

/// More than this may not wait to be written, in bytes.
const MAX_WAITING: usize = 64 << 20;
/// From here on the writer is woken early.
const MANY: usize = 1 << 20;

/// A recording that is being written; to be dropped after the drivers of the machines that it is of. Then all is in the
/// file.
#[derive(Debug)]
pub struct Recording {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    many: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    machines: u32,
    /// No more is taken.
    is_over: bool,
    /// It is over because the disk was too slow.
    is_late: bool,
}

impl Recording {
    /// Begins a file, which may not be there yet; nobody but its owner may read it, as recordings hold passwords.
    ///
    /// # Errors
    /// When the file cannot be made, or no thread can be had.
    pub fn create(path: &Path, program: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(format!("{HEAD} {program} {}\n", env!("CARGO_PKG_VERSION")).as_bytes())?;
        Self::write_to(file, path.to_owned())
    }

    fn write_to(file: impl Write + Send + 'static, path: PathBuf) -> io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), many: Condvar::new() });
        let theirs = shared.clone();
        let run = move || {
            if let Err(error) = theirs.write_all(file) {
                theirs.lock().is_over = true;
                tracing::error!("the recording {} ends here: {error}", path.display());
            }
        };
        let writer = std::thread::Builder::new().name("recording".into()).spawn(run)?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// For the lines of one more machine.
    pub fn sink(&self) -> Box<dyn Sink> {
        let mut waiting = self.shared.lock();
        let machine = waiting.machines;
        waiting.machines += 1;
        Box::new(Lines { machine, shared: self.shared.clone() })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.many.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// Writes what comes, until it is over.
    fn write_all(&self, mut file: impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        loop {
            let mut waiting = self.lock();
            if !waiting.is_over && waiting.text.len() < MANY {
                waiting = self.many.wait_timeout(waiting, EVERY).unwrap_or_else(PoisonError::into_inner).0;
            }
            let (is_over, is_late) = (waiting.is_over, waiting.is_late);
            text.clear();
            mem::swap(&mut text, &mut waiting.text);
            drop(waiting);
            file.write_all(&text)?;
            // What a burst took is given back.
            text.shrink_to(MANY);
            if is_late {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the disk is too slow for it"));
            }
            if is_over {
                return Ok(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of one machine.
struct Lines {
    machine: u32,
    shared: Arc<Shared>,
}

impl Sink for Lines {
    fn line(&mut self, line: &str) -> bool {
        let mut waiting = self.shared.lock();
        if waiting.text.len() + line.len() > MAX_WAITING {
            (waiting.is_over, waiting.is_late) = (true, true);
        }
        if waiting.is_over {
            return false;
        }
        // Writing to memory cannot fail.
        let _ = writeln!(waiting.text, "{} {line}", self.machine);
        if waiting.text.len() >= MANY {
            self.shared.many.notify_one();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_are_in_the_file_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let recording = Recording::create(&path, "a-server").unwrap();
        let (mut first, mut second) = (recording.sink(), recording.sink());
        assert!(first.line("machine a") && second.line("machine b"));
        let long = "x".repeat(2 * MANY);
        assert!(first.line(&long) && first.line("."));
        drop(recording);
        assert!(!first.line("too late"));
        let head = format!("{HEAD} a-server {}\n", env!("CARGO_PKG_VERSION"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text == format!("{head}0 machine a\n1 machine b\n0 {long}\n0 .\n"), "{} bytes", text.len());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // What is there is kept.
        assert_eq!(Recording::create(&path, "a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    /// Takes so much, and then no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            match self.0.min(data.len()) {
                0 if !data.is_empty() => Err(io::ErrorKind::StorageFull.into()),
                count => {
                    self.0 -= count;
                    Ok(count)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_recording_alone() {
        let mut recording = Recording::write_to(Full(10), "full".into()).unwrap();
        let mut sink = recording.sink();
        assert!(sink.line("more than ten bytes"));
        // The writer ends by itself.
        recording.writer.take().unwrap().join().unwrap();
        assert!(!sink.line("no more"));
    }

    #[test]
    fn a_disk_that_stands_still_ends_it_before_memory_does() {
        let (go_on, stands_still) = std::sync::mpsc::channel::<()>();
        struct Still(std::sync::mpsc::Receiver<()>);
        impl Write for Still {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(data.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let recording = Recording::write_to(Still(stands_still), "still".into()).unwrap();
        let mut sink = recording.sink();
        let line = "x".repeat(1 << 20);
        let taken = (0..1000).take_while(|_| sink.line(&line)).count();
        assert!(taken <= 2 * (MAX_WAITING >> 20) + 1, "{taken} MiB");
        drop(go_on);
    }
}
