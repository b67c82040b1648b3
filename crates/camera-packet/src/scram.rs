//! SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677), and the access token that ends it (sheet §10).
//!
//! ```text
//!  client ── n,,n=camera,r=<client nonce> ─────────────────────────▶ server     00/10
//!         ◀── r=<client nonce><server nonce>,s=<salt>,i=<count> ───             00/11
//!         ── c=biws,r=<both nonces>,p=<proof> ─────────────────────▶            00/12
//!         ◀── v=<server signature>,t=<token> ──────────────────────             00/13
//! ```
//!
//! The server never needs the password, only [`Keys`]; the client learns that the server has them too.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base64;
use crate::error::ScramError;
use crate::rng::hmac;
use crate::secret::Token;

/// The only user there is.
pub const USER: &str = "camera";
/// Fewest iterations that a client accepts (RFC 7677 §4).
pub const MIN_ITERATIONS: u32 = 4096;
/// Most iterations that a client does for a server.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// What a server offers unless told otherwise.
pub const DEFAULT_ITERATIONS: u32 = 15_000;

/// What a server keeps of a password (RFC 5802 §3).
#[derive(Clone)]
pub struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Keys {
    /// Derives the keys: `iterations` (at least 1) times two SHA-256, some milliseconds at the default.
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let client_key = hmac(&salted, &[b"Client Key"]);
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// H(ClientKey).
    pub fn stored_key(&self) -> &[u8; 32] {
        &self.stored_key
    }

    /// HMAC(SaltedPassword, "Server Key").
    pub fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }
}

/// The client's side of one exchange.
#[derive(Clone)]
pub struct ScramClient {
    password: Vec<u8>,
    first_bare: String,
    nonce: String,
    /// Signature that the server has to give, once our proof is sent.
    expected: Option<[u8; 32]>,
}

impl fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramClient").field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

impl ScramClient {
    /// For a user without `,` and `=` in his name, and a printable random nonce without `,`.
    pub fn new(user: &str, password: &[u8], nonce: &str) -> Self {
        let mut first_bare = String::from("n=");
        first_bare.push_str(user);
        first_bare.push_str(",r=");
        first_bare.push_str(nonce);
        Self { password: password.to_vec(), first_bare, nonce: nonce.into(), expected: None }
    }

    /// The client-first message.
    pub fn first(&self) -> String {
        [GS2_HEADER, &self.first_bare].concat()
    }

    /// Answers the server-first message with the client-final one. Takes two SHA-256 for each iteration.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::Nonce`], [`ScramError::Iterations`].
    pub fn answer(&mut self, server_first: &[u8]) -> Result<String, ScramError> {
        let text = text(server_first)?;
        let mut attributes = text.split(',');
        let nonce = attribute(attributes.next(), "r=")?;
        let salt = base64::decode(attribute(attributes.next(), "s=")?.as_bytes());
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or(ScramError::Malformed)?;
        let iterations = attribute(attributes.next(), "i=")?;
        let found = iterations.parse().map_err(|_| ScramError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&found) {
            return Err(ScramError::Iterations { found, min: MIN_ITERATIONS, max: MAX_ITERATIONS });
        }
        let salted = salted_password(&self.password, &salt, found);
        let client_key = hmac(&salted, &[b"Client Key"]);
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let mut last = String::from("c=biws,r=");
        last.push_str(nonce);
        let auth = [self.first_bare.as_str(), ",", text, ",", &last].concat();
        let signature = hmac(&stored_key, &[auth.as_bytes()]);
        last.push_str(",p=");
        base64::encode(&xor(client_key, signature), &mut last);
        self.expected = Some(hmac(&hmac(&salted, &[b"Server Key"]), &[auth.as_bytes()]));
        Ok(last)
    }

    /// Takes the server-final message; returns the token if there is one.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::Signature`].
    pub fn finish(&mut self, server_final: &[u8]) -> Result<Option<Token>, ScramError> {
        let expected = self.expected.take().ok_or(ScramError::Malformed)?;
        let mut attributes = text(server_final)?.split(',');
        let signature = attribute(attributes.next(), "v=")?;
        let signature = base64::decode(signature.as_bytes()).ok_or(ScramError::Malformed)?;
        if !bool::from(signature.ct_eq(&expected[..])) {
            return Err(ScramError::Signature);
        }
        let Some(token) = attributes.find_map(|a| a.strip_prefix("t=")) else { return Ok(None) };
        let token = base64::decode(token.as_bytes()).and_then(|bytes| bytes.try_into().ok());
        token.map(|bytes| Some(Token(bytes))).ok_or(ScramError::Malformed)
    }
}

