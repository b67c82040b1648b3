//! What clients ask for (sheet B3, B4; B7 Q3 to Q5).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Reverse;

use machine::{ConnId, Instant, Keep};

use super::local::Timestamp;
use super::room::{Command, Room};
use super::{Client, Event, Server, SessionInfo};
use crate::message::{
    ClientMessage, Extension, Extensions, ServerMessage, SessionId, SessionSummary, StatusReport, StringField,
};
use crate::session::{Label, SessionClock, SessionRate};

/// The original's words, and ours.
const UNKNOWN_COMMAND: &str = "Unknown command";
const INTERNAL_ERROR: &str = "Internal server error";
const UNSUPPORTED_RATE: &str = "Unsupported framerate";
const NO_SUCH_SESSION: &str = "Session not found";
const NOT_IN_SESSION: &str = "Not in a session";
const TOO_MANY_SESSIONS: &str = "Too many sessions";
const TOO_MANY_REQUESTS: &str = "Too many requests";
const FOLLOWING: &str = "Session follows other timecode";

/// Why a command was not obeyed: the text of the error message.
type Refusal = Cow<'static, str>;
type Outcome = Result<(), Refusal>;

impl Server {
    /// Obeys one message, now or when the cluster has decided the one before; nothing happens if there was only white
    /// space.
    pub(super) fn message(&mut self, now: Instant, conn: ConnId, text: Option<&str>) {
        let Some(text) = text else { return };
        if !self.hold(conn, Ok(text)) {
            self.obey(now, conn, text);
        }
    }

