//! Signals for the LTC tests: clean LTC, what tape and cables do to it, and sounds that are none.
#![allow(dead_code, reason = "each test file uses a part")]

use smpte_timecode::ltc::{DecodedWord, Decoder, Encoder, EncoderConfig, Level};
use smpte_timecode::{Rate, Timecode};

pub(crate) const SAMPLE_RATE: u32 = 48_000;

/// Uniform and normal numbers from a seed: xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// Normally distributed with standard deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f32 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }
}

/// LTC as it was sent: what label is where.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) samples: Vec<f32>,
    pub(crate) words: Vec<SentWord>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SentWord {
    pub(crate) label: Timecode,
    pub(crate) user_bits: u32,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) reverse: bool,
}

impl Sent {
    /// `count` words from `label` on at `speed` times normal speed, peak level 1.
    pub(crate) fn new(label: &str, rate: Rate, count: u64, speed: f64) -> Self {
        Self::at_sample_rate(label, rate, count, (f64::from(SAMPLE_RATE) / speed).round() as u32)
    }

    pub(crate) fn at_sample_rate(label: &str, rate: Rate, count: u64, sample_rate: u32) -> Self {
        let start = Timecode::parse(label, rate).unwrap();
        let mut config = EncoderConfig::new(start, sample_rate);
        config.level = Level::FULL_SCALE;
        config.user_bits = 0x1357_9bdf;
        let mut encoder = Encoder::try_new(config).unwrap();
        let mut samples = vec![0.0; encoder.start_of_word(count) as usize];
        encoder.fill_f32(&mut samples);
        let step = if rate.nominal() > 30 { 2 } else { 1 };
        let words = (0..count).map(|k| SentWord {
            label: start + k as i64 * step,
            user_bits: config.user_bits,
            start: encoder.start_of_word(k) as f64,
            end: encoder.start_of_word(k + 1) as f64,
            reverse: false,
        });
        Self { words: words.collect(), samples }
    }

    /// Played backwards.
    pub(crate) fn reversed(mut self) -> Self {
        let length = self.samples.len() as f64;
        self.samples.reverse();
        self.words.reverse();
        for word in &mut self.words {
            (word.start, word.end) = (length - word.end, length - word.start);
            word.reverse = !word.reverse;
        }
        self
    }

    /// From sample `from` to before `to`; words that are cut are gone.
    pub(crate) fn cut(&self, from: usize, to: usize) -> Self {
        let inside = |word: &&SentWord| word.start >= from as f64 && word.end <= to as f64;
        let moved = |&word: &SentWord| SentWord {
            start: word.start - from as f64,
            end: word.end - from as f64,
            ..word
        };
        Self {
            samples: self.samples[from..to].to_vec(),
            words: self.words.iter().filter(inside).map(moved).collect(),
        }
    }

    /// With `other` right after it.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        let at = self.samples.len() as f64;
        self.samples.extend(&other.samples);
        self.words.extend(other.words.iter().map(|&w| SentWord {
            start: w.start + at,
            end: w.end + at,
            ..w
        }));
        self
    }

    pub(crate) fn map(mut self, change: impl FnMut(f32) -> f32) -> Self {
        self.samples = self.samples.into_iter().map(change).collect();
        self
    }

    pub(crate) fn gain_db(self, db: f32) -> Self {
        let gain = 10_f32.powf(db / 20.0);
        self.map(|sample| sample * gain)
    }

    /// Adds noise `db` below the peak level of 1, as root mean square.
    pub(crate) fn with_noise(self, db: f32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let deviation = 10_f32.powf(-db / 20.0);
        self.map(|sample| sample + deviation * random.normal())
    }

    pub(crate) fn with_hum(self, hertz: f64, peak: f32) -> Self {
        let mut at = 0.0;
        self.map(|sample| {
            at += hertz / f64::from(SAMPLE_RATE);
            sample + peak * (std::f64::consts::TAU * at).sin() as f32
        })
    }

    /// Through `order` one-pole low-pass filters.
    pub(crate) fn low_passed(mut self, hertz: f64, order: usize) -> Self {
        let share = 1.0 - (-std::f64::consts::TAU * hertz / f64::from(SAMPLE_RATE)).exp() as f32;
        for _ in 0..order {
            let mut level = 0.0;
            self = self.map(|sample| {
                level += share * (sample - level);
                level
            });
        }
        self
    }

    /// A transformer: no direct voltage, the plateaus tilt.
    pub(crate) fn high_passed(self, hertz: f64) -> Self {
        let share = 1.0 - (-std::f64::consts::TAU * hertz / f64::from(SAMPLE_RATE)).exp() as f32;
        let mut level = 0.0;
        self.map(|sample| {
            level += share * (sample - level);
            sample - level
        })
    }

    /// Rounded to 16 bits.
    pub(crate) fn quantised(self) -> Self {
        self.map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) / 32_768.0)
    }

    /// `count` gaps of up to `longest` samples in which only `rest` of the signal is left.
    pub(crate) fn with_dropouts(mut self, count: usize, longest: usize, rest: f32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        for _ in 0..count {
            let length = 1 + random.below(longest);
            let start = random.below(self.samples.len() - length);
            self.samples[start..start + length].iter_mut().for_each(|sample| *sample *= rest);
        }
        self
    }
}

