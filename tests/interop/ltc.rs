//! LTC both ways with libltc, the field's reference: what we write it reads, what it writes we read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use std::io::Write;

use e2e::peer;
use smpte_timecode::address::{BinaryGroups, Date, TimeZone};
use smpte_timecode::ltc::{Continuity, DecodedWord, Decoder, Encoder, EncoderConfig};
use smpte_timecode::{Rate, Timecode};

/// libltc behind a small program of ours; `None`, with the reason printed, where it is missing.
fn libltc(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("ltc_peer");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/ltc_peer.c");
    let compiles = || {
        let compiler =
            Command::new("cc").args(["-O1", "-o"]).arg(&program).args([source, "-lltc", "-lm"]).output();
        compiler.is_ok_and(|c| c.status.success())
    };
    peer("libltc (with a C compiler)", compiles).then_some(program)
}

fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer runs");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    output.stdout
}

/// The rates of the field, how libltc names them, and its TV standard (0: 525, 1: 625, 3: film).
const RATES: [(Rate, &str, &str); 6] = [
    (Rate::FPS_23_976, "23.976023976", "3"),
    (Rate::FPS_24, "24", "3"),
    (Rate::FPS_25, "25", "1"),
    (Rate::FPS_29_97, "29.97002997", "0"),
    (Rate::FPS_29_97_DF, "29.97002997", "0"),
    (Rate::FPS_30, "30", "0"),
];
const WORDS: usize = 200;
const STARTS: [&str; 3] = ["00:00:57:10", "12:34:56:17", "23:59:55:00"];

fn start(rate: Rate, text: &str) -> Timecode {
    Timecode::parse(
        &if rate.is_drop() { format!("{};{}", &text[..8], &text[9..]) } else { text.into() },
        rate,
    )
    .unwrap()
}

#[test]
fn libltc_reads_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = libltc(folder.path()) else { return };
    for (rate, ..) in RATES {
        for (text, user_bits) in STARTS.into_iter().zip([0, 0x1234_5678, 0x89ab_cdef]) {
            let first = start(rate, text);
            let mut config = EncoderConfig::new(first, 48_000);
            config.user_bits = user_bits;
            let mut encoder = Encoder::try_new(config).unwrap();
            // One word more, whose first transition ends the last.
            let mut samples = vec![0_i16; usize::try_from(encoder.start_of_word(WORDS as u64 + 1)).unwrap()];
            let starts: Vec<_> = (0..WORDS as u64).map(|k| encoder.start_of_word(k)).collect();
            encoder.fill_i16(&mut samples);
            let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
            let said = String::from_utf8(run(&program, &["decode"], &bytes)).unwrap();
            let words: Vec<Vec<&str>> = said.lines().map(|l| l.split(' ').collect()).collect();
            assert!(words.len() >= WORDS - 1, "{rate} {text}: {} words", words.len());
            // libltc may need the first word to find its feet.
            let skipped =
                (0..=1).find(|skip| label_of(&words[0]) == fields(first + *skip)).expect("the first words");
            for (k, word) in words.iter().enumerate().take(WORDS - 1) {
                let k = k + usize::try_from(skipped).unwrap();
                let expected = first + k as i64;
                assert_eq!(label_of(word), fields(expected), "{rate} {text} word {k}");
                assert_eq!(word[4] == "1", rate.is_drop());
                assert_eq!(u32::from_str_radix(word[5], 16).unwrap(), user_bits);
                assert_eq!(word[6], "0");
                if let Some(begin) = starts.get(k) {
                    let off = word[7].parse::<i64>().unwrap() - *begin as i64;
                    assert!(off.abs() <= 40, "{rate} word {k} starts {off} samples off");
                }
            }
        }
    }
}

fn label_of(word: &[&str]) -> [u16; 4] {
    [0, 1, 2, 3].map(|i| word[i].parse().unwrap())
}

fn fields(label: Timecode) -> [u16; 4] {
    [label.hours().into(), label.minutes().into(), label.seconds().into(), label.frames()]
}

