//! Clocks by their ids: making them, and what belongs to one alone.

use alloc::vec::Vec;

use machine::Instant;

use super::node::{Body, Node};
use super::{ClockKind, Correlation, Linear};
use crate::{ClockError, Ratio};

/// A clock of a [`ClockTree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockId(usize);

/// Clocks that follow one another. See the [module](super).
///
/// ```
/// use dvb_css::Ratio;
/// use dvb_css::clock::{ClockTree, Correlation};
/// use machine::Instant;
///
/// let mut clocks = ClockTree::new();
/// let wall = clocks.add_system(Ratio::from(1_000_000_000), Ratio::from(500), Ratio::ZERO)?;
/// let pts = clocks.add_correlated(wall, Ratio::from(90_000), Correlation::new(0, 100), Ratio::ONE)?;
/// let now = Instant::from_nanos(2_000_000_000);
/// assert_eq!(clocks.ticks(pts, now)?, Ratio::from(180_100));
/// # Ok::<(), dvb_css::ClockError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClockTree {
    nodes: Vec<Node>,
}

impl ClockTree {
    /// Without clocks.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// A root that reads the machine's time in ticks, rounded down; off by `precision` seconds, its rate by so many
    /// millionths. The original's defaults are 1 MHz and 500.
    ///
    /// # Errors
    /// [`ClockError::TickRate`].
    pub fn add_system(
        &mut self,
        rate: Ratio,
        max_freq_error_ppm: Ratio,
        precision: Ratio,
    ) -> Result<ClockId, ClockError> {
        self.add(None, rate, Body::System { max_freq_error_ppm, precision })
    }

    /// A clock on a straight line from its parent.
    ///
    /// # Errors
    /// [`ClockError::TickRate`], [`ClockError::NoSuchClock`].
    pub fn add_correlated(
        &mut self,
        parent: ClockId,
        rate: Ratio,
        correlation: Correlation,
        speed: Ratio,
    ) -> Result<ClockId, ClockError> {
        self.add(Some(parent), rate, Body::Correlated { correlation, speed })
    }

    /// A clock to be tuned, which reads `ticks` now.
    ///
    /// # Errors
    /// [`ClockError::TickRate`], [`ClockError::NoSuchClock`].
    pub fn add_tunable(
        &mut self,
        parent: ClockId,
        rate: Ratio,
        ticks: Ratio,
        now: Instant,
    ) -> Result<ClockId, ClockError> {
        let correlation = Correlation::new(self.ticks(parent, now)?, ticks);
        self.add(Some(parent), rate, Body::Tunable { correlation, speed: Ratio::ONE })
    }

    /// A clock on the straight line through two points. `rate` is what it says of itself; the points decide.
    ///
    /// # Errors
    /// [`ClockError::TickRate`], [`ClockError::NoSuchClock`], [`ClockError::EmptyRange`].
    pub fn add_range(
        &mut self,
        parent: ClockId,
        rate: Ratio,
        first: Correlation,
        second: Correlation,
    ) -> Result<ClockId, ClockError> {
        if first.parent == second.parent {
            return Err(ClockError::EmptyRange);
        }
        self.add(Some(parent), rate, Body::Range { first, second })
    }

