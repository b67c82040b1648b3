//! The time reference of a Broadcast Wave file (EBU Tech 3285, chunk `bext`).
//!
//! ```text
//! offset in the chunk's body   field
//!   0  256  description            320   10  origination date
//! 256   32  originator             330    8  origination time
//! 288   32  originator reference   338    8  time reference, u64 little-endian
//! ```
//!
//! It counts samples since midnight, in real time: at NTSC rates a label cannot be had from it without knowing the
//! rate, which is in [iXML](super::ixml). To go from label to reference see
//! [`Timecode::samples`](crate::Timecode::samples).

use core::num::NonZeroU32;

use crate::{FileError, Rate, RealTime, Rounding, Timecode};

/// Where the time reference stands in the chunk's body.
pub const TIME_REFERENCE_OFFSET: usize = 338;
const END: usize = TIME_REFERENCE_OFFSET + 8;

/// The time reference in the body of a `bext` chunk, in samples.
///
/// # Errors
///
/// [`FileError::TooShort`].
pub fn time_reference(body: &[u8]) -> Result<u64, FileError> {
    let field = body.get(TIME_REFERENCE_OFFSET..END).and_then(|field| field.first_chunk());
    field.map(|&field| u64::from_le_bytes(field)).ok_or(too_short(body))
}

/// Writes the time reference into the body of a `bext` chunk.
///
/// # Errors
///
/// [`FileError::TooShort`].
pub fn set_time_reference(body: &mut [u8], samples: u64) -> Result<(), FileError> {
    let short = too_short(body);
    let field = body.get_mut(TIME_REFERENCE_OFFSET..END).ok_or(short)?;
    field.copy_from_slice(&samples.to_le_bytes());
    Ok(())
}

/// The label of the frame at a time reference, modulo the labels of a day; with [`Rounding::Floor`] the frame that
/// contains the sample. As a reference is often a whole sample below the frame's beginning, [`Rounding::HalfUp`] finds
/// the label that it was made from. `None`: the reference is beyond 2^63 samples.
pub fn label(samples: u64, sample_rate: NonZeroU32, rate: Rate, rounding: Rounding) -> Option<Timecode> {
    let time = RealTime::from_units(i64::try_from(samples).ok()?, sample_rate);
    Some(Timecode::at_real_time(rate, time, rounding))
}

fn too_short(body: &[u8]) -> FileError {
    FileError::TooShort { length: to_u32(body.len()), expected: to_u32(END) }
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bodies() {
        let short = FileError::TooShort { length: 345, expected: 346 };
        assert_eq!(time_reference(&[0; 345]), Err(short));
        assert_eq!(set_time_reference(&mut [0; 345], 1), Err(short));
        assert_eq!(time_reference(&[0; 346]), Ok(0));
        assert_eq!(label(u64::MAX, NonZeroU32::MIN, Rate::FPS_25, Rounding::Floor), None);
    }
}
