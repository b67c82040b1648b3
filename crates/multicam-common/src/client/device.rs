//! What a controller knows of one device, and what it is doing with it.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::net::SocketAddr;

use machine::{ConnId, Instant};

use super::event::{Failure, RequestId};
use crate::clock::RemoteClock;
use crate::codec::{MAX_REPLY, MessageDecoder, Reply};
use crate::discovery::Instance;
use crate::message::{ClockReport, CommandMessage, SchedulesOn};
use crate::{CommandType, DeviceStatus, UnixTime};

/// Whose device it is, as far as is known. It decides which quirks are to be expected (sheet §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// Not known yet, or of no known make.
    #[default]
    Unknown,
    /// An OAK camera: schedules on its raw clock, deletes what it has sent.
    Oak,
    /// The iOS application: silent where others refuse.
    Ios,
    /// The Android application.
    Android,
    /// One of ours, or one that knows our extensions.
    Genlock,
}

impl DeviceKind {
    /// Whether STOP to an idle device may get no answer.
    pub(super) fn needs_asking(self) -> bool {
        matches!(self, Self::Unknown | Self::Ios)
    }

    /// A file that was sent once may be gone: verify it before closing, and never fetch it twice at once.
    pub fn deletes_what_it_sent(self) -> bool {
        self == Self::Oak
    }
}

/// A device as a program shows it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceView {
    /// Where it is.
    pub address: SocketAddr,
    /// Its id, once that is known.
    pub device_id: Option<String>,
    /// Whose it is.
    pub kind: DeviceKind,
    /// What it calls itself.
    pub device_type: Option<String>,
    /// Whether it answers; `None`: not asked yet.
    pub up: Option<bool>,
    /// What it said last of itself.
    pub status: Option<DeviceStatus>,
    /// Whether it records.
    pub recording: bool,
    /// Percent.
    pub battery: Option<f64>,
    /// Its raw clock minus ours, in nanoseconds.
    pub offset_ns: Option<i64>,
    /// That is not further off than this, in nanoseconds.
    pub offset_error_ns: Option<u64>,
    /// What it says of its clock.
    pub clock: Option<ClockReport>,
    /// Why it did not answer last.
    pub failure: Option<Failure>,
    /// Requests that wait or are under way.
    pub waiting: usize,
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) address: SocketAddr,
    pub(super) kind: DeviceKind,
    pub(super) conn: Option<ConnId>,
    pub(super) decoder: MessageDecoder,
    /// Something has come on this connection since the last request.
    pub(super) heard: bool,
    /// This connection has answered a request before.
    pub(super) reused: bool,
    pub(super) queue: VecDeque<Job>,
    pub(super) current: Option<Current>,
    pub(super) pause_until: Option<Instant>,
    pub(super) next_beat: Option<Instant>,
    pub(super) remote: RemoteClock,
    device_id: Option<String>,
    device_type: Option<String>,
    up: Option<bool>,
    misses: u32,
    status: Option<DeviceStatus>,
    recording: bool,
    battery: Option<f64>,
    pub(super) clock: Option<ClockReport>,
    failure: Option<Failure>,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: RequestId,
    pub(super) message: CommandMessage,
    pub(super) kind: JobKind,
    pub(super) tried: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    /// What the program asked for.
    Plain,
    /// A heartbeat to measure the clock, of no use later than that.
    Probe { until: Instant },
    /// START at this instant of our clock.
    Start { target: UnixTime },
    /// Whether there is anything to stop.
    BeforeStop,
    /// Is it still there?
    Beat,
}

impl Job {
    pub(super) fn new(id: RequestId, message: CommandMessage, kind: JobKind) -> Self {
        Self { id, message, kind, tried: 0 }
    }
}

/// The request under way.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) job: Job,
    pub(super) phase: Phase,
    pub(super) sent: Instant,
    pub(super) deadline: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Waiting,
}

impl Device {
    pub(super) fn new(address: SocketAddr, next_beat: Option<Instant>) -> Self {
        Self {
            address,
            kind: DeviceKind::Unknown,
            conn: None,
            decoder: MessageDecoder::new(MAX_REPLY),
            heard: false,
            reused: false,
            queue: VecDeque::new(),
            current: None,
            pause_until: None,
            next_beat,
            remote: RemoteClock::new(),
            device_id: None,
            device_type: None,
            up: None,
            misses: 0,
            status: None,
            recording: false,
            battery: None,
            clock: None,
            failure: None,
        }
    }

    pub(super) fn learn_instance(&mut self, instance: &Instance) {
        if self.device_id.is_none() && !instance.device_id.is_empty() {
            self.device_id = Some(instance.device_id.clone());
        }
        if self.kind == DeviceKind::Unknown && instance.oak {
            self.kind = DeviceKind::Oak;
        }
    }

