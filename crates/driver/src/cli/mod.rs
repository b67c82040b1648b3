//! What every program of the workspace does alike on its command line.

mod generate;
mod progress;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::net::TcpSocket;
use tracing_subscriber::EnvFilter;

pub use progress::{Progress, Reading};

use crate::record::Recording;

/// Connections that may wait to be accepted, if the system allows as many.
const BACKLOG: u32 = 4096;

/// Logging options, the same in every program. Logs go to stderr; stdout is for what was asked for.
#[derive(Args, Clone, Debug)]
pub struct Logging {
    /// What to log: a level (error, warn, info, debug, trace) or directives such as `driver=debug`
    #[arg(long, env = "GENLOCK_LOG", default_value = "info", value_name = "FILTER", global = true)]
    pub log: String,
    /// How to write log lines
    #[arg(
        long,
        env = "GENLOCK_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        value_enum,
        global = true
    )]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// Without times and colours, for supervisors that add their own.
    Compact,
}

impl Logging {
    /// Starts logging as asked. `at_least` raises the level, for a program's `--debug`.
    ///
    /// # Errors
    /// When the filter is not understood.
    pub fn init(&self, at_least: Option<&str>) -> anyhow::Result<()> {
        let filter = at_least.unwrap_or(&self.log);
        let filter = EnvFilter::try_new(filter)
            .map_err(|_| usage(anyhow::anyhow!("--log: '{filter}' is not a log filter")))?;
        let logger = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            // A log that cannot be written, on a full disk for one, stops nothing: the library would panic over it.
            .log_internal_errors(false)
            .with_ansi(colours(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR")));
        match self.log_format {
            LogFormat::Text => logger.init(),
            LogFormat::Compact => logger.without_time().with_ansi(false).compact().init(),
        }
        Ok(())
    }
}

/// Whether a log has colours: on terminals, unless the person there wants none (<https://no-color.org>).
fn colours(is_terminal: bool, no_color: Option<OsString>) -> bool {
    is_terminal && no_color.is_none_or(|value| value.is_empty())
}

/// How a server says where it listens, the same in every server.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Announce {
    /// Print one JSON object a line: {"event":"listening","role":"…","address":"…"} for each listener
    #[arg(long)]
    pub json: bool,
}

impl Announce {
    /// The line by which scripts and tests find a listener, `listening on 127.0.0.1:8080 (tcp)`, or the same as JSON.
    pub fn listening(self, address: SocketAddr, role: &str) {
        if self.json {
            // Nothing in either needs to be escaped.
            let event = format!(r#"{{"event":"listening","role":"{role}","address":"{address}"}}"#);
            say(event);
        } else {
            announce(address, role);
        }
    }
}

/// The option of every server that records.
#[derive(Args, Clone, Debug)]
pub struct Record {
    /// Write all that the server is told and says into a new file, passwords and contents too: genlock-replay plays it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

impl Record {
    /// Begins the recording, if one is asked for. To be dropped when the drivers of the machines have ended.
    ///
    /// # Errors
    /// With one line when the file is there already or cannot be made.
    pub fn start(&self) -> anyhow::Result<Option<Recording>> {
        let Some(path) = &self.record else { return Ok(None) };
        let program = program_name().unwrap_or_else(|| "a-program".into());
        let started = Recording::create(path, &program).map_err(|error| {
            let there = error.kind() == std::io::ErrorKind::AlreadyExists;
            let advice = if there { ", and recordings replace nothing: choose another name" } else { "" };
            usage(anyhow::anyhow!("--record: {}: {error}{advice}", path.display()))
        });
        started.map(Some)
    }
}

/// Parses the command line. `--help` and `--version` are answered, as is `--generate bash|zsh|fish|elvish|powershell`
/// (a completion script on stdout) and `--generate man DIR` (man pages into that directory). What is wrong with the
/// arguments is said in one line on stderr, and the process ends with 2.
pub fn parse<O: clap::Parser>() -> O {
    parse_or(|error, _| refuse(error))
}

/// As [`parse`], for programs whose originals show how they are used when the arguments are wrong.
pub fn parse_or_usage<O: clap::Parser>() -> O {
    parse_or(|error, command| {
        if error.use_stderr() {
            eprintln!("{}", command.render_usage());
        }
        refuse(error)
    })
}

fn parse_or<O: clap::Parser>(wrong: impl FnOnce(&clap::Error, &mut clap::Command) -> O) -> O {
    // clap would call every program of a package by the package's name.
    let mut command = program_name().map_or_else(O::command, |name| O::command().name(name));
    generate::if_asked(&command);
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = matches.and_then(|mut matches| O::from_arg_matches_mut(&mut matches));
    parsed.unwrap_or_else(|error| wrong(&error.format(&mut command), &mut command))
}

/// The name under which this program was started.
fn program_name() -> Option<String> {
    let path = std::env::args_os().next()?;
    Path::new(&path).file_stem()?.to_str().map(str::to_owned)
}

/// Help as clap prints it, errors in one line.
fn refuse(error: &clap::Error) -> ! {
    // With nothing at all to go by, a person wants the help.
    if !error.use_stderr() || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        error.exit();
    }
    let text = error.to_string();
    let first: Vec<_> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    eprintln!("{} (--help tells more)", first.join(" "));
    std::process::exit(2)
}

/// Resolves a host and port to one address, IPv4 before IPv6.
///
/// # Errors
/// With one line naming the option, when the host cannot be resolved.
pub fn resolve(option: &str, host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    // An empty host means this machine, as unset environment variables do.
    if host.is_empty() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let all: Vec<_> = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("{option}: cannot find the host '{host}'"))?
        .collect();
    let best = all.iter().find(|a| a.is_ipv4()).or_else(|| all.first());
    best.copied().with_context(|| format!("{option}: the host '{host}' has no address"))
}

/// Binds a TCP listener and says which option to change when that fails.
///
/// # Errors
/// With one line naming address and option.
pub async fn listen(option: &str, address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    listen_to_many(address)
        .with_context(|| format!("cannot listen on {address}: choose another with {option}"))
}

/// As `TcpListener::bind`, which lets 128 connections wait to be accepted: of a thousand that come at once the rest would
/// be left to the retry after a second.
fn listen_to_many(address: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Allows the process as many open descriptors as the system lets it have: one is needed for each connection, and
/// the usual soft limit is 1024.
pub fn raise_descriptor_limit() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let raised = getrlimit(Resource::RLIMIT_NOFILE)
            .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
        if let Err(error) = raised {
            tracing::debug!(%error, "the limit of open descriptors stays as it is");
        }
    }
}

