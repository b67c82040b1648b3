//! Log lines as the original programs write them: `LEVEL:logger:message` on standard error.

use std::fmt;

use driver::cli::LogFormat;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, Layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// A level by its Python name, in any case.
///
/// # Errors
/// With the names that there are.
pub fn level(name: &str) -> Result<LevelFilter, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "critical" | "error" => LevelFilter::ERROR,
        "warning" | "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        _ => return Err("one of critical, error, warning, info, debug".into()),
    })
}

/// A level for everything, or levels for targets, as other programs take them.
///
/// # Errors
/// When it is neither.
pub fn filter(text: &str) -> Result<Targets, String> {
    text.parse().map_err(|_| "not a log filter".into())
}

/// What of it all is logged, and how.
#[derive(Clone, Debug)]
pub struct Logging {
    /// The programs' own loggers.
    pub level: LevelFilter,
    /// The HTTP server.
    pub http: bool,
    /// The wall clock client within another program.
    pub wall_clock: LevelFilter,
    /// Instead of all levels.
    pub filter: Option<Targets>,
    /// As the original, or for supervisors.
    pub format: LogFormat,
}

/// The logger of HTTP connections.
pub const HTTP: &str = "http";
/// The logger of a wall clock server.
pub const WALL_CLOCK_SERVER: &str = "WallClockServer";
/// The logger of a wall clock client.
pub const WALL_CLOCK_CLIENT: &str = "WallClockClient";

impl Logging {
    /// Everything up to a level.
    pub fn up_to(level: LevelFilter) -> Self {
        Self { level, http: true, wall_clock: level, filter: None, format: LogFormat::Text }
    }

    /// Whether somebody sees what is logged of each request for the wall clock.
    pub fn shows_requests(&self) -> bool {
        match &self.filter {
            Some(filter) => filter.would_enable(WALL_CLOCK_SERVER, &Level::INFO),
            None => self.level >= LevelFilter::INFO,
        }
    }

    /// Starts logging.
    ///
    /// # Errors
    /// When it was started before.
    pub fn init(&self) -> anyhow::Result<()> {
        // the driver tells details that the original has none of
        let driver = self.level.min(LevelFilter::WARN);
        // what the engine's client says is for whoever looks for a fault
        let engine = if self.level >= LevelFilter::DEBUG { self.level } else { LevelFilter::OFF };
        let http = if self.http { self.level } else { LevelFilter::OFF };
        let targets = match &self.filter {
            Some(filter) if self.http => filter.clone(),
            Some(filter) => filter.clone().with_target(HTTP, LevelFilter::OFF),
            None => Targets::new()
                .with_default(self.level)
                .with_target("driver", driver)
                .with_target("async_nats", engine)
                .with_target(HTTP, http)
                .with_target(WALL_CLOCK_CLIENT, self.wall_clock),
        };
        let lines = Layer::default().with_ansi(false).with_writer(std::io::stderr).log_internal_errors(false);
        let all = tracing_subscriber::registry().with(targets);
        match self.format {
            LogFormat::Text => all.with(lines.event_format(Lines)).try_init()?,
            LogFormat::Compact => all.with(lines.without_time().compact()).try_init()?,
        }
        Ok(())
    }
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        write!(writer, "{level}:{}:", event.metadata().target())?;
        let mut text = Text { writer: &mut writer, result: Ok(()), is_first: true };
        event.record(&mut text);
        text.result?;
        writeln!(writer)
    }
}

struct Text<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
    is_first: bool,
}

impl Visit for Text<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if std::mem::replace(&mut self.is_first, false) { "" } else { " " };
        let result = if field.name() == "message" {
            write!(self.writer, "{space}{value:?}")
        } else {
            write!(self.writer, "{space}{}={value:?}", field.name())
        };
        self.result = self.result.and(result);
    }
}