    pub(super) fn begin(&mut self, job: Job, deadline: Instant) {
        let sent = Instant::default();
        self.current = Some(Current { job, phase: Phase::Connecting, sent, deadline });
    }

    pub(super) fn connected(&mut self, conn: ConnId) {
        self.conn = Some(conn);
        self.decoder = MessageDecoder::new(MAX_REPLY);
        self.heard = false;
        self.reused = false;
    }

    /// Notes that the current request leaves now; says on which connection.
    pub(super) fn sending(&mut self, now: Instant, deadline: Instant) -> Option<ConnId> {
        let current = self.current.as_mut()?;
        current.phase = Phase::Waiting;
        current.sent = now;
        current.deadline = deadline;
        self.heard = false;
        self.conn
    }

    /// Takes in what a reply says of the device.
    pub(super) fn learn(&mut self, received: Instant, asked: &Current, reply: &Reply) {
        self.reused = true;
        self.misses = 0;
        self.up = Some(true);
        self.failure = None;
        if let Some(id) = reply.device_id().filter(|id| !id.is_empty()) {
            self.device_id = Some(id.chars().take(255).collect());
        }
        // Replies to these say when they were written; others may take their time in between.
        let quick = is_quick(asked.job.message.command);
        if let Some(timestamp) = reply.timestamp().filter(|_| quick) {
            self.remote.add(asked.sent, received, timestamp);
        }
        match reply {
            Reply::Status(status) => {
                if *status.status.normalised() != DeviceStatus::CommandReceived {
                    self.status = Some(status.status.clone());
                    self.recording = status.recording();
                } else if let Some(recording) = status.is_recording {
                    self.recording = recording;
                    if recording {
                        self.status = Some(DeviceStatus::Recording);
                    } else if self.status == Some(DeviceStatus::Recording) {
                        self.status = Some(DeviceStatus::Ready);
                    }
                }
                self.battery = status.battery_level;
                if let Some(kind) = &status.device_type {
                    self.device_type = Some(kind.chars().take(64).collect());
                    self.kind = kind_of(kind).unwrap_or(self.kind);
                }
                if status.clock.is_some() {
                    self.kind = DeviceKind::Genlock;
                    self.clock.clone_from(&status.clock);
                }
            }
            Reply::Stopped(_) => {
                self.status = Some(DeviceStatus::Ready);
                self.recording = false;
            }
            // A status whose word is an error is read as one.
            Reply::Error(error) if asked.job.message.command == CommandType::DeviceStatus => {
                self.status = Some(error.status.clone());
                self.recording = error.is_recording.unwrap_or(false);
            }
            Reply::Error(_) | Reply::Files(_) | Reply::Uploads(_) => {}
        }
    }

    pub(super) fn missed(&mut self, limit: u32, why: Failure) {
        self.misses = self.misses.saturating_add(1);
        self.failure = Some(why);
        if self.misses >= limit || self.up.is_none() {
            self.up = Some(false);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let paused = self.pause_until.filter(|_| self.current.is_none() && !self.queue.is_empty());
        [self.current.as_ref().map(|c| c.deadline), paused, self.next_beat].into_iter().flatten().min()
    }

    /// The clock on which the device keeps instants, if it is one that we compensate for.
    pub(super) fn compensated(&self) -> bool {
        match (self.kind, &self.clock) {
            (DeviceKind::Oak, _) => true,
            (DeviceKind::Genlock, Some(clock)) => clock.schedules_on == SchedulesOn::Raw,
            _ => false,
        }
    }

    pub(super) fn view(&self, now: Instant, wall: i64) -> DeviceView {
        let estimate = self.remote.estimate(now);
        let ours =
            UnixTime::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX).saturating_add(wall));
        DeviceView {
            address: self.address,
            device_id: self.device_id.clone(),
            kind: self.kind,
            device_type: self.device_type.clone(),
            up: self.up,
            status: self.status.clone(),
            recording: self.recording,
            battery: self.battery,
            offset_ns: estimate.map(|e| e.unix(now).nanos_since(ours)),
            offset_error_ns: estimate.map(|e| e.error(now)),
            clock: self.clock.clone(),
            failure: self.failure,
            waiting: self.queue.len().saturating_add(usize::from(self.current.is_some())),
        }
    }
}

fn is_quick(command: CommandType) -> bool {
    matches!(command, CommandType::Heartbeat | CommandType::DeviceStatus)
}

fn kind_of(device_type: &str) -> Option<DeviceKind> {
    let (make, _) = device_type.split_once(':').unwrap_or((device_type, ""));
    Some(match make {
        "Oak" => DeviceKind::Oak,
        "iOS" => DeviceKind::Ios,
        "Android" => DeviceKind::Android,
        "Genlock" => DeviceKind::Genlock,
        _ => return None,
    })
}
