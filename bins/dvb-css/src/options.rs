//! Command line parts that several programs share.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context;
use clap::Args;
use driver::cli;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::logging::{Logging, filter, level};
use crate::program::Place;

/// What every program takes.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Print nothing while running
    #[arg(short, long)]
    pub quiet: bool,
    /// Log up to this level: critical, error, warning, info, debug [default: info; wall-clock-client: debug]
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub loglevel: Option<LevelFilter>,
    /// What to log: a level (error, warn, info, debug, trace) or directives such as `driver=debug`; goes before --loglevel
    #[arg(long, env = "GENLOCK_LOG", value_name = "FILTER", value_parser = filter)]
    pub log: Option<Targets>,
    /// How to write log lines: as the original does, or as other programs for supervisors
    #[arg(long, env = "GENLOCK_LOG_FORMAT", default_value = "text", value_name = "FORMAT", value_enum)]
    pub log_format: cli::LogFormat,
}

impl Common {
    /// What is printed.
    pub fn telling(&self, announce: cli::Announce) -> Telling {
        match (self.quiet, announce.json) {
            (true, _) => Telling::Nothing,
            (false, false) => Telling::Lines,
            (false, true) => Telling::Json,
        }
    }

    /// What is logged; nothing but errors of a quiet program.
    pub fn logging(&self, default: LevelFilter) -> Logging {
        let level = if self.quiet { LevelFilter::ERROR } else { self.loglevel.unwrap_or(default) };
        let mut logging = Logging::up_to(level);
        logging.filter = self.log.clone().filter(|_| !self.quiet);
        logging.format = self.log_format;
        logging
    }
}

/// Where a server listens, by options as other servers have them. The original's arguments for that are in the groups
/// `address` and `address_port`.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address or name to listen on, instead of the argument
    #[arg(long, value_name = "HOST", conflicts_with = "address")]
    host: Option<String>,
    /// TCP port, or UDP port of the wall clock, instead of the argument; 0 picks a free one
    #[arg(long, value_name = "PORT", conflicts_with = "address_port")]
    port: Option<u16>,
}

impl Listen {
    /// What the options say, and where they say nothing the arguments.
    pub fn place<'a>(&'a self, names: &'a str, host: &'a str, port: u16) -> Place<'a> {
        place(("--host and --port", self.host.as_deref(), self.port), (names, host, port))
    }
}

/// The same for the wall clock of a server that has other things to serve; groups `wc_address` and `wc_address_port`.
#[derive(Args, Clone, Debug)]
pub struct ListenWallClock {
    /// Address or name to serve the wall clock on, instead of the argument
    #[arg(long, value_name = "HOST", conflicts_with = "wc_address")]
    wc_host: Option<String>,
    /// UDP port of the wall clock, instead of the argument; 0 picks a free one
    #[arg(id = "by_wc_port", long = "wc-port", value_name = "PORT", conflicts_with = "wc_address_port")]
    wc_port: Option<u16>,
}

impl ListenWallClock {
    /// What the options say, and where they say nothing the arguments.
    pub fn place<'a>(&'a self, names: &'a str, host: &'a str, port: u16) -> Place<'a> {
        place(("--wc-host and --wc-port", self.wc_host.as_deref(), self.wc_port), (names, host, port))
    }
}

/// An option goes before an argument; clap sees that there are not both.
fn place<'a>(
    (options, host, port): (&'a str, Option<&'a str>, Option<u16>),
    (arguments, default_host, default_port): (&'a str, &'a str, u16),
) -> Place<'a> {
    let names = if host.is_some() || port.is_some() { options } else { arguments };
    Place { names, host: host.unwrap_or(default_host), port: port.unwrap_or(default_port) }
}

/// What a server prints while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Nothing.
    Nothing,
    /// The original's lines, and where it listens.
    Lines,
    /// JSON objects.
    Json,
}

impl Telling {
    /// Prints where a server listens.
    pub fn listening(self, address: SocketAddr, role: &str) {
        if self != Self::Nothing {
            cli::Announce { json: self == Self::Json }.listening(address, role);
        }
    }

