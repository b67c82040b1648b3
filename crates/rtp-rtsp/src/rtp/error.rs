//! Why bytes are not an RTP packet.

use thiserror::Error;

/// Bytes that are not an RTP packet (RFC 3550 §5.1, A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RtpError {
    /// It ends before its header, CSRC list or extension does.
    #[error("RTP packet of {length} bytes where at least {expected} belong")]
    TooShort {
        /// How many bytes there are.
        length: u32,
        /// How many are needed at least.
        expected: u32,
    },
    /// Not version 2.
    #[error("RTP version {found}, 2 is wanted")]
    Version {
        /// Its version.
        found: u8,
    },
    /// The padding is none, or longer than what is left for it.
    #[error("RTP padding of {found} bytes in {available}")]
    Padding {
        /// What the last byte says.
        found: u8,
        /// Bytes that could be padding.
        available: u32,
    },
}
