//! Monotonic time as an argument.

use core::ops::Add;
use core::time::Duration;

/// A point in monotonic time: nanoseconds since an epoch that the driver picked (584 years fit).
///
/// Only differences mean anything to a machine. Under the drivers of this workspace on Linux the epoch is that of
/// `CLOCK_MONOTONIC`, so instants of several processes on one machine can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The instant `nanos` after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed from `earlier` to `self`; zero if `earlier` is in fact later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` moved back by `d`, not before the epoch.
    pub fn saturating_sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(d)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time instead of wrapping.
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(nanos(d)))
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// When a datagram arrived or left, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The instant on the machine's own clock.
    pub at: Instant,
    /// Where the reading was taken.
    pub source: StampSource,
}

impl Stamp {
    /// A stamp read from the driver's clock in user space.
    pub const fn clock(at: Instant) -> Self {
        Self { at, source: StampSource::Clock }
    }
}

/// How near to the wire a [`Stamp`] was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampSource {
    /// By the kernel, as it handled the datagram.
    Kernel,
    /// By the driver, just after the receive call or just before the send call.
    Clock,
}
