//! The timelines on offer, by id and by selector, and how many clients want each selector.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::timeline::TimelineState;

/// A timeline of a [`TvServer`](super::TvServer), never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimelineId(u64);

#[cfg(feature = "record")]
machine::record_tuple!(TimelineId(number));

#[derive(Debug, Default)]
pub(super) struct Registry {
    timelines: BTreeMap<TimelineId, Timeline>,
    next: u64,
    wanted: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Timeline {
    selector: String,
    state: TimelineState,
}

impl Registry {
    pub(super) fn add(&mut self, selector: String, state: TimelineState) -> TimelineId {
        let id = TimelineId(self.next);
        self.next += 1;
        self.timelines.insert(id, Timeline { selector, state });
        id
    }

    /// Sets a state; the one before, or nothing if the timeline is gone.
    pub(super) fn set(&mut self, id: TimelineId, state: TimelineState) -> Option<TimelineState> {
        self.timelines.get_mut(&id).map(|timeline| core::mem::replace(&mut timeline.state, state))
    }

    pub(super) fn remove(&mut self, id: TimelineId) -> bool {
        self.timelines.remove(&id).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.timelines.len()
    }

    /// The state of the oldest timeline with that selector.
    pub(super) fn find(&self, selector: &str) -> Option<TimelineState> {
        self.timelines.values().find(|timeline| timeline.selector == selector).map(|timeline| timeline.state)
    }

    /// Counts a client that wants a selector; true for the first.
    pub(super) fn want(&mut self, selector: &str) -> bool {
        let count = self.wanted.entry(selector.into()).or_default();
        *count += 1;
        *count == 1
    }

    /// Counts a client that no longer wants it; true for the last.
    pub(super) fn unwant(&mut self, selector: &str) -> bool {
        match self.wanted.get_mut(selector) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => self.wanted.remove(selector).is_some(),
            None => false,
        }
    }

    pub(super) fn wanted(&self) -> impl Iterator<Item = &str> {
        self.wanted.keys().map(String::as_str)
    }
}
