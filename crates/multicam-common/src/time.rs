//! Points in time as the protocol counts them.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::codec::Style;
use crate::number;

/// Nanoseconds since 1970-01-01T00:00:00Z on some clock: a device's raw one, or synchronised time.
///
/// On the wire it is a JSON number of seconds with a fraction, written as the shortest decimal of the nearest `f64`
/// (which today has steps of 238 ns) and read exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// From nanoseconds since 1970.
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970, rounded down: what file ids are made of.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads a decimal number of seconds; `None` if it is none or lies beyond the years 1677 to 2262.
    pub fn parse(seconds: &str) -> Option<Self> {
        number::nanos(seconds).map(Self)
    }

    /// The decimal number of seconds as an implementation of that family writes it.
    pub fn to_text(self, style: Style) -> String {
        let abs = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let exact = format!("{sign}{}.{:09}", abs / 1_000_000_000, abs % 1_000_000_000);
        // The nearest f64, by way of text: a division would round twice.
        number::float_text(exact.parse().unwrap_or_default(), style)
    }

    /// `self` moved by a signed number of nanoseconds, not beyond the ends.
    #[must_use]
    pub const fn offset_by(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to `self`, negative if it is in fact later.
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time from `earlier` to `self`; zero if it is in fact later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos_since(earlier)).unwrap_or(0))
    }
}

impl core::ops::Add<Duration> for UnixTime {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, d: Duration) -> Self {
        self.offset_by(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let t = UnixTime::from_nanos(1_729_000_000_123_000_000);
        assert_eq!(t.to_text(Style::Python), "1729000000.123");
        assert_eq!(t.to_text(Style::Gson), "1.729000000123E9");
        assert_eq!(UnixTime::parse("1729000000.123"), Some(t));
        assert_eq!(t.as_millis(), 1_729_000_000_123);
        assert_eq!(UnixTime::from_nanos(-500_000_000).to_text(Style::Python), "-0.5");
        assert_eq!(UnixTime::from_nanos(-1).as_millis(), -1);
        assert_eq!((UnixTime(i64::MAX) + Duration::MAX).as_nanos(), i64::MAX);
    }
}
