//! Sessions (RFC 2326 §3.4, §A.2).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use chacha20::rand_core::Rng;
use machine::{ConnId, Instant, Output, UdpPeer};

use super::file::FilePlay;
use super::mount::Carrier;
use super::shared::Shared;
use super::timers::Timer;
use super::{Event, MountId, Server, SessionKey, Source};
use crate::rtcp;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) conn: ConnId,
    pub(super) remote: SocketAddr,
    pub(super) mount: MountId,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) last_seen: Instant,
    /// When it is looked after ([`Timer::Session`]).
    pub(super) check_at: Instant,
    /// When PLAY is answered without a frame ([`Timer::PlayWait`]).
    pub(super) play_at: Option<Instant>,
    /// When the file's next frame is due ([`Timer::Frame`]).
    pub(super) frame_at: Option<Instant>,
    /// Tracks that were set up.
    pub(super) tracks: Vec<(usize, Carrier)>,
    /// Where in a file it is.
    pub(super) file: Option<FilePlay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Reader,
    Publisher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Playing,
    Recording,
}

impl Session {
    /// Whether it ends when it is silent: not what travels on the connection itself, nor the classroom dialect, whose
    /// clients never speak while they play.
    pub(super) fn needs_signs(&self) -> bool {
        self.tracks.iter().all(|(_, c)| matches!(c, Carrier::Udp { .. } | Carrier::Multicast { .. }))
    }
}

impl Server {
    /// A new session on a connection. `None`: there are too many.
    pub(super) fn new_session(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: MountId,
        role: Role,
    ) -> Option<SessionKey> {
        let too_many = self.sessions.len() >= usize::try_from(self.config.max_sessions).unwrap_or(usize::MAX);
        let most = usize::from(self.config.max_sessions_per_connection);
        if too_many || self.conns.get(&conn)?.sessions.len() >= most {
            return None;
        }
        // 96 bits that nobody can guess.
        let mut secret = [0; 12];
        self.rng.fill_bytes(&mut secret);
        let c = self.conns.get_mut(&conn)?;
        let key = SessionKey(self.next_session);
        self.next_session += 1;
        c.sessions.push(key);
        let session = Session {
            id: crate::auth::hex(&secret),
            conn,
            remote: c.remote,
            mount: id,
            role,
            state: State::Ready,
            last_seen: now,
            check_at: now + self.config.session_timeout,
            play_at: None,
            frame_at: None,
            tracks: Vec::new(),
            file: None,
        };
        self.sessions.insert(key, session);
        if let Some(mount) = self.mounts.get_mut(&id) {
            mount.sessions += 1;
            if let Some(at) = mount.unused_at.take() {
                self.timers.remove(&(at, Timer::Unused(id)));
            }
        }
        self.timers.insert((now + self.config.session_timeout, Timer::Session(key)));
        Some(key)
    }

    /// The session of that name on this connection.
    pub(super) fn session_named(&self, conn: ConnId, id: &str) -> Option<SessionKey> {
        let mine = self.conns.get(&conn)?.sessions.iter();
        mine.copied().find(|key| self.sessions.get(key).is_some_and(|s| s.id == id))
    }

    /// Notes which datagrams belong to a session.
    pub(super) fn expect_from(&mut self, key: SessionKey, track: usize, carrier: &Carrier) {
        if let Carrier::Udp { rtp, rtcp } = carrier {
            self.sources.insert(source(false, rtp), (key, track));
            self.sources.insert(source(true, rtcp), (key, track));
        }
    }

    /// Forgets which datagrams belong to a track of a session.
    pub(super) fn expect_no_more(&mut self, key: SessionKey, carrier: &Carrier) {
        if let Carrier::Udp { rtp, rtcp } = carrier {
            for source in [source(false, rtp), source(true, rtcp)] {
                if self.sources.get(&source).is_some_and(|(k, _)| *k == key) {
                    self.sources.remove(&source);
                }
            }
        }
    }

