//! Connections: bytes in, items out to who answers them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use machine::{ConnId, Instant, Opened};

use super::timers::{LAB_IDLE, Timer};
use super::{Server, SessionKey};
use crate::codec::{Codec, Item};
use crate::error::CodecError;
use crate::message::Writer;
use crate::rtsp::StatusCode;

/// More requests than this behind one that waits end the connection.
const MAX_WAITING: usize = 32;

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) local: IpAddr,
    pub(super) remote: SocketAddr,
    /// It came over TLS.
    pub(super) secure: bool,
    codec: Codec,
    /// Bytes that may be a request of the classroom dialect, which has no end: they are taken from the driver, to be
    /// there when time has passed.
    held: BytesMut,
    /// When they are taken for one.
    pub(super) idle_at: Option<Instant>,
    /// Since when an item is incomplete.
    pub(super) partial_since: Option<Instant>,
    /// When it is looked after ([`Timer::Conn`]).
    pub(super) check_at: Instant,
    /// When something whole came last.
    pub(super) last_item: Instant,
    /// Items behind a request that waits.
    pub(super) queue: VecDeque<Item>,
    /// A request waits for a frame or a file: what follows it has to wait too.
    pub(super) waits: bool,
    /// The file it waits for.
    pub(super) request: Option<Item>,
    pub(super) sessions: Vec<SessionKey>,
    /// Mount announced here, to be recorded to.
    pub(super) announced: Option<super::publish::Announced>,
    /// Session number of the classroom dialect.
    pub(super) lab: Option<u32>,
    pub(super) failures: u8,
    pub(super) closing: bool,
}

impl Server {
    pub(super) fn opened(&mut self, now: Instant, conn: ConnId, opened: Opened) {
        let c = Conn {
            local: opened.local.ip().to_canonical(),
            remote: opened.remote,
            secure: opened.service == super::RTSPS,
            codec: Codec::new(self.config.limits),
            held: BytesMut::new(),
            idle_at: None,
            partial_since: None,
            check_at: now + self.config.head_timeout,
            last_item: now,
            queue: VecDeque::new(),
            waits: false,
            request: None,
            sessions: Vec::new(),
            announced: None,
            lab: None,
            failures: 0,
            closing: false,
        };
        self.conns.insert(conn, c);
        self.timers.insert((now + self.config.head_timeout, Timer::Conn(conn)));
    }

    pub(super) fn bytes(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        if let Some(at) = c.idle_at.take() {
            self.timers.remove(&(at, Timer::LabIdle(conn)));
        }
        if c.held.is_empty() {
            self.decode(now, conn, buffer);
        } else {
            let mut held = core::mem::take(&mut c.held);
            held.extend_from_slice(buffer);
            buffer.clear();
            self.decode(now, conn, &mut held);
            if let Some(c) = self.conns.get_mut(&conn) {
                c.held = held;
            }
        }
        let Some(c) = self.conns.get_mut(&conn) else { return };
        let left = if c.held.is_empty() { &*buffer } else { &c.held };
        if left.is_empty() || c.closing {
            c.partial_since = None;
            return;
        }
        c.partial_since.get_or_insert(now);
        if c.codec.may_be_idle(left) {
            if c.held.is_empty() {
                c.held = buffer.split();
            }
            let at = now + LAB_IDLE;
            c.idle_at = Some(at);
            self.timers.insert((at, Timer::LabIdle(conn)));
        }
    }

    fn decode(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut) {
        loop {
            let Some(c) = self.conns.get_mut(&conn).filter(|c| !c.closing) else {
                buffer.clear();
                return;
            };
            match c.codec.decode(buffer) {
                Ok(Some(item)) => {
                    c.last_item = now;
                    c.partial_since = None;
                    self.item(now, conn, item);
                }
                Ok(None) => return,
                Err(error) => {
                    let status = match error {
                        CodecError::Head(_) => StatusCode::BAD_REQUEST,
                        CodecError::HeadTooLong { .. } | CodecError::BodyTooLong { .. } => {
                            StatusCode::TOO_LARGE
                        }
                    };
                    self.give_up(now, conn, status);
                }
            }
        }
    }

    /// Nothing more came: what is held is a request.
    pub(super) fn lab_idle(&mut self, now: Instant, conn: ConnId) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        c.idle_at = None;
        if let Some(request) = c.codec.take_idle(&mut c.held) {
            c.last_item = now;
            c.partial_since = None;
            self.item(now, conn, Item::Lab(request));
        }
    }

    pub(super) fn ended(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut) {
        self.bytes(now, conn, buffer);
        let idle = self.conns.get(&conn).and_then(|c| c.idle_at);
        if let Some(at) = idle {
            self.timers.remove(&(at, Timer::LabIdle(conn)));
            self.lab_idle(now, conn);
        }
        // A client that shuts its side down has nothing more to ask.
        self.close(now, conn);
    }

    pub(super) fn closed(&mut self, now: Instant, conn: ConnId) {
        self.end_sessions_of(now, conn);
        let Some(c) = self.conns.remove(&conn) else { return };
        if let Some(at) = c.idle_at {
            self.timers.remove(&(at, Timer::LabIdle(conn)));
        }
        self.timers.remove(&(c.check_at, Timer::Conn(conn)));
        if c.request.is_some() {
            self.want_no_more(conn);
        }
    }

    /// Ends a connection whose stream cannot be followed, with the reason.
    pub(super) fn give_up(&mut self, now: Instant, conn: ConnId, status: StatusCode) {
        let reply = Writer::response(status, None).header("Server", &self.config.name).finish();
        self.send(conn, reply);
        self.close(now, conn);
    }

    /// Brings an item to who answers it, or lets it wait behind one that waits.
    fn item(&mut self, now: Instant, conn: ConnId, item: Item) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        match item {
            Item::Interleaved { channel, data } => self.interleaved(now, conn, channel, data),
            item if c.waits => {
                if c.queue.len() >= MAX_WAITING {
                    self.give_up(now, conn, StatusCode::SERVICE_UNAVAILABLE);
                    return;
                }
                c.queue.push_back(item);
            }
            item => self.answer(now, conn, item),
        }
    }

    /// What a request waited for is there: on with what is behind it.
    pub(super) fn go_on(&mut self, now: Instant, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(&conn) {
            c.waits = false;
        }
        loop {
            let next = self.conns.get_mut(&conn).filter(|c| !c.waits);
            let Some(item) = next.and_then(|c| c.queue.pop_front()) else { return };
            self.answer(now, conn, item);
        }
    }

    /// Does what is asked, unless the connection's end has been said meanwhile.
    pub(super) fn answer(&mut self, now: Instant, conn: ConnId, item: Item) {
        if self.conns.get(&conn).is_none_or(|c| c.closing) {
            return;
        }
        match item {
            Item::Request(request) => self.request(now, conn, request),
            Item::Lab(request) => self.lab_request(now, conn, request),
            // We ask nothing, so nothing is answered.
            Item::Response(_) | Item::Interleaved { .. } => {}
        }
    }
}
