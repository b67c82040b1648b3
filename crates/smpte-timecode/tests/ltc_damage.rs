//! What tape, cables and cuts do to LTC, and sounds that are none: never a wrong label.

use smpte_timecode::ltc::{Continuity, DecodedWord, Decoder, RateEstimator, Samples};
use smpte_timecode::{Rate, Timecode};

mod ltc_signals;

use ltc_signals::{SAMPLE_RATE, Sent, decode, no_timecode, score, test};

/// The rates that differ in their number of samples a bit and their labels.
const RATES: [Rate; 3] = [Rate::FPS_24, Rate::FPS_25, Rate::FPS_29_97_DF];
const WORDS: u64 = 300;

/// 300 words over an hour's end.
fn sent(rate: Rate) -> Sent {
    Sent::new("00:59:55:00", rate, WORDS, 1.0)
}

/// No word is wrong, and this many are right.
#[track_caller]
fn check(sent: &Sent, least: usize) {
    let score = test(sent);
    assert_eq!(score.wrong, 0, "{score:?}");
    assert!(score.right >= least, "{score:?} of {}, wanted {least}", sent.words.len());
}

#[track_caller]
fn check_all(sent: &Sent) {
    check(sent, sent.words.len());
}

#[test]
fn clean() {
    for rate in RATES {
        check_all(&sent(rate));
        check_all(&sent(rate).map(|sample| -sample));
        check_all(&sent(rate).reversed());
        for cut in [20, 100, 801, 1600] {
            let whole = sent(rate);
            check_all(&whole.cut(cut, whole.samples.len() - 2 * cut));
        }
    }
}

#[test]
fn direct_voltage() {
    for rate in RATES {
        for offset in [0.1, -0.5, 3.0] {
            check_all(&sent(rate).gain_db(-12.0).map(|sample| sample + offset));
        }
    }
}

#[test]
fn hum() {
    for rate in RATES {
        for (hertz, peak, least) in [(50.0, 0.5, 300), (60.0, 0.5, 300), (50.0, 1.0, 295), (60.0, 2.0, 250)] {
            check(&sent(rate).with_hum(hertz, peak), least);
        }
    }
}

#[test]
fn low_pass_and_high_pass() {
    for rate in RATES {
        for (hertz, order, least) in [(6000.0, 1, 300), (3000.0, 1, 299), (3000.0, 2, 299), (1500.0, 1, 299)]
        {
            check(&sent(rate).low_passed(hertz, order), least);
        }
        for hertz in [20.0, 100.0, 300.0] {
            check(&sent(rate).high_passed(hertz), 299);
        }
    }
}

#[test]
fn noise() {
    for rate in RATES {
        for (db, least) in [(20.0, 300), (14.0, 300), (10.0, 299), (7.0, 298), (3.0, 296), (0.0, 285)] {
            for seed in 0..3 {
                check(&sent(rate).with_noise(db, seed), least);
                check(&sent(rate).reversed().with_noise(db, seed), least);
            }
        }
    }
}

/// Nothing need be found in so much noise, but nothing may be wrong.
#[test]
fn more_noise_than_signal() {
    for rate in RATES {
        for (db, seed) in [(-2.0, 0), (-3.0, 1), (-4.0, 2), (-6.0, 3)] {
            check(&sent(rate).with_noise(db, seed), 0);
        }
    }
}

#[test]
fn noise_and_all_the_rest() {
    for rate in RATES {
        let worn = sent(rate).low_passed(4000.0, 1).with_hum(50.0, 0.4).with_noise(12.0, 9).gain_db(-24.0);
        check(&worn.map(|sample| sample - 0.1).quantised(), 290);
    }
}

#[test]
fn low_levels() {
    for rate in RATES {
        for db in [-36.0, -42.0, -60.0, -72.0] {
            check_all(&sent(rate).gain_db(db).quantised());
        }
        check(&sent(rate).with_noise(10.0, 4).gain_db(-42.0).quantised(), 295);
    }
}

#[test]
fn drop_outs() {
    for rate in RATES {
        for seed in 0..3 {
            // each gap costs one word, or two where it lies across a boundary
            check(&sent(rate).with_dropouts(40, 900, 0.0, seed), 220);
            check(&sent(rate).with_dropouts(40, 900, 0.05, seed).with_noise(20.0, seed), 220);
            // many short ones: half a bit, a bit
            check(&sent(rate).with_dropouts(60, 20, 0.0, seed), 230);
            check(&sent(rate).with_dropouts(8, 20_000, 0.0, seed), 180);
        }
    }
}

