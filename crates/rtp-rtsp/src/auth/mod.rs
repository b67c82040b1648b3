//! Who may: Basic (RFC 7617) and Digest (RFC 7616, and the older form of RFC 2617), both sides.
//!
//! ```text
//! HA1 = H(user ":" realm ":" password)      HA2 = H(method ":" uri)
//! response = H(HA1 ":" nonce ":" HA2)                                    RFC 2617 §3.2.2.1, as every client seen
//! response = H(HA1 ":" nonce ":" nc ":" cnonce ":" "auth" ":" HA2)       with qop=auth
//! ```

mod base64;
mod digest;
mod md5;
mod verify;

pub use base64::{decode as base64_decode, encode as base64_encode};
pub(crate) use digest::hex;
pub use digest::{Question, answer, basic, digest_response};
pub use verify::{Verdict, Verifier};

use alloc::string::String;
use core::fmt;

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: String,
    /// Never shown.
    pub password: String,
}

impl Credentials {
    /// This name and this password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
