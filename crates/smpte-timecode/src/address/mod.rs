//! The 64-bit time address that LTC, VITC and ATC carry (ST 12-1 clauses 8 and 9; ITU-R BT.1366-3 part 1).
//!
//! The four numbers of the label in BCD, least significant bit first, with eight groups of four user bits between
//! them and the flags in the bits that the tens digits leave over:
//!
//! ```text
//!  byte      bits 0-3         bits 4-7         bits as 8 * byte + n
//!    0       frame units      group 1
//!    1       frame tens  D C  group 2          8-9 tens, 10 drop-frame, 11 colour frame
//!    2       second units     group 3
//!    3       second tens   P  group 4          24-26 tens, 27 polarity correction or field mark (625: BGF0)
//!    4       minute units     group 5
//!    5       minute tens   0  group 6          40-42 tens, 43 BGF0 (625: BGF2)
//!    6       hour units       group 7
//!    7       hour tens   1 2  group 8          56-57 tens, 58 BGF1, 59 BGF2 (625: polarity correction or field mark)
//! ```
//!
//! Bit n of the address is bit n of the `u64`, and bit n % 8 of byte n / 8: the bytes are little-endian.

mod date;
mod groups;

use thiserror::Error;

use crate::{Field, Fields, LabelError, Rate, Timecode};

pub use date::{Date, DateError, TimeZone};
pub use groups::{BinaryGroups, GroupFormat, characters, user_bits_from_characters};

/// Frames a second (pairs above 30) are numbered 0 to 29 at most: two BCD digits, of which the tens have two bits.
const MAX_CODED_NOMINAL: u32 = 30;

/// What cannot be put into an address, or read from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A number of the label that is not BCD or above its range.
    #[error("{field} have tens {tens} and units {units}, which is no number from 0 to {max}")]
    Digits {
        /// Which number.
        field: Field,
        /// Its tens as coded.
        tens: u8,
        /// Its units as coded, 0 to 15.
        units: u8,
        /// The most it can be.
        max: u8,
    },
    /// The number is coded rightly, but the rate has no such label.
    #[error("{0}")]
    Label(LabelError),
    /// The address has no room for the frame numbers of this rate: only rates up to 30, and 48, 50 and 60, whose
    /// frames are counted in pairs.
    #[error("frames at {nominal} a second cannot be numbered in a time address")]
    Rate {
        /// The rate's nominal frames a second.
        nominal: u16,
    },
    /// A label that names the second frame of a pair, where only pairs are counted.
    #[error("frame {frames} is the second of its pair; only the first can be named here")]
    SecondOfPair {
        /// The label's frame number.
        frames: u16,
    },
    /// The drop-frame flag says otherwise than the rate.
    #[error("the drop-frame flag is {flag}, the rate's is {}", !flag)]
    DropFlag {
        /// The flag in the address.
        flag: bool,
    },
}

impl From<LabelError> for AddressError {
    fn from(error: LabelError) -> Self {
        Self::Label(error)
    }
}

/// Where the binary group flags and the polarity correction (in VITC and ATC the field mark) are: one way at rates
/// of 24 and 30, another at 25.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagLayout {
    /// 525/60, 1125/60 and film at 24: polarity in bit 27, BGF0 to 2 in 43, 58, 59.
    Lines525,
    /// 625/50 and every rate of 25 or 50: polarity in bit 59, BGF0 to 2 in 27, 58, 43.
    Lines625,
}

impl FlagLayout {
    /// The layout used at this rate.
    pub const fn of(rate: Rate) -> Self {
        if rate.nominal().is_multiple_of(25) { Self::Lines625 } else { Self::Lines525 }
    }

    /// The bit that makes the number of ones in an LTC word even, and tells the fields apart in VITC and ATC.
    pub const fn phase_bit(self) -> u32 {
        match self {
            Self::Lines525 => 27,
            Self::Lines625 => 59,
        }
    }

