//! Access units and their packets, whatever the payload format.

mod packets;

pub use packets::{Packets, PacketsBuilder, Run};
