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
