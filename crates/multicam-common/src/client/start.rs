//! One instant for many clocks (sheet §8.3).

use core::time::Duration;

use machine::Instant;

use super::Controller;
use super::device::{Device, Job, JobKind};
use super::event::{DeviceKey, Event, RequestId, UsageError};
use crate::UnixTime;
use crate::message::{CommandMessage, SchedulesOn};

impl Controller {
    /// Starts a device at `target` on our clock. Its clock is measured first, for at most a third of the lead; then a
    /// device that keeps instants on a raw clock is told the instant on that clock, any other the instant itself.
    ///
    /// # Errors
    /// [`UsageError`] if there is no such device or its queue is full.
    pub fn start_at(
        &mut self,
        now: Instant,
        key: DeviceKey,
        target: UnixTime,
    ) -> Result<RequestId, UsageError> {
        let lead = target.saturating_since(self.time(now));
        let (probes, max) = (self.config.probes, self.config.max_queue);
        self.next_request = self.next_request.saturating_add(1);
        let id = RequestId(self.next_request);
        let device = self.devices.get_mut(&key).ok_or(UsageError::NoSuchDevice)?;
        if device.queue.len() >= max {
            return Err(UsageError::QueueFull);
        }
        let until = now + lead / 3;
        if lead > Duration::ZERO {
            for _ in 0..probes {
                let probe = Job::new(RequestId(0), CommandMessage::heartbeat(), JobKind::Probe { until });
                device.queue.push_back(probe);
            }
        }
        let start = CommandMessage::start_recording(target);
        device.queue.push_back(Job::new(id, start, JobKind::Start { target }));
        self.advance(now, key);
        Ok(id)
    }
}

impl Device {
    /// The current request as it is to be said now. Notes what a start was told.
    pub(super) fn message_to_send(&self, now: Instant, time: UnixTime, wall: i64) -> Option<CommandMessage> {
        let job = &self.current.as_ref()?.job;
        let message = job.message.clone();
        let JobKind::Start { target } = job.kind else {
            // A start that the program timed itself keeps its instant.
            let at = message.timestamp.unwrap_or(time);
            return Some(message.sent_at(at));
        };
        Some(match self.on_its_clock(now, target, wall) {
            Some((at, _)) => CommandMessage { schedule: Some(SchedulesOn::Raw), ..message.sent_at(at) },
            None => message.sent_at(target),
        })
    }

    /// An instant of our clock on the device's raw clock, with the bound of its error, if the device is to be told
    /// that.
    pub(super) fn on_its_clock(&self, now: Instant, target: UnixTime, wall: i64) -> Option<(UnixTime, u64)> {
        let estimate = self.remote.estimate(now).filter(|_| self.compensated())?;
        let local = u64::try_from(target.as_nanos().saturating_sub(wall)).unwrap_or(0);
        let local = Instant::from_nanos(local);
        Some((estimate.unix(local), estimate.error(local)))
    }

    /// What a start that is being sent was told.
    pub(super) fn start_sent(&self, key: DeviceKey, now: Instant, wall: i64) -> Option<Event> {
        let JobKind::Start { target } = self.current.as_ref()?.job.kind else {
            return None;
        };
        let known = self.on_its_clock(now, target, wall);
        Some(Event::StartSent {
            device: key,
            target,
            timestamp: known.map_or(target, |(at, _)| at),
            error_ns: known.map(|(_, error)| error).or_else(|| self.clock.as_ref()?.error_ns),
        })
    }
}
