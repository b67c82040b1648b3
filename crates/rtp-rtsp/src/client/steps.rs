//! What is to be asked next.

use alloc::string::{String, ToString};

use machine::Instant;

use super::replies::Pending;
use super::{Client, Event, Failure, Goal, media};
use crate::config::{Purpose, Wanted};
use crate::message::Writer;
use crate::rtsp::Method;
use crate::rtsp::headers::{Mode, Range, Transport};
use crate::sdp::{Attribute, Description, resolve};

impl Client {
    /// Asks for the next thing on the way to the goal, unless an answer is awaited.
    pub(super) fn step(&mut self, now: Instant) {
        if self.conn.is_none() || self.pending.is_some() || self.ended {
            return;
        }
        if self.config.lab.is_some() {
            return self.lab_step(now);
        }
        if self.goal == Goal::Gone {
            return self.leave(now);
        }
        if self.public.is_none() {
            let url = self.url.clone();
            return self.ask(now, Method::Options, &url, |w| w.finish());
        }
        if !self.described {
            return match self.config.purpose {
                Purpose::Play => {
                    let url = self.url.clone();
                    self.ask(now, Method::Describe, &url, |w| w.header("Accept", "application/sdp").finish());
                }
                Purpose::Publish => self.ask_announce(now),
            };
        }
        if self.goal >= Goal::Ready && self.set_up < self.tracks.len() {
            return self.ask_setup(now);
        }
        match (self.goal, self.playing) {
            (Goal::Playing, false) => self.ask_play(now),
            (Goal::Ready, true) if self.config.purpose == Purpose::Play => {
                let url = self.base.clone();
                self.ask(now, Method::Pause, &url, |w| w.finish());
            }
            _ => {}
        }
    }

    /// TEARDOWN, if there is a session.
    fn leave(&mut self, now: Instant) {
        self.playing = false;
        self.finish_tracks(now);
        if self.session.is_some() {
            let url = self.base.clone();
            return self.ask(now, Method::Teardown, &url, |w| w.finish());
        }
        self.end();
        self.event(Event::Ended);
    }

    fn ask_announce(&mut self, now: Instant) {
        if self.tracks.is_empty() {
            for (number, media) in self.config.media.clone().into_iter().enumerate() {
                let seed = self.random_u32();
                let mut media = media;
                media.attributes.push(Attribute::new("control", alloc::format!("streamid={number}")));
                self.tracks.extend(media::TrackState::new(media, &self.url, &self.config, seed));
            }
        }
        if self.tracks.is_empty() {
            return self.fail(Failure::NoTracks);
        }
        let sdp = Description {
            name: "genlock".into(),
            lines: alloc::vec![('c', "IN IP4 0.0.0.0".into()), ('t', "0 0".into())],
            media: self.tracks().map(|t| t.media.clone()).collect(),
            ..Description::default()
        };
        let (url, sdp) = (self.url.clone(), sdp.to_text());
        self.ask(now, Method::Announce, &url, |w| w.body("application/sdp", &sdp));
    }

    fn ask_setup(&mut self, now: Instant) {
        let number = self.set_up;
        let mode = match self.config.purpose {
            Purpose::Play => None,
            Purpose::Publish => Some(Mode::Record),
        };
        let Some(track) = self.tracks.get(number) else { return };
        let transport = if self.over_tcp {
            Transport { interleaved: Some(media::channels(number)), mode, ..Transport::TCP }
        } else {
            let Some(ports) = track.ports else { return self.want_ports() };
            Transport { client_port: Some(ports.ports), mode, ..Transport::UDP }
        };
        let url = track.url.clone();
        self.ask(now, Method::Setup, &url, |w| w.header("Transport", &transport).finish());
    }

    pub(super) fn want_ports(&mut self) {
        if !core::mem::replace(&mut self.ports_asked, true) {
            let pairs = self.tracks.len();
            self.event(Event::UdpWanted { pairs });
        }
    }

    /// PLAY or RECORD.
    pub(super) fn ask_play(&mut self, now: Instant) {
        let range = self.range.take().unwrap_or(Range::ALL);
        let (method, url) = match self.config.purpose {
            Purpose::Play => (Method::Play, self.base.clone()),
            Purpose::Publish => (Method::Record, self.url.clone()),
        };
        // A pause ends where it began, without a range.
        let range = (self.keep_alive_at.is_none() || range != Range::ALL).then_some(range);
        self.ask(now, method, &url, |w| w.header_if("Range", range).finish());
    }

    pub(super) fn plan_keep_alive(&mut self, now: Instant) {
        self.keep_alive_at = Some(now + self.timeout / 2);
    }

    /// A sign of life: GET_PARAMETER where the server knows it, else OPTIONS.
    pub(super) fn keep_alive(&mut self, now: Instant) {
        self.plan_keep_alive(now);
        if self.pending.is_some() || self.session.is_none() {
            return;
        }
        let known = self.public.is_some_and(|p| p.contains(Method::GetParameter));
        let method = if known { Method::GetParameter } else { Method::Options };
        let url = self.base.clone();
        self.ask(now, method, &url, |w| w.finish());
        if let Some(pending) = &mut self.pending {
            pending.keep_alive = true;
        }
    }

    fn ask(&mut self, now: Instant, method: Method, url: &str, finish: impl FnOnce(Writer) -> bytes::Bytes) {
        self.cseq += 1;
        let authorization: Option<String> = self.authorization(method, url);
        let authorized = authorization.is_some();
        let writer = Writer::request(method, url, self.cseq)
            .header("User-Agent", &self.config.name)
            .header_if("Session", self.session.as_ref())
            .header_if("Authorization", authorization);
        self.send(finish(writer));
        self.pending = Some(Pending { cseq: self.cseq, method, sent: now, authorized, keep_alive: false });
    }

    /// Nothing has come over UDP.
    pub(super) fn fall_back(&mut self, now: Instant) {
        self.fallback_at = None;
        if self.packets() > 0 || !self.playing {
            return;
        }
        if self.config.transport == Wanted::Udp || self.config.lab.is_some() {
            return self.fail(Failure::NoPackets);
        }
        self.event(Event::FellBack);
        // The session goes with its ports; the reply to this is not waited for.
        if let Some(session) = self.session.take() {
            self.cseq += 1;
            let url = self.base.clone();
            let authorization = self.authorization(Method::Teardown, &url);
            let writer = Writer::request(Method::Teardown, &url, self.cseq)
                .header("Session", session)
                .header_if("Authorization", authorization);
            self.send(writer.finish());
        }
        self.pending = None;
        self.go_over_to_tcp();
        self.step(now);
    }

    pub(super) fn go_over_to_tcp(&mut self) {
        self.over_tcp = true;
        self.session = None;
        self.playing = false;
        self.set_up = 0;
        self.keep_alive_at = None;
        for track in &mut self.tracks {
            track.remote = None;
        }
    }
}

/// The address of a track.
pub(super) fn track_url(base: &str, control: Option<&str>) -> String {
    control.map_or_else(|| base.to_string(), |control| resolve(base, control))
}
