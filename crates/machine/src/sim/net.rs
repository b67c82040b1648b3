//! The world without its machines: what happens when, and to whom it matters.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::fmt;
use core::net::IpAddr;

use super::host::Host;
use super::link::LinkState;
use super::pipe::{Piece, PipeId, Side};
use super::trace::{Trace, TraceLine};
use super::udp::Flying;
use super::{Link, NodeId, Rng, Stats};
use crate::{CloseReason, ConnId, FileToken, Instant, Opened, Peer, SendTag, Stamp, UdpPeer};

/// All nodes without their machines, and what lies between them.
#[derive(Debug)]
pub(super) struct Net {
    /// The world's time.
    pub(super) now: u64,
    seed: u64,
    next_seq: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    pub(super) hosts: Vec<Host>,
    pub(super) owners: BTreeMap<IpAddr, NodeId>,
    pub(super) pipes: BTreeMap<PipeId, super::pipe::Pipe>,
    pub(super) next_pipe: u64,
    pub(super) default_link: Link,
    links: BTreeMap<(NodeId, NodeId), LinkState>,
    /// Ends to which something was sent, to be looked at when the machine has said all.
    pub(super) touched: Vec<(PipeId, Side)>,
    pub(super) notices: Vec<(NodeId, Notice)>,
    pub(super) stats: Stats,
    pub(super) trace: Trace,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    seq: u64,
    what: Happening,
}

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Happening {
    /// A node is asked for a connection.
    Syn(PipeId),
    /// It takes it.
    SynAck(PipeId),
    /// It does not.
    Refused(PipeId),
    /// Something arrives at an end.
    Arrives(PipeId, Side, Piece),
    /// An end learns that there is room.
    Room(PipeId, Side),
    /// An end is read again.
    Resumed(PipeId, Side),
    /// A machine is told how much was left out.
    Dropped(PipeId, Side),
    /// A machine is told that a file is sent.
    FileSent(PipeId, Side, FileToken),
    /// A machine is told that a connection is gone.
    Closed(PipeId, Side, CloseReason, Option<u16>),
    /// A datagram arrives at a node.
    Flies(Box<Flying>),
    /// A machine is told of a datagram.
    Delivered(Box<Flying>, Stamp),
    /// A machine is told that a datagram left.
    Left(NodeId, UdpPeer, SendTag, Stamp),
    /// A machine is woken, if the number still counts.
    Wake(NodeId, u64),
    /// A frozen node takes the next thing from its backlog.
    Thaw(NodeId),
}

/// What a machine is to be told.
#[derive(Debug)]
pub(super) enum Told {
    Opened(Opened),
    /// The end's inbox has grown.
    Bytes(PipeId, Side, TraceMark),
    End(PipeId, Side),
    Text(bytes::Bytes),
    Binary(bytes::Bytes),
    Datagram(bytes::Bytes, Stamp),
    DatagramSent(SendTag, Stamp),
    FileSent(FileToken),
    Dropped(u32),
    Closed(CloseReason),
}

/// Length and hash of bytes.
pub(super) type TraceMark = (u64, u64);

/// What comes of a step.
#[derive(Debug)]
pub(super) enum Turn {
    Nothing,
    Tell(NodeId, Peer, Told),
    Wake(NodeId),
}

