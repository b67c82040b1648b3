//! The classroom dialect: its requests, and its frames.

use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use chacha20::rand_core::Rng;
use machine::{ConnId, Datagram, Instant, Output, UdpPeer};

use super::mount::Carrier;
use super::requests::Found;
use super::session::{Role, State};
use super::{Event, MountId, Server, SessionKey};
use crate::codec::{Item, LabRequest};
use crate::lab::{FRAGMENT, Fragments, Numbering};
use crate::media::Packets;
use crate::rtsp::{Method, StatusCode};

impl Server {
    pub(super) fn lab_request(&mut self, now: Instant, conn: ConnId, request: LabRequest) {
        // 100000 to 999999, as the labs draw it.
        let drawn = 100_000 + self.rng.next_u32() % 900_000;
        let Some(c) = self.conns.get_mut(&conn) else { return };
        let number = *c.lab.get_or_insert(drawn);
        let session = c.sessions.first().copied();
        let status = match (request.method, session) {
            _ if self.readers.is_some() => StatusCode::UNAUTHORIZED,
            (Method::Setup, None) => {
                let again = request.clone();
                match self.find(now, conn, &request.file, || Item::Lab(again)) {
                    Found::Mount(mount) => self.lab_setup(now, conn, mount, &request),
                    Found::Asked => return,
                    Found::Nothing => StatusCode::NOT_FOUND,
                }
            }
            (Method::Setup, Some(_)) | (_, None) => StatusCode::NOT_VALID_IN_STATE,
            (Method::Play, Some(key)) => self.lab_play(now, key),
            (Method::Pause, Some(key)) => {
                self.stop_playing(key);
                StatusCode::OK
            }
            (Method::Teardown, Some(key)) => {
                self.end_session(now, key);
                StatusCode::OK
            }
            (Method::Describe, Some(key)) => return self.lab_describe(conn, key, &request, number),
            _ => StatusCode::NOT_IMPLEMENTED,
        };
        self.send(conn, request.reply(status, number));
    }

    fn lab_setup(&mut self, now: Instant, conn: ConnId, mount: MountId, request: &LabRequest) -> StatusCode {
        let Some(track) = self.mounts.get(&mount).and_then(|m| m.jpeg_track()) else {
            return StatusCode::UNSUPPORTED_MEDIA;
        };
        let (Some(port), Some(udp)) = (request.port, self.udp) else {
            return StatusCode::UNSUPPORTED_TRANSPORT;
        };
        let Some((remote, local, secure)) = self.conns.get(&conn).map(|c| (c.remote, c.local, c.secure))
        else {
            return StatusCode::INTERNAL_ERROR;
        };
        if secure {
            return StatusCode::UNSUPPORTED_TRANSPORT;
        }
        let Some(key) = self.new_session(now, conn, mount, Role::Reader) else {
            return StatusCode::NOT_ENOUGH_BANDWIDTH;
        };
        let to = UdpPeer { socket: udp.rtp, remote: SocketAddr::new(remote.ip(), port), local: Some(local) };
        self.place_track(
            key,
            track,
            Carrier::Lab { to, numbers: Numbering::new(self.config.lab_fragments, FRAGMENT) },
        );
        StatusCode::OK
    }

    fn lab_play(&mut self, now: Instant, key: SessionKey) -> StatusCode {
        let Some(session) = self.sessions.get(&key).filter(|s| s.role == Role::Reader) else {
            return StatusCode::NOT_VALID_IN_STATE;
        };
        if session.state == State::Playing {
            return StatusCode::OK;
        }
        let mount = session.mount;
        self.add_reader(now, key, None, false);
        if self.file_range(mount).is_some() {
            self.resume_file(now, key);
        }
        StatusCode::OK
    }

    /// Variant B: a description with LF at its line ends, after the three lines.
    fn lab_describe(&mut self, conn: ConnId, key: SessionKey, request: &LabRequest, number: u32) {
        let host = self.conns.get(&conn).map(|c| c.local);
        let mount = self.sessions.get(&key).map(|s| s.mount);
        let sdp = mount.zip(host).and_then(|(mount, host)| self.describe_mount(mount, host));
        let mut reply = request.reply(StatusCode::OK, number).to_vec();
        reply.extend_from_slice(sdp.unwrap_or_default().replace("\r\n", "\n").as_bytes());
        self.send(conn, Bytes::from(reply));
    }
}

/// Cuts a picture for readers of the dialect. One that is too long for one datagram goes in fragments.
pub(super) fn cut(fragments: Fragments, jpeg: &[u8], unix_ns: Option<i64>) -> Option<Packets> {
    let seconds = unix_ns.unwrap_or(0).div_euclid(1_000_000_000);
    let [.., a, b, c, d] = seconds.to_be_bytes();
    let seconds = u32::from_be_bytes([a, b, c, d]);
    let cut = |fragments| Numbering::new(fragments, FRAGMENT).packetize(jpeg, seconds).ok();
    cut(fragments).or_else(|| cut(Fragments::Same))
}

/// The cut picture on its way to one reader, with its own numbers.
pub(super) fn outputs(
    to: UdpPeer,
    numbers: &mut Numbering,
    picture: &Packets,
) -> impl Iterator<Item = Output<Event>> + use<> {
    let own = numbers.renumber(picture);
    let runs: Vec<_> = own.runs().collect();
    runs.into_iter()
        .map(move |run| Output::Datagram(Datagram { to, data: run.data, segment: run.segment, stamp: None }))
}
