//! What can be wrong with text from a peer, and with what a program asks.

use thiserror::Error;

/// A head that is not RTSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The first line is neither a request nor a status line.
    #[error("first line is neither a request nor a response")]
    StartLine,
    /// A line that is no header.
    #[error("no header at byte {}", offset + 1)]
    Header {
        /// Where the line begins.
        offset: u32,
    },
    /// Too many headers.
    #[error("more than {limit} headers")]
    TooManyHeaders {
        /// How many there may be.
        limit: u16,
    },
    /// `Content-Length` is not a number, or there are two that differ.
    #[error("Content-Length cannot be read")]
    ContentLength,
}

/// Bytes of a connection that cannot be followed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A head that is not RTSP.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// No end of the head within the limit.
    #[error("head is longer than {limit} bytes")]
    HeadTooLong {
        /// The most bytes before the blank line.
        limit: u32,
    },
    /// A body beyond the limit.
    #[error("body of {length} bytes, at most {limit} are taken")]
    BodyTooLong {
        /// What `Content-Length` says.
        length: u32,
        /// The most bytes.
        limit: u32,
    },
}

/// A header's value that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{header} cannot be read at byte {}", offset + 1)]
pub struct HeaderError {
    /// Which header.
    pub header: &'static str,
    /// First byte of the part that does not fit.
    pub offset: u32,
}

/// A session description that cannot be read (RFC 8866).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Not a line `x=value`, or one whose value does not fit.
    #[error("line {line} of the session description cannot be read")]
    Line {
        /// Counted from 1.
        line: u32,
    },
    /// It does not begin with `v=0`.
    #[error("session description does not begin with v=0")]
    Version,
    /// Longer than the limit.
    #[error("session description of {length} bytes, at most {limit} are taken")]
    TooLong {
        /// How long it is.
        length: u32,
        /// How long it may be.
        limit: u32,
    },
    /// More media than the limit.
    #[error("more than {limit} media in the session description")]
    TooManyMedia {
        /// How many there may be.
        limit: u16,
    },
}

/// Something that a program asked of a machine and that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Another mount has that path.
    #[error("another mount has that path")]
    PathTaken,
    /// Paths have no empty parts, no dots at the start of a part, no backslashes and no control characters.
    #[error("not a path for a mount")]
    Path,
    /// No track of that number.
    #[error("no such track")]
    NoSuchTrack,
    /// There is no such mount (any more).
    #[error("no such mount")]
    NoSuchMount,
    /// The payload type of a track's description cannot be read.
    #[error("a track without a payload type")]
    Media,
}
