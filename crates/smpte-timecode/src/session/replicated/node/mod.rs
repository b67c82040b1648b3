//! One server of a cluster: what it knows of the engine's store, and what it writes there.

mod api;
mod peers;
mod sessions;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use machine::Instant;

pub use self::api::{Action, Command, Health, Heard, NodeConfig, RequestId, WriteError, WriteToken};

use self::peers::Peer;
use self::sessions::Session;
use super::entry::Key;
use super::{Change, EntryError, NodeEntry, NodeName, Refusal, SessionEntry};
use crate::UsageError;
use crate::message::SessionId;

/// One server of a cluster, without I/O. See the [module](super) for its rules.
///
/// It is told what the engine says ([`hear`](Self::hear)), what members want ([`request`](Self::request)), and the time;
/// what it says is fetched with [`poll_action`](Self::poll_action).
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    link: Link,
    /// What [`Action::Health`] told last.
    health: Health,
    /// Nanoseconds from our monotonic clock to the wall clock, as told last, and as sessions are shown by.
    wall_offset: Option<i128>,
    shown_offset: Option<i128>,
    /// When we began, by the wall clock.
    since_ns: Option<i64>,
    sessions: BTreeMap<SessionId, Session>,
    /// Sessions with something to do when the time has come.
    busy: BTreeSet<SessionId>,
    /// Sessions whose number of members here may not be what the store tells, and what it tells.
    recount: BTreeSet<SessionId>,
    told: BTreeMap<SessionId, u32>,
    peers: BTreeMap<NodeName, Peer>,
    /// Members at other nodes.
    counts: BTreeMap<(SessionId, NodeName), u32>,
    /// Deleted keys whose mark is still in the store, oldest first.
    marks: VecDeque<(Instant, String, u64)>,
    next_write: u64,
    clients: u64,
    /// The token of our first lease since the connection, and its revision when it is written.
    lease: Lease,
    /// When it is written again.
    beat_due: Instant,
    duplicate_until: Option<Instant>,
    last_probed: Option<NodeName>,
    tick_due: Option<Instant>,
    probe_due: Option<Instant>,
    /// From then on a node whose lease was never seen is dead.
    settled_at: Instant,
    settled: bool,
    /// We have known the clocks of enough other nodes.
    measured: bool,
    out: VecDeque<Action>,
}

/// The connection to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Away,
    /// The entries of the store are being read.
    Syncing,
    Synced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    Unwritten,
    Asked(WriteToken),
    Written { revision: u64 },
}

impl Node {
    /// A node without a connection.
    pub fn new(config: NodeConfig) -> Self {
        Self {
            link: Link::Away,
            health: Health::Away,
            wall_offset: None,
            shown_offset: None,
            since_ns: None,
            sessions: BTreeMap::new(),
            busy: BTreeSet::new(),
            recount: BTreeSet::new(),
            told: BTreeMap::new(),
            peers: BTreeMap::new(),
            counts: BTreeMap::new(),
            marks: VecDeque::new(),
            // so that writes of two lives of one node differ
            next_write: config.incarnation >> 16,
            clients: 0,
            lease: Lease::Unwritten,
            beat_due: Instant::default(),
            duplicate_until: None,
            last_probed: None,
            tick_due: None,
            probe_due: None,
            settled_at: Instant::default(),
            settled: false,
            measured: false,
            out: VecDeque::new(),
            config,
        }
    }

    /// The wall clock reads `unix_ns` at `now`.
    pub fn wall_clock(&mut self, now: Instant, unix_ns: i64) {
        let offset = i128::from(unix_ns) - i128::from(now.as_nanos());
        self.wall_offset = Some(offset);
        self.since_ns.get_or_insert(unix_ns);
        self.settle_clock(now);
    }

    /// The engine said something.
    pub fn hear(&mut self, now: Instant, heard: Heard) {
        // entries of others say nothing of clocks once we have measured them
        let is_news = !self.measured || !matches!(heard, Heard::Entry { .. } | Heard::Written { .. });
        match heard {
            Heard::Connected => self.connected(),
            Heard::Disconnected => self.disconnected(),
            Heard::Entry { key, revision, value } => self.entry(now, &key, revision, value),
            Heard::Synced => self.synced(now),
            Heard::Written { token, outcome } => self.written(now, token, outcome),
            Heard::Message(data) => self.message(now, &data),
        }
        if is_news {
            self.settle_clock(now);
        }
    }

