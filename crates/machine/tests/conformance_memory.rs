//! The memory checks, with a counting allocator. One test, as nothing else may allocate meanwhile.
#![cfg(all(feature = "sim", feature = "conformance"))]

use core::time::Duration;
use std::alloc::System;
use std::collections::BTreeMap;

use bytes::Bytes;
use cap::Cap;
use machine::conformance::{Bounds, Property, Step, Suite, Violation};
use machine::toy::{self, ECHO, MAX_LINE, SHOUTING, Toy};
use machine::{ConnId, Input, Instant, Machine, Output, Peer, SocketId, UdpPeer};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// How a toy does not give memory back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Keeps everything short.
    Lines,
    /// Keeps what comes in a buffer of its own until there is a line end.
    Unread,
    /// Remembers every connection.
    Conns,
    /// Remembers every address that a datagram came from.
    Remotes,
    /// Makes room for as much as a line says.
    Promises,
}

struct Hoarder {
    toy: Toy,
    fault: Fault,
    lines: Vec<Bytes>,
    unread: BTreeMap<ConnId, Vec<u8>>,
    conns: Vec<ConnId>,
    remotes: BTreeMap<UdpPeer, [u64; 16]>,
    room: Vec<u8>,
}

fn hoarder(fault: Fault) -> impl Fn() -> Hoarder {
    move || Hoarder {
        toy: Toy::new(Duration::from_millis(40)),
        fault,
        lines: Vec::new(),
        unread: BTreeMap::new(),
        conns: Vec::new(),
        remotes: BTreeMap::new(),
        room: Vec::new(),
    }
}

impl Machine for Hoarder {
    type Event = toy::Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match (self.fault, from, &input) {
            (Fault::Lines, _, Input::Bytes(buf)) if buf.len() < 100 => {
                self.lines.push(Bytes::copy_from_slice(buf))
            }
            (Fault::Conns, Peer::Conn(conn), Input::Opened(_)) => self.conns.push(conn),
            (Fault::Remotes, Peer::Udp(peer), Input::Datagram { .. }) => {
                self.remotes.insert(peer, [0; 16]);
            }
            (Fault::Promises, _, Input::Bytes(buf)) => {
                let text = String::from_utf8_lossy(buf);
                let len = text.trim().strip_prefix("file 7 ").and_then(|n| n.parse().ok());
                self.room.reserve(len.unwrap_or(0));
            }
            _ => {}
        }
        match (self.fault, from, input) {
            (Fault::Unread, Peer::Conn(conn), Input::Bytes(buf)) => {
                let all = self.unread.entry(conn).or_default();
                all.extend_from_slice(&buf.split());
                if all.contains(&b'\n') {
                    self.unread.remove(&conn);
                }
            }
            (_, _, input) => self.toy.handle_input(now, from, input),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.toy.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output<toy::Event>> {
        self.toy.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.toy.poll_timeout()
    }
}

fn check(fault: Fault) -> Result<(), Violation> {
    let remote = "198.51.100.7:4000".parse().unwrap();
    let peer = UdpPeer { socket: SocketId(0), remote, local: None };
    let suite = Suite::new(hoarder(fault)).script([
        Step::stream(1, ECHO),
        Step::stream(2, SHOUTING),
        Step::web_socket(3, ECHO),
        Step::bytes(1, "hello\nsubscribe\n"),
        Step::bytes(2, "file 7 1000000000\n"),
        Step::text(3, "subscribe"),
        Step::datagram(peer, "ping"),
        Step::datagram(peer, "burst 10 1000"),
        Step::Wait(Duration::from_millis(100)),
        Step::bytes(1, "quit\n"),
    ]);
    let bounds = Bounds {
        unread: MAX_LINE,
        output_per_input: 20_000,
        output_per_byte: 1_000,
        memory: 300_000,
        flood: 1024 * 1024,
        ..Bounds::default()
    };
    suite.bounds(bounds).check_memory(&|| HEAP.allocated())
}

#[test]
fn heap_is_bounded_and_given_back() {
    check(Fault::None).unwrap();
    for (fault, property, run) in [
        (Fault::Lines, Property::Memory, "flood of repetitions"),
        (Fault::Unread, Property::Memory, "flood of zeros"),
        (Fault::Conns, Property::Leak, "open and close"),
        (Fault::Remotes, Property::Memory, "datagrams from many peers"),
        (Fault::Promises, Property::Memory, "flood of noise"),
    ] {
        let violation = check(fault).expect_err("a hoarder passes");
        assert_eq!((violation.property, violation.run.as_str()), (property, run), "{violation}");
    }
}
