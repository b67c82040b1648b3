//! Being woken when a clock reads something.
//!
//! Nothing is planned ahead: each question is answered from the tree as it stands, so a clock that was moved, paused or
//! given another parent moves its timers with it.

use alloc::vec::Vec;
use core::cmp::Ordering;

use machine::Instant;

use super::{ClockId, ClockTree};
use crate::{ClockError, Ratio};

/// A timer, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(u64);

/// Timers on the clocks of one tree.
#[derive(Clone, Debug, Default)]
pub struct ClockTimers {
    timers: Vec<Timer>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Timer {
    id: TimerId,
    clock: ClockId,
    ticks: Ratio,
}

impl ClockTimers {
    /// Without timers.
    pub const fn new() -> Self {
        Self { timers: Vec::new(), next: 0 }
    }

    /// A timer for when a clock reads `ticks` or has passed them in its direction.
    pub fn at(&mut self, clock: ClockId, ticks: Ratio) -> TimerId {
        let id = TimerId(self.next);
        self.next += 1;
        self.timers.push(Timer { id, clock, ticks });
        id
    }

    /// A timer for when a clock has moved on by so many ticks from now.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn after(
        &mut self,
        tree: &ClockTree,
        clock: ClockId,
        ticks: Ratio,
        now: Instant,
    ) -> Result<TimerId, ClockError> {
        let at = tree.ticks(clock, now)? + ticks;
        Ok(self.at(clock, at))
    }

    /// Takes a timer away; false if it is gone already.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let before = self.timers.len();
        self.timers.retain(|timer| timer.id != id);
        self.timers.len() < before
    }

    /// When the next timer is due, as the tree stands; `None` while all that are left wait for paused clocks.
    pub fn next_due(&self, tree: &ClockTree) -> Option<Instant> {
        self.timers.iter().filter_map(|timer| timer.due(tree)).min()
    }

    /// Takes all timers that are due, the earliest first.
    pub fn take_due(&mut self, tree: &ClockTree, now: Instant) -> Vec<TimerId> {
        let mut due: Vec<(Instant, TimerId)> = self
            .timers
            .iter()
            .filter_map(|timer| Some((timer.due(tree).filter(|at| *at <= now)?, timer.id)))
            .collect();
        due.sort_unstable();
        self.timers.retain(|timer| due.iter().all(|(_, id)| *id != timer.id));
        due.into_iter().map(|(_, id)| id).collect()
    }
}

impl Timer {
    fn due(&self, tree: &ClockTree) -> Option<Instant> {
        let seconds = tree.when(self.clock, self.ticks).ok()??;
        // A root reads whole ticks: it shows this one from its beginning on.
        let nanos = (seconds * Ratio::from(1_000_000_000)).ceil();
        Some(match nanos.cmp(&0) {
            Ordering::Less => Instant::from_nanos(0),
            _ => Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
        })
    }
}
