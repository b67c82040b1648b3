//! Requests of RTSP 1.0 and their answers.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::IpAddr;

use bytes::Bytes;
use machine::{ConnId, Instant};

use super::access::{Intent, is_path};
use super::session::State;
use super::{MountId, Server, SessionKey};
use crate::codec::Item;
use crate::message::{Request, Writer};
use crate::rtsp::headers::{Public, Session as SessionHeader};
use crate::rtsp::{Method, StatusCode, Url, Version};

/// What this server does.
const METHODS: [Method; 10] = [
    Method::Options,
    Method::Describe,
    Method::Setup,
    Method::Play,
    Method::Pause,
    Method::Teardown,
    Method::GetParameter,
    Method::SetParameter,
    Method::Announce,
    Method::Record,
];

/// What a target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Path of the mount.
    pub(super) path: String,
    /// Number of the track, if one is named.
    pub(super) track: Option<usize>,
    /// Address of the mount, without a slash at its end.
    pub(super) base: String,
}

/// Where a path leads.
pub(super) enum Found {
    Mount(MountId),
    /// The program is asked; the request waits.
    Asked,
    Nothing,
}

impl Server {
    pub(super) fn request(&mut self, now: Instant, conn: ConnId, request: Request) {
        let cseq = request.cseq();
        if request.version() == Version::Other {
            return self.reply(conn, StatusCode::VERSION_NOT_SUPPORTED, cseq);
        }
        // A request without a number cannot be answered so that its client knows which one is meant.
        if cseq.is_none() {
            return self.reply(conn, StatusCode::BAD_REQUEST, None);
        }
        if let Some(feature) = request.header("Require").or_else(|| request.header("Proxy-Require")) {
            let reply = self.writer(StatusCode::OPTION_NOT_SUPPORTED, cseq).header("Unsupported", feature);
            return self.send(conn, reply.finish());
        }
        let named = request.header("Session").map(|value| {
            let id = SessionHeader::parse(value).ok().map(|s| s.id);
            id.and_then(|id| self.session_named(conn, id))
        });
        if let Some(Some(key)) = named
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.last_seen = now;
        }
        match request.method() {
            Method::Options => self.options(conn, &request, named.flatten()),
            Method::Describe => self.describe(now, conn, request),
            Method::Announce => self.announce(now, conn, &request),
            Method::Setup => self.setup(now, conn, request, named),
            Method::GetParameter | Method::SetParameter => self.parameter(conn, &request, named),
            method @ (Method::Play | Method::Pause | Method::Record | Method::Teardown) => {
                let Some(Some(key)) = named else {
                    return self.reply(conn, StatusCode::SESSION_NOT_FOUND, cseq);
                };
                match method {
                    Method::Play => self.play(now, conn, &request, key),
                    Method::Pause => self.pause(conn, &request, key),
                    Method::Record => self.record(now, conn, &request, key),
                    _ => self.teardown(now, conn, &request, key),
                }
            }
            Method::Redirect | Method::Unknown => self.reply(conn, StatusCode::NOT_IMPLEMENTED, cseq),
        }
    }

    fn options(&mut self, conn: ConnId, request: &Request, session: Option<SessionKey>) {
        let reply = self.writer(StatusCode::OK, request.cseq()).header("Public", Public::of(&METHODS));
        let reply = reply.header_if("Session", session.map(|key| self.session_header(key)));
        self.send(conn, reply.finish());
    }

    fn parameter(&mut self, conn: ConnId, request: &Request, named: Option<Option<SessionKey>>) {
        let status = match named {
            Some(None) => StatusCode::SESSION_NOT_FOUND,
            // There are no parameters: without a body it is a sign of life (RFC 2326 §10.8).
            _ if request.body.is_empty() => StatusCode::OK,
            _ => StatusCode::PARAMETER_NOT_UNDERSTOOD,
        };
        let session = named.flatten().map(|key| self.session_header(key));
        let reply = self.writer(status, request.cseq()).header_if("Session", session);
        self.send(conn, reply.finish());
    }

    fn describe(&mut self, now: Instant, conn: ConnId, request: Request) {
        if !self.authorized(now, conn, &request, Intent::Read) {
            return;
        }
        let cseq = request.cseq();
        let accepted =
            request.header("Accept").is_none_or(|a| a.contains("application/sdp") || a.contains("*/*"));
        if !accepted {
            return self.reply(conn, StatusCode::NOT_ACCEPTABLE, cseq);
        }
        let Some(target) = Target::parse(request.target()) else {
            return self.reply(conn, StatusCode::NOT_FOUND, cseq);
        };
        match self.find(now, conn, &target.path, || Item::Request(request)) {
            Found::Mount(mount) => {
                let host = self.conns.get(&conn).map(|c| c.local);
                let Some(sdp) = host.and_then(|host| self.describe_mount(mount, host)) else { return };
                self.mark_unused(now, mount);
                let reply =
                    self.writer(StatusCode::OK, cseq).header("Content-Base", format!("{}/", target.base));
                self.send(conn, reply.body("application/sdp", &sdp));
            }
            Found::Asked => {}
            Found::Nothing => self.reply(conn, StatusCode::NOT_FOUND, cseq),
        }
    }

    pub(super) fn describe_mount(&self, mount: MountId, host: IpAddr) -> Option<String> {
        let range = self.file_range(mount).unwrap_or_else(|| "npt=now-".to_string());
        Some(self.mounts.get(&mount)?.description(host, &range).to_text())
    }

    fn teardown(&mut self, now: Instant, conn: ConnId, request: &Request, key: SessionKey) {
        let session = self.sessions.get(&key).map(|s| s.id.clone());
        self.say_bye(key);
        self.end_session(now, key);
        let reply = self.writer(StatusCode::OK, request.cseq()).header_if("Session", session);
        self.send(conn, reply.finish());
    }

    fn pause(&mut self, conn: ConnId, request: &Request, key: SessionKey) {
        let state = self.sessions.get(&key).map(|s| s.state);
        if state == Some(State::Recording) {
            return self.reply(conn, StatusCode::NOT_VALID_IN_STATE, request.cseq());
        }
        self.stop_playing(key);
        let reply = self.writer(StatusCode::OK, request.cseq()).header("Session", self.session_header(key));
        self.send(conn, reply.finish());
    }

    /// The mount at a path, or the program is asked for a file; then `request` is done again when it has answered.
    pub(super) fn find(
        &mut self,
        now: Instant,
        conn: ConnId,
        path: &str,
        request: impl FnOnce() -> Item,
    ) -> Found {
        if let Some(mount) = self.paths.get(path) {
            return Found::Mount(*mount);
        }
        if !self.config.files || !is_path(path) {
            return Found::Nothing;
        }
        let Some(c) = self.conns.get_mut(&conn) else { return Found::Nothing };
        c.waits = true;
        c.request = Some(request());
        self.want_file(now, conn, path);
        Found::Asked
    }

    /// `Session` with its time-out.
    pub(super) fn session_header(&self, key: SessionKey) -> String {
        let id = self.sessions.get(&key).map_or("", |s| s.id.as_str());
        let seconds = u32::try_from(self.config.session_timeout.as_secs()).unwrap_or(u32::MAX);
        SessionHeader { id, timeout_s: Some(seconds) }.to_string()
    }

    pub(super) fn writer(&self, status: StatusCode, cseq: Option<u32>) -> Writer {
        Writer::response(status, cseq).header("Server", &self.config.name)
    }

    pub(super) fn reply(&mut self, conn: ConnId, status: StatusCode, cseq: Option<u32>) {
        let reply: Bytes = self.writer(status, cseq).finish();
        self.send(conn, reply);
    }
}

