//! Packets, both ways.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use machine::{Datagram, Instant, Keep, Output, Payload, UdpPeer};

use super::steps::track_url;
use super::{Client, Event, Track, UdpPorts};
use crate::config::{ClientConfig, Purpose};
use crate::media::{Codec, Packets};
use crate::receiver::{self, Receiver};
use crate::sdp::Media;

#[derive(Debug)]
pub(super) struct TrackState {
    pub(super) track: Track,
    pub(super) url: String,
    pub(super) ports: Option<UdpPorts>,
    /// Where its packets come from or go to: RTP, RTCP.
    pub(super) remote: Option<(SocketAddr, SocketAddr)>,
    pub(super) channels: Option<(u8, u8)>,
    pub(super) receiver: Option<Receiver>,
    /// Sent packets and bytes, and when that was reported.
    packets: u64,
    octets: u32,
    reported: Option<Instant>,
}

impl TrackState {
    /// `None`: without a payload type that is known.
    pub(super) fn new(media: Media, base: &str, config: &ClientConfig, seed: u32) -> Option<Self> {
        let map = media.rtp_map()?;
        let codec = Codec::from_encoding_name(&map.encoding);
        let receiver = (config.purpose == Purpose::Play).then(|| {
            let mut c = receiver::Config::new(codec, map.clock_rate);
            c.payload_type = Some(map.payload_type);
            c.own_ssrc = seed;
            c.seed = seed.into();
            c.max_frame = config.max_frame;
            c.reports = true;
            let size = media.attribute("x-dimensions").and_then(|d| d.split_once(','));
            c.dimensions = size.and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
            Receiver::new(c)
        });
        Some(Self {
            url: track_url(base, media.control()),
            track: Track { codec, encoding: map.encoding, clock_rate: map.clock_rate, media },
            ports: None,
            remote: None,
            channels: None,
            receiver,
            packets: 0,
            octets: 0,
            reported: None,
        })
    }

    /// The one track of the classroom dialect.
    pub(super) fn lab(config: &ClientConfig) -> Self {
        let mut c = receiver::Config::new(Codec::Jpeg, 90_000);
        c.lab = true;
        c.reports = false;
        c.max_frame = config.max_frame;
        let media = Media::jpeg(0, 0, (20, 1));
        Self {
            url: String::new(),
            track: Track { codec: Codec::Jpeg, encoding: "JPEG".into(), clock_rate: 90_000, media },
            ports: None,
            remote: None,
            channels: None,
            receiver: Some(Receiver::new(c)),
            packets: 0,
            octets: 0,
            reported: None,
        }
    }

    pub(super) fn set_remote(
        &mut self,
        server: Option<SocketAddr>,
        source: Option<IpAddr>,
        ports: Option<(u16, u16)>,
    ) {
        let Some(host) = source.filter(|s| !s.is_unspecified()).or(server.map(|s| s.ip())) else { return };
        let (rtp, rtcp) = ports.unwrap_or((0, 0));
        self.remote = Some((SocketAddr::new(host, rtp), SocketAddr::new(host, rtcp)));
    }
}

/// The channels that we ask for.
pub(super) fn channels(track: usize) -> (u8, u8) {
    let first = u8::try_from(track % 127).unwrap_or(0) * 2;
    (first, first + 1)
}

impl Client {
    pub(super) fn interleaved(&mut self, now: Instant, channel: u8, data: &[u8]) {
        let found =
            self.tracks.iter().position(|t| t.channels.is_some_and(|c| c.0 == channel || c.1 == channel));
        let Some(number) = found.filter(|_| self.over_tcp) else { return };
        let rtcp = self.tracks.get(number).and_then(|t| t.channels).is_some_and(|c| c.1 == channel);
        self.packet(now, number, data, rtcp);
    }

    pub(super) fn datagram(&mut self, now: Instant, peer: UdpPeer, data: &[u8]) {
        if self.over_tcp || self.ended {
            return;
        }
        let found = self.tracks.iter().enumerate().find_map(|(number, track)| {
            let ports = track.ports?;
            let rtcp = ports.rtcp == peer.socket;
            let ours = rtcp || ports.rtp == peer.socket;
            // From the server, whatever its port is: behind some gateways it is another than it says.
            let host = track.remote.map(|(rtp, _)| rtp.ip()).or(self.server.map(|s| s.ip()))?;
            (ours && host.to_canonical() == peer.remote.ip().to_canonical()).then_some((number, rtcp))
        });
        if let Some((number, rtcp)) = found {
            self.packet(now, number, data, rtcp);
        }
    }

    fn packet(&mut self, now: Instant, number: usize, data: &[u8], rtcp: bool) {
        let Some(receiver) = self.tracks.get_mut(number).and_then(|t| t.receiver.as_mut()) else { return };
        if rtcp {
            receiver.rtcp(now, data);
        } else {
            self.fallback_at = None;
            receiver.rtp(now, data);
        }
        self.drain(number);
    }

