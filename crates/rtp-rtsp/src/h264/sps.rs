//! Sequence parameter sets (ITU-T H.264 §7.3.2.1.1), as far as the size of the picture.

use thiserror::Error;

use super::Nal;

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`: 66 baseline, 77 main, 100 high.
    pub profile: u8,
    /// The byte of constraint flags.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Pixels across, after cropping.
    pub width: u32,
    /// Pixels down, after cropping.
    pub height: u32,
}

/// A sequence parameter set that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpsError {
    /// Another NAL unit, or none.
    #[error("not a sequence parameter set")]
    NotSps,
    /// It ends within its fields, or has a number beyond its range.
    #[error("damaged sequence parameter set at bit {bit}")]
    Damaged {
        /// Where, counted from behind the NAL unit header without emulation prevention.
        bit: u32,
    },
}

impl Sps {
    /// Reads a NAL unit of type 7, with its header.
    ///
    /// # Errors
    /// [`SpsError`].
    pub fn parse(unit: &[u8]) -> Result<Self, SpsError> {
        if Nal::of(unit) != Some(Nal::SPS) {
            return Err(SpsError::NotSps);
        }
        let mut bits = Bits { data: unit.get(1..).unwrap_or_default(), zeros: 0, byte: 0, left: 0, read: 0 };
        Self::read(&mut bits).ok_or(SpsError::Damaged { bit: bits.read })
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let profile = u8::try_from(bits.u(8)?).ok()?;
        let constraints = u8::try_from(bits.u(8)?).ok()?;
        let level = u8::try_from(bits.u(8)?).ok()?;
        bits.ue()?;
        let mut chroma = 1;
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma = bits.ue()?;
            if chroma == 3 {
                // Separate colour planes are cropped like monochrome.
                chroma = if bits.u(1)? == 1 { 0 } else { 3 };
            }
            bits.ue()?;
            bits.ue()?;
            bits.u(1)?;
            if bits.u(1)? == 1 {
                let lists = if chroma == 3 { 12 } else { 8 };
                for i in 0..lists {
                    if bits.u(1)? == 1 {
                        bits.scaling_list(if i < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        bits.ue()?;
        match bits.ue()? {
            0 => {
                bits.ue()?;
            }
            1 => {
                bits.u(1)?;
                bits.ue()?;
                bits.ue()?;
                for _ in 0..bits.ue().filter(|n| *n <= 255)? {
                    bits.ue()?;
                }
            }
            2 => {}
            _ => return None,
        }
        bits.ue()?;
        bits.u(1)?;
        let mbs_across = bits.ue()?.checked_add(1)?;
        let units_down = bits.ue()?.checked_add(1)?;
        let frame_only = bits.u(1)?;
        if frame_only == 0 {
            bits.u(1)?;
        }
        bits.u(1)?;
        let (mut left, mut right, mut top, mut bottom) = (0, 0, 0, 0);
        if bits.u(1)? == 1 {
            (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
        }
        let fields = 2 - frame_only;
        let crop_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let crop_y = fields * if chroma == 1 { 2 } else { 1 };
        let size = |mbs: u32, unit: u32, a: u32, b: u32| {
            let cropped = a.checked_add(b)?.checked_mul(unit)?;
            mbs.checked_mul(16)?.checked_sub(cropped).filter(|n| (1..=65_535).contains(n))
        };
        let width = size(mbs_across, crop_x, left, right)?;
        let height = size(units_down.checked_mul(fields)?, crop_y, top, bottom)?;
        Some(Self { profile, constraints, level, width, height })
    }
}

/// Bits of a NAL unit, emulation prevention bytes (00 00 03) taken out.
struct Bits<'a> {
    data: &'a [u8],
    /// Zero bytes just before.
    zeros: u8,
    byte: u8,
    left: u8,
    read: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let (mut byte, mut rest) = self.data.split_first()?;
            if self.zeros >= 2 && *byte == 3 {
                (byte, rest) = rest.split_first()?;
                self.zeros = 0;
            }
            self.zeros = if *byte == 0 { self.zeros + 1 } else { 0 }.min(2);
            self.data = rest;
            self.byte = *byte;
            self.left = 8;
        }
        self.left -= 1;
        self.read += 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    fn u(&mut self, n: u8) -> Option<u32> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// Exp-Golomb without sign (§9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.u(zeros)?)
    }

    /// With sign: 0, 1, -1, 2, -2.
    fn se(&mut self) -> Option<i64> {
        let k = i64::from(self.ue()?);
        Some(if k % 2 == 0 { -(k / 2) } else { (k + 1) / 2 })
    }

    fn scaling_list(&mut self, len: u8) -> Option<()> {
        let (mut last, mut next) = (8, 8);
        for _ in 0..len {
            if next != 0 {
                next = (last + self.se()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ParameterSets;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_ffmpeg_announces() {
        let sets = ParameterSets::from_sprop("Z0LAHtkAoD2wEQAAAwABAAADADCPFi5I,aMuDyyA=").unwrap();
        let sps = sets.parse_sps().unwrap();
        assert_eq!((sps.width, sps.height, sps.profile, sps.level), (640, 480, 66, 30));
        assert_eq!(sets.profile_level_id(), Some(0x42_c01e));
        assert_eq!(sets.to_sprop(), "Z0LAHtkAoD2wEQAAAwABAAADADCPFi5I,aMuDyyA=");
    }

    #[test]
    fn numbers_in_exp_golomb() {
        let mut bits =
            Bits { data: &[0b1010_0110, 0b0100_0010, 0b1000_0000], zeros: 0, byte: 0, left: 0, read: 0 };
        let read: [Option<u32>; 4] = core::array::from_fn(|_| bits.ue());
        assert_eq!(read, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(bits.ue(), Some(4));
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut bits = Bits { data: &[0, 0, 3, 1, 0, 0, 3], zeros: 0, byte: 0, left: 0, read: 0 };
        assert_eq!(bits.u(24), Some(1));
        assert_eq!(bits.u(16), Some(0));
        assert_eq!(bits.u(1), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut unit: alloc::vec::Vec<u8>) {
            unit.insert(0, 0x67);
            let _ = Sps::parse(&unit);
        }
    }
}
