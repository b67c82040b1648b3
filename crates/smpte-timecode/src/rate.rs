//! Frame rates as exact rationals (ST 12-1 clause 5, ST 12-3 clause 6).
//!
//! A rate is three things: how many labels a timecode second has (the nominal rate N), how many frames a real second
//! has (R, a ratio of integers), and whether labels are dropped to bring the two together. At 29.97 N is 30 and R is
//! 30000/1001, not 2997/100, which differs from it by one part in a million.

use core::fmt;
use core::str::FromStr;

use crate::RateError;

/// Minutes of a day in which labels are dropped: all but every tenth.
const DROP_MINUTES_PER_DAY: u32 = 24 * 54;
const SECONDS_PER_DAY: u32 = 86_400;

/// A frame rate: nominal labels per second, exact frames per second, and whether labels are dropped.
///
/// Equal rates compare equal however they were made: the ratio is kept in lowest terms.
///
/// ```
/// use smpte_timecode::Rate;
///
/// let rate: Rate = "29.97df".parse()?;
/// assert_eq!(rate, Rate::FPS_29_97_DF);
/// assert_eq!((rate.nominal(), rate.numerator(), rate.denominator()), (30, 30_000, 1001));
/// assert_eq!(rate.frames_per_day(), 2_589_408);
/// # Ok::<(), smpte_timecode::RateError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    num: u32,
    den: u32,
    nominal: u16,
    drop: bool,
}

/// The rates that have a name, and their names.
const NAMED: [(Rate, &str); 21] = [
    (Rate::FPS_23_976, "23.976"),
    (Rate::FPS_24, "24"),
    (Rate::FPS_24_98, "24.98"),
    (Rate::FPS_25, "25"),
    (Rate::FPS_29_97, "29.97"),
    (Rate::FPS_30, "30"),
    (Rate::FPS_47_952, "47.952"),
    (Rate::FPS_48, "48"),
    (Rate::FPS_50, "50"),
    (Rate::FPS_59_94, "59.94"),
    (Rate::FPS_60, "60"),
    (Rate::ntsc(72), "71.928"),
    (Rate::FPS_72, "72"),
    (Rate::ntsc(90), "89.91"),
    (Rate::FPS_90, "90"),
    (Rate::FPS_95_904, "95.904"),
    (Rate::FPS_96, "96"),
    (Rate::ntsc(100), "99.9"),
    (Rate::FPS_100, "100"),
    (Rate::FPS_119_88, "119.88"),
    (Rate::FPS_120, "120"),
];

impl Rate {
    /// 24000/1001, also written 23.98.
    pub const FPS_23_976: Self = Self::ntsc(24);
    /// 24, film.
    pub const FPS_24: Self = Self::whole(24);
    /// 25000/1001.
    pub const FPS_24_98: Self = Self::ntsc(25);
    /// 25, EBU.
    pub const FPS_25: Self = Self::whole(25);
    /// 30000/1001 without dropped labels.
    pub const FPS_29_97: Self = Self::ntsc(30);
    /// 30000/1001 with 2 labels dropped in nine minutes of ten.
    pub const FPS_29_97_DF: Self = Self::FPS_29_97.dropping();
    /// 30.
    pub const FPS_30: Self = Self::whole(30);
    /// 30 frames a second with dropped labels: not in the standard, used with film sound.
    pub const FPS_30_DF: Self = Self::FPS_30.dropping();
    /// 48000/1001, also written 47.95.
    pub const FPS_47_952: Self = Self::ntsc(48);
    /// 48.
    pub const FPS_48: Self = Self::whole(48);
    /// 50.
    pub const FPS_50: Self = Self::whole(50);
    /// 60000/1001 without dropped labels.
    pub const FPS_59_94: Self = Self::ntsc(60);
    /// 60000/1001 with 4 labels dropped in nine minutes of ten.
    pub const FPS_59_94_DF: Self = Self::FPS_59_94.dropping();
    /// 60.
    pub const FPS_60: Self = Self::whole(60);
    /// 60 frames a second with dropped labels: not in the standard.
    pub const FPS_60_DF: Self = Self::FPS_60.dropping();
    /// 72.
    pub const FPS_72: Self = Self::whole(72);
    /// 90.
    pub const FPS_90: Self = Self::whole(90);
    /// 96000/1001.
    pub const FPS_95_904: Self = Self::ntsc(96);
    /// 96.
    pub const FPS_96: Self = Self::whole(96);
    /// 100.
    pub const FPS_100: Self = Self::whole(100);
    /// 120000/1001 without dropped labels.
    pub const FPS_119_88: Self = Self::ntsc(120);
    /// 120000/1001 with 8 labels dropped in nine minutes of ten.
    pub const FPS_119_88_DF: Self = Self::FPS_119_88.dropping();
    /// 120.
    pub const FPS_120: Self = Self::whole(120);
    /// 120 frames a second with dropped labels: not in the standard.
    pub const FPS_120_DF: Self = Self::FPS_120.dropping();

