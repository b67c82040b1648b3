use smpte_timecode::Timecode;
use smpte_timecode::ltc::{
    DecodedWord, Decoder, Encoder, EncoderConfig, Level, RateEstimator, Samples, Word,
};

use super::{RATES, take_rate};
use crate::input::Input;

pub(crate) const SAMPLE_RATES: [u32; 6] = [8000, 48_000, 44_100, 16_000, 96_000, 4800];

/// More samples than these are not made of an input: looking for a signal takes a microsecond for each.
const MAX_SAMPLES: usize = 1500;

/// `kind and sample rate, piece, bytes`: bytes as samples. The kind is 0 for one byte each, 1 for 16 bits, 2 and 3 for
/// 24 and 32, 4 for floating point; 8 is added for each place in the table of sample rates.
pub fn ltc_samples(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, piece) = (input.byte(), usize::from(input.byte()));
    let sample_rate = SAMPLE_RATES[usize::from(kind >> 3) % SAMPLE_RATES.len()];
    let bytes = input.rest();
    let words = || bytes.as_chunks::<4>().0.iter().take(MAX_SAMPLES);
    match kind & 7 {
        0 => {
            let samples: Vec<i16> =
                bytes.iter().take(MAX_SAMPLES).map(|&byte| i16::from(byte as i8) << 8).collect();
            check(sample_rate, piece, &samples, |samples| samples.into());
        }
        1 => {
            let pairs = bytes.as_chunks().0.iter().take(MAX_SAMPLES);
            let samples: Vec<i16> = pairs.map(|&two| i16::from_le_bytes(two)).collect();
            check(sample_rate, piece, &samples, |samples| samples.into());
        }
        2 => {
            let samples: Vec<i32> = words().map(|&four| i32::from_le_bytes(four) >> 8).collect();
            check(sample_rate, piece, &samples, Samples::I24);
        }
        3 => {
            let samples: Vec<i32> = words().map(|&four| i32::from_le_bytes(four)).collect();
            check(sample_rate, piece, &samples, Samples::I32);
        }
        _ => {
            let samples: Vec<f32> = words().map(|&four| f32::from_le_bytes(four)).collect();
            check(sample_rate, piece, &samples, |samples| samples.into());
        }
    }
}

/// `sample rate, piece, level, run lengths`: a square wave that changes sides after each byte's number of samples;
/// 0 is 256 samples of silence. LTC in few bytes, each of which tells where an edge is.
pub fn ltc_runs(data: &[u8]) {
    let mut input = Input::new(data);
    let (sample_rate, piece) = (input.pick(&SAMPLE_RATES), usize::from(input.byte()));
    let level = f32::from(input.byte()) / 128.0;
    let (mut samples, mut side) = (Vec::new(), level);
    for &run in input.rest() {
        let (value, length) = if run == 0 { (0.0, 256) } else { (side, usize::from(run)) };
        side = -side;
        samples.extend(std::iter::repeat_n(value, length));
        if samples.len() > MAX_SAMPLES {
            break;
        }
    }
    check(sample_rate, piece, &samples, |samples| samples.into());
}

