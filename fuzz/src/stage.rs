//! A stage on which anything can happen to a machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use machine::{
    CloseReason, ConnId, Input as Told, Instant, Machine, Opened, Output, Peer, Service, SocketId, Stamp,
    Transport, UdpPeer,
};

use crate::input::Input;

/// What happens to a machine; each is one byte modulo their number, and what it needs after it.
pub(crate) mod op {
    /// `service, flags`: a connection, a WebSocket with 1.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), bytes`: bytes of a stream, or a message.
    pub(crate) const BYTES: u8 = 1;
    /// `connection`: the end of what the peer sends.
    pub(crate) const END: u8 = 2;
    /// `connection`: gone.
    pub(crate) const CLOSE: u8 = 3;
    /// `milliseconds (2)`: time passes, woken at each deadline.
    pub(crate) const WAIT: u8 = 4;
    /// `milliseconds (2)`: time passes, woken once at the end.
    pub(crate) const LATE: u8 = 5;
    /// `what, bytes (6)`: a local call.
    pub(crate) const CALL: u8 = 6;
    /// How many there are without sockets.
    pub(super) const COUNT: u8 = 7;
    /// `socket, port (2), length (2), bytes`: a datagram. Only with sockets.
    pub(crate) const DATAGRAM: u8 = 7;
    /// `connection`: something for it was left out. Only with sockets.
    pub(crate) const DROPPED: u8 = 8;
    /// How many there are with sockets.
    pub(super) const COUNT_WITH_SOCKETS: u8 = 9;
}

/// What a machine may do there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// Its UDP sockets. One without any says no datagrams.
    pub(crate) sockets: &'static [SocketId],
    /// Bytes of a stream that it may leave unread.
    pub(crate) unread: usize,
    /// Bytes said for each byte that it is told.
    pub(crate) sent_per_byte: usize,
    /// And besides that on one occasion.
    pub(crate) sent_besides: usize,
}

/// A peer.
struct Peerage {
    transport: Transport,
    /// What was not read yet.
    buffer: BytesMut,
}

