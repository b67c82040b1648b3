//! The timecode track of QuickTime files (QuickTime File Format, timecode sample description).
//!
//! ```text
//!  0      4        8         14       16         20      24          28        32       33         34
//! +------+--------+---------+--------+----------+-------+-----------+---------+--------+----------+
//! | size | "tmcd" | 0 x 6   | data   | reserved | flags | timescale | frame   | frames | reserved |
//! |      |        |         | ref.   | 0        |       |           | duration| /second| 0        |
//! +------+--------+---------+--------+----------+-------+-----------+---------+--------+----------+
//! ```
//!
//! All big-endian. The track's sample is one 32-bit count of frames: unsigned, or signed if the flags allow negative
//! times. It counts frames and not labels: 00:01:00;02 is 1800.

use crate::{FileError, FrameCount, Rate, Timecode};

/// Labels are dropped.
pub const FLAG_DROP: u32 = 1;
/// Time goes from 23:59:59 to 0.
pub const FLAG_24_HOURS: u32 = 2;
/// Times may be negative.
pub const FLAG_NEGATIVE: u32 = 4;
/// The count is of a tape counter, not of frames.
pub const FLAG_COUNTER: u32 = 8;

/// The entry's size without a name.
const SIZE: u32 = 34;

/// A `tmcd` sample entry's own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleEntry {
    /// Index of the data reference, usually 1.
    pub data_reference: u16,
    /// Sum of [`FLAG_DROP`] and the others.
    pub flags: u32,
    /// Units in a second, 30000 at 29.97.
    pub timescale: u32,
    /// Units in a frame, 1001 at 29.97.
    pub frame_duration: u32,
    /// Frames in a second of timecode, 30 at 29.97.
    pub number_of_frames: u8,
}

impl SampleEntry {
    /// Bytes of the entry up to its last field; a name may follow.
    pub const LEN: usize = SIZE as usize;

    /// The entry for a rate, with the flag for 24 hours. `None`: above 255 frames a second.
    pub fn for_rate(rate: Rate) -> Option<Self> {
        Some(Self {
            data_reference: 1,
            flags: FLAG_24_HOURS | if rate.is_drop() { FLAG_DROP } else { 0 },
            timescale: rate.numerator(),
            frame_duration: rate.denominator(),
            number_of_frames: u8::try_from(rate.nominal()).ok()?,
        })
    }

    /// The rate that the fields mean.
    ///
    /// # Errors
    ///
    /// If it is not one that timecode is counted at, or if the number of frames does not go with it.
    pub fn rate(self) -> Result<Rate, FileError> {
        let rate = Rate::try_new(self.timescale, self.frame_duration, self.flags & FLAG_DROP != 0)?;
        if rate.nominal() != u32::from(self.number_of_frames) {
            let expected = u16::try_from(rate.nominal()).unwrap_or(u16::MAX);
            return Err(FileError::FrameCount { found: self.number_of_frames, expected });
        }
        Ok(rate)
    }

    /// Reads an entry, from its size on; what follows the fields is passed over.
    ///
    /// # Errors
    ///
    /// [`FileError::TooShort`], and [`FileError::NotTimecode`] for another kind of entry.
    pub fn parse(entry: &[u8]) -> Result<Self, FileError> {
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        let short = FileError::TooShort { length, expected: SIZE };
        let (_size, entry) = entry.split_first_chunk::<4>().ok_or(short)?;
        let (kind, entry) = entry.split_first_chunk::<4>().ok_or(short)?;
        if kind != b"tmcd" {
            return Err(FileError::NotTimecode);
        }
        let (_reserved, entry) = entry.split_first_chunk::<6>().ok_or(short)?;
        let (data_reference, entry) = entry.split_first_chunk().ok_or(short)?;
        let (_reserved, entry) = entry.split_first_chunk::<4>().ok_or(short)?;
        let (flags, entry) = entry.split_first_chunk().ok_or(short)?;
        let (timescale, entry) = entry.split_first_chunk().ok_or(short)?;
        let (frame_duration, entry) = entry.split_first_chunk().ok_or(short)?;
        let &[number_of_frames, _reserved] = entry.first_chunk().ok_or(short)?;
        Ok(Self {
            data_reference: u16::from_be_bytes(*data_reference),
            flags: u32::from_be_bytes(*flags),
            timescale: u32::from_be_bytes(*timescale),
            frame_duration: u32::from_be_bytes(*frame_duration),
            number_of_frames,
        })
    }

    /// The entry without a name.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut entry = [0; Self::LEN];
        let fields = SIZE
            .to_be_bytes()
            .into_iter()
            .chain(*b"tmcd")
            .chain([0; 6])
            .chain(self.data_reference.to_be_bytes())
            .chain([0; 4])
            .chain(self.flags.to_be_bytes())
            .chain(self.timescale.to_be_bytes())
            .chain(self.frame_duration.to_be_bytes())
            .chain([self.number_of_frames, 0]);
        for (to, from) in entry.iter_mut().zip(fields) {
            *to = from;
        }
        entry
    }

    /// The count that a sample of this track holds.
    ///
    /// # Errors
    ///
    /// As [`rate`](Self::rate).
    pub fn count(self, sample: [u8; 4]) -> Result<FrameCount, FileError> {
        let frames = if self.flags & FLAG_NEGATIVE != 0 {
            i64::from(i32::from_be_bytes(sample))
        } else {
            i64::from(u32::from_be_bytes(sample))
        };
        Ok(FrameCount::new(self.rate()?, frames))
    }
}

/// The sample that holds a label.
pub const fn sample(timecode: Timecode) -> [u8; 4] {
    timecode.frame().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateError;

    #[test]
    fn entries_that_cannot_be() {
        let entry = SampleEntry::for_rate(Rate::FPS_25).unwrap();
        for length in 0..SampleEntry::LEN {
            assert!(SampleEntry::parse(&entry.encode()[..length]).is_err());
        }
        let mut other = entry.encode();
        other[4] = b'x';
        assert_eq!(SampleEntry::parse(&other), Err(FileError::NotTimecode));
        assert_eq!(SampleEntry { frame_duration: 0, ..entry }.rate(), Err(FileError::Rate(RateError::Zero)));
        let wrong = SampleEntry { number_of_frames: 24, ..entry };
        assert_eq!(wrong.rate(), Err(FileError::FrameCount { found: 24, expected: 25 }));
        let drop = SampleEntry { flags: FLAG_DROP, ..entry };
        assert_eq!(drop.rate(), Err(FileError::Rate(RateError::NoDrop { nominal: 25 })));
        assert_eq!(SampleEntry::for_rate(Rate::try_new(300, 1, false).unwrap()), None);
    }

    #[test]
    fn counts_are_signed_only_if_the_flag_says_so() {
        let entry = SampleEntry::for_rate(Rate::FPS_25).unwrap();
        assert_eq!(entry.count([0xff; 4]).unwrap().frames(), i64::from(u32::MAX));
        let signed = SampleEntry { flags: FLAG_NEGATIVE, ..entry };
        assert_eq!(signed.count([0xff; 4]).unwrap().frames(), -1);
    }
}