/// `rate, frame, sample rate, user bits, level, flags, words, lead, piece`: labels as a signal, and out of it again.
/// With the flag 1 in reverse, with 2 as 16-bit integers. No label comes out that was not sent, and none is missing
/// from five samples a bit on, below that none but the first and the last.
pub fn ltc_signal(data: &[u8]) {
    let mut input = Input::new(data);
    let rate = take_rate(&mut input);
    let start = Timecode::from_frame(rate, input.u32().into());
    let sample_rate = input.pick(&SAMPLE_RATES);
    let mut config = EncoderConfig::new(start, sample_rate);
    config.user_bits = input.u32();
    // 0 to -36 dBFS
    config.level = Level::below_full_scale(u16::from(input.byte()) % 361);
    let flags = input.byte();
    config.reverse = flags & 1 != 0;
    let count = 2 + u64::from(input.byte() % 10);
    let (lead, piece) = (usize::from(input.byte()), usize::from(input.byte()));
    let Ok(mut encoder) = Encoder::try_new(config) else { return };
    // a decoder knows how the labels of these follow each other
    if rate.is_truncated() || !matches!(rate.nominal(), 24 | 25 | 30 | 48 | 50 | 60) {
        return;
    }
    let length = usize::try_from(encoder.start_of_word(count)).expect("a few words");
    // with fewer samples a bit words may be missing, and more take too long here
    let word = encoder.start_of_word(count) / count;
    let cell = word / u64::from(Word::BITS);
    if word < 31 * u64::from(Word::BITS) / 10 || cell > 30 {
        return;
    }
    let words = if flags & 2 != 0 {
        let mut samples = vec![0_i16; lead + length];
        encoder.fill_i16(&mut samples[lead..]);
        check(sample_rate, piece, &samples, |samples| samples.into())
    } else {
        let mut samples = vec![0_f32; lead + length];
        encoder.fill_f32(&mut samples[lead..]);
        check(sample_rate, piece, &samples, |samples| samples.into())
    };
    let step = if matches!(rate.nominal(), 48 | 50 | 60) { 2 } else { 1 };
    let step = if config.reverse { -step } else { step };
    let expected: Vec<_> = (0..count).map(|k| Ok(start + step * i64::try_from(k).unwrap())).collect();
    let labels: Vec<_> = words.iter().map(|word| word.timecode(rate)).collect();
    let ends = if cell < 5 { 1 } else { 0 };
    let first = expected.iter().position(|label| labels.first() == Some(label)).unwrap_or(0);
    let is_whole = expected.get(first..).is_some_and(|from| from.starts_with(&labels));
    let missing = expected.len() - labels.len().min(expected.len());
    assert!(is_whole && first <= ends && missing <= 2 * ends, "{config:?}, {lead} before: {labels:?}");
    let last = first as u64 + labels.len() as u64;
    for (k, word) in (0..last).rev().zip(words.iter().rev()) {
        assert_eq!((word.user_bits(), word.reverse), (config.user_bits, config.reverse));
        let begin = lead as u64 + encoder.start_of_word(k);
        // before the first bit there is nothing that its edge could rise from
        let most = if k == 0 { cell / 4 } else { 1 };
        assert!(
            word.start.sample().abs_diff(begin.cast_signed()) <= most,
            "word {k} at {:?}, not {begin}",
            word.start
        );
    }
}

/// Ten bytes: a word.
pub fn ltc_word(data: &[u8]) {
    let mut input = Input::new(data);
    if let Ok(word) = Word::from_bytes(input.array()) {
        assert_eq!(Word::from_bytes(word.to_bytes()), Ok(word));
        for rate in RATES {
            if let Ok(label) = word.timecode(rate) {
                let again = Word::from_timecode(label).expect("it was read from one");
                assert_eq!(again.timecode(rate), Ok(label));
                assert!(again.has_even_parity());
            }
        }
    }
}

/// Decodes; what is found does not depend on the pieces, is in order, within the stream, and not more than there is
/// room for. A decoder that has finished is as new.
fn check<'a, S>(
    sample_rate: u32,
    piece: usize,
    samples: &'a [S],
    kind: impl Fn(&'a [S]) -> Samples<'a>,
) -> Vec<DecodedWord> {
    let mut decoder = Decoder::try_new(sample_rate).expect("the sample rate is within its bounds");
    let mut decode = |piece: usize| {
        let mut words = Vec::new();
        samples.chunks(piece.max(1)).for_each(|piece| decoder.decode(kind(piece), |word| words.push(word)));
        decoder.finish(|word| words.push(word));
        words
    };
    let words = decode(samples.len());
    if piece > 0 {
        assert_eq!(decode(piece), words, "pieces of {piece}");
    }
    let mut estimator = RateEstimator::new(sample_rate);
    let mut last_end = 0;
    for word in &words {
        assert!(word.word.address().fields().is_ok() && word.confidence <= 100);
        let (start, end) = (word.start.sample(), word.end.sample());
        let length = end - start;
        // two samples a bit; where bits are missing the end of a word is an estimate
        assert!(length >= 150 && start >= last_end - length / 16, "{word:?} after {last_end}");
        assert!(start >= -2 && end <= samples.len() as i64 + length / 16, "{word:?} of {}", samples.len());
        last_end = end;
        estimator.push(word);
        if let Some(estimate) = estimator.estimate() {
            assert!(estimate.rate.nominal() <= 30);
        }
    }
    words
}
