//! Writes RTCP.

use bytes::{BufMut, Bytes, BytesMut};

use super::{SenderInfo, packet_type};
use crate::rtp::ReceptionReport;

/// Puts the packets of one datagram together. A compound begins with a report, even an empty one (RFC 3550 §6.1).
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// A sender report. Of the blocks the first 31 are taken.
    pub fn sender_report(&mut self, ssrc: u32, info: SenderInfo, reports: &[ReceptionReport]) -> &mut Self {
        let reports = reports.get(..MAX_COUNT).unwrap_or(reports);
        self.packet(packet_type::SR, reports.len(), |out| {
            out.put_u32(ssrc);
            out.put_u64(info.ntp.0);
            out.put_u32(info.timestamp);
            out.put_u32(info.packets);
            out.put_u32(info.octets);
            put_reports(reports, out);
        })
    }

    /// A receiver report. Of the blocks the first 31 are taken.
    pub fn receiver_report(&mut self, ssrc: u32, reports: &[ReceptionReport]) -> &mut Self {
        let reports = reports.get(..MAX_COUNT).unwrap_or(reports);
        self.packet(packet_type::RR, reports.len(), |out| {
            out.put_u32(ssrc);
            put_reports(reports, out);
        })
    }

    /// The description of one source. Of a text the first 255 bytes are taken, of the items the first 64.
    pub fn source_description(&mut self, ssrc: u32, items: &[(u8, &[u8])]) -> &mut Self {
        self.packet(packet_type::SDES, 1, |out| {
            out.put_u32(ssrc);
            for (kind, text) in items.iter().take(64) {
                out.put_u8(*kind);
                put_text(text, out);
            }
            // At least one zero ends the chunk; `packet` fills up to the next word.
            out.put_u8(0);
        })
    }

    /// Sources leave. Of these the first 31 are taken, of the reason the first 255 bytes.
    pub fn bye(&mut self, sources: &[u32], reason: &[u8]) -> &mut Self {
        let sources = sources.get(..MAX_COUNT).unwrap_or(sources);
        self.packet(packet_type::BYE, sources.len(), |out| {
            for source in sources {
                out.put_u32(*source);
            }
            if !reason.is_empty() {
                put_text(reason, out);
            }
        })
    }

    /// A packet of an application. `subtype`: 0 to 31; `data` is filled up with zeros to whole words, and of it the
    /// first 65,000 bytes are taken.
    pub fn app(&mut self, subtype: u8, ssrc: u32, name: [u8; 4], data: &[u8]) -> &mut Self {
        self.packet(packet_type::APP, usize::from(subtype & 0x1f), |out| {
            out.put_u32(ssrc);
            out.put_slice(&name);
            out.put_slice(data.get(..MAX_DATA).unwrap_or(data));
        })
    }

    /// A feedback packet (RFC 4585 §6.1) of [`packet_type::PSFB`] or [`packet_type::RTPFB`]. `format`: 0 to 31; of
    /// `control` the first 65,000 bytes are taken.
    pub fn feedback(&mut self, kind: u8, format: u8, sender: u32, media: u32, control: &[u8]) -> &mut Self {
        self.packet(kind, usize::from(format & 0x1f), |out| {
            out.put_u32(sender);
            out.put_u32(media);
            out.put_slice(control.get(..MAX_DATA).unwrap_or(control));
        })
    }

    /// The datagram.
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }

    fn packet(&mut self, kind: u8, count: usize, body: impl FnOnce(&mut BytesMut)) -> &mut Self {
        let start = self.out.len();
        self.out.put_slice(&[2 << 6 | u8::try_from(count).unwrap_or(0), kind, 0, 0]);
        body(&mut self.out);
        let len = self.out.len() - start;
        self.out.put_bytes(0, len.next_multiple_of(4) - len);
        let words = (self.out.len() - start) / 4 - 1;
        let words = u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(field) = self.out.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&words);
        }
        self
    }
}

fn put_reports(reports: &[ReceptionReport], out: &mut BytesMut) {
    for r in reports {
        out.put_u32(r.ssrc);
        out.put_u8(r.fraction_lost);
        let [_, lost @ ..] = r.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        out.put_slice(&lost);
        out.put_u32(r.highest_sequence);
        out.put_u32(r.jitter);
        out.put_u32(r.last_sr);
        out.put_u32(r.delay_since_last_sr);
    }
}

fn put_text(text: &[u8], out: &mut BytesMut) {
    let text = text.get(..255).unwrap_or(text);
    out.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.put_slice(text);
}

/// The count has five bits.
const MAX_COUNT: usize = 31;
/// The length field holds 65,535 words; datagrams hold less.
const MAX_DATA: usize = 65_000;