    /// A member wants something done with a session. [`Action::Answer`] with the same `request` comes in any case,
    /// after the [`Action::Changed`] that it caused.
    pub fn request(&mut self, now: Instant, request: RequestId, id: SessionId, change: Change) {
        let here = self.sessions.get(&id).is_some_and(|session| session.local > 0);
        let refusal = match (self.health, &change) {
            (Health::Serving, Change::Create(_)) if self.known() >= self.config.max_sessions => {
                Some(Refusal::Full)
            }
            (Health::Serving, _) => None,
            // nothing has to be decided for that
            (Health::Away | Health::Syncing, Change::Join) if here => None,
            (Health::Away, _) => Some(Refusal::Away),
            (Health::Syncing | Health::Measuring, _) => Some(Refusal::Joining),
            (Health::ClockOff { offset_ns }, _) => Some(Refusal::ClockOff { offset_ns }),
            (Health::Duplicate, _) => Some(Refusal::Duplicate),
        };
        // a session that was made a moment ago may be on its way here
        let may_come = matches!(change, Change::Create(_) | Change::Join);
        if refusal.is_none() && !may_come && !self.knows(id) {
            let result = Err(UsageError::NoSuchSession.into());
            return self.out.push_back(Action::Answer { request, id, result });
        }
        match refusal {
            Some(refusal) => self.out.push_back(Action::Answer { request, id, result: Err(refusal) }),
            None => self.queue(now, id, request, change),
        }
    }

