//! Exact fractions, for ticks, speeds and error figures.
//!
//! A clock of 90 kHz on one of 1 GHz reads 0.00009 ticks more each nanosecond; no binary fraction says that. All
//! results are exact as long as numerator and denominator fit 127 bits, which they do for the clocks of a television
//! for centuries. What does not fit is rounded to a fraction that does, by less than 2^-60 of itself, and never wraps.

use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, Mul, Neg, Sub};
use core::str::FromStr;

/// A fraction in lowest terms, its denominator positive.
///
/// ```
/// use dvb_css::Ratio;
///
/// let ticks = Ratio::from(300) + Ratio::new(999_950, 1_000);
/// assert_eq!(ticks.to_string(), "1299.95");
/// assert_eq!("-0.25".parse(), Ok(Ratio::new(-1, 4)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    num: i128,
    den: i128,
}

/// Digits of a decimal number that is read, and places of one that is written.
const DIGITS: u32 = 30;
/// What is read is less than this, and a multiple of one over this.
const BOUND: i128 = 10_i128.pow(DIGITS);

/// Text that is not a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 30 digits")]
pub struct NotDecimal;

impl Ratio {
    /// 0.
    pub const ZERO: Self = Self { num: 0, den: 1 };
    /// 1.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// `num / den`; a denominator of 0 counts as 1.
    pub const fn new(num: i128, den: i128) -> Self {
        // i128::MIN has no opposite
        let num = if num == i128::MIN { i128::MIN + 1 } else { num };
        let den = if den == i128::MIN { i128::MIN + 1 } else { den };
        let (num, den) = if den < 0 { (-num, -den) } else { (num, den) };
        if den == 0 {
            return Self { num, den: 1 };
        }
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()).cast_signed();
        Self { num: num / divisor, den: den / divisor }
    }

    /// The part above the line, with the sign.
    pub const fn numerator(self) -> i128 {
        self.num
    }

    /// The part below the line, positive.
    pub const fn denominator(self) -> i128 {
        self.den
    }

    /// Whether it is a whole number.
    pub const fn is_whole(self) -> bool {
        self.den == 1
    }

    /// -1, 0 or 1.
    pub const fn signum(self) -> i128 {
        self.num.signum()
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self { num: self.num.abs(), den: self.den }
    }

    /// The largest whole number not above it.
    pub const fn floor(self) -> i128 {
        self.num.div_euclid(self.den)
    }

    /// The smallest whole number not below it.
    pub const fn ceil(self) -> i128 {
        -(-self.num).div_euclid(self.den)
    }

    /// The nearest whole number, halves upwards.
    pub const fn round(self) -> i128 {
        let floor = self.floor();
        let rest = self.num.rem_euclid(self.den);
        if rest >= self.den - rest { floor + 1 } else { floor }
    }

    /// `1 / self`; `None` of 0.
    #[must_use]
    pub const fn inverse(self) -> Option<Self> {
        match self.num {
            0 => None,
            n if n < 0 => Some(Self { num: -self.den, den: -n }),
            n => Some(Self { num: self.den, den: n }),
        }
    }

    /// `self / divisor`; `None` for a divisor of 0.
    #[must_use]
    pub fn over(self, divisor: Self) -> Option<Self> {
        divisor.inverse().map(|inverse| self * inverse)
    }

    /// The smaller one.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other < self { other } else { self }
    }

    /// The larger one.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// Places of it as a decimal number.
    const fn places(self) -> usize {
        let twos = self.den.trailing_zeros();
        let (mut rest, mut fives) = (self.den >> twos, 0);
        while rest % 5 == 0 {
            rest /= 5;
            fives += 1;
        }
        let places = if twos > fives { twos } else { fives };
        if rest == 1 && places <= DIGITS { places as usize } else { 18 }
    }

    /// Half the precision, so that products fit again.
    #[must_use]
    const fn coarser(self) -> Self {
        let den = (self.den >> 1) + (self.den & 1);
        // num / 2, to the nearest
        let num = (self.num >> 1) + (self.num & 1);
        if self.den == 1 { self } else { Self::new(num, den) }
    }

    fn until_it_fits(mut a: Self, mut b: Self, op: impl Fn(Self, Self) -> Option<Self>) -> Self {
        loop {
            if let Some(result) = op(a, b) {
                return result;
            }
            match (a.den > 1, b.den > 1) {
                (false, false) => {
                    let sign = if a.num.signum() * b.num.signum() < 0 { -1 } else { 1 };
                    return Self { num: sign * i128::MAX, den: 1 };
                }
                _ if a.den >= b.den => a = a.coarser(),
                _ => b = b.coarser(),
            }
        }
    }
}

const fn gcd(mut a: u128, mut b: u128) -> u128 {
    // most are small: the division of 128 bits is a slow one
    while b != 0 {
        if a >> 64 == 0 && b >> 64 == 0 {
            return gcd_64(a, b);
        }
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a }
}