    /// The highest nominal rate: frame numbers have at most three digits.
    pub const MAX_NOMINAL: u32 = 1000;

    /// The rate of `num / den` frames a second, with or without dropped labels.
    ///
    /// # Errors
    ///
    /// If a term is zero; if the rate is not within 0.5 % of a whole number of frames, as timecode counts whole
    /// frames; if it is above [`MAX_NOMINAL`](Self::MAX_NOMINAL); if `drop` is asked for a rate where it is not
    /// defined (see [`can_drop`](Self::can_drop)).
    pub const fn try_new(num: u32, den: u32, drop: bool) -> Result<Self, RateError> {
        if num == 0 || den == 0 {
            return Err(RateError::Zero);
        }
        let divisor = gcd(num, den);
        let (num, den) = (num / divisor, den / divisor);
        let (wide_num, wide_den) = (num as u64, den as u64);
        let nominal = nearest_whole(num, den);
        if nominal > Self::MAX_NOMINAL as u64 {
            return Err(RateError::TooHigh);
        }
        if wide_num.abs_diff(nominal * wide_den) * 200 > wide_num {
            return Err(RateError::NotWhole);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_NOMINAL")]
        let rate = Self { num, den, nominal: nominal as u16, drop: false };
        rate.with_drop(drop)
    }

    /// This rate with labels dropped, or not.
    ///
    /// # Errors
    ///
    /// If dropping is not defined for this rate.
    pub const fn with_drop(self, drop: bool) -> Result<Self, RateError> {
        if drop && !self.can_drop() {
            return Err(RateError::NoDrop { nominal: self.nominal });
        }
        Ok(Self { drop, ..self })
    }

    /// This rate counted as programs count that take the whole part of the rate for N: 29 labels a second at 29.97,
    /// 23 at 23.976, none dropped. Such labels run fast by 3 or 4 %; this is for talking to those programs only.
    /// Whole rates stay as they are.
    #[must_use]
    pub const fn truncated(self) -> Self {
        let whole = self.num / self.den;
        #[expect(clippy::cast_possible_truncation, reason = "not above the nominal rate, which is a u16")]
        let nominal = if whole == 0 { self.nominal } else { whole as u16 };
        Self { nominal, drop: self.drop && nominal == self.nominal, ..self }
    }

    /// The rate of pairs of frames: 25 for 50, 29.97df for 59.94df. `None`: N is odd, half of it
    /// cannot drop labels where this rate does, or a term is beyond a `u32`.
    pub const fn halved(self) -> Option<Self> {
        if !self.nominal.is_multiple_of(2) || self.is_truncated() {
            return None;
        }
        let (num, den) = match self.den.checked_mul(2) {
            _ if self.num.is_multiple_of(2) => (self.num / 2, self.den),
            Some(den) => (self.num, den),
            None => return None,
        };
        let pairs = Self { num, den, nominal: self.nominal / 2, drop: false };
        match pairs.with_drop(self.drop) {
            Ok(pairs) => Some(pairs),
            Err(_) => None,
        }
    }

    /// Frames a second, upper term of the ratio in lowest terms.
    pub const fn numerator(self) -> u32 {
        self.num
    }

    /// Frames a second, lower term of the ratio in lowest terms; never 0.
    pub const fn denominator(self) -> u32 {
        self.den
    }

    /// N: labels in a timecode second, 1 to [`MAX_NOMINAL`](Self::MAX_NOMINAL).
    pub const fn nominal(self) -> u32 {
        self.nominal as u32
    }

    /// Whether labels are dropped.
    pub const fn is_drop(self) -> bool {
        self.drop
    }

    /// Whether dropping labels is defined for this rate: N is 30, 60 or 120.
    pub const fn can_drop(self) -> bool {
        matches!(self.nominal, 30 | 60 | 120)
    }

    /// Whether this rate came from [`truncated`](Self::truncated) and differs from the true one.
    pub const fn is_truncated(self) -> bool {
        // N is the nearest whole number for every other rate
        self.nominal as u64 != nearest_whole(self.num, self.den)
    }

    /// D: labels left out at the start of nine minutes of ten; 0 without drop.
    pub const fn dropped_per_minute(self) -> u32 {
        if self.drop { self.nominal as u32 / 15 } else { 0 }
    }

    /// Labels in ten timecode minutes.
    pub const fn frames_per_ten_minutes(self) -> u32 {
        600 * self.nominal() - 9 * self.dropped_per_minute()
    }

    /// Labels from midnight to midnight.
    pub const fn frames_per_day(self) -> u32 {
        SECONDS_PER_DAY * self.nominal() - DROP_MINUTES_PER_DAY * self.dropped_per_minute()
    }

    /// Digits of the frame number in a label: 3 if N is above 100, else 2.
    pub const fn frame_digits(self) -> usize {
        if self.nominal > 100 { 3 } else { 2 }
    }

    /// N frames in 1001/1000 seconds.
    const fn ntsc(nominal: u16) -> Self {
        let (num, den) = (nominal as u32 * 1000, 1001);
        let divisor = gcd(num, den);
        Self { num: num / divisor, den: den / divisor, nominal, drop: false }
    }

    const fn whole(nominal: u16) -> Self {
        Self { num: nominal as u32, den: 1, nominal, drop: false }
    }

    const fn dropping(self) -> Self {
        Self { drop: true, ..self }
    }

    /// The name of this rate without regard to drop.
    fn name(self) -> Option<&'static str> {
        NAMED.iter().find(|(rate, _)| (rate.num, rate.den) == (self.num, self.den)).map(|&(_, name)| name)
    }

