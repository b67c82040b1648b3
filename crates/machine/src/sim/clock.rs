//! A node's own clock: it starts anywhere, runs fast or slow, and its wall clock can be stepped.

use core::time::Duration;

use super::nanos;
use crate::Instant;

/// How a node's clock behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockConfig {
    /// What the monotonic clock reads at the world's time 0.
    pub offset: Duration,
    /// How much it gains, in thousand-millionths: 1000 is 1 ppm fast, -1000 1 ppm slow. At most half a thousand
    /// million either way.
    pub drift_ppb: i32,
    /// What the wall clock reads at the world's time 0, in nanoseconds since 1970-01-01T00:00:00Z. It runs at the
    /// rate of the monotonic clock.
    pub unix_ns: i64,
}

impl Default for ClockConfig {
    /// Right rate, from 0, on 2026-01-01.
    fn default() -> Self {
        Self { offset: Duration::ZERO, drift_ppb: 0, unix_ns: 1_767_225_600_000_000_000 }
    }
}

/// A line through (`world_ns`, `local_ns`) with slope 1 + drift.
#[derive(Debug)]
pub(crate) struct Clock {
    world_ns: u64,
    local_ns: u64,
    drift_ppb: i32,
    /// Wall clock minus monotonic clock.
    wall_ahead_ns: i128,
}

const BILLION: i128 = 1_000_000_000;
const MAX_DRIFT_PPB: i32 = 500_000_000;

impl Clock {
    pub(crate) fn new(config: ClockConfig) -> Self {
        let local_ns = nanos(config.offset);
        let drift_ppb = config.drift_ppb.clamp(-MAX_DRIFT_PPB, MAX_DRIFT_PPB);
        let wall_ahead_ns = i128::from(config.unix_ns) - i128::from(local_ns);
        Self { world_ns: 0, local_ns, drift_ppb, wall_ahead_ns }
    }

    /// What the clock reads at `world_ns`.
    pub(crate) fn local(&self, world_ns: u64) -> Instant {
        let passed = i128::from(world_ns) - i128::from(self.world_ns);
        let local = i128::from(self.local_ns) + (passed * self.rate()).div_euclid(BILLION);
        Instant::from_nanos(u64::try_from(local.max(0)).unwrap_or(u64::MAX))
    }

    /// The first moment at which the clock reads `local` or more.
    pub(crate) fn world(&self, local: Instant) -> u64 {
        let ahead = i128::from(local.as_nanos()) - i128::from(self.local_ns);
        // floor(passed * rate / BILLION) >= ahead if and only if passed >= ceil(ahead * BILLION / rate)
        let passed = -(-ahead * BILLION).div_euclid(self.rate());
        u64::try_from((i128::from(self.world_ns) + passed).max(0)).unwrap_or(u64::MAX)
    }

    /// Changes the rate from `world_ns` on.
    pub(crate) fn set_drift(&mut self, world_ns: u64, drift_ppb: i32) {
        self.local_ns = self.local(world_ns).as_nanos();
        self.world_ns = world_ns;
        self.drift_ppb = drift_ppb.clamp(-MAX_DRIFT_PPB, MAX_DRIFT_PPB);
    }

    pub(crate) fn unix_ns(&self, local: Instant) -> i64 {
        let unix = i128::from(local.as_nanos()) + self.wall_ahead_ns;
        i64::try_from(unix).unwrap_or(if unix < 0 { i64::MIN } else { i64::MAX })
    }

    pub(crate) fn set_unix_ns(&mut self, local: Instant, unix_ns: i64) {
        self.wall_ahead_ns = i128::from(unix_ns) - i128::from(local.as_nanos());
    }

    fn rate(&self) -> i128 {
        BILLION + i128::from(self.drift_ppb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Rng;

    #[test]
    fn world_is_the_first_moment_of_a_reading() {
        let mut rng = Rng::new(1);
        for _ in 0..20_000 {
            let spread = u64::try_from(2 * i64::from(MAX_DRIFT_PPB)).unwrap();
            let drift = i64::try_from(rng.up_to(spread)).unwrap() - i64::from(MAX_DRIFT_PPB);
            let mut clock = Clock::new(ClockConfig {
                offset: Duration::from_nanos(rng.up_to(1 << 50)),
                drift_ppb: i32::try_from(drift).unwrap(),
                ..ClockConfig::default()
            });
            if rng.chance(500_000) {
                clock.set_drift(rng.up_to(1 << 40), 12_345);
            }
            let local = Instant::from_nanos(clock.local_ns + rng.up_to(1 << 50));
            let world = clock.world(local);
            assert!(clock.local(world) >= local);
            assert!(clock.local(world - 1) < local);
        }
    }

    #[test]
    fn drift_and_wall_clock_add_up() {
        let mut clock = Clock::new(ClockConfig {
            offset: Duration::from_secs(5),
            drift_ppb: 50_000,
            unix_ns: 1_000_000_000_000,
        });
        let hour = 3_600_000_000_000;
        assert_eq!(clock.local(hour).as_nanos(), 5_000_000_000 + hour + 180_000_000);
        clock.set_drift(hour, -50_000);
        assert_eq!(clock.local(2 * hour).as_nanos(), 5_000_000_000 + 2 * hour);
        let unix = clock.unix_ns(clock.local(2 * hour));
        assert_eq!(unix, 1_000_000_000_000 + 7_200_000_000_000);
        let now = clock.local(2 * hour);
        clock.set_unix_ns(now, -7);
        assert_eq!(clock.unix_ns(now + Duration::from_nanos(10)), 3);
    }
}
