//! What the program that runs the server can do with it.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use machine::Instant;

use super::room::{Command, Room};
use super::{Event, Server, SessionInfo, Status};
use crate::UsageError;
use crate::message::{SessionId, TimecodeKind};
use crate::session::{Label, SessionClock, SessionRate, Steered, WireLabelError};

/// A session to be made by the program.
///
/// ```
/// use smpte_timecode::server::SessionSpec;
///
/// let spec = SessionSpec::new("29.97df").with_label("01:00:00;00").with_name("Studio 1").pinned();
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionSpec<'a> {
    /// A rate as in `create_session`.
    pub framerate: &'a str,
    /// A label as in `create_session`.
    pub initial_timecode: &'a str,
    /// What lists call it.
    pub name: Option<&'a str>,
    /// Whether it stays when its last member leaves.
    pub pinned: bool,
}

impl<'a> SessionSpec<'a> {
    /// A session without name at this rate, which begins at 00:00:00:00 and ends with its last member.
    pub const fn new(framerate: &'a str) -> Self {
        Self { framerate, initial_timecode: "00:00:00:00", name: None, pinned: false }
    }

    /// With this first label.
    #[must_use]
    pub const fn with_label(self, initial_timecode: &'a str) -> Self {
        Self { initial_timecode, ..self }
    }

    /// With this name.
    #[must_use]
    pub const fn with_name(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// To stay when its last member leaves.
    #[must_use]
    pub const fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }
}

