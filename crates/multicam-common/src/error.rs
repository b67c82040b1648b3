//! What can be wrong with bytes from a peer, and with what a program asks for.

use thiserror::Error;

/// Bytes that are not a message of the protocol. Offsets count from the start of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message without an end within the limit.
    #[error("message is longer than {limit} bytes")]
    TooLong {
        /// The most bytes there may be.
        limit: u32,
    },
    /// A length before a message that makes no sense.
    #[error("length {found} is not between 2 and {limit}")]
    Length {
        /// What it says.
        found: u32,
        /// The most it may say.
        limit: u32,
    },
    /// Neither an object nor a length begins like this.
    #[error("byte {found:#04x} begins no message")]
    NoMessage {
        /// The first byte.
        found: u8,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {}", offset + 1)]
    Utf8 {
        /// First byte that does not fit.
        offset: u32,
    },
    /// Not JSON, or not an object.
    #[error("not a JSON object, at byte {}", offset + 1)]
    Syntax {
        /// First byte that does not fit.
        offset: u32,
    },
    /// Arrays or objects in one another without end.
    #[error("more than {limit} arrays or objects in one another")]
    TooDeep {
        /// How many there may be.
        limit: u16,
    },
    /// A field that has to be there is not.
    #[error("field {field} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field of a kind, or with a value, that makes no sense there.
    #[error("field {field} makes no sense")]
    BadField {
        /// Its name.
        field: &'static str,
    },
    /// A command that this protocol does not have.
    #[error("unknown command")]
    UnknownCommand,
}
