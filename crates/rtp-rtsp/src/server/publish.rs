//! Streams that come in: ANNOUNCE, RECORD, and their packets.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use machine::{ConnId, Instant};

use super::access::Intent;
use super::event::MountKind;
use super::mount::{Mount, Track};
use super::requests::Target;
use super::session::{Role, State};
use super::timers::Timer;
use super::{Event, MountId, Server, SessionKey};
use crate::message::Request;
use crate::media::{Packets, PacketsBuilder};
use crate::rtp::{Arrival, Bounds, HEADER_LEN, Offer, Packet, Released, ReorderBuffer, SequenceTracker};
use crate::rtsp::StatusCode;
use crate::sdp::Description;

/// A frame of more bytes or packets goes out in parts.
const MAX_UNIT: usize = 2 << 20;
const MAX_UNIT_PACKETS: u16 = 2048;
/// After a gap timestamps go on at least this much later, in ticks of 90 kHz a frame at 25 fps.
const STEP_90KHZ: u32 = 3600;

/// A mount that a connection has announced and may record to.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    path: String,
    mount: MountId,
}

/// Packets of one track on their way from a publisher to readers: renumbered so that numbers go on where the
/// publisher before left off, and put together to frames.
#[derive(Debug)]
pub(super) struct Ingest {
    /// What to add to the publisher's numbers; `None` before its first packet.
    offsets: Option<(u16, u32)>,
    sequence: Option<SequenceTracker>,
    order: ReorderBuffer,
    unit: Option<Unit>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { offsets: None, sequence: None, order: ReorderBuffer::new(Bounds::default()), unit: None }
    }
}

