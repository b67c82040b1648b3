//! RTP, RTCP, payload formats, files of frames, and the receiving side; RTSP messages, descriptions and both machines.
//!
//! Inputs that are several packets have two bytes of length (big-endian) before each, as in RFC 4571.

mod files;
mod machines;
mod messages;
mod packets;
mod payloads;
mod streams;

pub use files::{annex_b, mjpeg};
pub(crate) use machines::{call, served};
pub use machines::{client, server};
pub use messages::{headers, sdp, stream};
pub use packets::{packet, rtcp};
pub use payloads::{h264, image, jpeg, lab, sps};
pub use streams::{receiver, relay};

/// The packets of an input; the last may be shorter than its length says.
fn unframed(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first_chunk::<2>()?;
        let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        data = rest;
        Some(packet)
    })
}
