//! RTP (RFC 3550): packets, and what sender and receiver keep about a stream of them.
//!
//! * [`Packet`] reads a packet, checked in full; [`Header`] and [`PacketWriter`] write one;
//! * [`Outgoing`] numbers what a sender sends, [`Packets`] is an access unit of it, ready for any number of readers;
//! * [`Source`] follows the sequence numbers of one source and keeps its reception statistics;
//! * [`ReorderBuffer`] puts packets back into order within stated bounds;
//! * [`MediaClock`] and [`ReceiveClock`] tie RTP timestamps to wall-clock time.

mod clock;
mod error;
mod extension;
mod outgoing;
mod packet;
mod packets;
mod reorder;
mod sequence;
mod statistics;

pub(crate) use clock::ticks;
pub use clock::{MediaClock, NtpTime, ReceiveClock, TimestampExtender};
pub use error::RtpError;
pub use extension::{Element, Elements, Extension, ONE_BYTE_PROFILE};
pub use outgoing::{DEFAULT_MAX_PACKET, MIN_MAX_PACKET, Outgoing};
pub use packet::{HEADER_LEN, Header, Packet, PacketWriter};
pub use packets::{Packets, PacketsBuilder, Run};
pub use reorder::{Bounds, Offer, Released, ReorderBuffer};
pub use sequence::{Arrival, SequenceTracker};
pub use statistics::{ReceptionReport, Source};
