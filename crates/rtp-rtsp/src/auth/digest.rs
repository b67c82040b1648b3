//! The answer to a challenge.

use alloc::borrow::Cow;
use alloc::string::String;

use sha2::{Digest, Sha256};

use super::md5::md5;
use super::{Credentials, base64_encode};
use crate::rtsp::headers::{Algorithm, Authorization, Challenge};

/// What a Digest hash is made over, besides the credentials.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which hash.
    pub algorithm: Algorithm,
    /// From the challenge.
    pub realm: &'a str,
    /// From the challenge.
    pub nonce: &'a str,
    /// Name of the request's method.
    pub method: &'a str,
    /// The request's target.
    pub uri: &'a str,
    /// With `qop=auth`: the client's nonce and its count.
    pub qop: Option<(&'a str, &'a str)>,
}

/// The hash that shows that one knows the password, in hexadecimal.
pub fn digest_response(who: &Credentials, question: &Question<'_>) -> String {
    let hash = |parts: &[&str]| hash(question.algorithm, parts);
    let first = hash(&[&who.user, ":", question.realm, ":", &who.password]);
    let second = hash(&[question.method, ":", question.uri]);
    match question.qop {
        None => hash(&[&first, ":", question.nonce, ":", &second]),
        Some((cnonce, count)) => {
            hash(&[&first, ":", question.nonce, ":", count, ":", cnonce, ":auth:", &second])
        }
    }
}

/// Basic credentials.
pub fn basic(who: &Credentials) -> String {
    base64_encode(alloc::format!("{}:{}", who.user, who.password).as_bytes())
}

/// The `Authorization` that answers a challenge; `cnonce` is used if the server wants one.
pub fn answer(
    who: &Credentials,
    challenge: &Challenge<'_>,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: &str,
) -> String {
    let authorization = match challenge {
        Challenge::Basic { .. } => {
            let encoded = basic(who);
            return Authorization::Basic { encoded: &encoded }.to_text();
        }
        Challenge::Digest { realm, nonce, opaque, algorithm, qop_auth, .. } => {
            let qop = qop_auth.then_some((cnonce, count));
            let question = Question { algorithm: *algorithm, realm, nonce, method, uri, qop };
            Authorization::Digest {
                username: Cow::Borrowed(&who.user),
                realm: Cow::Borrowed(realm),
                nonce: Cow::Borrowed(nonce),
                uri: Cow::Borrowed(uri),
                response: Cow::Owned(digest_response(who, &question)),
                algorithm: *algorithm,
                qop: qop.map(|(c, n)| (Cow::Borrowed(c), Cow::Borrowed(n))),
                opaque: opaque.as_deref().map(Cow::Borrowed),
            }
        }
    };
    authorization.to_text()
}

fn hash(algorithm: Algorithm, parts: &[&str]) -> String {
    match algorithm {
        Algorithm::Md5 => {
            let mut bytes = [&b""[..]; 12];
            for (to, from) in bytes.iter_mut().zip(parts) {
                *to = from.as_bytes();
            }
            hex(&md5(&bytes))
        }
        Algorithm::Sha256 => {
            let mut sha = Sha256::new();
            for part in parts {
                sha.update(part.as_bytes());
            }
            hex(&sha.finalize())
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn rfc_7616_vectors() {
        let who = Credentials::new("Mufasa", "Circle of Life");
        let mut question = Question {
            algorithm: Algorithm::Md5,
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            method: "GET",
            uri: "/dir/index.html",
            qop: Some(("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "00000001")),
        };
        assert_eq!(digest_response(&who, &question), "8ca523f5e9506fed4657c9700eebdbec");
        question.algorithm = Algorithm::Sha256;
        let expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(digest_response(&who, &question), expected);
    }

    /// Seen from gst-rtsp-server.
    #[test]
    fn without_qop() {
        let challenge = r#"Digest realm="GStreamer RTSP Server", nonce="49208d965f41bfed""#;
        let text = answer(
            &Credentials::new("u", "p"),
            &Challenge::parse(challenge).unwrap(),
            "DESCRIBE",
            "rtsp://127.0.0.1:19554/jpeg",
            "",
            "",
        );
        assert!(text.contains(r#"response="34862092e14e6f52f4e83263418b82e4""#), "{text}");
        assert_eq!(basic(&Credentials::new("u", "p")), "dTpw");
    }
}
