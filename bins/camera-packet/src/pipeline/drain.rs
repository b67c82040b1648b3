//! Reading what programs write to standard error, always: one that nobody reads blocks for ever.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::ChildStderr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Lines of a program that are logged in a second.
const LINES_PER_SECOND: u32 = 20;
/// Of a longer line only the beginning is logged.
const MAX_LINE: usize = 1024;

/// Reads after the program has been ended: a child of it that has got away may go on for ever.
const LAST_WORDS: u32 = 64;

/// A thread that reads one pipe. Dropping this ends it soon, even if a stray process still holds the other end.
#[derive(Debug)]
pub(super) struct Drain {
    stop: Arc<AtomicBool>,
}

impl Drain {
    pub(super) fn start(name: &str, stderr: ChildStderr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (name, stopped) = (name.to_owned(), stop.clone());
        let spawned = std::thread::Builder::new().name("stderr".into()).spawn(move || {
            drain(&stopped, stderr, |line| tracing::info!(target: "pipeline", "{name}: {line}"))
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread to read a program's messages");
        }
        Self { stop }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn drain(stop: &AtomicBool, mut pipe: impl Read + AsFd, log: impl Fn(&str)) {
    let mut lines = Lines::new(Instant::now());
    let mut buffer = [0; 16 << 10];
    let mut last_words = LAST_WORDS;
    while last_words > 0 {
        if stop.load(Ordering::Relaxed) {
            last_words -= 1;
        }
        let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(250_u8)) {
            Ok(0) if stop.load(Ordering::Relaxed) => break,
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            _ => {}
        }
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => lines.push(buffer.get(..n).unwrap_or_default(), Instant::now(), &log),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lines.end(&log);
}

/// Cuts bytes into lines and lets so many a second through.
struct Lines {
    line: Vec<u8>,
    second: Instant,
    passed: u32,
    held_back: u64,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self { line: Vec::new(), second: now, passed: 0, held_back: 0 }
    }

    fn push(&mut self, bytes: &[u8], now: Instant, log: &impl Fn(&str)) {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            self.report(log);
            (self.second, self.passed) = (now, 0);
        }
        for part in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            if matches!(part.last(), Some(b'\n' | b'\r')) {
                self.pass(log);
            }
        }
    }

    fn pass(&mut self, log: &impl Fn(&str)) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end();
        if line.is_empty() {
        } else if self.passed < LINES_PER_SECOND {
            self.passed += 1;
            log(line);
        } else {
            self.held_back += 1;
        }
        self.line.clear();
    }

    fn report(&mut self, log: &impl Fn(&str)) {
        if self.held_back > 0 {
            log(&format!("({} more lines)", self.held_back));
            self.held_back = 0;
        }
    }

    fn end(mut self, log: &impl Fn(&str)) {
        self.pass(log);
        self.report(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_talkative_program_is_read_and_cut_short() {
        let log = RefCell::new(Vec::new());
        let note = |line: &str| log.borrow_mut().push(line.to_owned());
        let start = Instant::now();
        let mut lines = Lines::new(start);
        for n in 0..100 {
            lines.push(format!("line {n}\n").as_bytes(), start, &note);
        }
        assert_eq!(log.borrow().len(), 20);
        lines.push(b"frame=1\rframe=2\r\n", start + Duration::from_secs(1), &note);
        assert_eq!(log.borrow()[20..], ["(80 more lines)", "frame=1", "frame=2"]);
        lines.push(&[b'x'; 1 << 20], start + Duration::from_secs(1), &note);
        assert!(lines.line.len() <= MAX_LINE);
        lines.end(&note);
        assert_eq!(log.borrow().last().map(String::len), Some(MAX_LINE));
    }
}
