//! The server machines: the wall clock over UDP, and everything that a television offers over WebSocket.

mod limiter;
pub mod tv;
mod wall;
pub mod wc;

pub use tv::{CII, TS, TimelineId, TvServer, TvServerEvent, TvServerStats, WC};
pub use wall::WallClock;
pub use wc::{WcServer, WcServerEvent, WcServerStats};
