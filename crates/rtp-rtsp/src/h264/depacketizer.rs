//! From packets to access units.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use super::annex_b::put_nal_unit;
use super::{Nal, is_key_payload};
use crate::media::Frame;
use crate::rtp::Packet;

/// A payload that is not what RFC 6184 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// An empty payload, or a unit that runs over its end.
    #[error("H.264 payload of {length} bytes ends within a unit")]
    TooShort {
        /// How many there are.
        length: u32,
    },
    /// A type that packetization modes 0 and 1 do not have.
    #[error("H.264 payload of type {found}; 1 to 24 and 28 are known")]
    Type {
        /// Its type.
        found: u8,
    },
    /// A fragment with both start and end.
    #[error("H.264 fragment that is start and end in one")]
    StartAndEnd,
    /// A fragment whose start is missing.
    #[error("H.264 fragment without its start")]
    NoStart,
    /// An access unit beyond the limit.
    #[error("H.264 access unit of more than {limit} bytes")]
    TooLong {
        /// The most it may have.
        limit: u32,
    },
}

/// Makes access units (Annex B) of RTP packets, which have to come in order (see [`crate::rtp::ReorderBuffer`]). An
/// access unit ends with the marker, or where the timestamp changes.
#[derive(Debug)]
pub struct Depacketizer {
    limit: usize,
    unit: Option<AccessUnit>,
    /// Packets are missing before the next one.
    gap: bool,
    last_len: usize,
    given_up: u64,
}

#[derive(Debug)]
struct AccessUnit {
    timestamp: u32,
    data: BytesMut,
    key: bool,
    damaged: bool,
    /// Where the NAL unit begins that is being put together of fragments.
    fragmented: Option<usize>,
    /// Over the limit: nothing more is taken.
    full: bool,
}

impl Depacketizer {
    /// A depacketizer that drops what an access unit has beyond `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, unit: None, gap: false, last_len: 0, given_up: 0 }
    }

    /// Packets are missing before the next one: what is being put together is damaged, and what the next one belongs
    /// to may be.
    pub fn lost(&mut self) {
        self.gap = true;
        if let Some(unit) = &mut self.unit {
            unit.damaged = true;
            unit.drop_fragments();
        }
    }

    /// Access units of which nothing was left to give.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes the next packet. Gives the access unit that ended with it or before it; with the one before it, where
    /// both ended, that one comes with the next call of [`flush`](Self::flush) or `push`.
    ///
    /// # Errors
    /// [`PayloadError`]: the payload was passed over, and its access unit is marked as damaged.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<Option<Frame>, PayloadError> {
        let timestamp = packet.header.timestamp;
        // A sender that does not set the marker.
        let before = match &self.unit {
            Some(unit) if unit.timestamp != timestamp => self.flush(),
            _ => None,
        };
        let capacity = (self.last_len + self.last_len / 8).clamp(256, self.limit.max(256));
        let unit = self.unit.get_or_insert_with(|| AccessUnit {
            timestamp,
            data: BytesMut::with_capacity(capacity),
            key: false,
            damaged: false,
            fragmented: None,
            full: false,
        });
        let taken = unit.take(packet.payload, self.limit);
        unit.damaged |= core::mem::take(&mut self.gap) || taken.is_err();
        if packet.header.marker && before.is_none() {
            let whole = self.flush();
            return taken.map(|()| whole.clone()).or_else(|e| whole.map_or(Err(e), |w| Ok(Some(w))));
        }
        match before {
            Some(before) => Ok(Some(before)),
            None => taken.map(|()| None),
        }
    }

    /// Ends the access unit that is being put together.
    pub fn flush(&mut self) -> Option<Frame> {
        let mut unit = self.unit.take()?;
        if unit.fragmented.is_some() {
            unit.damaged = true;
            unit.drop_fragments();
        }
        if unit.data.is_empty() {
            self.given_up += 1;
            return None;
        }
        self.last_len = unit.data.len();
        let AccessUnit { timestamp, data, key, damaged, .. } = unit;
        Some(Frame { data: data.freeze(), timestamp, key, damaged })
    }
}

