//! Vertical interval timecode: a time address as light and dark in a television line (ST 12-1 clause 10).
//!
//! 90 bits without return to zero, nine groups of ten, each beginning with the sync bits 1 0:
//!
//! ```text
//! bits 10g, 10g+1          sync: 1, 0                              g = 0 to 8
//! bits 10g+2 to 10g+9      bits 8g to 8g+7 of the time address     g = 0 to 7
//! bits 82 to 89            CRC with the generator x^8 + 1: of all bits whose numbers are equal modulo 8 an even
//!                          number are ones
//! ```
//!
//! Bits come at 115 times the line rate. A frame has VITC in both fields, on two lines each that are not next to each
//! other; the field mark (see [`Address::field_mark`](crate::address::Address::field_mark)) is in VITC bit 35 in
//! 525-line systems and 75 in 625-line ones, where LTC has its polarity correction.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::address::Address;

/// Groups of ten bits.
const GROUPS: u32 = 9;
/// The first CRC bit.
const CRC_START: u32 = 82;
/// Bits in a group.
const GROUP: u32 = 10;

/// What is wrong with 90 bits, or with a line that should hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VitcError {
    /// A group does not begin with 1 0.
    #[error("group {group} does not begin with the sync bits 1 0")]
    Sync {
        /// 0 to 8.
        group: u8,
    },
    /// The CRC does not fit the bits.
    #[error("CRC is {found:08b}, the bits give {expected:08b}")]
    Crc {
        /// As received, bit 82 lowest.
        found: u8,
        /// As calculated.
        expected: u8,
    },
    /// Text that is not 90 times 0 or 1.
    #[error("not 90 digits 0 or 1: wrong at character {}", offset + 1)]
    Syntax {
        /// The first byte that does not fit; 90 or less.
        offset: u8,
    },
    /// More than 90 bits.
    #[error("bits above the 90th are set")]
    TooLong,
    /// The line has no contrast, or nothing in it is as long as VITC.
    #[error("no VITC in the line")]
    NoSignal,
}

/// The 90 bits of a line of VITC; sync bits and CRC are right.
///
/// ```
/// use smpte_timecode::address::Address;
/// use smpte_timecode::vitc::Vitc;
/// use smpte_timecode::{Rate, Timecode};
///
/// let label = Timecode::parse("01:02:03:04", Rate::FPS_30)?;
/// let vitc = Vitc::new(Address::from_timecode(label)?);
/// assert!(vitc.to_string().starts_with("1000100000"));
/// assert_eq!(vitc.to_string().parse::<Vitc>()?.address().timecode(Rate::FPS_30)?, label);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vitc(Address);

impl Vitc {
    /// Bits in a line.
    pub const BITS: u32 = 90;

    /// The line that carries this address as it is.
    pub const fn new(address: Address) -> Self {
        Self(address)
    }

    /// The address.
    pub const fn address(self) -> Address {
        self.0
    }

    /// All bits; bit 0 is sent first.
    pub const fn bits(self) -> u128 {
        let (mut bits, mut group) = (0, 0);
        while group < GROUPS {
            let data = if group < 8 { (self.0.bits() >> (8 * group) & 0xff) as u128 } else { 0 };
            bits |= (1 | data << 2) << (GROUP * group);
            group += 1;
        }
        bits | (crc(bits) as u128) << CRC_START
    }

    /// Bit `index` in the order of transmission, 0 to 89; `false` above.
    pub const fn bit(self, index: u32) -> bool {
        index < Self::BITS && self.bits() >> index & 1 != 0
    }

