//! The classroom dialect, as variant A's client speaks it: SETUP, PLAY, PAUSE, TEARDOWN, each in one write.

use core::time::Duration;

use bytes::BytesMut;
use machine::Instant;

use super::media::TrackState;
use super::replies::Pending;
use super::{Client, Event, Failure, Goal};
use crate::codec::LabRequest;
use crate::codec::lab::{LabReply, MAX_REQUEST};
use crate::rtsp::{Method, StatusCode};

/// A reply without a line end is over when nothing came for this long.
const IDLE: Duration = Duration::from_millis(20);

impl Client {
    pub(super) fn lab_step(&mut self, now: Instant) {
        if self.tracks.is_empty() {
            self.tracks.push(TrackState::lab(&self.config));
        }
        let port = self.tracks.first().and_then(|t| t.ports).map(|p| p.ports.0);
        match (self.goal, self.session.is_some(), self.playing) {
            (Goal::Gone, false, _) => {
                self.end();
                self.event(Event::Ended);
            }
            (Goal::Gone, true, _) => self.lab_ask(now, Method::Teardown, None),
            (Goal::Ready | Goal::Playing, false, _) => match port {
                None => self.want_ports(),
                Some(port) => self.lab_ask(now, Method::Setup, Some(port)),
            },
            (Goal::Playing, true, false) => self.lab_ask(now, Method::Play, None),
            (Goal::Ready, true, true) => self.lab_ask(now, Method::Pause, None),
            _ => {}
        }
    }

    fn lab_ask(&mut self, now: Instant, method: Method, port: Option<u16>) {
        let Some(file) = self.config.lab.clone() else { return };
        self.cseq += 1;
        let session = self.session.as_ref().and_then(|s| s.parse().ok()).unwrap_or(0);
        let request = LabRequest { method, file, cseq: self.cseq, port, blank_line: false };
        self.send(request.to_text(session));
        self.pending =
            Some(Pending { cseq: self.cseq, method, sent: now, authorized: false, keep_alive: false });
    }

    pub(super) fn lab_bytes(&mut self, now: Instant, buffer: &mut BytesMut) {
        self.held.extend_from_slice(buffer);
        buffer.clear();
        if self.held.len() > MAX_REQUEST {
            return self.fail(Failure::Refused { method: Method::Unknown, status: StatusCode::TOO_LARGE });
        }
        // Three line ends, and it is whole; else what follows shows.
        let lines = self.held.iter().filter(|b| **b == b'\n').count();
        if lines >= 3 {
            self.lab_reply(now);
        } else {
            self.idle_at = Some(now + IDLE);
        }
    }

    /// Nothing more has come.
    pub(super) fn lab_idle(&mut self, now: Instant) {
        if self.idle_at.take().is_some() {
            self.lab_reply(now);
        }
    }

    fn lab_reply(&mut self, now: Instant) {
        self.idle_at = None;
        let parsed = core::str::from_utf8(&self.held).ok().and_then(LabReply::parse);
        let Some((reply, length)) = parsed else { return };
        let _ = self.held.split_to(length.min(self.held.len()));
        let Some(pending) = self.pending.take_if(|p| p.cseq == reply.cseq) else { return };
        if pending.method == Method::Teardown {
            self.end();
            return self.event(Event::Ended);
        }
        if !reply.status.is_success() {
            return self.fail(Failure::Refused { method: pending.method, status: reply.status });
        }
        match pending.method {
            Method::Setup => {
                self.session = Some(alloc::format!("{}", reply.session));
                if self.goal == Goal::Ready {
                    self.event(Event::Ready);
                }
            }
            Method::Play => {
                self.playing = true;
                self.event(Event::Playing { over_tcp: false });
                if self.packets() == 0 {
                    self.fallback_at = Some(now + self.config.udp_timeout);
                }
            }
            Method::Pause => {
                self.playing = false;
                self.event(Event::Ready);
            }
            _ => {}
        }
        self.step(now);
    }
}
