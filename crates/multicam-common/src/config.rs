//! Limits and defaults of the machines (sheet §12).

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::codec::{Dialect, MAX_COMMAND};
use crate::constants::COMMAND_TIMEOUT;

/// Where a device has the time from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSource {
    /// From NTP; while that gives none from a controller that serves time; else from the system.
    #[default]
    Auto,
    /// From NTP; without it no start can be planned.
    Ntp,
    /// From a controller that serves time; without it no start can be planned.
    Controller,
    /// From the system, right or wrong.
    System,
}

/// How a [`Device`](crate::server::Device) is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeviceConfig {
    /// Seed for NTP's numbers.
    pub rng_seed: [u8; 32],
    /// The device's id, `{Noun}-{8 hex}` by custom.
    pub device_id: String,
    /// What it is. Default `Genlock`.
    pub device_type: String,
    /// In which generation's words it answers. Default all at once.
    pub dialect: Dialect,
    /// Where it has the time from.
    pub clock: ClockSource,
    /// A start is planned only if the time is known to within this. Default 50 ms (sheet §8.2).
    pub sync_limit: Duration,
    /// A start further ahead is refused. Default 24 h.
    pub max_lead: Duration,
    /// The program hears so long after a planned start that it happened, and has its work to do then: when fifty devices on
    /// one computer start at one instant, the work of the first would hold up the others. Right only for sources whose
    /// frames are there already. Default none.
    pub settle: Duration,
    /// Connections at once. Default 64. Beyond, the oldest that never said a whole command makes room.
    pub max_connections: usize,
    /// Default 120 s.
    pub idle_timeout: Duration,
    /// From the first byte of a command to its last. Default 10 s.
    pub message_timeout: Duration,
    /// Bytes of a command. Default 64 KiB.
    pub max_command: usize,
    /// If set, commands without this word in `auth` are refused. Default none, which every original needs.
    pub auth: Option<String>,
}

impl DeviceConfig {
    /// The defaults, for a device of this id.
    pub fn new(rng_seed: [u8; 32], device_id: impl Into<String>) -> Self {
        Self {
            rng_seed,
            device_id: device_id.into(),
            device_type: "Genlock".into(),
            dialect: Dialect::Both,
            clock: ClockSource::Auto,
            sync_limit: Duration::from_millis(50),
            max_lead: Duration::from_secs(24 * 3600),
            settle: Duration::ZERO,
            max_connections: 64,
            idle_timeout: Duration::from_secs(120),
            message_timeout: Duration::from_secs(10),
            max_command: MAX_COMMAND,
            auth: None,
        }
    }

    /// Answering in another dialect.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// With the time from elsewhere.
    #[must_use]
    pub fn with_clock(self, clock: ClockSource) -> Self {
        Self { clock, ..self }
    }

    /// Asking for a word.
    #[must_use]
    pub fn with_auth(self, auth: Option<String>) -> Self {
        Self { auth, ..self }
    }
}

impl fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("device_id", &self.device_id)
            .field("dialect", &self.dialect)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// How a [`Controller`](crate::client::Controller) is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerConfig {
    /// What it calls itself. Default `controller`.
    pub controller_id: String,
    /// How long a reply may take. Default 60 s.
    pub command_timeout: Duration,
    /// The same for STOP_RECORDING, for which some devices cut and pack files. Default 120 s.
    pub stop_timeout: Duration,
    /// The same for HEARTBEAT. Default 2 s.
    pub heartbeat_timeout: Duration,
    /// How long a connection may take to stand. The program keeps it; told by
    /// [`connect_failed`](crate::client::Controller::connect_failed). Default 5 s.
    pub connect_timeout: Duration,
    /// Tries of a command whose connection failed before it was answered. Default 3, after 1, 2, 4 s.
    pub tries: u32,
    /// The pause before the second try. Default 1 s.
    pub back_off: Duration,
    /// Heartbeats by which a clock is measured before a planned start. Default 8 (sheet §8.3).
    pub probes: u32,
    /// A heartbeat to each device this often; zero: none. Default none.
    pub liveness: Duration,
    /// A device is gone after so many heartbeats without an answer. Default 3.
    pub misses: u32,
    /// Requests that may wait for one device. Default 64.
    pub max_queue: usize,
    /// UDP port on which this controller serves time, told to devices with each heartbeat.
    pub time_port: Option<u16>,
    /// A word that devices may ask for.
    pub auth: Option<crate::message::Secret>,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            controller_id: crate::constants::CONTROLLER_ID.into(),
            command_timeout: COMMAND_TIMEOUT,
            stop_timeout: Duration::from_secs(120),
            heartbeat_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            tries: 3,
            back_off: Duration::from_secs(1),
            probes: 8,
            liveness: Duration::ZERO,
            misses: 3,
            max_queue: 64,
            time_port: None,
            auth: None,
        }
    }
}
