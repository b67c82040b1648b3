//! Who said it and who is to be told.

use core::net::{IpAddr, SocketAddr};

/// One connection (TCP or WebSocket). Never used again within a driver's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Which of the machine's doors a connection came through: the machine's own constant, given to the driver with the
/// listener, the WebSocket path or the outgoing connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(pub u16);

/// One UDP socket of the machine, as the program numbered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// The other side of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A connection.
    Conn(ConnId),
    /// The sender of a datagram.
    Udp(UdpPeer),
}

/// The far end of a datagram. An answer to the same `UdpPeer` leaves from the address that the question came to,
/// also on a host with several.
///
/// To know a peer again compare `socket` and `remote`: `local` is `None` where we spoke first, and an address in the
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpPeer {
    /// Our socket.
    pub socket: SocketId,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Our address as the peer knows it; `None`: let the routing table choose.
    pub local: Option<IpAddr>,
}
