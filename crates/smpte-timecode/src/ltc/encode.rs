//! Labels to samples.
//!
//! Word k starts at sample floor(k * sr / R + 1/2), with R the words a second as an exact ratio, so nothing
//! accumulates over days. Inside the word the 80 cells are spread evenly over its samples at sub-sample precision:
//! a sample's value is that of the waveform at its middle. Edges rise in 40 µs from 10 to 90 % (ST 12-1 clause 9.2.5)
//! along 3/2 v - 1/2 v^3, a curve without overshoot.

use thiserror::Error;

use super::word::Word;
use crate::address::{Address, AddressError, BinaryGroups, FlagLayout, pairs};
use crate::{Rate, Timecode};

/// Half bits in a word; times within a word are in 1/160 sample, so that half bits of a word of L samples are L units.
const HALF_BITS: u32 = 2 * Word::BITS;

/// What cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The label or its rate has no LTC code.
    #[error("{0}")]
    Address(AddressError),
    /// Fewer than one sample for each half bit, or more than [`EncoderConfig::MAX_SAMPLE_RATE`].
    #[error("sample rate {found} is not from {min} to {max}")]
    SampleRate {
        /// The lowest that holds LTC at this rate.
        min: u32,
        /// The highest.
        max: u32,
        /// As asked for.
        found: u32,
    },
}

impl From<AddressError> for EncodeError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

/// The peak level of the signal. Default -18 dBFS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level(f32);

impl Level {
    /// 0 dBFS: peaks at full scale.
    pub const FULL_SCALE: Self = Self(1.0);

    /// The level this many tenths of a decibel below full scale: 180 is -18 dBFS.
    pub const fn below_full_scale(tenths_of_db: u16) -> Self {
        // 10^(-2^i / 200) for each bit of the number
        const FACTORS: [f64; 16] = [
            0.988_553_094_656_938_9,
            0.977_237_220_955_810_7,
            0.954_992_586_021_436,
            0.912_010_839_355_909_7,
            0.831_763_771_102_671,
            0.691_830_970_918_936_6,
            0.478_630_092_322_638_5,
            0.229_086_765_276_777_3,
            0.052_480_746_024_977_26,
            0.002_754_228_703_338_166,
            7.585_775_750_291_836e-6,
            5.754_399_373_371_566e-11,
            3.311_311_214_825_908e-21,
            1.096_478_196_143_183e-41,
            1.202_264_434_617_402e-82,
            1.445_439_770_745_928e-164,
        ];
        let (mut amplitude, mut bits, mut factors) = (1.0, tenths_of_db, FACTORS.as_slice());
        while let [factor, rest @ ..] = factors {
            if bits & 1 != 0 {
                amplitude *= *factor;
            }
            (bits, factors) = (bits >> 1, rest);
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounds; levels too low for an f32 become 0")]
        let amplitude = amplitude as f32;
        Self(amplitude)
    }

    /// The peak, with full scale 1.0.
    pub const fn peak(self) -> f32 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::below_full_scale(180)
    }
}

/// What to encode.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The label of the first word.
    pub start: Timecode,
    /// Samples a second.
    pub sample_rate: u32,
    /// Peak level.
    pub level: Level,
    /// The eight binary groups, group 1 in bits 0 to 3.
    pub user_bits: u32,
    /// What the user bits are said to hold.
    pub binary_groups: BinaryGroups,
    /// The colour frame flag.
    pub colour_frame: bool,
    /// As a tape played backwards: bits in reverse order, labels counting down from `start`.
    pub reverse: bool,
}

impl EncoderConfig {
    /// The most samples a second.
    pub const MAX_SAMPLE_RATE: u32 = 3_072_000;

    /// Forwards at -18 dBFS with user bits and flags clear.
    pub fn new(start: Timecode, sample_rate: u32) -> Self {
        Self {
            start,
            sample_rate,
            level: Level::default(),
            user_bits: 0,
            binary_groups: BinaryGroups::UNSPECIFIED,
            colour_frame: false,
            reverse: false,
        }
    }
}

