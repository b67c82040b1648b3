//! A server of a cluster between its members, its engine and its fellow nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use machine::{CloseReason, Instant, Machine, Transport};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{ClusterEvent, Event, Server};
use smpte_timecode::session::replicated::{
    Change, Command, Heard, NodeConfig, NodeEntry, NodeName, SessionEntry, SharedClock, WriteError,
    WriteToken,
};

use super::outputs::{Connections, later, wake, with_ids};
use super::server::check;
use crate::input::Input;

/// What happens to a server of a cluster; each is one byte, and what it needs after it.
pub(crate) mod op {
    /// `flags`: a connection, a WebSocket with 1.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), text`: a line, to which LF is added; `$1` is the id of the first session.
    pub(crate) const LINE: u8 = 1;
    /// `connection`: gone.
    pub(crate) const CLOSE: u8 = 2;
    /// `nanoseconds (8)`: time passes, woken at each deadline.
    pub(crate) const WAIT: u8 = 3;
    /// `nanoseconds (8)`: time passes, woken at the end.
    pub(crate) const LATE: u8 = 4;
    /// `unix nanoseconds (8)`: the wall clock.
    pub(crate) const WALL: u8 = 5;
    /// A connection to the engine; what it holds is told by [`NEWS`].
    pub(crate) const CONNECT: u8 = 6;
    /// It is lost, with all that was on its way.
    pub(crate) const DISCONNECT: u8 = 7;
    /// The engine does what it was told first.
    pub(crate) const OBEY: u8 = 8;
    /// What it was told first got lost.
    pub(crate) const LOSE: u8 = 9;
    /// The engine's first answer comes.
    pub(crate) const ANSWER: u8 = 10;
    /// The first of the changes that the engine has made comes.
    pub(crate) const NEWS: u8 = 11;
    /// `what, number (8), length (2), bytes`: something that no honest engine says.
    pub(crate) const LIE: u8 = 12;
    /// `what, session`: another node makes a session, changes one, joins one, writes its lease.
    pub(crate) const OTHER: u8 = 13;
    /// How many there are.
    pub(crate) const COUNT: u8 = 14;
}

/// More operations than these are not done.
const MAX_STEPS: usize = 300;
/// A wait is woken at most so often.
const MAX_WAKES: usize = 100;
/// Connections at once.
const MAX_CLIENTS: usize = 20;
/// After so long every member has an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// After so long without anybody else all that is left has been taken away.
const SETTLED: Duration = Duration::from_secs(12);

/// `flags, operations`: a server of a cluster to whose members, engine and fellow nodes anything happens. With the flag
/// 1 it may know few sessions. In the end the engine is honest and the others are dead: everybody is answered, and when
/// the last has gone no session is left in the store.
pub fn cluster(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.drain();
        world.look();
    }
    world.end();
}

struct World {
    server: Server,
    now: Instant,
    connections: Connections,
    engine: Engine,
    /// Sessions that were ever seen in the store.
    sessions: Vec<SessionId>,
    /// Keys whose entry the server does not take for one.
    garbage: BTreeSet<String>,
}

/// An honest engine, whose messages take their time.
#[derive(Default)]
struct Engine {
    is_connected: bool,
    store: BTreeMap<String, (u64, Option<Bytes>)>,
    revision: u64,
    commands: VecDeque<Command>,
    answers: VecDeque<Heard>,
    news: VecDeque<Heard>,
}

impl World {
    fn new(flags: u8) -> Self {
        let mut node = NodeConfig::new(name("a"), 7 << 32);
        if flags & 1 != 0 {
            node = node.with_max_sessions(2);
        }
        let config = ServerConfig::new([7; 32]).with_cluster(node);
        let mut world = Self {
            server: Server::new(config),
            now: Instant::from_nanos(1_000_000_000),
            connections: Connections::new(),
            engine: Engine::default(),
            sessions: Vec::new(),
            garbage: BTreeSet::new(),
        };
        world.server.handle_wall_clock(world.now, NOON);
        world.drain();
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        self.connections.begin();
        match input.byte() % op::COUNT {
            op::OPEN => {
                let transport = if input.flag() { Transport::WebSocket } else { Transport::Stream };
                if self.connections.count() < MAX_CLIENTS {
                    self.connections.open(&mut self.server, self.now, transport);
                }
            }
            op::LINE => {
                let (connection, length) = (self.connections.pick(input.byte()), usize::from(input.u16()));
                let line = input.take(length);
                if let Some(conn) = connection {
                    self.say(conn, line);
                }
            }
            op::CLOSE => {
                if let Some(conn) = self.connections.pick(input.byte()) {
                    self.connections.close(&mut self.server, self.now, conn, CloseReason::Remote);
                }
            }
            op::WAIT => self.wait(input.u64()),
            op::LATE => {
                self.now = later(self.now, input.u64());
                wake(&mut self.server, self.now);
            }
            op::WALL => self.server.handle_wall_clock(self.now, input.i64()),
            op::CONNECT => self.connect(),
            op::DISCONNECT => self.disconnect(),
            op::OBEY => self.engine.obey(),
            op::LOSE => drop(self.engine.commands.pop_front()),
            op::ANSWER => {
                let answer = self.engine.answers.pop_front();
                self.hear(answer);
            }
            op::NEWS => {
                let news = self.engine.news.pop_front();
                self.hear(news);
            }
            op::LIE => self.lie(input),
            op::OTHER => self.other(input),
            _ => unreachable!("operations are below {}", op::COUNT),
        }
    }

