//! Feet and frames: a frame count as a length of film.
//!
//! | gauge | frames | a foot has |
//! |---|---|---|
//! | 35 mm, 4 perforations a frame | 64 perforations a foot | 16 |
//! | 35 mm, 3 perforations a frame | 64 frames in 3 feet | 21, 21 and 22, told apart by a digit |
//! | 35 mm, 2 perforations a frame | | 32 |
//! | 16 mm | one perforation a frame | 40 |

use core::fmt;

use crate::LabelError;

/// Which film: how many frames a foot has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FilmGauge {
    /// 35 mm, 4 perforations a frame: 16 frames a foot.
    #[default]
    Mm35Perf4,
    /// 35 mm, 3 perforations a frame: 64 frames in 3 feet.
    Mm35Perf3,
    /// 35 mm, 2 perforations a frame: 32 frames a foot.
    Mm35Perf2,
    /// 16 mm: 40 frames a foot, as the trade counts.
    Mm16,
    /// 16 mm at 20 frames a foot, as the `vtc` libraries count.
    // QUIRK(vtc): 20 where the trade has 40.
    Mm16Twenty,
}

impl FilmGauge {
    /// Frames of the whole number of feet after which the pattern repeats, and that number.
    const fn cycle(self) -> (u64, u64) {
        match self {
            Self::Mm35Perf4 => (16, 1),
            Self::Mm35Perf3 => (64, 3),
            Self::Mm35Perf2 => (32, 1),
            Self::Mm16 => (40, 1),
            Self::Mm16Twenty => (20, 1),
        }
    }
}

/// A length of film. Shown as `5625+00`, at three perforations a frame with the foot's place in the cycle of three:
/// `2+21.2`.
///
/// ```
/// use smpte_timecode::{FeetFrames, FilmGauge};
///
/// let length = FeetFrames::from_frames(1799, FilmGauge::Mm35Perf4);
/// assert_eq!(length.to_string(), "112+07");
/// assert_eq!(FeetFrames::parse("112+07", FilmGauge::Mm35Perf4)?.to_frames(), Some(1799));
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeetFrames {
    negative: bool,
    feet: u64,
    /// Below 40.
    frames: u8,
    gauge: FilmGauge,
}

impl FeetFrames {
    /// The length of `frames` frames.
    pub const fn from_frames(frames: i64, gauge: FilmGauge) -> Self {
        let (cycle, feet_per_cycle) = gauge.cycle();
        let magnitude = frames.unsigned_abs();
        let (cycles, rest) = (magnitude / cycle, magnitude % cycle);
        // 21, 21 and 22 frames: the last of 64 is in the third foot, not in a fourth
        let foot_frames = cycle / feet_per_cycle;
        let foot = if rest / foot_frames < feet_per_cycle { rest / foot_frames } else { feet_per_cycle - 1 };
        #[expect(clippy::cast_possible_truncation, reason = "at most 40")]
        let frames_of_foot = (rest - foot * foot_frames) as u8;
        Self { negative: frames < 0, feet: cycles * feet_per_cycle + foot, frames: frames_of_foot, gauge }
    }

    /// Reads what [`Display`](fmt::Display) shows. The perforation digit may be left out.
    ///
    /// # Errors
    ///
    /// Says which byte does not fit: also a frame number that the foot does not have and a digit that is not this
    /// foot's.
    pub fn parse(text: &str, gauge: FilmGauge) -> Result<Self, LabelError> {
        let misfit = |offset: usize| LabelError::Syntax { offset: u16::try_from(offset).unwrap_or(u16::MAX) };
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let start = text.len() - unsigned.len();
        let (feet, rest) = unsigned.split_once('+').ok_or(misfit(text.len()))?;
        let frames_at = start + feet.len() + 1;
        let (frames, perf) = match rest.split_once('.') {
            Some((frames, perf)) => (frames, Some(perf)),
            None => (rest, None),
        };
        let feet: u64 = whole(feet).ok_or(misfit(start))?;
        let frames_of_foot: u8 = whole(frames).and_then(|n| u8::try_from(n).ok()).ok_or(misfit(frames_at))?;
        let length = Self { negative, feet, frames: frames_of_foot, gauge };
        if frames_of_foot >= length.frames_in_foot() {
            return Err(misfit(frames_at));
        }
        match (perf.map(whole), length.perforation()) {
            (None, _) => Ok(length),
            (Some(Some(given)), Some(right)) if given == u64::from(right) => Ok(length),
            _ => Err(misfit(frames_at + frames.len() + 1)),
        }
    }

