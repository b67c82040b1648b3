//! What a machine is told.

use core::net::SocketAddr;

use bytes::BytesMut;

use crate::{FileToken, SendTag, Service, Stamp};

/// Something that happened at a peer.
///
/// For each connection the order is `Opened`, then any of the others, then exactly one `Closed`.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection stands.
    Opened(Opened),
    /// Stream bytes, those left over from the last call first. The machine takes whole messages off the front
    /// (`split_to`) and leaves the incomplete tail.
    Bytes(&'a mut BytesMut),
    /// The peer will send nothing more; the buffer holds the tail without its end. The machine can still answer, and
    /// says [`Output::Close`](crate::Output::Close) when it has.
    End(&'a mut BytesMut),
    /// A whole WebSocket text message.
    Text(&'a str),
    /// A whole WebSocket binary message.
    Binary(&'a [u8]),
    /// One datagram, and when it arrived.
    Datagram {
        /// The payload.
        data: &'a [u8],
        /// Arrival, as near to the wire as the system tells.
        received: Stamp,
    },
    /// When a datagram that asked for it ([`Datagram::stamp`](crate::Datagram::stamp)) left.
    DatagramSent {
        /// The tag given in the request.
        tag: SendTag,
        /// Departure, as near to the wire as the system tells.
        left: Stamp,
    },
    /// All bytes of an [`Output::SendFile`](crate::Output::SendFile) are with the kernel. If they could not be had
    /// the connection is closed instead, as its framing is lost.
    FileSent(FileToken),
    /// So many items marked [`Keep::IfRoom`](crate::Keep::IfRoom) found no room and were left out.
    Dropped(u32),
    /// The connection is gone. Always the last input of a connection.
    Closed(CloseReason),
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The door it came through.
    pub service: Service,
    /// Our end.
    pub local: SocketAddr,
    /// The far end.
    pub remote: SocketAddr,
    /// What it carries.
    pub transport: Transport,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Bytes without borders: [`Input::Bytes`] and [`Payload::Bytes`](crate::Payload::Bytes).
    Stream,
    /// Whole messages: [`Input::Text`], [`Input::Binary`] and their payloads.
    WebSocket,
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The machine asked for it.
    Local,
    /// The peer ended it in good order.
    Remote,
    /// The transport failed (reset, unreachable, timed out).
    Failed,
    /// The peer did not read what it was sent: too much waited for it, or for too long.
    SlowReader,
    /// The peer sent more than the driver's limits hold.
    Overflow,
    /// A file that was promised could not be read to its end.
    FileFailed,
    /// The driver is shutting down.
    Shutdown,
}
