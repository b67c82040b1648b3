//! `Authorization` (RFC 7235 §4.2; RFC 7616 §3.4, RFC 7617 §2).

use alloc::borrow::Cow;
use alloc::string::String;

use super::parameters::quote;
use super::{Algorithm, Parameters};

/// What a client says to show who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// `user:password` in base 64.
    Basic {
        /// As it is on the wire.
        encoded: &'a str,
    },
    /// A hash of them.
    Digest {
        /// Who.
        username: Cow<'a, str>,
        /// As in the challenge.
        realm: Cow<'a, str>,
        /// As in the challenge.
        nonce: Cow<'a, str>,
        /// The request's target.
        uri: Cow<'a, str>,
        /// The hash, in hexadecimal.
        response: Cow<'a, str>,
        /// Which hash.
        algorithm: Algorithm,
        /// With `qop=auth`: the client's nonce and its count.
        qop: Option<(Cow<'a, str>, Cow<'a, str>)>,
        /// As in the challenge.
        opaque: Option<Cow<'a, str>>,
    },
}

impl<'a> Authorization<'a> {
    /// Reads the value. `None`: another scheme or hash, or a part is missing.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        if scheme.eq_ignore_ascii_case("Basic") {
            return Some(Self::Basic { encoded: rest.trim() });
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let (mut username, mut realm, mut nonce, mut uri, mut response) = (None, None, None, None, None);
        let (mut algorithm, mut opaque) = (Some(Algorithm::Md5), None);
        let (mut qop, mut cnonce, mut count) = (None, None, None);
        for (name, value) in Parameters::new(rest, b',').iter() {
            match name.to_ascii_lowercase().as_str() {
                "username" => username = Some(value),
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "uri" => uri = Some(value),
                "response" => response = Some(value),
                "algorithm" => algorithm = Algorithm::parse(&value),
                "opaque" => opaque = Some(value),
                "qop" => qop = Some(value),
                "cnonce" => cnonce = Some(value),
                "nc" => count = Some(value),
                _ => {}
            }
        }
        let qop = match qop {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some((cnonce?, count?)),
            Some(_) => return None,
            None => None,
        };
        Some(Self::Digest {
            username: username?,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?,
            algorithm: algorithm?,
            qop,
            opaque,
        })
    }

    /// The header's value.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(256);
        match self {
            Self::Basic { encoded } => {
                out.push_str("Basic ");
                out.push_str(encoded);
            }
            Self::Digest { username, realm, nonce, uri, response, algorithm, qop, opaque } => {
                out.push_str("Digest username=");
                quote(username, &mut out);
                for (name, value) in
                    [("realm", realm), ("nonce", nonce), ("uri", uri), ("response", response)]
                {
                    out.push_str(", ");
                    out.push_str(name);
                    out.push('=');
                    quote(value, &mut out);
                }
                if *algorithm == Algorithm::Sha256 {
                    out.push_str(", algorithm=SHA-256");
                }
                if let Some((cnonce, count)) = qop {
                    out.push_str(", qop=auth, nc=");
                    out.push_str(count);
                    out.push_str(", cnonce=");
                    quote(cnonce, &mut out);
                }
                if let Some(opaque) = opaque {
                    out.push_str(", opaque=");
                    quote(opaque, &mut out);
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
            "Basic dTpw",
            r#"Digest username="u", realm="r", nonce="n", uri="rtsp://h/m", response="00""#,
            r#"Digest username="u", realm="r", nonce="n", uri="*", response="00", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c", opaque="o""#,
        ] {
            assert_eq!(Authorization::parse(text).unwrap().to_text(), text);
        }
        assert_eq!(Authorization::parse("Basic"), None);
        assert_eq!(Authorization::parse(r#"Digest username="u", realm="r""#), None);
    }
}
