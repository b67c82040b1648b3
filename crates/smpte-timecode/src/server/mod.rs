//! The session server as a machine (sheet B).
//!
//! ```text
//! client      NoSession ── create, join ──▶ InSession ── leave, create, join, gone ──▶ …
//! session     Halted ◀── start, stop ──▶ Running        gone with its last member, unless it is pinned
//! ```
//!
//! Each connection gets `welcome` and then an answer for each line it sends; each session that runs sends its members
//! one update a frame, on a grid of absolute instants. The machine has as many deadlines as sessions and shows the
//! nearest; a wake that comes late sends one update with the label of now. What a client may cause is bounded:
//! broadcasts that a flood of commands would multiply are summed up (see [`ServerConfig::announcement_burst`]), and
//! the lists of the extensions have a budget.
//!
//! Programs create and steer sessions of their own through the methods of [`Server`], all of which take the time.

mod budget;
mod cluster;
mod commands;
mod event;
mod local;
mod outbox;
#[cfg(feature = "record")]
mod record;
mod room;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use machine::{ConnId, Input, Instant, Keep, Machine, Opened, Output, Peer};

pub use self::event::{ClusterEvent, Event, SessionInfo, Status};
pub use self::local::SessionSpec;
#[cfg(feature = "record")]
pub use self::record::ServerCalls;

use self::budget::Budget;
use self::cluster::{Cluster, Waiting};
use self::outbox::{Member, Outbox};
use self::room::Room;
use crate::DecodeError;
use crate::codec::{LineDecoder, line_text, trimmed};
use crate::config::ServerConfig;
use crate::message::{Extensions, ServerMessage, SessionId};
use crate::session::{SessionClock, SessionRate};

/// The session server. See the [module](self).
///
/// ```
/// use bytes::BytesMut;
/// use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, Transport};
/// use smpte_timecode::config::ServerConfig;
/// use smpte_timecode::server::Server;
///
/// let mut server = Server::new(ServerConfig::new([0; 32]));
/// let (now, client) = (Instant::from_nanos(0), Peer::Conn(ConnId(1)));
/// let (local, remote) = ("[::1]:8080".parse()?, "[::1]:50000".parse()?);
/// let opened = Opened { service: Service(0), local, remote, transport: Transport::Stream };
/// server.handle_input(now, client, Input::Opened(opened));
/// server.handle_input(now, client, Input::Bytes(&mut BytesMut::from("{\"type\": \"start_timecode\"}\n")));
///
/// let mut said = Vec::new();
/// while let Some(output) = server.poll_output() {
///     if let Output::Send { data, .. } = output {
///         said.push(data.as_bytes().clone());
///     }
/// }
/// assert!(said[0].starts_with(b"{\"type\": \"welcome\", "));
/// assert_eq!(said[1], "{\"type\": \"error\", \"message\": \"Not in a session\"}\n");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    rates: Vec<SessionRate>,
    welcome: Bytes,
    rng: ChaCha20Rng,
    clients: BTreeMap<ConnId, Client>,
    rooms: BTreeMap<SessionId, Room>,
    /// For each room that has a deadline: that deadline.
    deadlines: BTreeSet<(Instant, SessionId)>,
    /// Nanoseconds from the machine's epoch to 1970-01-01T00:00:00Z, negated.
    wall_offset: Option<i128>,
    cluster: Option<Cluster>,
    out: Outbox,
}

#[derive(Debug)]
struct Client {
    member: Member,
    lines: LineDecoder,
    extensions: Extensions,
    session: Option<SessionId>,
    /// For the cluster to decide, and what came meanwhile.
    waiting: Waiting,
    /// For requests whose answers are long.
    reports: Budget,
}

