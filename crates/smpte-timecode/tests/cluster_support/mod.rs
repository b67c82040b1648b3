//! What the cluster tests share: an engine and servers with members, as machines of one simulated world.
//!
//! ```text
//! server → engine   hello NAME | write TOKEN EXPECTED KEY VALUE | delete TOKEN EXPECTED KEY | forget REVISION KEY
//!                   | send TO DATA | ping                          words with tabs between them, LF at the end
//! engine → server   entry REVISION KEY VALUE | gone REVISION KEY | synced | done TOKEN REVISION | conflict TOKEN
//!                   | message DATA | pong
//! ```
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::sim::{Either, EitherEvent, Happened, NodeConfig as HostConfig, NodeId, What, World};
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Service,
    Transport,
};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::server::{Event, Server};
use smpte_timecode::session::replicated::{Command, Heard, NodeConfig, WriteError, WriteToken};

pub(crate) const ENGINE: Service = Service(7);
/// Connections of members are none of the world's.
const MEMBERS: u64 = 1 << 40;

/// A key-value store with compare-and-set and a watch for everybody.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) store: BTreeMap<String, (u64, Option<String>)>,
    pub(crate) revision: u64,
    pub(crate) writes: u64,
    conns: BTreeMap<ConnId, String>,
    out: VecDeque<Output<()>>,
}

impl Engine {
    /// Writes whatever a test wants to be there.
    pub(crate) fn put(&mut self, key: &str, value: &str) {
        self.set(key, Some(value.into()));
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.set(key, None);
    }

    /// Ends all connections, as a restart does.
    pub(crate) fn restart(&mut self) {
        for conn in std::mem::take(&mut self.conns).into_keys() {
            self.out.push_back(Output::Close { conn, how: Closing::Now });
        }
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.store.get(key)?.1.as_deref()
    }

    fn set(&mut self, key: &str, value: Option<String>) -> u64 {
        self.revision += 1;
        self.writes += 1;
        let line = entry_line(key, self.revision, value.as_deref());
        self.store.insert(key.into(), (self.revision, value));
        for conn in self.conns.keys().copied().collect::<Vec<_>>() {
            self.say(conn, line.clone());
        }
        self.revision
    }

    fn say(&mut self, to: ConnId, line: String) {
        self.out.push_back(Output::Send {
            to,
            data: Payload::Bytes((line + "\n").into()),
            keep: Keep::Always,
        });
    }

    fn change(&mut self, conn: ConnId, token: &str, expected: &str, key: &str, value: Option<String>) {
        let found =
            self.store.get(key).filter(|(_, value)| value.is_some()).map_or(0, |(revision, _)| *revision);
        if expected != "-" && expected != found.to_string() {
            return self.say(conn, format!("conflict\t{token}"));
        }
        let revision = self.set(key, value);
        self.say(conn, format!("done\t{token}\t{revision}"));
    }

    fn line(&mut self, conn: ConnId, line: &str) {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["hello", name] => {
                let mut lines: Vec<_> =
                    self.store.iter().map(|(k, (r, v))| (*r, entry_line(k, *r, v.as_deref()))).collect();
                lines.sort();
                for (_, line) in lines {
                    self.say(conn, line);
                }
                self.say(conn, "synced".into());
                self.conns.insert(conn, name.into());
            }
            ["write", token, expected, key, value] => {
                self.change(conn, token, expected, key, Some(value.into()))
            }
            ["delete", token, expected, key] => self.change(conn, token, expected, key, None),
            ["forget", revision, key] => {
                if self.store.get(key).is_some_and(|(r, _)| *r <= revision.parse().unwrap()) {
                    self.store.remove(key);
                }
            }
            ["send", to, data] => {
                let conns: Vec<_> =
                    self.conns.iter().filter(|(_, name)| *name == to).map(|(conn, _)| *conn).collect();
                for conn in conns {
                    self.say(conn, format!("message\t{data}"));
                }
            }
            ["ping"] => self.say(conn, "pong".into()),
            _ => panic!("a server said {line:?}"),
        }
    }
}

