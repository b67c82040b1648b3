//! Who may do what, and which paths there are.

use machine::{ConnId, Instant};

use super::{Event, Server};
use crate::auth::Verdict;
use crate::config::Publish;
use crate::message::{Request, Writer};
use crate::rtsp::StatusCode;

/// A connection that was refused this often is ended.
const MAX_FAILURES: u8 = 5;

/// Whether a path can be that of a mount or file: parts of visible characters, none of which begins with a dot.
pub(super) fn is_path(path: &str) -> bool {
    path.len() <= 255
        && path.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.contains(|c: char| c == '\\' || c.is_control())
        })
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Publish,
}

impl Server {
    /// Whether a request may go on; if not it has been answered.
    pub(super) fn authorized(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: &Request,
        intent: Intent,
    ) -> bool {
        let verifier = match intent {
            Intent::Read => &self.readers,
            Intent::Publish => &self.publishers,
        };
        let Some(verifier) = verifier else { return true };
        let now_s = now.as_nanos() / 1_000_000_000;
        let said = request.header("Authorization");
        let verdict = verifier.check(said, request.method_name(), request.target(), now_s);
        if verdict == Verdict::Right {
            return true;
        }
        let challenges = verifier.challenges(now_s, verdict == Verdict::Stale);
        let mut reply = Writer::response(StatusCode::UNAUTHORIZED, request.cseq());
        for challenge in &challenges {
            reply = reply.header("WWW-Authenticate", challenge);
        }
        let reply = reply.header("Server", &self.config.name).finish();
        self.send(conn, reply);
        if verdict == Verdict::Wrong {
            self.refused(now, conn);
        }
        false
    }

    /// Counts a wrong answer; ends the connection after a few.
    pub(super) fn refused(&mut self, now: Instant, conn: ConnId) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        c.failures = c.failures.saturating_add(1);
        let (remote, enough) = (c.remote, c.failures >= MAX_FAILURES);
        self.event(Event::Unauthorized { remote });
        if enough {
            self.close(now, conn);
        }
    }

    /// Whether streams may be published there at all.
    pub(super) fn may_publish(&self, path: &str) -> bool {
        is_path(path)
            && match &self.config.publish {
                Publish::Nowhere => false,
                Publish::Anywhere => true,
                Publish::At(paths) => paths.iter().any(|p| p == path),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for good in ["cam", "a/b.h264", "my film.Mjpeg", "é"] {
            assert!(is_path(good), "{good}");
        }
        for bad in
            ["", "..", "../x", "a/../b", "a//b", "/etc/passwd", "a/", ".hidden", "a\\b", "a\0", "C:\\x"]
        {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
