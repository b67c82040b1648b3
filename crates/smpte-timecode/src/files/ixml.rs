//! The values of iXML's timecode elements (iXML specification, `SPEED`).
//!
//! | element | value |
//! |---|---|
//! | `TIMECODE_RATE` | `30000/1001`, `25/1` |
//! | `TIMECODE_FLAG` | `DF` or `NDF` |
//! | `TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI`, `..._LO` | the upper and lower 32 bits of the time reference |

use core::fmt;

use crate::{Rate, RateError};

/// The value of `TIMECODE_RATE`.
///
/// ```
/// use smpte_timecode::{Rate, files::ixml};
///
/// assert_eq!(ixml::TimecodeRate(Rate::FPS_29_97_DF).to_string(), "30000/1001");
/// assert_eq!(ixml::timecode_flag(Rate::FPS_29_97_DF), "DF");
/// assert_eq!(ixml::rate("30000/1001", "DF"), Ok(Rate::FPS_29_97_DF));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimecodeRate(
    /// The rate.
    pub Rate,
);

impl fmt::Display for TimecodeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.numerator(), self.0.denominator())
    }
}

/// The value of `TIMECODE_FLAG`.
pub const fn timecode_flag(rate: Rate) -> &'static str {
    if rate.is_drop() { "DF" } else { "NDF" }
}

/// The rate that the two values mean, white space around them aside. A rate written as a decimal is taken too.
///
/// # Errors
///
/// As reading a [`Rate`]; [`RateError::Syntax`] if the flag is neither `DF` nor `NDF`.
pub fn rate(timecode_rate: &str, timecode_flag: &str) -> Result<Rate, RateError> {
    let rate: Rate = timecode_rate.trim().parse()?;
    match timecode_flag.trim() {
        "DF" => rate.with_drop(true),
        "NDF" => rate.with_drop(false),
        _ => Err(RateError::Syntax { offset: 0 }),
    }
}

/// A time reference as the values of `TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI` and `_LO`.
pub const fn split_samples(samples: u64) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    let halves = ((samples >> 32) as u32, samples as u32);
    halves
}

/// The time reference that the two values mean.
pub const fn join_samples(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(rate(" 25/1 ", "NDF\n"), Ok(Rate::FPS_25));
        assert_eq!(rate("29.97", "DF"), Ok(Rate::FPS_29_97_DF));
        assert_eq!(rate("25/1", "DF"), Err(RateError::NoDrop { nominal: 25 }));
        assert_eq!(rate("25/1", "yes"), Err(RateError::Syntax { offset: 0 }));
        assert_eq!(split_samples(0x1_0000_0002), (1, 2));
        assert_eq!(join_samples(1, 2), 0x1_0000_0002);
    }
}
