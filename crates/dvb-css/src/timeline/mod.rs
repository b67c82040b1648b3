//! Timelines as a server offers them (sheet §4).
//!
//! A timeline is whatever a selector names: a clock of a [`ClockTree`], a fixed moment, or something that is not known
//! yet. The server is told its [`TimelineState`] when that changes, and each client hears of it when it does.

mod exact;

use machine::Instant;

pub use exact::exact_timestamp;

use crate::clock::{ClockId, ClockTree};
use crate::message::ControlTimestamp;
use crate::{ClockError, Ratio};

/// What is known of a timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimelineState {
    /// Nothing yet: clients are not answered until it is.
    #[default]
    Deferred,
    /// It cannot be followed now.
    Unavailable,
    /// It stands, or runs, so. Late joiners are told the same moment.
    At(ControlTimestamp),
}

impl TimelineState {
    /// The state of a clock whose tree also holds the wall clock, which ticks in nanoseconds.
    ///
    /// # Errors
    /// [`ClockError::NoCommonClock`]; [`ClockError::Paused`] if the wall clock is.
    pub fn of_clock(
        tree: &ClockTree,
        clock: ClockId,
        wall: ClockId,
        now: Instant,
    ) -> Result<Self, ClockError> {
        if !tree.is_available(clock)? {
            return Ok(Self::Unavailable);
        }
        let wall_ns = tree.ticks(wall, now)?.floor();
        let at = |ns: i128| tree.to_other(wall, clock, Ratio::from(ns));
        let ticks = at(wall_ns)?;
        let in_a_second = at(wall_ns.saturating_add(BILLION))? - ticks;
        let rate = tree.tick_rate(clock)?;
        Ok(Self::At(exact_timestamp(ticks, wall_ns, rate, in_a_second.over(rate).unwrap_or(Ratio::ZERO))))
    }
}

/// Whether a client that asked for this stem is to be given timelines of this content. Compared letter by letter; the
/// empty stem fits any content that is known.
pub fn stem_matches(stem: &str, content_id: Option<&str>) -> bool {
    content_id.is_some_and(|id| id.starts_with(stem))
}

const BILLION: i128 = 1_000_000_000;
