//! Packets to frames.

use bytes::{Bytes, BytesMut};

use super::END_OF_STREAM;
use crate::rtp::Packet;

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame is whole: a JPEG file from SOI to EOI.
    Frame(Bytes),
    /// More is needed.
    Part,
    /// The frame that it belongs to is given up: a piece is missing, or it is no JPEG file, or too long.
    GivenUp,
    /// The sender has come to the end of its file.
    End,
}

/// Puts frames of any variant together: pieces have the same number or the next one, and the last has the marker; a
/// packet that holds a file from SOI to EOI is a frame without it.
///
/// As pieces may all carry one number, a missing one between others shows only at a frame that does not end with EOI
/// or begin with SOI, or not at all.
#[derive(Debug)]
pub struct Depacketizer {
    limit: usize,
    state: State,
    given_up: u64,
}

#[derive(Debug)]
enum State {
    Idle,
    Frame {
        sequence: u16,
        data: BytesMut,
    },
    /// Nothing more of this frame is wanted, until its marker or the next SOI.
    GivenUp,
}

impl Depacketizer {
    /// A depacketizer that gives up frames of more than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, state: State::Idle, given_up: 0 }
    }

    /// Frames given up so far.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes the next packet.
    pub fn push(&mut self, packet: &Packet<'_>) -> Received {
        let (header, payload) = (packet.header, packet.payload);
        if payload == END_OF_STREAM {
            self.state = State::Idle;
            return Received::End;
        }
        let begins = payload.starts_with(&SOI);
        if let State::Frame { sequence, .. } = self.state {
            let follows = header.sequence == sequence || header.sequence == sequence.wrapping_add(1);
            // The frame before did not end. (A piece with the same number that begins with SOI is a thumbnail.)
            if !follows || begins && header.sequence != sequence {
                self.given_up += 1;
                self.state = State::Idle;
            }
        }
        if begins && !matches!(self.state, State::Frame { .. }) {
            self.state = State::Frame { sequence: header.sequence, data: BytesMut::new() };
        }
        let State::Frame { sequence, data } = &mut self.state else {
            // The middle of a frame whose start is missing.
            self.given_up += u64::from(matches!(self.state, State::Idle));
            self.state = if header.marker { State::Idle } else { State::GivenUp };
            return Received::GivenUp;
        };
        *sequence = header.sequence;
        if data.len() + payload.len() > self.limit {
            self.given_up += 1;
            self.state = if header.marker { State::Idle } else { State::GivenUp };
            return Received::GivenUp;
        }
        let alone = data.is_empty() && payload.ends_with(&EOI);
        data.extend_from_slice(payload);
        if !header.marker && !alone {
            return Received::Part;
        }
        let frame = core::mem::take(data).freeze();
        self.state = State::Idle;
        if frame.ends_with(&EOI) {
            Received::Frame(frame)
        } else {
            self.given_up += 1;
            Received::GivenUp
        }
    }
}

const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: [u8; 2] = [0xff, 0xd9];

#[cfg(test)]
mod tests {
    use super::super::{FRAGMENT, Fragments, Numbering};
    use super::*;
    use crate::rtp::Header;
    use alloc::vec::Vec;

    fn jpeg(len: usize) -> Vec<u8> {
        [&SOI[..], &alloc::vec![5; len - 4], &EOI].concat()
    }

    fn give(d: &mut Depacketizer, marker: bool, sequence: u16, payload: &[u8]) -> Received {
        let header = Header { marker, payload_type: 26, sequence, timestamp: 0, ssrc: 0 }.to_bytes();
        d.push(&Packet::parse(&[&header[..], payload].concat()).unwrap())
    }

    #[test]
    fn every_variant_is_read() {
        for fragments in [Fragments::Same, Fragments::PerFragment, Fragments::Whole] {
            let mut numbering = Numbering::new(fragments, FRAGMENT);
            let mut d = Depacketizer::new(100_000);
            // Over the wrap of the numbers.
            for n in 0..70_000_usize {
                let frame = jpeg(4 + n % 7);
                let packets = numbering.packetize(&frame, 0).unwrap();
                let last = packets.iter().map(|p| d.push(&Packet::parse(p).unwrap())).last();
                assert_eq!(last, Some(Received::Frame(frame.into())));
            }
            let frame = jpeg(8098);
            let packets = numbering.packetize(&frame, 0).unwrap();
            let last = packets.iter().map(|p| d.push(&Packet::parse(p).unwrap())).last();
            assert_eq!(last, Some(Received::Frame(frame.into())));
            assert_eq!(d.given_up(), 0);
        }
    }

    #[test]
    fn the_original_sends_no_marker() {
        let mut d = Depacketizer::new(1000);
        let frame = jpeg(50);
        for n in 1..4 {
            assert_eq!(give(&mut d, false, n, &frame), Received::Frame(frame.clone().into()));
        }
        assert_eq!(give(&mut d, true, 4, b"EOS"), Received::End);
    }

    #[test]
    fn a_missing_piece_costs_its_frame() {
        let frame = jpeg(90);
        let mut d = Depacketizer::new(1000);
        // The first.
        assert_eq!(give(&mut d, false, 1, &frame[30..60]), Received::GivenUp);
        assert_eq!(give(&mut d, true, 1, &frame[60..]), Received::GivenUp);
        assert_eq!(d.given_up(), 1);
        // The last, in both ways of numbering.
        assert_eq!(give(&mut d, false, 2, &frame[..30]), Received::Part);
        assert_eq!(give(&mut d, true, 3, &frame), Received::Frame(frame.clone().into()));
        assert_eq!(give(&mut d, false, 10, &frame[..30]), Received::Part);
        assert_eq!(give(&mut d, false, 12, &frame[60..]), Received::GivenUp);
        assert_eq!(d.given_up(), 4);
        assert_eq!(give(&mut d, true, 13, &frame), Received::Frame(frame.clone().into()));
    }

    #[test]
    fn a_frame_is_bounded() {
        let frame = jpeg(90);
        let mut d = Depacketizer::new(50);
        assert_eq!(give(&mut d, false, 1, &frame[..30]), Received::Part);
        assert_eq!(give(&mut d, false, 1, &frame[30..60]), Received::GivenUp);
        assert_eq!(give(&mut d, true, 1, &frame[60..]), Received::GivenUp);
        assert_eq!(d.given_up(), 1);
    }
}
