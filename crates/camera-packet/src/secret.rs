//! Passwords and tokens: never shown, compared in constant time.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes that are not shown in logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// An access token: 16 random bytes that the server gives a client in SCRAM's last message (extension, sheet §10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub [u8; 16]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(16 bytes)")
    }
}

/// SHA-256 of a password: what a server keeps to compare with.
///
/// Digests of both sides are compared, as comparing the passwords themselves would tell their lengths.
#[derive(Clone, Copy)]
pub struct PasswordDigest([u8; 32]);

impl PasswordDigest {
    /// Of this password.
    pub fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Whether `password` is the one, in a time that does not depend on how much of it is right.
    pub fn matches(&self, password: &[u8]) -> bool {
        Self::of(password).0.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest")
    }
}
