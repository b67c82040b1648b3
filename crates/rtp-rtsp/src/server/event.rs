//! What a server tells its program, and what it can be asked.

use alloc::string::String;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use crate::jpeg;

/// A mount, by a number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountId(pub u32);

/// A session, by a number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// Something that the program may want to know, or has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client asks for a path that is no mount: answer with
    /// [`Server::offer_file`](super::Server::offer_file). The path has no parts that lead upwards. Asked once for all
    /// that want it.
    FileWanted {
        /// The path, without a slash at its beginning.
        path: String,
    },
    /// A file has no readers any more and is forgotten.
    FileReleased {
        /// The path.
        path: String,
    },
    /// A session plays.
    ReaderJoined {
        /// Which session.
        session: SessionKey,
        /// What it reads.
        path: Arc<str>,
        /// From where.
        remote: SocketAddr,
        /// How its packets travel.
        carrier: CarrierKind,
    },
    /// A session that played does so no more.
    ReaderLeft {
        /// Which session.
        session: SessionKey,
        /// What it read.
        path: Arc<str>,
    },
    /// A publisher records to a mount.
    Published {
        /// Where.
        path: Arc<str>,
        /// From where.
        remote: SocketAddr,
        /// It is back: its readers stayed.
        again: bool,
    },
    /// A publisher is gone; its readers stay for [`publisher_gap`](crate::config::ServerConfig::publisher_gap).
    PublisherLeft {
        /// Where.
        path: Arc<str>,
    },
    /// A publisher sends pictures that cannot be passed on. Told once for each publisher.
    PublisherUnsupported {
        /// Where.
        path: Arc<str>,
        /// Why.
        reason: jpeg::PayloadError,
    },
    /// A published mount is gone, with its readers.
    Unpublished {
        /// Where.
        path: Arc<str>,
    },
    /// A client was refused for what it said of itself.
    Unauthorized {
        /// From where.
        remote: SocketAddr,
    },
}

/// How a reader's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarrierKind {
    /// UDP to the reader.
    Udp,
    /// Interleaved on its connection.
    Tcp,
    /// UDP to a group.
    Multicast,
    /// UDP as the classroom dialect has it.
    Lab,
}

/// What a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// The program feeds it.
    Live,
    /// A publisher feeds it.
    Published,
    /// A file; each reader has a place of its own in it.
    File,
}

/// How a mount is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// Which.
    pub id: MountId,
    /// Its path.
    pub path: Arc<str>,
    /// What it is.
    pub kind: MountKind,
    /// Encodings of its tracks, `JPEG` say, with commas between.
    pub encodings: String,
    /// Sessions that play.
    pub readers: usize,
    /// Whether a publisher is there (of a published one).
    pub publisher: Option<SocketAddr>,
    /// Packets that came in, of all tracks.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How a reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderInfo {
    /// Which session.
    pub session: SessionKey,
    /// From where.
    pub remote: SocketAddr,
    /// How its packets travel.
    pub carrier: CarrierKind,
    /// For how long.
    pub playing: Duration,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of their packets.
    pub bytes: u64,
    /// Frames left out because it read too slowly (TCP).
    pub dropped: u64,
    /// What it last reported: share of packets lost since the report before, in 1/256.
    pub fraction_lost: Option<u8>,
    /// What it last reported: jitter.
    pub jitter: Option<Duration>,
}