    /// The bits of BGF0, BGF1 and BGF2.
    pub const fn group_flag_bits(self) -> [u32; 3] {
        match self {
            Self::Lines525 => [43, 58, 59],
            Self::Lines625 => [27, 58, 43],
        }
    }
}

/// A number of the label: its place in the address and its range.
struct Place {
    field: Field,
    units: u32,
    tens: u32,
    tens_mask: u64,
    max: u8,
}

const FRAMES: Place = Place { field: Field::Frames, units: 0, tens: 8, tens_mask: 3, max: 29 };
const SECONDS: Place = Place { field: Field::Seconds, units: 16, tens: 24, tens_mask: 7, max: 59 };
const MINUTES: Place = Place { field: Field::Minutes, units: 32, tens: 40, tens_mask: 7, max: 59 };
const HOURS: Place = Place { field: Field::Hours, units: 48, tens: 56, tens_mask: 3, max: 23 };

impl Place {
    #[inline]
    const fn put(&self, value: u8) -> u64 {
        ((value % 10) as u64) << self.units | ((value / 10) as u64 & self.tens_mask) << self.tens
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "four bits at most")]
    const fn read(&self, bits: u64) -> Result<u8, AddressError> {
        let units = (bits >> self.units & 0xf) as u8;
        let tens = (bits >> self.tens & self.tens_mask) as u8;
        let value = tens * 10 + units;
        if units > 9 || value > self.max {
            return Err(AddressError::Digits { field: self.field, tens, units, max: self.max });
        }
        Ok(value)
    }
}

/// Bits 8i + 4 to 8i + 7 of each byte i.
const USER_BITS: u64 = 0xf0f0_f0f0_f0f0_f0f0;
const DROP_FRAME: u32 = 10;
const COLOUR_FRAME: u32 = 11;

/// The 64 bits. Any value may be held; the label is checked when it is read.
///
/// ```
/// use smpte_timecode::address::Address;
/// use smpte_timecode::{Rate, Timecode};
///
/// let label = Timecode::parse("23:59:59;29", Rate::FPS_29_97_DF)?;
/// let address = Address::from_timecode(label)?.with_user_bits(0x89ab_cdef);
/// assert_eq!(address.user_bits(), 0x89ab_cdef);
/// assert_eq!(address.timecode(Rate::FPS_29_97_DF)?, label);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address(u64);