/// Makes an endless LTC signal, in pieces of any size.
///
/// ```
/// use smpte_timecode::ltc::{Encoder, EncoderConfig};
/// use smpte_timecode::{Rate, Timecode};
///
/// let start = Timecode::parse("00:59:59:12", Rate::FPS_24)?;
/// let mut encoder = Encoder::try_new(EncoderConfig::new(start, 48_000))?;
/// let mut second = vec![0_i16; usize::try_from(encoder.start_of_word(24))?];
/// encoder.fill_i16(&mut second);
/// assert_eq!(encoder.timecode().to_string(), "01:00:00:12");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The label of the word that is being sent.
    label: Timecode,
    config: EncoderConfig,
    clock: WordClock,
    /// Index of the next word.
    next_word: u64,
    word: Word,
    /// Where in the word the next sample is, and the samples of the word.
    offset: u32,
    length: u32,
    /// The half bit that began last, and the one that the next transition begins.
    last_half: u32,
    next_half: u32,
    /// Whether the signal is high since the last transition.
    high: bool,
    edge: Edge,
}

impl Encoder {
    /// Ready to make the first sample of the first word.
    ///
    /// # Errors
    ///
    /// If the rate has no code, the label is the second of a pair of frames, or the sample rate does not hold LTC.
    pub fn try_new(config: EncoderConfig) -> Result<Self, EncodeError> {
        let clock = WordClock::try_new(config.start.rate(), config.sample_rate)?;
        let first = Address::from_timecode(config.start)?;
        let mut encoder = Self {
            label: config.start,
            config,
            clock,
            next_word: 0,
            word: Word::new(first),
            offset: 0,
            length: 0,
            last_half: 0,
            next_half: 0,
            high: false,
            edge: Edge::new(config.sample_rate),
        };
        encoder.begin_word();
        Ok(encoder)
    }

    /// The sample at which word `index` starts, counted from the first sample that this encoder made.
    pub fn start_of_word(&self, index: u64) -> u64 {
        self.clock.start(index)
    }

    /// The label of the word that the next sample belongs to.
    pub fn timecode(&self) -> Timecode {
        if self.offset == self.length { self.next_label() } else { self.label }
    }

    /// Replaces the user bits, from the next word that begins.
    pub fn set_user_bits(&mut self, user_bits: u32, groups: BinaryGroups) {
        self.config.user_bits = user_bits;
        self.config.binary_groups = groups;
    }

    /// Makes the next samples with full scale 1.0.
    pub fn fill_f32(&mut self, out: &mut [f32]) {
        let peak = self.config.level.peak();
        self.fill(out, peak, |value| value);
    }

    /// Makes the next samples with full scale 32 767.
    pub fn fill_i16(&mut self, out: &mut [i16]) {
        let peak = self.config.level.peak() * 32_767.0;
        #[expect(clippy::cast_possible_truncation, reason = "rounds to nearest; at most 32 767")]
        let round = |value: f32| (value + if value < 0.0 { -0.5 } else { 0.5 }) as i16;
        self.fill(out, peak, round);
    }

    /// From one transition to the next at a time: the plateau, and over it the edges at both ends.
    fn fill<S: Copy>(&mut self, mut out: &mut [S], peak: f32, convert: impl Fn(f32) -> S) {
        let plateaus = [convert(-peak), convert(peak)];
        while !out.is_empty() {
            if self.offset == self.length {
                self.label = self.next_label();
                self.begin_word();
            }
            let middle = self.offset * HALF_BITS + HALF_BITS / 2;
            if middle >= self.next_half * self.length && self.next_half < HALF_BITS {
                self.high = !self.high;
                self.last_half = self.next_half;
                self.next_half = self.half_after(self.last_half);
                continue;
            }
            let since = middle - self.last_half * self.length;
            let until = self.next_half * self.length - middle;
            let count = until.div_ceil(HALF_BITS).min(self.length - self.offset);
            let (now, later) = out.split_at_mut(out.len().min(count as usize));
            let [low, high] = plateaus;
            let (plateau, value) = if self.high { (peak, high) } else { (-peak, low) };
            now.fill(value);
            let at = |distance| convert(plateau * self.edge.at(distance));
            // the edge that is coming, then the one that has been: where both reach a sample this one counts
            let plain = until.checked_sub(self.edge.half).map_or(0, |plain| 1 + plain / HALF_BITS);
            let coming = now.iter_mut().skip(plain as usize);
            (plain..).zip(coming).for_each(|(k, sample)| *sample = at(until - k * HALF_BITS));
            let been = (0..).map(|k| since + k * HALF_BITS).take_while(|&distance| distance < self.edge.half);
            now.iter_mut().zip(been).for_each(|(sample, distance)| *sample = at(distance));
            #[expect(clippy::cast_possible_truncation, reason = "at most `count`")]
            let made = now.len() as u32;
            self.offset += made;
            out = later;
        }
    }