    pub(super) fn obey(&mut self, now: Instant, conn: ConnId, text: &str) {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => return self.refuse_held(now, conn, error),
        };
        let result = match message {
            ClientMessage::CreateSession { framerate, initial_timecode } => {
                self.create(now, conn, &framerate, &initial_timecode)
            }
            ClientMessage::JoinSession { session_id } => self.join(now, conn, &session_id),
            ClientMessage::LeaveSession => {
                self.leave(now, conn);
                Ok(())
            }
            ClientMessage::StartTimecode => self.command(now, conn, Command::Start),
            ClientMessage::StopTimecode => self.command(now, conn, Command::Stop),
            ClientMessage::ResetTimecode { timecode } => self.command(now, conn, Command::Reset(&timecode)),
            ClientMessage::Hello { extensions } => {
                self.hello(conn, extensions);
                Ok(())
            }
            ClientMessage::Ping { t } => self.ping(now, conn, t.as_deref()),
            ClientMessage::ListSessions => self.report(now, conn, Extension::List),
            ClientMessage::GetStatus => self.report(now, conn, Extension::Status),
        };
        if let Err(message) = result {
            self.error(conn, &message);
        }
    }

    fn create(
        &mut self,
        now: Instant,
        conn: ConnId,
        framerate: &StringField<'_>,
        label: &StringField<'_>,
    ) -> Outcome {
        let rate = match framerate {
            StringField::Text(name) => self.rate(name).ok_or(UNSUPPORTED_RATE)?,
            StringField::Absent | StringField::Scalar => return Err(UNSUPPORTED_RATE.into()),
            StringField::Compound => return Err(INTERNAL_ERROR.into()),
        };
        let label = read_label(rate, label, rate.midnight())?;
        if self.cluster.is_some() {
            self.ask_to_create(now, conn, rate, label);
            return Ok(());
        }
        if self.is_full(self.rooms.len().saturating_sub(self.rooms_freed_by(conn))) {
            return Err(TOO_MANY_SESSIONS.into());
        }
        self.leave(now, conn);
        let id = self.add_room(now, rate, SessionClock::new(label, now), Some(conn));
        self.enter(now, conn, id, created);
        Ok(())
    }

    fn join(&mut self, now: Instant, conn: ConnId, session_id: &StringField<'_>) -> Outcome {
        let id = match session_id {
            StringField::Text(text) => match SessionId::parse(text) {
                Some(id) if self.asks_to_join(now, conn, id) => return Ok(()),
                id => id.filter(|id| self.rooms.contains_key(id)),
            },
            StringField::Absent | StringField::Scalar => None,
            StringField::Compound => return Err(INTERNAL_ERROR.into()),
        };
        let id = id.ok_or(NO_SUCH_SESSION)?;
        // QUIRK(original): joining one's own session as its only member destroys it there
        if self.clients.get(&conn).and_then(|client| client.session) != Some(id) {
            self.leave(now, conn);
            self.out.event(Event::SessionJoined { id, by: conn });
        }
        self.enter(now, conn, id, joined);
        Ok(())
    }

    /// Makes a client a member, if it is none, and tells it so.
    pub(super) fn enter<'m>(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: SessionId,
        reply: impl FnOnce(&Room) -> ServerMessage<'m>,
    ) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        let member = client.member;
        let is_new = client.session.replace(id) != Some(id);
        self.with_room(now, id, |room, out| {
            if is_new {
                room.join(member);
            }
            out.reply(member, &reply(room));
        });
    }

    /// How many sessions end if this client leaves its own.
    fn rooms_freed_by(&self, conn: ConnId) -> usize {
        let session = self.clients.get(&conn).and_then(|client| client.session);
        let room = session.and_then(|id| self.rooms.get(&id));
        usize::from(room.is_some_and(|room| room.member_count() == 1 && !room.pinned))
    }

    /// Start, stop or reset by a member.
    fn command(&mut self, now: Instant, conn: ConnId, command: Command<&StringField<'_>>) -> Outcome {
        let id = self.clients.get(&conn).and_then(|client| client.session).ok_or(NOT_IN_SESSION)?;
        let outcome = self.with_room(now, id, |room, out| -> Result<_, Refusal> {
            if room.following {
                return Err(FOLLOWING.into());
            }
            let command = match command {
                Command::Reset(label) => {
                    Command::Reset(read_label(room.framerate, label, room.label().midnight())?)
                }
                Command::Start => Command::Start,
                Command::Stop => Command::Stop,
            };
            if room.shared.is_some() {
                return Ok(Some(command));
            }
            room.obey(now, command, Some(conn), out).map_err(|error| error.to_string())?;
            Ok(None)
        });
        if let Some(command) = outcome.unwrap_or_else(|| Err(NO_SUCH_SESSION.into()))? {
            self.ask_to_change(now, conn, id, command);
        }
        Ok(())
    }

    fn hello(&mut self, conn: ConnId, extensions: Extensions) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        client.extensions = extensions;
        client.member.framed = extensions.contains(Extension::Frame);
        if let Some(room) = client.session.and_then(|id| self.rooms.get_mut(&id)) {
            room.update_member(client.member);
        }
        let server = Cow::Borrowed(&*self.config.server_name);
        self.out.reply(client.member, &ServerMessage::Hello { extensions, server });
    }

    fn ping(&mut self, now: Instant, conn: ConnId, t: Option<&str>) -> Outcome {
        let client = self.granted(conn, Extension::Clock)?;
        let member = client.member;
        let t = t.ok_or(INTERNAL_ERROR)?.into();
        self.out.reply(member, &ServerMessage::Pong { t, server_ns: now.as_nanos() });
        Ok(())
    }

    fn report(&mut self, now: Instant, conn: ConnId, extension: Extension) -> Outcome {
        let client = self.granted(conn, extension)?;
        let member = client.member;
        if !client.reports.take(now) {
            return Err(TOO_MANY_REQUESTS.into());
        }
        let sessions = self.summaries(now);
        let message = match extension {
            Extension::Status => {
                let mut status = self.status();
                if let Some(cluster) = &self.cluster {
                    status.active_sessions = sessions.len();
                    status.connected_clients = usize::try_from(cluster.node.clients()).unwrap_or(usize::MAX);
                }
                ServerMessage::Status(StatusReport {
                    host: Cow::Borrowed(&self.config.host),
                    port: self.config.port,
                    active_sessions: to_u64(status.active_sessions),
                    connected_clients: to_u64(status.connected_clients),
                    sessions,
                })
            }
            _ => ServerMessage::SessionList { sessions },
        };
        let line = message.to_line();
        self.out.send(member, line, Keep::Always);
        Ok(())
    }

    /// The client, if it asked for `extension`: without that, there is no such command.
    fn granted(&mut self, conn: ConnId, extension: Extension) -> Result<&mut Client, &'static str> {
        let client = self.clients.get_mut(&conn).filter(|client| client.extensions.contains(extension));
        client.ok_or(UNKNOWN_COMMAND)
    }

    fn summaries(&self, now: Instant) -> Vec<SessionSummary<'_>> {
        let mut sessions: Vec<_> = self.sessions(now).filter(|session| !session.shared).collect();
        sessions.sort_unstable_by_key(|session| (Reverse(session.uptime), session.id));
        sessions.iter().map(summary).chain(self.shared_summaries(now)).collect()
    }
}

/// To the one who joins.
pub(super) fn joined(room: &Room) -> ServerMessage<'static> {
    ServerMessage::SessionJoined {
        session_id: room.id.to_string().into(),
        framerate: room.framerate.name().into(),
        current_timecode: room.label().to_string().into(),
        running: room.clock.is_running(),
    }
}

/// To the one who makes a session.
pub(super) fn created(room: &Room) -> ServerMessage<'static> {
    ServerMessage::SessionCreated {
        session_id: room.id.to_string().into(),
        framerate: room.framerate.name().into(),
        initial_timecode: room.label().to_string().into(),
    }
}

fn summary<'a>(session: &SessionInfo<'a>) -> SessionSummary<'a> {
    SessionSummary {
        session_id: session.id.to_string().into(),
        framerate: session.framerate.into(),
        timecode: session.label.to_string().into(),
        running: session.running,
        client_count: to_u64(session.client_count),
        created_at: session.created_at.map(|unix_ns| Timestamp(unix_ns).to_string().into()),
        name: session.name.map(Cow::Borrowed),
    }
}

/// The label that a client asks for.
fn read_label(rate: SessionRate, field: &StringField<'_>, default: Label) -> Result<Label, Refusal> {
    match field {
        StringField::Absent => Ok(default),
        StringField::Text(text) => {
            rate.label(text).map_err(|error| format!("Invalid timecode format: {error}").into())
        }
        StringField::Scalar | StringField::Compound => Err(INTERNAL_ERROR.into()),
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
