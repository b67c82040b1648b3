//! Payload formats by name.

use crate::{h264, h265, jpeg};

/// A payload format that this crate knows something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JPEG, RFC 2435: frames both ways.
    Jpeg,
    /// H.264, RFC 6184: access units both ways.
    H264,
    /// H.265, RFC 7798: relayed, with readers beginning at random access pictures.
    H265,
    /// Any other: relayed packet by packet.
    Other,
}

impl Codec {
    /// By the encoding name in a description (`a=rtpmap`), in any case.
    pub fn from_encoding_name(name: &str) -> Self {
        match () {
            () if name.eq_ignore_ascii_case("JPEG") => Self::Jpeg,
            () if name.eq_ignore_ascii_case("H264") => Self::H264,
            () if name.eq_ignore_ascii_case("H265") => Self::H265,
            () => Self::Other,
        }
    }

    /// By a static payload type (RFC 3551 §6), for descriptions without a name.
    pub const fn from_payload_type(payload_type: u8) -> Self {
        match payload_type {
            jpeg::PAYLOAD_TYPE => Self::Jpeg,
            _ => Self::Other,
        }
    }

    /// The encoding name; `None` for others.
    pub const fn encoding_name(self) -> Option<&'static str> {
        match self {
            Self::Jpeg => Some("JPEG"),
            Self::H264 => Some("H264"),
            Self::H265 => Some("H265"),
            Self::Other => None,
        }
    }

    /// Whether a reader can begin with a packet: it holds the start of a picture that needs none before it, or what
    /// precedes one.
    pub fn is_key_payload(self, payload: &[u8]) -> bool {
        match self {
            // The fragment offset.
            Self::Jpeg => payload.get(1..4) == Some(&[0, 0, 0]),
            Self::H264 => h264::is_key_payload(payload),
            Self::H265 => h265::is_key_payload(payload),
            Self::Other => true,
        }
    }
}
