//! Packets to access units.

use bytes::Bytes;
use thiserror::Error;

use super::Codec;
use crate::rtp::Packet;
use crate::{h264, jpeg};

/// One access unit as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// A JPEG file, or H.264 in Annex B.
    pub data: Bytes,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// Whether a part of it is missing. Damaged JPEG files are not given at all.
    pub damaged: bool,
}

/// Turns the packets of one source, in order, into access units.
#[derive(Debug)]
pub struct Depacketizer(Kind);

#[derive(Debug)]
enum Kind {
    Jpeg(jpeg::Depacketizer),
    H264(h264::Depacketizer),
}

/// A payload that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Of JPEG.
    #[error(transparent)]
    Jpeg(#[from] jpeg::PayloadError),
    /// Of H.264.
    #[error(transparent)]
    H264(#[from] h264::PayloadError),
}

impl Depacketizer {
    /// A depacketizer of frames up to `max_frame` bytes; `None` for a codec of which there are only packets.
    pub const fn new(codec: Codec, max_frame: usize) -> Option<Self> {
        match codec {
            Codec::Jpeg => Some(Self(Kind::Jpeg(jpeg::Depacketizer::new(max_frame)))),
            Codec::H264 => Some(Self(Kind::H264(h264::Depacketizer::new(max_frame)))),
            Codec::H265 | Codec::Other => None,
        }
    }

    /// Dimensions that the description says (`a=x-dimensions`), for JPEG above 2040 pixels.
    pub fn set_dimensions(&mut self, width: u16, height: u16) {
        match &mut self.0 {
            Kind::Jpeg(d) => d.set_dimensions(width, height),
            Kind::H264(_) => {}
        }
    }

    /// Packets are missing before the next one.
    pub fn lost(&mut self) {
        match &mut self.0 {
            // Its fragments have offsets.
            Kind::Jpeg(_) => {}
            Kind::H264(d) => d.lost(),
        }
    }

    /// Frames of which at least one packet came and nothing was given. (Damaged access units of H.264 are given as
    /// far as they came.)
    pub const fn given_up(&self) -> u64 {
        match &self.0 {
            Kind::Jpeg(d) => d.given_up(),
            Kind::H264(d) => d.given_up(),
        }
    }

    /// Takes the next packet; gives the access unit that it ended.
    ///
    /// # Errors
    /// [`PayloadError`]; what follows is taken as if nothing had been.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<Option<Frame>, PayloadError> {
        match &mut self.0 {
            Kind::Jpeg(d) => {
                let timestamp = packet.header.timestamp;
                let file = d.push(packet)?;
                Ok(file.map(|data| Frame { data, timestamp, key: true, damaged: false }))
            }
            Kind::H264(d) => Ok(d.push(packet)?),
        }
    }

    /// What is there of the last access unit, at the end of a stream.
    pub fn flush(&mut self) -> Option<Frame> {
        match &mut self.0 {
            Kind::Jpeg(_) => None,
            Kind::H264(d) => d.flush(),
        }
    }
}
