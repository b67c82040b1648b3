//! The original's timeline demonstration: a PTS that is tweaked, paused and resumed, timelines that follow it, come and
//! go, or are known only later.

use std::time::Duration;

use dvb_css::Ratio;
use dvb_css::clock::{ClockId, Correlation};
use dvb_css::message::{CiiMessage, ContentIdStatus, ControlTimestamp};
use dvb_css::server::{TimelineId, TvCalls, TvServer, TvServerEvent};
use dvb_css::timeline::TimelineState;
use machine::Instant;
use machine::record::Recorded;

use super::{CHANNELS, Clocks};
use crate::options::say;
use crate::serve::Television;

/// The PTS timeline, 90 kHz.
pub const PTS: &str = "urn:dvb:css:timeline:pts";
/// TEMI timelines, 1 kHz: one that is always there, one that comes and goes, one that is known after ten seconds.
pub const TEMI: [&str; 3] =
    ["urn:dvb:css:timeline:temi:1:1", "urn:dvb:css:timeline:temi:1:5", "urn:dvb:css:timeline:temi:1:2"];
/// A timeline without meaning that comes and goes.
pub const SPORADIC: &str = "urn:pydvbcss:sporadic";

const STEP: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_secs(10);

/// The demonstration.
#[derive(Debug)]
pub struct TimelineShow {
    clocks: Clocks,
    pts: ClockId,
    now_and_then: ClockId,
    temi: ClockId,
    sporadic: Option<TimelineId>,
    late: TimelineId,
    late_is: Late,
    step: u32,
    /// Prints nothing.
    quiet: bool,
}

/// How far the timeline is that is known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// Nobody asks for it.
    Unwanted,
    /// Somebody has asked; it is known from then on.
    Until(Instant),
    Known,
}

impl TimelineShow {
    /// Sets it up; clocks start at 0 now.
    ///
    /// # Errors
    /// When the server has too many timelines already.
    pub fn new(tv: &mut Recorded<TvServer>, now: Instant, quiet: bool) -> anyhow::Result<Self> {
        let mut cii = CiiMessage::default();
        cii.protocol_version = "1.1".into();
        cii.content_id = CHANNELS[0].into();
        cii.content_id_status = ContentIdStatus::Final.into();
        cii.presentation_status = vec!["okay".into()].into();
        tv.set_cii(now, cii)?;
        let mut clocks = Clocks::new()?;
        let pts = clocks.start(Ratio::from(90_000), Ratio::ONE, now)?;
        let follow = |clocks: &mut Clocks| {
            clocks.tree.add_correlated(pts, Ratio::from(1000), Correlation::default(), Ratio::ONE)
        };
        let (temi, now_and_then) = (follow(&mut clocks)?, follow(&mut clocks)?);
        clocks.tree.set_available(now_and_then, false)?;
        clocks.offer(tv, now, PTS, pts)?;
        clocks.offer(tv, now, TEMI[0], temi)?;
        clocks.offer(tv, now, TEMI[1], now_and_then)?;
        // its clients wait, as long as nothing is known of it
        let late = tv.add_timeline(now, TEMI[2], TimelineState::Deferred)?;
        let late_is = Late::Unwanted;
        let mut show =
            Self { clocks, pts, now_and_then, temi, sporadic: None, late, late_is, step: 0, quiet };
        show.attach_sporadic(tv, now)?;
        Ok(show)
    }

    /// Takes what the server reports: whether clients want the late timeline.
    pub fn handle(&mut self, tv: &mut Recorded<TvServer>, now: Instant, event: &TvServerEvent) {
        match event {
            TvServerEvent::TimelineWanted { selector } if selector == TEMI[2] => {
                self.late_is = Late::Until(now + LATE);
            }
            TvServerEvent::TimelineUnwanted { selector } if selector == TEMI[2] => {
                self.late_is = Late::Unwanted;
                self.clocks.detach(tv, now, self.late);
            }
            _ => {}
        }
    }

