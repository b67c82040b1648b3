//! Wall clock messages: 32 bytes, big-endian (ETSI TS 103 286-2 clause 8).
//!
//! ```text
//!  0        1             2          3         4                8                16              24            32
//!  +--------+-------------+----------+---------+----------------+----------------+---------------+-------------+
//!  | version| message_type| precision| reserved| max_freq_error | originate      | receive       | transmit    |
//!  | 0      | 0..3        | i8, log2 | 0       | u32, 1/256 ppm | s u32, ns u32  | s u32, ns u32 | s u32 ns u32|
//!  +--------+-------------+----------+---------+----------------+----------------+---------------+-------------+
//! ```
//!
//! Time values are seconds and nanoseconds, not NTP fractions; their epoch is the server's own business.

use crate::Ratio;
use crate::wc::Dispersion;

/// One wall clock message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WcMessage {
    /// What kind.
    pub message_type: MessageType,
    /// How finely the server reads its clock.
    pub precision: Precision,
    /// How far the rate of the server's clock may be off.
    pub max_freq_error: MaxFreqError,
    /// When the request was sent, by the client's clock; or any other 64 bits, which the server gives back.
    pub originate: TimeValue,
    /// When the request arrived, by the server's clock.
    pub receive: TimeValue,
    /// When the response left, by the server's clock.
    pub transmit: TimeValue,
}

impl WcMessage {
    /// Length on the wire.
    pub const LEN: usize = 32;

    /// A request; `cookie` comes back in the answer.
    pub const fn request(cookie: u64) -> Self {
        Self {
            message_type: MessageType::Request,
            precision: Precision(0),
            max_freq_error: MaxFreqError(0),
            originate: TimeValue::from_bits(cookie),
            receive: TimeValue::ZERO,
            transmit: TimeValue::ZERO,
        }
    }
}

/// The kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// From the client.
    Request,
    /// Complete.
    Response,
    /// Usable, but a better one follows.
    ResponseBeforeFollowUp,
    /// The better one: tells when the one before it really left.
    FollowUp,
}

/// A point in time on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeValue {
    /// Whole seconds.
    pub seconds: u32,
    /// And so many nanoseconds: below 10^9, except in an originate value, which is the client's own.
    pub nanoseconds: u32,
}

impl TimeValue {
    /// 0.
    pub const ZERO: Self = Self { seconds: 0, nanoseconds: 0 };

    /// Nanoseconds since the epoch, which ends with 2^32 s and starts again.
    #[expect(clippy::cast_possible_truncation, reason = "the seconds wrap; a rest of 10^9 fits 32 bits")]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { seconds: (nanos / BILLION) as u32, nanoseconds: (nanos % BILLION) as u32 }
    }

    /// Nanoseconds since the epoch, below 4.3 * 10^18.
    pub const fn as_nanos(self) -> u64 {
        self.seconds as u64 * BILLION + self.nanoseconds as u64
    }

    /// Whether it is a time: less than 10^9 ns.
    pub const fn is_time(self) -> bool {
        (self.nanoseconds as u64) < BILLION
    }

    /// Any 64 bits.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { seconds: (bits >> 32) as u32, nanoseconds: bits as u32 }
    }

    /// The 64 bits.
    pub const fn to_bits(self) -> u64 {
        (self.seconds as u64) << 32 | self.nanoseconds as u64
    }
}

/// How finely a clock is read: the power of two of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precision(pub i8);

impl Precision {
    /// The smallest power of two not below `seconds`, from 2^-128 to 2^127. Zero and less count as 2^-128.
    pub fn from_seconds(seconds: Ratio) -> Self {
        let (num, den) = (seconds.numerator(), seconds.denominator());
        let fits = |log2: i32| {
            // num <= den * 2^log2, with the smaller side moved up so that nothing is lost
            let shift = log2.unsigned_abs();
            if log2 >= 0 {
                num.unsigned_abs() >> shift < den.unsigned_abs()
                    || Some(num) == den.checked_mul(1_i128.checked_shl(shift).unwrap_or(0))
            } else {
                shift < den.leading_zeros() + 128
                    && match num.unsigned_abs().checked_shl(shift) {
                        Some(moved) if moved >> shift == num.unsigned_abs() => moved <= den.unsigned_abs(),
                        _ => false,
                    }
            }
        };
        if num <= 0 {
            return Self(i8::MIN);
        }
        (-127..=126)
            .find(|log2| fits(*log2))
            .and_then(|log2| i8::try_from(log2).ok())
            .map_or(Self(i8::MAX), Self)
    }