    /// Reads the 90 bits; bit 0 was received first.
    ///
    /// # Errors
    ///
    /// If sync bits or the CRC are wrong.
    pub const fn from_bits(bits: u128) -> Result<Self, VitcError> {
        if bits >> Self::BITS != 0 {
            return Err(VitcError::TooLong);
        }
        let (mut address, mut group) = (0, 0);
        while group < GROUPS {
            let ten = bits >> (GROUP * group);
            #[expect(clippy::cast_possible_truncation, reason = "0 to 8")]
            if ten & 0b11 != 0b01 {
                return Err(VitcError::Sync { group: group as u8 });
            }
            if group < 8 {
                address |= ((ten >> 2 & 0xff) as u64) << (8 * group);
            }
            group += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the bits above are 0")]
        let found = (bits >> CRC_START) as u8;
        let expected = crc(bits);
        if found != expected {
            return Err(VitcError::Crc { found, expected });
        }
        Ok(Self(Address::from_bits(address)))
    }

    /// Draws the line; pixels before and after the code become low.
    pub fn draw(self, shape: LineShape, line: &mut [u8]) {
        let bits = self.bits();
        let is_one = |bit: i64| (0..i64::from(Self::BITS)).contains(&bit) && bits >> bit & 1 != 0;
        let (low, high) = (i64::from(shape.low), i64::from(shape.high));
        let width = i64::from(shape.bit_width.max(1));
        // edges take a third of a bit
        let half_edge = (width / 6).max(1);
        for (pixel, middle) in line.iter_mut().zip((128_i64..).step_by(256)) {
            let at = middle - i64::from(shape.start);
            let bit = at.div_euclid(width);
            let (since, until) = (at.rem_euclid(width), width - at.rem_euclid(width));
            let here = if is_one(bit) { high } else { low };
            let (other, distance) = if since < until { (bit - 1, since) } else { (bit + 1, until) };
            let there = if is_one(other) { high } else { low };
            let value = if distance >= half_edge {
                here
            } else {
                // half way at the edge itself
                (here + there) / 2 + (here - there) * distance / (2 * half_edge)
            };
            *pixel = u8::try_from(value).unwrap_or(shape.high);
        }
    }

    /// Finds VITC in a line of luma, wherever it begins; bits must be two pixels wide at least.
    ///
    /// # Errors
    ///
    /// [`VitcError::NoSignal`] if there is nothing like it, else what is wrong with the bits.
    pub fn read(line: &[u8]) -> Result<Self, VitcError> {
        Slicer::new(line).ok_or(VitcError::NoSignal)?.read()
    }
}

/// Where and how large the code is in a line of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineShape {
    /// Where bit 0 begins, in 1/256 of a pixel.
    pub start: u32,
    /// The width of a bit in 1/256 of a pixel.
    pub bit_width: u32,
    /// The luma of a zero.
    pub low: u8,
    /// The luma of a one.
    pub high: u8,
}

impl LineShape {
    /// For a line of `pixels` active pixels: 96 bits fit it, which is 115 bits to the whole line within 1 %, and the
    /// code is in the middle. Zeros are black (16), ones at 80 % (191).
    pub const fn for_width(pixels: u32) -> Self {
        Self { start: 8 * pixels, bit_width: 256 * pixels / 96, low: 16, high: 191 }
    }
}

/// The bits as 90 digits, first bit first.
impl fmt::Display for Vitc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits();
        (0..Self::BITS).try_for_each(|bit| f.write_str(if bits >> bit & 1 != 0 { "1" } else { "0" }))
    }
}

/// Reads 90 digits, first bit first.
impl FromStr for Vitc {
    type Err = VitcError;

    fn from_str(text: &str) -> Result<Self, VitcError> {
        let mut bits = 0;
        let wrong = |offset: usize| VitcError::Syntax { offset: u8::try_from(offset).unwrap_or(u8::MAX) };
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'0' | b'1' if at < Self::BITS as usize => bits |= u128::from(byte - b'0') << at,
                _ => return Err(wrong(at)),
            }
        }
        if text.len() < Self::BITS as usize { Err(wrong(text.len())) } else { Self::from_bits(bits) }
    }
}

/// The CRC of the first 82 bits, bit 82 lowest.
#[expect(clippy::cast_possible_truncation, reason = "the low byte holds the sum of all bytes")]
const fn crc(bits: u128) -> u8 {
    let mut sum = bits & ((1 << CRC_START) - 1);
    sum ^= sum >> 64;
    sum ^= sum >> 32;
    sum ^= sum >> 16;
    sum ^= sum >> 8;
    // bit 82 is the one whose number is 2 modulo 8
    (sum as u8).rotate_right(2)
}