    /// Begins the word that says `self.label`. The last transition was half a bit or a whole one ago; the next is now.
    fn begin_word(&mut self) {
        let layout = FlagLayout::of(self.label.rate());
        // cannot fail: the first label was encoded, and all others are whole words from it
        let address = Address::from_timecode(self.label).unwrap_or(self.word.address());
        self.word = Word::new(
            address
                .with_user_bits(self.config.user_bits)
                .with_binary_groups(layout, self.config.binary_groups)
                .with_colour_frame(self.config.colour_frame)
                .with_polarity_correction(layout),
        );
        self.length = self.clock.length(self.next_word);
        self.next_word += 1;
        (self.offset, self.last_half) = (0, 0);
        self.high = !self.high;
        self.next_half = self.half_after(0);
    }

    fn next_label(&self) -> Timecode {
        let step = if self.clock.in_pairs { 2 } else { 1 };
        self.label.wrapping_add(if self.config.reverse { -step } else { step })
    }

    /// The half bit that the transition after the one at the start of `half` begins.
    fn half_after(&self, half: u32) -> u32 {
        let bit = if self.config.reverse { Word::BITS - 1 - half / 2 } else { half / 2 };
        if half % 2 == 1 || self.word.bit(bit) { half + 1 } else { half + 2 }
    }
}

/// Where words start, exactly.
#[derive(Clone, Copy, Debug)]
struct WordClock {
    /// Samples a word are `num / den`.
    num: u64,
    den: u64,
    in_pairs: bool,
}

impl WordClock {
    fn try_new(rate: Rate, sample_rate: u32) -> Result<Self, EncodeError> {
        let in_pairs = pairs(rate)?;
        let frames = if in_pairs { 2 } else { 1 };
        let (words, seconds) = (u64::from(rate.numerator()), u64::from(rate.denominator()) * frames);
        let (min, max) = (u64::from(HALF_BITS) * words, EncoderConfig::MAX_SAMPLE_RATE);
        let min = u32::try_from(min.div_ceil(seconds)).unwrap_or(u32::MAX);
        if sample_rate < min || sample_rate > max {
            return Err(EncodeError::SampleRate { min, max, found: sample_rate });
        }
        Ok(Self { num: u64::from(sample_rate) * seconds, den: words, in_pairs })
    }

    /// floor(index * num / den + 1/2)
    fn start(self, index: u64) -> u64 {
        let twice = 2 * u128::from(index) * u128::from(self.num) + u128::from(self.den);
        u64::try_from(twice / (2 * u128::from(self.den))).unwrap_or(u64::MAX)
    }

    fn length(self, index: u64) -> u32 {
        // a nominal rate of 1 at the highest sample rate is 3 million samples a word, 500 million units
        u32::try_from(self.start(index + 1) - self.start(index)).unwrap_or(u32::MAX)
    }
}

/// From one plateau to the other.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// From its middle to its end, in 1/160 sample, and one over that.
    half: u32,
    over_half: f32,
}

impl Edge {
    /// The curve passes 10 and 90 % at 0.6084 of its half width either side.
    #[expect(clippy::cast_precision_loss, reason = "below 2^16")]
    fn new(sample_rate: u32) -> Self {
        // 160 samples * 40 µs / (2 * 0.6084)
        let units = u64::from(sample_rate) * 52_597 / 10_000_000;
        let half = u32::try_from(units.max(1)).unwrap_or(u32::MAX);
        Self { half, over_half: 1.0 / half as f32 }
    }