    /// As an error: 2^n seconds, rounded up to a picosecond.
    pub fn dispersion(self) -> Dispersion {
        let shift = u32::from(self.0.unsigned_abs());
        let ps = if self.0 >= 0 {
            // 2^24 s of picoseconds do not fit
            if shift > 23 { u64::MAX } else { PS_PER_SECOND << shift }
        } else if shift > 40 {
            1
        } else {
            PS_PER_SECOND.div_ceil(1 << shift)
        };
        Dispersion::from_picos(ps)
    }

    /// As a fraction of a second, exactly.
    pub fn seconds(self) -> Ratio {
        let power =
            1_i128.checked_shl(u32::from(self.0.unsigned_abs())).filter(|p| *p > 0).unwrap_or(i128::MAX);
        if self.0 >= 0 { Ratio::from(power) } else { Ratio::new(1, power) }
    }
}

/// How far the rate of a clock may be off: in 256ths of a millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxFreqError(pub u32);

impl MaxFreqError {
    /// So many millionths, rounded up to the next 256th; at most 2^32 - 1 of them.
    pub fn from_ppm(ppm: Ratio) -> Self {
        let field = (ppm.max(Ratio::ZERO) * Ratio::from(256)).ceil();
        Self(u32::try_from(field).unwrap_or(u32::MAX))
    }

    /// In millionths, exactly.
    pub fn ppm(self) -> Ratio {
        Ratio::new(i128::from(self.0), 256)
    }
}

const BILLION: u64 = 1_000_000_000;
const PS_PER_SECOND: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_rounded_up_to_a_power_of_two() {
        // sheet §2.1, seen at the original; and the ends of the range
        let cases = [
            ("1", 0),
            ("0.5", -1),
            ("0.1", -3),
            ("0.001", -9),
            ("0.0009765625", -10),
            ("0.000001", -19),
            ("0.000000001", -29),
            ("1.5", 1),
            ("2", 1),
            ("0", -128),
            ("-1", -128),
            ("3", 2),
            ("4", 2),
            ("5", 3),
        ];
        for (seconds, expected) in cases {
            assert_eq!(Precision::from_seconds(seconds.parse().unwrap()), Precision(expected), "{seconds}");
        }
        for p in -126..=126 {
            assert_eq!(Precision::from_seconds(Precision(p).seconds()), Precision(p));
        }
        for p in -100..=100 {
            let above = Precision(p).seconds() * Ratio::new(65_537, 65_536);
            assert_eq!(Precision::from_seconds(above), Precision(p + 1), "{p}");
        }
        assert_eq!(Precision(-10).seconds(), Ratio::new(1, 1024));
        assert_eq!(Precision(-20).dispersion().as_picos(), 953_675);
        assert_eq!(Precision(0).dispersion().as_picos(), PS_PER_SECOND);
        assert_eq!(Precision(-128).dispersion().as_picos(), 1);
    }

    #[test]
    fn frequency_errors_are_rounded_up() {
        let cases = [
            ("0.001", 1),
            ("0.5", 128),
            ("12", 3072),
            ("12.001", 3073),
            ("50", 12_800),
            ("500", 128_000),
            ("16777215", 4_294_967_040),
            ("16777216", u32::MAX),
            ("1e20", u32::MAX),
            ("-3", 0),
        ];
        for (ppm, field) in cases {
            assert_eq!(MaxFreqError::from_ppm(ppm.parse().unwrap()), MaxFreqError(field), "{ppm}");
        }
        assert_eq!(MaxFreqError(12_160).ppm(), Ratio::new(95, 2));
    }
}
