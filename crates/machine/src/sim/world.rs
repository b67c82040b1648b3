//! The world as a test sees it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::net::{Happening, Net, Notice, Told, TraceMark, Turn, fault};
use super::trace::hash;
use super::{Link, NodeConfig, SimFile, Stats, TraceLine, nanos};
use crate::{
    CloseReason, ConnId, FileToken, Input, Instant, Machine, Opened, Output, Peer, Service, SocketId,
    Transport,
};

/// A node of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// Something that a test may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened<E> {
    /// The world's time.
    pub at: Instant,
    /// The time on the node's own clock.
    pub local: Instant,
    /// The node.
    pub node: NodeId,
    /// What.
    pub what: What<E>,
}

/// What happened at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<E> {
    /// The machine reported this.
    Event(E),
    /// A connection stands; the machine is told now.
    Opened(ConnId, Opened),
    /// A connection that was asked for did not come to stand; the machine never knows.
    Refused(ConnId),
    /// A connection is gone; the machine is told now. With the code of a WebSocket's close frame, if one came.
    Closed(ConnId, CloseReason, Option<u16>),
}

/// Nodes, the links between them, and the time.
///
/// All that happens depends on the seed and on the calls, so that a test that failed fails again. Times given to and
/// by the world are its own; each node's machine sees only the node's clock.
///
/// # Panics
/// The simulator is a test tool: a machine that breaks the contract (sends to a connection that it closed or that is
/// not open, sends text that is not UTF-8, does not move its deadline on, …) panics, and so do calls that make no
/// sense, such as binding a port twice.
#[derive(Debug)]
pub struct World<M: Machine> {
    net: Net,
    machines: Vec<M>,
    log: VecDeque<Happened<M::Event>>,
}

/// A machine that has said more than this on one occasion will not stop.
const MAX_OUTPUTS: usize = 10_000_000;

impl<M: Machine> World<M> {
    /// An empty world at time 0.
    pub fn new(seed: u64) -> Self {
        Self { net: Net::new(seed), machines: Vec::new(), log: VecDeque::new() }
    }

    /// Adds a node that runs `machine`, and tells it the wall clock.
    pub fn add_node(&mut self, machine: M, config: NodeConfig) -> NodeId {
        let node = self.net.add_host(config);
        self.machines.push(machine);
        self.tell_wall_clock(node);
        node
    }

    /// Sets the links between all nodes between which nothing has travelled or been set yet.
    pub fn set_default_link(&mut self, link: Link) {
        self.net.default_link = link;
    }

    /// Sets the links between two nodes, both ways.
    pub fn set_link(&mut self, a: NodeId, b: NodeId, link: Link) {
        self.set_link_one_way(a, b, link);
        self.set_link_one_way(b, a, link);
    }

    /// Sets the link from one node to another.
    pub fn set_link_one_way(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.net.link(from, to).link = link;
    }

    /// Parts two nodes: datagrams are lost, streams wait.
    pub fn part(&mut self, a: NodeId, b: NodeId) {
        self.part_one_way(a, b);
        self.part_one_way(b, a);
    }

    /// Parts two nodes in one direction.
    pub fn part_one_way(&mut self, from: NodeId, to: NodeId) {
        self.net.part(from, to);
    }

