//! Streams that come in: ANNOUNCE, RECORD, and their packets.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use machine::{ConnId, Instant};

use super::access::Intent;
use super::event::MountKind;
use super::mount::{Mount, Track};
use super::requests::Target;
use super::session::{Role, State};
use super::timers::Timer;
use super::{Event, MountId, Server, SessionKey};
use crate::jpeg;
use crate::media::{Codec, Depacketizer, Packetizer, Packets, PayloadError, Relay};
use crate::message::Request;
use crate::rtp::{
    Arrival, Bounds, DEFAULT_MAX_PACKET, Offer, Outgoing, Packet, Released, ReorderBuffer, SequenceTracker,
};
use crate::rtsp::StatusCode;
use crate::sdp::Description;

/// A picture of more bytes is given up.
const MAX_UNIT: usize = 4 << 20;

/// A mount that a connection has announced and may record to.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    path: String,
    mount: MountId,
}

/// Packets of one track on their way from a publisher to readers: put into order, renumbered so that numbers go on
/// where the publisher before left off, and put together to frames.
#[derive(Debug)]
pub(super) struct Ingest {
    sequence: SequenceTracker,
    order: ReorderBuffer,
    path: Option<Path>,
    /// The next packet is the first of a publisher.
    begins: bool,
    /// Why its pictures cannot be carried.
    unsupported: Unsupported,
}

/// Whether a publisher sends pictures that cannot be carried.
#[derive(Clone, Copy, Debug)]
enum Unsupported {
    Not,
    /// The program has to be told.
    Because(jpeg::PayloadError),
    Told,
}

/// What becomes of the packets.
#[derive(Debug)]
enum Path {
    /// They are passed on.
    Relay(Relay),
    /// Pictures are taken out and packed anew: with one quantization table, as ffmpeg sends them, GStreamer paints wrong
    /// colours; lab readers and previews want the pictures anyway.
    Jpeg { unpack: Box<Depacketizer>, pack: Packetizer, offset: u32 },
}

impl Ingest {
    pub(super) fn new() -> Self {
        Self {
            sequence: SequenceTracker::trusting(),
            order: ReorderBuffer::new(Bounds::default()),
            path: None,
            begins: true,
            unsupported: Unsupported::Not,
        }
    }

    /// What comes next is another publisher's.
    fn restart(&mut self) {
        self.sequence = SequenceTracker::trusting();
        self.order.reset();
        self.begins = true;
        self.unsupported = Unsupported::Not;
    }

    /// Notes why a packet was refused, once for each publisher, unless the network may be to blame.
    fn refused(&mut self, error: PayloadError) {
        use jpeg::PayloadError as E;
        if let (Unsupported::Not, PayloadError::Jpeg(reason)) = (self.unsupported, error)
            && matches!(
                reason,
                E::Type { .. } | E::Quality { .. } | E::Tables { .. } | E::NoDimensions | E::TooLong { .. }
            )
        {
            self.unsupported = Unsupported::Because(reason);
        }
    }
}

