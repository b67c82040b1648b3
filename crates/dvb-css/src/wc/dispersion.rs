//! The greatest possible error of a reading.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use crate::Ratio;

/// The greatest possible error of a clock reading, in picoseconds, up to 213 days; [`UNKNOWN`](Self::UNKNOWN) beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dispersion(u64);

impl Dispersion {
    /// No error.
    pub const ZERO: Self = Self(0);
    /// The reading means nothing: more than every other dispersion.
    pub const UNKNOWN: Self = Self(u64::MAX);

    /// So many picoseconds.
    pub const fn from_picos(ps: u64) -> Self {
        Self(ps)
    }

    /// So many nanoseconds.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns.saturating_mul(1000))
    }

    /// In picoseconds.
    pub const fn as_picos(self) -> u64 {
        self.0
    }

    /// In nanoseconds, rounded up; `None` if unknown.
    pub const fn as_nanos(self) -> Option<u64> {
        if self.is_known() { Some(self.0.div_ceil(1000)) } else { None }
    }

    /// In seconds, exactly; `None` if unknown.
    pub fn as_seconds(self) -> Option<Ratio> {
        self.is_known().then(|| Ratio::new(i128::from(self.0), 1_000_000_000_000))
    }

    /// Whether it says anything.
    pub const fn is_known(self) -> bool {
        self.0 != u64::MAX
    }
}

impl Add for Dispersion {
    type Output = Self;

    /// Saturates to unknown.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Duration> for Dispersion {
    fn from(d: Duration) -> Self {
        Self::from_nanos(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Dispersion {
    /// In milliseconds, with as many places as asked for, `inf` if unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() {
            fmt::Display::fmt(&Ratio::new(i128::from(self.0), 1_000_000_000), f)
        } else {
            // as text, a precision would cut it
            f.pad_integral(true, "", "inf")
        }
    }
}
