//! Ancillary timecode: a time address in the ancillary data of a digital video signal (ST 12-2, formerly RP 188;
//! ITU-R BT.1366-3 part 2).
//!
//! An ancillary packet of type 2 (ST 291) with DID 60h, SDID 60h and 16 user data words:
//!
//! ```text
//! word:   DID  SDID  DC   UDW 0 .. UDW 15   checksum
//!         260  260   110
//!
//! UDW i:  b9        b8            b7 b6 b5 b4              b3                         b2 b1 b0
//!         not b8    parity, even  bits 4i+3..4i of the     bit i of DBB1 (i < 8)      0  0  0
//!                                 time address             bit i - 8 of DBB2 (i > 7)
//! ```
//!
//! DBB1 says what kind of timecode it is, DBB2 where in the picture VITC was or is to be. At 48, 50, 59.94 and 60
//! frames a second the label counts pairs of frames: the first frame of a pair has VITC1, the second VITC2 with the
//! field mark set.
//!
//! The sub-frame bits of ST 12-3 (SDID 61h) are not here.

use thiserror::Error;

use crate::address::{Address, AddressError, pairs};
use crate::{Rate, Timecode};

/// The data identifier.
pub const DID: u8 = 0x60;
/// The secondary data identifier.
pub const SDID: u8 = 0x60;
/// User data words in a packet.
pub const DATA_COUNT: usize = COUNT as usize;
const COUNT: u8 = 16;
/// Words of a packet: DID, SDID, data count, user data, checksum.
pub const PACKET_LEN: usize = DATA_COUNT + 4;

/// What is wrong with an ancillary packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AtcError {
    /// Fewer words than a packet has.
    #[error("{found} words, a packet has {PACKET_LEN}")]
    Incomplete {
        /// How many there are.
        found: usize,
    },
    /// Another kind of packet.
    #[error("DID {did:02x}, SDID {sdid:02x}, data count {count} is no ancillary timecode")]
    NotTimecode {
        /// Data identifier.
        did: u8,
        /// Secondary data identifier.
        sdid: u8,
        /// Data count.
        count: u8,
    },
    /// b8 is not the even parity of b7 to b0, or b9 is not its inverse.
    #[error("word {index} is {word:03x}, whose parity is wrong")]
    Parity {
        /// Which word, 0 for the first given.
        index: u8,
        /// As received.
        word: u16,
    },
    /// The checksum does not fit the words.
    #[error("checksum is {found:03x}, the words give {expected:03x}")]
    Checksum {
        /// As received.
        found: u16,
        /// As calculated.
        expected: u16,
    },
    /// A kind of timecode that is not defined.
    #[error("DBB1 is {found:02x}, not 00, 01 or 02")]
    Kind {
        /// DBB1 as received.
        found: u8,
    },
}

/// What kind of timecode a packet carries: DBB1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtcKind {
    /// 00: LTC.
    Ltc,
    /// 01: VITC of the first field, or of the first frame of a pair.
    Vitc1,
    /// 02: VITC of the second field, or of the second frame of a pair.
    Vitc2,
}

impl AtcKind {
    /// DBB1.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ltc => 0,
            Self::Vitc1 => 1,
            Self::Vitc2 => 2,
        }
    }

    /// From DBB1.
    ///
    /// # Errors
    ///
    /// If it is not 0, 1 or 2.
    pub const fn from_code(code: u8) -> Result<Self, AtcError> {
        match code {
            0 => Ok(Self::Ltc),
            1 => Ok(Self::Vitc1),
            2 => Ok(Self::Vitc2),
            found => Err(AtcError::Kind { found }),
        }
    }
}

/// DBB2 of a VITC packet.
///
/// ```text
/// bit   7          6          5            4 .. 0
///       processed  validity   duplication  line
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct VitcPlace {
    /// The line that VITC is to be put on, 0 to 31.
    pub line: u8,
    /// Whether it is to be put on a second line as well.
    pub duplicate: bool,
    /// Whether the label was made up, not read: validity bit 1.
    pub interpolated: bool,
    /// Whether user bits and flags are sent on as received: process bit 1.
    pub retransmitted: bool,
}

impl VitcPlace {
    /// DBB2. Only the lowest five bits of `line` are used.
    pub const fn code(self) -> u8 {
        self.line & 0x1f
            | (self.duplicate as u8) << 5
            | (self.interpolated as u8) << 6
            | (self.retransmitted as u8) << 7
    }