fn entry_line(key: &str, revision: u64, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("entry\t{revision}\t{key}\t{value}"),
        None => format!("gone\t{revision}\t{key}"),
    }
}

fn lines(buffer: &mut BytesMut) -> Vec<String> {
    let Some(end) = buffer.iter().rposition(|&b| b == b'\n') else { return Vec::new() };
    let text = String::from_utf8(buffer.split_to(end + 1).to_vec()).unwrap();
    text.lines().map(Into::into).collect()
}

impl Machine for Engine {
    type Event = ();

    fn handle_input(&mut self, _now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Bytes(buffer) => lines(buffer).iter().for_each(|line| self.line(conn, line)),
            Input::End(_) => {
                self.conns.remove(&conn);
                self.out.push_back(Output::Close { conn, how: Closing::Now });
            }
            Input::Closed(_) => {
                self.conns.remove(&conn);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output<()>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// What a [`Site`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It wants a connection to the engine.
    Dial,
    /// A member was told something.
    Member(u64, String),
    Event(Event),
}

/// A server of the cluster, its members, and its connection to the engine.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: Server,
    name: String,
    conn: Option<ConnId>,
    heard: Instant,
    ping_due: Option<Instant>,
    out: VecDeque<Output<Said>>,
}

impl Site {
    pub(crate) fn new(node: NodeConfig) -> Self {
        let seed = [u8::try_from(node.incarnation >> 20 & 0xff).unwrap(); 32];
        Self {
            server: Server::new(ServerConfig::new(seed).with_cluster(node)),
            name: node.name.to_string(),
            conn: None,
            heard: Instant::default(),
            ping_due: None,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn open(&mut self, now: Instant, member: u64) {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let opened =
            Opened { service: Service(0), local: address, remote: address, transport: Transport::Stream };
        self.server.handle_input(now, member_conn(member), Input::Opened(opened));
        self.drain();
    }

    pub(crate) fn say(&mut self, now: Instant, member: u64, line: &str) {
        let mut bytes = BytesMut::from(format!("{line}\n").as_str());
        self.server.handle_input(now, member_conn(member), Input::Bytes(&mut bytes));
        self.drain();
    }

    pub(crate) fn end(&mut self, now: Instant, member: u64, rest: &str) {
        self.server.handle_input(now, member_conn(member), Input::End(&mut BytesMut::from(rest)));
        self.drain();
    }

    pub(crate) fn close(&mut self, now: Instant, member: u64) {
        self.server.handle_input(now, member_conn(member), Input::Closed(CloseReason::Remote));
        self.drain();
    }

    fn hear(&mut self, now: Instant, heard: Heard) {
        self.server.hear(now, heard);
        self.drain();
    }

    fn lost(&mut self, now: Instant) {
        self.conn = None;
        self.ping_due = None;
        self.hear(now, Heard::Disconnected);
        self.out.push_back(Output::Event(Said::Dial));
    }

    fn tell_engine(&mut self, line: String) {
        let Some(to) = self.conn else { return };
        self.out.push_back(Output::Send {
            to,
            data: Payload::Bytes((line + "\n").into()),
            keep: Keep::Always,
        });
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Event(Event::Engine(command)) => self.tell_engine(command_line(command)),
                Output::Event(event) => self.out.push_back(Output::Event(Said::Event(event))),
                Output::Send { to, data, .. } => {
                    let text = String::from_utf8(data.as_bytes().to_vec()).unwrap();
                    self.out.push_back(Output::Event(Said::Member(to.0 - MEMBERS, text.trim_end().into())));
                }
                Output::Close { conn, .. } => {
                    let said = Said::Member(conn.0 - MEMBERS, "closed".into());
                    self.out.push_back(Output::Event(said));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn member_conn(member: u64) -> Peer {
    Peer::Conn(ConnId(MEMBERS + member))
}

fn command_line(command: Command) -> String {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let word = |expected: Option<u64>| expected.map_or("-".into(), |revision| revision.to_string());
    match command {
        Command::Write { token, key, value, expected } => {
            format!("write\t{}\t{}\t{key}\t{}", token.0, word(expected), text(value))
        }
        Command::Delete { token, key, expected } => format!("delete\t{}\t{}\t{key}", token.0, word(expected)),
        Command::Forget { key, revision } => format!("forget\t{revision}\t{key}"),
        Command::Send { to, data } => format!("send\t{to}\t{}", text(data)),
        other => panic!("{other:?}"),
    }
}

fn heard(line: &str) -> Option<Heard> {
    let words: Vec<&str> = line.split('\t').collect();
    let number = |word: &str| word.parse::<u64>().unwrap();
    Some(match words[..] {
        ["entry", revision, key, value] => Heard::Entry {
            key: key.into(),
            revision: number(revision),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
        },
        ["gone", revision, key] => Heard::Entry { key: key.into(), revision: number(revision), value: None },
        ["synced"] => Heard::Synced,
        ["done", token, revision] => {
            Heard::Written { token: WriteToken(number(token)), outcome: Ok(number(revision)) }
        }
        ["conflict", token] => {
            Heard::Written { token: WriteToken(number(token)), outcome: Err(WriteError::Conflict) }
        }
        ["message", data] => Heard::Message(Bytes::copy_from_slice(data.as_bytes())),
        ["pong"] => return None,
        _ => panic!("the engine said {line:?}"),
    })
}

const PING: Duration = Duration::from_secs(1);

impl Machine for Site {
    type Event = Said;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Opened(_) => {
                self.conn = Some(conn);
                self.heard = now;
                self.ping_due = Some(now + PING);
                self.hear(now, Heard::Connected);
                self.tell_engine(format!("hello\t{}", self.name));
            }
            Input::Bytes(buffer) if self.conn == Some(conn) => {
                self.heard = now;
                for line in lines(buffer) {
                    if let Some(heard) = heard(&line) {
                        self.hear(now, heard);
                    }
                }
            }
            Input::End(_) | Input::Closed(_) if self.conn == Some(conn) => {
                if matches!(input, Input::End(_)) {
                    self.out.push_back(Output::Close { conn, how: Closing::Now });
                }
                self.lost(now);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.drain();
        if self.ping_due.is_some_and(|due| due <= now) {
            self.ping_due = Some(now + PING);
            match self.conn.filter(|_| now.saturating_since(self.heard) >= PING * 3) {
                Some(conn) => {
                    self.out.push_back(Output::Close { conn, how: Closing::Now });
                    self.lost(now);
                }
                None => self.tell_engine("ping".into()),
            }
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.server.handle_wall_clock(now, unix_ns);
        self.drain();
    }

    fn poll_output(&mut self) -> Option<Output<Said>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.server.poll_timeout(), self.ping_due].into_iter().flatten().min()
    }
}

/// An engine and its servers.
pub(crate) struct Cluster {
    pub(crate) world: World<Either<Engine, Site>>,
    pub(crate) engine: NodeId,
    pub(crate) sites: Vec<NodeId>,
    address: SocketAddr,
    /// What members were told since one last looked, by server and member.
    pub(crate) told: BTreeMap<(usize, u64), Vec<(Instant, String)>>,
    pub(crate) events: Vec<(usize, Event)>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, link: machine::sim::Link) -> Self {
        let mut world = World::new(seed);
        world.set_default_link(link);
        let engine = world.add_node(Either::Left(Engine::default()), HostConfig::at([192, 0, 2, 1]));
        let address = world.listen(engine, "192.0.2.1:4222".parse().unwrap(), ENGINE, Transport::Stream);
        Self { world, engine, sites: Vec::new(), address, told: BTreeMap::new(), events: Vec::new() }
    }

    /// Servers `a`, `b`, … that are ready to serve.
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut cluster = Self::new(1, machine::sim::Link::default());
        for name in names {
            cluster.add(node(name), HostConfig::default());
        }
        cluster.run_ms(1500);
        cluster
    }

    pub(crate) fn add(&mut self, node: NodeConfig, host: HostConfig) -> usize {
        let site = self.world.add_node(Either::Right(Site::new(node)), host);
        self.sites.push(site);
        self.world.connect(site, self.address, ENGINE, Transport::Stream);
        self.sites.len() - 1
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.world.now() + span;
        let (sites, address) = (self.sites.clone(), self.address);
        let (told, events) = (&mut self.told, &mut self.events);
        self.world.run_with(until, |world, Happened { at, node, what, .. }| {
            let What::Event(EitherEvent::Right(said)) = what else { return };
            let site = sites.iter().position(|id| *id == node).unwrap();
            match said {
                Said::Dial => {
                    world.connect(node, address, ENGINE, Transport::Stream);
                }
                Said::Member(member, line) => told.entry((site, member)).or_default().push((at, line)),
                Said::Event(event) => events.push((site, event)),
            }
        });
    }

    pub(crate) fn at<R>(&mut self, site: usize, f: impl FnOnce(&mut Site, Instant) -> R) -> R {
        self.world.call(self.sites[site], |m, now| f(m.right().unwrap(), now))
    }

    pub(crate) fn engine<R>(&mut self, f: impl FnOnce(&mut Engine) -> R) -> R {
        self.world.call(self.engine, |m, _| f(m.left().unwrap()))
    }

    pub(crate) fn open(&mut self, site: usize, member: u64) {
        self.at(site, |s, now| s.open(now, member));
        self.run_ms(1);
        self.take(site, member);
    }

    pub(crate) fn say(&mut self, site: usize, member: u64, line: &str) {
        self.at(site, |s, now| s.say(now, member, line));
    }

    /// What a member was told since one last looked, updates left out.
    pub(crate) fn take(&mut self, site: usize, member: u64) -> Vec<String> {
        let told = self.told.remove(&(site, member)).unwrap_or_default();
        told.into_iter().map(|(_, line)| line).filter(|line| !line.contains("timecode_update")).collect()
    }

    /// Says a line and takes what was told until the engine had time to decide.
    pub(crate) fn ask(&mut self, site: usize, member: u64, line: &str) -> Vec<String> {
        self.say(site, member, line);
        self.run_ms(20);
        self.take(site, member)
    }

    /// A new session.
    pub(crate) fn create(&mut self, site: usize, member: u64, framerate: &str, label: &str) -> String {
        let line = format!(
            "{{\"type\": \"create_session\", \"framerate\": \"{framerate}\", \"initial_timecode\": \"{label}\"}}"
        );
        let answer = self.ask(site, member, &line);
        let id = answer[0].split("\"session_id\": \"").nth(1).unwrap_or_else(|| panic!("{answer:?}"));
        id[..36].into()
    }

    pub(crate) fn join(&mut self, site: usize, member: u64, id: &str) -> Vec<String> {
        let told = self.ask(site, member, &join(id));
        if !told.is_empty() {
            return told;
        }
        // it is waited for whether such a session comes
        self.run_ms(600);
        self.take(site, member)
    }

    /// What a server knows of a session, as the entry's JSON.
    pub(crate) fn known(&mut self, site: usize, id: &str) -> Option<String> {
        let id = smpte_timecode::message::SessionId::parse(id).unwrap();
        self.at(site, |s, _| {
            let entry = s.server.node().unwrap().session(id)?;
            Some(String::from_utf8(entry.to_json().to_vec()).unwrap())
        })
    }
}

pub(crate) fn node(name: &str) -> NodeConfig {
    let incarnation = name.bytes().fold(7, |sum, b| sum * 31 + u64::from(b));
    NodeConfig::new(name.parse().unwrap(), incarnation << 20)
}

pub(crate) fn join(id: &str) -> String {
    format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}")
}

pub(crate) fn error(message: &str) -> Vec<String> {
    vec![format!("{{\"type\": \"error\", \"message\": \"{message}\"}}")]
}

pub(crate) const START: &str = "{\"type\": \"start_timecode\"}";
pub(crate) const STOP: &str = "{\"type\": \"stop_timecode\"}";
pub(crate) const LEAVE: &str = "{\"type\": \"leave_session\"}";

pub(crate) fn reset(label: &str) -> String {
    format!("{{\"type\": \"reset_timecode\", \"timecode\": \"{label}\"}}")
}
