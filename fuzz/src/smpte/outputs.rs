//! What every machine of the session protocol keeps to, whatever happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;

use bytes::BytesMut;
use machine::{
    CloseReason, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Service, Transport,
};
use smpte_timecode::message::SessionId;

/// The connections of a machine, as a driver sees them.
pub(super) struct Connections {
    /// Those that stand.
    open: BTreeMap<u64, Connection>,
    /// Those that went while outputs waited: what was said before that is nobody's fault.
    gone: BTreeSet<u64>,
    /// Outputs wait.
    undrained: bool,
    opened: u64,
    /// Sent since [`begin`](Self::begin), to each.
    sent: BTreeMap<u64, usize>,
    outputs: usize,
}

struct Connection {
    transport: Transport,
    buffer: BytesMut,
}

/// Something that the machine sent.
pub(super) struct Sent {
    pub(super) line: String,
    pub(super) keep: Keep,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            gone: BTreeSet::new(),
            undrained: false,
            opened: 0,
            sent: BTreeMap::new(),
            outputs: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// All that stand.
    pub(super) fn all(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    /// Whether anything was sent to it since [`begin`](Self::begin), or it does not stand any more.
    pub(super) fn is_answered(&self, conn: u64) -> bool {
        self.sent.contains_key(&conn) || !self.open.contains_key(&conn)
    }

    /// One of those that stand.
    pub(super) fn pick(&self, number: u8) -> Option<u64> {
        self.open.keys().nth(usize::from(number) % self.open.len().max(1)).copied()
    }

    /// A new one, never used before.
    pub(super) fn open<M: Machine>(&mut self, machine: &mut M, now: Instant, transport: Transport) {
        let conn = self.opened;
        self.opened += 1;
        self.open.insert(conn, Connection { transport, buffer: BytesMut::new() });
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let opened = Opened { service: Service(0), local: address, remote: address, transport };
        machine.handle_input(now, peer(conn), Input::Opened(opened));
    }

    /// Bytes of a stream, or a message; `end`: the last.
    pub(super) fn give<M: Machine>(
        &mut self,
        machine: &mut M,
        now: Instant,
        conn: u64,
        bytes: &[u8],
        end: bool,
    ) {
        let Some(connection) = self.open.get_mut(&conn) else { return };
        match connection.transport {
            Transport::Stream => {
                connection.buffer.extend_from_slice(bytes);
                let buffer = &mut connection.buffer;
                machine.handle_input(
                    now,
                    peer(conn),
                    if end { Input::End(buffer) } else { Input::Bytes(buffer) },
                );
            }
            Transport::WebSocket => match std::str::from_utf8(bytes) {
                Ok(text) => machine.handle_input(now, peer(conn), Input::Text(text)),
                Err(_) => machine.handle_input(now, peer(conn), Input::Binary(bytes)),
            },
        }
    }

    pub(super) fn close<M: Machine>(
        &mut self,
        machine: &mut M,
        now: Instant,
        conn: u64,
        reason: CloseReason,
    ) {
        if self.open.remove(&conn).is_some() {
            if self.undrained {
                self.gone.insert(conn);
            }
            machine.handle_input(now, peer(conn), Input::Closed(reason));
        }
    }

    /// Something is about to happen to the machine.
    pub(super) fn begin(&mut self) {
        self.sent.clear();
        self.outputs = 0;
    }

    /// The outputs of what happened are not taken yet.
    pub(super) fn hold(&mut self) {
        self.undrained = true;
    }

    /// How many outputs came since then.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The most that was sent to one connection since then.
    pub(super) fn most_sent(&self) -> usize {
        self.sent.values().copied().max().unwrap_or(0)
    }

    /// Takes all that the machine says. Nothing may be for a connection that does not stand (any more), and it has to
    /// be in the form that the connection takes.
    pub(super) fn drain<M: Machine>(
        &mut self,
        machine: &mut M,
        now: Instant,
        mut sent: impl FnMut(Sent),
        mut event: impl FnMut(M::Event),
    ) where
        M::Event: Debug,
    {
        self.undrained = false;
        while let Some(output) = machine.poll_output() {
            self.outputs += 1;
            match output {
                Output::Send { to: ConnId(conn), .. } | Output::Close { conn: ConnId(conn), .. }
                    if self.gone.contains(&conn) => {}
                Output::Send { to, data, keep } => {
                    let connection =
                        self.open.get(&to.0).unwrap_or_else(|| panic!("{data:?} is sent to {to:?}"));
                    let text = std::str::from_utf8(data.as_bytes()).expect("all that is sent is text");
                    let line = match (&data, connection.transport) {
                        (Payload::Bytes(_), Transport::Stream) => {
                            text.strip_suffix('\n').expect("a line has an end")
                        }
                        (Payload::Text(_), Transport::WebSocket) => text,
                        _ => panic!("{data:?} on a {:?}", connection.transport),
                    };
                    assert!(!line.contains('\n') && !line.is_empty());
                    *self.sent.entry(to.0).or_default() += 1;
                    sent(Sent { line: line.into(), keep });
                }
                Output::Close { conn, .. } => {
                    assert!(self.open.contains_key(&conn.0), "{conn:?} is closed");
                    self.close(machine, now, conn.0, CloseReason::Local);
                }
                Output::Event(told) => event(told),
                Output::SendFile { .. } | Output::Datagram(_) => panic!("{output:?}"),
            }
        }
        self.gone.clear();
    }
}

/// The instant so many nanoseconds later; 292 years after the clock began it stands still.
pub(super) fn later(now: Instant, nanos: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(nanos).min(1 << 63))
}

/// Wakes a machine. If that was its deadline it moves on.
pub(super) fn wake<M: Machine>(machine: &mut M, now: Instant) {
    machine.handle_timeout(now);
    if let Some(next) = machine.poll_timeout() {
        assert!(next > now, "asked to be woken at {next:?}, it is {now:?}");
    }
}

/// `$1` to `$9` in a line are the sessions in the order in which they were made.
pub(super) fn with_ids(line: &[u8], sessions: &[SessionId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter().peekable();
    while let Some(&byte) = bytes.next() {
        let number = bytes.peek().and_then(|digit| digit.checked_sub(b'1'));
        match number.and_then(|number| sessions.get(usize::from(number))) {
            Some(id) if byte == b'$' => {
                out.extend(id.to_string().into_bytes());
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    out
}

fn peer(conn: u64) -> Peer {
    Peer::Conn(ConnId(conn))
}
