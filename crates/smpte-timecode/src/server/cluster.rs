//! Sessions that belong to all servers of a [cluster](crate::session::replicated).
//!
//! Members notice nothing: what they ask for is handed to the [`Node`], and answered when the cluster has decided. What
//! they say meanwhile is held, so that answers come in order. A room is here for each such session that has members
//! here; it follows the clock that the node tells.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use chacha20::rand_core::Rng;
use machine::{ConnId, Instant};

use super::budget::Budget;
use super::commands::{created, joined};
use super::local::Timestamp;
use super::room::{Command, Room};
use super::{ClusterEvent, Event, Server};
use crate::DecodeError;
use crate::message::{SessionId, SessionSummary};
use crate::session::replicated::{Action, Change, Heard, Node, NodeConfig, Refusal, RequestId, SharedClock};
use crate::session::{Label, SessionClock, SessionRate};

/// The server as a node of a cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) node: Node,
    /// Who asked for what.
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    /// What rooms are shown by.
    offset: i128,
    /// Clients whose requests have been decided.
    ready: VecDeque<ConnId>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    conn: ConnId,
    enters: Enters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enters {
    AsCreator,
    AsMember,
    /// It is a member already.
    No,
}

/// What a client waits for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    request: Option<RequestId>,
    held: VecDeque<Result<String, DecodeError>>,
    held_bytes: usize,
    /// It has said all.
    ends: bool,
}

impl Cluster {
    pub(super) fn new(config: NodeConfig) -> Self {
        Self {
            node: Node::new(config),
            requests: BTreeMap::new(),
            next_request: 0,
            offset: 0,
            ready: VecDeque::new(),
        }
    }

    fn unix_ns(&self, now: Instant) -> i64 {
        i64::try_from(i128::from(now.as_nanos()) + self.offset).unwrap_or(i64::MAX)
    }
}

impl Server {
    /// The engine of the cluster said something. Without a cluster nothing happens.
    pub fn hear(&mut self, now: Instant, heard: Heard) {
        if let Some(cluster) = &mut self.cluster {
            cluster.node.hear(now, heard);
            self.run_cluster(now);
        }
    }

    /// What this server knows of its cluster, if it is part of one.
    pub fn node(&self) -> Option<&Node> {
        self.cluster.as_ref().map(|cluster| &cluster.node)
    }

    /// The clock of a session of the cluster, by its entry.
    pub(super) fn clock_elsewhere(&self, id: SessionId) -> Option<SessionClock> {
        let cluster = self.cluster.as_ref()?;
        Some(cluster.node.session(id)?.clock.on(cluster.offset))
    }

    pub(super) fn ask_to_create(&mut self, now: Instant, conn: ConnId, rate: SessionRate, label: Label) {
        let mut bits = [0; 16];
        self.rng.fill_bytes(&mut bits);
        let id = SessionId::from_random(bits);
        let Some(cluster) = &self.cluster else { return };
        let clock = SharedClock::new(rate, label, cluster.unix_ns(now));
        self.ask(now, conn, id, Change::Create(clock), Enters::AsCreator);
    }

    /// Whether joining `id` is for the cluster to decide; it is asked then.
    pub(super) fn asks_to_join(&mut self, now: Instant, conn: ConnId, id: SessionId) -> bool {
        let is_member = self.clients.get(&conn).is_some_and(|client| client.session == Some(id));
        let is_own = self.rooms.get(&id).is_some_and(|room| room.shared.is_none());
        if self.cluster.is_none() || is_member || is_own {
            return false;
        }
        self.ask(now, conn, id, Change::Join, Enters::AsMember);
        true
    }

    pub(super) fn ask_to_change(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: SessionId,
        command: Command<Label>,
    ) {
        let change = match command {
            Command::Start => Change::Start,
            Command::Stop => Change::Stop,
            Command::Reset(label) => Change::Reset(label),
        };
        self.ask(now, conn, id, change, Enters::No);
    }

    fn ask(&mut self, now: Instant, conn: ConnId, id: SessionId, change: Change, enters: Enters) {
        let (Some(cluster), Some(client)) = (&mut self.cluster, self.clients.get_mut(&conn)) else { return };
        let request = RequestId(cluster.next_request);
        cluster.next_request += 1;
        cluster.requests.insert(request, Request { conn, enters });
        client.waiting.request = Some(request);
        cluster.node.request(now, request, id, change);
    }

    /// Keeps a message, or what is wrong with it, until the one before is answered; `false` if there is none.
    pub(super) fn hold(&mut self, conn: ConnId, message: Result<&str, DecodeError>) -> bool {
        let Some(client) = self.clients.get_mut(&conn) else { return false };
        let waiting = &mut client.waiting;
        if waiting.request.is_none() && waiting.held.is_empty() {
            return false;
        }
        let bytes = message.map_or(0, str::len) + PER_MESSAGE;
        if waiting.held_bytes + bytes > self.config.max_line.saturating_add(MAX_HELD) {
            self.error(conn, &Refusal::Busy.to_string());
            return true;
        }
        waiting.held_bytes += bytes;
        waiting.held.push_back(message.map(Into::into));
        true
    }

    /// Whether a client that has said all waits for an answer; it is hung up on when it has it.
    pub(super) fn ends_later(&mut self, conn: ConnId) -> bool {
        let Some(client) = self.clients.get_mut(&conn) else { return false };
        client.waiting.ends = client.waiting.request.is_some() || !client.waiting.held.is_empty();
        client.waiting.ends
    }

    /// A member of a shared session has left.
    pub(super) fn left_shared(&mut self, now: Instant, id: SessionId) {
        if let Some(cluster) = &mut self.cluster {
            cluster.node.left(now, id);
        }
    }