/// Everything that is decoded from these samples, in one piece.
pub(crate) fn decode(samples: &[f32]) -> Vec<DecodedWord> {
    let mut decoder = Decoder::try_new(SAMPLE_RATE).unwrap();
    let mut words = Vec::new();
    decoder.decode(samples, |word| words.push(word));
    decoder.finish(|word| words.push(word));
    words
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// Words reported where they were sent, with their label, user bits and direction.
    pub(crate) right: usize,
    /// Words reported where none was, or with anything else.
    pub(crate) wrong: usize,
}

/// Compares with what was sent. A word must be within `tolerance` of its length of its place.
pub(crate) fn score(sent: &Sent, words: &[DecodedWord], tolerance: f64) -> Score {
    let mut score = Score::default();
    let mut sent_words = sent.words.iter().peekable();
    for word in words {
        let start = word.start.in_256ths() as f64 / 256.0;
        while sent_words.next_if(|sent| sent.start + (sent.end - sent.start) / 2.0 < start).is_some() {}
        let is_right = sent_words.next_if(|sent| {
            let near = (sent.start - start).abs() <= tolerance * (sent.end - sent.start);
            let label = word.timecode(sent.label.rate()) == Ok(sent.label);
            near && label && word.reverse == sent.reverse && word.user_bits() == sent.user_bits
        });
        if is_right.is_some() { score.right += 1 } else { score.wrong += 1 }
    }
    score
}

/// Decodes and compares.
pub(crate) fn test(sent: &Sent) -> Score {
    score(sent, &decode(&sent.samples), 0.02)
}

/// A sample by its number.
type Sound = Box<dyn FnMut(usize, &mut Random) -> f64>;

/// Sounds of several kinds that are no LTC, some of which come near: noise, tones, sweeps, speech, music, data.
pub(crate) fn no_timecode(seconds: usize, seed: u64) -> Vec<(&'static str, Vec<f32>)> {
    let count = seconds * SAMPLE_RATE as usize;
    let time = |at: usize| at as f64 / f64::from(SAMPLE_RATE);
    let sine = |hertz: f64, t: f64| (std::f64::consts::TAU * hertz * t).sin();
    let mut random = Random::new(seed);
    let mut make = |name, mut sample: Sound| {
        (name, (0..count).map(|at| sample(at, &mut random) as f32).collect::<Vec<_>>())
    };
    vec![
        make("silence", Box::new(|_, _| 0.0)),
        make("white noise", Box::new(|_, random| 0.3 * f64::from(random.normal()))),
        make("brown noise", {
            let mut level = 0.0;
            Box::new(move |_, random| {
                level = 0.99 * level + 0.05 * f64::from(random.normal());
                level
            })
        }),
        make("tone", Box::new(move |at, _| 0.5 * sine(997.0, time(at)))),
        make(
            "square 1200 and 2400",
            Box::new(move |at, _| sine(if at / 9000 % 2 == 0 { 1200.0 } else { 2400.0 }, time(at)).signum()),
        ),
        make(
            "square at every bit rate",
            Box::new(move |at, _| sine(300.0 * 30_f64.powf(at as f64 / count as f64), time(at)).signum()),
        ),
        make(
            "sweep",
            Box::new(move |at, _| 0.5 * sine(20.0 + 900.0 * time(at) / seconds as f64 * 10.0, time(at))),
        ),
        make("speech", {
            // a glottal pulse train through two resonances, in syllables, with hisses between
            let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
            Box::new(move |at, random| {
                let t = time(at);
                let pitch = 110.0 + 30.0 * sine(0.7, t);
                let pulse = if (t * pitch).fract() < pitch / f64::from(SAMPLE_RATE) { 1.0 } else { 0.0 };
                let resonance = |state: &mut [f64; 2], hertz: f64, input: f64| {
                    let r: f64 = 0.985;
                    let w = std::f64::consts::TAU * hertz / f64::from(SAMPLE_RATE);
                    let output = input + 2.0 * r * w.cos() * state[0] - r * r * state[1];
                    *state = [output, state[0]];
                    output
                };
                let vowel = resonance(&mut a, 500.0 + 250.0 * sine(1.3, t), pulse)
                    + 0.5 * resonance(&mut b, 1700.0 + 500.0 * sine(0.9, t), pulse);
                let syllable = sine(2.3, t).max(0.0);
                syllable * vowel * 0.3 + (1.0 - syllable).powi(8) * 0.05 * f64::from(random.normal())
            })
        }),
        make("music", {
            Box::new(move |at, random| {
                let t = time(at);
                let beat = (t * 2.0).fract();
                let root = [220.0, 174.6, 261.6, 196.0][(t / 2.0) as usize % 4];
                let chord: f64 = [1.0, 1.26, 1.5, 2.0].iter().map(|&k| sine(root * k, t)).sum::<f64>() / 6.0;
                let kick = sine(60.0, beat) * (-beat * 12.0).exp();
                let hat = f64::from(random.normal()) * (-(t * 4.0).fract() * 40.0).exp() * 0.2;
                let lead =
                    sine(root * 4.0 * [1.0, 1.122, 1.26, 1.5][(t * 8.0) as usize % 4], t).signum() * 0.1;
                (chord + kick + hat + lead) * 0.5
            })
        }),
        make("biphase data without sync words", {
            // what LTC looks like to every test but the last
            let (mut level, mut bits, mut half) = (1.0, 0_u64, 0);
            Box::new(move |at, random| {
                if at % 10 == 0 {
                    if half % 2 == 0 {
                        bits = bits << 1 | random.bits() & 1;
                        level = -level;
                    } else if bits & 1 != 0 {
                        level = -level;
                    }
                    half += 1;
                }
                level * 0.5
            })
        }),
    ]
}