/// The line by which scripts and tests find a listener: `listening on 127.0.0.1:8080 (tcp)`.
pub fn announce(address: SocketAddr, role: &str) {
    say(format_args!("listening on {address} ({role})"));
}

/// Prints a line at once, whoever reads it. A closed stdout is no reason to stop serving.
pub fn say(line: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Ends the process as the workspace's programs do: 0 for success, 1 with one line on stderr for a failure, 2 if the
/// failure is for the person to mend who gave the arguments ([`usage_if`]).
pub fn exit(result: anyhow::Result<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::from(if error.chain().any(|cause| cause.is::<Usage>()) { 2 } else { 1 })
        }
    }
}

/// Marks an error as one that wants other arguments: the program ends with 2.
pub fn usage(error: anyhow::Error) -> anyhow::Error {
    anyhow::Error::new(Usage(error))
}

/// The same, if `is_usage` says so of one of its causes.
pub fn usage_if(
    is_usage: fn(&(dyn std::error::Error + 'static)) -> bool,
    error: anyhow::Error,
) -> anyhow::Error {
    if error.chain().any(is_usage) { usage(error) } else { error }
}

/// An error that wants other arguments; it says what the error in it says.
#[derive(Debug)]
struct Usage(anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_person_wants_them() {
        assert!(colours(true, None));
        assert!(colours(true, Some("".into())), "set to nothing");
        assert!(!colours(true, Some("1".into())));
        assert!(!colours(false, None));
    }
}