impl Server {
    pub(super) fn announce(&mut self, now: Instant, conn: ConnId, request: &Request) {
        let cseq = request.cseq();
        let target = Target::parse(request.target()).filter(|t| t.track.is_none());
        let Some(target) = target.filter(|t| self.may_publish(&t.path)) else {
            return self.reply(conn, StatusCode::FORBIDDEN, cseq);
        };
        if !self.authorized(now, conn, request, Intent::Publish) {
            return;
        }
        let is_sdp = request.header("Content-Type").is_some_and(|t| t.trim().starts_with("application/sdp"));
        if !is_sdp {
            return self.reply(conn, StatusCode::UNSUPPORTED_MEDIA, cseq);
        }
        let Ok(sdp) = Description::parse(&request.body) else {
            return self.reply(conn, StatusCode::BAD_REQUEST, cseq);
        };
        let tracks: Option<Vec<_>> = sdp.media.iter().cloned().map(Track::new).collect();
        let Some(tracks) = tracks.filter(|t| !t.is_empty()) else {
            return self.reply(conn, StatusCode::UNSUPPORTED_MEDIA, cseq);
        };
        match self.prepare_mount(now, conn, &target.path, &sdp.name, tracks) {
            Ok(mount) => {
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.announced = Some(Announced { path: target.path, mount });
                }
                self.reply(conn, StatusCode::OK, cseq);
            }
            Err(status) => self.reply(conn, status, cseq),
        }
    }

    /// The mount to be recorded to: a new one, or the one that is there, with its readers if the streams are alike.
    fn prepare_mount(
        &mut self,
        now: Instant,
        conn: ConnId,
        path: &str,
        title: &str,
        tracks: Vec<Track>,
    ) -> Result<MountId, StatusCode> {
        if let Some(id) = self.paths.get(path).copied() {
            let mount = self.mounts.get(&id).ok_or(StatusCode::INTERNAL_ERROR)?;
            if mount.kind != MountKind::Published {
                return Err(StatusCode::FORBIDDEN);
            }
            // The newcomer takes over: a publisher that was cut off comes back before its connection is known to be
            // dead.
            if let Some(before) = mount.publisher {
                self.supersede(now, before, conn);
            }
            let Some(mount) = self.mounts.get_mut(&id) else { return Err(StatusCode::INTERNAL_ERROR) };
            if mount.takes(&tracks) {
                for (old, new) in mount.tracks.iter_mut().zip(tracks) {
                    old.media = new.media;
                    old.ingest.restart();
                }
                return Ok(id);
            }
            self.drop_mount(now, id);
        }
        let published = self.mounts.values().filter(|m| m.kind == MountKind::Published).count();
        if published >= usize::try_from(self.config.max_published).unwrap_or(usize::MAX) {
            return Err(StatusCode::NOT_ENOUGH_BANDWIDTH);
        }
        let media = tracks.into_iter().map(|t| t.media).collect();
        let id = self
            .add_mount(path, MountKind::Published, title, media)
            .map_err(|_| StatusCode::UNSUPPORTED_MEDIA)?;
        let draw = |_| (self.random_u32(), self.random_u32(), self.random_u32());
        let numbers: Vec<_> = (0..crate::sdp::MAX_MEDIA).map(draw).collect();
        if let Some(mount) = self.mounts.get_mut(&id) {
            for (track, (ssrc, sequence, timestamp)) in mount.tracks.iter_mut().zip(numbers) {
                let [a, b, ..] = sequence.to_be_bytes();
                track.ssrc = Some(ssrc);
                track.next_sequence = Some(u16::from_be_bytes([a, b]));
                track.first_timestamp = timestamp;
            }
        }
        // It is forgotten if nobody records to it.
        self.begin_gap(now, id);
        Ok(id)
    }

    /// Ends a publisher's session for another of `conn`, and its connection if that is not the same.
    fn supersede(&mut self, now: Instant, before: SessionKey, conn: ConnId) {
        let Some(other) = self.sessions.get(&before).map(|s| s.conn) else { return };
        self.end_session(now, before);
        if other != conn {
            self.close(now, other);
        }
    }

    /// The mount at this path that the connection has announced.
    pub(super) fn announced(&self, conn: ConnId, path: &str) -> Option<MountId> {
        let announced = self.conns.get(&conn)?.announced.as_ref().filter(|a| a.path == path)?;
        self.mounts.contains_key(&announced.mount).then_some(announced.mount)
    }

    pub(super) fn record(&mut self, now: Instant, conn: ConnId, request: &Request, key: SessionKey) {
        if !self.authorized(now, conn, request, Intent::Publish) {
            return;
        }
        let cseq = request.cseq();
        let session = self.sessions.get_mut(&key).filter(|s| s.role == Role::Publisher);
        let Some(session) = session else { return self.reply(conn, StatusCode::NOT_VALID_IN_STATE, cseq) };
        let (id, remote) = (session.mount, session.remote);
        session.state = State::Recording;
        let Some(mount) = self.mounts.get_mut(&id) else {
            return self.reply(conn, StatusCode::NOT_FOUND, cseq);
        };
        let before = mount.publisher.replace(key);
        if let Some(at) = mount.gap_until.take() {
            self.timers.remove(&(at, Timer::Gap(id)));
        }
        let again = mount.tracks.iter().any(|t| t.last.is_some());
        let path = mount.path.clone();
        if let Some(before) = before.filter(|b| *b != key) {
            self.supersede(now, before, conn);
        }
        let reply = self.writer(StatusCode::OK, cseq).header("Session", self.session_header(key));
        self.send(conn, reply.finish());
        self.event(Event::Published { path, remote, again });
    }

    /// A publisher is gone: its readers stay for a while.
    pub(super) fn publisher_left(&mut self, now: Instant, id: MountId, key: SessionKey) {
        let Some(mount) = self.mounts.get_mut(&id).filter(|m| m.publisher == Some(key)) else { return };
        mount.publisher = None;
        for track in &mut mount.tracks {
            track.ingest.restart();
        }
        // What comes next leans on nothing that came before.
        for reader in mount.readers.values_mut() {
            reader.waits = true;
        }
        let path = mount.path.clone();
        self.event(Event::PublisherLeft { path });
        self.begin_gap(now, id);
    }

    fn begin_gap(&mut self, now: Instant, id: MountId) {
        let at = now + self.config.publisher_gap;
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        if let Some(before) = mount.gap_until.replace(at) {
            self.timers.remove(&(before, Timer::Gap(id)));
        }
        self.timers.insert((at, Timer::Gap(id)));
    }

    pub(super) fn gap_over(&mut self, now: Instant, id: MountId) {
        let Some(mount) = self.mounts.get_mut(&id).filter(|m| m.publisher.is_none()) else { return };
        mount.gap_until = None;
        let path = mount.path.clone();
        self.drop_mount(now, id);
        self.event(Event::Unpublished { path });
    }

    /// A packet of a publisher.
    pub(super) fn ingest(
        &mut self,
        now: Instant,
        key: SessionKey,
        track: usize,
        data: Bytes,
        over_udp: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.role != Role::Publisher || session.state != State::Recording {
            return;
        }
        session.last_seen = now;
        let id = session.mount;
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let Some(entry) = mount.tracks.get_mut(track) else { return };
        let units = entry.take_packet(now, &data, over_udp);
        if let Unsupported::Because(reason) = entry.ingest.unsupported {
            entry.ingest.unsupported = Unsupported::Told;
            let path = mount.path.clone();
            self.event(Event::PublisherUnsupported { path, reason });
        }
        for (packets, jpeg) in units {
            self.deliver(now, now, id, track, &packets, jpeg.as_ref());
        }
    }
}

