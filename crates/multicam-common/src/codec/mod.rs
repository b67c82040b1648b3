//! Bytes and messages.
//!
//! Messages are JSON objects without delimiter (sheet §2.1). [`MessageDecoder`] finds their ends, [`FileDecoder`] reads
//! the answer to GET_VIDEO, and a [`Form`] says in which generation and in whose manner to write.

mod decode;
mod encode;
mod file;
mod json;
mod scan;

use alloc::string::String;

use bytes::{BufMut, Bytes, BytesMut};

pub use decode::Reply;
pub use file::{FileDecoder, FileFrame, encode_file_header};
pub(crate) use json::Object;
pub(crate) use json::Writer;
pub use scan::{JsonScanner, Message, MessageDecoder};

/// Which generation's keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The first OAK devices: only what they know, in their order.
    G0,
    /// Package 1.0: `fileId`, `isRecording`, `message`.
    V1,
    /// Package 2.0 as of G2.3: `fileName`, `batteryLevel`, `deviceType`, upload queues.
    V2,
    /// What all generations read, and our extensions (sheet §9, §10).
    #[default]
    Both,
}

/// In whose manner JSON is written (sheet §6). All are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Python's `json.dumps`: ASCII, `, ` and `: `, `null` written.
    #[default]
    Python,
    /// Java's Gson: compact, nulls left out, numbers with exponents, characters of HTML escaped.
    Gson,
    /// Swift's Foundation: compact, nulls left out, `/` escaped.
    Swift,
}

/// How to write a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form {
    /// Its keys.
    pub dialect: Dialect,
    /// Its text.
    pub style: Style,
}

impl Form {
    /// The first OAK devices.
    pub const G0: Self = Self { dialect: Dialect::G0, style: Style::Python };
    /// Package 1.0 in Python.
    pub const V1: Self = Self { dialect: Dialect::V1, style: Style::Python };
    /// Package 2.0 in Python.
    pub const V2: Self = Self { dialect: Dialect::V2, style: Style::Python };
    /// What we say to everybody.
    pub const BOTH: Self = Self { dialect: Dialect::Both, style: Style::Python };

    /// The same keys in another manner.
    #[must_use]
    pub const fn with_style(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Puts a message behind its length, as OAK devices may be spoken to and answer (sheet §2.3).
pub fn prefixed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len().saturating_add(4));
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}

/// Writes into text what writes into a buffer.
pub(crate) fn to_text(encode: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    encode(&mut out);
    String::from_utf8(out.into()).unwrap_or_default()
}

/// A command is never longer (sheet §12).
pub const MAX_COMMAND: usize = 64 << 10;
/// Nor is a reply.
pub const MAX_REPLY: usize = 1 << 20;
/// Nor the header of a file.
pub const MAX_HEADER: usize = 64 << 10;
/// Objects and arrays in one another.
pub const MAX_DEPTH: u16 = 16;