    /// One step of the demonstration; there are five.
    ///
    /// # Errors
    /// When standard output is closed, or the server has too many timelines.
    pub fn advance(&mut self, tv: &mut Recorded<TvServer>, now: Instant, random: u32) -> anyhow::Result<()> {
        let tree = &mut self.clocks.tree;
        let wall = tree.ticks(self.clocks.wall, now)?;
        match self.step % 5 {
            0 => {
                // up to 0.05 s either way, in whole ticks
                let by = i64::from(random % 9001) - 4500;
                let changed = tree.adjust_ticks(self.pts, Ratio::from(by))?;
                self.clocks.publish(tv, now, &changed);
                self.say("Tweaked correlation timestamp for PTS and TEMI.")?;
                let ticks = self.clocks.tree.ticks(self.pts, now)?;
                let seconds = ticks.over(Ratio::from(90_000)).unwrap_or(Ratio::ZERO);
                self.say(&format!("PTS clock at {seconds:.6} (units of seconds)"))?;
            }
            1 => {
                if let Some(id) = self.sporadic.take() {
                    tv.remove_timeline(now, id)?;
                }
                let changed = tree.set_available(self.now_and_then, true)?;
                self.clocks.publish(tv, now, &changed);
                self.say(&format!("Made timeline {SPORADIC} unavailable."))?;
            }
            2 => {
                // at the tick it shows
                let tick = Ratio::from(tree.ticks(self.pts, now)?.floor());
                let changed =
                    tree.set_correlation_and_speed(self.pts, Correlation::new(wall, tick), Ratio::ZERO)?;
                self.clocks.publish(tv, now, &changed);
                self.say("Paused the PTS and TEMI timelines.")?;
            }
            3 => {
                let changed = tree.set_available(self.now_and_then, false)?;
                self.clocks.publish(tv, now, &changed);
                self.attach_sporadic(tv, now)?;
                self.say(&format!("Made timeline {SPORADIC} available."))?;
            }
            _ => {
                let tick = tree.ticks(self.pts, now)?;
                let changed =
                    tree.set_correlation_and_speed(self.pts, Correlation::new(wall, tick), Ratio::ONE)?;
                self.clocks.publish(tv, now, &changed);
                self.say(
                    "Un-paused the PTS and TEMI timelines. Updating correlations so they appear to continue from where \
                     they paused.",
                )?;
            }
        }
        self.step += 1;
        Ok(())
    }

    /// Lets the late timeline be known if its time has come.
    ///
    /// # Errors
    /// Never in fact: the timeline is there.
    pub fn look_late(&mut self, tv: &mut Recorded<TvServer>, now: Instant) -> anyhow::Result<()> {
        if matches!(self.late_is, Late::Until(at) if at <= now) {
            self.late_is = Late::Known;
            self.clocks.attach(tv, now, self.late, self.temi)?;
        }
        Ok(())
    }

    fn attach_sporadic(&mut self, tv: &mut Recorded<TvServer>, now: Instant) -> anyhow::Result<()> {
        let wall = i128::from(tv.wall_clock().at(now));
        let moment = ControlTimestamp::available(wall, wall, Ratio::ONE);
        self.sporadic = Some(tv.add_timeline(now, SPORADIC, TimelineState::At(moment))?);
        Ok(())
    }

    fn say(&self, line: &str) -> std::io::Result<()> {
        if self.quiet { Ok(()) } else { say(line) }
    }

    /// Puts the show on until the server ends.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub async fn run(
        mut self,
        television: Television,
        mut events: tokio::sync::mpsc::UnboundedReceiver<TvServerEvent>,
    ) -> anyhow::Result<()> {
        let start = tokio::time::Instant::now();
        let mut steps = tokio::time::interval_at(start + STEP, STEP);
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                () = television.stopped() => return Ok(()),
                _ = steps.tick() => {
                    let [a, b, c, d, ..] = driver::seed();
                    let random = u32::from_be_bytes([a, b, c, d]);
                    television.call(|tv, now| self.advance(tv, now, random))?;
                }
                _ = looks.tick() => television.call(|tv, now| self.look_late(tv, now))?,
                Some(event) = events.recv() => television.call(|tv, now| self.handle(tv, now, &event)),
            }
        }
    }
}
