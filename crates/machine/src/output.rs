//! What a machine says.

use bytes::Bytes;

use crate::{ConnId, UdpPeer};

/// One thing that the driver is to do, or the program to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<E> {
    /// Send on a connection, after all that was queued for it before.
    Send {
        /// The connection.
        to: ConnId,
        /// What to send. A broadcast clones one `Bytes`.
        data: Payload,
        /// What to do if the peer reads too slowly.
        keep: Keep,
    },
    /// Send `len` bytes of a file from `offset` on, in its place among the `Send`s, without passing the machine.
    SendFile {
        /// The connection (streams only).
        to: ConnId,
        /// The file, by a name that the program gave it.
        file: FileToken,
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Send one or more datagrams.
    Datagram(Datagram),
    /// End a connection. Nothing may be sent to it after this, and of what it still says nothing but `Closed` is heard.
    Close {
        /// The connection.
        conn: ConnId,
        /// In which manner.
        how: Closing,
    },
    /// Something for the program.
    Event(E),
}

/// What to send on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// On a stream.
    Bytes(Bytes),
    /// One WebSocket text message; valid UTF-8.
    Text(Bytes),
    /// One WebSocket binary message.
    Binary(Bytes),
}

impl Payload {
    /// The bytes, whatever the kind.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Bytes(b) | Self::Text(b) | Self::Binary(b) => b,
        }
    }
}

/// What to do with an item for a peer that does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Queue it; a peer for which too much is queued is closed.
    Always,
    /// Only the newest counts: while the peer is stuck a newer one replaces it, and any other item queued after it
    /// drops it, so that it never arrives after something that made it stale.
    Latest,
    /// Queue it if there is room, else leave it out whole and say so ([`Input::Dropped`](crate::Input::Dropped)).
    IfRoom,
}

/// Datagrams for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub to: UdpPeer,
    /// The payload, or several of them one after the other.
    pub data: Bytes,
    /// Length of each datagram in `data`, the last may be shorter; `None`: all of `data` is one. Lets the driver
    /// hand many to the kernel in one call (UDP segmentation offload).
    pub segment: Option<u16>,
    /// Report back when it left ([`Input::DatagramSent`](crate::Input::DatagramSent)): of several, the last. The
    /// report may never come, so what waits for it has to be bounded.
    pub stamp: Option<SendTag>,
}

/// The machine's name for a datagram whose departure it wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendTag(pub u64);

/// A file as program and machine call it; the program opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileToken(pub u64);

/// How to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// At once; what is queued is lost, and the peer may see a reset.
    Now,
    /// After all that is queued has been sent; on a WebSocket with a normal close (1000).
    AfterFlush,
    /// As `AfterFlush`, with this WebSocket close code (RFC 6455 §7.4); on a stream the code is not sent.
    Code(u16),
}
