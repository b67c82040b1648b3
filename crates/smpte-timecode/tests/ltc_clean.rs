//! Clean LTC of every kind, cut off anywhere: every whole word comes out, and nothing else.

use smpte_timecode::Rate;
use smpte_timecode::Timecode;
use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig, Level, Word};

mod ltc_signals;

use ltc_signals::Random;

const RATES: [Rate; 8] = [
    Rate::FPS_23_976,
    Rate::FPS_24,
    Rate::FPS_25,
    Rate::FPS_29_97,
    Rate::FPS_29_97_DF,
    Rate::FPS_30,
    Rate::FPS_50,
    Rate::FPS_59_94_DF,
];

/// A signal with silence around it.
#[derive(Debug)]
struct Clean {
    config: EncoderConfig,
    words: u64,
    before: usize,
    after: usize,
}

impl Clean {
    fn new(start: &str, rate: Rate, sample_rate: u32, words: u64) -> Self {
        let config = EncoderConfig::new(Timecode::parse(start, rate).unwrap(), sample_rate);
        Self { config, words, before: 0, after: 0 }
    }

    /// Any, with from `least` to `most` samples a bit.
    fn random(random: &mut Random, words: u64, (least, most): (f64, f64)) -> Self {
        let rate = RATES[random.below(RATES.len())];
        let pairs = if rate.nominal() > 30 { 2 } else { 1 };
        let day = rate.frames_per_day() as usize / pairs;
        let frame = match random.below(4) {
            0 => 0,
            1 => random.below(day) / 900 * 900,
            _ => random.below(day),
        };
        let bits_a_second = f64::from(Word::BITS) * f64::from(rate.numerator())
            / f64::from(rate.denominator())
            / pairs as f64;
        let sample_rate = bits_a_second * (least + (most - least) * random.uniform());
        let start = Timecode::from_frame(rate, (frame * pairs) as i64);
        let mut config = EncoderConfig::new(start, sample_rate.ceil() as u32);
        config.user_bits = match random.below(3) {
            0 => 0,
            1 => u32::MAX,
            _ => random.bits() as u32,
        };
        config.reverse = random.below(2) == 1;
        config.level = Level::below_full_scale(random.below(361) as u16);
        let mut silence = || [0, 20, 300, 5000].map(|end| random.below(end + 1))[random.below(4)];
        Self { before: silence(), after: silence(), config, words }
    }

    /// Checks that what comes out is what went in; how many words are missing.
    #[track_caller]
    fn missing(&self) -> usize {
        let mut encoder = Encoder::try_new(self.config).unwrap();
        let length = encoder.start_of_word(self.words) as usize;
        let mut samples = vec![0.0; self.before + length + self.after];
        encoder.fill_f32(&mut samples[self.before..self.before + length]);
        let mut decoder = Decoder::try_new(self.config.sample_rate.max(Decoder::MIN_SAMPLE_RATE)).unwrap();
        let mut words = Vec::new();
        decoder.decode(&samples[..], |word| words.push(word));
        decoder.finish(|word| words.push(word));
        let rate = self.config.start.rate();
        let step = if rate.nominal() > 30 { 2 } else { 1 };
        let step = if self.config.reverse { -step } else { step };
        let mut sent = (0..self.words as i64).map(|k| Ok(self.config.start + k * step));
        for word in &words {
            let label = word.timecode(rate);
            assert!(sent.any(|sent| sent == label), "{label:?} was not sent or not here: {self:?}");
            assert_eq!((word.user_bits(), word.reverse), (self.config.user_bits, self.config.reverse));
        }
        self.words as usize - words.len()
    }
}

#[test]
fn every_word_of_ten() {
    let mut random = Random::new(10);
    for _ in 0..500 {
        let clean = Clean::random(&mut random, 10, (5.0, 40.0));
        assert_eq!(clean.missing(), 0, "{clean:?}");
    }
}

#[test]
fn an_only_word() {
    let mut random = Random::new(1);
    for _ in 0..500 {
        let clean = Clean::random(&mut random, 1, (5.0, 60.0));
        assert_eq!(clean.missing(), 0, "{clean:?}");
    }
}

/// Between three and five samples a bit one word in thousands may be missing.
#[test]
fn some_samples_a_bit() {
    let mut random = Random::new(4);
    let missing: usize = (0..1000).map(|_| Clean::random(&mut random, 10, (3.1, 5.0)).missing()).sum();
    assert!(missing <= 1, "{missing}");
}

/// With few samples a bit a word may be missing, but none is wrong.
#[test]
fn few_samples_a_bit() {
    let mut random = Random::new(3);
    for words in [1, 2, 10] {
        for _ in 0..200 {
            Clean::random(&mut random, words, (2.1, 3.1)).missing();
        }
    }
    // a bit of this one used to be read wrong
    let clean = Clean::new("08:38:31:02", Rate::FPS_25, 4800, 1);
    assert_eq!(clean.missing(), 1);
}

/// Ones at one speed look like something else at two thirds of it, zeros at half.
#[test]
fn user_bits_that_look_like_another_speed() {
    for reverse in [false, true] {
        for user_bits in [0, u32::MAX] {
            for (start, rate, sample_rate) in [
                ("00:20:03:00", Rate::FPS_30, 48_000),
                ("16:55:11:18", Rate::FPS_24, 48_000),
                ("00:00:00:00", Rate::FPS_30, 44_100),
                ("09:58:01:08", Rate::FPS_23_976, 11_025),
            ] {
                let mut clean = Clean::new(start, rate, sample_rate, 10);
                (clean.config.reverse, clean.config.user_bits, clean.before) = (reverse, user_bits, 7);
                assert_eq!(clean.missing(), 0, "{clean:?}");
            }
        }
    }
}

/// The end of the last bit is half a transition, wherever the stream ends after it.
#[test]
fn silence_of_any_length_around_a_signal() {
    for silence in 0..60 {
        let mut clean = Clean::new("12:59:58:20", Rate::FPS_25, 48_000, 3);
        (clean.before, clean.after) = (silence, 60 - silence);
        for reverse in [false, true] {
            clean.config.reverse = reverse;
            assert_eq!(clean.missing(), 0, "{clean:?}");
        }
    }
}

/// The search takes the speed for some hundredths less than it is.
#[test]
fn two_words_that_fill_the_stream() {
    let mut clean = Clean::new("04:35:22:02", Rate::FPS_24, 8000, 2);
    clean.config.level = Level::FULL_SCALE;
    assert_eq!(clean.missing(), 0);
}
