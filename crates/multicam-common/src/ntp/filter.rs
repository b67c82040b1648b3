//! Which of many answers to believe, and how far.
//!
//! Queues add to the delay of a packet on one of its two ways, which moves the offset by half of what they add: the
//! answer with the least delay is nearest to the truth (RFC 5905 §10), and its error is at most half that delay. As it
//! ages, the clocks drift apart; what the drift was over the last minutes is known and taken off.

use alloc::collections::VecDeque;
use core::time::Duration;

use machine::Instant;

use crate::UnixTime;

/// One exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The middle of the exchange, local time.
    pub at: Instant,
    /// Unix time there, as the other side says, minus local time, in nanoseconds.
    pub offset_ns: i64,
    /// Time on the way, there and back, in nanoseconds.
    pub delay_ns: u64,
}

/// How a [`ClockFilter`] judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterConfig {
    /// Samples that are compared with one another. Default 8 (sheet §8.2).
    pub window: usize,
    /// A sample older than this counts for nothing while there are younger ones. Default 15 min.
    pub max_age: Duration,
    /// How fast two clocks may run apart, in nanoseconds a second, while nothing is known of it. Default 50 000.
    pub drift_ppb: u64,
    /// The same after their drift has been measured and taken off. Default 5 000.
    pub wander_ppb: u64,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self { window: 8, max_age: Duration::from_secs(900), drift_ppb: 50_000, wander_ppb: 5_000 }
    }
}

/// What is known of synchronised time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockEstimate {
    /// Unix time minus local time at [`at`](Self::at), in nanoseconds.
    pub offset_ns: i64,
    /// When that was so.
    pub at: Instant,
    /// By how much local time runs slow, in nanoseconds a second.
    pub drift_ppb: i64,
    /// It was not further off than this then, in nanoseconds.
    pub error_ns: u64,
    /// And may get so much worse, in nanoseconds a second.
    pub growth_ppb: u64,
}

impl ClockEstimate {
    /// Unix time at a local instant.
    pub fn unix(&self, at: Instant) -> UnixTime {
        let local = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
        UnixTime::from_nanos(local.saturating_add(self.offset_ns)).offset_by(self.drifted(at))
    }

    /// The local instant of a Unix time; the epoch for what lies before it.
    pub fn local(&self, unix: UnixTime) -> Instant {
        let instant = |ns: i64| Instant::from_nanos(u64::try_from(ns).unwrap_or(0));
        let first = unix.as_nanos().saturating_sub(self.offset_ns);
        // The drift at the instant that leaves the drift out differs from it by parts in 10^10.
        instant(first.saturating_sub(self.drifted(instant(first))))
    }

    /// How far off it may be at an instant, in nanoseconds.
    pub fn error(&self, at: Instant) -> u64 {
        let age = at.saturating_since(self.at).max(self.at.saturating_since(at));
        let grown = age.as_nanos() * u128::from(self.growth_ppb) / 1_000_000_000;
        self.error_ns.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX))
    }

    fn drifted(&self, at: Instant) -> i64 {
        let age = i128::from(at.as_nanos()) - i128::from(self.at.as_nanos());
        i64::try_from(age * i128::from(self.drift_ppb) / 1_000_000_000).unwrap_or(0)
    }
}

/// Keeps samples and says what follows from them.
#[derive(Clone, Debug)]
pub struct ClockFilter {
    config: FilterConfig,
    recent: VecDeque<Sample>,
    /// The best of each past window, from which the drift is told.
    history: VecDeque<Sample>,
    since_kept: usize,
}

impl ClockFilter {
    /// Without samples.
    pub fn new(config: FilterConfig) -> Self {
        Self { config, recent: VecDeque::new(), history: VecDeque::new(), since_kept: 0 }
    }

