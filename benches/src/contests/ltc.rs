//! LTC: a minute of signal, read by each decoder and made by each encoder.

use std::hint::black_box;
use std::rc::Rc;

use smpte_timecode::ltc::{DecodedWord, Decoder, Encoder, EncoderConfig, Samples};
use smpte_timecode::{Rate, Timecode};

use super::OURS;
use crate::contest::{Contest, Unit};
use crate::libltc::{Libltc, Work};
use crate::random::Random;

const RATE: Rate = Rate::FPS_29_97_DF;
const SAMPLE_RATE: u32 = 48_000;
const SECONDS: u32 = 60;
/// Samples that a decoder is given at once, as a sound interface hands them over.
const PIECE: usize = 1024;

/// Decoding and encoding of 60 s at 48 kHz, one core. Where libltc cannot be had, the reason is printed and it is left
/// out.
pub fn ltc() -> Vec<Contest> {
    let clean = signal();
    let noisy = with_noise(&clean, 10.0);
    let libltc = |samples: &[f32], work| match Libltc::start(samples, work) {
        Ok(libltc) => Some(libltc),
        Err(reason) => {
            eprintln!("libltc is left out: {reason:#}");
            None
        }
    };
    vec![
        decode_f32("LTC decode, f32, clean", &clean, libltc(&clean, Work::DecodeF32)),
        decode_i16("LTC decode, i16, clean", &clean, libltc(&clean, Work::DecodeI16)),
        decode_f32("LTC decode, f32, noise at 10 dB", &noisy, libltc(&noisy, Work::DecodeF32)),
        decode_i16("LTC decode, i16, noise at 10 dB", &noisy, libltc(&noisy, Work::DecodeI16)),
        encode(libltc(&clean, Work::Encode)),
    ]
}

fn decode_f32(what: &str, samples: &[f32], libltc: Option<Libltc>) -> Contest {
    let ours: Rc<[f32]> = samples.into();
    let peer = ours.clone();
    let contest = Contest::new(what, Unit::MillionsPerSecond, samples.len());
    let contest = contest
        .entrant(OURS, {
            let samples = ours.clone();
            move || read(samples.chunks(PIECE), |word| _ = black_box(word))
        })
        .note(our_score(ours.chunks(PIECE)))
        .entrant(LTC, move || {
            read_with_crate(&peer, |frame| _ = black_box(frame));
        })
        .note(crate_score(samples));
    with_libltc(contest, libltc)
}

fn decode_i16(what: &str, samples: &[f32], libltc: Option<Libltc>) -> Contest {
    let samples: Vec<i16> = samples.iter().map(|&sample| to_i16(sample)).collect();
    let score = our_score(samples.chunks(PIECE));
    let contest = Contest::new(what, Unit::MillionsPerSecond, samples.len());
    let contest =
        contest.entrant(OURS, move || read(samples.chunks(PIECE), |word| _ = black_box(word))).note(score);
    with_libltc(contest, libltc)
}

fn encode(libltc: Option<Libltc>) -> Contest {
    let length = (SAMPLE_RATE * SECONDS) as usize;
    let mut out = vec![0_i16; PIECE];
    let contest = Contest::new("LTC encode", Unit::MillionsPerSecond, length);
    let contest = contest.entrant(OURS, move || {
        let Some(mut encoder) = encoder() else { return };
        for _ in 0..length / PIECE {
            encoder.fill_i16(&mut out);
            black_box(&out);
        }
    });
    with_libltc(contest, libltc)
}

fn with_libltc(contest: Contest, libltc: Option<Libltc>) -> Contest {
    let Some(mut libltc) = libltc else { return contest };
    let score = libltc.labels().map(Score::of);
    let (work, name) = (libltc.work(), format!("libltc {}", libltc.version()));
    let contest = contest.timed_entrant(&name, move |passes| match libltc.run(passes) {
        Ok(time) => time,
        Err(error) => panic!("libltc's program: {error:#}"),
    });
    match (work, score) {
        (Work::Encode, _) => contest.note("8 bits"),
        (_, Ok(score)) => contest.note(score.to_string()),
        (_, Err(error)) => panic!("libltc's program: {error:#}"),
    }
}