#[test]
fn clicks() {
    for rate in RATES {
        let mut clicked = sent(rate);
        let mut random = ltc_signals::Random::new(1);
        for _ in 0..400 {
            let at = random.below(clicked.samples.len() - 3);
            clicked.samples[at..at + 1 + random.below(3)].fill(if random.uniform() < 0.5 {
                4.0
            } else {
                -4.0
            });
        }
        check(&clicked, 200);
    }
}

#[test]
fn speeds() {
    for rate in RATES {
        for speed in [0.25, 0.5, 0.8, 1.25, 2.0, 3.0, 4.0, 6.0, 8.0] {
            check_all(&Sent::new("00:59:55:00", rate, WORDS, speed));
            check_all(&Sent::new("00:59:55:00", rate, WORDS, speed).reversed());
        }
        for speed in [0.05, 0.1] {
            check_all(&Sent::new("00:59:59:15", rate, 25, speed));
            check(&Sent::new("00:59:59:15", rate, 25, speed).reversed().with_noise(10.0, 3), 24);
        }
        for (speed, least) in [(0.25, 290), (2.0, 290), (4.0, 250)] {
            check(&Sent::new("00:59:55:00", rate, WORDS, speed).with_noise(14.0, 5), least);
        }
    }
}

/// Two samples and a half a bit, as far up as there is a sample for every half bit and some to spare.
#[test]
fn ten_times_normal_speed() {
    for rate in [Rate::FPS_23_976, Rate::FPS_24, Rate::FPS_25] {
        check(&Sent::new("00:59:55:00", rate, WORDS, 10.0), 298);
        check(&Sent::new("00:59:55:00", rate, WORDS, 10.0).reversed(), 298);
    }
    for rate in [Rate::FPS_29_97_DF, Rate::FPS_30] {
        check(&Sent::new("00:59:55:00", rate, WORDS, 8.5), 290);
        check(&Sent::new("00:59:55:00", rate, WORDS, 10.0), 0);
    }
}

/// A wheel turned from a quarter of normal speed to four times it and back within seconds.
#[test]
fn changing_speeds() {
    for rate in RATES {
        let whole = Sent::new("00:59:55:00", rate, WORDS, 1.0);
        let length = whole.samples.len() as f64;
        let (mut samples, mut places, mut at) = (Vec::new(), Vec::new(), 0.0);
        while at < length - 1.0 {
            let (before, part) = (at as usize, at.fract() as f32);
            samples.push(whole.samples[before] * (1.0 - part) + whole.samples[before + 1] * part);
            places.push(at);
            at += 4_f64.powf((at / length * std::f64::consts::TAU * 2.0).sin());
        }
        let words = decode(&samples);
        // back to where they were before the wheel was turned
        let place =
            |position: i64| places[usize::try_from((position + 128) >> 8).unwrap().min(places.len() - 1)];
        let mut right = 0;
        for word in &words {
            let start = place(word.start.in_256ths());
            let sent = whole.words.iter().find(|sent| (sent.start - start).abs() < 20.0);
            assert_eq!(word.timecode(rate), Ok(sent.expect("a word starts there").label));
            right += 1;
        }
        assert!(right >= 295, "{right}");
    }
}

#[test]
fn forwards_and_backwards() {
    let forwards = Sent::new("10:00:00:00", Rate::FPS_25, 50, 1.0);
    let backwards = Sent::new("10:00:01:00", Rate::FPS_25, 50, 2.0).reversed();
    for cut in [0, 300, 960, 1900] {
        let turned = forwards
            .cut(0, forwards.samples.len() - cut)
            .then(&backwards.cut(cut / 2, backwards.samples.len()));
        check(&turned, 96);
    }
}

#[test]
fn two_recordings() {
    let first = Sent::new("01:00:00:00", Rate::FPS_25, 100, 1.0);
    let second = Sent::new("20:30:40:05", Rate::FPS_25, 100, 1.0);
    // each with whole words, cut anywhere, cut at a bit
    check_all(&first.clone().then(&second));
    for cut in [60, 500, 960, 1337] {
        check(
            &first.cut(0, first.samples.len() - cut).then(&second.cut(cut * 7 % 1920, second.samples.len())),
            196,
        );
    }
}