    /// The part of the plateau that is reached so far from the middle.
    #[expect(clippy::cast_precision_loss, reason = "below 2^16")]
    fn at(self, distance: u32) -> f32 {
        let v = distance as f32 * self.over_half;
        v * (1.5 - 0.5 * v * v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder(label: &str, rate: Rate, sample_rate: u32) -> Encoder {
        Encoder::try_new(EncoderConfig::new(Timecode::parse(label, rate).unwrap(), sample_rate)).unwrap()
    }

    fn starts(rate: Rate, sample_rate: u32, count: u64) -> Vec<u64> {
        let encoder = encoder("00:00:00:00", rate, sample_rate);
        (0..count).map(|k| encoder.start_of_word(k)).collect()
    }

    #[test]
    fn word_starts_of_the_sheet() {
        assert_eq!(starts(Rate::FPS_25, 48_000, 3), [0, 1920, 3840]);
        assert_eq!(starts(Rate::FPS_29_97, 48_000, 6), [0, 1602, 3203, 4805, 6406, 8008]);
        assert_eq!(starts(Rate::FPS_24, 44_100, 3), [0, 1838, 3675]);
        assert_eq!(starts(Rate::FPS_59_94_DF, 48_000, 6), starts(Rate::FPS_29_97, 48_000, 6));
    }

    #[test]
    fn levels() {
        for (tenths, peak) in [(0, 1.0), (60, 0.501_187_2), (180, 0.125_892_54), (420, 0.007_943_282)] {
            assert!((Level::below_full_scale(tenths).peak() / peak - 1.0).abs() < 1e-6, "{tenths}");
        }
        assert_eq!(Level::below_full_scale(u16::MAX).peak(), 0.0);
        let mut out = [0; 4000];
        encoder("00:00:00:00", Rate::FPS_25, 48_000).fill_i16(&mut out);
        assert_eq!((out.iter().max(), out.iter().min()), (Some(&4125), Some(&-4125)));
    }

    #[test]
    fn pieces_do_not_matter() {
        let mut whole = vec![0.0; 5000];
        encoder("23:59:59;28", Rate::FPS_29_97_DF, 48_000).fill_f32(&mut whole);
        for size in [1, 2, 7, 64, 1601, 1602, 1603] {
            let mut pieces = vec![0.0; 5000];
            let mut encoder = encoder("23:59:59;28", Rate::FPS_29_97_DF, 48_000);
            pieces.chunks_mut(size).for_each(|piece| encoder.fill_f32(piece));
            assert_eq!(pieces, whole, "{size}");
        }
    }

    #[test]
    fn edges_take_40_microseconds() {
        // 1 MHz: from -80 % to 80 % of the plateaus is 10 to 90 %
        let mut out = vec![0.0; 30_000];
        let mut encoder = encoder("00:00:00:00", Rate::FPS_25, 1_000_000);
        encoder.fill_f32(&mut out);
        let peak = Level::default().peak();
        // the second bit starts at 500 µs
        let inside = out[400..600].iter().filter(|v| v.abs() < 0.8 * peak).count();
        assert!((39..=41).contains(&inside), "{inside}");
        assert!(out[499] * out[500] < 0.0);
    }

    #[test]
    fn label_of_the_next_sample() {
        let mut encoder = encoder("00:00:59;28", Rate::FPS_59_94_DF, 48_000);
        assert_eq!(encoder.timecode().to_string(), "00:00:59;28");
        encoder.fill_f32(&mut vec![0.0; 16 * 1602]);
        assert_eq!(encoder.timecode().to_string(), "00:01:00;04");
    }

    #[test]
    fn what_cannot_be_encoded() {
        let fails = |label: &str, rate, sample_rate| {
            Encoder::try_new(EncoderConfig::new(Timecode::parse(label, rate).unwrap(), sample_rate))
                .unwrap_err()
        };
        assert_eq!(
            fails("00:00:00:00", Rate::FPS_120, 48_000),
            EncodeError::Address(AddressError::Rate { nominal: 120 })
        );
        assert_eq!(
            fails("00:00:00:01", Rate::FPS_50, 48_000),
            EncodeError::Address(AddressError::SecondOfPair { frames: 1 })
        );
        assert_eq!(
            fails("00:00:00:00", Rate::FPS_29_97, 4795),
            EncodeError::SampleRate { min: 4796, max: 3_072_000, found: 4795 }
        );
        assert!(size_of::<EncodeError>() <= 32);
    }
}
