//! SETUP (RFC 2326 §10.4): how a track travels.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use machine::{ConnId, Instant, UdpPeer};

use super::access::Intent;
use super::mount::Carrier;
use super::requests::{Found, Target};
use super::session::{Role, State};
use super::{MountId, Server, SessionKey};
use crate::codec::Item;
use crate::message::Request;
use crate::rtsp::StatusCode;
use crate::rtsp::headers::{Lower, Mode, Transport};

impl Server {
    pub(super) fn setup(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: Request,
        named: Option<Option<SessionKey>>,
    ) {
        let cseq = request.cseq();
        if let Some(None) = named {
            return self.reply(conn, StatusCode::SESSION_NOT_FOUND, cseq);
        }
        let offers = request.header("Transport").unwrap_or_default();
        let record = Transport::parse_list(offers).any(|t| t.mode == Some(Mode::Record));
        let (role, intent) =
            if record { (Role::Publisher, Intent::Publish) } else { (Role::Reader, Intent::Read) };
        if !self.authorized(now, conn, &request, intent) {
            return;
        }
        let Some(target) = Target::parse(request.target()) else {
            return self.reply(conn, StatusCode::NOT_FOUND, cseq);
        };
        let mount = match role {
            Role::Publisher => match self.announced(conn, &target.path) {
                Some(mount) => mount,
                None => return self.reply(conn, StatusCode::NOT_VALID_IN_STATE, cseq),
            },
            Role::Reader => {
                let again = request.clone();
                match self.find(now, conn, &target.path, || Item::Request(again)) {
                    Found::Mount(mount) => mount,
                    Found::Asked => return,
                    Found::Nothing => return self.reply(conn, StatusCode::NOT_FOUND, cseq),
                }
            }
        };
        match self.set_up(now, conn, &request, named.flatten(), mount, role, &target) {
            Ok((key, transport)) => {
                let reply = self.writer(StatusCode::OK, cseq).header("Session", self.session_header(key));
                self.send(conn, reply.header("Transport", transport).finish());
            }
            Err(status) => self.reply(conn, status, cseq),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a SETUP is about")]
    fn set_up(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: &Request,
        session: Option<SessionKey>,
        mount: MountId,
        role: Role,
        target: &Target,
    ) -> Result<(SessionKey, Transport), StatusCode> {
        let tracks = self.mounts.get(&mount).map_or(0, |m| m.tracks.len());
        // An address without a track is enough where there is but one.
        let track = target.track.unwrap_or(0);
        if track >= tracks {
            return Err(StatusCode::NOT_FOUND);
        }
        if target.track.is_none() && tracks > 1 {
            return Err(StatusCode::AGGREGATE_NOT_ALLOWED);
        }
        if let Some(session) = session.and_then(|key| self.sessions.get(&key)) {
            if session.state != State::Ready {
                return Err(StatusCode::NOT_VALID_IN_STATE);
            }
            if session.mount != mount || session.role != role {
                return Err(StatusCode::AGGREGATE_NOT_ALLOWED);
            }
        }
        let remote = self.conns.get(&conn).ok_or(StatusCode::INTERNAL_ERROR)?.remote;
        let offers = request.header("Transport").unwrap_or_default();
        let chosen = Transport::parse_list(offers)
            .find_map(|offer| self.carrier(conn, remote, mount, track, role, &offer))
            .ok_or(StatusCode::UNSUPPORTED_TRANSPORT)?;
        let (carrier, transport) = chosen;
        let key = match session {
            Some(key) => key,
            None => self.new_session(now, conn, mount, role).ok_or(StatusCode::NOT_ENOUGH_BANDWIDTH)?,
        };
        self.place_track(key, track, carrier);
        Ok((key, transport))
    }

    /// Puts a track into a session; what was agreed on for it before is forgotten.
    pub(super) fn place_track(&mut self, key: SessionKey, track: usize, carrier: Carrier) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let before = session.tracks.iter().position(|(t, _)| *t == track).map(|i| session.tracks.remove(i).1);
        session.tracks.push((track, carrier.clone()));
        session.tracks.sort_by_key(|(t, _)| *t);
        if let Some(before) = before {
            self.expect_no_more(key, &before);
        }
        self.expect_from(key, track, &carrier);
    }

    /// What an offer comes to, if it can be had.
    fn carrier(
        &mut self,
        conn: ConnId,
        remote: SocketAddr,
        mount: MountId,
        track: usize,
        role: Role,
        offer: &Transport,
    ) -> Option<(Carrier, Transport)> {
        let ssrc = self.mounts.get(&mount)?.tracks.get(track)?.ssrc.filter(|_| role == Role::Reader);
        let mode = match role {
            Role::Reader => Mode::Play,
            Role::Publisher => Mode::Record,
        };
        let reply = Transport { mode: offer.mode.map(|_| mode), ssrc, ..offer.clone() };
        let secure = self.conns.get(&conn).is_some_and(|c| c.secure);
        match offer.lower {
            Lower::Udp if secure => None,
            Lower::Tcp => {
                let channels = match offer.interleaved {
                    Some(channels) if !self.channel_taken(conn, mount, track, channels) => channels,
                    // Taken, or left to us.
                    _ => (0..=126)
                        .map(|i| (i * 2, i * 2 + 1))
                        .find(|c| !self.channel_taken(conn, mount, track, *c))?,
                };
                let carrier = Carrier::Tcp { rtp: channels.0, rtcp: channels.1 };
                let reply = Transport { interleaved: Some(channels), destination: None, ..reply };
                Some((carrier, reply))
            }
            Lower::Udp if offer.multicast && role == Role::Reader => {
                let (group, ports) = self.group(mount, track)?;
                let carrier = self.multicast_carrier(group, ports)?;
                let reply = Transport {
                    destination: Some(IpAddr::V4(group)),
                    port: Some(ports),
                    client_port: None,
                    ttl: Some(self.config.multicast_ttl),
                    ..reply
                };
                Some((carrier, reply))
            }
            Lower::Udp if offer.multicast => None,
            Lower::Udp => {
                let udp = self.udp?;
                let client = offer.client_port?;
                // Never elsewhere than to who asked: this server is no cannon (RFC 2326 §16, `destination`).
                let elsewhere =
                    offer.destination.is_some_and(|d| d.to_canonical() != remote.ip().to_canonical());
                if elsewhere {
                    return None;
                }
                let peer = |socket, port| UdpPeer {
                    socket,
                    remote: SocketAddr::new(remote.ip(), port),
                    local: self.conns.get(&conn).map(|c| c.local),
                };
                let carrier = Carrier::Udp { rtp: peer(udp.rtp, client.0), rtcp: peer(udp.rtcp, client.1) };
                let reply = Transport { server_port: Some(udp.ports), destination: None, ..reply };
                Some((carrier, reply))
            }
        }
    }

    /// Whether a channel of the connection carries another track already.
    fn channel_taken(&self, conn: ConnId, mount: MountId, track: usize, wanted: (u8, u8)) -> bool {
        let Some(c) = self.conns.get(&conn) else { return true };
        let sessions = c.sessions.iter().filter_map(|key| self.sessions.get(key));
        sessions.flat_map(|s| s.tracks.iter().map(move |t| (s.mount, t))).any(|(m, (t, carrier))| {
            match carrier {
                Carrier::Tcp { rtp, rtcp } => {
                    let overlaps = [*rtp, *rtcp].iter().any(|c| *c == wanted.0 || *c == wanted.1);
                    overlaps && (m, *t) != (mount, track)
                }
                _ => false,
            }
        })
    }

    /// Group and ports of a track: two for each track of each mount, from the first on.
    fn group(&self, mount: MountId, track: usize) -> Option<(Ipv4Addr, (u16, u16))> {
        // Each reader of a file has a place of its own in it.
        let shared = self.mounts.get(&mount)?.kind != super::MountKind::File;
        let (group, first) = self.config.multicast.filter(|_| shared)?;
        let tracks = u16::try_from(crate::sdp::MAX_MEDIA).ok()?;
        let place = u16::try_from(mount.0 % 1024)
            .ok()?
            .checked_mul(tracks)?
            .checked_add(u16::try_from(track).ok()?)?;
        let port = first.checked_add(place.checked_mul(2)?)?;
        Some((group, (port, port.checked_add(1)?)))
    }

    fn multicast_carrier(&self, group: Ipv4Addr, ports: (u16, u16)) -> Option<Carrier> {
        let udp = self.udp?;
        let peer = |socket, port| UdpPeer { socket, remote: SocketAddr::from((group, port)), local: None };
        Some(Carrier::Multicast { rtp: peer(udp.rtp, ports.0), rtcp: peer(udp.rtcp, ports.1) })
    }
}
