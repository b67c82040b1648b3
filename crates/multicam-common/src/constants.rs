//! The numbers and names that all implementations agree on (sheet §3).

use core::time::Duration;

/// TCP port of a device.
pub const TCP_PORT: u16 = 8080;
/// DNS-SD service type.
pub const SERVICE_TYPE: &str = "_multicam._tcp.local.";
/// The time server that devices ask where none is named.
pub const NTP_SERVER: &str = "pool.ntp.org";
/// UDP port of NTP.
pub const NTP_PORT: u16 = 123;
/// NTP answers that took longer are not used.
pub const MAX_ACCEPTABLE_RTT: Duration = Duration::from_millis(500);
/// Default lead of a scheduled start.
pub const SYNC_DELAY: Duration = Duration::from_secs(3);
/// How long a controller waits for a reply.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a download may stand still.
pub const DOWNLOAD_STALL_TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes that the originals read at once. Not visible on the wire.
pub const DOWNLOAD_CHUNK_SIZE: usize = 8192;
/// What a controller calls itself.
pub const CONTROLLER_ID: &str = "controller";
