//! Limits and defaults, each with its source.

use core::time::Duration;

use machine::UdpPeer;

use crate::Ratio;
use crate::message::{MaxFreqError, Precision, SetupData};
use crate::wc::{Dispersion, LocalClock, Steadiness};

/// Port of the wall clock in all examples (sheet §1).
pub const WC_PORT: u16 = 6677;
/// Port of CII and TS in all examples (sheet §1).
pub const HTTP_PORT: u16 = 7681;
/// Longest WebSocket message in bytes (sheet §9); longer ones close with 1009.
pub const MAX_MESSAGE: usize = 64 << 10;
/// Arrays and objects in one another (sheet §9).
pub const MAX_DEPTH: u16 = 32;
/// Longest URL in bytes (sheet §9).
pub const MAX_URL: usize = 2048;
/// Most timelines in a message, and most of one server (sheet §9).
pub const MAX_TIMELINES: usize = 256;
/// How long a CSS-TS client may take to say what it wants (sheet §9); then it is closed with 1008.
pub const SETUP_WAIT: Duration = Duration::from_secs(30);

/// How a [`WcServer`](crate::server::WcServer) is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct WcServerConfig {
    /// Keys what is kept by source address, so that nobody can choose addresses that fall together.
    pub seed: [u8; 32],
    /// How finely we read our clock. Default 2^-20 s: readings are nanoseconds, and kernel stamps are carried over to
    /// the monotonic clock within some hundred of them.
    pub precision: Precision,
    /// How far the rate of our clock may be off. Default 500 ppm (sheet §2.2).
    pub max_freq_error: MaxFreqError,
    /// Whether a second answer tells when the first one left. Default off (sheet §7).
    pub follow_ups: bool,
    /// What the wall clock reads at [`Instant`](machine::Instant) 0, in nanoseconds. Default 0: it counts from boot,
    /// as the original's does (sheet §2.1).
    pub wall_offset_ns: i64,
    /// Requests a second from one address, and at once, before they are no longer answered; `None`: any number.
    /// Never applied to this machine itself. Default 200 and 50 (sheet §9).
    pub rate_limit: Option<RateLimit>,
    /// Whether each request becomes an event. Default off.
    pub report_requests: bool,
}

/// See [`WcServerConfig::rate_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run; 0 counts as 1.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl WcServerConfig {
    /// The defaults.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            precision: Precision(-20),
            max_freq_error: MaxFreqError::from_ppm(Ratio::from(500)),
            follow_ups: false,
            wall_offset_ns: 0,
            rate_limit: Some(RateLimit { per_second: 200, burst: 50 }),
            report_requests: false,
        }
    }
}

/// Without the seed.
impl core::fmt::Debug for WcServerConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WcServerConfig")
            .field("precision", &self.precision)
            .field("max_freq_error", &self.max_freq_error)
            .field("follow_ups", &self.follow_ups)
            .field("wall_offset_ns", &self.wall_offset_ns)
            .field("rate_limit", &self.rate_limit)
            .field("report_requests", &self.report_requests)
            .finish_non_exhaustive()
    }
}

/// How a [`TvServer`](crate::server::TvServer) is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TvServerConfig {
    /// What the wall clock reads at [`Instant`](machine::Instant) 0, in nanoseconds; the same as that of the wall clock
    /// server beside. Default 0.
    pub wall_offset_ns: i64,
    /// Of the wall clock over WebSocket. Default 2^-10 s: there are no kernel stamps on a connection.
    pub precision: Precision,
    /// Of the wall clock over WebSocket. Default 500 ppm.
    pub max_freq_error: MaxFreqError,
    /// Whether each CII message holds the timelines, also when they have not changed. Default on (sheet §8: one client
    /// takes a message without them for one with none).
    pub always_timelines: bool,
    /// How long a TS client may take to say what it wants. Default [`SETUP_WAIT`].
    pub setup_wait: Duration,
}

impl Default for TvServerConfig {
    fn default() -> Self {
        Self {
            wall_offset_ns: 0,
            precision: Precision(-10),
            max_freq_error: MaxFreqError::from_ppm(Ratio::from(500)),
            always_timelines: true,
            setup_wait: SETUP_WAIT,
        }
    }
}