/// One recording cut into another on the same grid, in the middle of a word: the bits run on without a flaw, parity
/// is right, and half of the label is of either.
#[test]
fn cuts_inside_a_word_without_a_trace() {
    let (mut seamless, first) = (0, Sent::new("01:11:11:00", Rate::FPS_25, 60, 1.0));
    for (label, seed) in [("20:30:40:00", 0), ("01:11:59:00", 1), ("17:11:11:00", 2), ("01:11:11:20", 3)] {
        let second = Sent::new(label, Rate::FPS_25, 60, 1.0);
        let mut random = ltc_signals::Random::new(seed);
        for _ in 0..20 {
            let at = 20 * 1920 + random.below(1920);
            let mut cut = first.clone();
            cut.samples[at..].copy_from_slice(&second.samples[at..]);
            cut.words = first.words.iter().filter(|word| word.end <= at as f64).copied().collect();
            cut.words.extend(second.words.iter().filter(|word| word.start >= at as f64));
            seamless += usize::from(first.samples[at].signum() == second.samples[at].signum());
            let score = score(&cut, &decode(&cut.samples), 0.02);
            // the word with the cut in it can be that of one of the two
            assert!(score.wrong == 0 || is_of_either(&first, &second, &cut), "{label} {at} {score:?}");
            assert!(score.right >= 58, "{label} {at} {score:?}");
        }
    }
    assert!(seamless > 20);
}

fn is_of_either(first: &Sent, second: &Sent, cut: &Sent) -> bool {
    decode(&cut.samples).iter().all(|word| {
        let is_in = |sent: &Sent| {
            sent.words.iter().any(|sent| {
                (sent.start - word.start.in_256ths() as f64 / 256.0).abs() < 20.0
                    && word.timecode(sent.label.rate()) == Ok(sent.label)
            })
        };
        is_in(first) || is_in(second)
    })
}

/// Several recordings at several speeds one after the other, cut anywhere, worn in one way or another. Whatever is
/// reported was sent there.
#[test]
fn recordings_of_all_kinds_in_a_row() {
    let (mut sent, mut right) = (0, 0);
    for seed in 0..120 {
        let mut random = ltc_signals::Random::new(7919 * seed + 1);
        let (signal, may_be_found) = recordings(&mut random);
        let worn = match random.below(8) {
            0 => signal.low_passed(2000.0 + 6000.0 * random.uniform(), 1),
            1 => signal.high_passed(20.0 + 500.0 * random.uniform()),
            2 => signal.with_hum(50.0, 2.0 * random.uniform() as f32),
            3 => signal.with_dropouts(10, 600, 0.3 * random.uniform() as f32, seed),
            4 => signal.with_noise(30.0 * random.uniform() as f32 - 2.0, seed),
            5 => signal.with_hum(60.0, 0.5).with_noise(10.0 + 10.0 * random.uniform() as f32, seed),
            6 => signal.gain_db(-60.0 * random.uniform() as f32).quantised(),
            _ => signal,
        };
        for word in decode(&worn.samples) {
            let start = word.start.in_256ths() as f64 / 256.0;
            let was_sent = may_be_found.iter().any(|sent| {
                (sent.start - start).abs() < 0.03 * (sent.end - sent.start)
                    && word.timecode(sent.label.rate()) == Ok(sent.label)
                    && word.reverse == sent.reverse
            });
            assert!(was_sent, "seed {seed}: {word:?}");
            right += 1;
        }
        sent += worn.words.len();
    }
    assert!(right * 10 >= sent * 8, "{right} of {sent}");
}

