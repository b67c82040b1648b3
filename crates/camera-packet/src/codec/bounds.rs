//! Which headers are plausible.

use crate::packet::{Kind, MAX_PAYLOAD};

/// Which frames may come: narrower bounds let a false header hold back less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    ids: u32,
    max_len: u16,
}

impl Bounds {
    /// Everything that the format leaves open: ID and TYPE to 0x1F.
    pub const ANY: Self = Self { ids: u32::MAX, max_len: 1024 };
    /// What a client gets on port 5000: data and answers to an attach, so that a false header holds back 71 bytes.
    pub const DATA_CLIENT: Self = Self { ids: 1 << 1 | 1 << 3, max_len: 64 };
    /// What a server gets on port 5000: subscriptions and tokens.
    pub const DATA_SERVER: Self = Self { ids: 1 << 1 | 1 << 3, max_len: 64 };
    /// What a client gets on port 5001.
    pub const SETTINGS_CLIENT: Self = Self { ids: 1 << 2 | 1 << 3, max_len: 64 };
    /// What a server gets on port 5001. Other kinds are frames too, to be ignored whole.
    pub const SETTINGS_SERVER: Self = Self::ANY;
    /// Either way on port 5002.
    pub const AUTH: Self = Self { ids: 1, max_len: 1024 };

    /// These narrowed to IDs given as bits (bit 0 for ID 0, up to 31) and to at most `max_len` bytes of payload.
    #[must_use]
    pub const fn narrowed(self, ids: u32, max_len: u16) -> Self {
        let max_len = if max_len < self.max_len { max_len } else { self.max_len };
        Self { ids: self.ids & ids, max_len }
    }

    /// Whether a frame with this header may come.
    #[inline]
    pub(crate) const fn allow(self, kind: Kind, len: u16) -> bool {
        // One bit for each ID; TYPE has the same range.
        kind.id <= 0x1f
            && kind.ty <= 0x1f
            && self.ids >> kind.id & 1 == 1
            && len <= self.max_len
            && len <= longest(kind)
    }
}

/// Whether the kind is known, and if so whether a message of it can have this length (sheet §2, §10).
#[inline]
pub(crate) const fn known(kind: Kind, len: usize) -> Option<bool> {
    Some(match kind {
        Kind::DATA | Kind::SETTINGS_REPLY => len == 9,
        Kind::SETTINGS_REQUEST => len == 0 || len == 6,
        Kind::AUTH_READY => len == 5,
        Kind::AUTH_PASSWORD => len >= 1,
        // The note on the protocol promises a text, the original never sends one.
        Kind::AUTH_FAILED => true,
        Kind::SCRAM_CLIENT_FIRST
        | Kind::SCRAM_SERVER_FIRST
        | Kind::SCRAM_CLIENT_FINAL
        | Kind::SCRAM_SERVER_FINAL => len >= 1,
        Kind::SUBSCRIBE => len == 4,
        Kind::EXTENDED_DATA => len == 30,
        Kind::EXTENDED_SETTINGS => len == 0 || len == 34,
        Kind::EXTENDED_REPLY => len == 34,
        Kind::ATTACH => len == 16,
        Kind::ATTACHED | Kind::ATTACH_REFUSED => len == 0,
        _ => return None,
    })
}

const fn longest(kind: Kind) -> u16 {
    match kind {
        Kind::DATA | Kind::SETTINGS_REPLY | Kind::SETTINGS_REQUEST | Kind::AUTH_READY => 64,
        _ => 1024,
    }
}

const _: () = assert!(MAX_PAYLOAD == 1024);