/// The server's side of one exchange, from the client-first message on.
#[derive(Clone, Debug)]
pub struct ScramServer {
    first_bare: String,
    server_first: String,
    nonce: String,
    /// The client's header in base64, which it has to repeat.
    header: &'static str,
    known_user: bool,
}

impl ScramServer {
    /// Reads the client-first message and begins to answer with a printable random nonce without `,`. A user other
    /// than `user` is found out by the proof only, so that names cannot be tried.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::ChannelBinding`].
    pub fn begin(keys: &Keys, user: &str, client_first: &[u8], nonce: &str) -> Result<Self, ScramError> {
        let text = text(client_first)?;
        if text.starts_with("p=") {
            return Err(ScramError::ChannelBinding);
        }
        // `y`: the client could bind a channel but thinks that we cannot; it is right.
        let (header, first_bare) = match (text.strip_prefix(GS2_HEADER), text.strip_prefix("y,,")) {
            (Some(bare), _) => ("biws", bare),
            (_, Some(bare)) => ("eSws", bare),
            _ => return Err(ScramError::Malformed),
        };
        let mut attributes = first_bare.split(',');
        let name = attribute(attributes.next(), "n=")?;
        let client_nonce = attribute(attributes.next(), "r=")?;
        if client_nonce.is_empty() || !client_nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ScramError::Malformed);
        }
        let nonce = [client_nonce, nonce].concat();
        let mut server_first = ["r=", &nonce, ",s="].concat();
        base64::encode(&keys.salt, &mut server_first);
        server_first.push_str(",i=");
        push_number(&mut server_first, keys.iterations);
        Ok(Self { first_bare: first_bare.into(), server_first, nonce, header, known_user: name == user })
    }

    /// The server-first message.
    pub fn first(&self) -> &str {
        &self.server_first
    }

    /// Checks the client-final message; returns the server-final one.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::ChannelBinding`], [`ScramError::Nonce`], [`ScramError::Proof`].
    pub fn finish(
        self,
        keys: &Keys,
        client_final: &[u8],
        token: Option<Token>,
    ) -> Result<String, ScramError> {
        let (without_proof, proof) = text(client_final)?.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = without_proof.split(',');
        if attribute(attributes.next(), "c=")? != self.header {
            return Err(ScramError::ChannelBinding);
        }
        if attribute(attributes.next(), "r=")? != self.nonce {
            return Err(ScramError::Nonce);
        }
        let proof = base64::decode(proof.as_bytes()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let proof = proof.ok_or(ScramError::Malformed)?;
        let auth = [self.first_bare.as_str(), ",", &self.server_first, ",", without_proof].concat();
        let client_key = xor(proof, hmac(&keys.stored_key, &[auth.as_bytes()]));
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        if !bool::from(stored_key.ct_eq(&keys.stored_key)) || !self.known_user {
            return Err(ScramError::Proof);
        }
        let mut last = String::from("v=");
        base64::encode(&hmac(&keys.server_key, &[auth.as_bytes()]), &mut last);
        if let Some(Token(token)) = token {
            last.push_str(",t=");
            base64::encode(&token, &mut last);
        }
        Ok(last)
    }
}

/// Random bytes as a nonce: printable and without `,`.
pub(crate) fn nonce(bytes: &[u8]) -> String {
    let mut text = String::new();
    base64::encode(bytes, &mut text);
    text
}

/// Hi() of RFC 5802 §2.2: PBKDF2 with HMAC-SHA-256 and one block.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    use hmac::{Hmac, KeyInit, Mac};
    // Keyed once: a copy of the keyed state spares half of the hashing of each round.
    let Ok(keyed) = Hmac::<Sha256>::new_from_slice(password) else { return [0; 32] };
    let round =
        |input: &[u8]| -> [u8; 32] { keyed.clone().chain_update(input).finalize().into_bytes().into() };
    let mut u = round(&[salt, &[0, 0, 0, 1]].concat());
    let mut sum = u;
    for _ in 1..iterations {
        u = round(&u);
        sum = xor(sum, u);
    }
    sum
}

fn xor(mut a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    for (a, b) in a.iter_mut().zip(b) {
        *a ^= b;
    }
    a
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    core::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

fn attribute<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, ScramError> {
    attribute.and_then(|a| a.strip_prefix(name)).ok_or(ScramError::Malformed)
}

fn push_number(out: &mut String, number: u32) {
    use core::fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

/// No channel binding, and the client does not know of any.
const GS2_HEADER: &str = "n,,";