/// One to four recordings in a row, and all words of which so much is left that they may be found.
fn recordings(random: &mut ltc_signals::Random) -> (Sent, Vec<ltc_signals::SentWord>) {
    const ALL_RATES: [Rate; 5] =
        [Rate::FPS_23_976, Rate::FPS_25, Rate::FPS_29_97_DF, Rate::FPS_30, Rate::FPS_59_94_DF];
    const SPEEDS: [f64; 8] = [1.0, 1.0, 0.97, 1.2, 0.5, 2.0, 0.25, 4.0];
    let rate = ALL_RATES[random.below(ALL_RATES.len())];
    let mut all = Sent { samples: Vec::new(), words: Vec::new() };
    let mut may_be_found = Vec::new();
    for _ in 0..1 + random.below(4) {
        let frame = random.below(1_000_000) as i64 * 2;
        let label = Timecode::from_frame(rate, frame).to_string();
        let speed = SPEEDS[random.below(SPEEDS.len())];
        let mut next = Sent::new(&label, rate, 5 + random.below(30) as u64, speed);
        if random.below(4) == 0 {
            next = next.reversed();
        }
        let third = next.samples.len() / 3;
        let (from, to) = match random.below(2) {
            0 => (0, 3 * third),
            _ => (random.below(third), 3 * third - random.below(third)),
        };
        let moved = |position: f64| position - from as f64 + all.samples.len() as f64;
        for word in &next.words {
            let inside = word.end.min(to as f64) - word.start.max(from as f64);
            if inside > 0.6 * (word.end - word.start) {
                may_be_found.push(ltc_signals::SentWord {
                    start: moved(word.start),
                    end: moved(word.end),
                    ..*word
                });
            }
        }
        all = all.then(&next.cut(from, to));
        if random.below(4) == 0 {
            all.samples.resize(all.samples.len() + random.below(4000), 0.0);
        }
    }
    (all, may_be_found)
}

#[test]
fn a_minute_of_other_sounds() {
    let mut seconds = 0;
    for (name, samples) in no_timecode(6, 11) {
        assert_eq!(decode(&samples), [], "{name}");
        seconds += samples.len() / SAMPLE_RATE as usize;
    }
    assert!(seconds >= 60);
}

#[test]
fn other_sounds_around_timecode() {
    for (name, sounds) in no_timecode(1, 5) {
        let sounds = Sent { samples: sounds, words: Vec::new() };
        let around = sounds.clone().then(&Sent::new("12:00:00:00", Rate::FPS_30, 30, 1.0)).then(&sounds);
        let score = test(&around);
        assert_eq!(score.wrong, 0, "{name} {score:?}");
        assert!(score.right >= 28, "{name} {score:?}");
    }
}

#[test]
fn a_single_word() {
    for rate in RATES {
        check_all(&Sent::new("12:34:56:10", rate, 1, 1.0));
        let two = Sent::new("12:34:56:10", rate, 2, 1.0);
        check_all(&two.cut(0, two.samples.len() - 900));
        let silence = Sent { samples: vec![0.0; 5000], words: Vec::new() };
        check_all(&silence.clone().then(&Sent::new("12:34:56:10", rate, 1, 1.0)).then(&silence));
    }
}

#[test]
fn sample_rates() {
    for sample_rate in [8000, 11_025, 16_000, 22_050, 44_100, 88_200, 96_000, 192_000] {
        let sent = Sent::at_sample_rate("09:59:58:00", Rate::FPS_30, 60, sample_rate);
        // what the decoder is told only sets how slow a signal it can find
        check(&sent, 59);
        check(&sent.with_noise(14.0, 2), 55);
    }
}

fn continuities(words: &[DecodedWord]) -> Vec<Continuity> {
    words.iter().map(|word| word.continuity).collect()
}

#[test]
fn continuity_is_told() {
    let sent = Sent::new("00:00:59;28", Rate::FPS_29_97_DF, 8, 1.0);
    let mut with_gap = sent.clone();
    with_gap.samples[3 * 1602 + 400..5 * 1602 - 300].fill(0.0);
    let words = decode(&with_gap.samples);
    let contiguous = Continuity::Contiguous;
    let gap = Continuity::Gap { missing: 2 };
    assert_eq!(
        continuities(&words),
        [Continuity::First, contiguous, contiguous, gap, contiguous, contiguous]
    );

    let jump = sent.then(&Sent::new("05:00:00;00", Rate::FPS_29_97_DF, 3, 1.0));
    let words = decode(&jump.samples);
    assert_eq!(words.len(), 11);
    assert_eq!(words[8].continuity, Continuity::Jump);
    assert!(words[9..].iter().chain(&words[1..8]).all(|word| word.continuity == contiguous));
}

#[test]
fn a_generator_that_stands_still() {
    let one = Sent::new("07:08:09:10", Rate::FPS_30, 1, 1.0);
    let still = (0..9).fold(one.clone(), |still, _| still.then(&one));
    let words = decode(&still.samples);
    assert_eq!(words.len(), 10);
    assert!(words[1..].iter().all(|word| word.continuity == Continuity::Repeated));
}

