//! Labels with parts of a frame: `HH:MM:SS:FF.SS`.

use core::fmt;

use crate::{LabelError, Rate, RealTime, Rounding, Timecode};

/// Into how many parts a frame is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubframeBase {
    /// 4: quarter frames of MIDI timecode. One digit.
    Quarter,
    /// 80: Cubase, Logic, Final Cut Pro. Two digits.
    Eighty,
    /// 100: Pro Tools, Standard MIDI Files. Two digits.
    Hundred,
}

impl SubframeBase {
    /// Parts of a frame.
    pub const fn parts(self) -> u8 {
        match self {
            Self::Quarter => 4,
            Self::Eighty => 80,
            Self::Hundred => 100,
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Quarter => 1,
            Self::Eighty | Self::Hundred => 2,
        }
    }
}

/// A label and so many parts of its frame.
///
/// ```
/// use smpte_timecode::{Rate, Rounding, SubframeBase, Subframes};
///
/// let at = Subframes::parse("01:00:00:00.40", Rate::FPS_25, SubframeBase::Eighty)?;
/// assert_eq!(at.real_time().to_string(), "180001/50");
/// assert_eq!(at.to_base(SubframeBase::Hundred, Rounding::Floor).to_string(), "01:00:00:00.50");
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subframes {
    timecode: Timecode,
    /// Below `base.parts()`.
    part: u8,
    base: SubframeBase,
}

impl Subframes {
    /// Part number `part` of the frame.
    ///
    /// # Errors
    ///
    /// [`LabelError::Subframes`] if the frame is not divided into as many.
    pub const fn try_new(timecode: Timecode, part: u8, base: SubframeBase) -> Result<Self, LabelError> {
        if part >= base.parts() {
            return Err(LabelError::Subframes { value: part, max: base.parts() - 1 });
        }
        Ok(Self { timecode, part, base })
    }

    /// So many quarters after the beginning of a frame.
    pub(crate) fn quarters(timecode: Timecode, quarters: u8) -> Self {
        Self { timecode: timecode + i64::from(quarters / 4), part: quarters % 4, base: SubframeBase::Quarter }
    }

    /// Reads a strict label, a dot, and the subframes with as many digits as the base has.
    ///
    /// # Errors
    ///
    /// As [`Timecode::parse`] and [`try_new`](Self::try_new).
    pub fn parse(text: &str, rate: Rate, base: SubframeBase) -> Result<Self, LabelError> {
        let misfit = |offset: usize| LabelError::Syntax { offset: u16::try_from(offset).unwrap_or(u16::MAX) };
        let (label, part) = text.split_once('.').ok_or(misfit(text.len()))?;
        let timecode = Timecode::parse(label, rate)?;
        if let Some(at) = part.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(misfit(label.len() + 1 + at));
        }
        match part.parse() {
            Ok(number) if part.len() == base.digits() => Self::try_new(timecode, number, base),
            _ => Err(misfit(label.len() + 1 + part.len().min(base.digits()))),
        }
    }

    /// The part at this time of day, to the base: with [`Rounding::Floor`] the one that contains the instant.
    pub fn at_real_time(rate: Rate, time: RealTime, base: SubframeBase, rounding: Rounding) -> Self {
        let parts = time.parts_of_frames(rate, base.parts(), rounding);
        let (frame, part) =
            (parts.div_euclid(i128::from(base.parts())), parts.rem_euclid(i128::from(base.parts())));
        let frame = frame.rem_euclid(i128::from(rate.frames_per_day()));
        Self {
            // both are remainders
            timecode: Timecode::from_frame(rate, i64::try_from(frame).unwrap_or_default()),
            part: u8::try_from(part).unwrap_or_default(),
            base,
        }
    }

    /// The frame.
    pub const fn timecode(self) -> Timecode {
        self.timecode
    }

    /// Which part of it.
    pub const fn part(self) -> u8 {
        self.part
    }

    /// Into how many it is divided.
    pub const fn base(self) -> SubframeBase {
        self.base
    }

    /// When this part begins, from the beginning of the day's first frame.
    pub const fn real_time(self) -> RealTime {
        RealTime::of_part(self.timecode.rate(), self.timecode.frame(), self.part, self.base.parts())
    }

    /// The same place with frames divided otherwise.
    #[must_use]
    pub fn to_base(self, base: SubframeBase, rounding: Rounding) -> Self {
        Self::at_real_time(self.timecode.rate(), self.real_time(), base, rounding)
    }
}

impl fmt::Display for Subframes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.base.digits();
        write!(f, "{}.{:0width$}", self.timecode, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_do_not_fit() {
        let parse = |text, base| Subframes::parse(text, Rate::FPS_25, base);
        let syntax = |offset| Err(LabelError::Syntax { offset });
        assert_eq!(parse("00:00:00:00", SubframeBase::Eighty), syntax(11));
        assert_eq!(parse("00:00:00:00.", SubframeBase::Eighty), syntax(12));
        assert_eq!(parse("00:00:00:00.4", SubframeBase::Eighty), syntax(13));
        assert_eq!(parse("00:00:00:00.400", SubframeBase::Eighty), syntax(14));
        assert_eq!(parse("00:00:00:00.4x", SubframeBase::Eighty), syntax(13));
        assert_eq!(parse("00:00:00:00.03", SubframeBase::Quarter), syntax(13));
        assert_eq!(
            parse("00:00:00:00.80", SubframeBase::Eighty),
            Err(LabelError::Subframes { value: 80, max: 79 })
        );
        assert_eq!(
            parse("00:00:00:00.4", SubframeBase::Quarter),
            Err(LabelError::Subframes { value: 4, max: 3 })
        );
    }

    #[test]
    fn other_bases() {
        let last = Subframes::parse("23:59:59:24.79", Rate::FPS_25, SubframeBase::Eighty).unwrap();
        assert_eq!(last.to_base(SubframeBase::Quarter, Rounding::Floor).part(), 3);
        // rounding may reach the next day
        let up = last.to_base(SubframeBase::Quarter, Rounding::Ceiling);
        assert_eq!((up.timecode().frame(), up.part()), (0, 0));
    }
}