#[test]
fn we_read_what_libltc_writes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = libltc(folder.path()) else { return };
    for (rate, fps, standard) in RATES {
        for (text, user_bits) in STARTS.into_iter().zip(["0", "12345678", "89abcdef"]) {
            let first = start(rate, text);
            let words = peer_words(&program, first, fps, standard, user_bits, "-", "-", "0");
            assert_eq!(words.len(), WORDS, "{rate} {text}");
            for (k, word) in words.iter().enumerate() {
                let expected = first + k as i64;
                assert_eq!(word.timecode(rate), Ok(expected), "{rate} {text} word {k}");
                assert_eq!(word.user_bits(), u32::from_str_radix(user_bits, 16).unwrap());
                assert_eq!(word.continuity == Continuity::Contiguous, k > 0);
                assert!(!word.reverse && word.confidence > 50, "{word:?}");
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the peer's own arguments, in its order")]
fn peer_words(
    program: &Path,
    first: Timecode,
    fps: &str,
    standard: &str,
    user_bits: &str,
    date: &str,
    zone: &str,
    flags: &str,
) -> Vec<DecodedWord> {
    let [h, m, s, f] = fields(first).map(|n| n.to_string());
    let drop = if first.rate().is_drop() { "1" } else { "0" };
    // One more, as the last word's end is the next one's beginning.
    let count = (WORDS + 1).to_string();
    let arguments = ["encode", fps, flags, standard, drop, &h, &m, &s, &f, user_bits, date, zone, &count];
    let samples: Vec<i16> =
        run(program, &arguments, &[]).into_iter().map(|byte| (i16::from(byte) - 128) << 8).collect();
    let mut words = Vec::new();
    let mut decoder = Decoder::try_new(48_000).unwrap();
    for piece in samples.chunks(777) {
        decoder.decode(piece, |word| words.push(word));
    }
    words.truncate(WORDS);
    words
}

/// A date in the user bits, both ways.
#[test]
fn dates_are_the_same() {
    const USE_DATE: &str = "1";
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = libltc(folder.path()) else { return };
    let first = Timecode::parse("12:34:56:17", Rate::FPS_30).unwrap();
    for (zone, minutes) in [("+0530", 330), ("-0800", -480), ("+0000", 0)] {
        let date = Date::try_new(26, 11, 21, TimeZone::from_offset_minutes(minutes).unwrap()).unwrap();
        let words = peer_words(&program, first, "30", "0", "0", "261121", zone, USE_DATE);
        assert_eq!(words.len(), WORDS);
        for word in &words {
            assert_eq!(Date::from_user_bits(word.user_bits()), Ok(date), "{zone}");
        }

        let mut config = EncoderConfig::new(first, 48_000);
        config.user_bits = date.to_user_bits();
        config.binary_groups = BinaryGroups::DATE_TIME_ZONE;
        let mut samples = vec![0_i16; 48_000];
        Encoder::try_new(config).unwrap().fill_i16(&mut samples);
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let said = String::from_utf8(run(&program, &["decode"], &bytes)).unwrap();
        assert!(said.lines().count() > 25);
        for line in said.lines() {
            assert!(line.ends_with(&format!(" 261121 {zone}")), "{line}");
        }
    }
}

/// Played backwards, libltc and we see the same words.
#[test]
fn backwards_both_see_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = libltc(folder.path()) else { return };
    let first = Timecode::parse("10:00:00:00", Rate::FPS_25).unwrap();
    let mut samples = vec![0_i16; 48_000 * 4];
    Encoder::try_new(EncoderConfig::new(first, 48_000)).unwrap().fill_i16(&mut samples);
    samples.reverse();
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let said = String::from_utf8(run(&program, &["decode"], &bytes)).unwrap();
    let theirs: Vec<[u16; 4]> = said.lines().map(|l| label_of(&l.split(' ').collect::<Vec<_>>())).collect();
    let mut ours = Vec::new();
    let mut decoder = Decoder::try_new(48_000).unwrap();
    decoder.decode(&samples[..], |word| ours.push(word));
    decoder.finish(|word| ours.push(word));
    assert!(ours.iter().all(|word| word.reverse));
    let ours: Vec<[u16; 4]> = ours.iter().map(|w| fields(w.timecode(Rate::FPS_25).unwrap())).collect();
    assert!(theirs.len() >= 95 && ours.len() >= theirs.len(), "{} and {}", theirs.len(), ours.len());
    let at = ours.iter().position(|label| *label == theirs[0]).expect("libltc's first word");
    assert_eq!(theirs[..], ours[at..at + theirs.len()]);
}
