//! The original's television: one channel, a PTS, and a TEMI timeline that comes and goes every 30 seconds.

use std::path::Path;
use std::time::Duration;

use dvb_css::Ratio;
use dvb_css::clock::ClockId;
use dvb_css::message::{CiiMessage, ContentIdStatus, TimelineOption};
use dvb_css::server::{TimelineId, TvCalls, TvServer, UpdateCii};
use machine::Instant;
use machine::record::Recorded;

use super::{CHANNELS, Clocks, PTS, TEMI};
use crate::serve::{EndPoints, Television};
use crate::smpte::replace_state;
use crate::state_file::{LOOK, TvState, Watched, read_tv};

/// The television's timelines.
#[derive(Debug)]
pub struct TvShow {
    clocks: Clocks,
    started: Instant,
    kind: Kind,
    timelines: Vec<TimelineId>,
}

#[derive(Debug)]
enum Kind {
    /// As the original; this one comes and goes.
    Original { temi: ClockId },
    /// What a file says.
    File { file: Watched, end_points: EndPoints },
}

const TOGGLE: Duration = Duration::from_secs(30);

/// What the original's television says of itself; `wc_port` is the port of its wall clock.
pub fn television_cii(wc_port: u16) -> CiiMessage {
    let mut cii = CiiMessage::default();
    cii.protocol_version = "1.1".into();
    cii.content_id = CHANNELS[0].into();
    cii.content_id_status = ContentIdStatus::Final.into();
    cii.presentation_status = vec!["okay".into()].into();
    cii.ts_url = "ws://{{host}}:{{port}}/ts".into();
    cii.wc_url = format!("udp://{{{{host}}}}:{wc_port}").into();
    // QUIRK(pydvbcss): its documentation says 1 kHz of the second one, which runs at 50 Hz
    cii.timelines = vec![TimelineOption::new(PTS, 1, 90_000), TimelineOption::new(TEMI[0], 1, 50)].into();
    cii
}

impl TvShow {
    /// The original's channel and timelines, which start at 0 now.
    ///
    /// # Errors
    /// When the server has too many timelines already.
    pub fn original(tv: &mut Recorded<TvServer>, now: Instant, wc_port: u16) -> anyhow::Result<Self> {
        tv.set_cii(now, television_cii(wc_port))?;
        let mut clocks = Clocks::new()?;
        let pts = clocks.start(Ratio::from(90_000), Ratio::ONE, now)?;
        let temi = clocks.start(Ratio::from(50), Ratio::ONE, now)?;
        let timelines = vec![clocks.offer(tv, now, PTS, pts)?, clocks.offer(tv, now, TEMI[0], temi)?];
        Ok(Self { clocks, started: now, kind: Kind::Original { temi }, timelines })
    }

    /// What a file says; timelines start at 0 now.
    ///
    /// # Errors
    /// When the file is wrong, or the server does not take what it says.
    pub fn of_file(
        tv: &mut Recorded<TvServer>,
        now: Instant,
        path: &Path,
        end_points: &EndPoints,
    ) -> anyhow::Result<Self> {
        let (file, state) = Watched::open(path, read_tv)?;
        let kind = Kind::File { file, end_points: end_points.clone() };
        let mut show = Self { clocks: Clocks::new()?, started: now, kind, timelines: Vec::new() };
        show.change(tv, now, state)?;
        Ok(show)
    }

    /// Takes over what a file says now. Timelines go on from the show's start.
    ///
    /// # Errors
    /// When the server does not take it; then all is as it was, or without timelines.
    pub fn change(
        &mut self,
        tv: &mut Recorded<TvServer>,
        now: Instant,
        state: TvState,
    ) -> anyhow::Result<()> {
        tv.update_cii(now, |cii| replace_state(cii, state.cii))?;
        // The new ones first: whoever follows one that stays is told nothing if it is the same.
        let old = std::mem::take(&mut self.timelines);
        self.clocks = Clocks::new()?;
        for spec in state.timelines {
            let clock = self.clocks.start(spec.tick_rate, spec.speed, self.started)?;
            self.timelines.push(self.clocks.offer(tv, now, &spec.selector, clock)?);
        }
        for id in old {
            tv.remove_timeline(now, id)?;
        }
        if let Kind::File { end_points, .. } = &self.kind {
            end_points.disable_only(tv, &state.disabled);
        }
        Ok(())
    }

    /// Goes on until the server ends.
    ///
    /// # Errors
    /// Never in fact: its clocks are there.
    pub async fn run(mut self, television: Television) -> anyhow::Result<()> {
        let period = if matches!(self.kind, Kind::File { .. }) { LOOK } else { TOGGLE };
        let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        loop {
            tokio::select! {
                () = television.stopped() => return Ok(()),
                _ = turns.tick() => {}
            }
            match &mut self.kind {
                Kind::Original { temi } => {
                    let temi = *temi;
                    let is_available = self.clocks.tree.is_available(temi)?;
                    let changed = self.clocks.tree.set_available(temi, !is_available)?;
                    television.call(|tv, now| self.clocks.publish(tv, now, &changed));
                }
                Kind::File { file, .. } => {
                    let Some(state) = file.look(read_tv) else { continue };
                    if let Err(error) = television.call(|tv, now| self.change(tv, now, state)) {
                        tracing::error!(target: "TVDevice", "{error:#}; the old state stays");
                    }
                }
            }
        }
    }
}