    /// Does what the node says, and what clients said that waited for it.
    pub(super) fn run_cluster(&mut self, now: Instant) {
        let clients = self.clients.len();
        loop {
            let Some(cluster) = &mut self.cluster else { return };
            cluster.node.set_clients(clients);
            if let Some(offset) = cluster.node.shown_offset()
                && offset != cluster.offset
            {
                cluster.offset = offset;
                self.retime(now, offset);
            } else if let Some(action) = cluster.node.poll_action() {
                self.act_on(now, action);
            } else if let Some(conn) = cluster.ready.pop_front() {
                self.resume(now, conn);
            } else {
                return;
            }
        }
    }

    fn act_on(&mut self, now: Instant, action: Action) {
        match action {
            Action::Command(command) => self.out.event(Event::Engine(command)),
            Action::Changed { id, clock, by } => {
                let Some(cluster) = &self.cluster else { return };
                let by = by.and_then(|request| cluster.requests.get(&request)).map(|request| request.conn);
                let Some(room) = self.rooms.get_mut(&id) else { return };
                room.take_over(now, clock, clock.on(cluster.offset), by, &mut self.out);
                self.reschedule(now, id);
            }
            Action::Answer { request, id, result } => self.answer(now, request, id, result),
            Action::Health(health) => self.out.event(Event::Cluster(ClusterEvent::Health(health))),
            Action::NodeFound(name) => self.out.event(Event::Cluster(ClusterEvent::NodeFound(name))),
            Action::NodeLost(name) => self.out.event(Event::Cluster(ClusterEvent::NodeLost(name))),
            Action::Garbage { key, error } => {
                self.out.event(Event::Cluster(ClusterEvent::Garbage { key, error }));
            }
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: RequestId,
        session: SessionId,
        result: Result<SharedClock, Refusal>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(Request { conn, enters }) = cluster.requests.remove(&id) else { return };
        cluster.ready.push_back(conn);
        let client = self.clients.get_mut(&conn).filter(|client| client.waiting.request == Some(id));
        let is_here = client.map(|client| client.waiting.request = None).is_some();
        match (result, enters) {
            (Err(refusal), _) => self.error(conn, &refusal.to_string()),
            (Ok(_), Enters::No) => {}
            // gone meanwhile
            (Ok(_), _) if !is_here => self.left_shared(now, session),
            (Ok(clock), Enters::AsCreator) => {
                self.leave(now, conn);
                self.add_shared_room(now, session, clock);
                let label = clock.label;
                self.out.event(Event::SessionCreated { id: session, by: Some(conn), label });
                self.enter(now, conn, session, created);
            }
            (Ok(clock), Enters::AsMember) => {
                self.leave(now, conn);
                self.add_shared_room(now, session, clock);
                self.out.event(Event::SessionJoined { id: session, by: conn });
                self.enter(now, conn, session, joined);
            }
        }
    }

    fn add_shared_room(&mut self, now: Instant, id: SessionId, shared: SharedClock) {
        let Some(cluster) = &self.cluster else { return };
        let created_ns = cluster.node.session(id).map_or(shared.epoch_ns, |entry| entry.created_ns);
        let created = u64::try_from(i128::from(created_ns) - cluster.offset).unwrap_or_default();
        let clock = shared.on(cluster.offset);
        let announcements = Budget::new(self.config.announcement_burst, self.config.announcements_per_second);
        self.rooms.entry(id).or_insert_with(|| {
            let mut room = Room::new(id, shared.framerate, clock, now, announcements);
            (room.shared, room.created) = (Some(shared), Instant::from_nanos(created).min(now));
            room
        });
    }

    /// What a client said while it waited.
    fn resume(&mut self, now: Instant, conn: ConnId) {
        while let Some(client) = self.clients.get_mut(&conn)
            && client.waiting.request.is_none()
        {
            match client.waiting.held.pop_front() {
                Some(message) => {
                    client.waiting.held_bytes -= message.as_ref().map_or(0, String::len) + PER_MESSAGE;
                    match message {
                        Ok(text) => self.obey(now, conn, &text),
                        Err(error) => self.refuse_held(now, conn, error),
                    }
                }
                None => {
                    if client.waiting.ends {
                        self.hang_up(now, conn);
                    }
                    return;
                }
            }
        }
    }

    /// The wall clock is another: labels follow it, without a word.
    fn retime(&mut self, now: Instant, offset: i128) {
        let shared = |room: &Room| room.shared.map(|shared| (room.id, shared));
        let rooms: Vec<_> = self.rooms.values().filter_map(shared).collect();
        for (id, shared) in rooms {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.clock = shared.on(offset);
                self.reschedule(now, id);
            }
        }
    }

    /// The cluster's sessions, the oldest first.
    pub(super) fn shared_summaries(&self, now: Instant) -> Vec<SessionSummary<'_>> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let mut entries: Vec<_> = cluster.node.sessions().collect();
        entries.sort_unstable_by_key(|(id, entry)| (entry.created_ns, *id));
        let summary = |(id, entry): (SessionId, &crate::session::replicated::SessionEntry)| SessionSummary {
            session_id: id.to_string().into(),
            framerate: entry.clock.framerate.name().into(),
            timecode: entry.clock.label_at(cluster.unix_ns(now)).to_string().into(),
            running: entry.clock.running,
            client_count: cluster.node.members(id),
            created_at: Some(Timestamp(entry.created_ns).to_string().into()),
            name: None,
        };
        entries.into_iter().map(summary).collect()
    }
}

/// Bytes that a client may have said ahead, besides one line.
const MAX_HELD: usize = 65_536;
/// What a message that is held costs besides its text.
const PER_MESSAGE: usize = 32;