#[expect(clippy::cast_possible_truncation, reason = "called with values below 2^64")]
const fn gcd_64(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a as u64, b as u64);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a as u128 }
}

impl From<i128> for Ratio {
    fn from(whole: i128) -> Self {
        Self::new(whole, 1)
    }
}

impl From<i64> for Ratio {
    fn from(whole: i64) -> Self {
        Self { num: i128::from(whole), den: 1 }
    }
}

impl From<u64> for Ratio {
    fn from(whole: u64) -> Self {
        Self { num: i128::from(whole), den: 1 }
    }
}

impl From<i32> for Ratio {
    fn from(whole: i32) -> Self {
        Self { num: i128::from(whole), den: 1 }
    }
}

impl From<u32> for Ratio {
    fn from(whole: u32) -> Self {
        Self { num: i128::from(whole), den: 1 }
    }
}

impl Add for Ratio {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::until_it_fits(self, other, |a, b| {
            let common = gcd(a.den.unsigned_abs(), b.den.unsigned_abs()).cast_signed();
            let (a_parts, b_parts) = (a.den / common, b.den / common);
            let num = a.num.checked_mul(b_parts)?.checked_add(b.num.checked_mul(a_parts)?)?;
            Some(Self::new(num, a.den.checked_mul(b_parts)?))
        })
    }
}

impl Sub for Ratio {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Ratio {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::until_it_fits(self, other, |a, b| {
            let ab = gcd(a.num.unsigned_abs(), b.den.unsigned_abs()).cast_signed();
            let ba = gcd(b.num.unsigned_abs(), a.den.unsigned_abs()).cast_signed();
            let num = (a.num / ab).checked_mul(b.num / ba)?;
            let den = (a.den / ba).checked_mul(b.den / ab)?;
            Some(Self { num, den })
        })
    }
}

impl Neg for Ratio {
    type Output = Self;

    fn neg(self) -> Self {
        Self { num: -self.num, den: self.den }
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    /// Exact for all values.
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Some(a), Some(b)) = (self.num.checked_mul(other.den), other.num.checked_mul(self.den)) {
            return a.cmp(&b);
        }
        // Whole parts first, then the inverses of what is left.
        let (mut a, mut b) = (*self, *other);
        let mut swapped = false;
        loop {
            let order = a.floor().cmp(&b.floor());
            let (rest_a, rest_b) = (a.num.rem_euclid(a.den), b.num.rem_euclid(b.den));
            let order = match order {
                Ordering::Equal => match (rest_a, rest_b) {
                    (0, 0) => Ordering::Equal,
                    (0, _) => Ordering::Less,
                    (_, 0) => Ordering::Greater,
                    _ => {
                        (a, b) = (Self { num: a.den, den: rest_a }, Self { num: b.den, den: rest_b });
                        swapped = !swapped;
                        continue;
                    }
                },
                unequal => unequal,
            };
            return if swapped { order.reverse() } else { order };
        }
    }
}

impl FromStr for Ratio {
    type Err = NotDecimal;

    /// Reads a decimal number as JSON writes it: `-12`, `0.5`, `1e-3`, with at most 30 digits from the first that is not
    /// 0. What is beyond 30 places is rounded away.
    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NotDecimal)?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || digits.ends_with('.') {
            return Err(NotDecimal);
        }
        let mut num: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            if !digit.is_ascii_digit() || num >= BOUND / 10 {
                return Err(NotDecimal);
            }
            num = num * 10 + i128::from(digit - b'0');
        }
        let scale =
            exponent.checked_sub(i32::try_from(fraction.len()).map_err(|_| NotDecimal)?).ok_or(NotDecimal)?;
        let power = 10_i128.checked_pow(scale.unsigned_abs());
        let value = match (power, scale >= 0) {
            _ if num == 0 => Self::ZERO,
            (Some(power), true) => {
                num.checked_mul(power).filter(|n| *n < BOUND).map(Self::from).ok_or(NotDecimal)?
            }
            (Some(power), false) => match power / BOUND {
                0 => Self::new(num, power),
                beyond => Self::new(Self::new(num, beyond).round(), BOUND),
            },
            (None, false) => Self::ZERO,
            (None, true) => return Err(NotDecimal),
        };
        Ok(if negative { -value } else { value })
    }
}

