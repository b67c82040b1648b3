//! A controller of many devices as a machine (sheet §8.3, §9).
//!
//! Each device has a queue of requests, one of which is under way on a connection of its own; the machine asks for
//! connections by [`Event::Connect`]. It knows what each generation needs, measures every device's clock from its
//! replies, and turns one instant into the timestamp that each device has to be told. Files are fetched outside of the
//! machine; [`Fetch`] knows when to ask for what.

mod device;
mod event;
mod fetch;
mod start;

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use core::net::SocketAddr;
use machine::{Closing, ConnId, Input, Instant, Keep, Machine, Output, Payload, Peer, Service};

pub use self::device::{DeviceKind, DeviceView};
pub use self::event::{DeviceKey, Event, Failure, RequestId, UsageError};
pub use self::fetch::{Fetch, FetchError, NextTry, Plan};

use self::device::{Device, Job, JobKind, Phase};
use crate::codec::{Form, Reply};
use crate::config::ControllerConfig;
use crate::discovery::Instance;
use crate::message::CommandMessage;
use crate::{CommandType, DecodeError, UnixTime};

/// A controller. See the [module](self).
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
    devices: BTreeMap<DeviceKey, Device>,
    conns: BTreeMap<ConnId, DeviceKey>,
    /// Our Unix time minus local time, in nanoseconds.
    wall: i64,
    next_request: u64,
    next_key: u16,
    out: VecDeque<Output<Event>>,
}

impl Controller {
    /// Without devices.
    pub fn new(config: ControllerConfig) -> Self {
        Self {
            config,
            devices: BTreeMap::new(),
            conns: BTreeMap::new(),
            wall: 0,
            next_request: 0,
            next_key: 0,
            out: VecDeque::new(),
        }
    }

    /// Our clock.
    pub fn time(&self, now: Instant) -> UnixTime {
        let local = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        UnixTime::from_nanos(local.saturating_add(self.wall))
    }

    /// Serves time on this port from now on, and says so to devices.
    pub fn set_time_port(&mut self, port: Option<u16>) {
        self.config.time_port = port;
    }

    /// Takes a device in, or tells of a known one (by address) what its instance name says.
    ///
    /// # Errors
    /// [`UsageError::TooManyDevices`] beyond 65 535.
    pub fn add_device(
        &mut self,
        now: Instant,
        address: SocketAddr,
        instance: Option<&Instance>,
    ) -> Result<DeviceKey, UsageError> {
        let known = self.devices.iter().find(|(_, d)| d.address == address).map(|(key, _)| *key);
        let key = match known {
            Some(key) => key,
            None => {
                let mut tried = 0_u32;
                while self.devices.contains_key(&DeviceKey(self.next_key)) {
                    self.next_key = self.next_key.wrapping_add(1);
                    tried = tried.saturating_add(1);
                    if tried > u32::from(u16::MAX) {
                        return Err(UsageError::TooManyDevices);
                    }
                }
                let key = DeviceKey(self.next_key);
                self.next_key = self.next_key.wrapping_add(1);
                let first_beat = (!self.config.liveness.is_zero()).then_some(now);
                self.devices.insert(key, Device::new(address, first_beat));
                key
            }
        };
        if let Some((device, instance)) = self.devices.get_mut(&key).zip(instance) {
            device.learn_instance(instance);
        }
        self.advance(now, key);
        Ok(key)
    }

    /// Forgets a device. What was asked of it fails.
    pub fn remove_device(&mut self, key: DeviceKey) {
        let Some(mut device) = self.devices.remove(&key) else {
            return;
        };
        if let Some(conn) = device.conn.take() {
            self.close(conn, Closing::Now);
        }
        for job in device.current.into_iter().map(|c| c.job).chain(device.queue) {
            // The STOP behind it speaks for both.
            if job.kind != JobKind::BeforeStop {
                self.fail_job(key, &job, Failure::Gone);
            }
        }
    }

    /// The devices.
    pub fn devices(&self, now: Instant) -> impl Iterator<Item = (DeviceKey, DeviceView)> {
        self.devices.iter().map(move |(key, d)| (*key, d.view(now, self.wall)))
    }

