//! A peer without a protocol: it says what the test tells it to and reports what it hears.

use alloc::collections::VecDeque;
use alloc::string::String;

use bytes::Bytes;

use crate::{
    CloseReason, Closing, ConnId, Datagram, FileToken, Input, Instant, Keep, Machine, Opened, Output,
    Payload, Peer, SendTag, Stamp, UdpPeer,
};

/// The other side of a test: joins a machine in a [`World`](super::World) through [`Either`](super::Either).
#[derive(Debug, Default)]
pub struct Raw {
    out: VecDeque<Output<Heard>>,
}

/// What a [`Raw`] heard: the inputs as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A connection stands.
    Opened(ConnId, Opened),
    /// Stream bytes, as they were cut on the way.
    Bytes(ConnId, Bytes),
    /// The peer will send no more.
    End(ConnId),
    /// A text message.
    Text(ConnId, String),
    /// A binary message.
    Binary(ConnId, Bytes),
    /// A datagram.
    Datagram(UdpPeer, Bytes, Stamp),
    /// A datagram left.
    DatagramSent(UdpPeer, SendTag, Stamp),
    /// A file has gone out whole.
    FileSent(ConnId, FileToken),
    /// So many items found no room.
    Dropped(ConnId, u32),
    /// The connection is gone.
    Closed(ConnId, CloseReason),
}

impl Raw {
    /// A peer that has nothing to say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says anything.
    pub fn say(&mut self, output: Output<Heard>) {
        self.out.push_back(output);
    }

    /// Sends bytes on a stream.
    pub fn bytes(&mut self, to: ConnId, bytes: impl Into<Bytes>) {
        self.send(to, Payload::Bytes(bytes.into()));
    }

    /// Sends a text message.
    pub fn text(&mut self, to: ConnId, text: impl Into<String>) {
        self.send(to, Payload::Text(text.into().into()));
    }

    /// Sends a datagram.
    pub fn datagram(&mut self, to: UdpPeer, data: impl Into<Bytes>) {
        self.say(Output::Datagram(Datagram { to, data: data.into(), segment: None, stamp: None }));
    }

    /// Closes a connection after all is sent.
    pub fn close(&mut self, conn: ConnId) {
        let how = Closing::AfterFlush;
        self.say(Output::Close { conn, how });
    }

    fn send(&mut self, to: ConnId, data: Payload) {
        let keep = Keep::Always;
        self.say(Output::Send { to, data, keep });
    }
}

impl Machine for Raw {
    type Event = Heard;

    fn handle_input(&mut self, _now: Instant, from: Peer, input: Input<'_>) {
        let heard = match (from, input) {
            (Peer::Conn(conn), Input::Opened(opened)) => Heard::Opened(conn, opened),
            (Peer::Conn(conn), Input::Bytes(buf)) => Heard::Bytes(conn, buf.split().freeze()),
            (Peer::Conn(conn), Input::End(buf)) => {
                buf.clear();
                Heard::End(conn)
            }
            (Peer::Conn(conn), Input::Text(text)) => Heard::Text(conn, text.into()),
            (Peer::Conn(conn), Input::Binary(data)) => Heard::Binary(conn, Bytes::copy_from_slice(data)),
            (Peer::Conn(conn), Input::FileSent(file)) => Heard::FileSent(conn, file),
            (Peer::Conn(conn), Input::Dropped(n)) => Heard::Dropped(conn, n),
            (Peer::Conn(conn), Input::Closed(reason)) => Heard::Closed(conn, reason),
            (Peer::Udp(peer), Input::Datagram { data, received }) => {
                Heard::Datagram(peer, Bytes::copy_from_slice(data), received)
            }
            (Peer::Udp(peer), Input::DatagramSent { tag, left }) => Heard::DatagramSent(peer, tag, left),
            _ => return,
        };
        self.say(Output::Event(heard));
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output<Heard>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
