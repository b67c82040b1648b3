//! Frames to packets.

use thiserror::Error;

use crate::jpeg;
use crate::rtp::{HEADER_LEN, Header, Packets, PacketsBuilder};

/// How a frame is cut and numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragments {
    /// Pieces that all carry the frame's number, the marker on the last: what clients of variant A expect.
    #[default]
    Same,
    /// Each piece has the next number, the marker on the last (variant B, with 1000 bytes each).
    PerFragment,
    /// One datagram a frame, with the marker. Clients of variants A and B read frames up to 20,468 bytes of it, J up
    /// to 14,988.
    Whole,
}

/// A frame that is longer than a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("frame of {bytes} bytes does not fit into one datagram of {limit}")]
pub struct FrameTooLong {
    /// Its length.
    pub bytes: u32,
    /// The most that fits.
    pub limit: u32,
}

/// Numbers and cuts the frames for lab readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    fragments: Fragments,
    /// Payload bytes of a packet.
    limit: u16,
    next: u16,
}

impl Numbering {
    /// Numbers from 1. `limit`: payload bytes of a packet, from 1; not heeded with [`Fragments::Whole`].
    pub const fn new(fragments: Fragments, limit: u16) -> Self {
        Self { fragments, limit: if limit == 0 { 1 } else { limit }, next: 1 }
    }

    /// Number of the next packet or frame.
    pub const fn next_sequence(&self) -> u16 {
        self.next
    }

    /// Goes on from another number: that of another numbering, for a session that moves to another source.
    pub const fn set_next_sequence(&mut self, next: u16) {
        self.next = next;
    }

    /// Cuts a JPEG file. `seconds`: since 1970, modulo 2^32 (variants that count otherwise read anything).
    ///
    /// # Errors
    /// [`FrameTooLong`]: for one datagram, or for 65,535 packets.
    pub fn packetize(&mut self, frame: &[u8], seconds: u32) -> Result<Packets, FrameTooLong> {
        let limit = match self.fragments {
            Fragments::Whole => MAX_WHOLE,
            Fragments::Same | Fragments::PerFragment => usize::from(self.limit),
        };
        let count = frame.len().div_ceil(limit).max(1);
        let most = if self.fragments == Fragments::Whole { 1 } else { usize::from(u16::MAX) };
        let too_long = FrameTooLong {
            bytes: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            limit: u32::try_from(most * limit).unwrap_or(u32::MAX),
        };
        if count > most {
            return Err(too_long);
        }
        let mut packets = PacketsBuilder::with_capacity(frame.len() + count * HEADER_LEN);
        let mut header = Header {
            marker: false,
            payload_type: jpeg::PAYLOAD_TYPE,
            sequence: self.next,
            timestamp: seconds,
            ssrc: 0,
        };
        let mut rest = frame;
        loop {
            let (piece, after) = rest.split_at_checked(limit).unwrap_or((rest, &[]));
            rest = after;
            header.marker = rest.is_empty();
            packets.push(&[&header.to_bytes(), piece]);
            if self.fragments == Fragments::PerFragment {
                header.sequence = header.sequence.wrapping_add(1);
            }
            if rest.is_empty() {
                break;
            }
        }
        self.next = match self.fragments {
            Fragments::PerFragment => header.sequence,
            Fragments::Same | Fragments::Whole => self.next.wrapping_add(1),
        };
        packets.finish(true).ok_or(too_long)
    }

    /// Gives a reader of its own numbers for a frame that was cut for all: counted on as by
    /// [`packetize`](Self::packetize).
    pub fn renumber(&mut self, frame: &Packets) -> Packets {
        let (step, next) = match self.fragments {
            Fragments::PerFragment => (1, self.next.wrapping_add(frame.count())),
            Fragments::Same | Fragments::Whole => (0, self.next.wrapping_add(1)),
        };
        let own = frame.renumbered(self.next, step, frame.timestamp(), 0);
        self.next = next;
        own
    }
}

/// Payload of the largest UDP datagram, 65,507 bytes, without the RTP header.
const MAX_WHOLE: usize = 65_507 - HEADER_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sent(packets: &Packets) -> Vec<(u8, u16, usize)> {
        packets.iter().map(|p| (p[1], u16::from_be_bytes([p[2], p[3]]), p.len())).collect()
    }

    #[test]
    fn variant_a_repeats_the_number() {
        let mut numbering = Numbering::new(Fragments::Same, FRAGMENT);
        let frame = [7; 8098];
        let packets = numbering.packetize(&frame, 0x6b01_4a93).unwrap();
        let mut expected = [(0x1a, 1, 1412); 6];
        expected[5] = (0x9a, 1, 1110);
        assert_eq!(sent(&packets), expected);
        assert_eq!(packets.iter().next().unwrap()[..12], [0x80, 0x1a, 0, 1, 0x6b, 1, 0x4a, 0x93, 0, 0, 0, 0]);
        assert_eq!(packets.runs().count(), 1);
        assert_eq!(sent(&numbering.packetize(&frame, 0).unwrap())[0].1, 2);
    }

    #[test]
    fn variant_b_counts_pieces() {
        let mut numbering = Numbering::new(Fragments::PerFragment, 1000);
        let packets = numbering.packetize(&[7; 2500], 0).unwrap();
        assert_eq!(sent(&packets), [(0x1a, 1, 1012), (0x1a, 2, 1012), (0x9a, 3, 512)]);
        assert_eq!(numbering.next_sequence(), 4);
    }

    #[test]
    fn whole_frames_are_bounded_by_the_datagram() {
        let mut numbering = Numbering::new(Fragments::Whole, FRAGMENT);
        let packets = numbering.packetize(&[7; 65_495], 0).unwrap();
        assert_eq!(sent(&packets), [(0x9a, 1, 65_507)]);
        let said = numbering.packetize(&[7; 65_496], 0);
        assert_eq!(said, Err(FrameTooLong { bytes: 65_496, limit: 65_495 }));
        assert_eq!(numbering.next_sequence(), 2);
    }

    #[test]
    fn a_reader_with_numbers_of_its_own() {
        for fragments in [Fragments::Same, Fragments::PerFragment, Fragments::Whole] {
            let mut all = Numbering::new(fragments, FRAGMENT);
            let (mut own, mut expected) = (all, all);
            all.packetize(&[1; 5000], 1).unwrap();
            for _ in 0..3 {
                let shared = all.packetize(&[2; 5000], 2).unwrap();
                assert_eq!(own.renumber(&shared), expected.packetize(&[2; 5000], 2).unwrap());
            }
        }
    }

    use super::super::FRAGMENT;
}
