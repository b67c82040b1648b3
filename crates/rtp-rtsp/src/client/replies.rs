//! What servers answer.

use alloc::string::ToString;
use core::time::Duration;

use machine::Instant;

use super::{Client, Event, Failure, Goal, media};
use crate::auth;
use crate::config::{Purpose, Wanted};
use crate::message::{Request, Response, Writer};
use crate::rtsp::headers::{Challenge, Lower, Public, Session, Transport};
use crate::rtsp::{Method, StatusCode};
use crate::sdp::Description;

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) cseq: u32,
    pub(super) method: Method,
    pub(super) sent: Instant,
    /// It went with credentials.
    pub(super) authorized: bool,
    /// It is only a sign of life.
    pub(super) keep_alive: bool,
}

impl Client {
    pub(super) fn response(&mut self, now: Instant, response: &Response) {
        let mine = self.pending.as_ref().is_some_and(|p| response.cseq().is_none_or(|c| c == p.cseq));
        // An answer to something else: late, or never asked.
        if !mine {
            return;
        }
        let Some(pending) = self.pending.take() else { return };
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return self.challenged(now, &pending, response);
        }
        if pending.keep_alive {
            return self.step(now);
        }
        let udp_refused = pending.method == Method::Setup && status == StatusCode::UNSUPPORTED_TRANSPORT;
        if udp_refused && !self.over_tcp && self.config.transport == Wanted::Auto {
            self.go_over_to_tcp();
            return self.step(now);
        }
        if pending.method == Method::Teardown {
            self.end();
            return self.event(Event::Ended);
        }
        // Servers that do not know OPTIONS know the rest.
        if !status.is_success() && pending.method != Method::Options {
            return self.fail(Failure::Refused { method: pending.method, status });
        }
        let result = match pending.method {
            Method::Options => {
                self.public = Some(Public::parse(response.header("Public").unwrap_or_default()));
                Ok(())
            }
            Method::Describe => self.description(response),
            Method::Announce => {
                self.described = true;
                Ok(())
            }
            Method::Setup => self.track_set_up(response),
            Method::Play | Method::Record => {
                self.started(now);
                Ok(())
            }
            Method::Pause => {
                self.playing = false;
                self.reset_receivers(now);
                self.event(Event::Ready);
                Ok(())
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => self.step(now),
            Err(failure) => self.fail(failure),
        }
    }

    /// 401: once more with credentials; twice for the same request is enough, unless only the nonce was old.
    fn challenged(&mut self, now: Instant, pending: &Pending, response: &Response) {
        let known = |text: &&str| Challenge::parse(text).is_some();
        let is_digest = |text: &&str| matches!(Challenge::parse(text), Some(Challenge::Digest { .. }));
        let all = || response.all("WWW-Authenticate").filter(known);
        let chosen = all().find(is_digest).or_else(|| all().next());
        let stale = chosen
            .and_then(Challenge::parse)
            .is_some_and(|c| matches!(c, Challenge::Digest { stale: true, .. }));
        let (Some(chosen), true) = (chosen, self.credentials.is_some() && (!pending.authorized || stale))
        else {
            return self.fail(Failure::Unauthorized);
        };
        self.challenge = Some(chosen.to_string());
        self.nonce_count = 0;
        if pending.keep_alive {
            self.keep_alive(now);
        } else if matches!(pending.method, Method::Play) {
            self.ask_play(now);
        } else {
            self.step(now);
        }
    }

    /// The value of `Authorization` for a request, once the server has asked for one.
    pub(super) fn authorization(&mut self, method: Method, uri: &str) -> Option<alloc::string::String> {
        let who = self.credentials.clone()?;
        let challenge = self.challenge.clone()?;
        let cnonce = alloc::format!("{:08x}{:08x}", self.random_u32(), self.random_u32());
        self.nonce_count += 1;
        let count = alloc::format!("{:08x}", self.nonce_count);
        Some(auth::answer(&who, &Challenge::parse(&challenge)?, method.as_str(), uri, &cnonce, &count))
    }

    fn description(&mut self, response: &Response) -> Result<(), Failure> {
        let sdp = Description::parse(&response.body).map_err(Failure::Description)?;
        let base = response.header("Content-Base").or_else(|| response.header("Content-Location"));
        if let Some(base) = base.filter(|b| b.contains("://")) {
            self.base = base.to_string();
        }
        let whole = sdp.attribute("control").filter(|c| c.contains("://"));
        if let Some(whole) = whole {
            self.base = whole.to_string();
        }
        for media in sdp.media {
            let seed = self.random_u32();
            self.tracks.extend(media::TrackState::new(media, &self.base, &self.config, seed));
        }
        if self.tracks.is_empty() {
            return Err(Failure::NoTracks);
        }
        self.described = true;
        let tracks = self.tracks().cloned().collect();
        self.event(Event::Described { tracks });
        Ok(())
    }

    fn track_set_up(&mut self, response: &Response) -> Result<(), Failure> {
        if let Some(session) = response.header("Session").and_then(|s| Session::parse(s).ok()) {
            self.timeout = Duration::from_secs(u64::from(session.timeout_s.unwrap_or(60).clamp(2, 86_400)));
            self.session = Some(session.id.to_string());
        }
        if self.session.is_none() {
            return Err(Failure::Transport);
        }
        let transport = response.header("Transport").and_then(Transport::parse).ok_or(Failure::Transport)?;
        let number = self.set_up;
        let server = self.server;
        let track = self.tracks.get_mut(number).ok_or(Failure::Transport)?;
        match (transport.lower, self.over_tcp) {
            (Lower::Tcp, true) => {
                let asked = media::channels(number);
                track.channels = Some(transport.interleaved.unwrap_or(asked));
            }
            (Lower::Udp, false) => track.set_remote(server, transport.source, transport.server_port),
            _ => return Err(Failure::Transport),
        }
        self.set_up += 1;
        if self.set_up == self.tracks.len() && self.goal == Goal::Ready {
            self.event(Event::Ready);
        }
        Ok(())
    }

    fn started(&mut self, now: Instant) {
        self.playing = true;
        let over_tcp = self.over_tcp;
        self.event(Event::Playing { over_tcp });
        self.plan_keep_alive(now);
        if self.config.purpose == Purpose::Play && !over_tcp {
            // Nothing may have come before, and a pause is no lack of packets.
            if self.packets() == 0 {
                self.fallback_at = Some(now + self.config.udp_timeout);
            }
            self.open_paths();
        }
    }

    pub(super) fn refuse(&mut self, request: &Request) {
        let reply = Writer::response(StatusCode::NOT_IMPLEMENTED, request.cseq()).finish();
        self.send(reply);
    }
}