impl fmt::Display for Ratio {
    /// As a decimal number: exactly, or to 18 places where it does not end within 30. A precision rounds to so many
    /// places, at most 30, halves away from zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or_else(|| self.places()).min(DIGITS as usize);
        let negative = self.num < 0;
        let num = self.num.unsigned_abs();
        let mut den = self.den.unsigned_abs();
        let mut whole = num / den;
        let mut rest = num % den;
        // ten times the rest has to fit; the bits that go are worth less than 10^-30
        if den >> 124 != 0 {
            den >>= 4;
            rest = (rest >> 4).min(den - 1);
        }
        let mut digits = [0_u8; DIGITS as usize];
        for digit in digits.iter_mut().take(places) {
            let ten = rest * 10;
            *digit = u8::try_from((ten / den).min(9)).unwrap_or(9);
            rest = ten % den;
        }
        if rest >= den - rest {
            let carried = digits.iter_mut().take(places).rev().all(|digit| {
                let full = *digit == 9;
                *digit = if full { 0 } else { *digit + 1 };
                full
            });
            whole += u128::from(carried);
        }
        let mut text = TextBuffer::default();
        let shown = match f.precision() {
            Some(_) => places,
            None => digits.iter().take(places).rposition(|d| *d != 0).map_or(0, |last| last + 1),
        };
        fmt::Write::write_fmt(&mut text, format_args!("{whole}"))?;
        if shown > 0 {
            fmt::Write::write_char(&mut text, '.')?;
            for digit in digits.iter().take(shown) {
                fmt::Write::write_char(&mut text, char::from(b'0' + digit))?;
            }
        }
        let is_zero = whole == 0 && digits.iter().take(shown).all(|d| *d == 0);
        text.pad(f, !negative || is_zero)
    }
}

/// Room for the longest number: 39 digits, a point, 30 places.
struct TextBuffer {
    bytes: [u8; 72],
    len: usize,
}

impl Default for TextBuffer {
    fn default() -> Self {
        Self { bytes: [0; 72], len: 0 }
    }
}

impl fmt::Write for TextBuffer {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + s.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len += s.len();
        Ok(())
    }
}

impl TextBuffer {
    fn pad(&self, f: &mut fmt::Formatter<'_>, positive: bool) -> fmt::Result {
        let text = self.bytes.get(..self.len).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or_default();
        f.pad_integral(positive, "", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn decimals_are_read_and_written_exactly() {
        for text in [
            "0",
            "1",
            "-1",
            "0.5",
            "1299.95",
            "-699.95",
            "0.000001",
            "123456789012345678901234.5",
            "1.56119999999999999999",
            "0.999999001811111898604",
            "0.000000000000000000000000000001",
            "999999999999999999999999999999",
        ] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
        for (text, same) in [
            ("1e3", "1000"),
            ("1.50", "1.5"),
            ("-2.5E-3", "-0.0025"),
            ("0e99", "0"),
            ("1e-99", "0"),
            ("-4e-31", "0"),
            ("15e-31", "0.000000000000000000000000000002"),
            ("123456789e-38", "0.000000000000000000000000000001"),
        ] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), same);
        }
        for bad in
            ["", "-", ".", "1.", "+1", "1e", "0x1", "1 ", "1e30", "1e99", "1234567890123456789012345678901"]
        {
            assert_eq!(bad.parse::<Ratio>(), Err(NotDecimal), "{bad}");
        }
        assert_eq!(Ratio::new(1, 3).to_string(), "0.333333333333333333");
        assert_eq!(std::format!("{:.3}", Ratio::new(1999, 1_000_000)), "0.002");
        assert_eq!(std::format!("{:.0}", Ratio::new(19, 2)), "10");
        assert_eq!(std::format!("{:8.2}|", Ratio::new(-1, 3)), "   -0.33|");
        assert_eq!(std::format!("{:.1}", Ratio::new(-1, 300)), "0.0");
        assert_eq!(std::format!("{:.2}", Ratio::new(i128::MAX - 2, i128::MAX)), "1.00");
    }

    #[test]
    fn what_does_not_fit_is_rounded_and_never_wraps() {
        let big = Ratio::new(i128::MAX, 3);
        assert!(big + big > big && big * big >= big && -big * big < Ratio::ZERO);
        let fine = Ratio::new((1 << 100) + 1, (1 << 101) - 1);
        let product = fine * Ratio::new((1 << 90) + 7, (1 << 90) - 3);
        assert!((product - fine).abs() < Ratio::new(1, 1 << 60));
        assert_eq!(Ratio::new(i128::MIN, i128::MIN), Ratio::ONE);
    }

    #[test]
    fn the_order_is_exact_where_products_do_not_fit() {
        let a = Ratio::new(i128::MAX - 1, i128::MAX);
        let b = Ratio::new(i128::MAX - 2, i128::MAX - 1);
        assert!(b < a && -a < -b);
        assert_eq!(a.cmp(&a), Ordering::Equal);
    }

    #[test]
    fn whole_numbers_around_a_fraction() {
        let cases =
            [(7, 2, 3, 4, 4), (-7, 2, -4, -3, -3), (6, 2, 3, 3, 3), (1, 3, 0, 1, 0), (-1, 3, -1, 0, 0)];
        for (num, den, floor, ceil, round) in cases {
            let r = Ratio::new(num, den);
            assert_eq!((r.floor(), r.ceil(), r.round()), (floor, ceil, round), "{num}/{den}");
        }
        assert_eq!(Ratio::ONE.over(Ratio::ZERO), None);
        assert_eq!(Ratio::new(-2, 3).inverse(), Some(Ratio::new(-3, 2)));
    }
}