/// Finds the bits in a line. Places are in 1/256 of a pixel.
struct Slicer<'a> {
    line: &'a [u8],
    threshold: u8,
}

impl<'a> Slicer<'a> {
    /// Darks and lights nearer than this are no code.
    const MIN_CONTRAST: u8 = 32;
    /// How far the width of a single bit may be off, both of its edges between pixels: tried one after the other.
    const PULSE_ERRORS: [i64; 4] = [24, 64, 96, 160];
    /// Two pixels, less what edges are misplaced by over a group.
    const MIN_WIDTH: i64 = 2 * 256 - 13;

    fn new(line: &'a [u8]) -> Option<Self> {
        let (low, high) = (line.iter().min()?, line.iter().max()?);
        let contrast = high - low;
        (contrast >= Self::MIN_CONTRAST).then_some(Self { line, threshold: low + contrast / 2 })
    }

    /// The code from the first rise on that is followed by sync bits all along; if none is right, what is wrong with
    /// the first.
    fn read(&self) -> Result<Vitc, VitcError> {
        let mut wrong = VitcError::NoSignal;
        let mut from = 0;
        while let Some(rise) = self.edge(from, true) {
            let Some(fall) = self.edge(rise, false) else { break };
            let (pulse, groups) = (fall - rise, i64::from(GROUP));
            match self.bits(fall, pulse).map(Vitc::from_bits) {
                Some(Ok(vitc)) => return Ok(vitc),
                Some(Err(error)) if wrong == VitcError::NoSignal => wrong = error,
                _ => {}
            }
            // of few pixels the first bit's width does not tell well where the second group is: try the falls near
            // there, the nearest first, since a row of ones and zeros can be read at several widths
            let expected = fall + groups * pulse;
            for error in Self::PULSE_ERRORS.map(|error| groups * error) {
                let mut second = (expected - error).max(fall);
                while let Some(next) = self.edge(second, false).filter(|&next| next < expected + error) {
                    if let Some(Ok(vitc)) = self.bits(fall, (next - fall) / groups).map(Vitc::from_bits) {
                        return Ok(vitc);
                    }
                    second = next;
                }
            }
            from = fall;
        }
        Err(wrong)
    }

    /// The bits, if they are about `width` wide and the first one ends at `fall`.
    fn bits(&self, fall: i64, width: i64) -> Option<u128> {
        if width < Self::MIN_WIDTH {
            return None;
        }
        let (mut bits, mut width, mut group_fall) = (0_u128, width, fall);
        for group in 0..i64::from(GROUPS) {
            if group > 0 {
                // the fall of this group's sync, and from it the width, better with each group
                let expected = group_fall + i64::from(GROUP) * width;
                group_fall =
                    self.edge(expected - 3 * width / 8, false).filter(|at| at - expected < 3 * width / 8)?;
                width = (group_fall - fall) / (i64::from(GROUP) * group);
            }
            for bit in 0..i64::from(GROUP) {
                let middle = group_fall + (bit - 1) * width + width / 2;
                let light = *self.line.get(usize::try_from(middle / 256).ok()?)? > self.threshold;
                bits |= u128::from(light) << (i64::from(GROUP) * group + bit);
            }
        }
        Some(bits)
    }

    /// The first rise (or fall) through the threshold after `from`.
    fn edge(&self, from: i64, rise: bool) -> Option<i64> {
        // between the middles of the pixels either side of it
        let first = usize::try_from((from - 128).max(0) / 256).ok()?;
        let pairs = self.line.get(first..)?.windows(2).zip(i64::try_from(first).ok()?..);
        pairs.filter_map(|(pair, at)| self.crossing(pair, at, rise)).find(|&at| at > from)
    }