    /// A member of a session is one no more.
    pub fn left(&mut self, now: Instant, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.local = session.local.saturating_sub(1);
            self.recount.insert(id);
            self.pump(now, id);
        }
    }

    /// How many clients there are here, members or not.
    pub fn set_clients(&mut self, clients: usize) {
        self.clients = u64::try_from(clients).unwrap_or(u64::MAX);
    }

    /// Its name.
    pub fn name(&self) -> NodeName {
        self.config.name
    }

    /// How the node is.
    pub fn health(&self) -> Health {
        self.health
    }

    /// What sessions are shown by: nanoseconds from our monotonic clock to the wall clock. It is the wall clock as
    /// told, unless that has been found wrong.
    pub fn shown_offset(&self) -> Option<i128> {
        self.shown_offset
    }

    /// The sessions of the cluster, by id.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &SessionEntry)> {
        self.sessions.iter().filter_map(|(id, session)| Some((*id, &session.known.as_ref()?.entry)))
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Option<&SessionEntry> {
        Some(&self.sessions.get(&id)?.known.as_ref()?.entry)
    }

    /// The revision of a session's entry.
    pub fn revision(&self, id: SessionId) -> Option<u64> {
        Some(self.sessions.get(&id)?.known.as_ref()?.revision)
    }

    /// Members of a session at all nodes, as far as they have told.
    pub fn members(&self, id: SessionId) -> u64 {
        let local = self.sessions.get(&id).map_or(0, |session| session.local);
        let first = "-".parse().map_or((id, self.config.name), |least: NodeName| (id, least));
        let others = self.counts.range(first..).take_while(|((of, _), _)| *of == id);
        let others = others.filter(|((_, node), _)| self.peers.contains_key(node));
        others.fold(u64::from(local), |sum, (_, count)| sum.saturating_add(u64::from(*count)))
    }

    /// Clients of all nodes, as far as they have told.
    pub fn clients(&self) -> u64 {
        self.peers.values().fold(self.clients, |sum, peer| sum.saturating_add(peer.entry.clients))
    }

    /// The other nodes that live.
    pub fn peers(&self) -> impl Iterator<Item = NodeName> {
        self.peers.keys().copied()
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.tick_due.is_some_and(|due| due <= now) {
            self.tick(now);
        }
        if self.probe_due.is_some_and(|due| due <= now) {
            self.probe(now);
        }
        self.settle_clock(now);
    }

    /// When something is to be done next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.tick_due, self.probe_due].into_iter().flatten().min()
    }

    /// The next thing that the node says.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    fn connected(&mut self) {
        self.link = Link::Syncing;
        for session in self.sessions.values_mut() {
            session.seen = false;
        }
        self.abandon();
        for peer in self.peers.values_mut() {
            peer.seen = false;
        }
        self.counts.clear();
        self.told.clear();
        self.marks.clear();
        self.lease = Lease::Unwritten;
    }

    fn disconnected(&mut self) {
        self.link = Link::Away;
        (self.tick_due, self.probe_due) = (None, None);
        let mut refused = VecDeque::new();
        self.abandon();
        for (id, session) in &mut self.sessions {
            refused.extend(session.queue.drain(..).map(|pending| (pending.request, *id)));
        }
        for (request, id) in refused {
            self.out.push_back(Action::Answer { request, id, result: Err(Refusal::Away) });
        }
        self.busy.clear();
        self.forget_empty();
    }

    /// All entries of the store have been told.
    fn synced(&mut self, now: Instant) {
        if self.link != Link::Syncing {
            return;
        }
        self.link = Link::Synced;
        self.settled_at = now + self.config.lease;
        self.settled = false;
        self.peers.retain(|_, peer| peer.seen);
        for peer in self.peers.values_mut() {
            peer.heard = now;
        }
        let gone: alloc::vec::Vec<_> =
            self.sessions.iter().filter(|(_, s)| !s.seen && s.known.is_some()).map(|(id, _)| *id).collect();
        for id in gone {
            self.forget_entry(id);
        }
        self.tick_due = Some(now);
        self.probe_due = Some(now);
        let all: alloc::vec::Vec<_> = self.sessions.keys().copied().collect();
        for id in all {
            if self.sessions.get(&id).is_some_and(|session| session.local > 0) {
                self.recount.insert(id);
            }
            self.pump(now, id);
        }
        self.handle_timeout(now);
    }

    fn entry(&mut self, now: Instant, key: &str, revision: u64, value: Option<Bytes>) {
        let result = match (Key::parse(key), value) {
            (None, _) => Err(EntryError::Key),
            (Some(key), None) => {
                self.deleted(now, key, revision);
                Ok(())
            }
            (Some(Key::Session(id)), Some(value)) => self.session_entry(now, id, revision, &value),
            (Some(Key::Node(name)), Some(value)) => self.node_entry(now, name, revision, &value),
            (Some(Key::Members(id, name)), Some(value)) => self.count_entry(id, name, &value),
        };
        if let Err(error) = result {
            let key = key.chars().take(80).collect();
            self.out.push_back(Action::Garbage { key, error });
        }
    }

    fn deleted(&mut self, now: Instant, key: Key, revision: u64) {
        match key {
            Key::Session(id) => self.session_deleted(now, id, revision),
            Key::Node(name) => {
                self.peers.remove(&name);
            }
            Key::Members(id, name) => {
                self.counts.remove(&(id, name));
                if name == self.config.name {
                    // by whoever took us for dead
                    self.told.remove(&id);
                    self.recount.insert(id);
                }
            }
        }
        if self.marks.len() < MAX_MARKS {
            self.marks.push_back((now, key.text(), revision));
        }
    }

    /// Every quarter of a second: leases, patience, and what could not be done before.
    fn tick(&mut self, now: Instant) {
        // If we were asleep ourselves, the others have not been silent.
        let slept = self.tick_due.is_some_and(|due| now.saturating_since(due) > Duration::from_secs(1));
        self.tick_due = Some(next_on_grid(self.settled_at, now));
        if slept {
            for peer in self.peers.values_mut() {
                peer.heard = now;
            }
        }
        self.beat(now);
        self.expire_peers(now);
        let busy: alloc::vec::Vec<_> = self.busy.iter().copied().collect();
        for id in busy {
            self.expire_requests(now, id);
            self.pump(now, id);
        }
        self.write_counts();
        self.sweep(now);
    }

    /// Has marks of deleted entries taken out of the store, so that it does not grow for ever.
    fn sweep(&mut self, now: Instant) {
        while let Some((at, ..)) = self.marks.front()
            && now.saturating_since(*at) >= MARK_AGE
        {
            let Some((_, key, revision)) = self.marks.pop_front() else { return };
            if self.is_first() {
                self.out.push_back(Action::Command(Command::Forget { key, revision }));
            }
        }
    }

    fn write(&mut self, key: Key, value: Bytes, expected: Option<u64>) -> WriteToken {
        let token = self.new_token();
        self.out.push_back(Action::Command(Command::Write { token, key: key.text(), value, expected }));
        token
    }

    fn delete(&mut self, key: Key, expected: Option<u64>) -> WriteToken {
        let token = self.new_token();
        self.out.push_back(Action::Command(Command::Delete { token, key: key.text(), expected }));
        token
    }

    fn new_token(&mut self) -> WriteToken {
        self.next_write += 1;
        WriteToken(self.next_write)
    }

    fn written(&mut self, now: Instant, token: WriteToken, outcome: Result<u64, WriteError>) {
        if self.lease == Lease::Asked(token) {
            self.lease = match outcome {
                Ok(revision) => Lease::Written { revision },
                Err(_) => Lease::Unwritten,
            };
        } else if let Some(id) = self.op_of(token) {
            self.op_done(now, id, outcome);
        }
    }

    /// Tells how the node is, if that has changed, and takes over the wall clock if nothing speaks against it.
    fn settle_clock(&mut self, now: Instant) {
        self.measured |= self.link == Link::Synced && self.is_measured(now);
        let health = self.find_health(now);
        if health == Health::Serving || self.shown_offset.is_none() {
            self.shown_offset = self.wall_offset;
        } else if let (Some(told), Some(shown)) = (self.wall_offset, self.shown_offset)
            && (told - shown).unsigned_abs() <= self.config.max_offset.as_nanos()
        {
            self.shown_offset = self.wall_offset;
        }
        // the exact offset is no news
        if core::mem::discriminant(&self.health) != core::mem::discriminant(&health) {
            self.out.push_back(Action::Health(health));
        }
        self.health = health;
    }

    fn find_health(&self, now: Instant) -> Health {
        match self.link {
            Link::Away => return Health::Away,
            Link::Syncing => return Health::Syncing,
            Link::Synced => {}
        }
        if self.duplicate_until.is_some_and(|until| now < until) {
            return Health::Duplicate;
        }
        let Some(deviation) = self.deviation(now).filter(|_| self.measured) else { return Health::Measuring };
        let limit = i128::try_from(self.config.max_offset.as_nanos()).unwrap_or(i128::MAX);
        if deviation.ahead_ns.abs() - deviation.bound_ns > limit {
            let offset_ns = i64::try_from(deviation.ahead_ns).unwrap_or(i64::MAX);
            return Health::ClockOff { offset_ns };
        }
        Health::Serving
    }

    fn lease_entry(&self) -> Option<NodeEntry> {
        let since_ns = self.since_ns?;
        Some(NodeEntry { incarnation: self.config.incarnation, since_ns, clients: self.clients })
    }

    /// The wall clock as sessions are shown by.
    fn unix_ns(&self, now: Instant) -> i64 {
        let unix = i128::from(now.as_nanos()) + self.shown_offset.unwrap_or_default();
        i64::try_from(unix).unwrap_or(i64::MAX)
    }
}

/// The first instant of a grid of ticks that is later than `now`.
fn next_on_grid(origin: Instant, now: Instant) -> Instant {
    let tick = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
    let phase = origin.as_nanos() % tick;
    let since = now.as_nanos().saturating_sub(phase) / tick;
    Instant::from_nanos(since.saturating_add(1).saturating_mul(tick).saturating_add(phase))
}

const TICK: Duration = Duration::from_millis(250);
/// A mark is kept for so long, so that nodes which read the store anew meanwhile are told of the deletion.
const MARK_AGE: Duration = Duration::from_secs(60);
const MAX_MARKS: usize = 16_384;
