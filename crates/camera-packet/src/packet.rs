//! The frame (sheet §1).
//!
//! ```text
//!  off  size  field
//!   0    1    00
//!   1    1    FF
//!   2    1    ID        00 authentication, 01 data, 02 settings, 03 attach (extension)
//!   3    1    TYPE      00 reply or push, 01 request, 02 error, 10.. extensions
//!   4    2    LEN       bytes of payload, big-endian
//!   6   LEN   payload
//! 6+LEN  1    checksum  XOR of all bytes before it
//! ```
//!
//! There is no escaping, number or end mark: the pair 00 FF may occur in a payload.

use core::fmt;

use bytes::{BufMut, BytesMut};

use crate::checksum;
use crate::error::EncodeError;

/// First two bytes of every frame.
pub const MARK: [u8; 2] = [0x00, 0xff];
/// Bytes before the payload.
pub const HEADER_LEN: usize = 6;
/// Bytes of a frame besides its payload.
pub const OVERHEAD: usize = HEADER_LEN + 1;
/// Most bytes of payload that any peer may send us (sheet §12); the format has room for 65 535.
pub const MAX_PAYLOAD: usize = 1024;

/// ID and TYPE of a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// What it is about.
    pub id: u8,
    /// Which way it goes.
    pub ty: u8,
}

impl Kind {
    /// `ready`: the password was right.
    pub const AUTH_READY: Self = Self::new(0x00, 0x00);
    /// A password.
    pub const AUTH_PASSWORD: Self = Self::new(0x00, 0x01);
    /// The password was wrong.
    pub const AUTH_FAILED: Self = Self::new(0x00, 0x02);
    /// SCRAM client-first message (extension).
    pub const SCRAM_CLIENT_FIRST: Self = Self::new(0x00, 0x10);
    /// SCRAM server-first message (extension).
    pub const SCRAM_SERVER_FIRST: Self = Self::new(0x00, 0x11);
    /// SCRAM client-final message (extension).
    pub const SCRAM_CLIENT_FINAL: Self = Self::new(0x00, 0x12);
    /// SCRAM server-final message (extension).
    pub const SCRAM_SERVER_FINAL: Self = Self::new(0x00, 0x13);
    /// A value with its time.
    pub const DATA: Self = Self::new(0x01, 0x00);
    /// Asks for extended telemetry (extension).
    pub const SUBSCRIBE: Self = Self::new(0x01, 0x10);
    /// Extended telemetry (extension).
    pub const EXTENDED_DATA: Self = Self::new(0x01, 0x11);
    /// The settings in force.
    pub const SETTINGS_REPLY: Self = Self::new(0x02, 0x00);
    /// Asks for the settings (empty) or changes them (six bytes).
    pub const SETTINGS_REQUEST: Self = Self::new(0x02, 0x01);
    /// Extended settings: query (empty) or set (extension).
    pub const EXTENDED_SETTINGS: Self = Self::new(0x02, 0x10);
    /// Extended settings: reply or acknowledgement (extension).
    pub const EXTENDED_REPLY: Self = Self::new(0x02, 0x11);
    /// The token was accepted (extension).
    pub const ATTACHED: Self = Self::new(0x03, 0x00);
    /// Presents a token (extension).
    pub const ATTACH: Self = Self::new(0x03, 0x01);
    /// The token was refused (extension).
    pub const ATTACH_REFUSED: Self = Self::new(0x03, 0x02);

    /// The kind with this ID and TYPE.
    pub const fn new(id: u8, ty: u8) -> Self {
        Self { id, ty }
    }

    /// Whether frames of this kind carry a secret, which no log may show.
    pub const fn is_secret(self) -> bool {
        matches!((self.id, self.ty), (0x00, 0x01 | 0x12 | 0x13) | (0x03, 0x01))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}/{:02x}", self.id, self.ty)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One whole frame in a buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// ID and TYPE.
    pub kind: Kind,
    /// The payload, LEN bytes.
    pub payload: &'a [u8],
    /// Where in the stream its first byte was, counted from 0.
    pub offset: u64,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Frame");
        out.field("kind", &self.kind).field("offset", &self.offset);
        if self.kind.is_secret() {
            out.field("payload", &format_args!("{} secret bytes", self.payload.len())).finish()
        } else {
            out.field("payload", &self.payload).finish()
        }
    }
}

/// Appends one frame; `out` grows by 7 + the payload's length.
///
/// # Errors
/// [`EncodeError::TooLong`] above 65 535 bytes of payload; nothing is written then.
pub fn encode(kind: Kind, payload: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    let len = u16::try_from(payload.len()).map_err(|_| EncodeError::TooLong { len: payload.len() })?;
    let [high, low] = len.to_be_bytes();
    let header = [MARK[0], MARK[1], kind.id, kind.ty, high, low];
    out.reserve(OVERHEAD + payload.len());
    out.put_slice(&header);
    out.put_slice(payload);
    out.put_u8(checksum::xor(&header) ^ checksum::xor(payload));
    Ok(())
}

/// Appends one frame whose payload is written in its place: `payload` appends `len` bytes.
pub(crate) fn encode_with(kind: Kind, len: u16, out: &mut BytesMut, payload: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    let [high, low] = len.to_be_bytes();
    out.reserve(OVERHEAD + usize::from(len));
    out.put_slice(&[MARK[0], MARK[1], kind.id, kind.ty, high, low]);
    payload(out);
    debug_assert_eq!(out.len() - start, HEADER_LEN + usize::from(len));
    let sum = checksum::xor(out.get(start..).unwrap_or_default());
    out.put_u8(sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn the_longest_payload_and_one_more() {
        let mut out = BytesMut::new();
        encode(Kind::AUTH_PASSWORD, &vec![b'a'; 65_535], &mut out).unwrap();
        assert_eq!(out.len(), 65_542);
        assert_eq!(checksum::xor(&out), 0);
        let error = encode(Kind::AUTH_PASSWORD, &vec![b'a'; 65_536], &mut out);
        assert_eq!(error, Err(EncodeError::TooLong { len: 65_536 }));
        assert_eq!(out.len(), 65_542);
    }

    #[test]
    fn passwords_are_not_shown() {
        let frame = Frame { kind: Kind::AUTH_PASSWORD, payload: b"hunter2", offset: 0 };
        let text = format!("{frame:?}");
        assert!(text.contains("7 secret bytes") && !text.contains("104"), "{text}");
    }
}
