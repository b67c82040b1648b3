//! Time and connections around a machine.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use machine::{
    CloseReason, ConnId, FileToken, Input as Told, Instant, Machine, Opened, Output, Peer, SendTag, Service,
    Stamp, Transport, UdpPeer,
};
use multicam_common::UnixTime;
use multicam_common::ntp::respond;
use multicam_common::server::TIME_SOCKET;

use crate::input::Input;

/// What happens to a machine; each is one byte modulo [`COUNT`](op::COUNT), and what it needs after it.
pub(crate) mod op {
    // what any stage has
    pub(crate) use crate::stage::op::{BYTES, CLOSE, END, WAIT};

    /// A connection.
    pub(crate) const OPEN: u8 = 0;
    /// `what, bytes (2)`: a local call.
    pub(crate) const CALL: u8 = 5;
    /// `length, bytes`: a datagram of the time server.
    pub(crate) const DATAGRAM: u8 = 6;
    /// The wall clock steps by so many milliseconds (2).
    pub(crate) const STEP: u8 = 7;
    /// `milliseconds (2), flags`: whoever was asked for the time answers, so far ahead; 1: it is known when the question
    /// left, 2: ten milliseconds later, 4: the question before the last one.
    pub(crate) const ANSWER: u8 = 8;
    /// `connection`: a message of a WebSocket.
    pub(crate) const TEXT: u8 = 9;
    /// All files that are on their way have been sent.
    pub(crate) const SENT: u8 = 10;
    /// `milliseconds (2)`: time passes, woken once at the end.
    pub(crate) const LATE: u8 = 11;
    /// How many there are.
    pub(super) const COUNT: u8 = 12;
}

/// Time and connections around a machine.
pub(super) struct World {
    pub(super) now: Instant,
    /// The door of the next connection.
    pub(super) service: Service,
    /// Whether files take their time.
    pub(super) slow_files: bool,
    next: u64,
    /// Who is there, and what was not read of them yet.
    open: BTreeMap<ConnId, BytesMut>,
    /// Files on their way.
    files: Vec<(ConnId, FileToken)>,
    /// The last questions about the time.
    asked: VecDeque<(UdpPeer, Option<SendTag>, Vec<u8>)>,
}

impl World {
    pub(super) fn new<M: Machine>(machine: &mut M, service: Service) -> Self {
        let now = Instant::from_nanos(BEGUN.unsigned_abs());
        machine.handle_wall_clock(now, WALL);
        let (open, asked) = (BTreeMap::new(), VecDeque::new());
        Self { now, service, slow_files: false, next: 1, open, files: Vec::new(), asked }
    }

