//! One session: its clock, its members, and who is told what.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use bytes::Bytes;
use machine::{ConnId, Instant, Keep};

use super::Event;
use super::budget::Budget;
use super::outbox::{Member, Outbox};
use crate::UsageError;
use crate::message::{Position, Ratio, ServerMessage, SessionId, TimecodeKind, TimecodeMessage};
use crate::session::replicated::SharedClock;
use crate::session::{Label, Moment, SessionClock, SessionRate};

/// What can be done with the timecode of a session; `L` is a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command<L> {
    Start,
    Stop,
    Reset(L),
}

#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: SessionId,
    pub(super) framerate: SessionRate,
    pub(super) clock: SessionClock,
    pub(super) name: Option<Box<str>>,
    /// Stays without members.
    pub(super) pinned: bool,
    /// Driven by timecode from elsewhere, not by its members.
    pub(super) following: bool,
    /// Of all servers of a cluster: `clock` follows this one.
    pub(super) shared: Option<SharedClock>,
    pub(super) created: Instant,
    /// Its deadline in the server's list.
    pub(super) scheduled: Option<Instant>,
    members: Vec<Member>,
    /// The label that the members know of. No update tells of one that is not beyond it.
    shown: Moment,
    announcements: Budget,
    behind: Option<Behind>,
}

/// Some members have not been told of the last commands, because there were too many.
#[derive(Clone, Copy, Debug)]
struct Behind {
    /// They take the session to be running.
    running: bool,
    /// This one knows, as all those commands were its own.
    except: Option<ConnId>,
}

