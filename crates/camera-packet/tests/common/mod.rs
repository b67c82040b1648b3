//! A server held in the hand: inputs go in at a virtual time, what it says comes out sorted.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use camera_packet::config::ServerConfig;
use camera_packet::message::Message;
use camera_packet::server::{Event, Server};
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Machine, Opened, Output, Payload, Peer, Service, Transport,
};

pub(crate) const SEED: [u8; 32] = [7; 32];

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex")).collect()
}

pub(crate) fn frame(message: &Message<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out).expect("it fits");
    out.to_vec()
}

pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    /// What each connection was sent, piece by piece, with the time.
    pub(crate) sent: BTreeMap<ConnId, Vec<(Instant, Vec<u8>)>>,
    pub(crate) closed: BTreeMap<ConnId, (Instant, Closing)>,
    pub(crate) events: Vec<Event>,
    web_sockets: BTreeSet<ConnId>,
    next: u64,
}

impl Bench {
    pub(crate) fn new(config: ServerConfig) -> Self {
        let mut bench = Self {
            server: Server::new(config),
            now: Instant::from_nanos(1_000_000_000),
            sent: BTreeMap::new(),
            closed: BTreeMap::new(),
            events: Vec::new(),
            web_sockets: BTreeSet::new(),
            next: 0,
        };
        bench.server.handle_wall_clock(bench.now, 1_735_689_600_000_000_000);
        bench
    }

    pub(crate) fn standard() -> Self {
        Self::new(ServerConfig::new(SEED))
    }

    pub(crate) fn open(&mut self, service: Service) -> ConnId {
        self.open_from(service, "192.0.2.7:5555")
    }

    pub(crate) fn open_from(&mut self, service: Service, remote: &str) -> ConnId {
        self.open_as(service, remote, Transport::Stream)
    }

    pub(crate) fn open_web_socket(&mut self, service: Service) -> ConnId {
        self.open_as(service, "192.0.2.7:5555", Transport::WebSocket)
    }

    fn open_as(&mut self, service: Service, remote: &str, transport: Transport) -> ConnId {
        self.next += 1;
        let id = ConnId(self.next);
        let local: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let opened = Opened { service, local, remote: remote.parse().unwrap(), transport };
        if transport == Transport::WebSocket {
            self.web_sockets.insert(id);
        }
        self.server.handle_input(self.now, Peer::Conn(id), Input::Opened(opened));
        self.take();
        id
    }

    pub(crate) fn bytes(&mut self, id: ConnId, bytes: &[u8]) {
        let mut buf = BytesMut::new();
        buf.put_slice(bytes);
        self.server.handle_input(self.now, Peer::Conn(id), Input::Bytes(&mut buf));
        assert!(buf.is_empty(), "the machine keeps what it wants itself");
        self.take();
    }

    pub(crate) fn binary(&mut self, id: ConnId, bytes: &[u8]) {
        self.server.handle_input(self.now, Peer::Conn(id), Input::Binary(bytes));
        self.take();
    }

    pub(crate) fn end(&mut self, id: ConnId) {
        self.server.handle_input(self.now, Peer::Conn(id), Input::End(&mut BytesMut::new()));
        self.take();
    }

    pub(crate) fn gone(&mut self, id: ConnId) {
        self.server.handle_input(self.now, Peer::Conn(id), Input::Closed(CloseReason::Remote));
        self.take();
    }

    pub(crate) fn call<R>(&mut self, f: impl FnOnce(&mut Server, Instant) -> R) -> R {
        let result = f(&mut self.server, self.now);
        self.take();
        result
    }

    /// Time passes; the machine is woken when it asked for it.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            assert!(self.server.poll_timeout().is_none_or(|next| next > self.now), "deadlines move on");
            self.take();
        }
        self.now = until;
    }

    /// Time passes and nobody wakes the machine but once, at the end.
    pub(crate) fn oversleep(&mut self, span: Duration) {
        self.now = self.now + span;
        self.server.handle_timeout(self.now);
        self.take();
    }

    fn take(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, data, .. } => {
                    assert!(!self.closed.contains_key(&to), "nothing is sent after the close");
                    let message = matches!(data, Payload::Binary(_));
                    assert_eq!(message, self.web_sockets.contains(&to), "messages on WebSockets, else bytes");
                    self.sent.entry(to).or_default().push((self.now, data.as_bytes().to_vec()));
                }
                Output::Close { conn, how } => {
                    assert!(self.closed.insert(conn, (self.now, how)).is_none(), "closed once");
                }
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    /// All that the connection was sent since the last look, and whether it was closed.
    pub(crate) fn heard(&mut self, id: ConnId) -> (Vec<u8>, bool) {
        let bytes = self.sent.remove(&id).unwrap_or_default();
        (bytes.into_iter().flat_map(|(_, bytes)| bytes).collect(), self.closed.contains_key(&id))
    }
}
