//! Limits and defaults of the machines.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::codec::{Checksum, Resync};
use crate::dialect::Dialect;
use crate::scram::DEFAULT_ITERATIONS;
use crate::settings::{Clamp, SettingsBlock};

/// How a [`Server`](crate::server::Server) is set up.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Seed of the generator of nonces, tokens and random values, from the operating system's randomness.
    pub rng_seed: [u8; 32],
    /// Who knows the password. Default: plain `1111` (sheet §5).
    pub password: Password,
    /// Who is served. Default open (sheet §6).
    pub access: Access,
    /// Telemetry items a second, 1 to 1000; others count as the nearest. Default 24 (sheet §3).
    pub rate_hz: u16,
    /// Where the values come from. Default random from 0 to 10 (sheet §3).
    pub source: ValueSource,
    /// The settings to begin with. Default §4.1.
    pub settings: SettingsBlock,
    /// Which settings are let through. Default all (sheet §4.1).
    pub clamp: Clamp,
    /// What is done with a frame whose checksum is wrong. Default discard: a frame hidden behind it is never applied.
    pub resync: Resync,
    /// Whether settings requests need a checksum. Default yes.
    pub checksum: Checksum,
    /// Connections at once on each port; further ones are closed on arrival. Default 1024.
    pub max_clients: u32,
    /// How long a client may take to authenticate. Default 5 s in all (sheet §5).
    pub auth_deadline: Duration,
    /// Failures of one address within [`failure_window`](Self::failure_window) after which its answers are delayed.
    /// Default 5 (sheet §5).
    pub max_failures: u32,
    /// Default 60 s (sheet §5).
    pub failure_window: Duration,
    /// By how much, and how far apart, delayed answers leave. Default 1 s.
    pub answer_delay: Duration,
    /// How long an address stays authorised without a connection, and a token unused. Default 30 s (sheet §6, §10).
    pub grace: Duration,
    /// How long an unauthorised connection is kept. Default 10 s (sheet §6).
    pub unauthorised_timeout: Duration,
    /// So many bad frames in 10 s close a settings connection. Default 16 (sheet §7).
    pub max_bad_frames: u32,
    /// So many skipped bytes in 10 s close a settings connection. Default 4096 (sheet §7).
    pub max_skipped: u32,
    /// Iterations offered to SCRAM clients, 4096 to 1 000 000. Default 15 000 (sheet §10).
    pub scram_iterations: u32,
}

impl ServerConfig {
    /// The defaults, with this seed.
    pub fn new(rng_seed: [u8; 32]) -> Self {
        Self {
            rng_seed,
            password: Password::Plain(Box::from(DEFAULT_PASSWORD)),
            access: Access::Open,
            rate_hz: 24,
            source: ValueSource::Random { max: 10 },
            settings: SettingsBlock::DEFAULT,
            clamp: Clamp::None,
            resync: Resync::Discard,
            checksum: Checksum::Required,
            max_clients: 1024,
            auth_deadline: Duration::from_secs(5),
            max_failures: 5,
            failure_window: Duration::from_secs(60),
            answer_delay: Duration::from_secs(1),
            grace: Duration::from_secs(30),
            unauthorised_timeout: Duration::from_secs(10),
            max_bad_frames: 16,
            max_skipped: 4096,
            scram_iterations: DEFAULT_ITERATIONS,
        }
    }

    /// With another [`password`](Self::password), given plain.
    #[must_use]
    pub fn with_password(self, password: &[u8]) -> Self {
        Self { password: Password::Plain(Box::from(password)), ..self }
    }

    /// With passwords checked by the program ([`Password::External`]).
    #[must_use]
    pub fn with_external_password(self) -> Self {
        Self { password: Password::External, ..self }
    }

    /// With another [`access`](Self::access).
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// With another [`rate_hz`](Self::rate_hz).
    #[must_use]
    pub fn with_rate(self, rate_hz: u16) -> Self {
        Self { rate_hz, ..self }
    }

    /// With another [`source`](Self::source).
    #[must_use]
    pub fn with_source(self, source: ValueSource) -> Self {
        Self { source, ..self }
    }

    /// With other [`settings`](Self::settings) to begin with.
    #[must_use]
    pub fn with_settings(self, settings: SettingsBlock) -> Self {
        Self { settings, ..self }
    }

    /// With another [`clamp`](Self::clamp).
    #[must_use]
    pub fn with_clamp(self, clamp: Clamp) -> Self {
        Self { clamp, ..self }
    }

    /// With another [`resync`](Self::resync).
    #[must_use]
    pub fn with_resync(self, resync: Resync) -> Self {
        Self { resync, ..self }
    }

    /// With another [`checksum`](Self::checksum).
    #[must_use]
    pub fn with_checksum(self, checksum: Checksum) -> Self {
        Self { checksum, ..self }
    }