const LTC: &str = "ltc 0.2.0";

fn read<'a, S>(pieces: impl Iterator<Item = S>, mut found: impl FnMut(DecodedWord))
where
    Samples<'a>: From<S>,
{
    // the sample rate is within its bounds
    let Ok(mut decoder) = Decoder::try_new(SAMPLE_RATE) else { return };
    pieces.for_each(|piece| decoder.decode(piece, &mut found));
    decoder.finish(found);
}

fn read_with_crate(samples: &[f32], mut found: impl FnMut(ltc::LTCFrame)) {
    let samples_per_frame = SAMPLE_RATE as f32 * 1001.0 / 30_000.0;
    let mut decoder = ltc::LTCDecoder::with_capacity(samples_per_frame, 16);
    for piece in samples.chunks(PIECE) {
        if decoder.write_samples(piece) {
            (&mut decoder).into_iter().for_each(&mut found);
        }
    }
}

/// How many of the words that were sent a decoder found, and how many that were not.
struct Score {
    right: usize,
    wrong: usize,
}

impl Score {
    /// Of labels as the decoder found them, hours first.
    fn of(labels: Vec<[u8; 4]>) -> Self {
        let sent: Vec<[u8; 4]> = (0..).map(|k| numbers(first_label() + k)).take(word_count()).collect();
        let right = sent.iter().filter(|label| labels.contains(label)).count();
        Self { right, wrong: labels.iter().filter(|label| !sent.contains(label)).count() }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} right, {} wrong", self.right, word_count(), self.wrong)
    }
}

fn our_score<'a, S>(pieces: impl Iterator<Item = S>) -> String
where
    Samples<'a>: From<S>,
{
    let mut labels = Vec::new();
    read(pieces, |word| {
        let fields = word.fields();
        labels.push([fields.hours, fields.minutes, fields.seconds, fields.frames as u8]);
    });
    Score::of(labels).to_string()
}

fn crate_score(samples: &[f32]) -> String {
    let mut labels = Vec::new();
    read_with_crate(samples, |frame| labels.push([frame.hour, frame.minute, frame.second, frame.frame]));
    Score::of(labels).to_string()
}

fn first_label() -> Timecode {
    Timecode::try_new(RATE, 0, 59, 30, 0).unwrap_or(Timecode::midnight(RATE))
}

fn numbers(label: Timecode) -> [u8; 4] {
    let fields = label.fields();
    [fields.hours, fields.minutes, fields.seconds, fields.frames as u8]
}

/// Whole words in the signal.
fn word_count() -> usize {
    let encoder = encoder();
    let ends = (1..).map_while(|k| Some(encoder.as_ref()?.start_of_word(k)));
    ends.take_while(|&end| end <= u64::from(SAMPLE_RATE * SECONDS)).count()
}

fn encoder() -> Option<Encoder> {
    let mut config = EncoderConfig::new(first_label(), SAMPLE_RATE);
    config.user_bits = 0x1357_9bdf;
    Encoder::try_new(config).ok()
}

/// At -18 dBFS, as the standard encoder setting has it.
fn signal() -> Vec<f32> {
    let mut samples = vec![0.0; (SAMPLE_RATE * SECONDS) as usize];
    if let Some(mut encoder) = encoder() {
        encoder.fill_f32(&mut samples);
    }
    samples
}

/// With white noise so many decibels below the signal: peak of the signal by effective value of the noise.
fn with_noise(samples: &[f32], decibels: f32) -> Vec<f32> {
    let peak = samples.iter().copied().fold(0.0, f32::max);
    let (level, mut random) = (peak / 10_f32.powf(decibels / 20.0), Random::new(10));
    samples.iter().map(|sample| sample + level * random.normal()).collect()
}

fn to_i16(sample: f32) -> i16 {
    // casts from floating point stop at the ends
    (sample * 32_768.0).round() as i16
}