    /// One operation; `Some`: a local call, which is not its.
    pub(super) fn step<M: Machine>(
        &mut self,
        machine: &mut M,
        input: &mut Input<'_>,
    ) -> Option<(u8, [u8; 2])> {
        match input.byte() % op::COUNT {
            op::OPEN => {
                let conn = ConnId(self.next);
                self.next += 1;
                self.open.insert(conn, BytesMut::new());
                let opened = Opened {
                    service: self.service,
                    local: SocketAddr::from(([192, 0, 2, 1], 8080)),
                    remote: SocketAddr::from(([192, 0, 2, 7], 50_000)),
                    transport: Transport::Stream,
                };
                machine.handle_input(self.now, Peer::Conn(conn), Told::Opened(opened));
            }
            op::BYTES => {
                let conn = self.conn(input);
                let length = usize::from(input.u16());
                let bytes = input.take(length);
                if let Some((conn, buffer)) = conn.and_then(|conn| Some((conn, self.open.get_mut(&conn)?))) {
                    buffer.extend_from_slice(bytes);
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Bytes(buffer));
                }
            }
            op::END => {
                let conn = self.conn(input);
                if let Some((conn, buffer)) = conn.and_then(|conn| Some((conn, self.open.get_mut(&conn)?))) {
                    machine.handle_input(self.now, Peer::Conn(conn), Told::End(buffer));
                }
            }
            op::CLOSE => {
                if let Some(conn) = self.conn(input) {
                    self.open.remove(&conn);
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Closed(CloseReason::Remote));
                }
            }
            op::WAIT => {
                let until = self.now + Duration::from_millis(input.u16().into());
                while let Some(due) = machine.poll_timeout().filter(|due| *due <= until) {
                    self.now = self.now.max(due);
                    machine.handle_timeout(self.now);
                    assert!(machine.poll_timeout().is_none_or(|next| next > self.now), "it does not move on");
                }
                self.now = until;
            }
            op::CALL => return Some((input.byte(), input.array())),
            op::DATAGRAM => {
                let length = usize::from(input.byte());
                let data = input.take(length);
                let remote = SocketAddr::from(([192, 0, 2, 9], 123));
                let peer = UdpPeer { socket: TIME_SOCKET, remote, local: None };
                let received = Stamp::clock(self.now);
                machine.handle_input(self.now, Peer::Udp(peer), Told::Datagram { data, received });
            }
            op::STEP => {
                let step = i64::from(input.u16()) * 1_000_000;
                machine.handle_wall_clock(self.now, WALL + step);
            }
            op::ANSWER => {
                let (ahead, flags) = (input.u16(), input.byte());
                self.answer(machine, ahead, flags);
            }
            op::TEXT => {
                if let Some(conn) = self.conn(input) {
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Text("{}"));
                }
            }
            op::LATE => {
                self.now = self.now + Duration::from_millis(input.u16().into());
                machine.handle_timeout(self.now);
                assert!(machine.poll_timeout().is_none_or(|next| next > self.now), "it does not move on");
            }
            _ => {
                for (conn, file) in std::mem::take(&mut self.files) {
                    if self.open.contains_key(&conn) {
                        machine.handle_input(self.now, Peer::Conn(conn), Told::FileSent(file));
                    }
                }
            }
        }
        None
    }

    /// `connection`: one of those that are there.
    fn conn(&self, input: &mut Input<'_>) -> Option<ConnId> {
        let which = usize::from(input.byte());
        self.open.keys().nth(which % self.open.len().max(1)).copied()
    }

    /// A question about the time is answered well.
    fn answer<M: Machine>(&mut self, machine: &mut M, ahead: u16, flags: u8) {
        let before = usize::from(flags & 4 != 0);
        let which = self.asked.len().checked_sub(1 + before);
        let Some((peer, tag, question)) = which.and_then(|which| self.asked.remove(which)) else { return };
        if let Some(tag) = tag.filter(|_| flags & 1 != 0) {
            let left = Stamp::clock(self.now);
            machine.handle_input(self.now, Peer::Udp(peer), Told::DatagramSent { tag, left });
        }
        if flags & 2 != 0 {
            self.now = self.now + Duration::from_millis(10);
        }
        let local = i64::try_from(self.now.as_nanos()).expect("it is early");
        let time = UnixTime::from_nanos(WALL + local - BEGUN + i64::from(ahead) * 1_000_000);
        let data = &respond(&question, time, time).expect("a question");
        let received = Stamp::clock(self.now);
        machine.handle_input(self.now, Peer::Udp(peer), Told::Datagram { data, received });
    }

    /// Does what the machine says, as a driver that is done at once.
    pub(super) fn drain<M: Machine>(&mut self, machine: &mut M, event: &mut dyn FnMut(M::Event)) {
        let mut said = 0_usize;
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, .. } => assert!(self.open.contains_key(&to), "it speaks to nobody"),
                Output::SendFile { to, file, offset, len } => {
                    assert!(self.open.contains_key(&to), "it speaks to nobody");
                    assert!(offset + len <= FILE_SIZE, "{len} bytes from {offset}");
                    if self.slow_files {
                        self.files.push((to, file));
                    } else {
                        machine.handle_input(self.now, Peer::Conn(to), Told::FileSent(file));
                    }
                }
                Output::Close { conn, .. } => {
                    assert!(self.open.remove(&conn).is_some(), "{conn:?} is not there");
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Closed(CloseReason::Local));
                }
                Output::Event(e) => event(e),
                Output::Datagram(datagram) => {
                    self.asked.push_back((datagram.to, datagram.stamp, datagram.data.to_vec()));
                    self.asked.drain(..self.asked.len().saturating_sub(8));
                }
            }
            said += 1;
            assert!(said < 10_000, "it does not stop talking");
        }
    }
}

/// All files are as long as this.
pub(super) const FILE_SIZE: u64 = 1000;
/// The local time at which a world begins.
const BEGUN: i64 = 1_000_000_000;
/// The wall clock then.
const WALL: i64 = 1_729_000_000_000_000_000;