    /// Joins two nodes again. What streams held back arrives one delay later, in its order.
    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        self.net.heal(a, b);
        self.net.heal(b, a);
    }

    /// Takes connections at an address of the node (or all of them: `0.0.0.0`, `::`); port 0 takes a free one.
    /// Returns the address with the port.
    pub fn listen(
        &mut self,
        node: NodeId,
        mut local: SocketAddr,
        service: Service,
        transport: Transport,
    ) -> SocketAddr {
        let host = self.net.host(node);
        if local.port() == 0 {
            local.set_port(host.free_port());
        }
        if host.listeners.insert(local, (service, transport)).is_some() {
            fault(node, format_args!("listens at {local} already"));
        }
        local
    }

    /// Takes no more connections there.
    pub fn unlisten(&mut self, node: NodeId, local: SocketAddr) {
        self.net.host(node).listeners.remove(&local);
    }

    /// Asks for a connection. It stands when the machine is told `Opened`; if nobody takes it, the log says
    /// [`What::Refused`].
    pub fn connect(
        &mut self,
        node: NodeId,
        remote: SocketAddr,
        service: Service,
        transport: Transport,
    ) -> ConnId {
        self.net.connect(node, remote, service, transport)
    }

    /// Opens a UDP socket at an address of the node (or all of them); port 0 takes a free one. Returns the address
    /// with the port. A datagram to an address of the node is reported with that address as
    /// [`UdpPeer::local`](crate::UdpPeer::local), one to a group with none.
    pub fn bind_udp(&mut self, node: NodeId, socket: SocketId, local: SocketAddr) -> SocketAddr {
        self.net.bind_udp(node, socket, local)
    }

    /// Closes a UDP socket. The machine must not send from it any more.
    pub fn close_udp(&mut self, node: NodeId, socket: SocketId) {
        self.net.close_udp(node, socket);
    }

    /// Lets a socket hear a multicast group. (A broadcast to 255.255.255.255 is heard by all on its port.)
    pub fn join_group(&mut self, node: NodeId, socket: SocketId, group: IpAddr) {
        match self.net.host(node).sockets.get_mut(&socket) {
            Some(socket) => socket.groups.insert(group),
            None => fault(node, format_args!("has no {socket:?}")),
        };
    }

    /// Gives a node a file that its machine can send.
    pub fn add_file(&mut self, node: NodeId, token: FileToken, file: SimFile) {
        self.net.host(node).files.insert(token, file);
    }

    /// Stops reading a connection at one end. What is sent to it fills the link's window, then the sender is stuck.
    pub fn pause_reading(&mut self, node: NodeId, conn: ConnId) {
        self.net.pause(node, conn);
    }

    /// Reads on: first all that has arrived meanwhile, stream bytes in one piece.
    pub fn resume_reading(&mut self, node: NodeId, conn: ConnId) {
        self.net.resume(node, conn);
    }

    /// Ends writing at one end of a stream after what is queued, while it still reads, as programs of others do. The
    /// other end is told `End`. What the machine at this end sends afterwards is lost.
    pub fn half_close(&mut self, node: NodeId, conn: ConnId) {
        self.net.half_close(node, conn);
    }

    /// Breaks a connection: this end is told `Closed(Failed)` now, the other when it hears of it.
    pub fn reset(&mut self, node: NodeId, conn: ConnId) {
        self.net.break_off(node, conn, true);
    }

    /// Breaks a connection at this end alone, as when a peer has lost power: the other end hears of it only when it
    /// sends.
    pub fn lose(&mut self, node: NodeId, conn: ConnId) {
        self.net.break_off(node, conn, false);
    }

    /// Stops a node's process (SIGSTOP) for a while. What arrives meanwhile waits in the kernel with its stamps; sends
    /// of others fill their windows.
    pub fn freeze(&mut self, node: NodeId, span: Duration) {
        let at = self.net.now.saturating_add(nanos(span));
        self.net.host(node).frozen = true;
        self.net.schedule(at, Happening::Thaw(node));
    }

    /// Steps a node's wall clock and tells its machine.
    pub fn set_wall_clock(&mut self, node: NodeId, unix_ns: i64) {
        let local = self.net.local(node);
        self.net.host(node).clock.set_unix_ns(local, unix_ns);
        self.tell_wall_clock(node);
    }

    /// What a node's wall clock reads, in nanoseconds since 1970.
    pub fn wall_clock(&mut self, node: NodeId) -> i64 {
        let local = self.net.local(node);
        self.net.host(node).clock.unix_ns(local)
    }

    /// Changes the rate of a node's clock from now on.
    pub fn set_drift(&mut self, node: NodeId, drift_ppb: i32) {
        let now = self.net.now;
        self.net.host(node).clock.set_drift(now, drift_ppb);
        self.net.schedule_wake(node);
    }

    /// A local call to a node's machine, with the node's time. What the machine says then is done before this returns.
    pub fn call<R>(&mut self, node: NodeId, call: impl FnOnce(&mut M, Instant) -> R) -> R {
        let local = self.net.local(node);
        let Some(machine) = self.machines.get_mut(node.0) else {
            fault(node, format_args!("is not of this world"));
        };
        let result = call(machine, local);
        self.settle(node);
        result
    }

    /// A node's machine, to look at.
    pub fn machine(&self, node: NodeId) -> &M {
        match self.machines.get(node.0) {
            Some(machine) => machine,
            None => fault(node, format_args!("is not of this world")),
        }
    }

    /// The world's time.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.net.now)
    }

    /// The time on a node's own clock.
    pub fn local(&mut self, node: NodeId) -> Instant {
        self.net.local(node)
    }

    /// The world's time at which a node's clock reads `local` or more for the first time.
    pub fn world_time(&mut self, node: NodeId, local: Instant) -> Instant {
        Instant::from_nanos(self.net.host(node).clock.world(local))
    }

    /// Lets the next thing happen; `None` if nothing is going to.
    pub fn step(&mut self) -> Option<Instant> {
        match self.net.step()? {
            Turn::Nothing => {}
            Turn::Wake(node) => self.wake(node),
            Turn::Tell(node, peer, told) => self.tell(node, peer, told),
        }
        self.collect_notices();
        Some(self.now())
    }

    /// Lets everything happen up to and at `until`, which is then the time.
    pub fn run_until(&mut self, until: Instant) {
        while self.net.next_at().is_some_and(|at| at <= until.as_nanos()) {
            self.step();
        }
        self.net.now = self.net.now.max(until.as_nanos());
    }

    /// Lets everything happen for a span of time.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now() + span);
    }

    /// As [`run_until`](Self::run_until), handing over whatever happens as it happens, so that the test can react with
    /// calls into the world.
    pub fn run_with(&mut self, until: Instant, mut react: impl FnMut(&mut Self, Happened<M::Event>)) {
        loop {
            while let Some(happened) = self.log.pop_front() {
                react(self, happened);
            }
            if self.net.next_at().is_none_or(|at| at > until.as_nanos()) {
                break;
            }
            self.step();
        }
        self.net.now = self.net.now.max(until.as_nanos());
    }

    /// Takes what has happened since the last time, oldest first. It is kept until taken.
    pub fn drain(&mut self) -> impl Iterator<Item = Happened<M::Event>> {
        self.log.drain(..)
    }

    /// Takes what has happened and keeps the machines' events of it.
    pub fn drain_events(&mut self) -> impl Iterator<Item = (Instant, NodeId, M::Event)> {
        self.log.drain(..).filter_map(|h| match h.what {
            What::Event(event) => Some((h.at, h.node, event)),
            _ => None,
        })
    }

    /// What the world has seen so far.
    pub fn stats(&self) -> Stats {
        self.net.stats
    }

    /// One number for all that machines were told and said (except events), and when. Equal for equal seeds and calls.
    pub fn digest(&self) -> u64 {
        self.net.trace.digest()
    }

    /// Keeps a line for everything that machines are told and say from now on, for [`take_trace`](Self::take_trace).
    pub fn keep_trace(&mut self) {
        self.net.trace.lines.get_or_insert_default();
    }

    /// Takes the lines kept since the last time.
    pub fn take_trace(&mut self) -> Vec<TraceLine> {
        let lines = self.net.trace.lines.as_mut();
        lines.map(core::mem::take).unwrap_or_default()
    }

    fn tell_wall_clock(&mut self, node: NodeId) {
        let local = self.net.local(node);
        let unix_ns = self.net.host(node).clock.unix_ns(local);
        let mark = (unix_ns.unsigned_abs(), 0);
        self.net.note(node, None, "wall clock", mark);
        self.call(node, |machine, now| machine.handle_wall_clock(now, unix_ns));
    }

    fn wake(&mut self, node: NodeId) {
        let now = self.net.local(node);
        self.net.stats.wakes += 1;
        self.net.note(node, None, "wakes", (0, 0));
        self.net.host(node).deadline = None;
        if let Some(machine) = self.machines.get_mut(node.0) {
            machine.handle_timeout(now);
            let next = machine.poll_timeout();
            if next.is_some_and(|next| next <= now) {
                fault(node, format_args!("woken at {now:?} it wants to be woken at {next:?}"));
            }
        }
        self.settle(node);
    }

    fn tell(&mut self, node: NodeId, peer: Peer, told: Told) {
        let now = self.net.local(node);
        let (what, mark) = describe(&told);
        self.net.note(node, Some(peer), what, mark);
        self.collect_notices();
        let Some(machine) = self.machines.get_mut(node.0) else {
            return;
        };
        match told {
            Told::Bytes(id, side, _) => {
                let max_unread = self.net.host(node).limits.max_unread;
                let unread = self.net.end(id, side).map_or(0, |end| {
                    machine.handle_input(now, peer, Input::Bytes(&mut end.inbox));
                    end.inbox.len()
                });
                self.settle(node);
                if unread > max_unread {
                    self.net.abort(id, side, CloseReason::Overflow);
                }
                return;
            }
            Told::End(id, side) => {
                if let Some(end) = self.net.end(id, side) {
                    machine.handle_input(now, peer, Input::End(&mut end.inbox));
                }
            }
            Told::Opened(opened) => machine.handle_input(now, peer, Input::Opened(opened)),
            Told::Text(text) => {
                let text = core::str::from_utf8(&text).unwrap_or_default();
                machine.handle_input(now, peer, Input::Text(text));
            }
            Told::Binary(data) => machine.handle_input(now, peer, Input::Binary(&data)),
            Told::Datagram(data, received) => {
                let data = &data;
                machine.handle_input(now, peer, Input::Datagram { data, received });
            }
            Told::DatagramSent(tag, left) => {
                machine.handle_input(now, peer, Input::DatagramSent { tag, left });
            }
            Told::FileSent(file) => machine.handle_input(now, peer, Input::FileSent(file)),
            Told::Dropped(count) => machine.handle_input(now, peer, Input::Dropped(count)),
            Told::Closed(reason) => machine.handle_input(now, peer, Input::Closed(reason)),
        }
        self.settle(node);
    }

    /// Does what a machine says, and sees to its next wake.
    fn settle(&mut self, node: NodeId) {
        let Some(machine) = self.machines.get_mut(node.0) else {
            return;
        };
        let mut said = 0;
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, keep } => self.net.send(node, to, data, keep),
                Output::SendFile { to, file, offset, len } => self.net.send_file(node, to, file, offset, len),
                Output::Datagram(datagram) => self.net.datagram(node, datagram),
                Output::Close { conn, how } => self.net.close(node, conn, how),
                Output::Event(event) => self.log.push_back(Happened {
                    at: Instant::from_nanos(self.net.now),
                    local: self.net.local(node),
                    node,
                    what: What::Event(event),
                }),
            }
            said += 1;
            if said > MAX_OUTPUTS {
                fault(node, format_args!("does not stop talking"));
            }
        }
        let deadline = machine.poll_timeout();
        for (pipe, side) in core::mem::take(&mut self.net.touched) {
            self.net.pump(pipe, side);
        }
        self.net.wants_wake(node, deadline);
    }

    fn collect_notices(&mut self) {
        for (node, notice) in core::mem::take(&mut self.net.notices) {
            let what = match notice {
                Notice::Opened(conn, opened) => What::Opened(conn, opened),
                Notice::Refused(conn) => What::Refused(conn),
                Notice::Closed(conn, reason, code) => What::Closed(conn, reason, code),
            };
            self.log.push_back(Happened {
                at: Instant::from_nanos(self.net.now),
                local: self.net.local(node),
                node,
                what,
            });
        }
    }
}

fn describe(told: &Told) -> (&'static str, TraceMark) {
    let bytes = |data: &[u8]| (data.len() as u64, hash(data));
    match told {
        Told::Opened(opened) => ("opened", (u64::from(opened.service.0), 0)),
        Told::Bytes(_, _, mark) => ("bytes", *mark),
        Told::End(..) => ("end", (0, 0)),
        Told::Text(text) => ("text", bytes(text)),
        Told::Binary(data) => ("binary", bytes(data)),
        Told::Datagram(data, stamp) => {
            let (len, hash) = bytes(data);
            ("datagram", (len, hash ^ stamp.at.as_nanos()))
        }
        Told::DatagramSent(tag, stamp) => ("datagram sent", (tag.0, stamp.at.as_nanos())),
        Told::FileSent(file) => ("file sent", (file.0, 0)),
        Told::Dropped(count) => ("dropped", (u64::from(*count), 0)),
        Told::Closed(_) => ("closed", (0, 0)),
    }
}
