//! One clock of a tree.

use super::{ClockId, Correlation, Linear};
use crate::Ratio;

/// What a clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// A root, which follows the machine's own time.
    System,
    /// A straight line from its parent.
    Correlated,
    /// The same, made to be tuned: it does not jump when its rate or speed is set.
    Tunable,
    /// A straight line through two points.
    Range,
    /// So much ahead of its parent.
    Offset,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) parent: Option<ClockId>,
    pub(super) rate: Ratio,
    pub(super) is_available: bool,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    System { max_freq_error_ppm: Ratio, precision: Ratio },
    Correlated { correlation: Correlation, speed: Ratio },
    Tunable { correlation: Correlation, speed: Ratio },
    Range { first: Correlation, second: Correlation },
    Offset { seconds: Ratio },
}

impl Body {
    pub(super) fn kind(&self) -> ClockKind {
        match self {
            Self::System { .. } => ClockKind::System,
            Self::Correlated { .. } => ClockKind::Correlated,
            Self::Tunable { .. } => ClockKind::Tunable,
            Self::Range { .. } => ClockKind::Range,
            Self::Offset { .. } => ClockKind::Offset,
        }
    }
}

impl Node {
    /// The node as a line from a parent of that rate, whose effective speed offsets count by.
    pub(super) fn line(&self, parent_rate: Ratio, parent_speed: Ratio) -> Linear {
        let (rate, correlation, speed) = match &self.body {
            Body::System { .. } => (self.rate, Correlation::default(), Ratio::ONE),
            Body::Correlated { correlation, speed } | Body::Tunable { correlation, speed } => {
                (self.rate, *correlation, *speed)
            }
            Body::Range { first, second } => {
                // its own rate says nothing: the points do
                let slope = (second.child - first.child).over(second.parent - first.parent);
                let rate = slope.unwrap_or(Ratio::ONE) * parent_rate;
                (rate, *first, Ratio::ONE)
            }
            Body::Offset { seconds } => {
                let ahead = *seconds * parent_rate * parent_speed;
                (parent_rate, Correlation::new(Ratio::ZERO, ahead), Ratio::ONE)
            }
        };
        Linear { parent_rate, rate, correlation, speed }
    }

    /// Its own speed. Ranges and offsets have 1.
    pub(super) fn speed(&self) -> Ratio {
        match &self.body {
            Body::Correlated { speed, .. } | Body::Tunable { speed, .. } => *speed,
            _ => Ratio::ONE,
        }
    }

    /// Its own error in seconds, at a reading of a parent of that rate.
    pub(super) fn error_at(&self, parent: Ratio, parent_rate: Ratio) -> Ratio {
        match &self.body {
            Body::System { precision, .. } => *precision,
            Body::Correlated { correlation, .. } | Body::Tunable { correlation, .. } => {
                correlation.error_at(parent, parent_rate)
            }
            Body::Range { first, second } => {
                first.error_at(parent, parent_rate).min(second.error_at(parent, parent_rate))
            }
            Body::Offset { .. } => Ratio::ZERO,
        }
    }
}