impl Room {
    pub(super) fn new(
        id: SessionId,
        framerate: SessionRate,
        clock: SessionClock,
        now: Instant,
        announcements: Budget,
    ) -> Self {
        Self {
            id,
            framerate,
            clock,
            name: None,
            pinned: false,
            following: false,
            shared: None,
            created: now,
            scheduled: None,
            members: Vec::new(),
            shown: clock.at(now),
            announcements,
            behind: None,
        }
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn join(&mut self, member: Member) {
        self.members.push(member);
    }

    pub(super) fn leave(&mut self, conn: ConnId) {
        if let Some(at) = self.members.iter().position(|member| member.conn == conn) {
            self.members.swap_remove(at);
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = ConnId> {
        self.members.iter().map(|member| member.conn)
    }

    /// Replaces what is known of a member.
    pub(super) fn update_member(&mut self, member: Member) {
        if let Some(known) = self.members.iter_mut().find(|known| known.conn == member.conn) {
            *known = member;
        }
    }

    /// The label that the members know of.
    pub(super) fn label(&self) -> Label {
        self.shown.label
    }

    /// When the room has something to say next.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.members.is_empty() {
            return None;
        }
        let tick = self.clock.next_frame(now);
        let news = self.behind.map(|_| self.announcements.ready_at());
        [tick, news].into_iter().flatten().min()
    }

    /// Does what a member, or the program, wants done with the timecode.
    pub(super) fn obey(
        &mut self,
        now: Instant,
        command: Command<Label>,
        by: Option<ConnId>,
        out: &mut Outbox,
    ) -> Result<(), UsageError> {
        let was_running = self.clock.is_running();
        let kind = match command {
            Command::Start if was_running => return Err(UsageError::Running),
            Command::Stop if !was_running => return Err(UsageError::NotRunning),
            Command::Start => {
                self.clock.start(now);
                TimecodeKind::Started
            }
            Command::Stop => {
                self.clock.stop(now);
                TimecodeKind::Stopped
            }
            Command::Reset(label) => {
                self.clock.reset(label, now);
                TimecodeKind::Reset
            }
        };
        self.announce(kind, was_running, by, now, out);
        let (id, label) = (self.id, self.clock.at(now).label);
        out.event(match command {
            Command::Start => Event::SessionStarted { id, by, label },
            Command::Stop => Event::SessionStopped { id, by, label },
            Command::Reset(_) => Event::SessionReset { id, by, label },
        });
        Ok(())
    }

    /// Follows a clock that all servers of a cluster share, `clock` on ours, and tells the members of the change.
    /// Comes without [`catch_up`](Self::catch_up): labels of the old clock may never have been.
    pub(super) fn take_over(
        &mut self,
        now: Instant,
        shared: SharedClock,
        clock: SessionClock,
        by: Option<ConnId>,
        out: &mut Outbox,
    ) {
        let was_running = self.clock.is_running();
        (self.clock, self.shared) = (clock, Some(shared));
        let (id, label) = (self.id, shared.label);
        let (kind, event) = match (was_running, shared.running) {
            (false, true) => (TimecodeKind::Started, Event::SessionStarted { id, by, label }),
            (true, false) => (TimecodeKind::Stopped, Event::SessionStopped { id, by, label }),
            (true, true) | (false, false) => (TimecodeKind::Reset, Event::SessionReset { id, by, label }),
        };
        // A start is told with the label that it starts from, however late; the update that follows has that of now.
        let at =
            if kind == TimecodeKind::Started { clock.at(Instant::default()).began.min(now) } else { now };
        self.announce(kind, was_running, by, at, out);
        out.event(event);
        self.catch_up(now, out);
    }

    /// Says what is due by `now`: one update with the label in force, however many frames have begun, or what those
    /// who are behind have missed. Comes before anything else that concerns the room.
    pub(super) fn catch_up(&mut self, now: Instant, out: &mut Outbox) {
        let moment = self.clock.at(now);
        let ticked = self.clock.is_running() && moment.label.frame() > self.shown.label.frame();
        if let Some(behind) = self.behind.filter(|_| ticked || self.announcements.ready_at() <= now) {
            self.announcements.take(now);
            self.settle(behind, out);
        }
        if ticked {
            self.shown = moment;
            self.tell(TimecodeKind::Update, |_| true, out);
        }
    }

    /// Tells the members of a command that has just been obeyed; `by`, whose it was, always and at once.
    pub(super) fn announce(
        &mut self,
        kind: TimecodeKind,
        was_running: bool,
        by: Option<ConnId>,
        now: Instant,
        out: &mut Outbox,
    ) {
        self.shown = self.clock.at(now);
        if by.is_none() && self.behind.is_none() {
            return self.tell(kind, |_| true, out);
        }
        self.tell(kind, |conn| Some(conn) == by, out);
        if self.members.len() == 1 {
            self.behind = None;
            return;
        }
        let may = self.announcements.take(now) || by.is_none();
        match self.behind {
            None if may => self.tell(kind, |conn| Some(conn) != by, out),
            None => self.behind = Some(Behind { running: was_running, except: by }),
            Some(behind) if may => self.settle(Behind { except: by, ..behind }, out),
            Some(behind) => {
                self.behind = Some(Behind { except: behind.except.filter(|_| behind.except == by), ..behind })
            }
        }
    }

    /// Tells those who are behind what has come of it all.
    fn settle(&mut self, behind: Behind, out: &mut Outbox) {
        let kind = match (behind.running, self.clock.is_running()) {
            (false, true) => TimecodeKind::Started,
            (true, false) => TimecodeKind::Stopped,
            (true, true) | (false, false) => TimecodeKind::Reset,
        };
        self.behind = None;
        self.tell(kind, |conn| Some(conn) != behind.except, out);
    }

    /// Sends the label in force to those members whom `to` picks. It is encoded once in each form.
    fn tell(&self, kind: TimecodeKind, to: impl Fn(ConnId) -> bool, out: &mut Outbox) {
        let keep = if kind == TimecodeKind::Update { Keep::Latest } else { Keep::Always };
        let moment = self.shown;
        let (mut plain, mut framed) = (None, None);
        for member in self.members.iter().filter(|member| to(member.conn)) {
            let (line, position) =
                if member.framed { (&mut framed, Some(position(moment))) } else { (&mut plain, None) };
            let line = line.get_or_insert_with(|| timecode_line(kind, moment, position));
            out.send(*member, line.clone(), keep);
        }
    }
}

fn timecode_line(kind: TimecodeKind, moment: Moment, position: Option<Position>) -> Bytes {
    let text = moment.label.timecode().map(|timecode| timecode.text());
    let timecode = match &text {
        Some(text) => text.as_str().into(),
        None => moment.label.to_string().into(),
    };
    ServerMessage::Timecode(TimecodeMessage { kind, timecode, position }).to_line()
}

fn position(moment: Moment) -> Position {
    let rate = moment.label.rate();
    let term = |value| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
    Position {
        frame: moment.label.frame(),
        rate: Ratio { num: term(rate.numerator()), den: term(rate.denominator()) },
        drop: rate.is_drop(),
        at_ns: moment.began.as_nanos(),
    }
}
