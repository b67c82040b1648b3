//! From the command to the first frame, and to the closed file (sheet §7.1, §7.2, §7.7).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use machine::{ConnId, Instant};

use super::conns::Busy;
use super::{Device, Event, FileEntry, TakeId};
use crate::message::{CommandMessage, SchedulesOn, StopRecordingResponse};
use crate::{DeviceStatus, UnixTime};

/// So long before a planned start the program is woken once for nothing, so that its processor, its memory and its
/// thread are not cold at the instant.
const WARM_UP: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
pub(super) struct Recording {
    state: State,
    takes: u64,
    /// A planned start that happened, and when the program is to hear of it.
    started: Option<(Instant, Event)>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Pending {
        take: TakeId,
        target: UnixTime,
        on: SchedulesOn,
        at: Instant,
        warm: bool,
    },
    Recording {
        take: TakeId,
    },
    Stopping {
        take: TakeId,
    },
    Failed,
}

impl Recording {
    pub(super) fn status(&self) -> DeviceStatus {
        match self.state {
            State::Idle => DeviceStatus::Ready,
            State::Pending { .. } => DeviceStatus::ScheduledRecordingAccepted,
            State::Recording { .. } => DeviceStatus::Recording,
            State::Stopping { .. } => DeviceStatus::Stopping,
            State::Failed => DeviceStatus::Error,
        }
    }

    pub(super) fn is_recording(&self) -> bool {
        matches!(self.state, State::Recording { .. })
    }

    pub(super) fn starts_at(&self) -> Option<Instant> {
        match self.state {
            State::Pending { at, .. } => Some(at),
            _ => None,
        }
    }

    /// When the recording wants to be woken.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Pending { at, warm: false, .. } => Some(at.saturating_sub(WARM_UP)),
            State::Pending { at, .. } => Some(at),
            _ => self.started.as_ref().map(|(when, _)| *when),
        }
    }

    pub(super) fn target(&self) -> Option<UnixTime> {
        match self.state {
            State::Pending { target, .. } => Some(target),
            _ => None,
        }
    }

    pub(super) fn take(&self) -> Option<TakeId> {
        match self.state {
            State::Pending { take, .. } | State::Recording { take } | State::Stopping { take } => Some(take),
            State::Idle | State::Failed => None,
        }
    }

    fn next_take(&mut self) -> TakeId {
        self.takes = self.takes.saturating_add(1);
        TakeId(self.takes)
    }
}

impl Device {
    pub(super) fn start_command(
        &mut self,
        now: Instant,
        conn: ConnId,
        framed: bool,
        command: &CommandMessage,
    ) {
        if !self.camera {
            return self.say_status(now, conn, framed, Some(DeviceStatus::CameraDisconnected));
        }
        if matches!(self.recording.state, State::Recording { .. } | State::Stopping { .. }) {
            return self.say_status(now, conn, framed, None);
        }
        let on = command.schedule.or_else(|| self.time.schedules_on(now));
        // Without a clock to plan on, a start at once is still one.
        let clock = match on {
            Some(SchedulesOn::Synced) => self.time.unix(now),
            Some(SchedulesOn::Raw) | None => self.time.raw(now),
        };
        let target = command.timestamp.filter(|t| *t >= clock + SOON);
        let Some(target) = target else {
            self.disarm();
            let take = self.recording.next_take();
            self.begin(now, take, None);
            return self.say_status(now, conn, framed, None);
        };
        let Some(on) = on else {
            let message = "Cannot start scheduled recording - time not synchronized";
            return self.refuse(now, conn, framed, DeviceStatus::TimeNotSynchronized, message);
        };
        if target.saturating_since(clock) > self.config.max_lead {
            return self.refuse(now, conn, framed, DeviceStatus::Error, "Start time is too far ahead");
        }
        let same =
            matches!(self.recording.state, State::Pending { target: t, on: o, .. } if (t, o) == (target, on));
        if !same {
            self.disarm();
            let take = self.recording.next_take();
            let at = self.start_instant(now, target, on);
            self.recording.state = State::Pending { take, target, on, at, warm: false };
            self.event(Event::Armed { take, at, target });
        }
        self.say_status(now, conn, framed, None);
    }

    pub(super) fn stop_command(&mut self, now: Instant, conn: ConnId, framed: bool) {
        match self.recording.state {
            State::Recording { take } => {
                self.say_started();
                self.recording.state = State::Stopping { take };
                self.conns.set_busy(conn, Busy::Stopping { framed });
                self.event(Event::Stop { take });
            }
            State::Stopping { .. } => self.conns.set_busy(conn, Busy::Stopping { framed }),
            State::Idle | State::Pending { .. } | State::Failed => {
                self.disarm();
                self.refuse(now, conn, framed, DeviceStatus::Error, "Not currently recording");
            }
        }
    }

