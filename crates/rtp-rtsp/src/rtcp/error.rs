//! Why bytes are not RTCP.

use thiserror::Error;

/// Bytes that are not RTCP (RFC 3550 §6.4, A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// A packet ends before its header says so, or there is none.
    #[error("RTCP packet at byte {offset} needs {expected} bytes, {available} are there")]
    TooShort {
        /// Where it begins in the datagram.
        offset: u32,
        /// How many bytes there are.
        available: u32,
        /// How many are needed at least.
        expected: u32,
    },
    /// Not version 2.
    #[error("RTCP version {found} at byte {offset}, 2 is wanted")]
    Version {
        /// Where the packet begins.
        offset: u32,
        /// Its version.
        found: u8,
    },
    /// Padding on a packet that is not the last, or of an impossible length.
    #[error("wrong RTCP padding at byte {offset}")]
    Padding {
        /// Where the packet begins.
        offset: u32,
    },
    /// More reports, chunks or sources than the packet holds.
    #[error("RTCP packet of type {packet_type} at byte {offset} counts {count}, which does not fit in it")]
    Count {
        /// Where the packet begins.
        offset: u32,
        /// Its type.
        packet_type: u8,
        /// How many it says there are.
        count: u8,
    },
    /// Text of a description or of a leave that runs over the end.
    #[error("RTCP text at byte {offset} runs over the end")]
    Text {
        /// Where the packet begins.
        offset: u32,
    },
}
