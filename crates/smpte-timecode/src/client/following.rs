//! The session that the client is in, and the label it shows between two messages.

use alloc::string::{String, ToString};
use core::time::Duration;

use machine::Instant;

use super::clock::ServerClock;
use super::event::ShownLabel;
use crate::message::{Position, TimecodeKind, TimecodeMessage};
use crate::session::frame_at;
use crate::{Rate, Timecode};

/// A step back of at most this many frames is held instead of shown: the estimate of the server's clock has changed.
const HELD_FRAMES: i64 = 2;

/// What we are in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We made it.
    Creator,
    /// We joined it.
    Participant,
}

/// The label in force, with the instant of our clock at which its frame began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMoment {
    /// The label.
    pub timecode: Timecode,
    /// Its frame's number, counted past midnight.
    pub frame: i64,
    /// When its frame began, on our clock.
    pub began: Instant,
}

#[derive(Debug)]
pub(super) struct Following {
    pub(super) id: String,
    pub(super) framerate: String,
    pub(super) role: Role,
    pub(super) running: bool,
    pub(super) label: ShownLabel,
    /// Place of `label` in time, if it can be counted on from.
    anchor: Option<Anchor>,
    heard: Instant,
    /// The last frame shown since the last message that was not an update.
    pub(super) shown: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    rate: Rate,
    frame: i64,
    /// On the server's clock.
    began: Instant,
}

impl Following {
    pub(super) fn new(
        id: &str,
        framerate: &str,
        role: Role,
        label: &str,
        running: bool,
        now: Instant,
    ) -> Self {
        Self {
            id: id.into(),
            framerate: framerate.into(),
            role,
            running,
            label: ShownLabel::new(label),
            anchor: None,
            heard: now,
            shown: None,
        }
    }

    /// Takes in what the server says about our session.
    pub(super) fn hear(&mut self, now: Instant, message: &TimecodeMessage<'_>) {
        self.running = match message.kind {
            TimecodeKind::Started | TimecodeKind::Update => true,
            TimecodeKind::Stopped => false,
            TimecodeKind::Reset => self.running,
        };
        self.label = ShownLabel::new(&message.timecode);
        self.heard = now;
        self.anchor = message.position.and_then(|position| anchor(position, &self.label));
        if message.kind != TimecodeKind::Update {
            self.shown = None;
        }
    }

    /// The label at `now`: counted on if that can be done, else the last one heard.
    pub(super) fn display(
        &mut self,
        now: Instant,
        clock: Option<&ServerClock>,
        holdover: Duration,
    ) -> ShownLabel {
        let Some(moment) = self.moment(now, clock, holdover) else { return self.label };
        let held = self.shown.filter(|shown| (1..=HELD_FRAMES).contains(&(shown - moment.frame)));
        self.shown = held.or(Some(moment.frame));
        ShownLabel::new(&Timecode::from_frame(moment.timecode.rate(), held.unwrap_or(moment.frame)).text())
    }

    /// The label at `now` and its place on our clock. `None` if the server does not tell enough for that.
    pub(super) fn moment(
        &self,
        now: Instant,
        clock: Option<&ServerClock>,
        holdover: Duration,
    ) -> Option<LocalMoment> {
        let (anchor, clock) = (self.anchor?, clock?);
        let ahead = if self.running {
            let until = now.min(self.heard + holdover);
            frame_at(anchor.rate, anchor.began, clock.server_time(until)?).max(0)
        } else {
            0
        };
        let frame = anchor.frame.saturating_add(ahead);
        Some(LocalMoment {
            timecode: Timecode::from_frame(anchor.rate, frame),
            frame,
            began: clock.local_time(now, frame_began(anchor, ahead))?,
        })
    }

    /// When the label after the one at `now` begins, on our clock; `None` if that cannot be told.
    pub(super) fn next_change(
        &self,
        now: Instant,
        clock: Option<&ServerClock>,
        holdover: Duration,
    ) -> Option<Instant> {
        let (anchor, moment) = (self.anchor?, self.moment(now, clock, holdover)?);
        let next = clock?.local_time(now, frame_began(anchor, moment.frame - anchor.frame + 1))?;
        (self.running && next <= self.heard + holdover).then_some(next)
    }
}

/// A position to count on from: only if we count as the server does.
fn anchor(position: Position, label: &str) -> Option<Anchor> {
    let rate = Rate::try_new(position.rate.num.get(), position.rate.den.get(), position.drop).ok()?;
    let counts_alike = Timecode::from_frame(rate, position.frame).to_string() == label;
    counts_alike.then_some(Anchor { rate, frame: position.frame, began: Instant::from_nanos(position.at_ns) })
}

/// When the `ahead`th frame after the anchor begins, on the server's clock.
fn frame_began(anchor: Anchor, ahead: i64) -> Instant {
    let (num, den) = (u128::from(anchor.rate.numerator()), u128::from(anchor.rate.denominator()));
    let nanos = (u128::from(ahead.unsigned_abs()) * den * 1_000_000_000).div_ceil(num);
    anchor.began + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
