//! PLAY (RFC 2326 §10.5).

use alloc::string::ToString;
use alloc::vec::Vec;

use machine::{ConnId, Instant};

use super::access::Intent;
use super::event::{CarrierKind, MountKind};
use super::mount::{Carrier, Mount, PlayReply, Reader};
use super::requests::Target;
use super::session::{Role, State};
use super::timers::Timer;
use super::{Event, Server, SessionKey};
use crate::message::{Request, Writer};
use crate::rtsp::StatusCode;
use crate::rtsp::headers::{Range, RtpInfo, RtpInfoEntry};

impl Server {
    pub(super) fn play(&mut self, now: Instant, conn: ConnId, request: &Request, key: SessionKey) {
        if !self.authorized(now, conn, request, Intent::Read) {
            return;
        }
        let cseq = request.cseq();
        let Some(session) = self.sessions.get(&key).filter(|s| s.role == Role::Reader) else {
            return self.reply(conn, StatusCode::NOT_VALID_IN_STATE, cseq);
        };
        let Some(mount) = self.mounts.get(&session.mount) else {
            return self.reply(conn, StatusCode::NOT_FOUND, cseq);
        };
        let base = Target::parse(request.target()).map(|t| t.base).unwrap_or_default();
        let reply = PlayReply { cseq, session: self.session_header(key), base };
        if mount.kind == MountKind::File {
            return self.play_file(now, conn, request, key, reply);
        }
        // Live pictures cannot be wound; a range that is not in normal play time is wrong all the same.
        if request.header("Range").is_some_and(|r| Range::parse(r).is_err()) {
            return self.reply(conn, StatusCode::INVALID_RANGE, cseq);
        }
        if session.state == State::Playing {
            // It goes on as it does.
            let reply = live_reply(self.writer(StatusCode::OK, cseq), &reply, Some(mount), None);
            return self.send(conn, reply);
        }
        self.add_reader(now, key, Some(reply), true);
        let at = now + self.config.play_wait;
        if let Some(session) = self.sessions.get_mut(&key) {
            session.play_at = Some(at);
            self.timers.insert((at, Timer::PlayWait(key)));
        }
        if let Some(c) = self.conns.get_mut(&conn) {
            c.waits = true;
        }
    }

    /// Brings a session to those that get frames.
    pub(super) fn add_reader(
        &mut self,
        now: Instant,
        key: SessionKey,
        reply: Option<PlayReply>,
        waits: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.state = State::Playing;
        let Some(mount) = self.mounts.get_mut(&session.mount) else { return };
        let carrier = session.tracks.first().map_or(CarrierKind::Tcp, |(_, c)| c.kind());
        let reader = Reader {
            conn: session.conn,
            remote: session.remote,
            tracks: session.tracks.clone(),
            waits,
            unreported: u32::MAX,
            reply,
            since: now,
            frames: 0,
            bytes: 0,
            dropped: 0,
            fraction_lost: None,
            jitter: None,
        };
        mount.readers.insert(key, reader);
        let event =
            Event::ReaderJoined { session: key, path: mount.path.clone(), remote: session.remote, carrier };
        self.event(event);
    }

    /// No frame has come in time: PLAY is answered without telling what the first packet will be.
    pub(super) fn play_without_frame(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.play_at = None;
        let (conn, id) = (session.conn, session.mount);
        let Some(reply) = self.mounts.get_mut(&id).and_then(|m| m.readers.get_mut(&key)?.reply.take()) else {
            return;
        };
        let reply = live_reply(self.writer(StatusCode::OK, reply.cseq), &reply, None, None);
        self.send(conn, reply);
        self.go_on(now, conn);
    }

    /// The channel of interleaved data from a client: reports of a reader, packets of a publisher.
    pub(super) fn interleaved(&mut self, now: Instant, conn: ConnId, channel: u8, data: bytes::Bytes) {
        let Some(c) = self.conns.get(&conn) else { return };
        let found = c.sessions.iter().find_map(|key| {
            let session = self.sessions.get(key)?;
            session.tracks.iter().find_map(|(track, carrier)| match carrier {
                Carrier::Tcp { rtp, .. } if *rtp == channel => Some((*key, *track, false)),
                Carrier::Tcp { rtcp, .. } if *rtcp == channel => Some((*key, *track, true)),
                _ => None,
            })
        });
        match found {
            Some((key, track, false)) => self.ingest(now, key, track, data, false),
            Some((key, track, true)) => self.reports(now, key, track, &data),
            // Nobody was told to use that channel.
            None => {}
        }
    }
}

/// The reply to a PLAY of something live. `first`: the track and timestamp of the frame that comes now; the other
/// tracks' next sequence numbers are known, their timestamps are not.
pub(super) fn live_reply(
    writer: Writer,
    reply: &PlayReply,
    mount: Option<&Mount>,
    first: Option<(usize, u16, u32)>,
) -> bytes::Bytes {
    let writer = writer.header("Session", &reply.session).header("Range", Range::Now);
    let entries: Vec<_> = mount
        .into_iter()
        .flat_map(|m| m.tracks.iter().enumerate())
        .filter_map(|(i, track)| {
            let (seq, rtptime) = match first {
                Some((t, seq, rtptime)) if t == i => (Some(seq), Some(rtptime)),
                _ => (track.next_sequence, None),
            };
            seq.map(|_| RtpInfoEntry { url: alloc::format!("{}/trackID={i}", reply.base), seq, rtptime })
        })
        .collect();
    let info = (!entries.is_empty()).then(|| RtpInfo { entries }.to_string());
    writer.header_if("RTP-Info", info).finish()
}
