//! Access units and their packets, whatever the payload format.

mod codec;
mod depacketizer;
mod packetizer;
mod relay;

pub use codec::Codec;
pub use depacketizer::{Depacketizer, Frame, PayloadError};
pub use packetizer::{PacketizeError, Packetizer};
pub use relay::Relay;

pub use crate::rtp::{Packets, PacketsBuilder, Run};
