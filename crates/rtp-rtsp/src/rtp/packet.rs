//! One RTP packet (RFC 3550 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                             SSRC                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   CSRC, CC times                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | if X: profile (16)            | length in words (16)  | words |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | payload ...                    if P: ... 0 ... padding count  |
//! ```

use bytes::{BufMut, BytesMut};

use super::{Extension, RtpError};

/// Length of a header without CSRCs and extension, in bytes.
pub const HEADER_LEN: usize = 12;

const VERSION: u8 = 2;

/// The fixed part of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// For video: the last packet of an access unit.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Increases by 1 with each packet, modulo 2^16.
    pub sequence: u16,
    /// Sampling instant in units of the payload's clock, modulo 2^32.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// The 12 bytes of a packet that has nothing but a payload. Of the payload type the low seven bits count.
    pub const fn to_bytes(self) -> [u8; HEADER_LEN] {
        self.first_bytes(VERSION << 6)
    }

    const fn first_bytes(self, first: u8) -> [u8; HEADER_LEN] {
        let marker = if self.marker { 0x80 } else { 0 };
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        [first, marker | (self.payload_type & 0x7f), s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }
}

/// A packet as it arrived: a checked view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// The contributing sources, 4 bytes each, at most 15.
    csrcs: &'a [u8],
    /// The header extension, if there is one.
    pub extension: Option<Extension<'a>>,
    /// What it carries, padding taken off.
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload, the count byte included.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`RtpError`] if it is too short for what its header says, is not version 2, or has padding that cannot be.
    // Inlined: it is called for every datagram.
    #[inline]
    pub fn parse(data: &'a [u8]) -> Result<Self, RtpError> {
        let Some((fixed, rest)) = data.split_first_chunk::<HEADER_LEN>() else {
            return Err(too_short(data, HEADER_LEN));
        };
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != VERSION {
            return Err(RtpError::Version { found: first >> 6 });
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        };
        // Nothing but a payload: nearly all packets. The parts are given one by one, so that they stay in registers.
        let (csrcs, extension, payload, padding) = if first == VERSION << 6 {
            (&[][..], None, rest, 0)
        } else {
            let Tail { csrcs, extension, payload, padding } = Tail::parse(data, first, rest)?;
            (csrcs, extension, payload, padding)
        };
        Ok(Self { header, csrcs, extension, payload, padding })
    }

    /// The contributing sources (RFC 3550 §5.1), at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs.chunks_exact(4).filter_map(|c| c.first_chunk()).map(|c| u32::from_be_bytes(*c))
    }

    /// Writes it again, byte for byte as it was if the padding was zeros.
    pub fn encode(&self, out: &mut BytesMut) {
        let writer = PacketWriter { header: self.header, extension: self.extension, padding: self.padding };
        writer.encode_with(self.csrcs, self.payload, out);
    }
}

/// What follows the fixed header.
struct Tail<'a> {
    csrcs: &'a [u8],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
    padding: u8,
}

impl<'a> Tail<'a> {
    #[cold]
    fn parse(data: &'a [u8], first: u8, rest: &'a [u8]) -> Result<Self, RtpError> {
        let csrc_len = 4 * usize::from(first & 0x0f);
        let Some((csrcs, mut rest)) = rest.split_at_checked(csrc_len) else {
            return Err(too_short(data, HEADER_LEN + csrc_len));
        };
        let mut extension = None;
        if first & 0x10 != 0 {
            let Some((&[p0, p1, l0, l1], after)) = rest.split_first_chunk() else {
                return Err(too_short(data, HEADER_LEN + csrc_len + 4));
            };
            let len = 4 * usize::from(u16::from_be_bytes([l0, l1]));
            let Some((words, after)) = after.split_at_checked(len) else {
                return Err(too_short(data, HEADER_LEN + csrc_len + 4 + len));
            };
            extension = Some(Extension { profile: u16::from_be_bytes([p0, p1]), data: words });
            rest = after;
        }
        let mut padding = 0;
        if first & 0x20 != 0 {
            padding = rest.last().copied().unwrap_or(0);
            let kept = rest.len().checked_sub(usize::from(padding)).filter(|_| padding > 0);
            let Some(payload) = kept.and_then(|n| rest.get(..n)) else {
                return Err(RtpError::Padding { found: padding, available: u32_of(rest.len()) });
            };
            rest = payload;
        }
        Ok(Self { csrcs, extension, payload: rest, padding })
    }
}

/// Writes packets that have more than a payload.
#[derive(Clone, Copy, Debug)]
pub struct PacketWriter<'a> {
    /// The fixed header.
    pub header: Header,
    /// A header extension; its data is filled up with zeros to whole words, and may have 262,140 bytes at most (what
    /// is beyond is left out).
    pub extension: Option<Extension<'a>>,
    /// Bytes of padding to put behind the payload; 0 for none.
    pub padding: u8,
}

