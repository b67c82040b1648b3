//! Logging as the configuration of the original asks for it: levels and format by their Python names.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// The original's format.
pub const DEFAULT_FORMAT: &str = "%(asctime)s - %(name)s - %(levelname)s - %(message)s";

/// The same without the time, for supervisors that add their own.
pub const COMPACT_FORMAT: &str = "%(name)s - %(levelname)s - %(message)s";

/// A level by its Python or Rust name, in any case.
pub fn level(name: &str) -> Option<Level> {
    Some(match name.to_ascii_uppercase().as_str() {
        "TRACE" => Level::TRACE,
        "DEBUG" => Level::DEBUG,
        "INFO" => Level::INFO,
        "WARN" | "WARNING" => Level::WARN,
        "ERROR" | "CRITICAL" => Level::ERROR,
        _ => return None,
    })
}

/// What `--log` says: a level, or directives such as `driver=debug`.
///
/// # Errors
/// With one line, when it is none of them.
pub fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).map_err(|_| anyhow::anyhow!("--log: '{text}' is not a log filter"))
}

/// Logs to standard error, and to a file if there is one (appended).
///
/// # Errors
/// When the file cannot be opened, what is to be logged is not understood, or logging was started before.
pub fn init(what: &str, file: Option<&Path>, format: &str) -> anyhow::Result<()> {
    use anyhow::Context;
    let file = file
        .map(|path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.with_context(|| format!("--log-file: cannot open {}", path.display()))
        })
        .transpose()?;
    let both = Both { file: file.map(|file| Arc::new(Mutex::new(file))) };
    tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter(what)?)
        // the lines have none, and the file is to have none of the fields' either
        .with_ansi(false)
        .event_format(Template(format.into()))
        .with_writer(both)
        .try_init()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// Standard error and a file.
#[derive(Clone)]
struct Both {
    file: Option<Arc<Mutex<File>>>,
}

impl Write for Both {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A lost log line is no reason to stop.
        let _ = io::stderr().write_all(line);
        if let Some(file) = &self.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Both {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A line by a Python format: `asctime`, `name`, `levelname` and `message`.
struct Template(String);

impl<S, N> FormatEvent<S, N> for Template
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message::default();
        event.record(&mut message);
        let level = match *event.metadata().level() {
            Level::WARN => "WARNING",
            ref level => level.as_str(),
        };
        let line = self
            .0
            .replace("%(asctime)s", &asctime(driver::unix_now()))
            .replace("%(name)s", event.metadata().target())
            .replace("%(levelname)s", level)
            .replace("%(message)s", &message.0);
        writeln!(writer, "{line}")
    }
}

/// The message, then fields as `name=value`.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// `2026-11-21 07:21:54,778`, in UTC.
fn asctime(unix_ns: i64) -> String {
    let ms = unix_ns.div_euclid(1_000_000);
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Gregorian calendar, years counted from March so that the leap day comes last.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{milli:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dates() {
        assert_eq!(level("warning"), Some(Level::WARN));
        assert_eq!(level("CRITICAL"), Some(Level::ERROR));
        assert_eq!(level("loud"), None);
        assert_eq!(asctime(1_795_245_714_778_000_000), "2026-11-21 07:21:54,778");
        assert_eq!(asctime(951_782_400_000_000_000), "2000-02-29 00:00:00,000");
    }
}