impl Stage {
    /// A machine under anything that can happen: it speaks to nobody who is not there, its deadlines move on, and what it
    /// says is bounded by what it was told. `asks`: what an event asks of the program, for a later `call`.
    pub(crate) fn run<M: Machine, A>(
        &self,
        mut machine: M,
        input: &mut Input<'_>,
        call: impl Fn(&mut M, Instant, u8, [u8; 6], &mut Vec<A>),
        asks: impl Fn(&M::Event) -> Option<A>,
    ) {
        let mut now = Instant::from_nanos(1_000_000_000);
        let mut conns: BTreeMap<ConnId, Peerage> = BTreeMap::new();
        let mut asked = Vec::new();
        let mut next = 0;
        let mut steps = 0;
        machine.handle_wall_clock(now, 1_735_689_600_000_000_000);
        while !input.is_empty() && steps < MAX_STEPS {
            steps += 1;
            let count = if self.sockets.is_empty() { op::COUNT } else { op::COUNT_WITH_SOCKETS };
            let what = input.byte() % count;
            let mut told = 0;
            let pick = |number: u8, conns: &BTreeMap<ConnId, Peerage>| {
                conns.keys().nth(usize::from(number) % conns.len().max(1)).copied()
            };
            match what {
                op::OPEN => {
                    let (service, flags) = (Service(u16::from(input.byte() % 4)), input.byte());
                    let transport = if flags & 1 == 0 { Transport::Stream } else { Transport::WebSocket };
                    let local = SocketAddr::from(([127, 0, 0, 1], 5000));
                    let remote = SocketAddr::from(([127, 0, 0, flags >> 6], 40_000));
                    next += 1;
                    conns.insert(ConnId(next), Peerage { transport, buffer: BytesMut::new() });
                    let opened = Opened { service, local, remote, transport };
                    machine.handle_input(now, Peer::Conn(ConnId(next)), Told::Opened(opened));
                }
                op::BYTES => {
                    let (number, length) = (input.byte(), input.u16());
                    let bytes = input.take(usize::from(length));
                    told = bytes.len();
                    let Some(conn) = pick(number, &conns) else { continue };
                    let Some(peer) = conns.get_mut(&conn) else { continue };
                    if peer.transport == Transport::WebSocket {
                        machine.handle_input(now, Peer::Conn(conn), Told::Binary(bytes));
                    } else {
                        told += peer.buffer.len();
                        peer.buffer.extend_from_slice(bytes);
                        machine.handle_input(now, Peer::Conn(conn), Told::Bytes(&mut peer.buffer));
                        assert!(peer.buffer.len() <= self.unread, "it keeps what it needs itself");
                    }
                }
                op::END => {
                    let Some(conn) = pick(input.byte(), &conns) else { continue };
                    let Some(peer) = conns.get_mut(&conn) else { continue };
                    if peer.transport == Transport::Stream {
                        told += peer.buffer.len();
                        machine.handle_input(now, Peer::Conn(conn), Told::End(&mut peer.buffer));
                    }
                }
                op::CLOSE => {
                    let Some(conn) = pick(input.byte(), &conns) else { continue };
                    conns.remove(&conn);
                    machine.handle_input(now, Peer::Conn(conn), Told::Closed(CloseReason::Remote));
                }
                op::WAIT => {
                    let until = now + Duration::from_millis(input.u16().into());
                    for _ in 0..MAX_WAKES {
                        let Some(at) = machine.poll_timeout().filter(|at| *at <= until) else { break };
                        now = now.max(at);
                        wake(&mut machine, now);
                        self.outputs(&mut machine, &mut conns, &mut asked, &asks, 0);
                    }
                    now = until;
                }
                op::LATE => {
                    now = now + Duration::from_millis(input.u16().into());
                    wake(&mut machine, now);
                }
                op::CALL => {
                    let what = input.byte();
                    call(&mut machine, now, what, input.array(), &mut asked);
                }
                op::DATAGRAM => {
                    let socket = input.pick(self.sockets);
                    let remote = SocketAddr::from(([127, 0, 0, 0], input.u16()));
                    let length = usize::from(input.u16());
                    let data = input.take(length);
                    told = data.len();
                    let received = Stamp::clock(now);
                    let peer = Peer::Udp(UdpPeer { socket, remote, local: None });
                    machine.handle_input(now, peer, Told::Datagram { data, received });
                }
                _ => {
                    let Some(conn) = pick(input.byte(), &conns) else { continue };
                    machine.handle_input(now, Peer::Conn(conn), Told::Dropped(1));
                }
            }
            self.outputs(&mut machine, &mut conns, &mut asked, &asks, told);
        }
    }

    fn outputs<M: Machine, A>(
        &self,
        machine: &mut M,
        conns: &mut BTreeMap<ConnId, Peerage>,
        asked: &mut Vec<A>,
        asks: &impl Fn(&M::Event) -> Option<A>,
        told: usize,
    ) {
        let (mut sent, mut closed) = (0, Vec::new());
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, .. } => {
                    assert!(conns.contains_key(&to) && !closed.contains(&to), "{to:?} is not there");
                    sent += data.as_bytes().len();
                }
                Output::Close { conn, .. } => {
                    assert!(conns.contains_key(&conn) && !closed.contains(&conn), "{conn:?} is not there");
                    closed.push(conn);
                }
                Output::Event(event) => asked.extend(asks(&event)),
                Output::Datagram(datagram) => {
                    assert!(self.sockets.contains(&datagram.to.socket), "a socket that is not there");
                    sent += datagram.data.len();
                }
                Output::SendFile { .. } => panic!("no files"),
            }
        }
        for conn in closed {
            conns.remove(&conn);
            machine.handle_input(Instant::default(), Peer::Conn(conn), Told::Closed(CloseReason::Local));
            while machine.poll_output().is_some() {}
        }
        assert!(sent <= self.sent_per_byte * told + self.sent_besides, "{sent} bytes for {told}");
    }
}

fn wake<M: Machine>(machine: &mut M, now: Instant) {
    machine.handle_timeout(now);
    assert!(machine.poll_timeout().is_none_or(|at| at > now), "deadlines move on");
}

const MAX_STEPS: usize = 300;
const MAX_WAKES: usize = 200;