/// What the world reports besides the machines' events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Opened(ConnId, Opened),
    Refused(ConnId),
    Closed(ConnId, CloseReason, Option<u16>),
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: 0,
            seed,
            next_seq: 0,
            queue: BinaryHeap::new(),
            hosts: Vec::new(),
            owners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next_pipe: 0,
            default_link: Link::default(),
            links: BTreeMap::new(),
            touched: Vec::new(),
            notices: Vec::new(),
            stats: Stats::default(),
            trace: Trace::default(),
        }
    }

    pub(super) fn schedule(&mut self, at: u64, what: Happening) {
        let (at, seq) = (at.max(self.now), self.next_seq);
        self.next_seq += 1;
        self.queue.push(Reverse(Entry { at, seq, what }));
    }

    /// Schedules something that travels from node to node.
    pub(super) fn carry(&mut self, from: NodeId, to: NodeId, what: Happening) {
        let now = self.now;
        let at = self.link(from, to).stream_arrival(now, 0, 0);
        self.schedule(at, what);
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse(entry)| entry.at)
    }

    /// Moves to the next thing that happens and begins it.
    pub(super) fn step(&mut self) -> Option<Turn> {
        let Reverse(entry) = self.queue.pop()?;
        self.now = entry.at;
        self.stats.steps += 1;
        Some(self.turn(entry.what))
    }

    fn turn(&mut self, what: Happening) -> Turn {
        if let Some((from, to)) = self.path(&what) {
            let now = self.now;
            let link = self.link(from, to);
            match link.put_off(now) {
                Some(u64::MAX) => {
                    link.held.push(what);
                    return Turn::Nothing;
                }
                Some(later) => {
                    self.schedule(later, what);
                    return Turn::Nothing;
                }
                None => {}
            }
        }
        if let Some(node) = self.concerns(&what) {
            let host = self.host(node);
            if host.frozen {
                host.backlog.push_back(what);
                return Turn::Nothing;
            }
        }
        self.happens(what)
    }

    fn happens(&mut self, what: Happening) -> Turn {
        match what {
            Happening::Syn(pipe) => self.syn_arrives(pipe),
            Happening::SynAck(pipe) => self.syn_ack_arrives(pipe),
            Happening::Refused(pipe) => self.refused(pipe),
            Happening::Arrives(pipe, side, piece) => self.arrives(pipe, side, piece),
            Happening::Room(pipe, side) => self.has_room(pipe, side),
            Happening::Resumed(pipe, side) => self.takes_waiting(pipe, side),
            Happening::Dropped(pipe, side) => self.tells_dropped(pipe, side),
            Happening::FileSent(pipe, side, file) => self.tell(pipe, side, |_| Told::FileSent(file)),
            Happening::Closed(pipe, side, reason, code) => self.tells_closed(pipe, side, reason, code),
            Happening::Flies(flying) => self.datagram_arrives(flying),
            Happening::Delivered(flying, stamp) => self.datagram_delivered(*flying, stamp),
            Happening::Left(node, peer, tag, left) => {
                Turn::Tell(node, Peer::Udp(peer), Told::DatagramSent(tag, left))
            }
            Happening::Wake(node, number) => match self.host(node).wake == number {
                true => Turn::Wake(node),
                false => Turn::Nothing,
            },
            Happening::Thaw(node) => self.thaw(node),
        }
    }

    /// The node whose process has to run for this to happen.
    fn concerns(&self, what: &Happening) -> Option<NodeId> {
        match *what {
            Happening::SynAck(pipe) | Happening::Refused(pipe) => self.node(pipe, Side::Near),
            Happening::Arrives(pipe, side, _)
            | Happening::Room(pipe, side)
            | Happening::Resumed(pipe, side)
            | Happening::Dropped(pipe, side)
            | Happening::FileSent(pipe, side, _)
            | Happening::Closed(pipe, side, ..) => self.node(pipe, side),
            Happening::Delivered(ref flying, _) => Some(flying.to_node),
            Happening::Left(node, ..) | Happening::Wake(node, _) => Some(node),
            Happening::Syn(_) | Happening::Flies(_) | Happening::Thaw(_) => None,
        }
    }

    /// The way that something takes which is not lost when the way is closed.
    fn path(&self, what: &Happening) -> Option<(NodeId, NodeId)> {
        let (pipe, to) = match *what {
            Happening::Syn(pipe) => (pipe, Side::Far),
            Happening::SynAck(pipe) | Happening::Refused(pipe) => (pipe, Side::Near),
            Happening::Arrives(pipe, side, _) | Happening::Room(pipe, side) => (pipe, side),
            _ => return None,
        };
        Some((self.node(pipe, to.other())?, self.node(pipe, to)?))
    }

    fn node(&self, pipe: PipeId, side: Side) -> Option<NodeId> {
        self.pipes.get(&pipe)?.node(side)
    }

    /// Takes one thing from the backlog; the node is awake when there is no more.
    fn thaw(&mut self, node: NodeId) -> Turn {
        let host = self.host(node);
        match host.backlog.pop_front() {
            Some(what) => {
                let now = self.now;
                self.schedule(now, Happening::Thaw(node));
                self.happens(what)
            }
            None => {
                host.frozen = false;
                Turn::Nothing
            }
        }
    }

    /// Parts two nodes in one direction.
    pub(super) fn part(&mut self, from: NodeId, to: NodeId) {
        self.link(from, to).part();
    }

    /// Joins them again. What was held comes in its order, one delay from now.
    pub(super) fn heal(&mut self, from: NodeId, to: NodeId) {
        let now = self.now;
        let link = self.link(from, to);
        let at = link.heal(now);
        for what in core::mem::take(&mut link.held) {
            self.schedule(at, what);
        }
    }

    pub(super) fn link(&mut self, from: NodeId, to: NodeId) -> &mut LinkState {
        let (seed, link) = (self.seed, self.default_link);
        self.links.entry((from, to)).or_insert_with(|| {
            let rng = Rng::for_use(seed, from.0 as u64 + 1, to.0 as u64 + 1);
            LinkState::new(link, rng)
        })
    }

    pub(super) fn add_host(&mut self, config: super::NodeConfig) -> NodeId {
        let node = NodeId(self.hosts.len());
        let rng = Rng::for_use(self.seed, node.0 as u64 + 1, 0);
        let mut host = Host::new(config, rng);
        if host.addresses.is_empty() {
            let [.., a, b, c] = (node.0 as u64 + 1).to_be_bytes();
            host.addresses.push(IpAddr::from([10, a, b, c]));
        }
        for &ip in &host.addresses {
            if self.owners.insert(ip, node).is_some() {
                fault(node, format_args!("{ip} belongs to another node"));
            }
        }
        self.hosts.push(host);
        node
    }

    pub(super) fn host(&mut self, node: NodeId) -> &mut Host {
        match self.hosts.get_mut(node.0) {
            Some(host) => host,
            None => fault(node, format_args!("is not of this world")),
        }
    }

    /// Who has an address, as seen from a node.
    pub(super) fn owner(&self, seen_from: NodeId, ip: IpAddr) -> Option<NodeId> {
        match ip.is_loopback() {
            true => Some(seen_from),
            false => self.owners.get(&ip).copied(),
        }
    }

    /// The node's own time.
    pub(super) fn local(&mut self, node: NodeId) -> Instant {
        let now = self.now;
        self.host(node).clock.local(now)
    }

    /// Sees to it that the machine is woken for its deadline.
    pub(super) fn wants_wake(&mut self, node: NodeId, deadline: Option<Instant>) {
        let host = self.host(node);
        if host.deadline == deadline {
            return;
        }
        host.deadline = deadline;
        self.schedule_wake(node);
    }

    /// Schedules the wake for the present deadline and takes back the one before.
    pub(super) fn schedule_wake(&mut self, node: NodeId) {
        let now = self.now;
        let host = self.host(node);
        host.wake += 1;
        let (number, deadline) = (host.wake, host.deadline);
        if let Some(deadline) = deadline {
            let due = host.clock.world(deadline).max(now);
            let at = due.saturating_add(host.wake_late.draw(&mut host.rng));
            self.schedule(at, Happening::Wake(node, number));
        }
    }

    pub(super) fn note(&mut self, node: NodeId, peer: Option<Peer>, what: &'static str, mark: TraceMark) {
        let (len, hash) = mark;
        self.trace.note(TraceLine { at: Instant::from_nanos(self.now), node, peer, what, len, hash });
    }
}

/// Ends the test: a machine broke the contract, or the test asked for something impossible.
#[cold]
#[expect(clippy::panic, reason = "the simulator is a test tool: what is wrong has to fail the test")]
pub(super) fn fault(node: NodeId, what: fmt::Arguments<'_>) -> ! {
    panic!("simulator: node {}: {what}", node.0)
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}