    /// Hands on what a receiver has to say.
    fn drain(&mut self, number: usize) {
        let mut said = Vec::new();
        if let Some(receiver) = self.tracks.get_mut(number).and_then(|t| t.receiver.as_mut()) {
            said.extend(core::iter::from_fn(|| receiver.poll()));
        }
        for event in said {
            match event {
                receiver::Event::Frame(frame) => self.event(Event::Frame { track: number, frame }),
                receiver::Event::Send(data) => self.send_rtcp(number, data),
                receiver::Event::Bye => self.event(Event::Bye { track: number }),
            }
        }
    }

    pub(super) fn run_receivers(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        for number in 0..self.tracks.len() {
            if let Some(receiver) = self.tracks.get_mut(number).and_then(|t| t.receiver.as_mut())
                && receiver.poll_timeout().is_some_and(|at| at <= now)
            {
                receiver.handle_timeout(now);
                self.drain(number);
            }
        }
    }

    pub(super) fn reset_receivers(&mut self, now: Instant) {
        for number in 0..self.tracks.len() {
            if let Some(receiver) = self.tracks.get_mut(number).and_then(|t| t.receiver.as_mut()) {
                receiver.reset(now);
            }
            self.drain(number);
        }
    }

    pub(super) fn finish_tracks(&mut self, now: Instant) {
        for number in 0..self.tracks.len() {
            if let Some(receiver) = self.tracks.get_mut(number).and_then(|t| t.receiver.as_mut()) {
                receiver.finish(now);
            }
            self.drain(number);
        }
    }

    /// Packets received, of all tracks.
    pub(super) fn packets(&self) -> u64 {
        self.tracks.iter().filter_map(|t| t.receiver.as_ref()).map(|r| r.statistics().packets).sum()
    }

    /// A datagram to each of the server's ports, so that gateways let its packets through.
    pub(super) fn open_paths(&mut self) {
        for number in 0..self.tracks.len() {
            let Some(track) = self.tracks.get(number) else { continue };
            let Some(ssrc) = track.receiver.as_ref().map(|_| 0) else { continue };
            let mut writer = crate::rtcp::Writer::default();
            writer.receiver_report(ssrc, &[]);
            let data = writer.finish();
            self.send_rtcp(number, data);
        }
    }

    fn send_rtcp(&mut self, number: usize, data: Bytes) {
        let Some(track) = self.tracks.get(number) else { return };
        if self.over_tcp {
            let (Some((_, channel)), Some(to)) = (track.channels, self.conn) else { return };
            let Ok(len) = u16::try_from(data.len()) else { return };
            let framed = [&[b'$', channel][..], &len.to_be_bytes(), &data].concat();
            let data = Payload::Bytes(Bytes::from(framed));
            self.out.push_back(Output::Send { to, data, keep: Keep::IfRoom });
        } else {
            let (Some(ports), Some((_, rtcp))) = (track.ports, track.remote.filter(|r| r.1.port() != 0))
            else {
                return;
            };
            let to = UdpPeer { socket: ports.rtcp, remote: rtcp, local: None };
            self.out.push_back(Output::Datagram(Datagram { to, data, segment: None, stamp: None }));
        }
    }

    pub(super) fn send_packets(&mut self, now: Instant, number: usize, packets: &Packets) {
        let unix_ns = self.wall_offset.and_then(|o| i64::try_from(o + i128::from(now.as_nanos())).ok());
        let Some(track) = self.tracks.get_mut(number) else { return };
        track.packets += u64::from(packets.count());
        track.octets = track.octets.wrapping_add(u32::try_from(packets.payload_bytes()).unwrap_or(u32::MAX));
        if self.over_tcp {
            let (Some((channel, _)), Some(to)) = (track.channels, self.conn) else { return };
            let data = Payload::Bytes(packets.interleaved(channel));
            self.out.push_back(Output::Send { to, data, keep: Keep::IfRoom });
        } else {
            let (Some(ports), Some((remote, _))) = (track.ports, track.remote) else { return };
            let to = UdpPeer { socket: ports.rtp, remote, local: None };
            let runs = packets.runs();
            self.out.extend(runs.map(|run| {
                Output::Datagram(Datagram { to, data: run.data, segment: run.segment, stamp: None })
            }));
        }
        let due = track.reported.is_none_or(|at| now.saturating_since(at).as_secs() >= 5);
        if let (true, Some(unix_ns)) = (due, unix_ns) {
            track.reported = Some(now);
            let report = crate::server::sender_report(
                packets.ssrc(),
                packets.timestamp(),
                unix_ns,
                track.packets,
                track.octets,
            );
            self.send_rtcp(number, report);
        }
    }
}
