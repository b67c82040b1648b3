//! The single best exchange, as all public implementations do it.

use super::{Candidate, Dispersion, Estimate, Exchange, Heard, LocalClock, Verdict};

/// `LowestDispersionCandidate`: an exchange is adopted if its dispersion is lower than that of the one in use has
/// become meanwhile.
#[derive(Clone, Debug)]
pub struct LowestDispersion {
    local: LocalClock,
    best: Option<Candidate>,
    worst: Dispersion,
}

impl LowestDispersion {
    /// Without any exchange.
    pub const fn new(local: LocalClock) -> Self {
        Self { local, best: None, worst: Dispersion::UNKNOWN }
    }

    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        let candidate = exchange.candidate(&self.local);
        let now = exchange.arrived;
        let before = self.dispersion_at(now);
        let alone = candidate.dispersion_at(now) + self.local.precision;
        self.worst = self.worst.max(before);
        let better = alone < before;
        if better {
            self.best = Some(candidate);
        }
        let verdict = if better { Verdict::Used } else { Verdict::NotBetter };
        Heard { before, alone, after: before.min(alone), verdict }
    }

    /// The estimate at a local time.
    pub fn estimate(&self, local_ns: i64) -> Option<Estimate> {
        self.best.map(|best| best.estimate(&self.local, local_ns))
    }

    /// The exchange in use.
    pub const fn candidate(&self) -> Option<&Candidate> {
        self.best.as_ref()
    }

    /// The dispersion at a local time.
    pub fn dispersion_at(&self, local_ns: i64) -> Dispersion {
        self.best.map_or(Dispersion::UNKNOWN, |best| best.dispersion_at(local_ns) + self.local.precision)
    }

    /// The greatest dispersion since the last call of this, which is always just before an adoption, or now.
    pub fn take_worst(&mut self, local_ns: i64) -> Dispersion {
        let now = self.dispersion_at(local_ns);
        core::mem::replace(&mut self.worst, now).max(now)
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        *self = Self::new(self.local);
    }
}
