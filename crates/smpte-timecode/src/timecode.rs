//! A time of day as a label that exists (ST 12-1 clause 5).

use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};

use crate::notation::{self, DropMark, LabelText};
use crate::{Fields, LabelError, Rate};

/// A label that is valid at its rate, `HH:MM:SS:FF`. 16 bytes.
///
/// It is kept as the number of frames since midnight, so adding is adding; the four numbers are worked out when they
/// are asked for. All arithmetic is modulo 24 hours; for counts that go beyond, see [`FrameCount`](crate::FrameCount).
///
/// ```
/// use smpte_timecode::{Rate, Timecode};
///
/// let last = Timecode::parse("00:00:59;29", Rate::FPS_29_97_DF)?;
/// assert_eq!((last + 1).to_string(), "00:01:00;02");
/// assert_eq!((last + 1).frame(), 1800);
/// assert_eq!((last - 1800).to_string(), "23:59:59;29");
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timecode {
    /// Below `rate.frames_per_day()`.
    frame: u32,
    rate: Rate,
}

impl Timecode {
    /// The most bytes a label has as text: `HH:MM:SS:FFF`.
    pub const MAX_LEN: usize = 12;

    /// The label with these four numbers.
    ///
    /// # Errors
    ///
    /// Names the number that is out of its range, or says that the label is one that this rate drops.
    #[inline]
    pub const fn try_new(
        rate: Rate,
        hours: u8,
        minutes: u8,
        seconds: u8,
        frames: u16,
    ) -> Result<Self, LabelError> {
        Self::from_fields(rate, Fields { hours, minutes, seconds, frames })
    }

    /// As [`try_new`](Self::try_new).
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new).
    #[inline]
    pub const fn from_fields(rate: Rate, fields: Fields) -> Result<Self, LabelError> {
        match fields.check(rate) {
            Ok(()) => Ok(Self { frame: fields.frame_unchecked(rate), rate }),
            Err(error) => Err(error),
        }
    }

    /// The label of the `frame`th frame since midnight, modulo 24 hours; negative counts back from midnight.
    #[inline]
    pub const fn from_frame(rate: Rate, frame: i64) -> Self {
        Self { frame: wrap(rate, frame), rate }
    }

    /// 00:00:00:00.
    #[inline]
    pub const fn midnight(rate: Rate) -> Self {
        Self { frame: 0, rate }
    }

    /// Reads `HH:MM:SS:FF`, at rates that drop also `HH:MM:SS;FF`; two digits a number, and at rates above 100 two or
    /// three for the frames. Anything else needs one of the lenient readers of [`notation`].
    ///
    /// # Errors
    ///
    /// Says which byte does not fit, or what [`try_new`](Self::try_new) says.
    #[inline]
    pub fn parse(text: &str, rate: Rate) -> Result<Self, LabelError> {
        notation::parse_strict(text.as_bytes(), rate)
    }

    /// Frames since midnight: 0 to [`Rate::frames_per_day`] - 1.
    #[inline]
    pub const fn frame(self) -> u32 {
        self.frame
    }

    /// The rate.
    #[inline]
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// All four numbers at once.
    #[inline]
    pub const fn fields(self) -> Fields {
        Fields::of_frame(self.frame, self.rate)
    }

    /// 0 to 23.
    #[inline]
    pub const fn hours(self) -> u8 {
        self.fields().hours
    }

    /// 0 to 59.
    #[inline]
    pub const fn minutes(self) -> u8 {
        self.fields().minutes
    }

    /// 0 to 59.
    #[inline]
    pub const fn seconds(self) -> u8 {
        self.fields().seconds
    }

    /// 0 to N - 1.
    #[inline]
    pub const fn frames(self) -> u16 {
        self.fields().frames
    }

    /// The label `frames` frames later (earlier if negative), modulo 24 hours. The same as `+`.
    #[inline]
    #[must_use]
    pub const fn wrapping_add(self, frames: i64) -> Self {
        self.shifted(within_day(frames, self.rate))
    }

    /// The label `frames` frames earlier, modulo 24 hours. The same as `-`.
    #[inline]
    #[must_use]
    pub const fn wrapping_sub(self, frames: i64) -> Self {
        self.shifted(-within_day(frames, self.rate))
    }

    /// The label after this one; after the day's last comes midnight.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        let frame = self.frame + 1;
        Self { frame: if frame == self.rate.frames_per_day() { 0 } else { frame }, rate: self.rate }
    }

    /// The label before this one; before midnight comes the day's last.
    #[inline]
    #[must_use]
    pub const fn previous(self) -> Self {
        let after = if self.frame == 0 { self.rate.frames_per_day() } else { self.frame };
        Self { frame: after - 1, rate: self.rate }
    }

    /// Moves on by one frame.
    #[inline]
    pub const fn increment(&mut self) {
        *self = self.next();
    }

    /// The label of the pair that this frame belongs to, at [half the rate](Rate::halved), and whether this is the
    /// second frame of the pair. Carriers that count to 30 give labels of faster rates so. `None`: there is no such rate.
    #[must_use]
    pub const fn pair(self) -> Option<(Self, bool)> {
        match self.rate.halved() {
            Some(rate) => Some((Self { frame: self.frame / 2, rate }, self.frame % 2 == 1)),
            None => None,
        }
    }

    /// Moves by less than a day either way.
    #[inline]
    const fn shifted(self, frames: i64) -> Self {
        let day = self.rate.frames_per_day() as i64;
        let sum = self.frame as i64 + frames;
        let within = if sum < 0 {
            sum + day
        } else if sum >= day {
            sum - day
        } else {
            sum
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 <= within < day, a u32"
        )]
        let frame = within as u32;
        Self { frame, rate: self.rate }
    }

    /// The label as text: `HH:MM:SS:FF`, with `;` before the frames at a rate that drops, and three digits of frames
    /// at rates above 100. Allocates nothing.
    #[inline]
    #[must_use]
    pub const fn text(self) -> LabelText {
        LabelText::new(self.fields(), self.rate, DropMark::Semicolon)
    }

    /// As [`text`](Self::text), with another sign of drop-frame.
    #[must_use]
    pub const fn text_with(self, mark: DropMark) -> LabelText {
        LabelText::new(self.fields(), self.rate, mark)
    }

    /// Writes [`text`](Self::text) into `out` and returns it.
    #[inline]
    pub fn write_ascii(self, out: &mut [u8; Self::MAX_LEN]) -> &str {
        let text = self.text();
        let bytes = text.as_bytes();
        let out = out.get_mut(..bytes.len()).unwrap_or_default();
        out.copy_from_slice(bytes);
        core::str::from_utf8(out).unwrap_or_default()
    }
}