    /// From DBB2; all values have a meaning.
    pub const fn from_code(code: u8) -> Self {
        Self {
            line: code & 0x1f,
            duplicate: code & 0x20 != 0,
            interpolated: code & 0x40 != 0,
            retransmitted: code & 0x80 != 0,
        }
    }
}

/// One packet of ancillary timecode.
///
/// ```
/// use smpte_timecode::atc::{AtcKind, AtcPacket};
/// use smpte_timecode::{Rate, Timecode};
///
/// let label = Timecode::parse("10:00:00:49", Rate::FPS_50)?;
/// let packet = AtcPacket::for_frame(label)?;
/// assert_eq!(packet.kind, AtcKind::Vitc2);
/// let words = packet.to_packet();
/// assert_eq!(AtcPacket::from_packet(&words)?.timecode(Rate::FPS_50)?, label);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AtcPacket {
    /// DBB1.
    pub kind: AtcKind,
    /// DBB2: see [`VitcPlace`] for VITC.
    pub dbb2: u8,
    /// The time address.
    pub address: Address,
}

impl AtcPacket {
    /// The packet to send with the frame that has this label, DBB2 0: at rates up to 30 as LTC, at 48, 50 and 60 as
    /// VITC1 or VITC2 of the pair.
    ///
    /// # Errors
    ///
    /// If the rate cannot be coded.
    pub const fn for_frame(timecode: Timecode) -> Result<Self, AddressError> {
        match (pairs(timecode.rate()), Address::from_frame(timecode)) {
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(in_pairs), Ok(address)) => {
                let kind = match (in_pairs, timecode.frames() % 2) {
                    (false, _) => AtcKind::Ltc,
                    (true, 0) => AtcKind::Vitc1,
                    (true, _) => AtcKind::Vitc2,
                };
                Ok(Self { kind, dbb2: 0, address })
            }
        }
    }

    /// The label of the frame that the packet came with. At 48, 50 and 60 the field mark tells the frames of a pair
    /// apart; in a packet of kind LTC that bit is none, and the label is that of the pair's first frame.
    ///
    /// # Errors
    ///
    /// As [`Address::timecode`].
    pub const fn timecode(self, rate: Rate) -> Result<Timecode, AddressError> {
        match self.kind {
            AtcKind::Ltc => self.address.timecode(rate),
            AtcKind::Vitc1 | AtcKind::Vitc2 => self.address.frame_timecode(rate),
        }
    }

    /// The 16 user data words, each with its parity bits.
    pub fn to_user_data(self) -> [u16; DATA_COUNT] {
        let dbb = u16::from(self.kind.code()) | u16::from(self.dbb2) << 8;
        core::array::from_fn(|word| {
            let nibble = self.address.bits() >> (4 * word) & 0xf;
            let nibble = nibble as u8;
            let dbb_bit = if dbb >> word & 1 != 0 { 1 << 3 } else { 0 };
            with_parity(nibble << 4 | dbb_bit)
        })
    }

    /// Reads the 16 user data words. b2 to b0 are not looked at: equipment with 8 bits a sample loses some of them.
    ///
    /// # Errors
    ///
    /// Names the first word whose parity is wrong, or a kind that is not known.
    pub fn from_user_data(words: &[u16; DATA_COUNT]) -> Result<Self, AtcError> {
        let (mut bits, mut dbb) = (0, 0_u16);
        for (index, &word) in words.iter().enumerate() {
            let byte = check_parity(index, word)?;
            bits |= u64::from(byte >> 4) << (4 * index);
            dbb |= u16::from(byte >> 3 & 1) << index;
        }
        let [dbb1, dbb2] = dbb.to_le_bytes();
        Ok(Self { kind: AtcKind::from_code(dbb1)?, dbb2, address: Address::from_bits(bits) })
    }

    /// The packet from DID to checksum, without the ancillary data flag before it.
    pub fn to_packet(self) -> [u16; PACKET_LEN] {
        let mut words = [0; PACKET_LEN];
        let head = [DID, SDID, COUNT].map(with_parity);
        for (place, word) in words.iter_mut().zip(head.into_iter().chain(self.to_user_data())) {
            *place = word;
        }
        let [checked @ .., last] = &mut words;
        *last = checksum(checked);
        words
    }

    /// Reads a packet from DID to checksum; words after it are not looked at.
    ///
    /// # Errors
    ///
    /// Says which word is wrong, or that it is another kind of packet.
    pub fn from_packet(words: &[u16]) -> Result<Self, AtcError> {
        let Some((packet, _)) = words.split_first_chunk::<PACKET_LEN>() else {
            return Err(AtcError::Incomplete { found: words.len() });
        };
        let [did, sdid, count, user_data @ .., found] = *packet;
        let did = check_parity(0, did)?;
        let sdid = check_parity(1, sdid)?;
        let count = check_parity(2, count)?;
        if (did, sdid, count) != (DID, SDID, COUNT) {
            return Err(AtcError::NotTimecode { did, sdid, count });
        }
        let expected = checksum(packet.split_last().map_or(&[], |(_, checked)| checked));
        if found != expected {
            return Err(AtcError::Checksum { found, expected });
        }
        Self::from_user_data(&user_data)
    }
}