    /// Lets capture go if its instant has come, and says so when the others on this computer have had their turn.
    pub(super) fn start_if_due(&mut self, now: Instant) {
        if let State::Pending { take, target, on, at, warm } = &mut self.recording.state {
            if *at <= now {
                // What was asked for, on the clock that the take is judged on.
                let target = match on {
                    SchedulesOn::Synced => *target,
                    SchedulesOn::Raw => self.time.unix(*at),
                };
                let take = *take;
                self.begin(now, take, Some(target));
            } else if at.saturating_sub(WARM_UP) <= now {
                *warm = true;
            }
        }
        if self.recording.started.as_ref().is_some_and(|(when, _)| *when <= now) {
            self.say_started();
        }
    }

    fn say_started(&mut self) {
        if let Some((_, event)) = self.recording.started.take() {
            self.event(event);
        }
    }

    /// The clock moved: so does the instant of a planned start.
    pub(super) fn clock_changed(&mut self, now: Instant) {
        if let State::Pending { take, target, on, at, warm } = self.recording.state {
            let moved = self.start_instant(now, target, on);
            if moved != at {
                self.recording.state = State::Pending { take, target, on, at: moved, warm };
                self.event(Event::Armed { take, at: moved, target });
            }
        }
    }

    fn start_instant(&self, now: Instant, target: UnixTime, on: SchedulesOn) -> Instant {
        match on {
            SchedulesOn::Synced => self.time.local(now, target),
            SchedulesOn::Raw => self.time.raw_local(target),
        }
    }

    fn begin(&mut self, now: Instant, take: TakeId, target: Option<UnixTime>) {
        self.recording.state = State::Recording { take };
        let actual = self.time.unix(now);
        let settle = if target.is_some() { self.config.settle } else { Duration::ZERO };
        self.recording.started = Some((now + settle, Event::Started { take, at: now, target, actual }));
        if settle.is_zero() {
            self.say_started();
        }
    }

    fn disarm(&mut self) {
        if let State::Pending { take, .. } = self.recording.state {
            self.recording.state = State::Idle;
            self.event(Event::Disarmed { take });
        }
    }

    /// Starts a recording at once, as if a controller had asked for it. `None`: one runs already.
    pub fn start_now(&mut self, now: Instant) -> Option<TakeId> {
        match self.recording.state {
            State::Recording { .. } | State::Stopping { .. } => None,
            State::Idle | State::Pending { .. } | State::Failed => {
                self.disarm();
                let take = self.recording.next_take();
                self.begin(now, take, None);
                Some(take)
            }
        }
    }

    /// Ends the recording that runs, as if a controller had asked for it. `None`: none runs.
    pub fn stop_now(&mut self) -> Option<TakeId> {
        match self.recording.state {
            State::Recording { take } => {
                self.say_started();
                self.recording.state = State::Stopping { take };
                self.event(Event::Stop { take });
                Some(take)
            }
            _ => None,
        }
    }

    /// The file of a take is closed, or its capture has failed, with a line that says why. Whoever waits is told.
    pub fn take_finished(&mut self, now: Instant, take: TakeId, outcome: Result<FileEntry, &str>) {
        let current = self.recording.take() == Some(take);
        let reply = match outcome {
            Ok(entry) => {
                let raw = self.time.raw(now);
                let name = entry.name.as_str();
                let mut reply = StopRecordingResponse::new(&self.config.device_id, raw, name, entry.size);
                reply.times = entry.times;
                self.index.add(entry);
                Ok(reply)
            }
            Err(why) => Err(String::from(why)),
        };
        if !current {
            return;
        }
        // It may have ended while its start was still to be told.
        self.say_started();
        self.recording.state = if reply.is_ok() { State::Idle } else { State::Failed };
        let waiting: Vec<_> = self.conns.waiting(|b| matches!(b, Busy::Stopping { .. })).collect();
        for (conn, busy) in waiting {
            let framed = matches!(busy, Busy::Stopping { framed: true });
            match &reply {
                Ok(reply) => self.send(conn, framed, |form, out| reply.encode(form, out)),
                Err(why) => self.refuse(now, conn, framed, DeviceStatus::Error, why.clone()),
            }
            self.free(now, conn);
        }
    }
}

/// A start less than this ahead is one at once.
const SOON: Duration = Duration::from_millis(10);
