//! Datagrams.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::NodeId;
use super::host::{Socket, Stamps};
use super::link::Arrival;
use super::net::{Happening, Net, Told, Turn, fault};
use super::trace::hash;
use crate::{Datagram, Peer, SocketId, Stamp, StampSource, UdpPeer};

/// The most that fits into a UDP datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Flying {
    pub(super) to_node: NodeId,
    from: SocketAddr,
    to: SocketAddr,
    /// For a group: the member. Else it is found on arrival.
    socket: Option<SocketId>,
    data: Bytes,
}

impl Net {
    pub(super) fn bind_udp(&mut self, node: NodeId, socket: SocketId, local: SocketAddr) -> SocketAddr {
        let host = self.host(node);
        let mut local = local;
        if local.port() == 0 {
            local.set_port(host.free_port());
        }
        let ip = local.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !host.addresses.contains(&ip) {
            fault(node, format_args!("{ip} is not its address"));
        }
        if host.sockets.contains_key(&socket) || host.bound.contains_key(&local) {
            fault(node, format_args!("{socket:?} or {local} is bound already"));
        }
        host.bound.insert(local, socket);
        host.sockets.insert(socket, Socket { local, groups: BTreeSet::new(), unread: 0, last_delivery: 0 });
        local
    }

    pub(super) fn close_udp(&mut self, node: NodeId, socket: SocketId) {
        let host = self.host(node);
        if let Some(gone) = host.sockets.remove(&socket) {
            host.bound.remove(&gone.local);
        }
    }

    /// A machine sends.
    pub(super) fn datagram(&mut self, node: NodeId, datagram: Datagram) {
        let Datagram { to, data, segment, stamp } = datagram;
        let now = self.now;
        self.note(node, Some(Peer::Udp(to)), "sends datagram", (data.len() as u64, hash(&data)));
        let host = self.host(node);
        let Some(socket) = host.sockets.get(&to.socket) else {
            fault(node, format_args!("sends from unknown {:?}", to.socket));
        };
        let mut from = socket.local;
        if from.ip().is_unspecified() {
            from.set_ip(to.local.unwrap_or_else(|| host.address_for(to.remote.ip())));
        }
        let leaves = now.saturating_add(host.send_late.draw(&mut host.rng));
        let left = match host.stamps {
            Stamps::Kernel => Stamp { at: host.clock.local(leaves), source: StampSource::Kernel },
            Stamps::Clock => Stamp::clock(host.clock.local(now)),
        };
        let size = segment.map_or(data.len(), usize::from);
        if size == 0 && !data.is_empty() {
            fault(node, format_args!("sends datagrams of no length"));
        }
        let mut rest = data;
        loop {
            let one = rest.split_to(size.min(rest.len()));
            self.fly(node, leaves, to.socket, from, to.remote, one);
            if rest.is_empty() {
                break;
            }
        }
        if let Some(tag) = stamp {
            self.schedule(leaves, Happening::Left(node, to, tag, left));
        }
    }

    fn fly(
        &mut self,
        node: NodeId,
        leaves: u64,
        socket: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        data: Bytes,
    ) {
        self.stats.datagrams_sent += 1;
        if data.len() > MAX_DATAGRAM {
            self.stats.datagrams_undeliverable += 1;
            return;
        }
        if to.ip().is_multicast() || to.ip() == IpAddr::from([255; 4]) {
            for (to_node, member) in self.members(to) {
                if (to_node, member) != (node, socket) {
                    let socket = Some(member);
                    let flying = Flying { to_node, from, to, socket, data: data.clone() };
                    self.send_one(node, leaves, flying);
                }
            }
            return;
        }
        match self.owner(node, to.ip()) {
            Some(to_node) => {
                let flying = Flying { to_node, from, to, socket: None, data };
                self.send_one(node, leaves, flying);
            }
            None => self.stats.datagrams_undeliverable += 1,
        }
    }

    fn send_one(&mut self, from: NodeId, leaves: u64, flying: Flying) {
        let link = self.link(from, flying.to_node);
        match link.datagram_arrival(leaves, flying.data.len()) {
            Arrival::Lost => self.stats.datagrams_lost += 1,
            Arrival::Once(at) => self.schedule(at, Happening::Flies(Box::new(flying))),
            Arrival::Overtaken(at) => {
                self.stats.datagrams_overtaken += 1;
                self.schedule(at, Happening::Flies(Box::new(flying)));
            }
            Arrival::Twice(at, again) => {
                self.stats.datagrams_doubled += 1;
                self.schedule(at, Happening::Flies(Box::new(flying.clone())));
                self.schedule(again, Happening::Flies(Box::new(flying)));
            }
        }
    }

    /// The sockets that hear a group, or everyone's on the port for a broadcast.
    fn members(&self, group: SocketAddr) -> Vec<(NodeId, SocketId)> {
        let hears = |socket: &Socket| {
            let joined = socket.groups.contains(&group.ip()) || !group.ip().is_multicast();
            joined && socket.local.port() == group.port()
        };
        let hosts = self.hosts.iter().enumerate();
        hosts
            .flat_map(|(node, host)| {
                let sockets = host.sockets.iter().filter(|(_, s)| hears(s));
                sockets.map(move |(&id, _)| (NodeId(node), id))
            })
            .collect()
    }

    /// At the node's wire.
    pub(super) fn datagram_arrives(&mut self, mut flying: Box<Flying>) -> Turn {
        let now = self.now;
        let node = flying.to_node;
        let len = flying.data.len();
        let host = self.host(node);
        let id = flying.socket.or_else(|| host.socket_at(flying.to));
        let limit = host.limits.udp_buffer;
        let Some((id, socket)) = id.and_then(|id| Some((id, host.sockets.get_mut(&id)?))) else {
            self.stats.datagrams_undeliverable += 1;
            return Turn::Nothing;
        };
        if socket.unread.saturating_add(len) > limit {
            self.stats.datagrams_overrun += 1;
            return Turn::Nothing;
        }
        flying.socket = Some(id);
        socket.unread += len;
        let read = now.saturating_add(host.read_late.draw(&mut host.rng));
        let read = read.max(socket.last_delivery);
        socket.last_delivery = read;
        let stamp = match host.stamps {
            Stamps::Kernel => Stamp { at: host.clock.local(now), source: StampSource::Kernel },
            Stamps::Clock => Stamp::clock(host.clock.local(read)),
        };
        self.schedule(read, Happening::Delivered(flying, stamp));
        Turn::Nothing
    }

    pub(super) fn datagram_delivered(&mut self, flying: Flying, stamp: Stamp) -> Turn {
        let now = self.now;
        let host = self.host(flying.to_node);
        let at = host.clock.local(now);
        let Some((id, socket)) = flying.socket.and_then(|id| Some((id, host.sockets.get_mut(&id)?))) else {
            self.stats.datagrams_undeliverable += 1;
            return Turn::Nothing;
        };
        socket.unread = socket.unread.saturating_sub(flying.data.len());
        // A frozen node reads its clock when it wakes.
        let stamp = match stamp.source {
            StampSource::Clock => Stamp::clock(at),
            StampSource::Kernel => stamp,
        };
        self.stats.datagrams_read += 1;
        let unicast = !flying.to.ip().is_multicast() && flying.to.ip() != IpAddr::from([255; 4]);
        let peer = UdpPeer { socket: id, remote: flying.from, local: unicast.then(|| flying.to.ip()) };
        Turn::Tell(flying.to_node, Peer::Udp(peer), Told::Datagram(flying.data, stamp))
    }
}