    fn crossing(&self, pair: &[u8], at: i64, rise: bool) -> Option<i64> {
        let [before, after] = *pair else { return None };
        let is_light = |luma: u8| luma > self.threshold;
        if is_light(before) == is_light(after) || is_light(after) != rise {
            return None;
        }
        let (before, after, threshold) = (i64::from(before), i64::from(after), i64::from(self.threshold));
        // pixels stand for their middles
        Some(at * 256 + 128 + (threshold - before) * 256 / (after - before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::FlagLayout;
    use crate::{Rate, Timecode};

    fn vitc(label: &str, rate: Rate) -> Vitc {
        Vitc::new(Address::from_timecode(Timecode::parse(label, rate).unwrap()).unwrap())
    }

    #[test]
    fn flags_are_where_the_standard_has_them() {
        for (layout, mark) in [(FlagLayout::Lines525, 35), (FlagLayout::Lines625, 75)] {
            let address = Address::default().with_field_mark(layout, true);
            assert!(Vitc::new(address).bit(mark));
        }
    }

    #[test]
    fn lines_of_all_widths() {
        for bits in [0, u64::MAX, 0x0123_4567_89ab_cdef, 0xaaaa_aaaa_aaaa_aaaa, 0x5555_5555_5555_5555] {
            let vitc = Vitc::new(Address::from_bits(bits));
            // from two pixels a bit on
            for bit_width in (512..2400).step_by(7) {
                for start in (256..1024).step_by(37) {
                    for (low, high) in [(16, 191), (0, 64), (127, 254)] {
                        let mut line = [0; 900];
                        vitc.draw(LineShape { start, bit_width, low, high }, &mut line);
                        assert_eq!(Vitc::read(&line), Ok(vitc), "{bits:x} at {start}, {bit_width} a bit");
                    }
                }
            }
        }
    }

    #[test]
    fn every_wrong_bit_is_found() {
        let right = vitc("12:34:56:17", Rate::FPS_25).bits();
        assert!(Vitc::from_bits(right).is_ok());
        for bit in 0..90 {
            let wrong = Vitc::from_bits(right ^ 1 << bit).unwrap_err();
            assert!(matches!(wrong, VitcError::Sync { .. } | VitcError::Crc { .. }), "{bit}");
        }
        assert_eq!(Vitc::from_bits(right | 1 << 90), Err(VitcError::TooLong));
    }

    #[test]
    fn text_that_is_no_code_is_placed() {
        let text = vitc("00:00:00:00", Rate::FPS_25).to_string();
        assert_eq!(text.len(), 90);
        assert_eq!(text[..89].parse::<Vitc>(), Err(VitcError::Syntax { offset: 89 }));
        assert_eq!(format!("{text}0").parse::<Vitc>(), Err(VitcError::Syntax { offset: 90 }));
        assert_eq!(text.replacen('0', "2", 1).parse::<Vitc>(), Err(VitcError::Syntax { offset: 1 }));
    }

    #[test]
    fn drawn_lines_are_read_at_any_width() {
        for pixels in [200, 480, 704, 720, 960, 1920, 3840] {
            for label in ["00:00:00:00", "23:59:59:24", "10:11:12:13"] {
                let code = vitc(label, Rate::FPS_25);
                let mut line = vec![0; pixels as usize];
                code.draw(LineShape::for_width(pixels), &mut line);
                assert_eq!(Vitc::read(&line), Ok(code), "{pixels} {label}");
            }
        }
    }

    #[test]
    fn lines_without_code() {
        assert_eq!(Vitc::read(&[]), Err(VitcError::NoSignal));
        assert_eq!(Vitc::read(&[16; 720]), Err(VitcError::NoSignal));
        let bars: Vec<u8> = (0..720).map(|at| if at / 90 % 2 == 0 { 235 } else { 16 }).collect();
        assert_eq!(Vitc::read(&bars), Err(VitcError::NoSignal));
        let mut cut = [0; 720];
        vitc("10:11:12:13", Rate::FPS_25).draw(LineShape::for_width(720), &mut cut);
        assert_eq!(Vitc::read(&cut[..600]), Err(VitcError::NoSignal));
    }

    #[test]
    fn pixels_stay_between_low_and_high() {
        let mut line = [0; 720];
        vitc("10:11:12:13", Rate::FPS_25).draw(LineShape::for_width(720), &mut line);
        assert_eq!((line.iter().min(), line.iter().max()), (Some(&16), Some(&191)));
    }
}
