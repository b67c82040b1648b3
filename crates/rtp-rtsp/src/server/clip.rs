//! Files that are held in memory.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::Clip;
use crate::files::{FileError, MjpegReader};
use crate::h264::{AccessUnits, Nal, ParameterSets, nal_units};
use crate::jpeg::{Image, ImageError};
use crate::media::{Codec, Packetizer, Packets};
use crate::rtp::Outgoing;
use crate::sdp::Media;

/// A file in memory, cut into its frames.
#[derive(Debug)]
pub struct MemoryClip {
    codec: Codec,
    media: Media,
    rate: (u32, u32),
    /// Each with whether a decoder can begin there.
    frames: Vec<(Bytes, bool)>,
}

#[cfg(feature = "record")]
machine::record_struct!(MemoryClip { codec, media, rate, frames });

/// Why a file cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClipError {
    /// A picture that RTP cannot carry.
    #[error("picture {}: {reason}", number + 1)]
    Picture {
        /// Which, from 0.
        number: u32,
        /// Why.
        reason: ImageError,
    },
    /// Its frames cannot be told apart.
    #[error(transparent)]
    File(#[from] FileError),
    /// No frame in it.
    #[error("no frame in the file")]
    Empty,
    /// No parameter sets before its first frame.
    #[error("no H.264 parameter sets before the first frame")]
    NoParameterSets,
}

/// A longer frame is refused, in bytes.
const MAX_FRAME: usize = 16 << 20;

impl MemoryClip {
    /// A file of JPEG pictures, in either format, at `rate` (a fraction) frames a second. `mend` may make another
    /// picture of one that RTP cannot carry.
    ///
    /// # Errors
    /// [`ClipError`]; a picture that is cut off at the end of the file is left out.
    pub fn from_mjpeg(
        mut data: BytesMut,
        rate: (u32, u32),
        mut mend: impl FnMut(&[u8]) -> Option<Bytes>,
    ) -> Result<Self, ClipError> {
        let mut reader = MjpegReader::new(MAX_FRAME);
        let mut frames = Vec::new();
        let mut size = None;
        while let Some(frame) = reader.next(&mut data)? {
            let frame = match Image::parse(&frame) {
                Ok(_) => frame,
                Err(reason) => {
                    let number = u32::try_from(frames.len()).unwrap_or(u32::MAX);
                    mend(&frame).ok_or(ClipError::Picture { number, reason })?
                }
            };
            if size.is_none() {
                size = Image::parse(&frame).ok().map(|image| (image.width, image.height));
            }
            frames.push((frame, true));
        }
        let (width, height) = size.ok_or(ClipError::Empty)?;
        Ok(Self { codec: Codec::Jpeg, media: Media::jpeg(width, height, rate), rate: sane(rate), frames })
    }

    /// A file of H.264 in Annex B, at `rate` (a fraction) frames a second. Frames are sent in the order in which they
    /// stand, so there must be none that are shown in another (no B-frames).
    ///
    /// # Errors
    /// [`ClipError`].
    pub fn from_annex_b(mut data: BytesMut, rate: (u32, u32)) -> Result<Self, ClipError> {
        let mut units = AccessUnits::new(MAX_FRAME);
        let mut frames = Vec::new();
        let mut add = |unit: Bytes| {
            let key = nal_units(&unit).any(|nal| Nal::of(nal) == Some(Nal::IDR));
            frames.push((unit, key));
        };
        while let Some(unit) = units.next(&mut data)? {
            add(unit);
        }
        units.finish(&mut data).into_iter().for_each(add);
        let sets = match frames.first() {
            Some((first, _)) => ParameterSets::find(first).ok_or(ClipError::NoParameterSets)?,
            None => return Err(ClipError::Empty),
        };
        Ok(Self { codec: Codec::H264, media: Media::h264(Some(&sets), rate), rate: sane(rate), frames })
    }

    /// Bytes of all frames.
    #[cfg(feature = "record")]
    pub(super) fn len_bytes(&self) -> usize {
        self.frames.iter().map(|(frame, _)| frame.len()).sum()
    }

    fn frame(&self, number: u32) -> Option<&(Bytes, bool)> {
        self.frames.get(usize::try_from(number).ok()?)
    }
}

const fn sane((num, den): (u32, u32)) -> (u32, u32) {
    (if num == 0 { 1 } else { num }, if den == 0 { 1 } else { den })
}

impl Clip for MemoryClip {
    fn media(&self) -> Media {
        self.media.clone()
    }

    fn frames(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    fn rate(&self) -> (u32, u32) {
        self.rate
    }

    fn is_key(&self, frame: u32) -> bool {
        self.frame(frame).is_some_and(|(_, key)| *key)
    }

    fn packets(&self, frame: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets> {
        let mut packetizer = Packetizer::new(self.codec, *numbers);
        let packets = packetizer.packetize(&self.frame(frame)?.0, timestamp).ok()?;
        *numbers = *packetizer.outgoing();
        Some(packets)
    }

    fn jpeg(&self, frame: u32) -> Option<Bytes> {
        (self.codec == Codec::Jpeg).then(|| self.frame(frame).map(|(data, _)| data.clone()))?
    }

    fn in_memory(&self) -> Option<&MemoryClip> {
        Some(self)
    }
}
