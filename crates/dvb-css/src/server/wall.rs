//! The wall clock that a server serves.

use machine::Instant;

use crate::message::TimeValue;

/// The served wall clock: nanoseconds at the rate of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    offset_ns: i64,
}

impl WallClock {
    /// A clock that reads `offset_ns` at instant 0.
    pub const fn new(offset_ns: i64) -> Self {
        Self { offset_ns }
    }

    /// What it reads at instant 0.
    pub const fn offset_ns(self) -> i64 {
        self.offset_ns
    }

    /// What it reads, in nanoseconds; not below 0.
    pub const fn at(self, instant: Instant) -> u64 {
        instant.as_nanos().saturating_add_signed(self.offset_ns)
    }

    /// What it reads, as it goes on the wire.
    pub const fn time_value(self, instant: Instant) -> TimeValue {
        TimeValue::from_nanos(self.at(instant))
    }
}
