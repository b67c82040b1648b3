//! Mounts, their tracks and who reads them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use machine::{ConnId, Instant, UdpPeer};

use super::event::{CarrierKind, MountKind, SessionKey};
use super::file::Clip;
use super::publish::Ingest;
use super::shared::Shared;
use crate::lab::Numbering;
use crate::media::{Codec, Packets};
use crate::sdp::{Attribute, Description, Media};

/// Something that can be read at a path.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) path: Arc<str>,
    pub(super) kind: MountKind,
    /// Name of the presentation.
    pub(super) title: String,
    pub(super) tracks: Vec<Track>,
    /// Sessions that play or are about to.
    pub(super) readers: BTreeMap<SessionKey, Reader>,
    pub(super) publisher: Option<SessionKey>,
    /// When readers are let go if no publisher comes back.
    pub(super) gap_until: Option<Instant>,
    /// What a file plays.
    pub(super) clip: Option<Arc<dyn Clip>>,
    /// What a file's readers have in common.
    pub(super) shared: Shared,
    /// Sessions, playing or not.
    pub(super) sessions: usize,
    /// When a file that nobody reads is forgotten.
    pub(super) unused_at: Option<Instant>,
}

/// One stream of a mount.
#[derive(Debug)]
pub(super) struct Track {
    /// Without connection, port and control: those are ours.
    pub(super) media: Media,
    pub(super) encoding: String,
    pub(super) codec: Codec,
    pub(super) clock_rate: u32,
    /// Of a published one.
    pub(super) first_timestamp: u32,
    pub(super) ssrc: Option<u32>,
    pub(super) next_sequence: Option<u16>,
    /// Timestamp of the last frame, and when it passed.
    pub(super) last: Option<(u32, Instant)>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// As sender reports count them, modulo 2^32.
    pub(super) octets: u32,
    pub(super) reported: Option<Instant>,
    /// From a publisher.
    pub(super) ingest: Ingest,
}

/// A session that plays.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) conn: ConnId,
    pub(super) remote: SocketAddr,
    pub(super) tracks: Vec<(usize, Carrier)>,
    /// Gets nothing before the next frame at which one can begin.
    pub(super) waits: bool,
    /// Tracks of which it has had no sender report yet, one bit each.
    pub(super) unreported: u32,
    /// The reply to PLAY, which goes out before the first frame.
    pub(super) reply: Option<PlayReply>,
    pub(super) since: Instant,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) dropped: u64,
    pub(super) fraction_lost: Option<u8>,
    pub(super) jitter: Option<core::time::Duration>,
}

/// What is left to say to a PLAY.
#[derive(Clone, Debug)]
pub(super) struct PlayReply {
    pub(super) cseq: Option<u32>,
    pub(super) session: String,
    /// Address of the presentation, without a slash at its end.
    pub(super) base: String,
}

/// How the packets of one track travel to one reader.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Udp { rtp: UdpPeer, rtcp: UdpPeer },
    Tcp { rtp: u8, rtcp: u8 },
    Multicast { rtp: UdpPeer, rtcp: UdpPeer },
    Lab { to: UdpPeer, numbers: Numbering },
}

impl Carrier {
    pub(super) const fn kind(&self) -> CarrierKind {
        match self {
            Self::Udp { .. } => CarrierKind::Udp,
            Self::Tcp { .. } => CarrierKind::Tcp,
            Self::Multicast { .. } => CarrierKind::Multicast,
            Self::Lab { .. } => CarrierKind::Lab,
        }
    }
}

impl Mount {
    pub(super) fn new(path: Arc<str>, kind: MountKind, title: String, tracks: Vec<Track>) -> Self {
        let readers = BTreeMap::new();
        Self {
            path,
            kind,
            title,
            tracks,
            readers,
            publisher: None,
            gap_until: None,
            clip: None,
            shared: Shared::default(),
            sessions: 0,
            unused_at: None,
        }
    }

    /// The description for readers; `range` is that of the whole.
    pub(super) fn description(&self, host: core::net::IpAddr, range: &str) -> Description {
        let family = if host.is_ipv4() { "IP4" } else { "IP6" };
        let any = if host.is_ipv4() { "0.0.0.0" } else { "::" };
        let media = self.tracks.iter().enumerate().map(|(i, track)| {
            let mut media = track.media.clone();
            media.attributes.push(Attribute::new("control", alloc::format!("trackID={i}")));
            media
        });
        Description {
            origin: alloc::format!("- 1 1 IN {family} {host}"),
            name: self.title.clone(),
            lines: alloc::vec![('c', alloc::format!("IN {family} {any}")), ('t', "0 0".into())],
            attributes: alloc::vec![Attribute::new("control", "*"), Attribute::new("range", range)],
            media: media.collect(),
        }
    }

    /// The track at whose key frames readers begin: the first of pictures, else the first.
    pub(super) fn leading_track(&self) -> usize {
        self.tracks.iter().position(|t| t.media.kind == "video").unwrap_or(0)
    }

    /// What lab readers can have: the first track of JPEG.
    pub(super) fn jpeg_track(&self) -> Option<usize> {
        self.tracks.iter().position(|t| t.codec == Codec::Jpeg)
    }
}

impl Track {
    /// `None`: without a payload type that is known.
    pub(super) fn new(mut media: Media) -> Option<Self> {
        let map = media.rtp_map()?;
        media.port = 0;
        media.lines.retain(|(letter, _)| *letter == 'b');
        media
            .attributes
            .retain(|a| !matches!(a.name.as_str(), "control" | "sendonly" | "recvonly" | "sendrecv"));
        // One payload type: it is the one whose packets come.
        media.formats.truncate(1);
        Some(Self {
            media,
            codec: Codec::from_encoding_name(&map.encoding),
            encoding: map.encoding,
            first_timestamp: 0,
            clock_rate: map.clock_rate,
            ssrc: None,
            next_sequence: None,
            last: None,
            packets: 0,
            bytes: 0,
            octets: 0,
            reported: None,
            ingest: Ingest::new(),
        })
    }

    /// Notes what is sent.
    pub(super) fn count(&mut self, now: Instant, packets: &Packets) {
        self.ssrc = Some(packets.ssrc());
        self.next_sequence = Some(packets.next_sequence());
        self.last = Some((packets.timestamp(), now));
        self.packets += u64::from(packets.count());
        self.bytes += packets.len_bytes() as u64;
        let payload = u32::try_from(packets.payload_bytes()).unwrap_or(u32::MAX);
        self.octets = self.octets.wrapping_add(payload);
    }
}

/// The `$` framing of one frame, made once for each channel in use.
#[derive(Debug, Default)]
pub(super) struct Framed(Vec<(u8, Bytes)>);

impl Framed {
    pub(super) fn on(&mut self, channel: u8, packets: &Packets) -> Bytes {
        if let Some((_, framed)) = self.0.iter().find(|(c, _)| *c == channel) {
            return framed.clone();
        }
        let framed = packets.interleaved(channel);
        // More numbers than this are no reader's need; they cost a copy each.
        if self.0.len() < 8 {
            self.0.push((channel, framed.clone()));
        }
        framed
    }
}