impl PacketWriter<'_> {
    /// Appends the packet.
    pub fn encode(&self, payload: &[u8], out: &mut BytesMut) {
        self.encode_with(&[], payload, out);
    }

    fn encode_with(&self, csrcs: &[u8], payload: &[u8], out: &mut BytesMut) {
        let words = csrcs.len() / 4;
        let mut first = VERSION << 6 | u8::try_from(words & 0x0f).unwrap_or(0);
        first |= if self.padding > 0 { 0x20 } else { 0 };
        first |= if self.extension.is_some() { 0x10 } else { 0 };
        out.put_slice(&self.header.first_bytes(first));
        out.put_slice(csrcs);
        if let Some(extension) = self.extension {
            let data = extension.data.get(..MAX_EXTENSION).unwrap_or(extension.data);
            out.put_u16(extension.profile);
            out.put_u16(u16::try_from(data.len().div_ceil(4)).unwrap_or(u16::MAX));
            out.put_slice(data);
            out.put_bytes(0, data.len().next_multiple_of(4) - data.len());
        }
        out.put_slice(payload);
        if self.padding > 0 {
            out.put_bytes(0, usize::from(self.padding) - 1);
            out.put_u8(self.padding);
        }
    }
}

fn too_short(data: &[u8], expected: usize) -> RtpError {
    RtpError::TooShort { length: u32_of(data.len()), expected: u32_of(expected) }
}

fn u32_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The most a header extension can hold: 65,535 words.
const MAX_EXTENSION: usize = 4 * 65_535;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_part_is_found() {
        let data = [
            &[0xb2, 0xe0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9][..],
            &[0, 0, 0, 1, 0, 0, 0, 2],
            &[0xbe, 0xde, 0, 1, 0x10, 5, 0, 0],
            b"payload",
            &[0, 0, 3],
        ]
        .concat();
        let p = Packet::parse(&data).unwrap();
        assert_eq!(p.header, Header { marker: true, payload_type: 96, sequence: 7, timestamp: 8, ssrc: 9 });
        assert_eq!(p.csrcs().collect::<alloc::vec::Vec<_>>(), [1, 2]);
        assert_eq!(p.extension, Some(Extension { profile: 0xbede, data: &[0x10, 5, 0, 0] }));
        assert_eq!((p.payload, p.padding), (&b"payload"[..], 3));
        let mut again = BytesMut::new();
        p.encode(&mut again);
        assert_eq!(again, data);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut data = [0x80; 12].to_vec();
        assert_eq!(Packet::parse(&data[..11]), Err(RtpError::TooShort { length: 11, expected: 12 }));
        data[0] = 0x40;
        assert_eq!(Packet::parse(&data), Err(RtpError::Version { found: 1 }));
        data[0] = 0x81;
        assert_eq!(Packet::parse(&data), Err(RtpError::TooShort { length: 12, expected: 16 }));
        data[0] = 0x90;
        assert_eq!(Packet::parse(&data), Err(RtpError::TooShort { length: 12, expected: 16 }));
        data.extend([0, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(Packet::parse(&data), Err(RtpError::TooShort { length: 20, expected: 24 }));
        data.truncate(12);
        data[0] = 0xa0;
        assert_eq!(Packet::parse(&data), Err(RtpError::Padding { found: 0, available: 0 }));
        data.extend([0, 0]);
        assert_eq!(Packet::parse(&data), Err(RtpError::Padding { found: 0, available: 2 }));
        data[13] = 3;
        assert_eq!(Packet::parse(&data), Err(RtpError::Padding { found: 3, available: 2 }));
        data[13] = 2;
        assert_eq!(Packet::parse(&data).unwrap().payload, b"");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data: alloc::vec::Vec<u8>) {
            let _ = Packet::parse(&data);
        }

        #[test]
        fn what_is_read_is_written_again(
            header: [u8; 12], mut rest in proptest::collection::vec(any::<u8>(), 0..120), csrcs in 0..4_u8,
            extension: bool, padding: bool,
        ) {
            let mut data = header.to_vec();
            data[0] = 0x80 | csrcs | if extension { 0x10 } else { 0 } | if padding { 0x20 } else { 0 };
            // A length that may fit.
            let at = 4 * usize::from(csrcs);
            if rest.len() > at + 4 {
                rest[at + 2] = 0;
                rest[at + 3] %= 8;
            }
            data.extend(rest);
            if let Ok(p) = Packet::parse(&data) {
                let mut again = BytesMut::new();
                p.encode(&mut again);
                // Only padding may be other bytes than zeros.
                let kept = data.len() - usize::from(p.padding);
                prop_assert_eq!(&again[..kept], &data[..kept]);
                prop_assert_eq!(again.len(), data.len());
            }
        }
    }
}