    fn say(&mut self, conn: u64, line: &[u8]) {
        let mut line = with_ids(line, &self.sessions);
        line.push(b'\n');
        self.connections.give(&mut self.server, self.now, conn, &line, false);
    }

    fn hear(&mut self, heard: Option<Heard>) {
        if let Some(heard) = heard {
            self.server.hear(self.now, heard);
        }
    }

    fn connect(&mut self) {
        self.disconnect();
        self.engine.connect();
        self.hear(Some(Heard::Connected));
    }

    fn disconnect(&mut self) {
        if self.engine.is_connected {
            // what the server says from here on goes nowhere
            self.engine.disconnect();
            self.hear(Some(Heard::Disconnected));
        }
    }

    fn lie(&mut self, input: &mut Input<'_>) {
        let (what, number, length) = (input.byte(), input.u64(), usize::from(input.u16()));
        let bytes = input.take(length);
        let key = match self.sessions.get(usize::from(what >> 4)) {
            Some(id) if what & 8 != 0 => format!("s.{id}"),
            Some(id) => format!("m.{id}.b"),
            None if what & 8 != 0 => "n.b".into(),
            None => String::from_utf8_lossy(bytes).into_owned(),
        };
        let outcome = [Ok(number), Err(WriteError::Conflict), Err(WriteError::Failed)];
        let token = WriteToken((7 << 16) + number % 16);
        self.hear(Some(match what % 8 {
            0..=2 => {
                Heard::Entry { key, revision: number, value: Some(with_ids(bytes, &self.sessions).into()) }
            }
            3 => Heard::Entry { key, revision: number, value: None },
            4 => Heard::Message(Bytes::copy_from_slice(bytes)),
            5 => Heard::Synced,
            _ => Heard::Written { token, outcome: outcome[usize::from(what >> 4) % 3] },
        }));
    }

    /// What an honest node named `b` does.
    fn other(&mut self, input: &mut Input<'_>) {
        let (what, which) = (input.byte(), usize::from(input.byte()));
        let lease = NodeEntry { incarnation: 9, since_ns: NOON, clients: 3 };
        self.engine.set("n.b".into(), Some(lease.to_json()));
        let unix_ns = NOON + self.now.as_nanos() as i64 % 1_000_000_000_000;
        let known: Vec<_> = self.engine.entries().collect();
        let found = known.get(which % known.len().max(1)).cloned();
        let Some((key, mut entry)) = found.filter(|_| what % 8 != 0) else {
            let id = SessionId::from_random([which as u8; 16]);
            let framerate = self.server.framerates().nth(which % 7).expect("seven rates at least");
            let clock = SharedClock::new(framerate, framerate.midnight(), unix_ns);
            let entry = SessionEntry {
                clock,
                changes: 0,
                created_ns: unix_ns,
                nodes: vec![name("b")],
                by: name("b"),
                write: 1,
            };
            self.engine.set(format!("s.{id}"), Some(entry.to_json()));
            return;
        };
        let change = match what % 8 {
            1 | 2 => Change::Start,
            3 => Change::Stop,
            4 => Change::Reset(entry.clock.label.after(which as i64)),
            5 => return self.engine.set(key.replacen("s.", "m.", 1) + ".b", Some(Bytes::from_static(b"40"))),
            6 => return self.engine.set(key, None),
            _ => Change::Join,
        };
        if let Ok(clock) = entry.clock.changed(&change, unix_ns) {
            entry.nodes.retain(|node| *node != name("b"));
            entry.nodes.push(name("b"));
            let entry = SessionEntry { clock, changes: entry.changes + 1, by: name("b"), ..entry };
            self.engine.set(key, Some(entry.to_json()));
        }
    }

    fn wait(&mut self, nanos: u64) {
        let end = later(self.now, nanos);
        self.drain();
        for _ in 0..MAX_WAKES {
            let Some(deadline) = self.server.poll_timeout().filter(|&deadline| deadline <= end) else {
                break;
            };
            self.now = self.now.max(deadline);
            wake(&mut self.server, self.now);
            self.drain();
        }
        // beyond that it is woken late
        self.now = end;
        wake(&mut self.server, self.now);
    }

