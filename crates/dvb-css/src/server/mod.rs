//! The server machines: the wall clock over UDP, and everything that a television offers over WebSocket.

mod limiter;
#[cfg(feature = "record")]
mod record;
pub mod tv;
mod wall;
pub mod wc;

#[cfg(feature = "record")]
pub use record::WcCalls;
pub use tv::{CII, TS, TimelineId, TvServer, TvServerEvent, TvServerStats, WC};
#[cfg(feature = "record")]
pub use tv::{TvCalls, UpdateCii};
pub use wall::WallClock;
pub use wc::{WcServer, WcServerEvent, WcServerStats};