    /// A clock that is ahead of its parent by so many seconds of the parent's.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn add_offset(&mut self, parent: ClockId, seconds: Ratio) -> Result<ClockId, ClockError> {
        let rate = self.node(parent)?.rate;
        self.add(Some(parent), rate, Body::Offset { seconds })
    }

    fn add(&mut self, parent: Option<ClockId>, rate: Ratio, body: Body) -> Result<ClockId, ClockError> {
        if rate.signum() <= 0 {
            return Err(ClockError::TickRate);
        }
        if let Some(parent) = parent {
            self.node(parent)?;
        }
        self.nodes.push(Node { parent, rate, is_available: true, body });
        Ok(ClockId(self.nodes.len() - 1))
    }

    /// What a clock is.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn kind(&self, clock: ClockId) -> Result<ClockKind, ClockError> {
        Ok(self.node(clock)?.body.kind())
    }

    /// The clock that it follows.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn parent(&self, clock: ClockId) -> Result<Option<ClockId>, ClockError> {
        Ok(self.node(clock)?.parent)
    }

    /// Ticks per second at speed 1. An offset clock has its parent's.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn tick_rate(&self, clock: ClockId) -> Result<Ratio, ClockError> {
        let node = self.node(clock)?;
        match (&node.body, node.parent) {
            (Body::Offset { .. }, Some(parent)) => self.tick_rate(parent),
            _ => Ok(node.rate),
        }
    }

    /// Its own speed; 1 for a range or an offset.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn speed(&self, clock: ClockId) -> Result<Ratio, ClockError> {
        Ok(self.node(clock)?.speed())
    }

    /// The product of the speeds from the root on.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn effective_speed(&self, clock: ClockId) -> Result<Ratio, ClockError> {
        let node = self.node(clock)?;
        match node.parent {
            Some(parent) => Ok(self.effective_speed(parent)? * node.speed()),
            None => Ok(node.speed()),
        }
    }

    /// How much faster than its rate a clock runs, in ticks per second.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn slew(&self, clock: ClockId) -> Result<Ratio, ClockError> {
        Ok((self.speed(clock)? - Ratio::ONE) * self.tick_rate(clock)?)
    }

    /// Whether it and all clocks above are available.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn is_available(&self, clock: ClockId) -> Result<bool, ClockError> {
        let node = self.node(clock)?;
        match node.parent {
            Some(parent) => Ok(node.is_available && self.is_available(parent)?),
            None => Ok(node.is_available),
        }
    }

    /// The correlation of a correlated or tunable clock.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`], [`ClockError::NotForThisKind`].
    pub fn correlation(&self, clock: ClockId) -> Result<Correlation, ClockError> {
        match &self.node(clock)?.body {
            Body::Correlated { correlation, .. } | Body::Tunable { correlation, .. } => Ok(*correlation),
            _ => Err(ClockError::NotForThisKind),
        }
    }

    /// The maximum frequency error of its root, in millionths.
    ///
    /// # Errors
    /// [`ClockError::NoSuchClock`].
    pub fn root_max_freq_error_ppm(&self, clock: ClockId) -> Result<Ratio, ClockError> {
        let node = self.node(clock)?;
        match (&node.body, node.parent) {
            (Body::System { max_freq_error_ppm, .. }, _) => Ok(*max_freq_error_ppm),
            (_, Some(parent)) => self.root_max_freq_error_ppm(parent),
            (_, None) => Err(ClockError::NoSuchClock),
        }
    }

    pub(super) fn node(&self, clock: ClockId) -> Result<&Node, ClockError> {
        self.nodes.get(clock.0).ok_or(ClockError::NoSuchClock)
    }

    pub(super) fn node_mut(&mut self, clock: ClockId) -> Result<&mut Node, ClockError> {
        self.nodes.get_mut(clock.0).ok_or(ClockError::NoSuchClock)
    }

    /// The clocks that follow this one, directly.
    pub(super) fn followers(&self, clock: ClockId) -> impl Iterator<Item = ClockId> {
        let with_ids = self.nodes.iter().enumerate();
        with_ids.filter(move |(_, node)| node.parent == Some(clock)).map(|(index, _)| ClockId(index))
    }

    /// A clock as a line from its parent.
    pub(super) fn line(&self, clock: ClockId) -> Result<Option<(ClockId, Linear)>, ClockError> {
        let node = self.node(clock)?;
        let Some(parent) = node.parent else { return Ok(None) };
        let line = node.line(self.tick_rate(parent)?, self.effective_speed(parent)?);
        Ok(Some((parent, line)))
    }
}
