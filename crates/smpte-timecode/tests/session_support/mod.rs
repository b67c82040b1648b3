//! What the session tests share: a server under a virtual clock, with clients that are lists of lines.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;

use bytes::BytesMut;
use machine::{
    CloseReason, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Service, Transport,
};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::server::{Event, Server};

pub(crate) const SEED: [u8; 32] = [42; 32];
pub(crate) const START: Instant = Instant::from_nanos(1_000_000_000);

/// A server, the time, and what everyone has got since one last looked.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) got: BTreeMap<ConnId, Vec<String>>,
    pub(crate) keeps: Vec<Keep>,
    pub(crate) closed: Vec<ConnId>,
    pub(crate) events: Vec<Event>,
    transports: BTreeMap<ConnId, Transport>,
    buffers: BTreeMap<ConnId, BytesMut>,
}

impl Stage {
    pub(crate) fn new(config: ServerConfig) -> Self {
        let mut server = Server::new(config);
        server.handle_wall_clock(START, 1_795_252_445_123_456_789);
        Self {
            server,
            now: START,
            got: BTreeMap::new(),
            keeps: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            transports: BTreeMap::new(),
            buffers: BTreeMap::new(),
        }
    }

    pub(crate) fn with_defaults() -> Self {
        Self::new(ServerConfig::new(SEED))
    }

    pub(crate) fn open_as(&mut self, conn: u64, transport: Transport) -> ConnId {
        let conn = ConnId(conn);
        self.transports.insert(conn, transport);
        let opened = Opened {
            service: Service(0),
            local: "127.0.0.1:8080".parse().unwrap(),
            remote: "127.0.0.1:50000".parse().unwrap(),
            transport,
        };
        self.input(conn, Input::Opened(opened));
        conn
    }

    pub(crate) fn open(&mut self, conn: u64) -> ConnId {
        self.open_as(conn, Transport::Stream)
    }

    /// Opens a connection and takes its welcome.
    pub(crate) fn client(&mut self, conn: u64) -> ConnId {
        let conn = self.open(conn);
        let welcome = self.take(conn);
        assert!(welcome.len() == 1 && welcome[0].starts_with("{\"type\": \"welcome\""), "{welcome:?}");
        conn
    }

    pub(crate) fn input(&mut self, conn: ConnId, input: Input<'_>) {
        self.server.handle_input(self.now, Peer::Conn(conn), input);
        self.drain();
    }

    /// Sends bytes as a stream would, whole messages to a WebSocket.
    pub(crate) fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut buffer = self.buffers.remove(&conn).unwrap_or_default();
        match self.transports[&conn] {
            Transport::Stream => {
                buffer.extend_from_slice(bytes);
                self.input(conn, Input::Bytes(&mut buffer));
            }
            Transport::WebSocket => match std::str::from_utf8(bytes) {
                Ok(text) => self.input(conn, Input::Text(text.trim_end_matches('\n'))),
                Err(_) => self.input(conn, Input::Binary(bytes)),
            },
        }
        self.buffers.insert(conn, buffer);
    }

    pub(crate) fn line(&mut self, conn: ConnId, line: &str) {
        self.bytes(conn, format!("{line}\n").as_bytes());
    }

    /// Sends a line and takes the answers.
    pub(crate) fn ask(&mut self, conn: ConnId, line: &str) -> Vec<String> {
        self.line(conn, line);
        self.take(conn)
    }

    pub(crate) fn end(&mut self, conn: ConnId, tail: &[u8]) {
        let mut buffer = self.buffers.remove(&conn).unwrap_or_default();
        buffer.extend_from_slice(tail);
        match self.transports[&conn] {
            Transport::Stream => self.input(conn, Input::End(&mut buffer)),
            Transport::WebSocket => {
                if let Ok(text) = std::str::from_utf8(tail) {
                    self.input(conn, Input::Text(text));
                }
                self.input(conn, Input::Closed(CloseReason::Remote));
                self.closed.push(conn);
            }
        }
        self.buffers.insert(conn, buffer);
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.input(conn, Input::Closed(CloseReason::Remote));
    }

    /// Lets time pass without a wake.
    pub(crate) fn pass(&mut self, nanos: u64) {
        self.now = Instant::from_nanos(self.now.as_nanos() + nanos);
    }

    /// Wakes the server, as late as it is.
    pub(crate) fn wake(&mut self) {
        self.server.handle_timeout(self.now);
        assert!(
            self.server.poll_timeout().is_none_or(|next| next > self.now),
            "the deadline did not move on"
        );
        self.drain();
    }

    /// Lets time pass and then wakes the server once.
    pub(crate) fn wait(&mut self, nanos: u64) {
        self.pass(nanos);
        self.wake();
    }

    /// Lets time pass and wakes the server at each of its deadlines.
    pub(crate) fn run(&mut self, nanos: u64) {
        let end = Instant::from_nanos(self.now.as_nanos() + nanos);
        while let Some(next) = self.server.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.wake();
        }
        self.now = end;
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, data, keep } => {
                    assert!(!self.closed.contains(&to), "said something to a closed connection");
                    let is_update = data.as_bytes().starts_with(b"{\"type\": \"timecode_update\"");
                    assert_eq!(keep, if is_update { Keep::Latest } else { Keep::Always });
                    self.keeps.push(keep);
                    let line = match (&data, self.transports[&to]) {
                        (Payload::Bytes(line), Transport::Stream) => {
                            std::str::from_utf8(line).unwrap().strip_suffix('\n').expect("a line end")
                        }
                        (Payload::Text(text), Transport::WebSocket) => std::str::from_utf8(text).unwrap(),
                        _ => panic!("the wrong kind of payload"),
                    };
                    assert!(line.is_ascii() && !line.contains('\n'));
                    self.got.entry(to).or_default().push(line.to_owned());
                }
                Output::Close { conn, .. } => self.closed.push(conn),
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The lines that a client has got since the last look.
    pub(crate) fn take(&mut self, conn: ConnId) -> Vec<String> {
        self.got.remove(&conn).unwrap_or_default()
    }

    /// Makes a session through a client and tells its id.
    pub(crate) fn create(&mut self, conn: ConnId, framerate: &str, label: &str) -> String {
        let line =
            format!(r#"{{"type":"create_session","framerate":"{framerate}","initial_timecode":"{label}"}}"#);
        let reply = self.ask(conn, &line);
        string_of(reply.last().unwrap(), "session_id")
    }

    pub(crate) fn join(&mut self, conn: ConnId, id: &str) -> Vec<String> {
        self.ask(conn, &format!(r#"{{"type":"join_session","session_id":"{id}"}}"#))
    }
}

pub(crate) fn string_of(line: &str, key: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned()
}

pub(crate) fn integer_of(line: &str, key: &str) -> i64 {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value[key].as_i64().unwrap_or_else(|| panic!("no {key} in {line}"))
}

pub(crate) fn error(text: &str) -> String {
    format!(r#"{{"type": "error", "message": "{text}"}}"#)
}

pub(crate) fn timecode(kind: &str, label: &str) -> String {
    format!(r#"{{"type": "timecode_{kind}", "timecode": "{label}"}}"#)
}

pub(crate) const START_LINE: &str = r#"{"type":"start_timecode"}"#;
pub(crate) const STOP_LINE: &str = r#"{"type":"stop_timecode"}"#;
