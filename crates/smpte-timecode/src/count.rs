//! Frame counts that do not wrap: beyond 24 hours, and below zero.

use core::cmp::Ordering;
use core::fmt;

use crate::notation::Reader;
use crate::{Fields, LabelError, Rate, Timecode};

/// A number of frames at a rate, with a sign and without end of day.
///
/// Shown as a label whose hours go on beyond 23 and which has `-` before it when negative: `123:00:00:00`,
/// `-00:00:01:00`.
///
/// ```
/// use smpte_timecode::{FrameCount, Rate};
///
/// let count = FrameCount::parse("24:00:00;02", Rate::FPS_29_97_DF)?;
/// assert_eq!(count.frames(), 2_589_410);
/// assert_eq!(count.timecode().to_string(), "00:00:00;02");
/// assert_eq!(FrameCount::new(Rate::FPS_25, -25).to_string(), "-00:00:01:00");
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameCount {
    frames: i64,
    rate: Rate,
}

impl FrameCount {
    /// `frames` frames.
    pub const fn new(rate: Rate, frames: i64) -> Self {
        Self { frames, rate }
    }

    /// Reads a label as [`Timecode::parse`] does, with any number of hours (two digits or more) and perhaps `-`
    /// before it. For other forms see [`Reader`].
    ///
    /// # Errors
    ///
    /// As [`Timecode::parse`].
    pub fn parse(text: &str, rate: Rate) -> Result<Self, LabelError> {
        Reader::UNWRAPPED.read(text, rate)
    }

    /// How many frames.
    pub const fn frames(self) -> i64 {
        self.frames
    }

    /// The rate.
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// The time of day: the count modulo the labels of a day.
    pub const fn timecode(self) -> Timecode {
        Timecode::from_frame(self.rate, self.frames)
    }

    /// Whole days, towards minus infinity: what [`timecode`](Self::timecode) leaves out.
    pub const fn days(self) -> i64 {
        self.frames.div_euclid(self.rate.frames_per_day() as i64)
    }

    /// `frames` more (fewer if negative). `None`: beyond an `i64`.
    pub const fn checked_add(self, frames: i64) -> Option<Self> {
        match self.frames.checked_add(frames) {
            Some(frames) => Some(Self { frames, ..self }),
            None => None,
        }
    }

    /// `frames` fewer. `None`: beyond an `i64`.
    pub const fn checked_sub(self, frames: i64) -> Option<Self> {
        match self.frames.checked_sub(frames) {
            Some(frames) => Some(Self { frames, ..self }),
            None => None,
        }
    }

    /// Shown with whole days before the label, as Cubase does: `2 01:00:00:00`; negative counts as `-2 01:00:00:00`.
    pub const fn with_days(self) -> WithDays {
        WithDays(self)
    }

    /// Whole days and the rest of the count's magnitude.
    fn split(self) -> (u64, Fields) {
        let (frames, day) = (self.frames.unsigned_abs(), u64::from(self.rate.frames_per_day()));
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by a u32")]
        let rest = (frames % day) as u32;
        (frames / day, Fields::of_frame(rest, self.rate))
    }

    fn sign(self) -> &'static str {
        if self.frames < 0 { "-" } else { "" }
    }
}

impl From<Timecode> for FrameCount {
    fn from(timecode: Timecode) -> Self {
        Self { frames: i64::from(timecode.frame()), rate: timecode.rate() }
    }
}

/// Counts at different rates have no order.
impl PartialOrd for FrameCount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.rate == other.rate).then(|| self.frames.cmp(&other.frames))
    }
}

impl fmt::Display for FrameCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, fields) = self.split();
        let hours = days * 24 + u64::from(fields.hours);
        write!(f, "{}{hours:02}", self.sign())?;
        write_after_hours(f, fields, self.rate)
    }
}

impl fmt::Debug for FrameCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameCount({} = {self} @ {})", self.frames, self.rate)
    }
}

/// What [`FrameCount::with_days`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithDays(FrameCount);

impl fmt::Display for WithDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, fields) = self.0.split();
        write!(f, "{}{days} {:02}", self.0.sign(), fields.hours)?;
        write_after_hours(f, fields, self.0.rate)
    }
}

fn write_after_hours(f: &mut fmt::Formatter<'_>, fields: Fields, rate: Rate) -> fmt::Result {
    let Fields { minutes, seconds, frames, .. } = fields;
    let (sep, width) = (if rate.is_drop() { ';' } else { ':' }, rate.frame_digits());
    write!(f, ":{minutes:02}:{seconds:02}{sep}{frames:0width$}")
}