impl Mount {
    /// Whether streams with these descriptions can go on where those of this mount left off.
    fn takes(&self, tracks: &[Track]) -> bool {
        self.tracks.len() == tracks.len() && self.tracks.iter().zip(tracks).all(|(a, b)| a.is_continued_by(b))
    }
}

impl Track {
    /// Whether readers of this one can go on with the other.
    pub(super) fn is_continued_by(&self, other: &Self) -> bool {
        self.media.kind == other.media.kind
            && self.media.formats == other.media.formats
            && self.encoding.eq_ignore_ascii_case(&other.encoding)
            && self.clock_rate == other.clock_rate
    }

    /// Whether its frames lean on one another.
    pub(super) fn leans(&self) -> bool {
        self.media.kind == "video" && self.codec != Codec::Jpeg
    }

    /// Takes a publisher's packet; gives the frames that are whole with it, and the pictures of those of JPEG.
    fn take_packet(&mut self, now: Instant, data: &Bytes, over_udp: bool) -> Vec<(Packets, Option<Bytes>)> {
        let mut out = Vec::new();
        let Ok(packet) = Packet::parse(data) else { return out };
        if !over_udp {
            self.add_packet(now, &packet, &mut out);
            return out;
        }
        // Over UDP packets are put into order first, doubled ones are left out.
        let arrival = self.ingest.sequence.update(packet.header.sequence);
        let Some(extended) = arrival.extended() else { return out };
        if let Arrival::Restart { .. } = arrival {
            self.ingest.order.reset();
            self.ingest.begins = true;
        }
        match self.ingest.order.offer(extended) {
            Offer::Next => self.add_packet(now, &packet, &mut out),
            Offer::Hold => self.ingest.order.hold(extended, now, data.clone()),
            Offer::Stale => {}
        }
        while let Some(released) = self.ingest.order.poll(now) {
            if let Released::Packet { data, .. } = released
                && let Ok(packet) = Packet::parse(&data)
            {
                self.add_packet(now, &packet, &mut out);
            }
        }
        out
    }

    /// Adds a packet, in its order, to the frame it is of.
    fn add_packet(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Vec<(Packets, Option<Bytes>)>) {
        // Packets of other payload types were not agreed on.
        if Some(packet.header.payload_type) != self.media.payload_type() {
            return;
        }
        let begins = core::mem::take(&mut self.ingest.begins);
        let gap = self.last.map(|(_, at)| now.saturating_since(at)).unwrap_or_default();
        let gap = gap.max(Duration::from_millis(u64::from(begins)));
        let continued = self.last.map_or(0, |(last, _)| last.wrapping_add(self.ticks(gap)));
        let path = match self.ingest.path.take() {
            Some(path) => path,
            None => self.new_path(),
        };
        match self.ingest.path.insert(path) {
            Path::Relay(relay) => {
                if begins && self.last.is_some() {
                    relay.restart(gap);
                }
                relay.push(packet);
                out.extend(core::iter::from_fn(|| relay.poll()).map(|packets| (packets, None)));
            }
            Path::Jpeg { unpack, pack, offset } => {
                if begins {
                    *offset = continued.wrapping_sub(packet.header.timestamp);
                }
                let frame = match unpack.push(packet) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => return,
                    Err(error) => return self.ingest.refused(error),
                };
                // What cannot be packed anew was no picture.
                if let Ok(packets) = pack.packetize(&frame.data, frame.timestamp.wrapping_add(*offset)) {
                    out.push((packets, Some(frame.data)));
                }
            }
        }
    }

    fn new_path(&self) -> Path {
        let numbers = Outgoing::new(
            self.media.payload_type().unwrap_or(0),
            self.ssrc.unwrap_or(0),
            self.next_sequence.unwrap_or(0),
            DEFAULT_MAX_PACKET,
        );
        let unpack = Depacketizer::new(self.codec, MAX_UNIT).filter(|_| self.codec == Codec::Jpeg);
        match unpack {
            Some(mut unpack) => {
                let size = self.media.attribute("x-dimensions").and_then(|d| d.split_once(','));
                if let Some((width, height)) = size {
                    let pixels = |text: &str| text.trim().parse().unwrap_or(0);
                    unpack.set_dimensions(pixels(width), pixels(height));
                }
                Path::Jpeg { unpack: Box::new(unpack), pack: Packetizer::new(self.codec, numbers), offset: 0 }
            }
            None => Path::Relay(Relay::new(self.codec, self.clock_rate, numbers, self.first_timestamp)),
        }
    }

    fn ticks(&self, time: Duration) -> u32 {
        let ticks = time.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        // Timestamps wrap.
        let [.., a, b, c, d] = ticks.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}