    /// One of them.
    pub fn device(&self, now: Instant, key: DeviceKey) -> Option<DeviceView> {
        self.devices.get(&key).map(|d| d.view(now, self.wall))
    }

    /// Asks a device for something. The answer is [`Event::Answer`] or [`Event::Failed`], once.
    ///
    /// # Errors
    /// [`UsageError`] if there is no such device, its queue is full, or the command is one that answers with a file.
    pub fn request(
        &mut self,
        now: Instant,
        key: DeviceKey,
        message: CommandMessage,
    ) -> Result<RequestId, UsageError> {
        if message.command == CommandType::GetVideo {
            return Err(UsageError::FileCommand);
        }
        let device = self.devices.get_mut(&key).ok_or(UsageError::NoSuchDevice)?;
        if device.queue.len() >= self.config.max_queue {
            return Err(UsageError::QueueFull);
        }
        self.next_request = self.next_request.saturating_add(1);
        let id = RequestId(self.next_request);
        // QUIRK(iOS): says nothing at all to STOP when it does not record; so ask first.
        if message.command == CommandType::StopRecording && device.kind.needs_asking() {
            let ask = CommandMessage::device_status();
            device.queue.push_back(Job::new(id, ask, JobKind::BeforeStop));
        }
        device.queue.push_back(Job::new(id, message, JobKind::Plain));
        self.advance(now, key);
        Ok(id)
    }

