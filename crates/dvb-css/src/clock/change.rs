//! Setting clocks. Each change says which clocks it concerns: the one that was set, then those that follow it, each once,
//! those nearer first.

use alloc::vec::Vec;

use machine::Instant;

use super::node::Body;
use super::{ClockId, ClockTree, Correlation, Significance};
use crate::{ClockError, Ratio};

impl ClockTree {
    /// Gives a correlated or tunable clock another correlation and speed, at once. It may jump.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_correlation_and_speed(
        &mut self,
        clock: ClockId,
        to: Correlation,
        at_speed: Ratio,
    ) -> Result<Vec<ClockId>, ClockError> {
        let (correlation, speed) = self.adjustable(clock)?;
        let same = (*correlation, *speed) == (to, at_speed);
        (*correlation, *speed) = (to, at_speed);
        Ok(if same { Vec::new() } else { self.concerned(clock) })
    }

    /// Gives a correlated or tunable clock another correlation. It may jump.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_correlation(&mut self, clock: ClockId, to: Correlation) -> Result<Vec<ClockId>, ClockError> {
        let speed = *self.adjustable(clock)?.1;
        self.set_correlation_and_speed(clock, to, speed)
    }

    /// Gives a correlated or tunable clock another speed. A correlated one keeps its correlation and may jump; a tunable
    /// one goes on from what it reads now.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_speed(
        &mut self,
        clock: ClockId,
        speed: Ratio,
        now: Instant,
    ) -> Result<Vec<ClockId>, ClockError> {
        self.hold_tunable(clock, now)?;
        let correlation = *self.adjustable(clock)?.0;
        self.set_correlation_and_speed(clock, correlation, speed)
    }

    /// Gives a clock another tick rate; as [`set_speed`](Self::set_speed).
    ///
    /// # Errors
    /// [`ClockError::TickRate`]; [`ClockError::NotForThisKind`] of an offset clock, which has its parent's.
    pub fn set_tick_rate(
        &mut self,
        clock: ClockId,
        rate: Ratio,
        now: Instant,
    ) -> Result<Vec<ClockId>, ClockError> {
        if rate.signum() <= 0 {
            return Err(ClockError::TickRate);
        }
        if matches!(self.node(clock)?.body, Body::Offset { .. }) {
            return Err(ClockError::NotForThisKind);
        }
        self.hold_tunable(clock, now)?;
        let node = self.node_mut(clock)?;
        let same = node.rate == rate;
        node.rate = rate;
        Ok(if same { Vec::new() } else { self.concerned(clock) })
    }

    /// Lets a tunable clock run faster by so many ticks per second.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_slew(
        &mut self,
        clock: ClockId,
        slew: Ratio,
        now: Instant,
    ) -> Result<Vec<ClockId>, ClockError> {
        let faster = slew.over(self.tick_rate(clock)?).ok_or(ClockError::TickRate)?;
        self.set_speed(clock, Ratio::ONE + faster, now)
    }

    /// Moves a correlated or tunable clock by so many ticks.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn adjust_ticks(&mut self, clock: ClockId, by: Ratio) -> Result<Vec<ClockId>, ClockError> {
        let correlation = *self.adjustable(clock)?.0;
        self.set_correlation(clock, Correlation { child: correlation.child + by, ..correlation })
    }

    /// Says how far a tunable clock may be off now, in seconds, and how that grows.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_error(
        &mut self,
        clock: ClockId,
        error: Ratio,
        growth: Ratio,
        now: Instant,
    ) -> Result<Vec<ClockId>, ClockError> {
        self.hold_tunable(clock, now)?;
        let correlation = self.adjustable(clock)?.0.with_error(error, growth);
        self.set_correlation(clock, correlation)
    }

    /// Moves the correlation along its line to where the clock reads `ticks`, its error with it. Nothing changes by that
    /// but the side from which errors grow.
    ///
    /// # Errors
    /// [`ClockError::Paused`] if the clock is and reads something else, [`ClockError::NotForThisKind`].
    pub fn rebase(&mut self, clock: ClockId, ticks: Ratio) -> Result<(), ClockError> {
        let parent = self.to_parent(clock, ticks)?;
        let parent_rate = match self.node(clock)?.parent {
            Some(above) => self.tick_rate(above)?,
            None => return Err(ClockError::NotForThisKind),
        };
        let (correlation, _) = self.adjustable(clock)?;
        let initial_error = correlation.error_at(parent, parent_rate);
        *correlation = Correlation { parent, child: ticks, initial_error, ..*correlation };
        Ok(())
    }

    /// Sets how far an offset clock is ahead, in seconds.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn set_offset(&mut self, clock: ClockId, to: Ratio) -> Result<Vec<ClockId>, ClockError> {
        let Body::Offset { seconds } = &mut self.node_mut(clock)?.body else {
            return Err(ClockError::NotForThisKind);
        };
        let same = *seconds == to;
        *seconds = to;
        Ok(if same { Vec::new() } else { self.concerned(clock) })
    }

    /// Lets a clock follow another one. All but its parent stays as it is.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`] of a root, [`ClockError::Circle`].
    pub fn set_parent(&mut self, clock: ClockId, parent: ClockId) -> Result<Vec<ClockId>, ClockError> {
        let mut above = Some(parent);
        while let Some(at) = above {
            if at == clock {
                return Err(ClockError::Circle);
            }
            above = self.node(at)?.parent;
        }
        let node = self.node_mut(clock)?;
        match node.parent.replace(parent) {
            None => {
                node.parent = None;
                Err(ClockError::NotForThisKind)
            }
            Some(before) if before == parent => Ok(Vec::new()),
            Some(_) => Ok(self.concerned(clock)),
        }
    }

    /// Says whether a clock is available. Those that follow it are concerned only if that changes for them.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`] of a root, which always is.
    pub fn set_available(&mut self, clock: ClockId, is: bool) -> Result<Vec<ClockId>, ClockError> {
        if self.node(clock)?.parent.is_none() {
            return Err(ClockError::NotForThisKind);
        }
        let before = self.is_available(clock)?;
        self.node_mut(clock)?.is_available = is;
        if self.is_available(clock)? == before {
            return Ok(Vec::new());
        }
        let mut all = self.concerned(clock);
        // what hangs below one that is not available itself does not notice
        let hidden = |tree: &Self, mut at: ClockId| {
            while at != clock {
                match tree.node(at) {
                    Ok(node) if node.is_available => match node.parent {
                        Some(parent) => at = parent,
                        None => return false,
                    },
                    _ => return true,
                }
            }
            false
        };
        all.retain(|at| !hidden(self, *at));
        Ok(all)
    }

    /// How much it would matter to give a correlated or tunable clock another correlation and speed.
    ///
    /// # Errors
    /// [`ClockError::NotForThisKind`].
    pub fn change(
        &self,
        clock: ClockId,
        correlation: &Correlation,
        speed: Ratio,
    ) -> Result<Significance, ClockError> {
        self.correlation(clock)?;
        let (_, line) = self.line(clock)?.ok_or(ClockError::NotForThisKind)?;
        Ok(line.change(correlation, speed))
    }

    fn adjustable(&mut self, clock: ClockId) -> Result<(&mut Correlation, &mut Ratio), ClockError> {
        match &mut self.node_mut(clock)?.body {
            Body::Correlated { correlation, speed } | Body::Tunable { correlation, speed } => {
                Ok((correlation, speed))
            }
            _ => Err(ClockError::NotForThisKind),
        }
    }

    /// Moves the correlation of a tunable clock to now, so that it goes on from there.
    fn hold_tunable(&mut self, clock: ClockId, now: Instant) -> Result<(), ClockError> {
        let node = self.node(clock)?;
        let (Body::Tunable { speed, .. }, Some(parent)) = (&node.body, node.parent) else { return Ok(()) };
        if speed.signum() != 0 {
            let ticks = self.ticks(clock, now)?;
            return self.rebase(clock, ticks);
        }
        // paused: it reads the same at any time, so the time is now
        let (at, parent_rate) = (self.ticks(parent, now)?, self.tick_rate(parent)?);
        let (correlation, _) = self.adjustable(clock)?;
        let initial_error = correlation.error_at(at, parent_rate);
        *correlation = Correlation { parent: at, initial_error, ..*correlation };
        Ok(())
    }

    /// The clock and all that follow it.
    fn concerned(&self, clock: ClockId) -> Vec<ClockId> {
        let mut all = Vec::from([clock]);
        let mut next = 0;
        while let Some(at) = all.get(next).copied() {
            all.extend(self.followers(at));
            next += 1;
        }
        all
    }
}