#[test]
fn kinds_of_samples_do_not_matter() {
    let sent = sent(Rate::FPS_25).gain_db(-20.0).with_noise(40.0, 1);
    let sixteen: Vec<i16> = sent.samples.iter().map(|sample| (sample * 32_768.0).round() as i16).collect();
    let wide = |shift: u32| sixteen.iter().map(|&sample| i32::from(sample) << shift).collect::<Vec<_>>();
    let float: Vec<f32> = sixteen.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let (twenty_four, thirty_two) = (wide(8), wide(16));
    let kinds =
        [Samples::I16(&sixteen), Samples::I24(&twenty_four), Samples::I32(&thirty_two), Samples::F32(&float)];
    let words = kinds.map(|samples| {
        let mut decoder = Decoder::try_new(SAMPLE_RATE).unwrap();
        let mut words = Vec::new();
        decoder.decode(samples, |word| words.push(word));
        decoder.finish(|word| words.push(word));
        words
    });
    assert_eq!(words[0].len(), 300);
    assert!(words.iter().all(|kind| *kind == words[0]));
}

#[test]
fn labels_that_have_nothing_to_do_with_each_other() {
    let words = ["03:00:00:00", "17:12:00:29", "00:00:59:11", "22:22:22:22"];
    let sent = words.iter().fold(Sent { samples: Vec::new(), words: Vec::new() }, |all, label| {
        all.then(&Sent::new(label, Rate::FPS_30, 1, 1.0))
    });
    // nothing vouches for them
    assert_eq!(decode(&sent.samples), []);
    let mut decoder = Decoder::try_new(SAMPLE_RATE).unwrap();
    decoder.accept_unrelated_labels(true);
    let mut decoded = Vec::new();
    decoder.decode(&sent.samples[..], |word| decoded.push(word));
    decoder.finish(|word| decoded.push(word));
    assert_eq!(score(&sent, &decoded, 0.02).right, 4);
}

#[test]
fn speed_and_level_are_measured() {
    for (speed, thousandths) in [(0.25, 250), (0.5, 500), (1.0, 1000), (2.0, 2000), (4.0, 4000)] {
        let sent = Sent::new("10:00:00:00", Rate::FPS_25, 20, speed).gain_db(-6.0);
        for word in decode(&sent.samples) {
            let off = word.speed_in_thousandths(Rate::FPS_25, SAMPLE_RATE) - thousandths;
            assert!(off.abs() * 500 <= thousandths, "{off} at {speed}");
            assert!((14_500..=17_000).contains(&word.level), "{}", word.level);
        }
    }
    let reverse = decode(&Sent::new("10:00:00:00", Rate::FPS_25, 3, 1.0).reversed().samples);
    assert_eq!(reverse[0].speed_in_thousandths(Rate::FPS_25, SAMPLE_RATE), -1000);
}

#[test]
fn confidence_falls_with_noise() {
    let confidence = |db: f32| {
        let words = decode(&sent(Rate::FPS_25).with_noise(db, 1).samples);
        words.iter().map(|word| u32::from(word.confidence)).sum::<u32>() / words.len() as u32
    };
    let steps = [confidence(60.0), confidence(14.0), confidence(7.0), confidence(0.0)];
    assert!(steps[0] >= 85 && steps.is_sorted_by(|a, b| a > b), "{steps:?}");
}

#[test]
fn rates_are_told_from_words() {
    let all = [
        Rate::FPS_23_976,
        Rate::FPS_24,
        Rate::FPS_24_98,
        Rate::FPS_25,
        Rate::FPS_29_97,
        Rate::FPS_29_97_DF,
        Rate::FPS_30,
        Rate::FPS_30_DF,
    ];
    for rate in all {
        let start = Timecode::parse("01:00:00:00", rate).unwrap();
        for (speed, words) in [(1.0, 10), (1.0, 40), (2.0, 40)] {
            let sent = Sent::new("01:00:00:00", rate, words, speed);
            let mut estimator = RateEstimator::new(SAMPLE_RATE);
            decode(&sent.samples).iter().for_each(|word| estimator.push(word));
            let estimate = estimator.estimate();
            if speed == 1.0 {
                let estimate = estimate.unwrap();
                assert_eq!((estimate.rate, estimate.is_measured), (rate, true), "{start:?}");
                assert_eq!(estimate.is_counted, words == 40 || rate.is_drop());
            } else {
                // the labels tell the nominal rate at any speed
                let estimate = estimate.unwrap();
                assert_eq!((estimate.rate.nominal(), estimate.is_measured), (rate.nominal(), false));
            }
        }
    }
    assert_eq!(RateEstimator::new(SAMPLE_RATE).estimate(), None);
}