    /// With another [`max_clients`](Self::max_clients).
    #[must_use]
    pub fn with_max_clients(self, max_clients: u32) -> Self {
        Self { max_clients, ..self }
    }
}

/// Who knows the password.
pub enum Password {
    /// The machine. It keeps a digest and SCRAM keys, not the password.
    Plain(Box<[u8]>),
    /// The program: asked by [`Event::VerifyPassword`](crate::server::Event::VerifyPassword). SCRAM is not offered.
    External,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::External => "External",
        })
    }
}

/// Who is served on the telemetry and settings ports (sheet §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody, as the original.
    #[default]
    Open,
    /// Addresses that authenticated within the grace time, or hold a connection that was authorised.
    Ip,
    /// Who presents a token of a SCRAM exchange as the first frame.
    Token,
}

/// Where the telemetry's values come from.
pub enum ValueSource {
    /// Evenly random from 0 to `max`: the original's stand-in, with 10.
    Random {
        /// Largest value.
        max: u8,
    },
    /// One value, until [`Server::set_value`](crate::server::Server::set_value) changes it.
    Constant(u8),
    /// 0, 1, 2, … with the number of the tick, round at 256.
    Counter,
    /// Yours: called with the number of the tick whenever something is to be sent, more than once a tick if there are many
    /// clients, who get theirs one after the other. It must not block.
    Custom(Box<dyn FnMut(u64) -> u8 + Send>),
}

impl fmt::Debug for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { max } => write!(f, "Random(0..={max})"),
            Self::Constant(value) => write!(f, "Constant({value})"),
            Self::Counter => f.write_str("Counter"),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

/// How a [`Client`](crate::client::Client) is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Seed of the generator of nonces, from the operating system's randomness.
    pub rng_seed: [u8; 32],
    /// Which generation the server is of. Default the last.
    pub dialect: Dialect,
    /// Send settings requests without their checksum, which keeps the original server in step (sheet §4.3). Default no.
    pub legacy_server: bool,
    /// Authenticate by SCRAM. Default no.
    pub scram: bool,
    /// If a server closes on SCRAM without a word, as the original does, send the password plain. Anyone in between can
    /// make a server do that. Default no.
    pub allow_plaintext: bool,
    /// How long to wait for the answer to a password. Default 5 s (sheet §5).
    pub auth_timeout: Duration,
    /// How long to wait for the answer to a query. Default 1 s (sheet §4.3).
    pub query_timeout: Duration,
    /// How often to ask before connecting anew. Default 3 (sheet §4.3).
    pub query_tries: u32,
    /// Silence between a reply and the next request. Default 20 ms (sheet §4.3).
    pub gap_after_reply: Duration,
    /// Silence between an update and the next request. Default 1 s (sheet §4.3); a server that is known to be ours needs
    /// none.
    pub gap_after_update: Duration,
    /// Requests that may wait for their turn. Default 64.
    pub max_requests: usize,
    /// Telemetry older than this is stale. Default 2 s (sheet §5).
    pub stale_after: Duration,
    /// What is done with a frame whose checksum is wrong. Default rescan.
    pub resync: Resync,
}

impl ClientConfig {
    /// The defaults, with this seed.
    pub const fn new(rng_seed: [u8; 32]) -> Self {
        Self {
            rng_seed,
            dialect: Dialect::G7,
            legacy_server: false,
            scram: false,
            allow_plaintext: false,
            auth_timeout: Duration::from_secs(5),
            query_timeout: Duration::from_secs(1),
            query_tries: 3,
            gap_after_reply: Duration::from_millis(20),
            gap_after_update: Duration::from_secs(1),
            max_requests: 64,
            stale_after: Duration::from_secs(2),
            resync: Resync::Rescan,
        }
    }

    /// With another [`dialect`](Self::dialect).
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// With or without [`legacy_server`](Self::legacy_server).
    #[must_use]
    pub fn with_legacy_server(self, legacy_server: bool) -> Self {
        Self { legacy_server, ..self }
    }

    /// With or without [`scram`](Self::scram).
    #[must_use]
    pub fn with_scram(self, scram: bool) -> Self {
        Self { scram, ..self }
    }

    /// With or without [`allow_plaintext`](Self::allow_plaintext).
    #[must_use]
    pub fn with_allow_plaintext(self, allow_plaintext: bool) -> Self {
        Self { allow_plaintext, ..self }
    }

    /// Without waiting between requests, for a server that is known to keep in step.
    #[must_use]
    pub fn without_gaps(self) -> Self {
        Self { gap_after_reply: Duration::ZERO, gap_after_update: Duration::ZERO, ..self }
    }
}

/// The password of a server that nobody has set up.
pub const DEFAULT_PASSWORD: &[u8] = b"1111";
/// Longest password.
pub const MAX_PASSWORD: usize = 1024;