impl Server {
    /// A server without sessions.
    pub fn new(config: ServerConfig) -> Self {
        let rates: Vec<_> = if config.truncated_labels {
            SessionRate::original().collect()
        } else {
            SessionRate::all().collect()
        };
        let welcome = ServerMessage::Welcome {
            message: "Connected to SMPTE Timecode Server".into(),
            supported_framerates: rates.iter().map(|rate| rate.name().into()).collect(),
        };
        Self {
            welcome: welcome.to_line(),
            rates,
            rng: ChaCha20Rng::from_seed(config.rng_seed),
            clients: BTreeMap::new(),
            rooms: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            wall_offset: None,
            cluster: config.cluster.map(Cluster::new),
            out: Outbox::default(),
            // the seed is used up
            config: ServerConfig { rng_seed: [0; 32], ..config },
        }
    }

    fn opened(&mut self, conn: ConnId, opened: Opened) {
        let member = Member { conn, transport: opened.transport, framed: false };
        if self.clients.len() >= usize::try_from(self.config.max_clients).unwrap_or(usize::MAX) {
            self.out.reply(member, &ServerMessage::Error { message: "Server full".into() });
            self.out.close(conn);
            self.out.event(Event::ClientRefused { remote: opened.remote });
            return;
        }
        let client = Client {
            member,
            lines: LineDecoder::new(self.config.max_line),
            extensions: Extensions::NONE,
            session: None,
            waiting: Waiting::default(),
            reports: Budget::new(REPORT_BURST, REPORTS_PER_SECOND),
        };
        self.clients.insert(conn, client);
        self.out.send(member, self.welcome.clone(), Keep::Always);
        self.out.event(Event::ClientConnected { conn, remote: opened.remote });
    }

    /// Obeys the lines at the front of `buffer`; `end`: what is left is a line too.
    fn lines(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut, end: bool) {
        while let Some(client) = self.clients.get_mut(&conn) {
            let line = if end { client.lines.decode_end(buffer) } else { client.lines.decode(buffer) };
            match line {
                Ok(None) => return,
                Ok(Some(line)) => match line_text(&line) {
                    Ok(text) => self.message(now, conn, text),
                    Err(error) => self.refuse(now, conn, error),
                },
                Err(error) => self.refuse(now, conn, error),
            }
        }
        // a connection that is closed already
        buffer.clear();
    }

    /// A whole WebSocket message, as text if it was any.
    fn web_message(
        &mut self,
        now: Instant,
        conn: ConnId,
        bytes: usize,
        text: Result<Option<&str>, DecodeError>,
    ) {
        match text {
            _ if bytes > self.config.max_line => {
                let limit = u32::try_from(self.config.max_line).unwrap_or(u32::MAX);
                self.refuse(now, conn, DecodeError::LineTooLong { limit });
            }
            Ok(text) => self.message(now, conn, text),
            Err(error) => self.refuse(now, conn, error),
        }
    }

    /// Answers what cannot be read.
    fn refuse(&mut self, now: Instant, conn: ConnId, error: DecodeError) {
        // after a line without end there is nothing more to wait for
        if error.server_reply().is_none() || !self.hold(conn, Err(error)) {
            self.refuse_held(now, conn, error);
        }
    }

    fn refuse_held(&mut self, now: Instant, conn: ConnId, error: DecodeError) {
        match error.server_reply() {
            Some(message) => self.error(conn, message),
            None => self.hang_up(now, conn),
        }
    }

    fn error(&mut self, conn: ConnId, message: &str) {
        if let Some(client) = self.clients.get(&conn) {
            self.out.reply(client.member, &ServerMessage::Error { message: message.into() });
        }
    }

    /// Ends a connection from our side.
    fn hang_up(&mut self, now: Instant, conn: ConnId) {
        if self.gone(now, conn) {
            self.out.close(conn);
        }
    }

    /// Forgets a client, to which nothing is said any more; `false` if it is not known.
    fn gone(&mut self, now: Instant, conn: ConnId) -> bool {
        self.leave(now, conn);
        let known = self.clients.remove(&conn).is_some();
        if known {
            self.out.event(Event::ClientDisconnected { conn });
        }
        known
    }