impl Server {
    /// Makes a session without members. It rests.
    ///
    /// # Errors
    ///
    /// If the rate is none of this server's, if the label is none of that rate's, or if there are too many sessions.
    pub fn create_session(&mut self, now: Instant, spec: SessionSpec<'_>) -> Result<SessionId, UsageError> {
        let rate = self.rate(spec.framerate).ok_or(UsageError::Framerate)?;
        let label = read_label(rate, spec.initial_timecode)?;
        if self.is_full(self.rooms.len()) {
            return Err(UsageError::TooManySessions { limit: self.config.max_sessions });
        }
        let id = self.add_room(now, rate, SessionClock::new(label, now), None);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.name = spec.name.map(Into::into);
            room.pinned = spec.pinned;
        }
        Ok(id)
    }

    /// Starts a session. It does not follow other timecode any more.
    ///
    /// # Errors
    ///
    /// If there is no such session, or if it runs.
    pub fn start(&mut self, now: Instant, id: SessionId) -> Result<(), UsageError> {
        self.act(now, id, Command::Start)
    }

    /// Stops a session. It does not follow other timecode any more.
    ///
    /// # Errors
    ///
    /// If there is no such session, or if it does not run.
    pub fn stop(&mut self, now: Instant, id: SessionId) -> Result<(), UsageError> {
        self.act(now, id, Command::Stop)
    }

    /// Sets the label of a session; if it runs, it goes on from there. It does not follow other timecode any more.
    ///
    /// # Errors
    ///
    /// If there is no such session, or if the label is none of its rate's.
    pub fn reset(&mut self, now: Instant, id: SessionId, label: &str) -> Result<(), UsageError> {
        let label = read_label(self.own_room(id)?.framerate, label)?;
        self.act(now, id, Command::Reset(label))
    }

    /// Ends a session. Its members are told that it has stopped, if it ran, and are in no session then.
    ///
    /// # Errors
    ///
    /// If there is no such session.
    pub fn remove(&mut self, now: Instant, id: SessionId) -> Result<(), UsageError> {
        if self.own_room(id)?.clock.is_running() {
            self.act(now, id, Command::Stop)?;
        }
        let members: Vec<_> = self.own_room(id)?.members().collect();
        for conn in members {
            if let Some(client) = self.clients.get_mut(&conn) {
                client.session = None;
                self.out.event(Event::SessionLeft { id, by: conn });
            }
        }
        self.remove_room(now, id);
        Ok(())
    }

    /// Lets a session follow timecode from elsewhere: the frame of `label` began at `at`, which may lie a little before
    /// or after `now`. To be called for each frame that was read. A session at rest starts; until the program starts,
    /// stops or resets it, its members cannot.
    ///
    /// Readings that are less than half a frame wrong are smoothed: labels neither jump nor go backwards. Differences of
    /// a frame and more are a cut in the source, of which the members are told by a `timecode_reset`.
    ///
    /// # Errors
    ///
    /// If there is no such session, or if the label is none of its rate's.
    pub fn steer(&mut self, now: Instant, id: SessionId, label: &str, at: Instant) -> Result<(), UsageError> {
        let label = read_label(self.own_room(id)?.framerate, label)?;
        self.with_room(now, id, |room, out| {
            room.following = true;
            let was_running = room.clock.is_running();
            let steered = room.clock.steer(label, at, now);
            let label = room.clock.at(now).label;
            match (was_running, steered) {
                (true, Steered::Smoothly) => room.catch_up(now, out),
                (true, Steered::Jumped) => {
                    room.announce(TimecodeKind::Reset, true, None, now, out);
                    out.event(Event::SessionReset { id, by: None, label });
                }
                (false, _) => {
                    room.announce(TimecodeKind::Started, false, None, now, out);
                    out.event(Event::SessionStarted { id, by: None, label });
                }
            }
        });
        Ok(())
    }

    /// All sessions as they are at `now`, in no promised order.
    pub fn sessions(&self, now: Instant) -> impl Iterator<Item = SessionInfo<'_>> {
        self.rooms.values().map(move |room| self.info(now, room))
    }

    /// One session as it is at `now`.
    pub fn session(&self, now: Instant, id: SessionId) -> Option<SessionInfo<'_>> {
        self.rooms.get(&id).map(|room| self.info(now, room))
    }

    /// The clock of a session as it is now: what is in force at any instant, until somebody starts, stops, resets or
    /// steers it, which [`Event`] tells. Sessions of the cluster have one here also where they have no members here; of
    /// their changes no event tells.
    pub fn clock(&self, id: SessionId) -> Option<SessionClock> {
        self.rooms.get(&id).map(|room| room.clock).or_else(|| self.clock_elsewhere(id))
    }

    /// How many there are.
    pub fn status(&self) -> Status {
        Status { connected_clients: self.clients.len(), active_sessions: self.rooms.len() }
    }

    /// Every rate that `create_session` takes, in the order of `welcome`.
    pub fn framerates(&self) -> impl Iterator<Item = SessionRate> {
        self.rates.iter().copied()
    }

    /// Sets what `get_status` tells, when the address is known.
    pub fn set_address(&mut self, host: impl Into<Cow<'static, str>>, port: u16) {
        self.config.host = host.into();
        self.config.port = port;
    }

    /// A session of this server alone.
    fn own_room(&self, id: SessionId) -> Result<&Room, UsageError> {
        let room = self.rooms.get(&id).ok_or(UsageError::NoSuchSession)?;
        if room.shared.is_some() { Err(UsageError::Shared) } else { Ok(room) }
    }

    fn act(&mut self, now: Instant, id: SessionId, command: Command<Label>) -> Result<(), UsageError> {
        self.own_room(id)?;
        let outcome = self.with_room(now, id, |room, out| {
            room.obey(now, command, None, out)?;
            room.following = false;
            Ok(())
        });
        outcome.unwrap_or(Err(UsageError::NoSuchSession))
    }

    fn info<'a>(&self, now: Instant, room: &'a Room) -> SessionInfo<'a> {
        let label = room.clock.at(now).label;
        let created_at = self.wall_offset.map(|offset| i128::from(room.created.as_nanos()) + offset);
        SessionInfo {
            id: room.id,
            framerate: room.framerate.name(),
            rate: label.rate(),
            label,
            running: room.clock.is_running(),
            following: room.following,
            pinned: room.pinned,
            shared: room.shared.is_some(),
            client_count: room.member_count(),
            created_at: created_at.and_then(|unix_ns| i64::try_from(unix_ns).ok()),
            uptime: now.saturating_since(room.created),
            name: room.name.as_deref(),
        }
    }
}

fn read_label(rate: SessionRate, text: &str) -> Result<Label, UsageError> {
    rate.label(text).map_err(|error| match error {
        WireLabelError::PartCount | WireLabelError::NotAnInteger(_) => UsageError::LabelFormat,
        WireLabelError::Label(error) => UsageError::Label(error),
    })
}

/// Nanoseconds since 1970-01-01T00:00:00Z, displayed as ISO 8601 to the microsecond, in UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp(pub(super) i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let micros = self.0.rem_euclid(1_000_000_000) / 1000;
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years that begin in March end with the leap day; days are counted from 0000-03-01.
        let day = day + 719_468;
        let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day_of_month = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        write!(
            f,
            "{:04}-{month:02}-{day_of_month:02}T{:02}:{:02}:{:02}.{micros:06}Z",
            era * 400 + year,
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.000000Z"),
            (-2_208_988_800, "1900-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp(seconds * 1_000_000_000).to_string(), text);
        }
        assert_eq!(Timestamp(1_763_716_445_123_456_789).to_string(), "2025-11-21T09:14:05.123456Z");
    }
}
