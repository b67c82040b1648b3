//! The streaming decoder (sheet §7).
//!
//! ```text
//!  bytes ──▶ find 00 FF ──▶ header plausible? ──▶ whole? ──▶ XOR right? ──▶ in sync, or ──▶ event
//!              │  skip            │ skip 1          │ wait       │ skip 1      followed by a
//!              └──────────────────┴─────────────────┴────────────┘ (or all)    frame or nothing
//! ```
//!
//! A [`Decoder`] is fed any slices and gives the same events however the stream is cut. Frames are borrowed from the
//! slice that was fed; only the unfinished end of a slice is copied (at most [`MAX_HELD`] bytes), and what completes it,
//! so nothing is allocated for a frame. Work is linear: of long frames, which may overlap a hundredfold in a hostile stream, each byte
//! is summed once; of short ones, at most 32 times, eight bytes and more at a time.

mod bounds;
mod decoder;
mod feed;
mod sums;

pub use bounds::Bounds;
pub use decoder::{Decoder, DecoderConfig, Stats};
pub use feed::Feed;

use crate::packet::{Frame, Kind, MAX_PAYLOAD, OVERHEAD};

/// Most bytes that a [`Decoder`] keeps between two calls: the longest frame and the two bytes after it.
pub const MAX_HELD: usize = MAX_PAYLOAD + OVERHEAD + 2;

/// What a decoder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A frame of a known kind and length.
    Frame(Frame<'a>),
    /// A frame of a known kind with a length that none of its messages has; servers ignore it.
    UnexpectedLength(Frame<'a>),
    /// A frame of a kind that is not known; everybody ignores it.
    Unknown(Frame<'a>),
    /// A frame whose checksum is wrong, or bytes that only looked like one. Nothing of it counts.
    BadChecksum {
        /// Where it began, counted from 0.
        offset: u64,
        /// ID and TYPE as its header has them.
        kind: Kind,
        /// LEN as its header has it.
        len: u16,
    },
}

/// What to do with a frame whose checksum is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resync {
    /// Skip one byte and look again: loses no frame behind a false header. Default of clients and tools.
    #[default]
    Rescan,
    /// Skip the whole of it: a frame hidden in the payload of a damaged one is never seen. Default of servers.
    Discard,
}

/// Whether frames end in a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Always, and it must be right.
    #[default]
    Required,
    /// Settings requests (02/01 of 0 or 6 bytes) may lack it: seen by a 00 that does not match in its place, which is
    /// then the next frame's first byte, or by nothing that follows for 50 ms (sheet §4.3, `accept-missing-checksum`).
    Optional,
    /// Never: the dialect in which the original's settings port is in step (sheet §4.3, quirk 4).
    Absent,
}

/// Whether messages of this kind are known, whatever their length.
pub(crate) fn is_known(kind: Kind) -> bool {
    bounds::known(kind, 0).is_some()
}