    /// Ends a session, whatever it does.
    pub(super) fn end_session(&mut self, now: Instant, key: SessionKey) {
        self.stop_playing(key);
        let Some(session) = self.sessions.remove(&key) else { return };
        for (_, carrier) in &session.tracks {
            self.expect_no_more(key, carrier);
        }
        self.timers.remove(&(session.check_at, Timer::Session(key)));
        if let Some(c) = self.conns.get_mut(&session.conn) {
            c.sessions.retain(|k| *k != key);
            c.last_item = now;
        }
        if session.role == Role::Publisher {
            self.publisher_left(now, session.mount, key);
        }
        if let Some(mount) = self.mounts.get_mut(&session.mount) {
            mount.sessions = mount.sessions.saturating_sub(1);
        }
        self.mark_unused(now, session.mount);
    }

    pub(super) fn end_sessions_of(&mut self, now: Instant, conn: ConnId) {
        let keys = self.conns.get(&conn).map(|c| c.sessions.clone()).unwrap_or_default();
        for key in keys {
            self.end_session(now, key);
        }
    }

    /// Ends a session of which the other side knows nothing yet, and its connection if that has no other.
    pub(super) fn let_go(&mut self, now: Instant, key: SessionKey, conn: ConnId) {
        self.say_bye(key);
        self.end_session(now, key);
        if self.conns.get(&conn).is_some_and(|c| c.sessions.is_empty()) {
            self.close(now, conn);
        }
    }

    /// Takes a session from those that get frames.
    pub(super) fn stop_playing(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.state == State::Playing {
            session.state = State::Ready;
        }
        if let Some(at) = session.play_at.take() {
            self.timers.remove(&(at, Timer::PlayWait(key)));
        }
        if let Some(at) = session.frame_at.take() {
            self.timers.remove(&(at, Timer::Frame(key)));
        }
        let Some(mount) = self.mounts.get_mut(&session.mount) else { return };
        if mount.readers.remove(&key).is_some() {
            if mount.readers.is_empty() {
                mount.shared = Shared::default();
            }
            let path = mount.path.clone();
            self.event(Event::ReaderLeft { session: key, path });
        }
    }

    /// Tells a reader that no more packets come (RFC 3550 §6.6).
    pub(super) fn say_bye(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let Some(mount) = self.mounts.get(&session.mount) else { return };
        let mut said = Vec::new();
        for (track, carrier) in &session.tracks {
            let own = session.file.as_ref().map(|f| f.ssrc());
            let Some(ssrc) = own.or_else(|| mount.tracks.get(*track)?.ssrc) else { continue };
            let mut writer = rtcp::Writer::default();
            writer.receiver_report(ssrc, &[]);
            writer.source_description(ssrc, &[(rtcp::sdes::CNAME, b"genlock")]);
            writer.bye(&[ssrc], b"");
            said.extend(rtcp_output(session.conn, carrier, &writer.finish()));
        }
        self.out.extend(said);
    }
}

fn source(rtcp: bool, peer: &UdpPeer) -> Source {
    Source { rtcp, address: peer.remote.ip().to_canonical(), port: peer.remote.port() }
}

/// RTCP on its way to a reader.
pub(super) fn rtcp_output(conn: ConnId, carrier: &Carrier, data: &bytes::Bytes) -> Option<Output<Event>> {
    match carrier {
        Carrier::Udp { rtcp, .. } | Carrier::Multicast { rtcp, .. } => {
            let data = data.clone();
            Some(Output::Datagram(machine::Datagram { to: *rtcp, data, segment: None, stamp: None }))
        }
        Carrier::Tcp { rtcp, .. } => {
            let mut framed = bytes::BytesMut::with_capacity(4 + data.len());
            let len = u16::try_from(data.len()).ok()?;
            framed.extend_from_slice(&[b'$', *rtcp]);
            framed.extend_from_slice(&len.to_be_bytes());
            framed.extend_from_slice(data);
            let data = machine::Payload::Bytes(framed.freeze());
            Some(Output::Send { to: conn, data, keep: machine::Keep::IfRoom })
        }
        Carrier::Lab { .. } => None,
    }
}
