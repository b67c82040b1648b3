//! Access units to packets.

use thiserror::Error;

use super::{Codec, Packets};
use crate::jpeg::{self, Image, ImageError};
use crate::{h264, rtp::Outgoing};

/// Turns the access units of one source into packets.
#[derive(Clone, Copy, Debug)]
pub struct Packetizer {
    codec: Codec,
    out: Outgoing,
}

/// An access unit that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PacketizeError {
    /// A JPEG image that RFC 2435 cannot carry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No NAL unit in it.
    #[error("no H.264 NAL unit in the access unit")]
    Empty,
    /// There are only packets of this codec to be relayed.
    #[error("access units of this codec cannot be packetized")]
    Codec,
}

impl Packetizer {
    /// A packetizer for one stream.
    pub const fn new(codec: Codec, out: Outgoing) -> Self {
        Self { codec, out }
    }

    /// The numbering, whose `next_sequence` a PLAY reply says.
    pub const fn outgoing(&self) -> &Outgoing {
        &self.out
    }

    /// The next access unit: a JPEG file, or H.264 in Annex B.
    ///
    /// # Errors
    /// [`PacketizeError`]; no sequence number was used.
    pub fn packetize(&mut self, unit: &[u8], timestamp: u32) -> Result<Packets, PacketizeError> {
        match self.codec {
            Codec::Jpeg => Ok(jpeg::packetize(&Image::parse(unit)?, timestamp, &mut self.out)),
            Codec::H264 => h264::packetize(unit, timestamp, &mut self.out).ok_or(PacketizeError::Empty),
            Codec::H265 | Codec::Other => Err(PacketizeError::Codec),
        }
    }
}
