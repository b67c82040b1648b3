//! What a session server tells the program it runs in.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use machine::ConnId;

use crate::Rate;
use crate::message::SessionId;
use crate::session::Label;
use crate::session::replicated::{Command, EntryError, Health, NodeName};

/// Something happened at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client is here and has its welcome.
    ClientConnected {
        /// Its connection.
        conn: ConnId,
        /// Where it is.
        remote: SocketAddr,
    },
    /// A client was turned away: there are as many as there may be.
    ClientRefused {
        /// Where it is.
        remote: SocketAddr,
    },
    /// A client is gone.
    ClientDisconnected {
        /// Its connection.
        conn: ConnId,
    },
    /// There is a new session.
    SessionCreated {
        /// The session.
        id: SessionId,
        /// Its creator; `None`: the program.
        by: Option<ConnId>,
        /// Its first label.
        label: Label,
    },
    /// A client became a member. Creators do without being told of.
    SessionJoined {
        /// The session.
        id: SessionId,
        /// The new member.
        by: ConnId,
    },
    /// A member is one no more.
    SessionLeft {
        /// The session.
        id: SessionId,
        /// The former member.
        by: ConnId,
    },
    /// A session runs.
    SessionStarted {
        /// The session.
        id: SessionId,
        /// Who started it; `None`: the program.
        by: Option<ConnId>,
        /// The label that it starts from.
        label: Label,
    },
    /// A session has halted.
    SessionStopped {
        /// The session.
        id: SessionId,
        /// Who stopped it; `None`: the program.
        by: Option<ConnId>,
        /// The label that it rests at.
        label: Label,
    },
    /// A session's label was set.
    SessionReset {
        /// The session.
        id: SessionId,
        /// Who set it; `None`: the program, or a jump of the timecode that the session follows.
        by: Option<ConnId>,
        /// The label from now on.
        label: Label,
    },
    /// For the engine of the cluster.
    Engine(Command),
    /// What has happened in the cluster.
    Cluster(ClusterEvent),
    /// A session is no more; one of a cluster, that it has no members here any more.
    SessionRemoved {
        /// The session.
        id: SessionId,
        /// Its last label.
        label: Label,
        /// How long it was there.
        uptime: Duration,
    },
}

/// Something happened in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// This server can serve the cluster's sessions, or cannot any more.
    Health(Health),
    /// Another server is there.
    NodeFound(NodeName),
    /// Another server is dead.
    NodeLost(NodeName),
    /// An entry of the engine cannot be read; it is taken for not there.
    Garbage {
        /// The beginning of its key.
        key: alloc::string::String,
        /// What is wrong with it.
        error: EntryError,
    },
}

/// One session, as it is at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo<'a> {
    /// Its id.
    pub id: SessionId,
    /// Its rate as its creator gave it.
    pub framerate: &'static str,
    /// The rate at which it counts now.
    pub rate: Rate,
    /// The label now.
    pub label: Label,
    /// Whether it runs.
    pub running: bool,
    /// Whether it follows timecode from elsewhere.
    pub following: bool,
    /// Whether it stays when its last member leaves.
    pub pinned: bool,
    /// Whether it belongs to all servers of a cluster.
    pub shared: bool,
    /// How many members it has.
    pub client_count: usize,
    /// When it was made, nanoseconds since 1970-01-01T00:00:00Z; `None` as long as the server was told no date.
    pub created_at: Option<i64>,
    /// How long it has been there.
    pub uptime: Duration,
    /// What the program called it.
    pub name: Option<&'a str>,
}

/// How many there are. Displayed, it is the line that servers log (sheet B8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Clients, members or not.
    pub connected_clients: usize,
    /// Sessions.
    pub active_sessions: usize,
}

impl Status {
    /// Whether there is nothing to tell.
    pub const fn is_idle(self) -> bool {
        self.connected_clients == 0 && self.active_sessions == 0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status: {} clients, {} sessions", self.connected_clients, self.active_sessions)
    }
}
