//! What can be wrong with frames, messages, SCRAM exchanges and local calls.

use thiserror::Error;

use crate::packet::Kind;

/// A frame that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// LEN has two bytes.
    #[error("payload of {len} bytes does not fit a frame, at most 65535 do")]
    TooLong {
        /// Bytes of payload.
        len: usize,
    },
}

/// A whole frame whose payload is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// No message of this kind is known.
    #[error("no message has the kind {kind}")]
    UnknownKind {
        /// ID and TYPE.
        kind: Kind,
    },
    /// A known kind with a length that none of its messages has.
    #[error("no message of the kind {kind} has {len} bytes")]
    Length {
        /// ID and TYPE.
        kind: Kind,
        /// LEN.
        len: usize,
    },
    /// A reply that is not `ready`.
    #[error("payload of {kind} is not as it always is, from offset {offset}")]
    Content {
        /// ID and TYPE.
        kind: Kind,
        /// First byte that differs.
        offset: usize,
    },
    /// The CRC-32C of an extended message is wrong.
    #[error("CRC-32C is {found:08x}, {expected:08x} was computed")]
    Crc {
        /// As computed over the payload before it.
        expected: u32,
        /// As received.
        found: u32,
    },
}

/// A SCRAM message that cannot be accepted (RFC 5802).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScramError {
    /// Not the message that comes next, or not in its form.
    #[error("SCRAM message cannot be read")]
    Malformed,
    /// The nonce does not continue ours, or is not what we sent.
    #[error("SCRAM nonce is not the one of this exchange")]
    Nonce,
    /// Channel binding was asked for; there is none.
    #[error("SCRAM channel binding is not supported")]
    ChannelBinding,
    /// Too few iterations are unsafe, too many would stall the client.
    #[error("SCRAM iteration count {found} is not within {min} to {max}")]
    Iterations {
        /// What the server offers.
        found: u32,
        /// Least accepted.
        min: u32,
        /// Most accepted.
        max: u32,
    },
    /// The client does not know the password.
    #[error("SCRAM proof is wrong")]
    Proof,
    /// The server does not know the password.
    #[error("SCRAM server signature is wrong: this is not the server it claims to be")]
    Signature,
}

/// A local call that makes no sense now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The connection that the call needs does not stand.
    #[error("not connected")]
    NotConnected,
    /// An exchange on that connection is under way.
    #[error("an exchange is under way")]
    Busy,
    /// A password has 1 to 1024 bytes.
    #[error("a password of {len} bytes; 1 to 1024 are allowed")]
    PasswordLength {
        /// Bytes of it.
        len: usize,
    },
    /// The dialect has no such message.
    #[error("this generation of the protocol has no such request")]
    NotInDialect,
    /// Too many requests wait already.
    #[error("{max} requests wait already")]
    QueueFull {
        /// As many can wait.
        max: usize,
    },
}
