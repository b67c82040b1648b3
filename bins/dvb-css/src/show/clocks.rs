//! Timelines that follow clocks: a clock tree, and which of its clocks are offered under which selector.

use dvb_css::clock::{ClockId, ClockTree, Correlation};
use dvb_css::server::{TimelineId, TvCalls, TvServer};
use dvb_css::timeline::TimelineState;
use dvb_css::{ClockError, Ratio};
use machine::Instant;
use machine::record::Recorded;

/// A wall clock with the clocks that follow it, and the timelines that they are.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The clocks. The wall clock is the root.
    pub tree: ClockTree,
    /// The wall clock, in nanoseconds.
    pub wall: ClockId,
    offered: Vec<(ClockId, TimelineId)>,
}

impl Clocks {
    /// A wall clock alone; it reads the machine's time, as a server with offset 0 does.
    ///
    /// # Errors
    /// Never in fact: the rate is a constant.
    pub fn new() -> Result<Self, ClockError> {
        let mut tree = ClockTree::new();
        let wall = tree.add_system(Ratio::from(1_000_000_000), Ratio::from(500), Ratio::ZERO)?;
        Ok(Self { tree, wall, offered: Vec::new() })
    }

    /// A clock that follows the wall clock and reads 0 now.
    ///
    /// # Errors
    /// [`ClockError::TickRate`].
    pub fn start(&mut self, rate: Ratio, speed: Ratio, now: Instant) -> Result<ClockId, ClockError> {
        let wall_now = self.tree.ticks(self.wall, now)?;
        self.tree.add_correlated(self.wall, rate, Correlation::new(wall_now, Ratio::ZERO), speed)
    }

    /// Offers a clock as a timeline.
    ///
    /// # Errors
    /// Those of [`TvServer::add_timeline`] and of reading the clock.
    pub fn offer(
        &mut self,
        tv: &mut Recorded<TvServer>,
        now: Instant,
        selector: &str,
        clock: ClockId,
    ) -> anyhow::Result<TimelineId> {
        let state = TimelineState::of_clock(&self.tree, clock, self.wall, now)?;
        let id = tv.add_timeline(now, selector, state)?;
        self.offered.push((clock, id));
        Ok(id)
    }

    /// Lets a timeline that is offered already follow a clock.
    ///
    /// # Errors
    /// Those of [`TvServer::set_timeline`] and of reading the clock.
    pub fn attach(
        &mut self,
        tv: &mut Recorded<TvServer>,
        now: Instant,
        id: TimelineId,
        clock: ClockId,
    ) -> anyhow::Result<()> {
        let state = TimelineState::of_clock(&self.tree, clock, self.wall, now)?;
        tv.set_timeline(now, id, state)?;
        self.offered.push((clock, id));
        Ok(())
    }

    /// Ends [`attach`](Self::attach): nothing is known of the timeline any more.
    pub fn detach(&mut self, tv: &mut Recorded<TvServer>, now: Instant, id: TimelineId) {
        self.offered.retain(|(_, offered)| *offered != id);
        // it may have been removed
        let _ = tv.set_timeline(now, id, TimelineState::Deferred);
    }

    /// Tells the server how timelines stand whose clocks have changed.
    pub fn publish(&self, tv: &mut Recorded<TvServer>, now: Instant, changed: &[ClockId]) {
        for (clock, id) in self.offered.iter().filter(|(clock, _)| changed.contains(clock)) {
            match TimelineState::of_clock(&self.tree, *clock, self.wall, now) {
                Ok(state) => {
                    let _ = tv.set_timeline(now, *id, state);
                }
                Err(error) => tracing::error!(target: "clocks", "{error}"),
            }
        }
    }
}