    /// How many frames this is. `None`: beyond an `i64`.
    pub fn to_frames(self) -> Option<i64> {
        let (cycle, feet_per_cycle) = self.gauge.cycle();
        let within = (self.feet % feet_per_cycle) * (cycle / feet_per_cycle) + u64::from(self.frames);
        let magnitude = (self.feet / feet_per_cycle).checked_mul(cycle)?.checked_add(within)?;
        if self.negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            0_i64.checked_add_unsigned(magnitude)
        }
    }

    /// Whole feet of the length, without sign.
    pub const fn feet(self) -> u64 {
        self.feet
    }

    /// Frames beyond them.
    pub const fn frames(self) -> u8 {
        self.frames
    }

    /// At three perforations a frame: which foot of the three it is, 0 to 2, as each begins at another perforation
    /// of a frame.
    pub const fn perforation(self) -> Option<u8> {
        match self.gauge {
            FilmGauge::Mm35Perf3 => Some((self.feet % 3) as u8),
            _ => None,
        }
    }

    /// Whether this is a length back from zero.
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// Which film.
    pub const fn gauge(self) -> FilmGauge {
        self.gauge
    }

    const fn frames_in_foot(self) -> u8 {
        match (self.gauge, self.perforation()) {
            (FilmGauge::Mm35Perf3, Some(2)) => 22,
            (FilmGauge::Mm35Perf3, _) => 21,
            (FilmGauge::Mm35Perf4, _) => 16,
            (FilmGauge::Mm35Perf2, _) => 32,
            (FilmGauge::Mm16, _) => 40,
            (FilmGauge::Mm16Twenty, _) => 20,
        }
    }
}

impl fmt::Display for FeetFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}+{:02}", self.feet, self.frames)?;
        match self.perforation() {
            Some(perforation) => write!(f, ".{perforation}"),
            None => Ok(()),
        }
    }
}

/// A number of decimal digits only.
fn whole(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn texts_that_do_not_fit() {
        let syntax = |offset| Err(LabelError::Syntax { offset });
        let parse = FeetFrames::parse;
        assert_eq!(parse("", FilmGauge::Mm35Perf4), syntax(0));
        assert_eq!(parse("12", FilmGauge::Mm35Perf4), syntax(2));
        assert_eq!(parse("12+16", FilmGauge::Mm35Perf4), syntax(3));
        assert_eq!(parse("12+1x", FilmGauge::Mm35Perf4), syntax(3));
        assert_eq!(parse("-+01", FilmGauge::Mm35Perf4), syntax(1));
        assert_eq!(parse("12+15.0", FilmGauge::Mm35Perf4), syntax(6));
        assert_eq!(parse("1+20.0", FilmGauge::Mm35Perf3), syntax(5));
        assert_eq!(parse("1+21.1", FilmGauge::Mm35Perf3), syntax(2));
        assert!(parse("2+21.2", FilmGauge::Mm35Perf3).is_ok());
        assert!(parse("2+21", FilmGauge::Mm35Perf3).is_ok());
    }

    #[test]
    fn below_zero() {
        let length = FeetFrames::from_frames(-17, FilmGauge::Mm35Perf4);
        assert_eq!(length.to_string(), "-1+01");
        assert!(length.is_negative());
        assert_eq!(FeetFrames::from_frames(i64::MIN, FilmGauge::Mm16).to_frames(), Some(i64::MIN));
        assert_eq!(FeetFrames::parse("18446744073709551615+00", FilmGauge::Mm16).unwrap().to_frames(), None);
    }

    #[test]
    fn three_perforations_fill_three_feet_with_64_frames() {
        let per_foot = |foot| {
            (0..64).filter(|&n| FeetFrames::from_frames(n, FilmGauge::Mm35Perf3).feet() == foot).count()
        };
        assert_eq!([0, 1, 2, 3].map(per_foot), [21, 21, 22, 0]);
    }
}
