//! The client's side of the wall clock: from exchanges of messages to an estimate of the server's clock and a bound of
//! its error (ETSI TS 103 286-2 clause 8 and its annex on dispersion).
//!
//! Each [`Exchange`] tells two things for certain, as neither message can arrive before it was sent: the server's clock
//! is ahead of ours by *at most* `t2 - t1` and by *at least* `t3 - t4`. What is made of that is up to the
//! [`Algorithm`]:
//!
//! | algorithm | estimate | bound |
//! |---|---|---|
//! | [`Bounds`] | all exchanges of about a minute together | the intersection of all their bounds |
//! | [`LowestDispersion`] | the single best exchange | that exchange's |
//! | [`MostRecent`] | the last exchange | that exchange's |
//! | [`FilterAndPredict`] | the last exchange that passes the filters | that exchange's |
//!
//! All of it is whole numbers of nanoseconds and picoseconds; bounds are rounded outwards.

use alloc::boxed::Box;

pub mod bounds;
mod cookie;
mod dispersion;
mod exchange;
mod filter;
mod lowest;

pub use bounds::{Bounds, Steadiness};
pub(crate) use cookie::Cookies;
pub use dispersion::Dispersion;
pub use exchange::{Candidate, Exchange, GrowthRate};
pub use filter::{Filter, FilterAndPredict, MostRecent};
pub use lowest::LowestDispersion;

/// What the client knows of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalClock {
    /// How far its rate may be off.
    pub max_freq_error: crate::message::MaxFreqError,
    /// How far one reading may be off.
    pub precision: Dispersion,
}

/// The server's clock as estimated at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Server minus client, in nanoseconds.
    pub offset_ns: i64,
    /// How far that may be off.
    pub dispersion: Dispersion,
    /// How much the server's clock is believed to gain on ours, in 2^-40 (0.9 * 10^-12).
    pub rate: i64,
}

/// What an exchange has done to the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Dispersion just before, at the exchange's end.
    pub before: Dispersion,
    /// What the exchange alone would give.
    pub alone: Dispersion,
    /// Dispersion with it.
    pub after: Dispersion,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts: the estimate has changed.
    Used,
    /// It is not better than what was known.
    NotBetter,
    /// A filter has rejected it.
    Filtered,
    /// It counts, and it lies as if one of the clocks had jumped by less than messages take. For a while only what is
    /// certain is relied upon.
    Odd,
    /// It contradicts all that was known: one of the clocks has jumped. The estimate was begun anew with it.
    Stepped {
        /// By how much the estimate has moved, in nanoseconds.
        by_ns: i64,
    },
}

/// A way to make an estimate of exchanges.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ours.
    Bounds(Box<Bounds>),
    /// The one that all public implementations use.
    LowestDispersion(LowestDispersion),
    /// The last exchange counts.
    MostRecent(MostRecent),
    /// Exchanges pass filters first.
    FilterAndPredict(FilterAndPredict),
}

impl Algorithm {
    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        match self {
            Self::Bounds(a) => a.hear(exchange),
            Self::LowestDispersion(a) => a.hear(exchange),
            Self::MostRecent(a) => a.hear(exchange),
            Self::FilterAndPredict(a) => a.hear(exchange),
        }
    }

    /// The estimate for an instant of the local clock, not before the last exchange; `None` before the first.
    pub fn estimate(&self, local_ns: i64) -> Option<Estimate> {
        match self {
            Self::Bounds(a) => a.estimate(local_ns),
            Self::LowestDispersion(a) => a.estimate(local_ns),
            Self::MostRecent(a) => a.estimate(local_ns),
            Self::FilterAndPredict(a) => a.estimate(local_ns),
        }
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        match self {
            Self::Bounds(a) => a.reset(),
            Self::LowestDispersion(a) => a.reset(),
            Self::MostRecent(a) => a.reset(),
            Self::FilterAndPredict(a) => a.reset(),
        }
    }
}
