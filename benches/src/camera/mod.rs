//! Measures of a camera server's telemetry port.

mod floor;
mod follow;
mod report;
mod spawn;
mod stamped;

pub use floor::{serve, turns};
pub use follow::{Arrivals, Load, measure};
pub use report::Report;
pub use spawn::Server;
