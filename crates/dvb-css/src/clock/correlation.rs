//! Two readings of two clocks that belong together.

use crate::Ratio;

/// The parent reads `parent` when the child reads `child`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Correlation {
    /// Reading of the parent, in its ticks.
    pub parent: Ratio,
    /// Reading of the child, in its ticks.
    pub child: Ratio,
    /// How far that may be off at that moment, in seconds.
    pub initial_error: Ratio,
    /// How much that grows with each second of the parent away from that moment, in seconds.
    pub error_growth: Ratio,
}

impl Correlation {
    /// Without any error.
    pub fn new(parent: impl Into<Ratio>, child: impl Into<Ratio>) -> Self {
        Self {
            parent: parent.into(),
            child: child.into(),
            initial_error: Ratio::ZERO,
            error_growth: Ratio::ZERO,
        }
    }

    /// With these errors, in seconds and in seconds per second.
    #[must_use]
    pub fn with_error(self, initial_error: Ratio, error_growth: Ratio) -> Self {
        Self { initial_error, error_growth, ..self }
    }

    /// The error at a reading of a parent of that rate, before or after, in seconds.
    pub fn error_at(&self, parent: Ratio, parent_rate: Ratio) -> Ratio {
        let seconds = (parent - self.parent).abs().over(parent_rate).unwrap_or(Ratio::ZERO);
        self.initial_error + seconds * self.error_growth
    }
}

impl Default for Correlation {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

/// How much a change matters, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Significance {
    /// The clock moves by so much.
    Seconds(Ratio),
    /// It will move ever further: its speed changes.
    Unbounded,
}

impl Significance {
    /// Whether it is more than so many seconds.
    pub fn exceeds(self, seconds: Ratio) -> bool {
        match self {
            Self::Seconds(s) => s > seconds,
            Self::Unbounded => true,
        }
    }
}
