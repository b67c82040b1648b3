//! When a frame begins: exact seconds, samples, nanoseconds, editing ticks.
//!
//! Frame n begins n / R seconds after frame 0, a ratio of integers. Nothing is rounded until a whole number of units
//! is asked for, and then in the way that the call names. A drop-frame label is close to the time of day but is not
//! it: a day of labels at 29.97 lasts 86 399.9136 seconds, so programmes that follow a wall clock set the label right
//! once a day (the "daily jam").

use core::cmp::Ordering;
use core::fmt;
use core::num::NonZeroU32;

use crate::{FrameCount, Rate, Timecode};

/// How to make a whole number of a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Down: the unit that contains the instant.
    Floor,
    /// Up: the first unit that begins at or after the instant.
    Ceiling,
    /// To the nearest, a half up: floor(x + 1/2).
    HalfUp,
    /// To the nearest, a half to the even neighbour, as Python's `round`.
    HalfEven,
}

impl Rounding {
    /// `num / den` as a whole number. `den` is above 0 and below 2^126.
    pub(crate) const fn divide(self, num: i128, den: i128) -> i128 {
        self.round(num.div_euclid(den), num.rem_euclid(den), den)
    }

    /// `floor` and `rest / den`, which is from 0 to below 1.
    const fn round(self, floor: i128, rest: i128, den: i128) -> i128 {
        let up = match self {
            Self::Floor => false,
            Self::Ceiling => rest > 0,
            Self::HalfUp => rest * 2 >= den,
            Self::HalfEven => rest * 2 > den || (rest * 2 == den && floor % 2 != 0),
        };
        if up { floor + 1 } else { floor }
    }
}

/// Units in a second in which Adobe Premiere counts: whole for every rate and sample rate in use.
pub const PREMIERE_TICKS_PER_SECOND: u64 = 254_016_000_000;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An exact number of seconds, positive or negative. Shown as `num/den` in lowest terms.
///
/// ```
/// use smpte_timecode::{Rate, RealTime, Rounding, Timecode};
///
/// let hour = Timecode::parse("01:00:00;00", Rate::FPS_29_97_DF)?;
/// assert_eq!(hour.real_time().to_string(), "8999991/2500");
/// assert_eq!(hour.samples(48_000, Rounding::Floor), 172_799_827);
/// # Ok::<(), smpte_timecode::LabelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealTime {
    /// In lowest terms; at most 2^64 times `den` either way.
    num: i128,
    /// 1 to 2^39.
    den: u64,
}

impl RealTime {
    /// The beginning of frame `frames` at `rate`, counted from frame 0.
    pub const fn of_frame(rate: Rate, frames: i64) -> Self {
        Self::reduced(frames as i128 * rate.denominator() as i128, rate.numerator() as u64)
    }

    /// `count` units, of which a second has `per_second`: samples at their sample rate, milliseconds at 1000.
    pub const fn from_units(count: i64, per_second: NonZeroU32) -> Self {
        Self::reduced(count as i128, per_second.get() as u64)
    }

    /// `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self::reduced(nanos as i128, NANOS_PER_SECOND)
    }

    /// `ticks` of [`PREMIERE_TICKS_PER_SECOND`].
    pub const fn from_premiere_ticks(ticks: i64) -> Self {
        Self::reduced(ticks as i128, PREMIERE_TICKS_PER_SECOND)
    }

    /// The beginning of part `part` of frame `frame`, which has `parts`.
    pub(crate) const fn of_part(rate: Rate, frame: u32, part: u8, parts: u8) -> Self {
        let units = frame as u64 * parts as u64 + part as u64;
        Self::reduced(units as i128 * rate.denominator() as i128, rate.numerator() as u64 * parts as u64)
    }

    /// How many parts of frames, of which each frame has `parts`, have begun.
    pub(crate) const fn parts_of_frames(self, rate: Rate, parts: u8, rounding: Rounding) -> i128 {
        self.scaled(rate.numerator() as u64 * parts as u64, rate.denominator(), rounding)
    }

    /// Upper term, with the sign.
    pub const fn numerator(self) -> i128 {
        self.num
    }

    /// Lower term, above 0.
    pub const fn denominator(self) -> u64 {
        self.den
    }

    /// As whole units, of which a second has `per_second`: samples at their sample rate. `None`: beyond an `i64`.
    pub const fn units(self, per_second: u32, rounding: Rounding) -> Option<i64> {
        narrow(self.scaled(per_second as u64, 1, rounding))
    }

    /// As whole nanoseconds. `None`: beyond an `i64`, some 292 years.
    pub const fn nanos(self, rounding: Rounding) -> Option<i64> {
        narrow(self.scaled(NANOS_PER_SECOND, 1, rounding))
    }

    /// As whole [ticks](PREMIERE_TICKS_PER_SECOND). `None`: beyond an `i64`, some 420 days.
    pub const fn premiere_ticks(self, rounding: Rounding) -> Option<i64> {
        narrow(self.scaled(PREMIERE_TICKS_PER_SECOND, 1, rounding))
    }

    /// The number of the frame at this time. `None`: beyond an `i64`.
    pub const fn frame(self, rate: Rate, rounding: Rounding) -> Option<i64> {
        narrow(self.frame_wide(rate, rounding))
    }

    const fn frame_wide(self, rate: Rate, rounding: Rounding) -> i128 {
        self.scaled(rate.numerator() as u64, rate.denominator(), rounding)
    }

    /// Times `mul / div`, where `mul` is at most 2^39 and `div` is not 0.
    const fn scaled(self, mul: u64, div: u32, rounding: Rounding) -> i128 {
        // Whole seconds (at most 2^64) and the rest apart, so that no product passes 2^104.
        let (mul, div, den) = (mul as i128, div as i128, self.den as i128);
        let (whole, rest) = (self.num.div_euclid(den) * mul, self.num.rem_euclid(den) * mul);
        let (rest, den) = (whole.rem_euclid(div) * den + rest, den * div);
        rounding.round(whole.div_euclid(div) + rest / den, rest % den, den)
    }

    const fn reduced(num: i128, den: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by den, which is a u64")]
        let divisor = gcd(den, (num.unsigned_abs() % den as u128) as u64);
        Self { num: num / divisor as i128, den: den / divisor }
    }
}

