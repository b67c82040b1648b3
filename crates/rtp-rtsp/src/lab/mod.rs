//! RTP as the classroom labs have it: whole JPEG files cut into packets without a payload header.
//!
//! Payload type 26 although it is not RFC 2435, SSRC 0, timestamp in seconds since 1970. The variants differ in what
//! the sequence number counts and in how frames are cut; see [`Fragments`].

mod receive;
mod send;

pub use receive::{Depacketizer, Received};
pub use send::{Fragments, FrameTooLong, Numbering};

/// Payload bytes of a packet in variant A.
pub const FRAGMENT: u16 = 1400;
/// What a sender puts into a packet of its own at the end of the file, in some variants.
pub const END_OF_STREAM: &[u8] = b"EOS";
