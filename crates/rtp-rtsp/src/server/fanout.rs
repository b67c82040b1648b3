//! One frame to many readers.

use alloc::vec::Vec;

use bytes::Bytes;
use machine::{ConnId, Datagram, Instant, Keep, Output, Payload, UdpPeer};

use super::lab;
use super::mount::{Carrier, Framed};
use super::play::live_reply;
use super::session::rtcp_output;
use super::timers::Timer;
use super::{MountId, Server, SessionKey};
use crate::media::Packets;
use crate::message::Writer;
use crate::rtcp;
use crate::rtp::NtpTime;
use crate::rtsp::StatusCode;

/// Between two sender reports (RFC 3550 §6.2: at least 5 s).
pub(super) const REPORT_NS: u128 = 5_000_000_000;

impl Server {
    /// Sends a frame to all who read the track. Its timestamp is that of `sampled`.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        sampled: Instant,
        id: MountId,
        track: usize,
        packets: &Packets,
        jpeg: Option<&Bytes>,
    ) {
        let unix_ns = self.unix_ns(sampled);
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let leading = mount.leading_track() == track;
        let mut begun: Vec<(SessionKey, ConnId)> = Vec::new();
        // Who waited for this frame gets the reply to PLAY before it.
        if leading && packets.is_key() {
            let first = (track, packets.first_sequence(), packets.timestamp());
            let mut replies = Vec::new();
            for (key, reader) in mount.readers.iter_mut().filter(|(_, r)| r.waits) {
                reader.waits = false;
                if let Some(reply) = reader.reply.take() {
                    replies.push((*key, reader.conn, reply));
                }
            }
            for (key, conn, reply) in replies {
                let writer = Writer::response(StatusCode::OK, reply.cseq).header("Server", &self.config.name);
                let data = Payload::Bytes(live_reply(writer, &reply, Some(mount), Some(first)));
                self.out.push_back(Output::Send { to: conn, data, keep: Keep::Always });
                begun.push((key, conn));
            }
        }
        let mut framed = Framed::default();
        let mut udp: Vec<UdpPeer> = Vec::new();
        let mut group: Option<UdpPeer> = None;
        let mut lab: Option<Option<Packets>> = None;
        let size = packets.len_bytes() as u64;
        let mut newcomers = false;
        for reader in mount.readers.values_mut().filter(|r| !r.waits) {
            let Some((_, carrier)) = reader.tracks.iter_mut().find(|(t, _)| *t == track) else { continue };
            match carrier {
                Carrier::Udp { rtp, .. } => udp.push(*rtp),
                Carrier::Multicast { rtp, .. } => group = Some(*rtp),
                Carrier::Tcp { rtp, .. } => {
                    let data = Payload::Bytes(framed.on(*rtp, packets));
                    self.out.push_back(Output::Send { to: reader.conn, data, keep: Keep::IfRoom });
                }
                Carrier::Lab { to, numbers } => {
                    let fragments = self.config.lab_fragments;
                    let cut = lab.get_or_insert_with(|| lab::cut(fragments, jpeg?, unix_ns));
                    let Some(picture) = cut else { continue };
                    self.out.extend(lab::outputs(*to, numbers, picture));
                }
            }
            newcomers |= reader.unreported & bit(track) != 0;
            reader.frames += 1;
            reader.bytes += size;
        }
        udp.extend(group);
        for run in packets.runs() {
            for to in &udp {
                let data = run.data.clone();
                self.out.push_back(Output::Datagram(Datagram {
                    to: *to,
                    data,
                    segment: run.segment,
                    stamp: None,
                }));
            }
        }
        if let Some(track) = mount.tracks.get_mut(track) {
            track.count(now, packets);
        }
        self.report(now, id, track, unix_ns, newcomers);
        for (key, conn) in begun {
            if let Some(session) = self.sessions.get_mut(&key)
                && let Some(at) = session.play_at.take()
            {
                self.timers.remove(&(at, Timer::PlayWait(key)));
            }
            self.go_on(now, conn);
        }
    }

    /// A sender report for all readers of a track, if one is due: every 5 s. Who is new gets one with the first frame, so
    /// that it need not wait to know when frames were sampled.
    fn report(
        &mut self,
        now: Instant,
        id: MountId,
        track_number: usize,
        unix_ns: Option<i64>,
        newcomers: bool,
    ) {
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let Some(track) = mount.tracks.get_mut(track_number) else { return };
        let due = track.reported.is_none_or(|at| now.saturating_since(at).as_nanos() >= REPORT_NS);
        let (Some(ssrc), Some((timestamp, _)), Some(unix_ns), true) =
            (track.ssrc, track.last, unix_ns, due || newcomers)
        else {
            return;
        };
        if due {
            track.reported = Some(now);
        }
        let data = sender_report(ssrc, timestamp, unix_ns, track.packets, track.octets);
        let mut group_told = false;
        for reader in mount.readers.values_mut().filter(|r| !r.waits) {
            let Some((_, carrier)) = reader.tracks.iter().find(|(t, _)| *t == track_number) else { continue };
            let new = reader.unreported & bit(track_number) != 0;
            if !(due || new) {
                continue;
            }
            reader.unreported &= !bit(track_number);
            if matches!(carrier, Carrier::Multicast { .. }) && core::mem::replace(&mut group_told, true) {
                continue;
            }
            self.out.extend(rtcp_output(reader.conn, carrier, &data));
        }
    }

    /// Frames for a connection found no room.
    pub(super) fn left_out(&mut self, conn: ConnId, count: u32) {
        let Some(c) = self.conns.get(&conn) else { return };
        for key in &c.sessions {
            let Some(session) = self.sessions.get(key) else { continue };
            let Some(mount) = self.mounts.get_mut(&session.mount) else { continue };
            // Where frames lean on one another the reader begins anew with the next that does not.
            let leans = mount.tracks.iter().any(|t| t.leans());
            if let Some(reader) = mount.readers.get_mut(key) {
                reader.dropped += u64::from(count);
                reader.frames = reader.frames.saturating_sub(count.into());
                reader.waits |= leans && session.file.is_none();
            }
        }
    }

    /// RTCP from a reader or a publisher: a sign of life, and what a reader says of its reception.
    pub(super) fn reports(&mut self, now: Instant, key: SessionKey, track: usize, data: &[u8]) {
        let Ok(compound) = rtcp::Compound::parse(data) else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.last_seen = now;
        let Some(mount) = self.mounts.get_mut(&session.mount) else { return };
        let rate = mount.tracks.get(track).map_or(90_000, |t| t.clock_rate);
        let Some(reader) = mount.readers.get_mut(&key) else { return };
        for packet in compound.iter() {
            let (rtcp::Packet::ReceiverReport { reports, .. } | rtcp::Packet::SenderReport { reports, .. }) =
                packet
            else {
                continue;
            };
            for report in reports.iter() {
                reader.fraction_lost = Some(report.fraction_lost);
                let ns = u64::from(report.jitter) * 1_000_000_000 / u64::from(rate.max(1));
                reader.jitter = Some(core::time::Duration::from_nanos(ns));
            }
        }
    }

    /// A datagram: it is of the session that its sender's address was agreed on with, or of nobody.
    pub(super) fn datagram(&mut self, now: Instant, peer: UdpPeer, data: &[u8]) {
        let Some(udp) = self.udp else { return };
        let rtcp = peer.socket == udp.rtcp;
        let source =
            super::Source { rtcp, address: peer.remote.ip().to_canonical(), port: peer.remote.port() };
        let Some((key, track)) = self.sources.get(&source).copied() else { return };
        if rtcp {
            self.reports(now, key, track, data);
        } else {
            self.ingest(now, key, track, Bytes::copy_from_slice(data), true);
        }
    }
}

/// A track's place in [`Reader::unreported`](super::mount::Reader::unreported); none for tracks beyond it.
fn bit(track: usize) -> u32 {
    u32::try_from(track).ok().and_then(|track| 1_u32.checked_shl(track)).unwrap_or(0)
}

/// RFC 3550 §6.4.1, with a CNAME.
pub(crate) fn sender_report(ssrc: u32, timestamp: u32, unix_ns: i64, packets: u64, octets: u32) -> Bytes {
    let [.., a, b, c, d] = packets.to_be_bytes();
    let packets = u32::from_be_bytes([a, b, c, d]);
    let info = rtcp::SenderInfo { ntp: NtpTime::from_unix_ns(unix_ns), timestamp, packets, octets };
    let mut writer = rtcp::Writer::default();
    writer.sender_report(ssrc, info, &[]);
    writer.source_description(ssrc, &[(rtcp::sdes::CNAME, b"genlock")]);
    writer.finish()
}
