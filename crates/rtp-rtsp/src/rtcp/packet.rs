//! The packets of RTCP, as checked views.

use super::RtcpError;
use crate::rtp::{NtpTime, ReceptionReport};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub mod packet_type {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Leave.
    pub const BYE: u8 = 203;
    /// Of an application.
    pub const APP: u8 = 204;
    /// Feedback of the transport layer.
    pub const RTPFB: u8 = 205;
    /// Feedback about the payload.
    pub const PSFB: u8 = 206;
}

/// Types of source description items (RFC 3550 §6.5).
pub mod sdes {
    /// The name that stays over restarts; each source has to send it.
    pub const CNAME: u8 = 1;
    /// A person's name.
    pub const NAME: u8 = 2;
    /// The program.
    pub const TOOL: u8 = 6;
}

/// What a sender says of itself, 20 bytes behind its SSRC (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report left, by the sender's clock; 0 where it has none.
    pub ntp: NtpTime,
    /// The same instant by the medium's clock.
    pub timestamp: u32,
    /// Packets sent since the start, modulo 2^32.
    pub packets: u32,
    /// Payload bytes in them, modulo 2^32.
    pub octets: u32,
}

/// One packet of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// Sender report: its source, what it sent, and report blocks.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// What it sent.
        info: SenderInfo,
        /// Blocks about what it receives.
        reports: Reports<'a>,
    },
    /// Receiver report.
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// Blocks about what it receives.
        reports: Reports<'a>,
    },
    /// Source descriptions.
    SourceDescription(SdesItems<'a>),
    /// Sources that leave, and why.
    Bye {
        /// The sources, 4 bytes each.
        sources: Sources<'a>,
        /// Text, empty where there is none.
        reason: &'a [u8],
    },
    /// Of an application.
    App(App<'a>),
    /// Feedback (RFC 4585): passed through.
    Feedback(Feedback<'a>),
    /// Any other type: passed through.
    Other {
        /// Its type.
        packet_type: u8,
        /// The five bits of the count.
        count: u8,
        /// What follows the first four bytes.
        data: &'a [u8],
    },
}

/// Report blocks of a packet, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports<'a>(&'a [u8]);

/// Sources of a leave, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources<'a>(&'a [u8]);

/// A packet of an application (RFC 3550 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// Its subtype, 0 to 31.
    pub subtype: u8,
    /// Who says it.
    pub ssrc: u32,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// Whole words.
    pub data: &'a [u8],
}

/// A feedback packet (RFC 4585 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// [`packet_type::RTPFB`] or [`packet_type::PSFB`].
    pub packet_type: u8,
    /// Its format, 0 to 31: with PSFB 1 is picture loss, 4 a full intra request; with RTPFB 1 is NACK.
    pub format: u8,
    /// Who says it.
    pub sender: u32,
    /// About whom.
    pub media: u32,
    /// Whole words.
    pub control: &'a [u8],
}

/// One item of a source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// Whom it describes.
    pub ssrc: u32,
    /// Its [type](sdes).
    pub kind: u8,
    /// Its text, UTF-8 where the source keeps to the rules.
    pub text: &'a [u8],
}

/// The items of all chunks of a source description, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItems<'a> {
    ssrc: u32,
    /// Within a chunk's items.
    in_chunk: bool,
    rest: &'a [u8],
}

impl<'a> Reports<'a> {
    /// The blocks, at most 31.
    pub fn iter(&self) -> impl Iterator<Item = ReceptionReport> + 'a {
        self.0.chunks_exact(BLOCK).filter_map(|b| b.first_chunk()).map(block)
    }
}

