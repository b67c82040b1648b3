//! Which rate words are counted at: an LTC word doesn't say.
//!
//! The labels tell the nominal rate when a second ends, and the drop-frame flag when it is set; the length of the
//! words tells it before that, and whether frames come at 1000/1001 of it, as far as tape speed and sample clock are
//! true. 29.97 and 30 differ by 1.6 samples a word at 48 kHz.

use super::sequence::{Continuity, DecodedWord};
use crate::Rate;

/// Words from which the length is taken to be certain.
const WORDS_TO_MEASURE: u64 = 5;
/// Half way between a rate and 1000/1001 of it.
const HALF_PULLDOWN_PPM: u64 = 500;
/// Nearer than this the length alone tells the nominal rate: 24 and 25 are 4 % apart.
const NEAR_PPM: u64 = 20_000;

/// What is known of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateEstimate {
    /// The likeliest rate, 30 at most: 48 to 60 frames a second look like half of that.
    pub rate: Rate,
    /// Whether the labels or the drop-frame flag tell the nominal rate, not only the words' length.
    pub is_counted: bool,
    /// Whether the words' length fits the rate, so that 1000/1001 is told from 1. If not, the speed was another than
    /// normal, and the rate is whole, or 29.97 with drop-frame.
    pub is_measured: bool,
}

/// Watches words for their rate.
///
/// ```
/// use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig, RateEstimator};
/// use smpte_timecode::{Rate, Timecode};
///
/// let start = Timecode::midnight(Rate::FPS_23_976);
/// let mut samples = vec![0.0; 48_000];
/// Encoder::try_new(EncoderConfig::new(start, 48_000))?.fill_f32(&mut samples);
///
/// let mut estimator = RateEstimator::new(48_000);
/// Decoder::try_new(48_000)?.decode(&samples[..], |word| estimator.push(&word));
/// assert_eq!(estimator.estimate().map(|estimate| estimate.rate), Some(Rate::FPS_23_976));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateEstimator {
    sample_rate: u32,
    last: Option<DecodedWord>,
    drop_frame: bool,
    /// The nominal rate, once a second has ended.
    counted: Option<u32>,
    highest_frame: u16,
    /// Words of one continuous stretch, and their length in 1/256 sample.
    words: u64,
    length: u64,
}

impl RateEstimator {
    /// For words decoded at this many samples a second.
    pub const fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            last: None,
            drop_frame: false,
            counted: None,
            highest_frame: 0,
            words: 0,
            length: 0,
        }
    }

    /// Takes a word as the decoder reports it.
    pub fn push(&mut self, word: &DecodedWord) {
        let frames = word.fields().frames;
        let span =
            |from: &DecodedWord| u64::try_from(word.end.in_256ths() - from.end.in_256ths()).unwrap_or(0);
        match (word.continuity, self.last) {
            (Continuity::Contiguous, Some(last)) => {
                let (first, second) = (last.fields(), word.fields());
                if first.seconds != second.seconds {
                    self.counted = Some(u32::from(if word.reverse { frames } else { first.frames }) + 1);
                }
                self.words += 1;
                self.length += span(&last);
            }
            (Continuity::Gap { missing }, Some(last)) => {
                self.words += u64::from(missing) + 1;
                self.length += span(&last);
            }
            (Continuity::Repeated, Some(last)) => {
                self.words += 1;
                self.length += span(&last);
            }
            _ => {
                let sample_rate = self.sample_rate;
                *self = Self { words: 1, length: word.length_in_256ths(), ..Self::new(sample_rate) };
            }
        }
        self.drop_frame = word.word.address().drop_frame();
        self.highest_frame = self.highest_frame.max(frames);
        self.last = Some(*word);
    }

    /// What is known so far; `None` before the first word, or if nothing fits.
    pub fn estimate(&self) -> Option<RateEstimate> {
        let counted = if self.drop_frame || self.highest_frame > 24 {
            Some(30)
        } else {
            self.counted.filter(|nominal| matches!(nominal, 24 | 25 | 30))
        };
        let nominal = match counted {
            Some(nominal) => nominal,
            None => [24, 25, 30].into_iter().find(|&nominal| self.is_near(nominal, 1, NEAR_PPM))?,
        };
        let pulled = self.is_near(nominal * 1000, 1001, HALF_PULLDOWN_PPM);
        let whole = self.is_near(nominal, 1, HALF_PULLDOWN_PPM);
        let is_pulled = if pulled || whole { pulled } else { self.drop_frame };
        let rate = match is_pulled {
            true => Rate::try_new(nominal * 1000, 1001, self.drop_frame),
            false => Rate::try_new(nominal, 1, self.drop_frame),
        };
        Some(RateEstimate {
            rate: rate.ok()?,
            is_counted: counted.is_some(),
            is_measured: (pulled || whole) && self.words >= WORDS_TO_MEASURE,
        })
    }

    /// Whether the words are as long as at `num / den` a second, within so many millionths.
    fn is_near(&self, num: u32, den: u32, ppm: u64) -> bool {
        let measured = u128::from(self.length) * u128::from(num);
        let nominal = 256 * u128::from(self.words) * u128::from(self.sample_rate) * u128::from(den);
        measured.abs_diff(nominal) * 1_000_000 < nominal * u128::from(ppm)
    }
}
