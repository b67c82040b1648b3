//! The 80 bits: a time address and the sync word (ST 12-1 clause 8.2).
//!
//! ```text
//! bits 0 ........................................ 63  64 ............... 79
//!      time address (see crate::address)              0011 1111 1111 1101
//! ```
//!
//! As ten bytes, bit n is bit n % 8 of byte n / 8, and the last two bytes are `fc bf`. Read backwards the sync word
//! begins 10 instead of 00, which tells a receiver which way the tape runs.

use thiserror::Error;

use crate::address::{Address, AddressError, FlagLayout};
use crate::{Rate, Timecode};

/// Ten bytes that are no LTC word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WordError {
    /// The last two bytes are not the sync word, `fc bf`.
    #[error("bytes 8 and 9 are {:02x} {:02x}, not the sync word fc bf", found[0], found[1])]
    Sync {
        /// The two bytes.
        found: [u8; 2],
    },
}

/// One word of LTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(Address);

impl Word {
    /// Bits in a word.
    pub const BITS: u32 = 80;
    /// Bits 64 to 79, bit 64 lowest.
    pub const SYNC: u16 = 0xbffc;

    /// A word with this address as it is; its polarity correction is not touched.
    #[inline]
    pub const fn new(address: Address) -> Self {
        Self(address)
    }

    /// The word that says this label, with user bits and flags clear and the polarity correction right.
    ///
    /// # Errors
    ///
    /// If the label's rate has no code, or the label is the second of a pair of frames.
    pub const fn from_timecode(timecode: Timecode) -> Result<Self, AddressError> {
        match Address::from_timecode(timecode) {
            Ok(address) => Ok(Self(address.with_polarity_correction(FlagLayout::of(timecode.rate())))),
            Err(error) => Err(error),
        }
    }

    /// Reads the ten bytes.
    ///
    /// # Errors
    ///
    /// If the last two are not the sync word.
    pub const fn from_bytes(bytes: [u8; 10]) -> Result<Self, WordError> {
        let [a, b, c, d, e, f, g, h, sync @ ..] = bytes;
        if u16::from_le_bytes(sync) != Self::SYNC {
            return Err(WordError::Sync { found: sync });
        }
        Ok(Self(Address::from_bytes([a, b, c, d, e, f, g, h])))
    }

    /// The ten bytes.
    pub const fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.0.to_bytes();
        let [low, high] = Self::SYNC.to_le_bytes();
        [a, b, c, d, e, f, g, h, low, high]
    }

    /// The time address.
    #[inline]
    pub const fn address(self) -> Address {
        self.0
    }

    /// The label at this rate; see [`Address::timecode`].
    ///
    /// # Errors
    ///
    /// As [`Address::timecode`].
    pub const fn timecode(self, rate: Rate) -> Result<Timecode, AddressError> {
        self.0.timecode(rate)
    }

    /// Whether the 80 bits hold an even number of ones, as the polarity correction makes it. Senders get this wrong,
    /// so it is no ground to reject a word.
    #[inline]
    pub const fn has_even_parity(self) -> bool {
        (self.0.bits().count_ones() + Self::SYNC.count_ones()).is_multiple_of(2)
    }

    /// Bit `index` of the word in the order of transmission, 0 to 79; `false` above.
    #[inline]
    pub const fn bit(self, index: u32) -> bool {
        match index {
            0..64 => self.0.bits() >> index & 1 != 0,
            64..80 => Self::SYNC >> (index - 64) & 1 != 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_word_in_order_of_transmission() {
        let word = Word::new(Address::default());
        let bits: Vec<u8> = (64..80).map(|i| u8::from(word.bit(i))).collect();
        assert_eq!(bits, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1]);
    }

    #[test]
    fn bytes_without_sync_word_are_refused() {
        let mut bytes = Word::new(Address::default()).to_bytes();
        assert!(Word::from_bytes(bytes).is_ok());
        bytes[9] = 0xbe;
        assert_eq!(Word::from_bytes(bytes), Err(WordError::Sync { found: [0xfc, 0xbe] }));
    }

    #[test]
    fn parity_counts_all_80_bits() {
        let midnight = Word::from_timecode(Timecode::midnight(Rate::FPS_30)).unwrap();
        assert!(midnight.has_even_parity());
        assert_eq!(midnight.to_bytes(), [0, 0, 0, 8, 0, 0, 0, 0, 0xfc, 0xbf]);
        assert!(!Word::new(Address::default()).has_even_parity());
    }
}
