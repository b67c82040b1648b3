//! Readings, up and down a tree.

use alloc::vec::Vec;

use machine::Instant;

use super::{ClockId, ClockTree, Significance};
use crate::{ClockError, Ratio};

const BILLION: i128 = 1_000_000_000;

impl ClockTree {
    /// What a clock reads now.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn ticks(&self, clock: ClockId, now: Instant) -> Result<Ratio, ClockError> {
        match self.line(clock)? {
            Some((parent, line)) => Ok(line.ticks_at(self.ticks(parent, now)?)),
            None => {
                let exact = Ratio::new(i128::from(now.as_nanos()), BILLION) * self.tick_rate(clock)?;
                Ok(Ratio::from(exact.floor()))
            }
        }
    }

    /// What the parent reads when the clock reads `ticks`.
    ///
    /// # Errors
    /// [`ClockError::Paused`] if it never does, [`ClockError::NotForThisKind`] of a root.
    pub fn to_parent(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        let (_, line) = self.line(clock)?.ok_or(ClockError::NotForThisKind)?;
        line.parent_at(ticks).ok_or(ClockError::Paused)
    }

    /// What the clock reads when its parent reads `ticks`.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`] of a root.
    pub fn from_parent(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        let (_, line) = self.line(clock)?.ok_or(ClockError::NotForThisKind)?;
        Ok(line.ticks_at(ticks))
    }

    /// What the root reads when the clock reads `ticks`.
    ///
    /// # Errors
    /// [`ClockError::Paused`] if it never does.
    pub fn to_root(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        match self.line(clock)? {
            Some((parent, line)) => self.to_root(parent, line.parent_at(ticks).ok_or(ClockError::Paused)?),
            None => Ok(ticks),
        }
    }

    /// What the clock reads when the root reads `ticks`.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn from_root(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        match self.line(clock)? {
            Some((parent, line)) => Ok(line.ticks_at(self.from_root(parent, ticks)?)),
            None => Ok(ticks),
        }
    }

    /// What another clock of the same tree reads when this one reads `ticks`.
    ///
    /// # Errors
    /// [`ClockError::NoCommonClock`]; [`ClockError::Paused`] if it never does.
    pub fn to_other(&self, clock: ClockId, other: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        let mut up = self.chain(clock)?;
        let mut down = self.chain(other)?;
        if up.last() != down.last() {
            return Err(ClockError::NoCommonClock);
        }
        while up.last() == down.last() && up.len().min(down.len()) > 0 {
            up.pop();
            down.pop();
        }
        let mut ticks = ticks;
        for step in up {
            ticks = self.to_parent(step, ticks)?;
        }
        for step in down.into_iter().rev() {
            ticks = self.from_parent(step, ticks)?;
        }
        Ok(ticks)
    }

    /// The clock and those above it, the root last.
    fn chain(&self, clock: ClockId) -> Result<Vec<ClockId>, ClockError> {
        let mut chain = Vec::from([clock]);
        let mut at = clock;
        while let Some(parent) = self.node(at)?.parent {
            chain.push(parent);
            at = parent;
        }
        Ok(chain)
    }

    /// A reading in nanoseconds at speed 1.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn nanos(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        (ticks * Ratio::from(BILLION)).over(self.tick_rate(clock)?).ok_or(ClockError::TickRate)
    }

    /// So many nanoseconds in ticks at speed 1.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn nanos_to_ticks(&self, clock: ClockId, nanos: Ratio) -> Result<Ratio, ClockError> {
        Ok(nanos * self.tick_rate(clock)? * Ratio::new(1, BILLION))
    }

    /// How far a reading may be off, in seconds: the errors of the clock and of all above it.
    ///
    /// # Errors
    /// [`ClockError::Paused`] if it never reads that.
    pub fn dispersion_at(&self, clock: ClockId, ticks: Ratio) -> Result<Ratio, ClockError> {
        let node = self.node(clock)?;
        let Some((parent, line)) = self.line(clock)? else {
            return Ok(node.error_at(ticks, node.rate));
        };
        let at = line.parent_at(ticks).ok_or(ClockError::Paused)?;
        Ok(node.error_at(at, line.parent_rate) + self.dispersion_at(parent, at)?)
    }

    /// When the clock reads `ticks`, in seconds of its root; `None` if it never does.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn when(&self, clock: ClockId, ticks: Ratio) -> Result<Option<Ratio>, ClockError> {
        let root = *self.chain(clock)?.last().ok_or(ClockError::NoSuchClock)?;
        match self.to_root(clock, ticks) {
            Ok(at) => Ok(at.over(self.tick_rate(root)?)),
            Err(ClockError::Paused) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How far two clocks are apart now.
    ///
    /// # Errors
    /// [`ClockError::NoCommonClock`]; [`ClockError::Paused`].
    pub fn difference(&self, a: ClockId, b: ClockId, now: Instant) -> Result<Significance, ClockError> {
        let rate = self.tick_rate(a)?;
        if self.effective_speed(a)? != self.effective_speed(b)? || rate != self.tick_rate(b)? {
            return Ok(Significance::Unbounded);
        }
        let apart = (self.ticks(a, now)? - self.ticks(b, now)?).abs();
        Ok(Significance::Seconds(apart.over(rate).unwrap_or(Ratio::ZERO)))
    }
}
