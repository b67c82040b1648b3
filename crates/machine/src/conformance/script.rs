//! What is done to a machine in a check.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::{CloseReason, ConnId, Instant, Opened, Service, Transport, UdpPeer};

/// What a program calls, with the machine's time.
pub type Call<M> = Rc<dyn Fn(&mut M, Instant)>;

/// One step of a script. Steps for a connection that the machine has closed are left out.
pub enum Step<M> {
    /// A connection opens.
    Open(ConnId, Opened),
    /// Stream bytes come.
    Bytes(ConnId, Bytes),
    /// A text message comes.
    Text(ConnId, String),
    /// A binary message comes.
    Binary(ConnId, Bytes),
    /// The peer will send no more.
    End(ConnId),
    /// So many `IfRoom` items were left out.
    Dropped(ConnId, u32),
    /// The connection is gone. (After an `Output::Close` the suite says so by itself.)
    Closed(ConnId, CloseReason),
    /// A datagram comes.
    Datagram(UdpPeer, Bytes),
    /// The wall clock was set.
    WallClock(i64),
    /// A local call. It is made at all kinds of times, so it must take a refusal.
    Call(Call<M>),
    /// Time passes; the machine is woken whenever it asked for it.
    Wait(Duration),
    /// Time passes until the machine is woken once.
    Timeout,
}

impl<M> Step<M> {
    /// A stream opens, at addresses that do not matter.
    pub fn stream(conn: u64, service: Service) -> Self {
        Self::Open(ConnId(conn), opened(conn, service, Transport::Stream))
    }

    /// A WebSocket opens, at addresses that do not matter.
    pub fn web_socket(conn: u64, service: Service) -> Self {
        Self::Open(ConnId(conn), opened(conn, service, Transport::WebSocket))
    }

    /// Stream bytes come.
    pub fn bytes(conn: u64, bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(ConnId(conn), bytes.into())
    }

    /// A text message comes.
    pub fn text(conn: u64, text: impl Into<String>) -> Self {
        Self::Text(ConnId(conn), text.into())
    }

    /// A binary message comes.
    pub fn binary(conn: u64, bytes: impl Into<Bytes>) -> Self {
        Self::Binary(ConnId(conn), bytes.into())
    }

    /// The peer will send no more.
    pub fn end(conn: u64) -> Self {
        Self::End(ConnId(conn))
    }

    /// The connection is gone.
    pub fn closed(conn: u64, reason: CloseReason) -> Self {
        Self::Closed(ConnId(conn), reason)
    }

    /// A datagram comes.
    pub fn datagram(peer: UdpPeer, data: impl Into<Bytes>) -> Self {
        Self::Datagram(peer, data.into())
    }

    /// A local call.
    pub fn call(call: impl Fn(&mut M, Instant) + 'static) -> Self {
        Self::Call(Rc::new(call))
    }

    /// The connection that the step belongs to.
    pub(super) fn conn(&self) -> Option<ConnId> {
        match *self {
            Self::Open(conn, _)
            | Self::Bytes(conn, _)
            | Self::Text(conn, _)
            | Self::Binary(conn, _)
            | Self::End(conn)
            | Self::Dropped(conn, _)
            | Self::Closed(conn, _) => Some(conn),
            Self::Datagram(..) | Self::WallClock(_) | Self::Call(_) | Self::Wait(_) | Self::Timeout => None,
        }
    }

    /// Bytes that come in this step.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(_, b) | Self::Binary(_, b) | Self::Datagram(_, b) => b.len(),
            Self::Text(_, text) => text.len(),
            _ => 0,
        }
    }

    /// The same for another round: other connections and remote ports.
    pub(super) fn for_round(&self, round: u16) -> Self {
        let shift = |conn: ConnId| ConnId(conn.0.wrapping_add(u64::from(round) << 32));
        let port = |mut remote: SocketAddr| {
            remote.set_port(remote.port().wrapping_add(round).max(1));
            remote
        };
        match self.clone() {
            Self::Open(conn, opened) => {
                Self::Open(shift(conn), Opened { remote: port(opened.remote), ..opened })
            }
            Self::Bytes(conn, bytes) => Self::Bytes(shift(conn), bytes),
            Self::Text(conn, text) => Self::Text(shift(conn), text),
            Self::Binary(conn, bytes) => Self::Binary(shift(conn), bytes),
            Self::End(conn) => Self::End(shift(conn)),
            Self::Dropped(conn, count) => Self::Dropped(shift(conn), count),
            Self::Closed(conn, reason) => Self::Closed(shift(conn), reason),
            Self::Datagram(peer, data) => Self::Datagram(UdpPeer { remote: port(peer.remote), ..peer }, data),
            other => other,
        }
    }
}

impl<M> Clone for Step<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Open(conn, opened) => Self::Open(*conn, *opened),
            Self::Bytes(conn, bytes) => Self::Bytes(*conn, bytes.clone()),
            Self::Text(conn, text) => Self::Text(*conn, text.clone()),
            Self::Binary(conn, bytes) => Self::Binary(*conn, bytes.clone()),
            Self::End(conn) => Self::End(*conn),
            Self::Dropped(conn, count) => Self::Dropped(*conn, *count),
            Self::Closed(conn, reason) => Self::Closed(*conn, *reason),
            Self::Datagram(peer, data) => Self::Datagram(*peer, data.clone()),
            Self::WallClock(unix_ns) => Self::WallClock(*unix_ns),
            Self::Call(call) => Self::Call(call.clone()),
            Self::Wait(span) => Self::Wait(*span),
            Self::Timeout => Self::Timeout,
        }
    }
}

impl<M> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(conn, opened) => f.debug_tuple("Open").field(conn).field(opened).finish(),
            Self::Bytes(conn, bytes) => f.debug_tuple("Bytes").field(conn).field(bytes).finish(),
            Self::Text(conn, text) => f.debug_tuple("Text").field(conn).field(text).finish(),
            Self::Binary(conn, bytes) => f.debug_tuple("Binary").field(conn).field(bytes).finish(),
            Self::End(conn) => f.debug_tuple("End").field(conn).finish(),
            Self::Dropped(conn, count) => f.debug_tuple("Dropped").field(conn).field(count).finish(),
            Self::Closed(conn, reason) => f.debug_tuple("Closed").field(conn).field(reason).finish(),
            Self::Datagram(peer, data) => f.debug_tuple("Datagram").field(peer).field(data).finish(),
            Self::WallClock(unix_ns) => f.debug_tuple("WallClock").field(unix_ns).finish(),
            Self::Call(_) => f.write_str("Call(..)"),
            Self::Wait(span) => f.debug_tuple("Wait").field(span).finish(),
            Self::Timeout => f.write_str("Timeout"),
        }
    }
}

/// Steps, one after the other.
pub(super) type Script<M> = Vec<Step<M>>;

fn opened(conn: u64, service: Service, transport: Transport) -> Opened {
    let low = u16::try_from(conn & 0x3fff).unwrap_or(0);
    Opened {
        service,
        local: SocketAddr::from(([192, 0, 2, 1], 7000_u16.wrapping_add(service.0))),
        remote: SocketAddr::from(([198, 51, 100, 1], 0x8000 | low)),
        transport,
    }
}