    fn from_decimal(text: &[u8]) -> Result<Self, RateError> {
        let (mut digits, mut scale, mut in_fraction) = (0_u64, 1_u64, false);
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' if digits < 1_000_000_000 && scale < 1_000_000_000 => {
                    digits = digits * 10 + u64::from(byte - b'0');
                    scale *= if in_fraction { 10 } else { 1 };
                }
                b'.' if !in_fraction && at > 0 && at + 1 < text.len() => in_fraction = true,
                b'0'..=b'9' => return Err(RateError::Unknown),
                _ => return Err(syntax(at)),
            }
        }
        if text.is_empty() {
            return Err(syntax(0));
        }
        // the distance to each named rate, in units of 1/(scale * den)
        let near = |rate: &Rate| {
            let distance = (digits * u64::from(rate.den)).abs_diff(u64::from(rate.num) * scale);
            (distance * 200 <= scale * u64::from(rate.den)).then_some((distance, rate.den))
        };
        let nearest = NAMED
            .iter()
            .filter_map(|&(rate, _)| near(&rate).map(|(distance, den)| (u128::from(distance), den, rate)))
            .min_by(|a, b| (a.0 * u128::from(b.1)).cmp(&(b.0 * u128::from(a.1))));
        match nearest {
            Some((_, _, rate)) => Ok(rate),
            None if digits % scale == 0 => Self::from_terms(digits / scale, 1),
            None => Err(RateError::Unknown),
        }
    }

    fn from_terms(num: u64, den: u64) -> Result<Self, RateError> {
        match (u32::try_from(num), u32::try_from(den)) {
            (Ok(num), Ok(den)) => Self::try_new(num, den, false),
            _ => Err(RateError::TooHigh),
        }
    }
}

