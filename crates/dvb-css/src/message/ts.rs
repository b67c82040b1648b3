//! Timeline synchronisation: JSON over WebSocket (ETSI TS 103 286-2 clauses 5.7 and 9).

use alloc::string::String;
use alloc::vec::Vec;

use super::Private;
use crate::Ratio;

/// What a client wants to follow; its first message, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupData {
    /// The timeline is wanted as long as the content identifier begins so.
    pub content_id_stem: String,
    /// Which timeline.
    pub timeline_selector: String,
    /// Anything else.
    pub private: Vec<Private>,
}

impl SetupData {
    /// This timeline of content whose identifier begins with the stem.
    pub fn new(content_id_stem: impl Into<String>, timeline_selector: impl Into<String>) -> Self {
        Self {
            content_id_stem: content_id_stem.into(),
            timeline_selector: timeline_selector.into(),
            private: Vec::new(),
        }
    }
}

/// Where a timeline stands: `content_time` when the wall clock reads `wall_clock_time`, and from there on at `speed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlTimestamp {
    /// In nanoseconds of the wall clock.
    pub wall_clock_time: i128,
    /// `None`: the timeline is not available.
    pub timeline: Option<TimelineMoment>,
}

/// A moment of a timeline that is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineMoment {
    /// In ticks of the timeline.
    pub content_time: i128,
    /// 1 is normal, 0 paused, less than 0 backwards.
    pub speed: Ratio,
}

impl ControlTimestamp {
    /// Of a timeline that is not available.
    pub const fn unavailable(wall_clock_time: i128) -> Self {
        Self { wall_clock_time, timeline: None }
    }

    /// Of a timeline that is.
    pub const fn available(content_time: i128, wall_clock_time: i128, speed: Ratio) -> Self {
        Self { wall_clock_time, timeline: Some(TimelineMoment { content_time, speed }) }
    }

    /// Whether it says the same as another: all three values the same, or both not available.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self.timeline, other.timeline) {
            (None, None) => true,
            _ => self == other,
        }
    }

    /// The same moment of a timeline with that rate, in ticks, when the wall clock reads `wall_ns`; `None` if it is not
    /// available.
    pub fn content_ticks_at(&self, wall_ns: i128, tick_rate: Ratio) -> Option<Ratio> {
        let moment = self.timeline?;
        let seconds = Ratio::new(wall_ns.saturating_sub(self.wall_clock_time), 1_000_000_000);
        Some(Ratio::from(moment.content_time) + seconds * tick_rate * moment.speed)
    }
}

/// When a client shows, and could show, content; optional, from client to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentationTimestamps {
    /// What it does.
    pub actual: Option<PresentationTimestamp>,
    /// The earliest that it could do. Its wall clock time may be minus infinity, never plus.
    pub earliest: PresentationTimestamp,
    /// The latest that it could do. Its wall clock time may be plus infinity, never minus.
    pub latest: PresentationTimestamp,
}

/// Content that is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentationTimestamp {
    /// In ticks of the timeline.
    pub content_time: i128,
    /// When.
    pub wall_clock_time: Limit,
}

/// A wall clock time, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Any time ago.
    MinusInfinity,
    /// In nanoseconds of the wall clock.
    At(i128),
    /// Any time to come.
    PlusInfinity,
}

impl PresentationTimestamps {
    /// A client that can show anything at any time, and says nothing of what it does.
    pub const ANY: Self = Self {
        actual: None,
        earliest: PresentationTimestamp { content_time: 0, wall_clock_time: Limit::MinusInfinity },
        latest: PresentationTimestamp { content_time: 0, wall_clock_time: Limit::PlusInfinity },
    };
}
