//! The original implementations as they behave on the wire, quirks included, to test against without them.

mod controller;
mod device;

pub use controller::{Cycle, Original, run_controller};
pub use device::{Emulated, Peer, content, serve};
