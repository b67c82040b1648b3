//! A label in 32 bits, as ffmpeg and hardware interfaces pass it (`av_timecode_get_smpte`, after ST 12-1 clause 12).
//!
//! ```text
//!   31   30   29 28   27..24   23   22..20  19..16   15   14..12  11..8   7   6  5 4   3..0
//!  +----+----+-------+--------+----+-------+--------+----+-------+-------+---+---+-----+-------+
//!  |  - |drop| frame | frame  |odd | second| second |  - | minute| minute|odd| - |hour | hour  |
//!  |    |    | tens  | units  |    | tens  | units  |    | tens  | units |50 |   |tens | units |
//!  +----+----+-------+--------+----+-------+--------+----+-------+-------+---+---+-----+-------+
//! ```
//!
//! Digits are decimal. Above 30 frames a second the frame number is that of the pair, and the second frame of the pair
//! sets bit 7 at 50, bit 23 at other rates. Bits without a name are other flags of the standard: written as 0, and
//! not looked at.

use crate::{Fields, PackedError, Rate, Timecode};

const DROP: u32 = 1 << 30;
const ODD_50: u32 = 1 << 7;
const ODD: u32 = 1 << 23;

impl Timecode {
    /// This label in the packed form.
    ///
    /// # Errors
    ///
    /// [`PackedError::Rate`] above 60 frames a second, where pairs of frames are not enough.
    pub const fn to_packed(self) -> Result<u32, PackedError> {
        let rate = self.rate();
        let Fields { hours, minutes, seconds, frames } = self.fields();
        if rate.nominal() > 60 {
            return Err(PackedError::Rate);
        }
        let frames = frames as u32;
        let (number, odd) = match odd_bit(rate) {
            Some(bit) => (frames / 2, if frames % 2 == 1 { bit } else { 0 }),
            None => (frames, 0),
        };
        let drop = if rate.is_drop() { DROP } else { 0 };
        Ok(drop
            | odd
            | bcd(number) << 24
            | bcd(seconds as u32) << 16
            | bcd(minutes as u32) << 8
            | bcd(hours as u32))
    }

    /// Reads the packed form.
    ///
    /// # Errors
    ///
    /// If the rate is above 60 frames a second, if the drop flag is not as the rate has it, if a digit is above 9, or
    /// if it is not a label of this rate.
    pub const fn from_packed(packed: u32, rate: Rate) -> Result<Self, PackedError> {
        if rate.nominal() > 60 {
            return Err(PackedError::Rate);
        }
        if (packed & DROP != 0) != rate.is_drop() {
            return Err(PackedError::DropFlag);
        }
        let (Some(number), Some(seconds), Some(minutes), Some(hours)) = (
            decimal(packed >> 24 & 0x3f),
            decimal(packed >> 16 & 0x7f),
            decimal(packed >> 8 & 0x7f),
            decimal(packed & 0x3f),
        ) else {
            return Err(PackedError::Digit);
        };
        let frames = match odd_bit(rate) {
            Some(bit) => number as u16 * 2 + (packed & bit != 0) as u16,
            None => number as u16,
        };
        match Self::try_new(rate, hours, minutes, seconds, frames) {
            Ok(timecode) => Ok(timecode),
            Err(error) => Err(PackedError::Label(error)),
        }
    }
}

/// The bit of the second frame of a pair, at rates that count pairs.
const fn odd_bit(rate: Rate) -> Option<u32> {
    match rate.nominal() {
        0..=30 => None,
        50 => Some(ODD_50),
        _ => Some(ODD),
    }
}

const fn bcd(number: u32) -> u32 {
    ((number / 10) << 4) | (number % 10)
}

/// Two decimal digits in a byte.
#[expect(clippy::cast_possible_truncation, reason = "at most 79")]
const fn decimal(bcd: u32) -> Option<u8> {
    if bcd & 0xf > 9 { None } else { Some(((bcd >> 4) * 10 + (bcd & 0xf)) as u8) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, LabelError};

    #[test]
    fn what_is_not_a_label() {
        assert_eq!(Timecode::from_packed(0, Rate::FPS_72), Err(PackedError::Rate));
        assert_eq!(Timecode::midnight(Rate::FPS_72).to_packed(), Err(PackedError::Rate));
        assert_eq!(Timecode::from_packed(DROP, Rate::FPS_25), Err(PackedError::DropFlag));
        assert_eq!(Timecode::from_packed(0, Rate::FPS_29_97_DF), Err(PackedError::DropFlag));
        assert_eq!(Timecode::from_packed(0x0a00_0000, Rate::FPS_25), Err(PackedError::Digit));
        assert_eq!(Timecode::from_packed(0x0000_000f, Rate::FPS_25), Err(PackedError::Digit));
        let error = LabelError::OutOfRange { field: Field::Frames, value: 25, max: 24 };
        assert_eq!(Timecode::from_packed(0x2500_0000, Rate::FPS_25), Err(PackedError::Label(error)));
    }

    #[test]
    fn other_flags_are_passed_over() {
        let flags = 1 << 31 | 1 << 15 | 1 << 6 | ODD | ODD_50;
        assert_eq!(Timecode::from_packed(flags, Rate::FPS_25), Ok(Timecode::midnight(Rate::FPS_25)));
    }

    #[test]
    fn second_frames_of_pairs() {
        let packed = |rate| Timecode::from_frame(rate, 1).to_packed().unwrap();
        assert_eq!(packed(Rate::FPS_50), ODD_50);
        assert_eq!(packed(Rate::FPS_60), ODD);
        assert_eq!(packed(Rate::FPS_48), ODD);
        assert_eq!(packed(Rate::FPS_59_94_DF), DROP | ODD);
        assert_eq!(packed(Rate::FPS_30), 1 << 24);
    }
}
