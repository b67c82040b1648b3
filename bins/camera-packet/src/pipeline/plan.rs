//! When the pipeline is started and ended. Told the time and what happened; starts nothing itself.

use std::time::Duration;

use machine::Instant;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// Start the programs, then say [`Plan::started`] or [`Plan::failed`].
    Start,
    /// The programs have lived long enough to be called running.
    Settled,
}

/// The times of the pipeline.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    run: Option<Run>,
    last_start: Option<Instant>,
    start_at: Option<Instant>,
    /// Pause after the next failure.
    backoff: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    started: Instant,
    settled: bool,
}

impl Plan {
    /// To be started at once, or never.
    pub(super) fn new(now: Instant, starts: bool) -> Self {
        Self { run: None, last_start: None, start_at: starts.then_some(now), backoff: MIN_BACKOFF }
    }

    /// There is nothing to be started.
    pub(super) fn never(&mut self) {
        self.start_at = None;
    }

    /// When [`due`](Self::due) is to be asked next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.run {
            Some(run) if !run.settled => Some(run.started + SETTLED),
            Some(run) if self.backoff > MIN_BACKOFF => Some(run.started + HEALTHY),
            Some(_) => None,
            None => self.start_at,
        }
    }

    /// What is to be done at this time.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let Some(run) = &mut self.run else {
            if self.start_at.is_none_or(|at| now < at) {
                return Due::Nothing;
            }
            self.start_at = None;
            self.last_start = Some(now);
            return Due::Start;
        };
        if !run.settled && now >= run.started + SETTLED {
            run.settled = true;
            return Due::Settled;
        }
        if run.settled && now >= run.started + HEALTHY {
            self.backoff = MIN_BACKOFF;
        }
        Due::Nothing
    }

    /// Whether they may be called running.
    pub(super) fn is_settled(&self) -> bool {
        self.run.is_some_and(|run| run.settled)
    }

    /// The programs were started.
    pub(super) fn started(&mut self, now: Instant) {
        self.run = Some(Run { started: now, settled: false });
    }

    /// The programs could not be started, or one has ended by itself and the others have been ended. Returns the pause
    /// until they are started again.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let pause = self.backoff;
        self.run = None;
        self.backoff = (pause * 2).min(MAX_BACKOFF);
        self.start_at = Some(now + pause);
        pause
    }

    /// The programs have been ended to be started with other settings.
    pub(super) fn restart(&mut self, now: Instant) {
        self.run = None;
        let earliest = self.last_start.map_or(now, |at| at + START_GAP);
        self.start_at = Some(earliest.max(now));
    }
}

/// Programs that live this long are running.
const SETTLED: Duration = Duration::from_millis(500);
/// Least time between two starts: at most four in two seconds.
const START_GAP: Duration = Duration::from_millis(500);
/// First pause after a failure; doubled with each, up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// After so long in health the next pause is the first again.
const HEALTHY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A plan and a clock that goes from deadline to deadline.
    struct World {
        plan: Plan,
        now: Instant,
        starts: Vec<Duration>,
        settled: usize,
    }

    impl World {
        fn new() -> Self {
            let now = Instant::from_nanos(0);
            let mut world = Self { plan: Plan::new(now, true), now, starts: Vec::new(), settled: 0 };
            world.wait(Duration::ZERO);
            world
        }

        fn since(&self) -> Duration {
            self.now.saturating_since(Instant::from_nanos(0))
        }

        /// Time passes; programs start as soon as they are told to.
        fn wait(&mut self, span: Duration) {
            let until = self.now + span;
            let mut rounds = 0;
            while let Some(at) = self.plan.deadline().filter(|at| *at <= until) {
                self.now = self.now.max(at);
                match self.plan.due(self.now) {
                    Due::Start => {
                        self.starts.push(self.since());
                        self.plan.started(self.now);
                    }
                    Due::Settled => self.settled += 1,
                    Due::Nothing => {}
                }
                rounds += 1;
                assert!(rounds < 1000, "deadlines move on");
            }
            self.now = until;
        }

        /// A program ends by itself; ending the other takes `span`.
        fn dies(&mut self, span: Duration) {
            self.now = self.now + span;
            self.plan.failed(self.now);
        }
    }

    #[test]
    fn a_killed_publisher_is_healed_within_a_second() {
        let mut world = World::new();
        world.wait(ms(90_000));
        let killed = world.since();
        // A camera program that ends at SIGTERM is gone within a few milliseconds.
        world.dies(ms(20));
        world.wait(ms(60_000));
        assert_eq!(world.starts, [ms(0), killed + ms(520)]);
        assert_eq!(world.settled, 2);
    }

    #[test]
    fn pauses_double_up_to_half_a_minute_and_begin_anew_after_a_minute_of_health() {
        let mut world = World::new();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let before = world.starts.len();
            let died = world.since();
            world.dies(Duration::ZERO);
            world.wait(ms(30_000));
            assert_eq!(world.starts.len(), before + 1);
            pauses.push((*world.starts.last().unwrap() - died).as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        world.wait(ms(59_000));
        assert!(world.plan.deadline().is_some());
        world.wait(ms(1_000));
        assert_eq!(world.plan.deadline(), None, "nothing more to wait for");
        let died = world.since();
        world.dies(Duration::ZERO);
        world.wait(ms(1_000));
        assert_eq!(*world.starts.last().unwrap(), died + ms(500));
    }

    #[test]
    fn at_most_four_restarts_in_two_seconds_however_many_updates() {
        let mut world = World::new();
        for _ in 0..1000 {
            world.wait(ms(10));
            if world.plan.run.is_some() {
                world.plan.restart(world.now);
            }
        }
        for window in world.starts.windows(5) {
            assert!(window[4] - window[0] >= ms(2000), "{window:?}");
        }
        assert!(world.starts.len() >= 19, "and they do happen: {:?}", world.starts.len());
        // After some quiet a restart is immediate.
        world.wait(ms(5_000));
        let now = world.since();
        world.plan.restart(world.now);
        world.wait(Duration::ZERO);
        assert_eq!(*world.starts.last().unwrap(), now);
    }

    #[test]
    fn a_program_that_cannot_be_started_is_tried_again() {
        let mut now = Instant::from_nanos(0);
        let mut plan = Plan::new(now, true);
        assert_eq!(plan.due(now), Due::Start);
        assert_eq!(plan.failed(now), ms(500));
        assert!(plan.run.is_none() && !plan.is_settled());
        assert_eq!(plan.due(now), Due::Nothing);
        now = now + ms(500);
        assert_eq!((plan.deadline(), plan.due(now)), (Some(now), Due::Start));
        plan.started(now);
        assert_eq!(plan.due(now + ms(499)), Due::Nothing);
        assert_eq!(plan.due(now + ms(500)), Due::Settled);
        assert!(plan.is_settled());
        let mut none = Plan::new(now, false);
        assert_eq!((none.deadline(), none.due(now + HEALTHY)), (None, Due::Nothing));
    }
}