impl Address {
    /// The address with these bits; bit 0 is the first sent.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// All 64 bits; bit 0 is the first sent.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The address in bytes as the module's diagram has them.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// The bytes as the module's diagram has them.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// These four numbers, all flags but drop-frame clear, user bits 0. The label is not checked against a rate.
    ///
    /// # Errors
    ///
    /// Names the number that is above what the address can hold: 23, 59, 59, 29.
    #[inline]
    pub const fn from_fields(fields: Fields, drop_frame: bool) -> Result<Self, AddressError> {
        if fields.frames > FRAMES.max as u16 {
            return Err(too_large(&FRAMES, fields.frames));
        } else if fields.seconds > SECONDS.max {
            return Err(too_large(&SECONDS, fields.seconds as u16));
        } else if fields.minutes > MINUTES.max {
            return Err(too_large(&MINUTES, fields.minutes as u16));
        } else if fields.hours > HOURS.max {
            return Err(too_large(&HOURS, fields.hours as u16));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 29")]
        let frames = FRAMES.put(fields.frames as u8);
        Ok(Self(frames | SECONDS.put(fields.seconds) | MINUTES.put(fields.minutes) | HOURS.put(fields.hours))
            .with_drop_frame(drop_frame))
    }

    /// The address that says this label, as LTC sends it: at 48, 50 and 60 frames a second pairs are counted
    /// (ST 12-1 clause 12), so only the first frame of a pair can be named.
    ///
    /// # Errors
    ///
    /// If the rate cannot be coded, or the label is the second of a pair.
    #[inline]
    pub const fn from_timecode(timecode: Timecode) -> Result<Self, AddressError> {
        let mut fields = timecode.fields();
        match pairs(timecode.rate()) {
            Err(error) => return Err(error),
            Ok(false) => {}
            Ok(true) if !fields.frames.is_multiple_of(2) => {
                return Err(AddressError::SecondOfPair { frames: fields.frames });
            }
            Ok(true) => fields.frames /= 2,
        }
        Self::from_fields(fields, timecode.rate().is_drop())
    }

    /// The address that says this label, as VITC and ATC send it: at 48, 50 and 60 frames a second the pair is
    /// counted and the field mark is set for its second frame (ST 12-2). At rates up to 30 the field mark is left
    /// clear: it says which field the line is in, which the label doesn't.
    ///
    /// # Errors
    ///
    /// If the rate cannot be coded.
    pub const fn from_frame(timecode: Timecode) -> Result<Self, AddressError> {
        let mut fields = timecode.fields();
        let rate = timecode.rate();
        let second = match pairs(rate) {
            Err(error) => return Err(error),
            Ok(false) => false,
            Ok(true) => {
                let second = !fields.frames.is_multiple_of(2);
                fields.frames /= 2;
                second
            }
        };
        match Self::from_fields(fields, rate.is_drop()) {
            Ok(address) => Ok(address.with_field_mark(FlagLayout::of(rate), second)),
            Err(error) => Err(error),
        }
    }

    /// The four numbers as they are in the address: at rates above 30 the frames are pairs.
    ///
    /// # Errors
    ///
    /// Names the first number, from the hours, that is not BCD or is above 23, 59, 59, 29.
    #[inline]
    pub const fn fields(self) -> Result<Fields, AddressError> {
        match (HOURS.read(self.0), MINUTES.read(self.0), SECONDS.read(self.0), FRAMES.read(self.0)) {
            (Ok(hours), Ok(minutes), Ok(seconds), Ok(frames)) => {
                Ok(Fields { hours, minutes, seconds, frames: frames as u16 })
            }
            (Err(error), _, _, _) | (_, Err(error), _, _) | (_, _, Err(error), _) | (_, _, _, Err(error)) => {
                Err(error)
            }
        }
    }

    /// The label at this rate; at 48, 50 and 60 that of the pair's first frame.
    ///
    /// # Errors
    ///
    /// If the numbers are no BCD, the rate has no such label or cannot be coded, or the drop-frame flag says
    /// otherwise than the rate.
    pub const fn timecode(self, rate: Rate) -> Result<Timecode, AddressError> {
        self.read_label(rate, false)
    }

    /// The label at this rate; at 48, 50 and 60 that of the frame of the pair that the field mark says. For VITC and
    /// ATC: in LTC that bit is the polarity correction.
    ///
    /// # Errors
    ///
    /// As [`timecode`](Self::timecode).
    pub const fn frame_timecode(self, rate: Rate) -> Result<Timecode, AddressError> {
        self.read_label(rate, self.field_mark(FlagLayout::of(rate)))
    }

    /// The drop-frame flag, bit 10.
    #[inline]
    pub const fn drop_frame(self) -> bool {
        self.bit(DROP_FRAME)
    }

    /// Sets or clears the drop-frame flag.
    #[inline]
    #[must_use]
    pub const fn with_drop_frame(self, flag: bool) -> Self {
        self.with_bit(DROP_FRAME, flag)
    }

    /// The colour frame flag, bit 11: the labels are in step with the colour sequence of the television signal.
    pub const fn colour_frame(self) -> bool {
        self.bit(COLOUR_FRAME)
    }

    /// Sets or clears the colour frame flag.
    #[must_use]
    pub const fn with_colour_frame(self, flag: bool) -> Self {
        self.with_bit(COLOUR_FRAME, flag)
    }

    /// What the user bits hold, and whether the label is the time of day.
    pub const fn binary_groups(self, layout: FlagLayout) -> BinaryGroups {
        let [bgf0, bgf1, bgf2] = layout.group_flag_bits();
        BinaryGroups::from_flags(self.bit(bgf0), self.bit(bgf1), self.bit(bgf2))
    }

    /// Says what the user bits hold, and whether the label is the time of day.
    #[must_use]
    pub const fn with_binary_groups(self, layout: FlagLayout, groups: BinaryGroups) -> Self {
        let [bgf0, bgf1, bgf2] = layout.group_flag_bits();
        self.with_bit(bgf0, groups.bgf0()).with_bit(bgf1, groups.bgf1()).with_bit(bgf2, groups.bgf2())
    }

    /// The field mark of VITC and ATC: set in the second field, or for the second frame of a pair.
    pub const fn field_mark(self, layout: FlagLayout) -> bool {
        self.bit(layout.phase_bit())
    }

    /// Sets or clears the field mark.
    #[must_use]
    pub const fn with_field_mark(self, layout: FlagLayout, flag: bool) -> Self {
        self.with_bit(layout.phase_bit(), flag)
    }

    /// Makes the number of ones in the 80 bits of the LTC word even, so that every word starts with the same edge
    /// (ST 12-1 clause 9.2.4): the sync word has 13 ones, so the address gets an odd number.
    #[must_use]
    pub const fn with_polarity_correction(self, layout: FlagLayout) -> Self {
        let cleared = self.with_bit(layout.phase_bit(), false);
        cleared.with_bit(layout.phase_bit(), cleared.0.count_ones().is_multiple_of(2))
    }

    /// The eight binary groups: group 1 in bits 0 to 3, group 8 in bits 28 to 31. This is the order of libltc.
    #[inline]
    pub const fn user_bits(self) -> u32 {
        // squeeze the high nibbles together: pairs of nibbles, then of bytes, then of halves
        let nibbles = self.0 >> 4 & 0x0f0f_0f0f_0f0f_0f0f;
        let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
        let halves = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the upper half holds a copy of what was moved down"
        )]
        let groups = (halves | halves >> 16) as u32;
        groups
    }

    /// Replaces the eight binary groups; see [`user_bits`](Self::user_bits). Says nothing of what they hold: see
    /// [`with_binary_groups`](Self::with_binary_groups).
    #[inline]
    #[must_use]
    pub const fn with_user_bits(self, user_bits: u32) -> Self {
        let halves = (user_bits as u64 | (user_bits as u64) << 16) & 0x0000_ffff_0000_ffff;
        let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
        let nibbles = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        Self(self.0 & !USER_BITS | nibbles << 4)
    }

    #[inline]
    const fn bit(self, at: u32) -> bool {
        self.0 >> at & 1 != 0
    }

    #[inline]
    const fn with_bit(self, at: u32, value: bool) -> Self {
        Self(self.0 & !(1 << at) | (value as u64) << at)
    }

    const fn read_label(self, rate: Rate, second_of_pair: bool) -> Result<Timecode, AddressError> {
        let mut fields = match self.fields() {
            Ok(fields) => fields,
            Err(error) => return Err(error),
        };
        match pairs(rate) {
            Err(error) => return Err(error),
            Ok(false) => {}
            Ok(true) => fields.frames = fields.frames * 2 + second_of_pair as u16,
        }
        if self.drop_frame() != rate.is_drop() {
            return Err(AddressError::DropFlag { flag: self.drop_frame() });
        }
        match Timecode::from_fields(rate, fields) {
            Ok(timecode) => Ok(timecode),
            Err(error) => Err(AddressError::Label(error)),
        }
    }
}