impl Add<i64> for Timecode {
    type Output = Self;

    /// [`wrapping_add`](Self::wrapping_add).
    #[inline]
    fn add(self, frames: i64) -> Self {
        self.wrapping_add(frames)
    }
}

impl Sub<i64> for Timecode {
    type Output = Self;

    /// [`wrapping_sub`](Self::wrapping_sub).
    #[inline]
    fn sub(self, frames: i64) -> Self {
        self.wrapping_sub(frames)
    }
}

impl AddAssign<i64> for Timecode {
    #[inline]
    fn add_assign(&mut self, frames: i64) {
        *self = *self + frames;
    }
}

impl SubAssign<i64> for Timecode {
    #[inline]
    fn sub_assign(&mut self, frames: i64) {
        *self = *self - frames;
    }
}

/// Within the day; labels of different rates have no order.
impl PartialOrd for Timecode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.rate == other.rate).then(|| self.frame.cmp(&other.frame))
    }
}

impl fmt::Display for Timecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for Timecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timecode({self} @ {})", self.rate)
    }
}

/// `frame` modulo the rate's day, from midnight on.
#[inline]
const fn wrap(rate: Rate, frame: i64) -> u32 {
    let day = rate.frames_per_day() as i64;
    // most counts need no division
    let within = if 0 <= frame && frame < day { frame } else { frame.rem_euclid(day) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= within < day, a u32")]
    let frame = within as u32;
    frame
}

/// `frames` modulo the rate's day, with its sign.
#[inline]
const fn within_day(frames: i64, rate: Rate) -> i64 {
    let day = rate.frames_per_day() as i64;
    if -day < frames && frames < day { frames } else { frames % day }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const DF: Rate = Rate::FPS_29_97_DF;

    #[test]
    fn works_at_compile_time() {
        const HOUR: Timecode = match Timecode::try_new(DF, 1, 0, 0, 0) {
            Ok(timecode) => timecode,
            Err(_) => panic!(),
        };
        const LATER: Timecode = HOUR.wrapping_add(1800).wrapping_sub(1).next();
        assert_eq!(LATER.text().as_str(), "01:01:00;02");
        assert_eq!(HOUR.fields().hours, 1);
    }

    #[test]
    fn shows_itself_in_a_column() {
        let timecode = Timecode::midnight(Rate::FPS_25);
        assert_eq!(format!("[{timecode:>13}]"), "[  00:00:00:00]");
        assert_eq!(format!("{timecode:?}"), "Timecode(00:00:00:00 @ 25)");
    }

    #[test]
    fn order_is_within_a_rate() {
        let at = |rate, frame| Timecode::from_frame(rate, frame);
        assert!(at(DF, 1) < at(DF, 2));
        assert_eq!(at(DF, 1).partial_cmp(&at(Rate::FPS_25, 2)), None);
    }

    #[test]
    fn ends_of_the_counts() {
        let day = i128::from(DF.frames_per_day());
        for frames in [i64::MIN, i64::MIN + 1, i64::MAX, -1, 0, 1] {
            let expected = i128::from(frames).rem_euclid(day);
            assert_eq!(i128::from(Timecode::from_frame(DF, frames).frame()), expected);
            assert_eq!(i128::from((Timecode::midnight(DF) + frames).frame()), expected);
            assert_eq!(
                i128::from((Timecode::midnight(DF) - frames).frame()),
                (-i128::from(frames)).rem_euclid(day)
            );
        }
    }

    #[test]
    fn is_small() {
        assert_eq!(size_of::<Timecode>(), 16);
        assert!(size_of::<LabelError>() <= 32);
    }
}