    /// Prints that a server of a cluster serves it.
    pub fn serving_the_cluster(self) {
        match self {
            Self::Nothing => {}
            Self::Lines => cli::say("serving the cluster"),
            Self::Json => cli::say(r#"{"event":"serving","what":"cluster"}"#),
        }
    }
}

/// What every program with an HTTP port takes.
#[derive(Args, Clone, Debug)]
pub struct Http {
    /// Do not log HTTP connections
    #[arg(short = 'Q', long, visible_alias = "quiet-cherrypy")]
    pub quiet_http: bool,
    /// Connections at once to each end point; 0: no limit [default: as the original; cii-server 2, ts-server 3, tv-device 5
    /// to /cii and 10 to /ts]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,
    /// How it says where it listens.
    #[command(flatten)]
    pub announce: cli::Announce,
    /// Whether it records.
    #[command(flatten)]
    pub record: cli::Record,
}

impl Http {
    /// The limit of an end point whose program has this one by default.
    pub fn limit(&self, default: usize) -> Option<usize> {
        match self.max_connections.unwrap_or(default) {
            0 => None,
            n => Some(n),
        }
    }
}

/// A `ws://host[:port][/path]` address.
///
/// # Errors
/// When it is none.
pub fn ws_url(text: &str) -> Result<String, String> {
    let authority = text.strip_prefix("ws://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_host = |host: &str| !host.is_empty() && !text.contains(char::is_whitespace);
    // an IPv6 address has colons of its own, and stands in brackets
    let good = authority.is_some_and(|authority| match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => is_host(host) && port.parse::<u16>().is_ok(),
        _ => is_host(authority),
    });
    if good { Ok(text.into()) } else { Err("not a ws://HOST:PORT/PATH address".into()) }
}

/// Host and port of a `udp://host:port` address.
///
/// # Errors
/// When it is none.
pub fn udp_url(text: &str) -> Result<(String, u16), String> {
    let parts = text.strip_prefix("udp://").and_then(|rest| rest.trim_end_matches('/').rsplit_once(':'));
    let parsed = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parsed.filter(|(host, _)| !host.is_empty()).ok_or_else(|| "not a udp://HOST:PORT address".into())
}

/// Binds a UDP socket; without a port to a random one from 10000 to 19999, as the original's clients do.
///
/// # Errors
/// When the host cannot be resolved or the port is taken.
pub fn bind_udp(name: &str, host: &str, port: Option<u16>) -> anyhow::Result<UdpSocket> {
    let address = driver::cli::resolve(name, host, port.unwrap_or(0))?;
    if port.is_none() {
        for word in driver::seed().chunks_exact(2) {
            let random = 10_000 + u16::from_be_bytes([word[0], word[1]]) % 10_000;
            if let Ok(socket) = UdpSocket::bind(SocketAddr::new(address.ip(), random)) {
                return Ok(socket);
            }
        }
    }
    UdpSocket::bind(address).with_context(|| format!("cannot bind {address}: choose another {name}"))
}

/// The address of a server as seen from a socket bound to `local`: the wildcard stands for this machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Prints a line.
///
/// # Errors
/// When standard output is closed.
pub fn say(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_looked_at_before_they_are_used() {
        for good in
            ["ws://tv/cii", "ws://127.0.0.1:7681/cii", "ws://[::1]:7681/ts?x", "ws://[::1]", "ws://h:0"]
        {
            assert_eq!(ws_url(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "ws:/127.0.0.1:7681/cii",
            "wss://h/",
            "ws://",
            "ws://:80/",
            "ws://h:65536/",
            "ws://h:/",
            "ws://a b/",
        ] {
            assert!(ws_url(bad).is_err(), "{bad}");
        }
        assert_eq!(udp_url("udp://tv:6677/"), Ok(("tv".into(), 6677)));
        for bad in ["udp://tv", "udp://:6677", "udp://tv:65536", "tcp://tv:1"] {
            assert!(udp_url(bad).is_err(), "{bad}");
        }
    }
}