/// How a [`TsClient`](crate::client::TsClient) is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TsClientConfig {
    /// What to follow.
    pub setup: SetupData,
    /// Ticks in a second of the timeline, as CII tells.
    pub tick_rate: Ratio,
    /// Changes of the timing up to this are not taken up. Default 0.1 ms (sheet §4.4); the examples use 1 ms.
    pub threshold: Duration,
    /// How long to wait after the connection stands before saying what to follow. Default 20 ms: at once, pydvbcss
    /// servers sometimes drop the connection (sheet §5).
    pub setup_delay: Duration,
}

impl TsClientConfig {
    /// The defaults.
    pub fn new(setup: SetupData, tick_rate: Ratio) -> Self {
        Self {
            setup,
            tick_rate,
            threshold: Duration::from_micros(100),
            setup_delay: Duration::from_millis(20),
        }
    }
}

/// How a [`WcClient`](crate::client::WcClient) is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct WcClientConfig {
    /// Key of the cookies, from the operating system's randomness: who knows it can forge answers.
    pub seed: [u8; 32],
    /// The server, and the socket to reach it through.
    pub server: UdpPeer,
    /// What we know of our own clock. Default 500 ppm (sheet §2.3) and 1 µs.
    pub local: LocalClock,
    /// What to make of the answers. Default ours.
    pub algorithm: AlgorithmChoice,
    /// When to ask. Default [`Schedule::Bursts`].
    pub schedule: Schedule,
    /// How long a promised follow-up is waited for. Default 500 ms; the JavaScript client waits 3 s (sheet §2.3).
    pub follow_up_wait: Duration,
    /// Whether to ask the driver when each request really left. Default on.
    pub transmit_stamps: bool,
}

/// Which algorithm a client uses; see [`wc`](crate::wc).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlgorithmChoice {
    /// Ours. Without a steadiness the bound rests on nothing but the stated frequency errors.
    Bounds(Option<Steadiness>),
    /// `LowestDispersionCandidate`.
    LowestDispersion,
    /// `MostRecent`.
    MostRecent,
    /// `FilterAndPredict` with the round trip filter, then the dispersion filter, where given.
    FilterAndPredict {
        /// Longest round trip.
        max_round_trip: Option<Duration>,
        /// Whether the dispersion has to be lower than that of all before.
        lowest_dispersion: bool,
    },
}

/// When a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Some requests in quick succession at the start and after a jump of a clock, then one each period.
    Bursts {
        /// How many.
        count: u8,
        /// Time between them.
        every: Duration,
        /// Time between requests otherwise.
        period: Duration,
    },
    /// As the original: one question at a time; the next one after `repeat` if its answer was adopted, after `timeout`
    /// if not or if there was none (sheet §2.3).
    OneAtATime {
        /// Time after an adoption. The original's default is 1 s.
        repeat: Duration,
        /// How long to wait for an answer, and then for the next question. The original's default is 0.2 s.
        timeout: Duration,
    },
}

impl Schedule {
    /// Eight requests in 175 ms, then one a second: a usable clock within 300 ms where a fifth of all messages is
    /// lost.
    pub const BURSTS: Self =
        Self::Bursts { count: 8, every: Duration::from_millis(25), period: Duration::from_secs(1) };
    /// As the original's examples do (sheet §2.3).
    pub const ORIGINAL: Self =
        Self::OneAtATime { repeat: Duration::from_secs(1), timeout: Duration::from_millis(500) };
}

impl WcClientConfig {
    /// The defaults.
    pub fn new(seed: [u8; 32], server: UdpPeer) -> Self {
        let max_freq_error = MaxFreqError::from_ppm(Ratio::from(500));
        Self {
            seed,
            server,
            local: LocalClock { max_freq_error, precision: Dispersion::from_nanos(1000) },
            algorithm: AlgorithmChoice::Bounds(Some(Steadiness::CAUTIOUS)),
            schedule: Schedule::BURSTS,
            follow_up_wait: Duration::from_millis(500),
            transmit_stamps: true,
        }
    }
}

/// Without the seed.
impl core::fmt::Debug for WcClientConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WcClientConfig")
            .field("server", &self.server)
            .field("local", &self.local)
            .field("algorithm", &self.algorithm)
            .field("schedule", &self.schedule)
            .field("follow_up_wait", &self.follow_up_wait)
            .field("transmit_stamps", &self.transmit_stamps)
            .finish_non_exhaustive()
    }
}