    /// A connection that [`Event::Connect`] asked for does not stand.
    pub fn connect_failed(&mut self, now: Instant, key: DeviceKey) {
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        if device.current.as_ref().is_some_and(|c| c.phase == Phase::Connecting) {
            self.try_again(now, key, Failure::Connect);
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, service: Service) {
        let key = DeviceKey(service.0);
        let wanted = self
            .devices
            .get_mut(&key)
            .filter(|d| d.conn.is_none() && d.current.as_ref().is_some_and(|c| c.phase == Phase::Connecting));
        let Some(device) = wanted else {
            // Nobody waits for it any more.
            self.out.push_back(Output::Close { conn, how: Closing::Now });
            return;
        };
        device.connected(conn);
        self.conns.insert(conn, key);
        self.send_current(now, key);
    }

    fn received(&mut self, now: Instant, conn: ConnId, bytes: &mut bytes::BytesMut) {
        loop {
            let Some(key) = self.conns.get(&conn).copied() else {
                return bytes.clear();
            };
            let Some(device) = self.devices.get_mut(&key) else {
                return bytes.clear();
            };
            device.heard = device.heard || !bytes.is_empty();
            match device.decoder.decode(bytes) {
                Ok(None) => return,
                Ok(Some(message)) => match Reply::parse(&message.text) {
                    Ok(reply) => self.answered(now, key, reply),
                    // QUIRK(iOS): a command towards the controller; it wants no answer.
                    Err(DecodeError::BadField { field: "command" }) => {}
                    Err(error) => self.broken(now, key, Failure::BadReply(error)),
                },
                Err(error) => self.broken(now, key, Failure::BadReply(error)),
            }
        }
    }

    /// A reply to what is under way.
    fn answered(&mut self, now: Instant, key: DeviceKey, reply: Reply) {
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        let Some(current) = device.current.take() else {
            return;
        };
        device.learn(now, &current, &reply);
        let job = current.job;
        match job.kind {
            JobKind::Plain | JobKind::Start { .. } => {
                let (command, request) = (job.message.command, job.id);
                self.event(Event::Answer { device: key, request, command, reply: reply.into() });
            }
            JobKind::BeforeStop => {
                let recording = match &reply {
                    Reply::Status(status) => status.recording() || is_waiting(status),
                    // One that has lost its camera may still have a recording to end.
                    Reply::Error(error) => error.is_recording == Some(true),
                    _ => false,
                };
                if !recording && let Some(stop) = device.queue.pop_front() {
                    self.fail_job(key, &stop, Failure::NotRecording);
                }
            }
            JobKind::Probe { .. } | JobKind::Beat => {}
        }
        self.changed(key);
        self.advance(now, key);
    }

    /// The connection cannot be followed any more, and what is under way fails with it.
    fn broken(&mut self, now: Instant, key: DeviceKey, why: Failure) {
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        if let Some(conn) = device.conn.take() {
            self.close(conn, Closing::Now);
        }
        if let Some(current) = self.devices.get_mut(&key).and_then(|d| d.current.take()) {
            self.missed(key, &current.job, why);
        }
        self.advance(now, key);
    }

    /// A connection has ended by itself.
    fn lost(&mut self, now: Instant, conn: ConnId) {
        let Some(key) = self.conns.remove(&conn) else {
            return;
        };
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        device.conn = None;
        let again = device.reused && !device.heard;
        match &mut device.current {
            // It had served before and the device has closed it since: nothing was asked of it yet.
            Some(current) if again && current.phase == Phase::Waiting => {
                current.phase = Phase::Connecting;
                current.deadline = now + self.config.connect_timeout;
                self.connect(key);
            }
            Some(current) if current.phase == Phase::Waiting => self.try_again(now, key, Failure::Closed),
            _ => {}
        }
    }

    fn try_again(&mut self, now: Instant, key: DeviceKey, why: Failure) {
        let config_tries = self.config.tries;
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        let Some(mut current) = device.current.take() else {
            return;
        };
        current.job.tried = current.job.tried.saturating_add(1);
        // A heartbeat tells by its failure; it is not sent again.
        let once = matches!(current.job.kind, JobKind::Beat | JobKind::Probe { .. });
        if once || current.job.tried >= config_tries {
            self.missed(key, &current.job, why);
            self.advance(now, key);
            return;
        }
        let pause = self.config.back_off.saturating_mul(1 << current.job.tried.saturating_sub(1).min(8));
        device.pause_until = Some(now + pause);
        device.queue.push_front(current.job);
    }

    fn missed(&mut self, key: DeviceKey, job: &Job, why: Failure) {
        let misses = self.config.misses;
        if let Some(device) = self.devices.get_mut(&key) {
            device.missed(misses, why);
            // The STOP that was to follow has no answer to wait for either.
            if job.kind == JobKind::BeforeStop {
                device.queue.pop_front();
            }
        }
        self.fail_job(key, job, why);
        self.changed(key);
    }

    fn fail_job(&mut self, key: DeviceKey, job: &Job, why: Failure) {
        if !matches!(job.kind, JobKind::Probe { .. } | JobKind::Beat) {
            let command = match job.kind {
                JobKind::BeforeStop => CommandType::StopRecording,
                _ => job.message.command,
            };
            self.event(Event::Failed { device: key, request: job.id, command, why });
        }
    }

    /// Begins the next request of a device if none is under way.
    fn advance(&mut self, now: Instant, key: DeviceKey) {
        let time = self.time(now);
        loop {
            let Some(device) = self.devices.get_mut(&key) else {
                return;
            };
            if device.current.is_some() || device.pause_until.is_some_and(|t| t > now) {
                return;
            }
            device.pause_until = None;
            let Some(job) = device.queue.pop_front() else {
                // One connection for each conversation, as every original expects.
                if let Some(conn) = device.conn.take() {
                    self.close(conn, Closing::AfterFlush);
                }
                return;
            };
            match job.kind {
                // There is no more time for measuring: the start must be on its way.
                JobKind::Probe { until } if now >= until => continue,
                JobKind::Start { target } if time >= target => {
                    self.fail_job(key, &job, Failure::TooLate);
                    continue;
                }
                _ => {}
            }
            let connected = device.conn.is_some();
            device.begin(job, now + self.config.connect_timeout);
            if connected {
                self.send_current(now, key);
            } else {
                self.connect(key);
            }
            return;
        }
    }

    fn connect(&mut self, key: DeviceKey) {
        if let Some(address) = self.devices.get(&key).map(|d| d.address) {
            self.event(Event::Connect { device: key, address, service: Service(key.0) });
        }
    }

    fn send_current(&mut self, now: Instant, key: DeviceKey) {
        let time = self.time(now);
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        let Some(mut message) = device.message_to_send(now, time, self.wall) else {
            return;
        };
        message.device_id.clone_from(&self.config.controller_id);
        message.auth.clone_from(&self.config.auth);
        if matches!(message.command, CommandType::Heartbeat | CommandType::StartRecording) {
            message.time_port = self.config.time_port;
        }
        let timeout = match message.command {
            CommandType::StopRecording => self.config.stop_timeout,
            CommandType::Heartbeat => self.config.heartbeat_timeout,
            _ => self.config.command_timeout,
        };
        let Some(conn) = device.sending(now, now + timeout) else {
            return;
        };
        let told = device.start_sent(key, now, self.wall);
        let data = Bytes::from(message.to_text(Form::BOTH));
        self.out.push_back(Output::Send { to: conn, data: Payload::Bytes(data), keep: Keep::Always });
        self.out.extend(told.map(Output::Event));
    }

    fn close(&mut self, conn: ConnId, how: Closing) {
        if self.conns.remove(&conn).is_some() {
            self.out.push_back(Output::Close { conn, how });
        }
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn changed(&mut self, key: DeviceKey) {
        self.event(Event::Changed { device: key });
    }
}

/// A planned start, which STOP calls off.
fn is_waiting(status: &crate::message::StatusResponse) -> bool {
    *status.status.normalised() == crate::DeviceStatus::ScheduledRecordingAccepted
}

impl Machine for Controller {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else {
            return;
        };
        match input {
            Input::Opened(opened) => self.opened(now, conn, opened.service),
            Input::Bytes(bytes) => self.received(now, conn, bytes),
            Input::End(bytes) => {
                self.received(now, conn, bytes);
                // QUIRK(OAK): ends after a reply. What is not answered by now will not be.
                if self.conns.contains_key(&conn) {
                    self.out.push_back(Output::Close { conn, how: Closing::AfterFlush });
                    self.lost(now, conn);
                    self.continue_all(now);
                }
            }
            Input::Closed(_) => {
                self.lost(now, conn);
                self.continue_all(now);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due: alloc::vec::Vec<_> = self
            .devices
            .iter()
            .filter(|(_, d)| d.deadline().is_some_and(|t| t <= now))
            .map(|(k, _)| *k)
            .collect();
        for key in due {
            let Some(device) = self.devices.get_mut(&key) else {
                continue;
            };
            if device.current.as_ref().is_some_and(|c| c.deadline <= now) {
                let connecting = device.current.as_ref().is_some_and(|c| c.phase == Phase::Connecting);
                if connecting {
                    self.try_again(now, key, Failure::Connect);
                } else {
                    self.broken(now, key, Failure::Timeout);
                }
            }
            self.beat_if_due(now, key);
            self.advance(now, key);
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall = unix_ns.saturating_sub(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        let next = self.out.pop_front();
        if next.is_none() && self.out.capacity() > KEPT_CAPACITY {
            self.out = VecDeque::new();
        }
        next
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.devices.values().filter_map(Device::deadline).min()
    }
}

impl Controller {
    fn continue_all(&mut self, now: Instant) {
        let idle: alloc::vec::Vec<_> = self
            .devices
            .iter()
            .filter(|(_, d)| d.current.is_none() && !d.queue.is_empty())
            .map(|(k, _)| *k)
            .collect();
        for key in idle {
            self.advance(now, key);
        }
    }

    /// A heartbeat to each device, unless something else tells of it anyway.
    fn beat_if_due(&mut self, now: Instant, key: DeviceKey) {
        let every = self.config.liveness;
        let Some(device) = self.devices.get_mut(&key) else {
            return;
        };
        let Some(due) = device.next_beat.filter(|t| *t <= now) else {
            return;
        };
        device.next_beat = if every.is_zero() {
            None
        } else if due + every > now {
            Some(due + every)
        } else {
            Some(now + every)
        };
        if device.current.is_none() && device.queue.is_empty() {
            device.queue.push_back(Job::new(RequestId(0), CommandMessage::heartbeat(), JobKind::Beat));
        }
    }
}

/// Room for so many outputs is kept.
const KEPT_CAPACITY: usize = 256;