impl AccessUnit {
    fn take(&mut self, payload: &[u8], limit: usize) -> Result<(), PayloadError> {
        let short = PayloadError::TooShort { length: u32::try_from(payload.len()).unwrap_or(u32::MAX) };
        let (&first, mut rest) = payload.split_first().ok_or(short)?;
        if self.full || self.data.len() + payload.len() + 4 * START_CODES > limit {
            self.full = true;
            self.drop_fragments();
            return Err(PayloadError::TooLong { limit: u32::try_from(limit).unwrap_or(u32::MAX) });
        }
        self.key |= is_key_payload(payload);
        let nal = Nal(first & 0x1f);
        if nal != Nal::FU_A && self.fragmented.is_some() {
            // Its end is missing.
            self.drop_fragments();
            self.damaged = true;
        }
        match nal {
            Nal(1..=23) => put_nal_unit(payload, &mut self.data),
            Nal::STAP_A => {
                while !rest.is_empty() {
                    let (size, after) = rest.split_first_chunk().ok_or(short)?;
                    let size = usize::from(u16::from_be_bytes(*size));
                    let (unit, after) = after.split_at_checked(size).ok_or(short)?;
                    // Start codes are longer than sizes; of units without content there can be many.
                    if self.data.len() + rest.len() + 4 * START_CODES > limit {
                        return Err(PayloadError::TooLong {
                            limit: u32::try_from(limit).unwrap_or(u32::MAX),
                        });
                    }
                    if !unit.is_empty() {
                        put_nal_unit(unit, &mut self.data);
                    }
                    rest = after;
                }
            }
            Nal::FU_A => {
                let (&header, part) = rest.split_first().ok_or(short)?;
                let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
                if start && end {
                    self.drop_fragments();
                    return Err(PayloadError::StartAndEnd);
                }
                if start {
                    if self.fragmented.is_some() {
                        self.drop_fragments();
                        self.damaged = true;
                    }
                    self.fragmented = Some(self.data.len());
                    put_nal_unit(&[(first & 0xe0) | (header & 0x1f)], &mut self.data);
                } else if self.fragmented.is_none() {
                    return Err(PayloadError::NoStart);
                }
                self.data.put_slice(part);
                if end {
                    self.fragmented = None;
                }
            }
            Nal(found) => return Err(PayloadError::Type { found }),
        }
        Ok(())
    }

    fn drop_fragments(&mut self) {
        if let Some(start) = self.fragmented.take() {
            self.data.truncate(start);
        }
    }
}

