//! The header of the file that a receiver makes (RFC 2435 Appendix B).

use bytes::{BufMut, BytesMut};

use super::Sampling;
use super::image::{DHT, DQT, DRI, EOI, SOF0, SOI, SOS};
use super::tables::HUFFMAN;

/// What the headers of a frame say.
pub(super) struct FrameHeader<'a> {
    pub(super) sampling: Sampling,
    /// In pixels; `None`: the extension has a frame header.
    pub(super) size: Option<(u16, u16)>,
    pub(super) restart_interval: u16,
    /// One, two or three tables and their precisions.
    pub(super) tables: &'a [u8],
    pub(super) precision: u8,
    /// Segments from header extensions (ONVIF).
    pub(super) extension: &'a [u8],
}

/// Appends all that comes before the entropy-coded data.
pub(super) fn put_header(frame: &FrameHeader<'_>, out: &mut BytesMut) {
    out.put_slice(&[0xff, SOI]);
    let mut rest = frame.tables;
    let mut tables = 0_u8;
    while !rest.is_empty() && tables < 4 {
        let wide = frame.precision >> tables & 1;
        let len = if wide == 1 { 128 } else { 64 };
        let (table, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        out.put_slice(&[0xff, DQT, 0]);
        out.put_u8(u8::try_from(3 + len).unwrap_or(0));
        out.put_u8(wide << 4 | tables);
        out.put_slice(table);
        rest = after;
        tables += 1;
    }
    // Before the extension, which may bring its own.
    for (number, table) in HUFFMAN {
        out.put_slice(&[0xff, DHT, 0]);
        out.put_u8(u8::try_from(3 + table.len()).unwrap_or(0));
        out.put_u8(number);
        out.put_slice(table);
    }
    out.put_slice(frame.extension);
    let has = |marker| segments(frame.extension).any(|(m, _)| m == marker);
    if frame.restart_interval > 0 && !has(DRI) {
        out.put_slice(&[0xff, DRI, 0, 4]);
        out.put_u16(frame.restart_interval);
    }
    if let (Some((width, height)), false) = (frame.size, has(SOF0)) {
        // One table is for all, of two the second for both chroma components, of three each has its own.
        let (blue, red) = match tables {
            0 | 1 => (0, 0),
            2 => (1, 1),
            _ => (1, 2),
        };
        let luma = match frame.sampling {
            Sampling::S422 => 0x21,
            Sampling::S420 => 0x22,
        };
        out.put_slice(&[0xff, SOF0, 0, 17, 8]);
        out.put_u16(height);
        out.put_u16(width);
        out.put_slice(&[3, 1, luma, 0, 2, 0x11, blue, 3, 0x11, red]);
    }
    if !has(SOS) {
        out.put_slice(&[0xff, SOS, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    }
}

/// The segments of an extension as marker and content; ends at the first that does not fit.
pub(super) fn segments(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        loop {
            match data {
                // Fill bytes.
                [0xff, 0xff, ..] => data = data.get(1..)?,
                [0xff, marker @ (1..=0xcf | 0xda..=0xfe), l0, l1, rest @ ..] => {
                    let len = usize::from(u16::from_be_bytes([*l0, *l1])).checked_sub(2)?;
                    let (content, after) = rest.split_at_checked(len)?;
                    data = after;
                    return Some((*marker, content));
                }
                _ => return None,
            }
        }
    })
}

/// Width and height in a frame header's segment.
pub(super) fn frame_size(segment: &[u8]) -> Option<(u16, u16)> {
    let &[_, h0, h1, w0, w1, ..] = segment else { return None };
    Some((u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1])))
}

/// The end of a file.
pub(super) const END: [u8; 2] = [0xff, EOI];