/// Reads what [`Display`](fmt::Display) writes, and:
///
/// * decimals, which mean the nearest named rate within 0.005 (`23.98` is 24000/1001), and whole numbers;
/// * `num/den`, which is taken exactly;
/// * each with `df` (labels dropped) or `ndf` (not dropped, the default) after it, in either case.
impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (number, drop) = split_suffix(text.as_bytes());
        let rate = match number.iter().position(|&byte| byte == b'/') {
            None => Self::from_decimal(number)?,
            Some(slash) => {
                let (num, den) = number.split_at(slash);
                let den = den.get(1..).unwrap_or_default();
                Self::from_terms(whole_number(num, 0)?, whole_number(den, slash + 1)?)?
            }
        };
        rate.with_drop(drop)
    }
}

/// The short name (`29.97df`), or `num/den` for a rate without one. A [truncated](Rate::truncated) rate has `trunc`
/// after it, which is not read back.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name)?,
            None if self.den == 1 => write!(f, "{}", self.num)?,
            None => write!(f, "{}/{}", self.num, self.den)?,
        }
        match (self.drop, self.is_truncated()) {
            (true, _) => f.write_str("df"),
            (false, true) => f.write_str("trunc"),
            (false, false) => Ok(()),
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({self})")
    }
}

/// `num / den`, rounded to the nearest, a half up.
const fn nearest_whole(num: u32, den: u32) -> u64 {
    let (num, den) = (num as u64, den as u64);
    (num + den / 2) / den
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The number, and whether `df` follows it.
const fn split_suffix(text: &[u8]) -> (&[u8], bool) {
    match text {
        [number @ .., b'n' | b'N', b'd' | b'D', b'f' | b'F'] => (number, false),
        [number @ .., b'd' | b'D', b'f' | b'F'] => (number, true),
        _ => (text, false),
    }
}

fn whole_number(digits: &[u8], offset: usize) -> Result<u64, RateError> {
    if digits.is_empty() {
        return Err(syntax(offset));
    }
    digits.iter().enumerate().try_fold(0_u64, |value, (at, byte)| match byte {
        b'0'..=b'9' if value > u64::from(u32::MAX) => Err(RateError::TooHigh),
        b'0'..=b'9' => Ok(value * 10 + u64::from(byte - b'0')),
        _ => Err(syntax(offset + at)),
    })
}

fn syntax(offset: usize) -> RateError {
    RateError::Syntax { offset: u16::try_from(offset).unwrap_or(u16::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn error(text: &str) -> RateError {
        text.parse::<Rate>().unwrap_err()
    }

    #[test]
    fn texts_that_are_not_rates() {
        assert_eq!(error(""), RateError::Syntax { offset: 0 });
        assert_eq!(error("df"), RateError::Syntax { offset: 0 });
        assert_eq!(error("fps"), RateError::Syntax { offset: 0 });
        assert_eq!(error("25fps"), RateError::Syntax { offset: 2 });
        assert_eq!(error("25."), RateError::Syntax { offset: 2 });
        assert_eq!(error(".5"), RateError::Syntax { offset: 0 });
        assert_eq!(error("29.9.7"), RateError::Syntax { offset: 4 });
        assert_eq!(error("30000/"), RateError::Syntax { offset: 6 });
        assert_eq!(error("/1001"), RateError::Syntax { offset: 0 });
        assert_eq!(error("30000/10x1"), RateError::Syntax { offset: 8 });
        assert_eq!(error("-25"), RateError::Syntax { offset: 0 });
        assert_eq!(error(" 25"), RateError::Syntax { offset: 0 });
    }

    #[test]
    fn rates_that_cannot_be() {
        assert_eq!(error("0"), RateError::Zero);
        assert_eq!(error("25/0"), RateError::Zero);
        assert_eq!(error("0/25"), RateError::Zero);
        assert_eq!(error("1001"), RateError::TooHigh);
        assert_eq!(error("99999999999/1"), RateError::TooHigh);
        assert_eq!(error("99999999999"), RateError::Unknown);
        assert_eq!(error("25/2"), RateError::NotWhole);
        assert_eq!(error("1/1000"), RateError::NotWhole);
        assert_eq!(error("12.5"), RateError::Unknown);
        assert_eq!(error("29.96"), RateError::Unknown);
        assert_eq!(error("25df"), RateError::NoDrop { nominal: 25 });
        assert_eq!(error("23.976df"), RateError::NoDrop { nominal: 24 });
    }

    #[test]
    fn decimals_mean_the_nearest() {
        for (text, rate) in [
            ("23.98", Rate::FPS_23_976),
            ("23.972", Rate::FPS_23_976),
            ("24.004", Rate::FPS_24),
            ("24.98", Rate::FPS_24_98),
            ("47.95", Rate::FPS_47_952),
            ("59.9400599", Rate::FPS_59_94),
            ("119.88", Rate::FPS_119_88),
            ("15", Rate::try_new(15, 1, false).unwrap()),
        ] {
            assert_eq!(text.parse(), Ok(rate), "{text}");
        }
    }

    #[test]
    fn terms_are_taken_exactly() {
        let near: Rate = "2997/100".parse().unwrap();
        assert_ne!(near, Rate::FPS_29_97);
        assert_eq!(near.to_string(), "2997/100");
        assert_eq!("2997/100df".parse::<Rate>().unwrap().to_string(), "2997/100df");
        assert_eq!("48000/2002".parse(), Ok(Rate::FPS_23_976));
    }

    #[test]
    fn truncated_rates_are_told_apart() {
        for (rate, nominal) in [(Rate::FPS_23_976, 23), (Rate::FPS_29_97, 29), (Rate::FPS_59_94_DF, 59)] {
            let truncated = rate.truncated();
            assert_eq!(truncated.nominal(), nominal);
            assert_eq!(
                (truncated.numerator(), truncated.denominator()),
                (rate.numerator(), rate.denominator())
            );
            assert!(truncated.is_truncated() && !rate.is_truncated());
            assert!(!truncated.is_drop() && !truncated.can_drop());
            assert_ne!(truncated, rate);
            assert_eq!(truncated.truncated(), truncated);
        }
        assert_eq!(Rate::FPS_29_97.truncated().to_string(), "29.97trunc");
        for (rate, _) in NAMED {
            assert!(!rate.is_truncated(), "{rate}");
        }
        // the farthest from a whole number that a rate can be, and a truncated one that is as near
        let far = Rate::try_new(200, 199, false).unwrap();
        assert_eq!((far.nominal(), far.is_truncated(), far.truncated()), (1, false, far));
        let fast = Rate::try_new(240_000, 1001, false).unwrap();
        assert_eq!((fast.truncated().nominal(), fast.truncated().is_truncated()), (239, true));
        assert_eq!(Rate::FPS_25.truncated(), Rate::FPS_25);
        assert_eq!(Rate::FPS_30_DF.truncated(), Rate::FPS_30_DF);
    }

    #[test]
    fn halves() {
        assert_eq!(Rate::FPS_59_94_DF.halved(), Some(Rate::FPS_29_97_DF));
        assert_eq!(Rate::FPS_119_88_DF.halved(), Some(Rate::FPS_59_94_DF));
        assert_eq!(Rate::FPS_50.halved(), Some(Rate::FPS_25));
        assert_eq!(Rate::FPS_47_952.halved(), Some(Rate::FPS_23_976));
        assert_eq!(Rate::FPS_25.halved(), None);
        assert_eq!(Rate::FPS_29_97_DF.halved(), None);
        assert_eq!(Rate::try_new(u32::MAX, 1 << 31, false).unwrap().halved(), None);
    }

    #[test]
    fn is_small() {
        assert_eq!(size_of::<Rate>(), 12);
        assert!(size_of::<RateError>() <= 32);
    }
}