impl Timecode {
    /// When this frame begins, from the beginning of the day's first frame.
    pub const fn real_time(self) -> RealTime {
        RealTime::of_frame(self.rate(), self.frame() as i64)
    }

    /// The label of the frame at `time` after midnight's frame, modulo the day's labels. With [`Rounding::Floor`] the
    /// frame that contains the instant.
    pub const fn at_real_time(rate: Rate, time: RealTime, rounding: Rounding) -> Self {
        let day = rate.frames_per_day() as i128;
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by a u32")]
        let frame = time.frame_wide(rate, rounding).rem_euclid(day) as i64;
        Self::from_frame(rate, frame)
    }

    /// The sample at which this frame begins, from midnight's frame on; a BWF time reference.
    pub const fn samples(self, sample_rate: u32, rounding: Rounding) -> u64 {
        self.units(sample_rate as u64, rounding)
    }

    /// The nanosecond at which this frame begins, from midnight's frame on.
    pub const fn nanos(self, rounding: Rounding) -> u64 {
        self.units(NANOS_PER_SECOND, rounding)
    }

    /// The [tick](PREMIERE_TICKS_PER_SECOND) at which this frame begins, from midnight's frame on.
    pub const fn premiere_ticks(self, rounding: Rounding) -> u64 {
        self.units(PREMIERE_TICKS_PER_SECOND, rounding)
    }

    /// For `per_second` of at most 2^38.
    const fn units(self, per_second: u64, rounding: Rounding) -> u64 {
        let rate = self.rate();
        let units = self.frame() as i128 * rate.denominator() as i128 * per_second as i128;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a day of labels is below 2^18 s, so this is below 2^56 and not negative"
        )]
        let whole = rounding.divide(units, rate.numerator() as i128) as u64;
        whole
    }
}

impl FrameCount {
    /// When this frame begins, from the beginning of frame 0.
    pub const fn real_time(self) -> RealTime {
        RealTime::of_frame(self.rate(), self.frames())
    }

    /// The frame at `time`. `None`: beyond an `i64`.
    pub const fn at_real_time(rate: Rate, time: RealTime, rounding: Rounding) -> Option<Self> {
        match time.frame(rate, rounding) {
            Some(frames) => Some(Self::new(rate, frames)),
            None => None,
        }
    }
}

impl PartialOrd for RealTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RealTime {
    fn cmp(&self, other: &Self) -> Ordering {
        let split = |time: &Self| {
            let den = i128::from(time.den);
            (time.num.div_euclid(den), time.num.rem_euclid(den))
        };
        let ((seconds, rest), (other_seconds, other_rest)) = (split(self), split(other));
        seconds
            .cmp(&other_seconds)
            .then_with(|| (rest * i128::from(other.den)).cmp(&(other_rest * i128::from(self.den))))
    }
}

impl fmt::Display for RealTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

const fn narrow(wide: i128) -> Option<i64> {
    if wide < i64::MIN as i128 || wide > i64::MAX as i128 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "just checked")]
    let narrow = wide as i64;
    Some(narrow)
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
