//! What a node has besides its machine: clock, addresses, doors, sockets, files and limits.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use super::clock::{Clock, ClockConfig};
use super::net::Happening;
use super::pipe::{PipeId, Side};
use super::{Rng, SimFile, nanos};
use crate::{ConnId, FileToken, Instant, QueueLimits, Service, SocketId, Transport};

/// How a node behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its addresses; none: the world gives it one out of 10.0.0.0/8.
    pub addresses: Vec<IpAddr>,
    /// Its clock.
    pub clock: ClockConfig,
    /// The limits of its driver.
    pub limits: Limits,
    /// How late it wakes for a deadline.
    pub wake_late: Spread,
    /// How long a datagram lies in the kernel before the machine is told of it.
    pub read_late: Spread,
    /// How long a datagram takes from the machine to the wire.
    pub send_late: Spread,
    /// What [`Stamp`](crate::Stamp)s say: the kernel's readings at the wire, or those of the driver's clock when it
    /// reads and writes.
    pub stamps: Stamps,
}

impl NodeConfig {
    /// A node with this address.
    pub fn at(address: impl Into<IpAddr>) -> Self {
        Self { addresses: [address.into()].into(), ..Self::default() }
    }
}

/// Where a node's stamps are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// At the wire.
    #[default]
    Kernel,
    /// When the driver reads a datagram, and when it is told to send one.
    Clock,
}

/// A span of time that varies evenly between two bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// At least so much.
    pub min: Duration,
    /// At most so much.
    pub max: Duration,
}

impl Spread {
    /// Always the same.
    pub const fn always(d: Duration) -> Self {
        Self { min: d, max: d }
    }

    /// From nothing to `max`.
    pub const fn up_to(max: Duration) -> Self {
        Self { min: Duration::ZERO, max }
    }

    pub(super) fn draw(self, rng: &mut Rng) -> u64 {
        let (min, max) = (nanos(self.min), nanos(self.max));
        match max.saturating_sub(min) {
            0 => min,
            range => min.saturating_add(rng.up_to(range)),
        }
    }
}

/// The limits of a node's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of each connection's send queue.
    pub queue: QueueLimits,
    /// Stream bytes that the machine may leave in the buffer; more close the connection
    /// ([`CloseReason::Overflow`](crate::CloseReason::Overflow)).
    pub max_unread: usize,
    /// Longest WebSocket message; a longer one closes the connection likewise.
    pub max_message: usize,
    /// Datagram bytes that wait in the kernel for a slow or frozen node; more are dropped.
    pub udp_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: QueueLimits { max_bytes: 1024 * 1024, if_room_bytes: 256 * 1024 },
            max_unread: 1024 * 1024,
            max_message: 64 * 1024,
            udp_buffer: 212_992,
        }
    }
}

/// A node without its machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) wake_late: Spread,
    pub(super) read_late: Spread,
    pub(super) send_late: Spread,
    pub(super) stamps: Stamps,
    pub(super) rng: Rng,
    pub(super) listeners: BTreeMap<SocketAddr, (Service, Transport)>,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) bound: BTreeMap<SocketAddr, SocketId>,
    pub(super) files: BTreeMap<FileToken, SimFile>,
    /// Connections that the machine knows or is about to know.
    pub(super) conns: BTreeMap<ConnId, (PipeId, Side)>,
    next_conn: u64,
    next_port: u16,
    /// What the machine waits for, and the number of the only wake that counts.
    pub(super) deadline: Option<Instant>,
    pub(super) wake: u64,
    pub(super) frozen: bool,
    /// What has happened to the process while it was frozen.
    pub(super) backlog: VecDeque<Happening>,
}

/// A UDP socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) local: SocketAddr,
    pub(super) groups: BTreeSet<IpAddr>,
    /// Bytes that the machine has not been told of.
    pub(super) unread: usize,
    pub(super) last_delivery: u64,
}

/// The first port that is given out.
const FIRST_PORT: u16 = 49_152;

impl Host {
    pub(super) fn new(config: NodeConfig, rng: Rng) -> Self {
        Self {
            addresses: config.addresses,
            clock: Clock::new(config.clock),
            limits: config.limits,
            wake_late: config.wake_late,
            read_late: config.read_late,
            send_late: config.send_late,
            stamps: config.stamps,
            rng,
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            bound: BTreeMap::new(),
            files: BTreeMap::new(),
            conns: BTreeMap::new(),
            next_conn: 1,
            next_port: FIRST_PORT,
            deadline: None,
            wake: 0,
            frozen: false,
            backlog: VecDeque::new(),
        }
    }

    pub(super) fn new_conn(&mut self, pipe: PipeId, side: Side) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.insert(conn, (pipe, side));
        conn
    }

    /// Whether there ever was such a connection.
    pub(super) fn knew(&self, conn: ConnId) -> bool {
        (1..self.next_conn).contains(&conn.0)
    }

    /// A port that no listener and no socket has; ports of past connections come round again.
    pub(super) fn free_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let taken = |a: &SocketAddr| a.port() == port;
            if !self.listeners.keys().any(taken) && !self.bound.keys().any(taken) {
                return port;
            }
        }
    }

    /// Our address for talking to `remote`: one of the same family.
    pub(super) fn address_for(&self, remote: IpAddr) -> IpAddr {
        let own = self.addresses.iter();
        match remote {
            _ if remote.is_loopback() => remote,
            _ => *own
                .clone()
                .find(|a| a.is_ipv4() == remote.is_ipv4())
                .or(own.clone().next())
                .unwrap_or(&IpAddr::V4(Ipv4Addr::LOCALHOST)),
        }
    }

    /// The socket that hears what is sent to `to`.
    pub(super) fn socket_at(&self, to: SocketAddr) -> Option<SocketId> {
        self.bound.get(&to).or_else(|| self.bound.get(&unspecified(to))).copied()
    }

    pub(super) fn listener_at(&self, to: SocketAddr) -> Option<(Service, Transport)> {
        self.listeners.get(&to).or_else(|| self.listeners.get(&unspecified(to))).copied()
    }
}

/// All addresses of the family, the same port.
fn unspecified(to: SocketAddr) -> SocketAddr {
    let ip = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, to.port())
}