    /// Ends a membership, and the session if it was the last.
    fn leave(&mut self, now: Instant, conn: ConnId) {
        let Some(id) = self.clients.get_mut(&conn).and_then(|client| client.session.take()) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.leave(conn);
        let empty = room.member_count() == 0 && !room.pinned;
        if room.shared.is_some() {
            self.left_shared(now, id);
        }
        self.out.event(Event::SessionLeft { id, by: conn });
        if empty {
            self.remove_room(now, id);
        } else {
            self.with_room(now, id, |_, _| ());
        }
    }

    fn add_room(
        &mut self,
        now: Instant,
        framerate: SessionRate,
        clock: SessionClock,
        by: Option<ConnId>,
    ) -> SessionId {
        let mut bits = [0; 16];
        self.rng.fill_bytes(&mut bits);
        let id = SessionId::from_random(bits);
        let announcements = Budget::new(self.config.announcement_burst, self.config.announcements_per_second);
        self.rooms.insert(id, Room::new(id, framerate, clock, now, announcements));
        self.out.event(Event::SessionCreated { id, by, label: clock.at(now).label });
        id
    }

    fn remove_room(&mut self, now: Instant, id: SessionId) {
        let Some(room) = self.rooms.remove(&id) else { return };
        if let Some(deadline) = room.scheduled {
            self.deadlines.remove(&(deadline, id));
        }
        let uptime = now.saturating_since(room.created);
        self.out.event(Event::SessionRemoved { id, label: room.clock.at(now).label, uptime });
    }

    /// Lets `act` do something with a room that has said all that is due by `now`, and notes its new deadline.
    fn with_room<T>(
        &mut self,
        now: Instant,
        id: SessionId,
        act: impl FnOnce(&mut Room, &mut Outbox) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(&id)?;
        room.catch_up(now, &mut self.out);
        let result = act(room, &mut self.out);
        self.reschedule(now, id);
        Some(result)
    }

    /// Notes the deadline of a room.
    fn reschedule(&mut self, now: Instant, id: SessionId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let deadline = room.deadline(now);
        if room.scheduled != deadline {
            if let Some(old) = room.scheduled {
                self.deadlines.remove(&(old, id));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, id));
            }
            room.scheduled = deadline;
        }
    }

    fn rate(&self, name: &str) -> Option<SessionRate> {
        self.rates.iter().copied().find(|rate| rate.name() == name)
    }

    fn is_full(&self, rooms: usize) -> bool {
        rooms >= usize::try_from(self.config.max_sessions).unwrap_or(usize::MAX)
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Opened(opened) => self.opened(conn, opened),
            Input::Bytes(buffer) => self.lines(now, conn, buffer, false),
            Input::End(buffer) => {
                self.lines(now, conn, buffer, true);
                if !self.ends_later(conn) {
                    self.hang_up(now, conn);
                }
            }
            Input::Text(text) => self.web_message(now, conn, text.len(), Ok(trimmed(text))),
            Input::Binary(bytes) => self.web_message(now, conn, bytes.len(), line_text(bytes)),
            Input::Closed(_) => {
                self.gone(now, conn);
            }
            // nothing of this kind was asked for
            Input::Datagram { .. } | Input::DatagramSent { .. } | Input::FileSent(_) | Input::Dropped(_) => {}
        }
        self.run_cluster(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        // at the very end of time no deadline can be later than now, and the next would be due again and again
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).count();
        for _ in 0..due {
            let Some(&(_, id)) = self.deadlines.first() else { break };
            // the room says what is due and its deadline moves on
            self.with_room(now, id, |_, _| ());
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.node.handle_timeout(now);
            self.run_cluster(now);
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall_offset = Some(i128::from(unix_ns) - i128::from(now.as_nanos()));
        if let Some(cluster) = &mut self.cluster {
            cluster.node.wall_clock(now, unix_ns);
            self.run_cluster(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let cluster = self.cluster.as_ref().and_then(|cluster| cluster.node.poll_timeout());
        let tick = self.deadlines.first().map(|&(deadline, _)| deadline);
        [tick, cluster].into_iter().flatten().min()
    }
}

/// Lists and statuses that a client gets at once, and in the long run: they are as long as there are sessions.
const REPORT_BURST: u32 = 50;
const REPORTS_PER_SECOND: u32 = 20;
