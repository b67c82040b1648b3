//! What a device tells its program, and what it shows of itself.

use alloc::string::String;

use machine::{ConnId, FileToken, Instant};

use super::{Boxed, ClockKind};
use crate::message::Upload;
use crate::{DeviceStatus, FileName, UnixTime};

/// A recording, numbered from 1 in the order of starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TakeId(pub u64);

/// Something for the program to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A recording will start: be ready. Said again if the instant moves.
    Armed {
        /// Which.
        take: TakeId,
        /// At this local instant, as far as is known now.
        at: Instant,
        /// That was asked for.
        target: UnixTime,
    },
    /// It will not.
    Disarmed {
        /// Which.
        take: TakeId,
    },
    /// It has: capture is let go.
    Started {
        /// Which.
        take: TakeId,
        /// The local instant at which it was.
        at: Instant,
        /// What was asked for, in synchronised time; `None`: at once.
        target: Option<UnixTime>,
        /// The instant on synchronised time.
        actual: UnixTime,
    },
    /// End it, close the file, and say so by [`take_finished`](super::Device::take_finished).
    Stop {
        /// Which.
        take: TakeId,
    },
    /// Delete a file if it has this hash, and say so by [`deleted`](super::Device::deleted).
    Delete {
        /// Who asked.
        request: ConnId,
        /// The file.
        file: FileToken,
        /// Its name.
        name: FileName,
        /// The proof that was given: SHA-256 in lower-case hexadecimal.
        sha256: String,
    },
    /// Upload a file, and say so by [`upload_done`](super::Device::upload_done).
    Upload {
        /// The file.
        file: FileToken,
        /// Its name.
        name: FileName,
        /// Where to. Holds credentials.
        to: Boxed<Upload>,
    },
}

/// Why a file was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteFailed {
    /// Its hash is another.
    OtherHash,
    /// The system refused.
    System,
}

/// How a device is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// In a word.
    pub status: DeviceStatus,
    /// Where it has the time from.
    pub clock: ClockKind,
    /// Synchronised time minus the system's, in nanoseconds.
    pub offset_ns: i64,
    /// It is not further off than this, in nanoseconds; `None`: not known.
    pub error_ns: Option<u64>,
    /// Finished files.
    pub files: usize,
    /// Connections.
    pub connections: usize,
    /// The recording that is planned, runs or is being closed.
    pub take: Option<TakeId>,
    /// When it was asked to start.
    pub target: Option<UnixTime>,
    /// When it will start.
    pub starts_at: Option<Instant>,
}