/// Packets of one timestamp that follow one another.
#[derive(Debug)]
struct Unit {
    builder: PacketsBuilder,
    timestamp: u32,
    next_sequence: u16,
    key: bool,
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
        match self.prepare_mount(now, &target.path, &sdp.name, tracks) {
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
            if let Some(before) = mount.publisher
                && let Some(session) = self.sessions.get(&before)
            {
                let conn = session.conn;
                self.end_session(now, before);
                self.close(conn);
            }
            let Some(mount) = self.mounts.get_mut(&id) else { return Err(StatusCode::INTERNAL_ERROR) };
            if mount.takes(&tracks) {
                for (old, new) in mount.tracks.iter_mut().zip(tracks) {
                    old.media = new.media;
                    old.ingest = Ingest::default();
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
        let ssrcs: Vec<_> = (0..crate::sdp::MAX_MEDIA).map(|_| (self.random_u32(), self.random_u32())).collect();
        if let Some(mount) = self.mounts.get_mut(&id) {
            for (track, (ssrc, sequence)) in mount.tracks.iter_mut().zip(ssrcs) {
                let [a, b, ..] = sequence.to_be_bytes();
                track.ssrc = Some(ssrc);
                track.next_sequence = Some(u16::from_be_bytes([a, b]));
            }
        }
        // It is forgotten if nobody records to it.
        self.begin_gap(now, id);
        Ok(id)
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
        if let Some(before) = before.filter(|b| *b != key)
            && let Some(other) = self.sessions.get(&before).map(|s| s.conn)
        {
            self.end_session(now, before);
            self.close(other);
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
            track.ingest = Ingest::default();
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
    pub(super) fn ingest(&mut self, now: Instant, key: SessionKey, track: usize, data: Bytes, over_udp: bool) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.role != Role::Publisher || session.state != State::Recording {
            return;
        }
        session.last_seen = now;
        let id = session.mount;
        let Some(entry) = self.mounts.get_mut(&id).and_then(|m| m.tracks.get_mut(track)) else { return };
        let units = entry.take_packet(now, &data, over_udp);
        for unit in units {
            self.deliver(now, id, track, &unit, None);
        }
    }
}

impl Mount {
    /// Whether streams with these descriptions can go on where those of this mount left off.
    fn takes(&self, tracks: &[Track]) -> bool {
        self.tracks.len() == tracks.len()
            && self.tracks.iter().zip(tracks).all(|(a, b)| {
                a.media.kind == b.media.kind
                    && a.media.formats == b.media.formats
                    && a.encoding.eq_ignore_ascii_case(&b.encoding)
                    && a.clock_rate == b.clock_rate
            })
    }
}

impl Track {
    /// Whether its frames lean on one another.
    pub(super) fn leans(&self) -> bool {
        self.media.kind == "video" && !self.encoding.eq_ignore_ascii_case("JPEG")
    }

    /// Takes a publisher's packet; gives the frames that are whole with it.
    fn take_packet(&mut self, now: Instant, data: &Bytes, over_udp: bool) -> Vec<Packets> {
        let mut out = Vec::new();
        let Ok(packet) = Packet::parse(data) else { return out };
        if !over_udp {
            self.add_packet(now, data, &mut out);
            return out;
        }
        // Over UDP packets are put into order first, doubled ones are left out.
        let tracker = self.ingest.sequence.get_or_insert_with(SequenceTracker::trusting);
        let arrival = tracker.update(packet.header.sequence);
        let Some(extended) = arrival.extended() else { return out };
        if let Arrival::Restart { .. } = arrival {
            self.ingest.order.reset();
            self.ingest.offsets = None;
        }
        match self.ingest.order.offer(extended) {
            Offer::Next => self.add_packet(now, data, &mut out),
            Offer::Hold => self.ingest.order.hold(extended, now, data.clone()),
            Offer::Stale => {}
        }
        while let Some(released) = self.ingest.order.poll(now) {
            if let Released::Packet { data, .. } = released {
                self.add_packet(now, &data, &mut out);
            }
        }
        out
    }

    /// Adds a packet, in its order, to the frame it is of.
    fn add_packet(&mut self, now: Instant, data: &[u8], out: &mut Vec<Packets>) {
        let Ok(packet) = Packet::parse(data) else { return };
        let (sequence_offset, timestamp_offset) = match self.ingest.offsets {
            Some(offsets) => offsets,
            None => {
                let next = self.next_sequence.unwrap_or(packet.header.sequence);
                let timestamp = self.continued(now).unwrap_or(packet.header.timestamp);
                let offsets = (
                    next.wrapping_sub(packet.header.sequence),
                    timestamp.wrapping_sub(packet.header.timestamp),
                );
                *self.ingest.offsets.insert(offsets)
            }
        };
        let sequence = packet.header.sequence.wrapping_add(sequence_offset);
        let timestamp = packet.header.timestamp.wrapping_add(timestamp_offset);
        let framed = self.media.kind == "video";
        let begins = self.begins_key(packet.payload);

        let fits = self.ingest.unit.as_ref().is_none_or(|unit| {
            unit.timestamp == timestamp
                && unit.next_sequence == sequence
                && unit.builder.len_bytes() < MAX_UNIT
                && unit.builder.count() < MAX_UNIT_PACKETS
        });
        if !fits {
            out.extend(self.ingest.finish());
        }
        let unit = self.ingest.unit.get_or_insert_with(|| Unit {
            builder: PacketsBuilder::default(),
            timestamp,
            next_sequence: sequence,
            key: false,
        });
        let header = renumbered(data, sequence, timestamp, self.ssrc.unwrap_or(packet.header.ssrc));
        let taken = header.is_some_and(|(head, rest)| unit.builder.push(&[&head, rest]));
        if taken {
            unit.next_sequence = sequence.wrapping_add(1);
            unit.key |= begins;
        }
        if packet.header.marker || !framed {
            out.extend(self.ingest.finish());
        }
    }

    /// The timestamp of a first packet now, where another publisher's were before.
    fn continued(&self, now: Instant) -> Option<u32> {
        let (last, at) = self.last?;
        let ticks = now.saturating_since(at).as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        let step = u32::try_from(ticks).unwrap_or(u32::MAX).max(STEP_90KHZ / (90_000 / self.clock_rate.clamp(1, 90_000)));
        Some(last.wrapping_add(step))
    }

    /// Whether a decoder can begin with this packet's frame.
    fn begins_key(&self, payload: &[u8]) -> bool {
        if self.media.kind != "video" {
            return true;
        }
        if self.encoding.eq_ignore_ascii_case("H264") {
            begins_key_h264(payload)
        } else if self.encoding.eq_ignore_ascii_case("H265") {
            begins_key_h265(payload)
        } else {
            true
        }
    }
}

impl Ingest {
    fn finish(&mut self) -> Option<Packets> {
        let Unit { builder, key, .. } = self.unit.take()?;
        builder.finish(key)
    }
}

/// A packet's first 12 bytes with other numbers, and the rest of it.
fn renumbered(data: &[u8], sequence: u16, timestamp: u32, ssrc: u32) -> Option<([u8; HEADER_LEN], &[u8])> {
    let (&[a, b, ..], rest) = data.split_first_chunk::<HEADER_LEN>()?;
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [i0, i1, i2, i3] = ssrc.to_be_bytes();
    Some(([a, b, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3], rest))
}

/// RFC 6184 §5.2: an IDR slice or a sequence parameter set, alone, aggregated, or at the start of fragments.
fn begins_key_h264(payload: &[u8]) -> bool {
    let is_key = |nal: u8| matches!(nal & 0x1f, 5 | 7);
    match payload {
        [head, rest @ ..] if head & 0x1f == 24 => {
            let mut rest = rest;
            while let Some((&[high, low], after)) = rest.split_first_chunk::<2>() {
                let Some((nal, after)) = after.split_at_checked(u16::from_be_bytes([high, low]).into()) else {
                    return false;
                };
                if nal.first().is_some_and(|n| is_key(*n)) {
                    return true;
                }
                rest = after;
            }
            false
        }
        [head, fu, ..] if matches!(head & 0x1f, 28 | 29) => fu & 0x80 != 0 && is_key(*fu),
        [head, ..] => is_key(*head),
        [] => false,
    }
}

/// RFC 7798 §4.4: an IRAP picture or a parameter set, alone, aggregated, or at the start of fragments.
fn begins_key_h265(payload: &[u8]) -> bool {
    let is_key = |kind: u8| matches!(kind, 16..=21 | 32..=34);
    let kind = |byte: u8| byte >> 1 & 0x3f;
    match payload {
        // Parameter sets are aggregated before the picture that needs them.
        [head, _, _, _, nal, ..] if kind(*head) == 48 => is_key(kind(*nal)),
        [head, _, fu, ..] if kind(*head) == 49 => fu & 0x80 != 0 && is_key(fu & 0x3f),
        [head, ..] => is_key(kind(*head)),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_decoders_can_begin() {
        for (payload, key) in [
            (&[0x67, 0x42][..], true),
            (&[0x65], true),
            (&[0x41], false),
            (&[0x7c, 0x85], true),
            (&[0x7c, 0x05], false),
            (&[0x18, 0, 1, 0x06, 0, 1, 0x65], true),
            (&[0x18, 0, 1, 0x06, 0, 9, 0x65], false),
            (&[], false),
        ] {
            assert_eq!(begins_key_h264(payload), key, "{payload:02x?}");
        }
        for (payload, key) in [
            (&[0x26, 1][..], true),
            (&[0x02, 1], false),
            (&[0x62, 1, 0x93], true),
            (&[0x62, 1, 0x13], false),
            (&[0x60, 1, 0, 2, 0x40, 1], true),
        ] {
            assert_eq!(begins_key_h265(payload), key, "{payload:02x?}");
        }
    }
}