impl Target {
    /// `None`: no path can be had from it.
    pub(super) fn parse(target: &str) -> Option<Self> {
        let path = Url::path_of(target)?;
        let base = target.split('?').next().unwrap_or_default().trim_end_matches('/');
        let (mount, last) = path.rsplit_once('/').unwrap_or(("", &path));
        match track_number(last) {
            Some(track) => {
                let base = base.rsplit_once('/').map_or(base, |(b, _)| b);
                Some(Self { path: mount.to_string(), track: Some(track), base: base.to_string() })
            }
            None => {
                // Clients that append to an address with a query put the track there.
                let track = target.split_once('?').and_then(|(_, q)| q.rsplit_once('/')).map(|(_, t)| t);
                let track = track.and_then(track_number);
                Some(Self { path: path.into_owned(), track, base: base.to_string() })
            }
        }
    }
}

/// Our own name for a track, and those that other servers have for theirs.
fn track_number(part: &str) -> Option<usize> {
    let (name, number) = part.split_once('=')?;
    let known = ["trackID", "stream", "streamid", "track"].iter().any(|n| n.eq_ignore_ascii_case(name));
    known.then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, path, track, base) in [
            ("rtsp://h:1/cam", "cam", None, "rtsp://h:1/cam"),
            ("rtsp://h/cam/", "cam", None, "rtsp://h/cam"),
            ("rtsp://h/a/b/trackID=1", "a/b", Some(1), "rtsp://h/a/b"),
            ("rtsp://h/cam/streamid=0", "cam", Some(0), "rtsp://h/cam"),
            ("rtsp://h/cam?x=1/trackID=2", "cam", Some(2), "rtsp://h/cam"),
            ("/cam/stream=0", "cam", Some(0), "/cam"),
        ] {
            let expected = Target { path: path.into(), track, base: base.into() };
            assert_eq!(Target::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Target::parse("*"), None);
    }
}
