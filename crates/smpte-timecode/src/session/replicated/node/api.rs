//! What a node is told, what it says, and how it is set up.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use crate::message::SessionId;
use crate::session::replicated::{EntryError, NodeName, Refusal, SharedClock};

/// How a [`Node`](super::Node) is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Its name, which no other node may have.
    pub name: NodeName,
    /// Random, so that two lives of a node differ.
    pub incarnation: u64,
    /// Sessions of the whole cluster. Default 10 000.
    pub max_sessions: usize,
    /// A node that is silent for so long is dead; it writes five times as often. The same for all nodes of a cluster,
    /// at least 1 s. Default 5 s.
    pub lease: Duration,
    /// How far the wall clock may be from the others'. Default 5 ms.
    pub max_offset: Duration,
    /// How long a member waits for a change. Default 2 s.
    pub patience: Duration,
}

impl NodeConfig {
    /// The defaults.
    pub const fn new(name: NodeName, incarnation: u64) -> Self {
        Self {
            name,
            incarnation,
            max_sessions: 10_000,
            lease: Duration::from_secs(5),
            max_offset: Duration::from_millis(5),
            patience: Duration::from_secs(2),
        }
    }

    /// With another [`lease`](Self::lease).
    #[must_use]
    pub const fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// With another [`max_offset`](Self::max_offset).
    #[must_use]
    pub const fn with_max_offset(self, max_offset: Duration) -> Self {
        Self { max_offset, ..self }
    }

    /// With another [`max_sessions`](Self::max_sessions).
    #[must_use]
    pub const fn with_max_sessions(self, max_sessions: usize) -> Self {
        Self { max_sessions, ..self }
    }
}

/// The caller's name for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The node's name for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteToken(pub u64);

/// What the engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// A connection stands; every entry of the store will be told, then [`Synced`](Self::Synced), then every change.
    Connected,
    /// There is no connection. Writes that were not answered may have been done or not.
    Disconnected,
    /// An entry was written, or deleted.
    Entry {
        /// Its key.
        key: String,
        /// Its revision: higher than that of every write before it.
        revision: u64,
        /// Its bytes; `None`: it was deleted.
        value: Option<Bytes>,
    },
    /// All entries that there were at [`Connected`](Self::Connected) have been told.
    Synced,
    /// What became of a write.
    Written {
        /// Which.
        token: WriteToken,
        /// Its revision, or why it was not done.
        outcome: Result<u64, WriteError>,
    },
    /// Another node sent this.
    Message(Bytes),
}

/// Why the engine did not do a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The entry had another revision than expected.
    Conflict,
    /// The engine did not answer, or it refused.
    Failed,
}

/// What the node wants the engine to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Write an entry.
    Write {
        /// For the answer.
        token: WriteToken,
        /// Its key.
        key: String,
        /// Its bytes.
        value: Bytes,
        /// Only if its revision is this; 0: only if there is none; `None`: in any case.
        expected: Option<u64>,
    },
    /// Delete an entry.
    Delete {
        /// For the answer.
        token: WriteToken,
        /// Its key.
        key: String,
        /// Only if its revision is this; `None`: in any case.
        expected: Option<u64>,
    },
    /// Take the mark of a deleted entry out of the store. Not answered.
    Forget {
        /// Its key.
        key: String,
        /// The revision of the mark; nothing newer is touched.
        revision: u64,
    },
    /// Send this to a node, if it is there.
    Send {
        /// The node.
        to: NodeName,
        /// The message.
        data: Bytes,
    },
}

/// What the node says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// For the engine.
    Command(Command),
    /// The clock of a session that has members here is another now.
    Changed {
        /// The session.
        id: SessionId,
        /// Its clock.
        clock: SharedClock,
        /// The request that did it, if it was one of ours.
        by: Option<RequestId>,
    },
    /// What became of a request; of a session that was created or joined, its clock. The member counts from here on.
    Answer {
        /// The request.
        request: RequestId,
        /// Its session.
        id: SessionId,
        /// The session's clock, or why not.
        result: Result<SharedClock, Refusal>,
    },
    /// The node can serve, or cannot any more.
    Health(Health),
    /// A node is dead: its lease has run out.
    NodeLost(NodeName),
    /// A node is there.
    NodeFound(NodeName),
    /// There is an entry that cannot be read.
    Garbage {
        /// The beginning of its key.
        key: String,
        /// What is wrong with it.
        error: EntryError,
    },
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// There is no connection to the engine.
    Away,
    /// The entries of the store are being read.
    Syncing,
    /// The other nodes have not yet said what time it is.
    Measuring,
    /// Our wall clock is too far from the others'.
    ClockOff {
        /// By how much it is ahead of their median.
        offset_ns: i64,
    },
    /// A node that started before us has our name.
    Duplicate,
    /// All is well.
    Serving,
}