impl<'a> Sources<'a> {
    /// The sources, at most 31.
    pub fn iter(&self) -> impl Iterator<Item = u32> + 'a {
        self.0.chunks_exact(4).filter_map(|b| b.first_chunk()).map(|b| u32::from_be_bytes(*b))
    }
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<SdesItem<'a>> {
        loop {
            if !self.in_chunk {
                let (ssrc, rest) = self.rest.split_first_chunk()?;
                self.ssrc = u32::from_be_bytes(*ssrc);
                self.rest = rest;
                self.in_chunk = true;
            }
            let (&kind, rest) = self.rest.split_first()?;
            if kind == 0 {
                // The end of the chunk: zeros up to the next word, counted from the packet's start.
                let filled = self.rest.len() % 4;
                self.rest = self.rest.get(if filled == 0 { 4 } else { filled }..).unwrap_or_default();
                self.in_chunk = false;
                continue;
            }
            let (&len, rest) = rest.split_first()?;
            let (text, rest) = rest.split_at_checked(usize::from(len))?;
            self.rest = rest;
            return Some(SdesItem { ssrc: self.ssrc, kind, text });
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads the packet at `offset` whose `body` follows its first four bytes; padding is taken off.
    pub(super) fn parse(offset: u32, kind: u8, count: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let wrong = RtcpError::Count { offset, packet_type: kind, count };
        let short = |expected: u32| RtcpError::TooShort {
            offset,
            available: u32::try_from(body.len() + 4).unwrap_or(u32::MAX),
            expected,
        };
        let packet = match kind {
            packet_type::SR => {
                let (ssrc, rest) = word(body).ok_or(short(28))?;
                let (info, rest) = rest.split_first_chunk::<20>().ok_or(short(28))?;
                let reports = rest.get(..BLOCK * usize::from(count)).ok_or(wrong)?;
                Self::SenderReport { ssrc, info: sender_info(info), reports: Reports(reports) }
            }
            packet_type::RR => {
                let (ssrc, rest) = word(body).ok_or(short(8))?;
                let reports = rest.get(..BLOCK * usize::from(count)).ok_or(wrong)?;
                Self::ReceiverReport { ssrc, reports: Reports(reports) }
            }
            packet_type::SDES => {
                let items = SdesItems { ssrc: 0, in_chunk: false, rest: body };
                // A chunk that is cut off would end the iterator early.
                let mut walk = items;
                while walk.next().is_some() {}
                if !walk.rest.is_empty() || walk.in_chunk {
                    return Err(RtcpError::Text { offset });
                }
                Self::SourceDescription(items)
            }
            packet_type::BYE => {
                let (sources, rest) = body.split_at_checked(4 * usize::from(count)).ok_or(wrong)?;
                let reason = match rest.split_first() {
                    None => &[],
                    Some((&len, rest)) => rest.get(..usize::from(len)).ok_or(RtcpError::Text { offset })?,
                };
                Self::Bye { sources: Sources(sources), reason }
            }
            packet_type::APP => {
                let (ssrc, rest) = word(body).ok_or(short(12))?;
                let (name, data) = rest.split_first_chunk().ok_or(short(12))?;
                Self::App(App { subtype: count, ssrc, name: *name, data })
            }
            packet_type::RTPFB | packet_type::PSFB => {
                let (sender, rest) = word(body).ok_or(short(12))?;
                let (media, control) = word(rest).ok_or(short(12))?;
                Self::Feedback(Feedback { packet_type: kind, format: count, sender, media, control })
            }
            _ => Self::Other { packet_type: kind, count, data: body },
        };
        Ok(packet)
    }
}

fn word(data: &[u8]) -> Option<(u32, &[u8])> {
    data.split_first_chunk().map(|(w, rest)| (u32::from_be_bytes(*w), rest))
}

fn sender_info(b: &[u8; 20]) -> SenderInfo {
    let [n0, n1, n2, n3, n4, n5, n6, n7, t0, t1, t2, t3, p0, p1, p2, p3, o0, o1, o2, o3] = *b;
    SenderInfo {
        ntp: NtpTime(u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7])),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        packets: u32::from_be_bytes([p0, p1, p2, p3]),
        octets: u32::from_be_bytes([o0, o1, o2, o3]),
    }
}

fn block(b: &[u8; BLOCK]) -> ReceptionReport {
    let [
        s0,
        s1,
        s2,
        s3,
        fraction_lost,
        l0,
        l1,
        l2,
        h0,
        h1,
        h2,
        h3,
        j0,
        j1,
        j2,
        j3,
        r0,
        r1,
        r2,
        r3,
        d0,
        d1,
        d2,
        d3,
    ] = *b;
    ReceptionReport {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        fraction_lost,
        // 24 bits with sign.
        cumulative_lost: i32::from_be_bytes([l0, l1, l2, 0]) >> 8,
        highest_sequence: u32::from_be_bytes([h0, h1, h2, h3]),
        jitter: u32::from_be_bytes([j0, j1, j2, j3]),
        last_sr: u32::from_be_bytes([r0, r1, r2, r3]),
        delay_since_last_sr: u32::from_be_bytes([d0, d1, d2, d3]),
    }
}

/// Length of a report block in bytes.
const BLOCK: usize = 24;
