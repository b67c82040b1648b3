//! How often something may happen.

use machine::Instant;

/// Lets `burst` things happen at once and `per_second` in the long run. It keeps one instant: the time at which all
/// that has happened would have been due at the steady rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    due: Instant,
    interval_ns: u64,
    burst: u32,
}

impl Budget {
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        let interval_ns = 1_000_000_000 / u64::from(per_second.clamp(1, 1_000_000_000));
        Self { due: Instant::default(), interval_ns, burst: burst.max(1) }
    }

    /// Whether it may happen now; if so, it has.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let ready = self.ready_at() <= now;
        if ready {
            let due = self.due.max(now).as_nanos();
            self.due = Instant::from_nanos(due.saturating_add(self.interval_ns));
        }
        ready
    }

    /// When it may happen next, if not now.
    pub(super) fn ready_at(&self) -> Instant {
        let ahead = self.interval_ns.saturating_mul(u64::from(self.burst) - 1);
        Instant::from_nanos(self.due.as_nanos().saturating_sub(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_steady_rate() {
        let mut budget = Budget::new(3, 100);
        let at = |ms: u64| Instant::from_nanos(1_000_000_000 + ms * 1_000_000);
        assert!([at(0); 3].into_iter().all(|now| budget.take(now)));
        assert!(!budget.take(at(0)) && !budget.take(at(9)));
        assert_eq!(budget.ready_at(), at(10));
        assert!(budget.take(at(10)) && !budget.take(at(10)));
        assert!([at(1000); 3].into_iter().all(|now| budget.take(now)));
        assert!(!budget.take(at(1000)));
    }
}
