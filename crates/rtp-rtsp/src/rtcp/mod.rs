//! RTCP (RFC 3550 §6): reports about RTP streams, and what else the control channel carries.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  count  |      PT       |     length in words - 1       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | 200 SR, 201 RR, 202 SDES, 203 BYE, 204 APP, 205 RTPFB, 206 PSFB
//! ```
//!
//! A datagram holds several such packets one after the other. [`Compound::parse`] checks all of them before it gives
//! the first, so what is read is whole.

mod compound;
mod error;
mod interval;
mod packet;
mod writer;

pub use compound::Compound;
pub use error::RtcpError;
pub use interval::{Interval, MINIMUM};
pub use packet::{App, Feedback, Packet, SdesItem, SdesItems, SenderInfo, packet_type, sdes};
pub use writer::Writer;

/// Whether a datagram or interleaved frame that came where both are possible is RTCP (RFC 5761 §4): payload types 64
/// to 95 with the marker in front are its packet types 192 to 223.
pub fn is_rtcp(data: &[u8]) -> bool {
    data.get(1).is_some_and(|second| (192..=223).contains(second))
}
