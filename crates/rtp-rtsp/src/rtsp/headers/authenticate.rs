//! `WWW-Authenticate` (RFC 7235 §4.1; RFC 7616 §3.3, RFC 7617 §2).

use alloc::borrow::Cow;
use alloc::string::String;

use super::Parameters;
use super::parameters::quote;

/// One way in which a server wants a client to show who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// Name and password as they are.
    Basic {
        /// What they are for.
        realm: Cow<'a, str>,
    },
    /// A hash of them.
    Digest {
        /// What they are for.
        realm: Cow<'a, str>,
        /// What goes into the hash.
        nonce: Cow<'a, str>,
        /// To be given back as it is.
        opaque: Option<Cow<'a, str>>,
        /// Which hash.
        algorithm: Algorithm,
        /// The server takes `qop=auth`, with a nonce of the client's. Without it the old form is meant (RFC 2617).
        qop_auth: bool,
        /// Only the nonce was too old.
        stale: bool,
    },
}

/// The hash of a [`Challenge::Digest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`, and where nothing is said.
    #[default]
    Md5,
    /// `SHA-256` (RFC 7616).
    Sha256,
}

impl Algorithm {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// By name; `-sess` and others are not taken.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("MD5") {
            Some(Self::Md5)
        } else if text.eq_ignore_ascii_case("SHA-256") {
            Some(Self::Sha256)
        } else {
            None
        }
    }
}

impl<'a> Challenge<'a> {
    /// Reads the value of one header. `None`: another scheme or hash, or a part is missing.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let (mut realm, mut nonce, mut opaque) = (None, None, None);
        let (mut algorithm, mut qop_auth, mut stale) = (Some(Algorithm::Md5), false, false);
        for (name, value) in Parameters::new(rest, b',').iter() {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "opaque" => opaque = Some(value),
                "algorithm" => algorithm = Algorithm::parse(&value),
                "qop" => qop_auth = value.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")),
                "stale" => stale = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        if scheme.eq_ignore_ascii_case("Basic") {
            return Some(Self::Basic { realm: realm? });
        }
        let is_digest = scheme.eq_ignore_ascii_case("Digest");
        is_digest.then_some(())?;
        Some(Self::Digest { realm: realm?, nonce: nonce?, opaque, algorithm: algorithm?, qop_auth, stale })
    }

    /// The header's value.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(128);
        match self {
            Self::Basic { realm } => {
                out.push_str("Basic realm=");
                quote(realm, &mut out);
            }
            Self::Digest { realm, nonce, opaque, algorithm, qop_auth, stale } => {
                out.push_str("Digest realm=");
                quote(realm, &mut out);
                out.push_str(", nonce=");
                quote(nonce, &mut out);
                if let Some(opaque) = opaque {
                    out.push_str(", opaque=");
                    quote(opaque, &mut out);
                }
                // QUIRK(ffmpeg): 5.1 takes the algorithm as absent or exactly this word.
                if *algorithm == Algorithm::Sha256 {
                    out.push_str(", algorithm=SHA-256");
                }
                if *qop_auth {
                    out.push_str(", qop=\"auth\"");
                }
                if *stale {
                    out.push_str(", stale=true");
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for text in [
            r#"Basic realm="a \"b\"""#,
            r#"Digest realm="r", nonce="n""#,
            r#"Digest realm="r", nonce="n", opaque="o", algorithm=SHA-256, qop="auth", stale=true"#,
        ] {
            assert_eq!(Challenge::parse(text).unwrap().to_text(), text);
        }
        assert_eq!(Challenge::parse("Bearer realm=x"), None);
        assert_eq!(Challenge::parse(r#"Digest realm="r""#), None);
        assert_eq!(Challenge::parse(r#"Digest realm="r", nonce="n", algorithm=MD5-sess"#), None);
    }
}