    fn drain(&mut self) {
        let (engine, garbage) = (&mut self.engine, &mut self.garbage);
        let event = |event: Event| match event {
            Event::Engine(command) if engine.is_connected => engine.commands.push_back(command),
            Event::Cluster(ClusterEvent::Garbage { key, .. }) => {
                garbage.insert(key);
            }
            _ => {}
        };
        self.connections.drain(&mut self.server, self.now, check, event);
        for (key, _) in self.engine.entries() {
            let id = key.strip_prefix("s.").and_then(SessionId::parse);
            let id = id.filter(|id| !self.sessions.contains(id) && self.sessions.len() < 9);
            self.sessions.extend(id);
        }
    }

    /// What the program can see.
    fn look(&self) {
        let status = self.server.status();
        assert!(!status.to_string().is_empty());
        let node = self.server.node().expect("it is one");
        for (id, entry) in node.sessions() {
            assert_eq!(SessionEntry::parse(&entry.to_json()).as_ref(), Ok(entry));
            assert!(node.members(id) < 1 << 33);
        }
    }

    /// The engine does all that it is told, and tells all that it does, for some time.
    fn honestly(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.drain();
            if let Some(heard) = self.engine.next() {
                self.hear(Some(heard));
            } else {
                let deadline = self.server.poll_timeout().unwrap_or(end);
                self.now = self.now.max(deadline.min(end));
                wake(&mut self.server, self.now);
            }
        }
        self.drain();
    }

    fn end(mut self) {
        self.connect();
        self.garbage.clear();
        self.honestly(PATIENCE);
        // nobody waits for an answer that does not come
        self.connections.begin();
        for conn in self.connections.all() {
            self.say(conn, b"{\"type\": \"nonsense\"}");
        }
        self.honestly(PATIENCE);
        for conn in self.connections.all() {
            assert!(self.connections.is_answered(conn), "a client is never answered");
        }
        // what the server knows is what the store holds, and what is garbage to it stays until somebody writes over it
        let node = self.server.node().expect("it is one");
        for (id, entry) in node.sessions() {
            let key = format!("s.{id}");
            let stored = self.engine.store.get(&key).and_then(|(_, value)| value.clone());
            assert!(
                stored == Some(entry.to_json()) || self.garbage.contains(&key),
                "{id}: {stored:?}, {entry:?}"
            );
        }
        while let Some(conn) = self.connections.pick(0) {
            self.drain();
            self.connections.close(&mut self.server, self.now, conn, CloseReason::Failed);
        }
        self.honestly(SETTLED);
        assert_eq!(self.server.status().connected_clients, 0);
        for (key, entry) in self.engine.entries() {
            assert!(self.garbage.contains(&key), "{key} is left: {entry:?}");
        }
    }
}

impl Engine {
    fn connect(&mut self) {
        self.is_connected = true;
        let mut all: Vec<_> = self.store.iter().collect();
        all.sort_unstable_by_key(|(_, (revision, _))| *revision);
        let entry = |(key, (revision, value)): (&String, &(u64, Option<Bytes>))| Heard::Entry {
            key: key.clone(),
            revision: *revision,
            value: value.clone(),
        };
        self.news = all.into_iter().map(entry).collect();
        self.news.push_back(Heard::Synced);
    }

    fn disconnect(&mut self) {
        self.is_connected = false;
        self.commands.clear();
        self.answers.clear();
        self.news.clear();
    }

    /// Sessions that it holds, as far as their entries are any.
    fn entries(&self) -> impl Iterator<Item = (String, SessionEntry)> {
        let sessions = self.store.iter().filter(|(key, _)| key.starts_with("s."));
        sessions
            .filter_map(|(key, (_, value))| Some((key.clone(), SessionEntry::parse(value.as_ref()?).ok()?)))
    }

    fn set(&mut self, key: String, value: Option<Bytes>) {
        self.revision += 1;
        self.store.insert(key.clone(), (self.revision, value.clone()));
        if self.is_connected {
            self.news.push_back(Heard::Entry { key, revision: self.revision, value });
        }
    }

    fn obey(&mut self) {
        let (token, key, value, expected) = match self.commands.pop_front() {
            Some(Command::Write { token, key, value, expected }) => (token, key, Some(value), expected),
            Some(Command::Delete { token, key, expected }) => (token, key, None, expected),
            Some(Command::Forget { key, revision }) => {
                if self.store.get(&key).is_some_and(|(found, value)| *found <= revision && value.is_none()) {
                    self.store.remove(&key);
                }
                return;
            }
            // the other nodes are dead
            _ => return,
        };
        let found = self.store.get(&key).filter(|(_, value)| value.is_some()).map_or(0, |(found, _)| *found);
        let outcome = if expected.is_none_or(|expected| expected == found) {
            self.set(key, value);
            Ok(self.revision)
        } else {
            Err(WriteError::Conflict)
        };
        self.answers.push_back(Heard::Written { token, outcome });
    }

    /// What is to be told next, after all that it was told is done.
    fn next(&mut self) -> Option<Heard> {
        while !self.commands.is_empty() {
            self.obey();
        }
        self.news.pop_front().or_else(|| self.answers.pop_front())
    }
}

fn name(text: &str) -> NodeName {
    text.parse().expect("a name")
}

const NOON: i64 = 1_795_262_400_000_000_000;
