//! Clocks of others, seen from afar (sheet §8.3).
//!
//! A reply carries the device's raw clock. With the instants between which it was written, that tells how far the
//! device's clock is off, within half of the time it took.

use machine::Instant;

use crate::UnixTime;
use crate::ntp::{ClockEstimate, ClockFilter, FilterConfig, Sample};

/// What the replies of one device tell of its clock.
#[derive(Clone, Debug)]
pub struct RemoteClock {
    filter: ClockFilter,
}

impl Default for RemoteClock {
    fn default() -> Self {
        Self::new()
    }
}

impl RemoteClock {
    /// Nothing is known.
    pub fn new() -> Self {
        Self { filter: ClockFilter::new(FilterConfig::default()) }
    }

    /// A reply that carried `timestamp`, asked for at `sent` and there at `received`.
    pub fn add(&mut self, sent: Instant, received: Instant, timestamp: UnixTime) {
        let delay = received.saturating_since(sent);
        let middle = sent + delay / 2;
        let local = i64::try_from(middle.as_nanos()).unwrap_or(i64::MAX);
        let offset_ns = timestamp.as_nanos().saturating_sub(local);
        // A clock that was set since then makes what was heard before worthless.
        if let Some(known) = self.filter.estimate(received) {
            let error = known.unix(middle).nanos_since(timestamp).unsigned_abs();
            let allowed = known.error(middle).saturating_add(nanos(delay)).saturating_add(STAMP_STEP_NS);
            if error > allowed.saturating_mul(2) {
                self.filter.clear();
            }
        }
        self.filter.add(Sample {
            at: middle,
            offset_ns,
            delay_ns: nanos(delay).saturating_add(2 * STAMP_STEP_NS),
        });
    }

    /// Replies that count.
    pub fn samples(&self) -> usize {
        self.filter.len()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.filter.clear();
    }

    /// The device's clock as a function of local time.
    pub fn estimate(&self, now: Instant) -> Option<ClockEstimate> {
        self.filter.estimate(now)
    }
}

fn nanos(d: core::time::Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// The step of a 64-bit float at today's seconds: no timestamp is better than that.
const STAMP_STEP_NS: u64 = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_reply_counts_and_a_step_is_noticed() {
        let at = |us: u64| Instant::from_nanos(us * 1000);
        let unix = |us: i64| UnixTime::from_nanos(1_729_000_000_000_000_000 + us * 1000);
        let mut clock = RemoteClock::new();
        clock.add(at(0), at(10_000), unix(250_000 + 9_000));
        clock.add(at(20_000), at(20_400), unix(250_000 + 20_200));
        let estimate = clock.estimate(at(30_000)).unwrap();
        assert_eq!(estimate.unix(at(30_000)), unix(280_000));
        assert!(estimate.error(at(30_000)) < 201_000);
        clock.add(at(40_000), at(41_000), unix(40_500));
        assert_eq!(clock.samples(), 1);
        assert_eq!(clock.estimate(at(50_000)).unwrap().unix(at(50_000)), unix(50_000));
    }
}
