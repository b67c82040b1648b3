//! The simple algorithms: the last exchange counts, or the last one that passes filters.
//!
//! QUIRK(pydvbcss): its `FilterAndPredict` never rejects anything, because it tests for `None` what its filters return
//! as true or false, and its threshold compares nanoseconds with seconds. Here is what its documentation says.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Candidate, Dispersion, Estimate, Exchange, Heard, LocalClock, LowestDispersion, Verdict};
use crate::Ratio;
use crate::message::MaxFreqError;

/// `MostRecent`: every exchange is adopted. The local clock is taken to be off by at most 500 ppm, whatever is known of
/// it.
#[derive(Clone, Debug)]
pub struct MostRecent(FilterAndPredict);

impl MostRecent {
    /// Without any exchange.
    pub fn new(local: LocalClock) -> Self {
        let max_freq_error = MaxFreqError::from_ppm(Ratio::from(500));
        Self(FilterAndPredict::new(LocalClock { max_freq_error, ..local }, Vec::new()))
    }

    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        self.0.hear(exchange)
    }

    /// The estimate at a local time.
    pub fn estimate(&self, local_ns: i64) -> Option<Estimate> {
        self.0.estimate(local_ns)
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// Decides whether an exchange is worth anything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Filter {
    /// `FilterRttThreshold`: the round trip must not be longer than this. The original's default is 1 ms.
    RoundTrip(Duration),
    /// `FilterLowestDispersionCandidate`: the dispersion must be lower than that of all before have become.
    LowestDispersion(LowestDispersion),
}

impl Filter {
    fn passes(&mut self, exchange: &Exchange) -> bool {
        match self {
            Self::RoundTrip(limit) => {
                u64::try_from(exchange.round_trip_ns()).is_ok_and(|rtt| Duration::from_nanos(rtt) <= *limit)
            }
            Self::LowestDispersion(best) => best.hear(exchange).verdict == Verdict::Used,
        }
    }
}

/// `FilterAndPredict` with `PredictSimple`: the last exchange that passes all filters is adopted.
#[derive(Clone, Debug)]
pub struct FilterAndPredict {
    local: LocalClock,
    filters: Vec<Filter>,
    last: Option<Candidate>,
}

impl FilterAndPredict {
    /// Without any exchange. Filters are asked in their order, up to the first that rejects.
    pub const fn new(local: LocalClock, filters: Vec<Filter>) -> Self {
        Self { local, filters, last: None }
    }

    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        let now = exchange.arrived;
        let candidate = exchange.candidate(&self.local);
        let at = |c: &Candidate| c.dispersion_at(now) + self.local.precision;
        let before = self.last.as_ref().map_or(Dispersion::UNKNOWN, at);
        let alone = at(&candidate);
        if !self.filters.iter_mut().all(|filter| filter.passes(exchange)) {
            return Heard { before, alone, after: before, verdict: Verdict::Filtered };
        }
        self.last = Some(candidate);
        Heard { before, alone, after: alone, verdict: Verdict::Used }
    }

    /// The estimate at a local time.
    pub fn estimate(&self, local_ns: i64) -> Option<Estimate> {
        self.last.map(|last| last.estimate(&self.local, local_ns))
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.last = None;
        for filter in &mut self.filters {
            if let Filter::LowestDispersion(best) = filter {
                best.reset();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Precision;

    const MS: i64 = 1_000_000;

    /// Asked at `at`, under way for so long in each direction; the server's clock is ahead by `lead`.
    fn exchange(at: i64, lead: i64, there: i64, back: i64) -> Exchange {
        let received = at + there + lead;
        Exchange {
            sent: at,
            received,
            answered: received,
            arrived: at + there + back,
            precision: Precision(-30),
            max_freq_error: MaxFreqError(0),
        }
    }

    fn local() -> LocalClock {
        LocalClock { max_freq_error: MaxFreqError::from_ppm(Ratio::from(50)), precision: Dispersion::ZERO }
    }

    #[test]
    fn the_most_recent_counts_however_bad_it_is() {
        let mut clock = MostRecent::new(local());
        assert_eq!(clock.estimate(0), None);
        assert_eq!(clock.hear(&exchange(0, 7 * MS, MS, MS)).verdict, Verdict::Used);
        assert_eq!(clock.estimate(2 * MS).unwrap().offset_ns, 7 * MS);
        let worse = clock.hear(&exchange(10 * MS, 7 * MS, 9 * MS, MS));
        assert_eq!(worse.verdict, Verdict::Used);
        assert!(worse.after > worse.before);
        let at = |ns| clock.estimate(ns).unwrap();
        assert_eq!(at(20 * MS).offset_ns, 11 * MS);
        // Its local clock is off by up to 500 ppm, whatever it was told.
        let grown = |ns| at(ns).dispersion.as_picos();
        assert_eq!(grown(1_020 * MS) - grown(20 * MS), 500_000_000);
        clock.reset();
        assert_eq!(clock.estimate(0), None);
    }

    #[test]
    fn a_long_way_is_filtered() {
        let limit = Filter::RoundTrip(Duration::from_millis(3));
        let mut clock = FilterAndPredict::new(local(), Vec::from([limit]));
        let first = clock.hear(&exchange(0, 0, 2 * MS, 2 * MS));
        assert_eq!((first.verdict, first.after), (Verdict::Filtered, Dispersion::UNKNOWN));
        assert_eq!(clock.estimate(0), None);
        assert_eq!(clock.hear(&exchange(10 * MS, 5 * MS, MS, 2 * MS)).verdict, Verdict::Used);
        let long = clock.hear(&exchange(20 * MS, 5 * MS, MS, 2 * MS + 1));
        assert_eq!((long.verdict, long.before), (Verdict::Filtered, long.after));
        assert_eq!(clock.estimate(30 * MS).unwrap().offset_ns, 5 * MS - MS / 2);
    }

    #[test]
    fn what_is_not_better_is_filtered_until_all_is_forgotten() {
        let best = Filter::LowestDispersion(LowestDispersion::new(local()));
        let mut clock = FilterAndPredict::new(local(), Vec::from([best]));
        let mut verdict = |e: Exchange| clock.hear(&e).verdict;
        assert_eq!(verdict(exchange(0, 0, MS, MS)), Verdict::Used);
        assert_eq!(verdict(exchange(10 * MS, 0, 2 * MS, 2 * MS)), Verdict::Filtered);
        assert_eq!(verdict(exchange(20 * MS, 0, MS / 2, MS / 2)), Verdict::Used);
        clock.reset();
        assert_eq!(clock.estimate(20 * MS), None);
        assert_eq!(clock.hear(&exchange(30 * MS, 0, 2 * MS, 2 * MS)).verdict, Verdict::Used);
    }
}