/// A byte as a 10-bit word: b8 makes the ones of b8 to b0 even, b9 is its inverse.
const fn with_parity(byte: u8) -> u16 {
    let parity = byte.count_ones() % 2 == 1;
    byte as u16 | if parity { 0x100 } else { 0x200 }
}

/// The byte in a 10-bit word.
fn check_parity(index: usize, word: u16) -> Result<u8, AtcError> {
    let [byte, _] = word.to_le_bytes();
    if with_parity(byte) == word {
        Ok(byte)
    } else {
        Err(AtcError::Parity { index: u8::try_from(index).unwrap_or(u8::MAX), word })
    }
}

/// The sum of b8 to b0 of the words modulo 512, and b9 the inverse of b8 (ST 291).
fn checksum(words: &[u16]) -> u16 {
    let sum = words.iter().fold(0, |sum, word| (sum + (word & 0x1ff)) & 0x1ff);
    if sum & 0x100 != 0 { sum } else { sum | 0x200 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(label: &str, rate: Rate) -> AtcPacket {
        AtcPacket::for_frame(Timecode::parse(label, rate).unwrap()).unwrap()
    }

    #[test]
    fn header_words_have_their_parity() {
        let words = packet("00:00:00:00", Rate::FPS_25).to_packet();
        assert_eq!(words[..4], [0x260, 0x260, 0x110, 0x200]);
        // 060 + 060 + 110 = 1d0
        assert_eq!(words[19], 0x1d0);
    }

    #[test]
    fn frames_of_a_pair_are_told_apart() {
        let first = packet("10:00:00:48", Rate::FPS_50);
        let second = packet("10:00:00:49", Rate::FPS_50);
        assert_eq!((first.kind, second.kind), (AtcKind::Vitc1, AtcKind::Vitc2));
        assert_eq!(second.address.bits() ^ first.address.bits(), 1 << 59);
        assert_eq!(second.timecode(Rate::FPS_50).unwrap().frames(), 49);
    }

    #[test]
    fn every_wrong_bit_is_found() {
        let right = packet("12:34:56;28", Rate::FPS_29_97_DF).to_packet();
        assert!(AtcPacket::from_packet(&right).is_ok());
        for word in 0..PACKET_LEN {
            for bit in 0..10 {
                let mut wrong = right;
                wrong[word] ^= 1 << bit;
                assert!(AtcPacket::from_packet(&wrong).is_err(), "word {word} bit {bit}");
            }
        }
        assert_eq!(AtcPacket::from_packet(&right[..19]), Err(AtcError::Incomplete { found: 19 }));
    }

    #[test]
    fn other_packets_are_refused() {
        let mut words = packet("00:00:00:00", Rate::FPS_25).to_packet();
        words[1] = with_parity(0x61);
        let other = AtcError::NotTimecode { did: 0x60, sdid: 0x61, count: 16 };
        assert_eq!(AtcPacket::from_packet(&words), Err(other));
        let mut data = packet("00:00:00:00", Rate::FPS_25).to_user_data();
        data[7] = with_parity(0x08);
        assert_eq!(AtcPacket::from_user_data(&data), Err(AtcError::Kind { found: 0x80 }));
    }

    #[test]
    fn low_bits_may_be_lost() {
        let mut data = packet("10:00:00:49", Rate::FPS_50).to_user_data();
        let [low, _] = data[3].to_le_bytes();
        data[3] = with_parity(low | 0b11);
        assert_eq!(AtcPacket::from_user_data(&data), Ok(packet("10:00:00:49", Rate::FPS_50)));
    }

    #[test]
    fn dbb2_in_all_its_values() {
        for code in 0..=255 {
            assert_eq!(VitcPlace::from_code(code).code(), code);
        }
        let place = VitcPlace { line: 14, duplicate: true, interpolated: false, retransmitted: true };
        assert_eq!(place.code(), 0b1010_1110);
    }
}