    /// Takes a sample in.
    pub fn add(&mut self, sample: Sample) {
        if self.recent.len() >= self.config.window.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
        self.since_kept = self.since_kept.saturating_add(1);
        if self.since_kept >= self.config.window.max(1) {
            self.since_kept = 0;
            if let Some(best) = self.recent.iter().min_by_key(|s| s.delay_ns) {
                if self.history.len() >= HISTORY {
                    self.history.pop_front();
                }
                self.history.push_back(*best);
            }
        }
    }

    /// Forgets everything: the other side's clock has jumped, or is another's.
    pub fn clear(&mut self) {
        *self = Self::new(self.config);
    }

    /// Samples that count now.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// What the samples say, `None` without any. Of those in the window the one with the least error at `now` counts.
    pub fn estimate(&self, now: Instant) -> Option<ClockEstimate> {
        let drift = self.drift();
        let (drift_ppb, growth_ppb) = match drift {
            Some(ppb) => (ppb, self.config.wander_ppb),
            None => (0, self.config.drift_ppb),
        };
        let newest = self.recent.back()?;
        let estimates =
            self.recent.iter().filter(|s| newest.at.saturating_since(s.at) <= self.config.max_age);
        estimates
            .map(|s| ClockEstimate {
                offset_ns: s.offset_ns,
                at: s.at,
                drift_ppb,
                error_ns: s.delay_ns / 2,
                growth_ppb,
            })
            .min_by_key(|e| e.error(now))
    }

    /// The slope between the first and the last of the history, if what their delays leave open is small beside the
    /// time between them.
    fn drift(&self) -> Option<i64> {
        let (first, last) = (self.history.front()?, self.history.back()?);
        let span = i128::try_from(last.at.saturating_since(first.at).as_nanos()).ok()?;
        let open = (i128::from(first.delay_ns) + i128::from(last.delay_ns)) / 2;
        if span == 0 || open * 1_000_000_000 > span * i128::from(self.config.wander_ppb) {
            return None;
        }
        let ppb = (i128::from(last.offset_ns) - i128::from(first.offset_ns)) * 1_000_000_000 / span;
        // Further off than any quartz: a clock that was stepped.
        i64::try_from(ppb).ok().filter(|ppb| ppb.abs() <= 500_000)
    }
}

/// Windows remembered for the drift.
const HISTORY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn the_quickest_answer_counts() {
        let mut filter = ClockFilter::new(FilterConfig::default());
        assert_eq!(filter.estimate(at(0)), None);
        for (i, delay) in [9_000_000, 300_000, 4_000_000].into_iter().enumerate() {
            let offset_ns = 1_000_000_000 + delay / 2;
            filter.add(Sample { at: at(i as u64), offset_ns, delay_ns: delay.unsigned_abs() });
        }
        let estimate = filter.estimate(at(3)).unwrap();
        assert_eq!((estimate.offset_ns, estimate.error_ns), (1_000_150_000, 150_000));
        assert_eq!(estimate.error(at(1001)), 150_000 + 50_000);
        assert_eq!(estimate.unix(at(5)).as_nanos(), 1_005_150_000);
        assert_eq!(estimate.local(estimate.unix(at(777))), at(777));
    }

    #[test]
    fn drift_is_taken_off() {
        let mut filter = ClockFilter::new(FilterConfig::default());
        // 40 ppm slow, asked once a second for five minutes over a way of 200 us.
        for s in 0..300_u64 {
            let offset_ns = 5_000 + i64::try_from(s * 40_000).unwrap();
            filter.add(Sample { at: at(s * 1000), offset_ns, delay_ns: 200_000 });
        }
        let later = at(600_000);
        let estimate = filter.estimate(later).unwrap();
        let truth = 600_000_000_000 + 5_000 + 600 * 40_000;
        let error = estimate.unix(later).as_nanos() - truth;
        assert!(error.unsigned_abs() < 1_000, "{error}");
        assert!(estimate.error(later) < 2_000_000);
        assert!((estimate.drift_ppb - 40_000).abs() < 10);
    }
}