/// The bytes in hexadecimal.
impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Address(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Whether a rate is counted in pairs of frames: rates up to 30 are not, 48, 50 and 60 are, others have no code.
///
/// # Errors
///
/// If it has no code.
pub(crate) const fn pairs(rate: Rate) -> Result<bool, AddressError> {
    match rate.nominal() {
        1..=MAX_CODED_NOMINAL => Ok(false),
        48 | 50 | 60 => Ok(true),
        #[expect(clippy::cast_possible_truncation, reason = "at most 1000")]
        nominal => Err(AddressError::Rate { nominal: nominal as u16 }),
    }
}

const fn too_large(place: &Place, value: u16) -> AddressError {
    AddressError::Label(LabelError::OutOfRange {
        field: place.field,
        value: value as u32,
        max: place.max as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(label: &str, rate: Rate) -> Address {
        Address::from_timecode(Timecode::parse(label, rate).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_bcd_with_the_first_bit_lowest() {
        assert_eq!(address("23:59:59:23", Rate::FPS_24).to_bytes(), [3, 2, 9, 5, 9, 5, 3, 2]);
        assert_eq!(address("00:01:00;02", Rate::FPS_29_97_DF).to_bytes(), [2, 4, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn polarity_is_in_bit_27_or_59() {
        let word = address("01:00:00:01", Rate::FPS_25);
        assert_eq!(word.with_polarity_correction(FlagLayout::Lines625).to_bytes(), [1, 0, 0, 0, 0, 0, 1, 8]);
        assert_eq!(word.with_polarity_correction(FlagLayout::Lines525).to_bytes(), [1, 0, 0, 8, 0, 0, 1, 0]);
    }

    #[test]
    fn pairs_are_counted_above_30() {
        assert_eq!(address("10:00:00:48", Rate::FPS_50).fields().unwrap().frames, 24);
        assert_eq!(address("00:01:00;04", Rate::FPS_59_94_DF).to_bytes(), [2, 4, 0, 0, 1, 0, 0, 0]);
        let odd = Timecode::parse("10:00:00:49", Rate::FPS_50).unwrap();
        assert_eq!(Address::from_timecode(odd), Err(AddressError::SecondOfPair { frames: 49 }));
        let marked = Address::from_frame(odd).unwrap();
        assert!(marked.field_mark(FlagLayout::Lines625));
        assert_eq!(marked.frame_timecode(Rate::FPS_50), Ok(odd));
        assert_eq!(marked.timecode(Rate::FPS_50), Ok(odd.previous()));
    }

    #[test]
    fn rates_without_a_code_are_refused() {
        for rate in [Rate::FPS_72, Rate::FPS_100, Rate::FPS_119_88_DF, Rate::FPS_120] {
            let nominal = u16::try_from(rate.nominal()).unwrap();
            let refused = Err(AddressError::Rate { nominal });
            assert_eq!(Address::from_timecode(Timecode::midnight(rate)), refused);
            assert_eq!(Address::from_frame(Timecode::midnight(rate)), refused);
            assert_eq!(Address::default().timecode(rate), Err(AddressError::Rate { nominal }));
        }
    }

    #[test]
    fn a_bad_digit_is_named() {
        let bad = |bits: u64, field, tens, units, max| {
            assert_eq!(Address(bits).fields(), Err(AddressError::Digits { field, tens, units, max }));
        };
        bad(0xa, Field::Frames, 0, 10, 29);
        bad(0x300, Field::Frames, 3, 0, 29);
        bad(0x600_0000, Field::Seconds, 6, 0, 59);
        bad(0x7 << 40, Field::Minutes, 7, 0, 59);
        bad(0x2 << 56 | 4 << 48, Field::Hours, 2, 4, 23);
    }

    #[test]
    fn the_rate_must_agree() {
        let drop = address("00:01:00;02", Rate::FPS_29_97_DF);
        assert_eq!(drop.timecode(Rate::FPS_29_97), Err(AddressError::DropFlag { flag: true }));
        let film = address("00:00:00:24", Rate::FPS_25).timecode(Rate::FPS_24);
        assert!(matches!(
            film,
            Err(AddressError::Label(LabelError::OutOfRange { field: Field::Frames, .. }))
        ));
        let dropped = Address(1 << 32 | 1 << 10).timecode(Rate::FPS_29_97_DF);
        assert!(matches!(
            dropped,
            Err(AddressError::Label(LabelError::Dropped { minutes: 1, frames: 0, first: 2 }))
        ));
    }

    #[test]
    fn errors_are_small() {
        assert!(size_of::<AddressError>() <= 32);
    }
}
