//! Rate, offset and jitter of the telemetry as it arrives.

use alloc::collections::VecDeque;

use machine::Instant;

/// What the last items say about the stream. Offsets hold the path's delay besides the clocks' difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// Items since the start.
    pub items: u64,
    /// Our wall clock minus the item's time, of the last item, in nanoseconds.
    pub offset_ns: i64,
    /// Items a second over the window, times 1000; 0 with fewer than two items.
    pub rate_mhz: u64,
    /// Mean deviation of the intervals between items from their mean over the window, in nanoseconds.
    pub jitter_ns: u64,
}

/// Counts over a window of the last [`WINDOW`](Self::WINDOW) items.
#[derive(Clone, Debug, Default)]
pub struct StreamMeter {
    arrivals: VecDeque<Instant>,
    items: u64,
}

impl StreamMeter {
    /// Items that are looked at.
    pub const WINDOW: usize = 240;

    /// Nothing has arrived.
    pub const fn new() -> Self {
        Self { arrivals: VecDeque::new(), items: 0 }
    }

    /// An item of `timestamp_ms` arrived at `now`, when our wall clock read `wall_ns`.
    pub fn arrived(&mut self, now: Instant, wall_ns: i64, timestamp_ms: u64) -> StreamStats {
        self.items += 1;
        if self.arrivals.len() > Self::WINDOW {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        let sent_ns = i64::try_from(timestamp_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let (rate_mhz, jitter_ns) = self.rate();
        StreamStats { items: self.items, offset_ns: wall_ns.saturating_sub(sent_ns), rate_mhz, jitter_ns }
    }

    /// The stream begins anew: what arrived before says nothing about it.
    pub fn restart(&mut self) {
        self.arrivals.clear();
    }

    fn rate(&self) -> (u64, u64) {
        let (Some(first), Some(last)) = (self.arrivals.front(), self.arrivals.back()) else { return (0, 0) };
        let span = last.as_nanos() - first.as_nanos();
        let intervals = self.arrivals.len() as u64 - 1;
        if intervals == 0 || span == 0 {
            return (0, 0);
        }
        let rate = u128::from(intervals) * 1_000_000_000_000 / u128::from(span);
        let mean = span / intervals;
        let pairs = self.arrivals.iter().zip(self.arrivals.iter().skip(1));
        let deviations = pairs.map(|(a, b)| (b.as_nanos() - a.as_nanos()).abs_diff(mean));
        let jitter = deviations.fold(0_u64, u64::saturating_add) / intervals;
        (u64::try_from(rate).unwrap_or(u64::MAX), jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_and_one_that_wavers() {
        let mut meter = StreamMeter::new();
        let mut stats = None;
        for n in 0..500_u64 {
            let at = Instant::from_nanos(n * 1_000_000_000 / 24);
            stats = Some(meter.arrived(at, 5_000_000_000, 4_990));
        }
        let stats = stats.unwrap();
        assert_eq!(
            (stats.items, stats.offset_ns, stats.rate_mhz, stats.jitter_ns),
            (500, 10_000_000, 24_000, 0)
        );

        let mut meter = StreamMeter::new();
        let mut last = meter.arrived(Instant::from_nanos(0), 0, u64::MAX);
        assert_eq!((last.rate_mhz, last.jitter_ns), (0, 0));
        for n in 1..100_u64 {
            let late = if n % 2 == 1 { 1_000_000 } else { 0 };
            last = meter.arrived(Instant::from_nanos(n * 40_000_000 + late), 0, 0);
        }
        assert!(last.jitter_ns.abs_diff(1_000_000) < 25_000, "{last:?}");
    }
}
