//! How far long work is.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// A bar on stderr for work that takes a while. There is none where stderr is no terminal, and none before the work has
/// taken half a second. It is taken away when this is dropped.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    /// When it is drawn next; `None`: never.
    due: Option<Instant>,
    drawn: bool,
}

impl Progress {
    /// For work of `total` units, whatever they are; 0: nobody knows, and there is no bar. `what` says what is done, in a
    /// few words.
    pub fn new(what: impl Into<String>, total: u64) -> Self {
        let due = (total > 0 && std::io::stderr().is_terminal()).then(|| Instant::now() + FIRST);
        Self { what: what.into(), total, due, drawn: false }
    }

    /// So much of it is done.
    pub fn at(&mut self, done: u64) {
        let now = Instant::now();
        if self.due.is_some_and(|due| now >= due) {
            self.due = Some(now + EVERY);
            self.drawn = true;
            // A terminal that is gone needs no bar.
            let _ = std::io::stderr().write_all(line(&self.what, done, self.total).as_bytes());
        }
    }

    /// Takes the bar away until it is drawn again, because something else is to be printed.
    pub fn hide(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = std::io::stderr().write_all(CLEAR.as_bytes());
        }
    }
}

/// What is read, with a bar that shows how far it is.
#[derive(Debug)]
pub struct Reading<R> {
    from: R,
    read: u64,
    progress: Progress,
}

impl<R: Read> Reading<R> {
    /// `progress` is that of the bytes in `from`.
    pub fn new(from: R, progress: Progress) -> Self {
        Self { from, read: 0, progress }
    }
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(to)?;
        self.read += length as u64;
        self.progress.at(self.read);
        Ok(length)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    let total = total.max(1);
    let part = |of: u64| u128::from(done.min(total)) * u128::from(of) / u128::from(total);
    let bar = "=".repeat(usize::try_from(part(30)).unwrap_or(30));
    let mut text = String::from(CLEAR);
    let _ = write!(text, "{what} [{bar:<30}] {:>3} %", part(100));
    text
}

/// To the beginning of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";
const FIRST: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow() {
        let shown = |done, total| line("LTC", done, total).replace(CLEAR, "");
        assert_eq!(shown(0, 10), format!("LTC [{}]   0 %", " ".repeat(30)));
        assert_eq!(shown(5, 10), format!("LTC [{}{}]  50 %", "=".repeat(15), " ".repeat(15)));
        assert_eq!(shown(u64::MAX, 10), format!("LTC [{}] 100 %", "=".repeat(30)));
        assert_eq!(shown(0, 0), shown(0, 1));
    }
}
