//! One question and its answer, and what they tell by themselves.

use super::{Dispersion, Estimate, LocalClock};
use crate::message::{MaxFreqError, Precision};

/// A request and its response: when each was sent and arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// t1: the request left, local clock, nanoseconds.
    pub sent: i64,
    /// t2: the request arrived, server's clock, nanoseconds.
    pub received: i64,
    /// t3: the response left, server's clock, nanoseconds.
    pub answered: i64,
    /// t4: the response arrived, local clock, nanoseconds.
    pub arrived: i64,
    /// How finely the server reads its clock.
    pub precision: Precision,
    /// How far the rate of the server's clock may be off.
    pub max_freq_error: MaxFreqError,
}

impl Exchange {
    /// Server minus client as the middle of what is possible, in nanoseconds, rounded down.
    pub fn offset_ns(&self) -> i64 {
        let twice = i128::from(self.answered) + i128::from(self.received)
            - i128::from(self.arrived)
            - i128::from(self.sent);
        saturate(twice.div_euclid(2))
    }

    /// Time under way, both ways together, in nanoseconds. Below 0 only by an error of the clocks.
    pub fn round_trip_ns(&self) -> i64 {
        let local = i128::from(self.arrived) - i128::from(self.sent);
        let server = i128::from(self.answered) - i128::from(self.received);
        saturate(local - server)
    }

    /// Whether the times can be true: none before its cause, but for the precision of the clocks.
    pub fn is_possible(&self, local: &LocalClock) -> bool {
        let slack = self.precision.dispersion() + local.precision;
        let slack = slack.as_nanos().and_then(|ns| i64::try_from(ns).ok()).unwrap_or(i64::MAX);
        self.answered >= self.received
            && self.arrived >= self.sent
            && self.round_trip_ns() >= slack.saturating_neg()
    }

    /// What the exchange tells by itself.
    pub fn candidate(&self, local: &LocalClock) -> Candidate {
        let round_trip = u64::try_from(self.round_trip_ns()).unwrap_or(0);
        let asking = u64::try_from(self.arrived.saturating_sub(self.sent)).unwrap_or(0);
        let serving = u64::try_from(self.answered.saturating_sub(self.received)).unwrap_or(0);
        let local_growth = GrowthRate::of(local.max_freq_error);
        let server_growth = GrowthRate::of(self.max_freq_error);
        Candidate {
            twice_parent: i128::from(self.sent) + i128::from(self.arrived),
            twice_child: i128::from(self.received) + i128::from(self.answered),
            initial_error: self.precision.dispersion()
                + Dispersion::from_picos(round_trip.saturating_mul(500))
                + local_growth.over(asking)
                + server_growth.over(serving),
            growth: local_growth + server_growth,
        }
    }
}

/// What one exchange tells by itself: two clock readings that belong together, and the error of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Twice the local reading, in nanoseconds; the middle of two readings may lie between two nanoseconds.
    pub twice_parent: i128,
    /// Twice the server's reading, in nanoseconds.
    pub twice_child: i128,
    /// The error at that moment, without the precision of the local clock.
    pub initial_error: Dispersion,
    /// How the error grows from then on.
    pub growth: GrowthRate,
}

impl Candidate {
    /// The error at a local time, before or after, without the precision of the local clock.
    pub fn dispersion_at(&self, local_ns: i64) -> Dispersion {
        let twice_age = (i128::from(local_ns) * 2 - self.twice_parent).unsigned_abs();
        let age = u64::try_from(twice_age.div_ceil(2)).unwrap_or(u64::MAX);
        self.initial_error + self.growth.over(age)
    }

    /// Server minus client in nanoseconds, rounded down.
    pub fn offset_ns(&self) -> i64 {
        saturate((self.twice_child - self.twice_parent).div_euclid(2))
    }

    pub(super) fn estimate(&self, local: &LocalClock, local_ns: i64) -> Estimate {
        Estimate {
            offset_ns: self.offset_ns(),
            dispersion: self.dispersion_at(local_ns) + local.precision,
            rate: 0,
        }
    }
}

/// How fast an error grows: in 256ths of a millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrowthRate(u64);

impl GrowthRate {
    /// 10^6 * 256: an error that grows as fast as time.
    pub(super) const ONE: u64 = 256_000_000;

    /// As fast as a clock can go wrong.
    pub fn of(error: MaxFreqError) -> Self {
        Self(u64::from(error.0))
    }

    /// In 256ths of a millionth.
    pub const fn as_256ths_ppm(self) -> u64 {
        self.0
    }

    /// The error that has grown in a span of nanoseconds, rounded up to a picosecond.
    pub fn over(self, nanos: u64) -> Dispersion {
        // n ns * r / (256 * 10^6) = n * r / 256,000 ps
        let ps = (u128::from(nanos) * u128::from(self.0)).div_ceil(256_000);
        Dispersion::from_picos(u64::try_from(ps).unwrap_or(u64::MAX))
    }
}

impl core::ops::Add for GrowthRate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

pub(super) fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