/// Room kept for start codes.
const START_CODES: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::{nal_units, packetize};
    use super::*;
    use crate::rtp::{Header, Outgoing};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn give(
        d: &mut Depacketizer,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
    ) -> Result<Option<Frame>, PayloadError> {
        let header = Header { marker, payload_type: 96, sequence: 0, timestamp, ssrc: 0 }.to_bytes();
        d.push(&Packet::parse(&[&header[..], payload].concat()).unwrap())
    }

    fn unit(units: &[&[u8]]) -> Vec<u8> {
        super::super::annex_b::join(units.iter().copied())
    }

    #[test]
    fn parameter_sets_travel_together_and_slices_in_pieces() {
        let slice = [&[0x65][..], &[9; 5000]].concat();
        let access_unit = unit(&[&[9, 0xf0], &[0x67, 1, 2, 3], &[0x68, 4], &slice]);
        let mut out = Outgoing::new(96, 7, 65_534, 1400);
        let packets = packetize(&access_unit, 5, &mut out).unwrap();
        let all: Vec<Packet<'_>> = packets.iter().map(|p| Packet::parse(p).unwrap()).collect();
        assert_eq!(all[0].payload, [0x78, 0, 4, 0x67, 1, 2, 3, 0, 2, 0x68, 4]);
        let starts: Vec<[u8; 2]> = all[1..].iter().map(|p| [p.payload[0], p.payload[1]]).collect();
        // As ffmpeg: 7c85, 7c05, 7c45.
        assert_eq!(starts, [[0x7c, 0x85], [0x7c, 5], [0x7c, 5], [0x7c, 0x45]]);
        assert!(all.iter().enumerate().all(|(i, p)| p.header.marker == (i == 4)));
        assert_eq!(packets.runs().map(|r| r.segment).collect::<Vec<_>>(), [None, Some(1400)]);
        assert!(packets.is_key());
        let mut d = Depacketizer::new(1 << 20);
        let frames: Vec<_> = all.iter().filter_map(|p| d.push(p).unwrap()).collect();
        let expected = unit(&[&[0x67, 1, 2, 3], &[0x68, 4], &slice]);
        assert_eq!(frames, [Frame { data: expected.into(), timestamp: 5, key: true, damaged: false }]);
    }

    #[test]
    fn a_lost_fragment_takes_its_unit_along() {
        let mut d = Depacketizer::new(1 << 20);
        give(&mut d, false, 1, &[0x41, 1]).unwrap();
        give(&mut d, false, 1, &[0x5c, 0x81, 2]).unwrap();
        d.lost();
        assert_eq!(give(&mut d, false, 1, &[0x5c, 0x41, 4]), Err(PayloadError::NoStart));
        let frame = give(&mut d, true, 1, &[0x41, 5]).unwrap().unwrap();
        assert!(frame.damaged && !frame.key);
        assert_eq!(nal_units(&frame.data).collect::<Vec<_>>(), [&[0x41, 1], &[0x41, 5]]);
    }

    #[test]
    fn a_gap_between_units_may_have_taken_of_both() {
        let mut d = Depacketizer::new(1 << 20);
        give(&mut d, false, 1, &[0x41, 1]).unwrap();
        d.lost();
        let before = give(&mut d, false, 2, &[0x41, 2]).unwrap().unwrap();
        let after = give(&mut d, true, 2, &[0x41, 3]).unwrap().unwrap();
        assert!(before.damaged && after.damaged);
        assert!(!give(&mut d, true, 3, &[0x41, 4]).unwrap().unwrap().damaged);
    }

    #[test]
    fn without_markers_units_end_with_their_timestamp() {
        let mut d = Depacketizer::new(1 << 20);
        assert_eq!(give(&mut d, false, 1, &[0x41, 1]), Ok(None));
        let frame = give(&mut d, true, 2, &[0x41, 2]).unwrap().unwrap();
        assert_eq!((frame.timestamp, frame.damaged), (1, false));
        assert_eq!(d.flush().unwrap().timestamp, 2);
        assert_eq!(d.flush(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut d = Depacketizer::new(100);
        assert_eq!(give(&mut d, false, 1, &[]), Err(PayloadError::TooShort { length: 0 }));
        assert_eq!(give(&mut d, false, 1, &[29, 0]), Err(PayloadError::Type { found: 29 }));
        assert_eq!(give(&mut d, false, 1, &[0x7c, 0xc5, 1]), Err(PayloadError::StartAndEnd));
        assert_eq!(give(&mut d, false, 1, &[24, 0, 9, 1]), Err(PayloadError::TooShort { length: 4 }));
        assert_eq!(give(&mut d, false, 1, &[1; 200]), Err(PayloadError::TooLong { limit: 100 }));
        assert_eq!(give(&mut d, true, 1, &[1]), Err(PayloadError::TooLong { limit: 100 }));
        assert!(give(&mut d, true, 2, &[1, 2]).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn access_units_come_back(
            units in proptest::collection::vec((1..24_u8, proptest::collection::vec(1..255_u8, 1..3000)), 1..12),
            max in 400..1600_u16,
        ) {
            let units: Vec<Vec<u8>> = units.into_iter().map(|(t, data)| [&[0x60 | t][..], &data].concat()).collect();
            let units: Vec<&[u8]> = units.iter().map(|u| &u[..]).filter(|u| u[0] & 31 != 9).collect();
            prop_assume!(!units.is_empty());
            let access_unit = unit(&units);
            let packets = packetize(&access_unit, 5, &mut Outgoing::new(96, 7, 0, max)).unwrap();
            let mut d = Depacketizer::new(1 << 20);
            let mut frames = Vec::new();
            for p in packets.iter() {
                prop_assert!(p.len() <= usize::from(max));
                frames.extend(d.push(&Packet::parse(p).unwrap()).unwrap());
            }
            prop_assert_eq!(frames.len(), 1);
            prop_assert_eq!(&frames[0].data[..], &access_unit[..]);
        }

        #[test]
        fn any_payloads_are_taken_or_refused(
            packets in proptest::collection::vec((any::<bool>(), 0..3_u32, any::<Vec<u8>>()), 1..20),
        ) {
            let mut d = Depacketizer::new(400);
            for (marker, timestamp, payload) in packets {
                if let Ok(Some(frame)) = give(&mut d, marker, timestamp, &payload) {
                    prop_assert!(frame.data.len() <= 800);
                }
            }
        }
    }
}
