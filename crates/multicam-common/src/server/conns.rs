//! The connections of a device: what came on them, what they wait for, and until when.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;
use core::time::Duration;

use bytes::BytesMut;
use machine::{ConnId, FileToken, Instant};

use crate::DecodeError;
use crate::codec::{Message, MessageDecoder};
use crate::config::DeviceConfig;

/// What keeps a connection from its next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// The recording is being closed.
    Stopping {
        /// The command had a length before it.
        framed: bool,
    },
    /// This file is on its way.
    Sending(FileToken),
    /// This file is being deleted.
    Deleting {
        /// The command had a length before it.
        framed: bool,
    },
}

#[derive(Debug)]
struct Conn {
    remote: SocketAddr,
    unread: BytesMut,
    decoder: MessageDecoder,
    busy: Option<Busy>,
    /// Whole commands so far.
    commands: u64,
    ended: bool,
    opened: u64,
    used: Instant,
    deadline: Option<Instant>,
    /// When the message that is not whole yet began.
    begun: Option<Instant>,
}

/// What comes next on a connection.
pub(super) enum Next {
    Message(Message),
    /// Nothing yet.
    Wait,
    /// Nothing that could be followed.
    Bad(DecodeError),
    /// More than may wait while it is busy.
    Overflow,
    /// Nothing any more.
    Ended,
}

#[derive(Debug)]
pub(super) struct Conns {
    conns: BTreeMap<ConnId, Conn>,
    deadlines: BTreeSet<(Instant, ConnId)>,
    opened: u64,
    max: usize,
    max_command: usize,
    idle: Duration,
    message: Duration,
}

impl Conns {
    pub(super) fn new(config: &DeviceConfig) -> Self {
        Self {
            conns: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            opened: 0,
            max: config.max_connections.max(1),
            max_command: config.max_command,
            idle: config.idle_timeout,
            message: config.message_timeout,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    /// Who has to go before another may come: the oldest that never said a whole command, else whoever has been silent
    /// longest and waits for nothing.
    pub(super) fn make_room(&self) -> Option<ConnId> {
        if self.conns.len() < self.max {
            return None;
        }
        let idle = || self.conns.iter().filter(|(_, c)| c.busy.is_none());
        let stranger = idle().filter(|(_, c)| c.commands == 0).min_by_key(|(_, c)| c.opened);
        stranger.or_else(|| idle().min_by_key(|(_, c)| (c.used, c.opened))).map(|(id, _)| *id)
    }

    /// Takes a connection in; false: there is no room, and none could be made.
    pub(super) fn open(&mut self, now: Instant, id: ConnId, remote: SocketAddr) -> bool {
        if self.conns.len() >= self.max {
            return false;
        }
        self.opened = self.opened.wrapping_add(1);
        let conn = Conn {
            remote,
            unread: BytesMut::new(),
            decoder: MessageDecoder::new(self.max_command),
            busy: None,
            commands: 0,
            ended: false,
            opened: self.opened,
            used: now,
            deadline: None,
            begun: None,
        };
        self.conns.insert(id, conn);
        self.plan(id);
        true
    }

    pub(super) fn remove(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.remove(&id) else {
            return false;
        };
        if let Some(deadline) = conn.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        true
    }

    pub(super) fn remote(&self, id: ConnId) -> Option<SocketAddr> {
        self.conns.get(&id).map(|c| c.remote)
    }

    pub(super) fn busy(&self, id: ConnId) -> Option<Busy> {
        self.conns.get(&id)?.busy
    }

    /// All that wait for the same thing.
    pub(super) fn waiting(&self, what: impl Fn(Busy) -> bool) -> impl Iterator<Item = (ConnId, Busy)> {
        self.conns.iter().filter_map(move |(id, c)| c.busy.filter(|b| what(*b)).map(|b| (*id, b)))
    }

    pub(super) fn set_busy(&mut self, id: ConnId, busy: Busy) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.busy = Some(busy);
        }
        self.plan(id);
    }

    pub(super) fn free(&mut self, now: Instant, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.busy = None;
            conn.used = now;
            conn.begun = (!conn.unread.is_empty()).then_some(now);
        }
        self.plan(id);
    }

    pub(super) fn received(&mut self, now: Instant, id: ConnId, bytes: &mut BytesMut) {
        match self.conns.get_mut(&id) {
            Some(conn) => {
                // While nothing waits the driver's buffer is taken over as it is.
                if conn.unread.is_empty() {
                    conn.unread = bytes.split();
                } else {
                    conn.unread.extend_from_slice(&bytes.split());
                }
                conn.begun.get_or_insert(now);
            }
            None => bytes.clear(),
        }
    }

    pub(super) fn ended(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.ended = true;
        }
    }

    pub(super) fn next_message(&mut self, now: Instant, id: ConnId) -> Next {
        let max = self.max_command;
        let Some(conn) = self.conns.get_mut(&id) else {
            return Next::Wait;
        };
        if conn.busy.is_some() {
            return if conn.unread.len() > max { Next::Overflow } else { Next::Wait };
        }
        let next = match conn.decoder.decode(&mut conn.unread) {
            Ok(Some(message)) => {
                conn.commands = conn.commands.saturating_add(1);
                conn.used = now;
                conn.begun = (!conn.unread.is_empty()).then_some(now);
                Next::Message(message)
            }
            Ok(None) if conn.ended => Next::Ended,
            Ok(None) => {
                if conn.unread.is_empty() {
                    conn.begun = None;
                    // No memory for the silent.
                    conn.unread = BytesMut::new();
                }
                Next::Wait
            }
            Err(error) => Next::Bad(error),
        };
        self.plan(id);
        next
    }

    /// A connection whose time is over.
    pub(super) fn expired(&self, now: Instant) -> Option<ConnId> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn plan(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let deadline = match (conn.busy, conn.begun) {
            // The driver watches over what is being sent; the program closes files.
            (Some(_), _) => None,
            (None, Some(begun)) => Some(begun + self.message),
            (None, None) => Some(conn.used + self.idle),
        };
        if deadline != conn.deadline {
            if let Some(old) = conn.deadline {
                self.deadlines.remove(&(old, id));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, id));
            }
            conn.deadline = deadline;
        }
    }
}
