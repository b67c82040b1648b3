//! Limits and defaults of the session machines.

use alloc::borrow::Cow;
use core::fmt;
use core::time::Duration;

use crate::message::Extensions;
use crate::session::replicated::NodeConfig;

/// How a [`Server`](crate::server::Server) is set up.
///
/// ```
/// use smpte_timecode::config::ServerConfig;
///
/// let config = ServerConfig::new([7; 32]).with_max_clients(100).with_address("localhost", 8080);
/// assert_eq!(config.max_clients, 100);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Seed of the generator of session ids, from the operating system's randomness: who knows it knows the ids.
    pub rng_seed: [u8; 32],
    /// More clients than this get `Server full` and are closed. Default 10 000; the original has no limit (sheet B7,
    /// Q7).
    pub max_clients: u32,
    /// `create_session` beyond this gets an error. Default 10 000; the original has no limit.
    pub max_sessions: u32,
    /// Bytes of a line before its LF; a longer one closes the connection. Default 65 536 (sheet B1).
    pub max_line: usize,
    /// Start, stop and reset messages of a session that are passed on to its other members at once, if they come
    /// faster than [`announcements_per_second`](Self::announcements_per_second); beyond that, the other members get
    /// the outcome of several in one message, so that a flood does not reach them. Default 1000.
    pub announcement_burst: u32,
    /// See [`announcement_burst`](Self::announcement_burst). Default 200; 0 counts as 1.
    pub announcements_per_second: u32,
    /// Rates, labels and counting exactly as in the original, errors included (sheet B7, Q1, Q5, Q9). Default off.
    pub truncated_labels: bool,
    /// What `hello` is told about this server. Default `genlock/` and this crate's version.
    pub server_name: Cow<'static, str>,
    /// What `get_status` is told; means nothing else. Default `localhost` (sheet B1).
    pub host: Cow<'static, str>,
    /// What `get_status` is told; means nothing else. Default 8080 (sheet B1).
    pub port: u16,
    /// Share the sessions of clients with the other servers of a cluster. Default none.
    pub cluster: Option<NodeConfig>,
}

impl ServerConfig {
    /// The defaults, with this seed.
    pub const fn new(rng_seed: [u8; 32]) -> Self {
        Self {
            rng_seed,
            max_clients: 10_000,
            max_sessions: 10_000,
            max_line: MAX_LINE,
            announcement_burst: 1000,
            announcements_per_second: 200,
            truncated_labels: false,
            server_name: Cow::Borrowed(concat!("genlock/", env!("CARGO_PKG_VERSION"))),
            host: Cow::Borrowed("localhost"),
            port: 8080,
            cluster: None,
        }
    }

    /// As a node of a [cluster](crate::session::replicated). The program carries what
    /// [`Event::Engine`](crate::server::Event::Engine) says to the engine, and what that says to
    /// [`Server::hear`](crate::server::Server::hear).
    #[must_use]
    pub fn with_cluster(self, node: NodeConfig) -> Self {
        Self { cluster: Some(node), ..self }
    }

    /// With another [`max_clients`](Self::max_clients).
    #[must_use]
    pub fn with_max_clients(self, max_clients: u32) -> Self {
        Self { max_clients, ..self }
    }

    /// With another [`max_sessions`](Self::max_sessions).
    #[must_use]
    pub fn with_max_sessions(self, max_sessions: u32) -> Self {
        Self { max_sessions, ..self }
    }

    /// With other limits for announcements; see [`announcement_burst`](Self::announcement_burst).
    #[must_use]
    pub fn with_announcements(self, burst: u32, per_second: u32) -> Self {
        Self { announcement_burst: burst, announcements_per_second: per_second, ..self }
    }

    /// With or without [`truncated_labels`](Self::truncated_labels).
    #[must_use]
    pub fn with_truncated_labels(self, truncated_labels: bool) -> Self {
        Self { truncated_labels, ..self }
    }

    /// With another [`server_name`](Self::server_name).
    #[must_use]
    pub fn with_server_name(self, server_name: impl Into<Cow<'static, str>>) -> Self {
        Self { server_name: server_name.into(), ..self }
    }

    /// With another [`host`](Self::host) and [`port`](Self::port).
    #[must_use]
    pub fn with_address(self, host: impl Into<Cow<'static, str>>, port: u16) -> Self {
        Self { host: host.into(), port, ..self }
    }
}

/// Without the seed.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("max_clients", &self.max_clients)
            .field("max_sessions", &self.max_sessions)
            .field("max_line", &self.max_line)
            .field("announcement_burst", &self.announcement_burst)
            .field("announcements_per_second", &self.announcements_per_second)
            .field("truncated_labels", &self.truncated_labels)
            .field("server_name", &self.server_name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// How a [`Client`](crate::client::Client) is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Extensions to ask for as soon as the connection stands; none: no `hello` is sent. Default all; a server that
    /// has none says `Unknown command`, which the client keeps to itself (sheet B7, end).
    pub extensions: Extensions,
    /// Bytes of a line from the server; a longer one closes the connection. Default 4 MiB, as a list of 10 000
    /// sessions takes 2 MiB.
    pub max_line: usize,
    /// Sessions of a list that are remembered. Default 10 000.
    pub max_known_sessions: usize,
    /// Time between two looks at the server's clock, where it is offered. Default 2 s; the first few come faster.
    pub ping_interval: Duration,
    /// How long the display runs on after the last message from the server. Default 5 s.
    pub holdover: Duration,
    /// How long a running session is shown on when its connection is lost, so that the program can join it again
    /// elsewhere meanwhile. Default: not at all.
    pub flywheel: Option<Duration>,
}

impl ClientConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            extensions: Extensions::ALL,
            max_line: 4 << 20,
            max_known_sessions: 10_000,
            ping_interval: Duration::from_secs(2),
            holdover: Duration::from_secs(5),
            flywheel: None,
        }
    }

    /// With other [`extensions`](Self::extensions).
    #[must_use]
    pub fn with_extensions(self, extensions: Extensions) -> Self {
        Self { extensions, ..self }
    }

    /// With another [`ping_interval`](Self::ping_interval).
    #[must_use]
    pub fn with_ping_interval(self, ping_interval: Duration) -> Self {
        Self { ping_interval, ..self }
    }

    /// With a [`flywheel`](Self::flywheel).
    #[must_use]
    pub fn with_flywheel(self, flywheel: Duration) -> Self {
        Self { flywheel: Some(flywheel), ..self }
    }

    /// With another [`holdover`](Self::holdover).
    #[must_use]
    pub fn with_holdover(self, holdover: Duration) -> Self {
        Self { holdover, ..self }
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The line limit of the original (asyncio's stream limit).
const MAX_LINE: usize = 65_536;
