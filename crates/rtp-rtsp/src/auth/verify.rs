//! The server's side: challenges and whether an answer is right.

use alloc::borrow::Cow;
use alloc::string::String;

use super::digest::{basic, hex};
use super::{Credentials, Question, digest_response};
use crate::rtsp::headers::{Algorithm, Authorization, Challenge};

/// Checks what clients say against one name and password.
///
/// Nonces are the time of the challenge and a keyed hash of it, so none has to be remembered.
#[derive(Clone, Debug)]
pub struct Verifier {
    credentials: Credentials,
    realm: String,
    key: [u8; 16],
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They know the password.
    Right,
    /// Right, but for a nonce that is too old.
    Stale,
    /// They do not, or what they say cannot be read.
    Wrong,
    /// Nothing was said.
    Absent,
}

/// Seconds that a nonce is taken for.
const NONCE_LIFE_S: u64 = 300;

impl Verifier {
    /// `key` is secret, and random.
    pub const fn new(credentials: Credentials, realm: String, key: [u8; 16]) -> Self {
        Self { credentials, realm, key }
    }

    /// The values of the `WWW-Authenticate` headers, best first. `now_s` is any clock that counts seconds.
    pub fn challenges(&self, now_s: u64, stale: bool) -> [String; 3] {
        let nonce = self.nonce(now_s);
        let digest = |algorithm, qop_auth| {
            Challenge::Digest {
                realm: Cow::Borrowed(&self.realm),
                nonce: Cow::Borrowed(&nonce),
                opaque: None,
                algorithm,
                qop_auth,
                stale,
            }
            .to_text()
        };
        [
            digest(Algorithm::Sha256, true),
            digest(Algorithm::Md5, false),
            Challenge::Basic { realm: Cow::Borrowed(&self.realm) }.to_text(),
        ]
    }

    /// Whether the value of an `Authorization` header is right for this request.
    pub fn check(&self, value: Option<&str>, method: &str, target: &str, now_s: u64) -> Verdict {
        let Some(value) = value else { return Verdict::Absent };
        let who = &self.credentials;
        match Authorization::parse(value) {
            None => Verdict::Wrong,
            Some(Authorization::Basic { encoded }) => {
                verdict(same(encoded.trim_end_matches('='), basic(who).trim_end_matches('=')))
            }
            Some(Authorization::Digest { username, realm, nonce, uri, response, algorithm, qop, .. }) => {
                // The hash is over the target that the client names; it must be the request's, or its path.
                let same_target = uri == target || (uri.starts_with('/') && target.ends_with(uri.as_ref()));
                let question = Question {
                    algorithm,
                    realm: &realm,
                    nonce: &nonce,
                    method,
                    uri: &uri,
                    qop: qop.as_ref().map(|(c, n)| (c.as_ref(), n.as_ref())),
                };
                let right = same(&response.to_ascii_lowercase(), &digest_response(who, &question));
                if !(right && same_target && realm == self.realm.as_str() && username == who.user.as_str()) {
                    return Verdict::Wrong;
                }
                match self.nonce_age_s(&nonce, now_s) {
                    None => Verdict::Wrong,
                    Some(age) if age > NONCE_LIFE_S => Verdict::Stale,
                    Some(_) => Verdict::Right,
                }
            }
        }
    }

    fn nonce(&self, now_s: u64) -> String {
        let time = hex(&now_s.to_be_bytes());
        let key = hex(&self.key);
        let question = Question {
            algorithm: Algorithm::Sha256,
            realm: "",
            nonce: &time,
            method: "",
            uri: "",
            qop: None,
        };
        let mac = digest_response(&Credentials::new("", key), &question);
        let mac = mac.get(..24).unwrap_or_default();
        alloc::format!("{time}{mac}")
    }

    /// How old a nonce of ours is; `None`: not ours.
    fn nonce_age_s(&self, nonce: &str, now_s: u64) -> Option<u64> {
        let made = u64::from_str_radix(nonce.get(..16)?, 16).ok()?;
        let ours = same(nonce, &self.nonce(made));
        ours.then(|| now_s.checked_sub(made)).flatten()
    }
}

fn verdict(right: bool) -> Verdict {
    if right { Verdict::Right } else { Verdict::Wrong }
}

/// Takes as long wherever they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::super::digest::answer;
    use super::*;

    #[test]
    fn every_challenge_can_be_answered() {
        let who = Credentials::new("u", "p");
        let verifier = Verifier::new(who.clone(), "realm".into(), [7; 16]);
        let uri = "rtsp://h/m";
        for challenge in &verifier.challenges(1000, false) {
            let challenge = Challenge::parse(challenge).unwrap();
            let say = |who| answer(who, &challenge, "PLAY", uri, "c", "00000001");
            let right = say(&who);
            assert_eq!(verifier.check(Some(&right), "PLAY", uri, 1000), Verdict::Right);
            let wrong = say(&Credentials::new("u", "q"));
            assert_eq!(verifier.check(Some(&wrong), "PLAY", uri, 1000), Verdict::Wrong);
            if !matches!(challenge, Challenge::Basic { .. }) {
                assert_eq!(verifier.check(Some(&right), "SETUP", uri, 1000), Verdict::Wrong);
                assert_eq!(verifier.check(Some(&right), "PLAY", "rtsp://h/other", 1000), Verdict::Wrong);
                assert_eq!(verifier.check(Some(&right), "PLAY", uri, 1301), Verdict::Stale);
                let other = Verifier::new(who.clone(), "realm".into(), [8; 16]);
                assert_eq!(other.check(Some(&right), "PLAY", uri, 1000), Verdict::Wrong);
            }
        }
        assert_eq!(verifier.check(None, "PLAY", uri, 0), Verdict::Absent);
        assert_eq!(verifier.check(Some("Bearer x"), "PLAY", uri, 0), Verdict::Wrong);
    }
}
