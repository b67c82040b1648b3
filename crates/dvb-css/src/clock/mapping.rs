//! A straight line from one clock to another.

use super::{Correlation, Significance};
use crate::Ratio;

/// A correlated clock without its tree: how its ticks follow from its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Ticks per second of the parent; more than 0.
    pub parent_rate: Ratio,
    /// Ticks per second at speed 1; more than 0.
    pub rate: Ratio,
    /// Where the two meet.
    pub correlation: Correlation,
    /// 1 is normal, 0 paused, less than 0 backwards.
    pub speed: Ratio,
}

impl Linear {
    /// Own ticks for each of the parent's.
    fn slope(&self) -> Ratio {
        (self.rate * self.speed).over(self.parent_rate).unwrap_or(Ratio::ZERO)
    }

    /// Ticks at a reading of the parent.
    pub fn ticks_at(&self, parent: Ratio) -> Ratio {
        self.correlation.child + (parent - self.correlation.parent) * self.slope()
    }

    /// When the clock reads so many ticks, by the parent; `None` if it never does, or always (then it is the
    /// correlation's time).
    pub fn parent_at(&self, ticks: Ratio) -> Option<Ratio> {
        let Some(per_tick) = self.slope().inverse() else {
            return (ticks == self.correlation.child).then_some(self.correlation.parent);
        };
        Some(self.correlation.parent + (ticks - self.correlation.child) * per_tick)
    }

    /// How much it matters if the clock gets another correlation and speed: the time between what it would read then
    /// and what it reads now, wherever one looks.
    pub fn change(&self, correlation: &Correlation, speed: Ratio) -> Significance {
        if speed != self.speed {
            return Significance::Unbounded;
        }
        let seconds = if speed.signum() == 0 {
            (correlation.child - self.correlation.child).abs().over(self.rate)
        } else {
            let now = self.parent_at(correlation.child).unwrap_or(correlation.parent);
            (correlation.parent - now).abs().over(self.parent_rate)
        };
        Significance::Seconds(seconds.unwrap_or(Ratio::ZERO))
    }
}
