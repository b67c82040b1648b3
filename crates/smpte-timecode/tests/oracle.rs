//! Random arithmetic against the public crate of the same name, which was written independently.
//!
//! `cargo test --manifest-path tests/oracle/Cargo.toml --target-dir target`

use core::num::NonZeroU32;
use core::time::Duration;

use oracle::{FrameRate, MtcDecoder, MtcEncoder, Ratio};
use proptest::prelude::*;
use smpte_timecode::mtc::{Assembler, Direction, FullFrame, Generator, QuarterFrame, RateCode};
use smpte_timecode::{Rate, RealTime, Rounding, Timecode};

/// The same rate of ours.
fn ours(rate: FrameRate) -> Rate {
    let fps = rate.frames_per_second();
    let term = |value: u64| u32::try_from(value).unwrap();
    Rate::try_new(term(fps.numer()), term(fps.denom()), rate.is_drop_frame()).unwrap()
}

/// The same label in both.
fn labels() -> impl Strategy<Value = (Timecode, oracle::Timecode)> {
    (prop::sample::select(&FrameRate::ALL[..]), any::<u32>()).prop_map(|(rate, frame)| {
        let frame = frame % rate.frames_per_day();
        (Timecode::from_frame(ours(rate), frame.into()), oracle::Timecode::from_frames(frame, rate).unwrap())
    })
}

const ROUNDINGS: [(Rounding, oracle::Rounding); 3] = [
    (Rounding::Floor, oracle::Rounding::Down),
    (Rounding::Ceiling, oracle::Rounding::Up),
    (Rounding::HalfUp, oracle::Rounding::Nearest),
];

#[test]
fn the_same_rates() {
    for rate in FrameRate::ALL {
        assert_eq!(ours(rate).nominal(), u32::from(rate.nominal()));
        assert_eq!(ours(rate).frames_per_day(), rate.frames_per_day());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_same_labels((ours, theirs) in labels()) {
        prop_assert_eq!(ours.frame(), theirs.frames());
        let fields = theirs.fields();
        prop_assert_eq!(
            (ours.hours(), ours.minutes(), ours.seconds(), ours.frames()),
            (fields.hours, fields.minutes, fields.seconds, fields.frames.into())
        );
        // theirs writes two digits of frames above 100 where it can, which ours reads
        prop_assert_eq!(Timecode::parse(&theirs.to_string(), ours.rate()), Ok(ours));
        if ours.rate().frame_digits() == 2 {
            prop_assert_eq!(ours.to_string(), theirs.to_string());
        }
        let back = oracle::Timecode::parse(&ours.to_string(), theirs.rate()).unwrap();
        prop_assert_eq!(back.frames(), ours.frame());
    }

    #[test]
    fn the_same_sums((ours, theirs) in labels(), frames in any::<i64>()) {
        for frames in [frames, frames % 100_000_000, frames % 100_000] {
            prop_assert_eq!((ours + frames).frame(), theirs.wrapping_add_frames(frames).frames());
        }
    }

    #[test]
    fn the_same_labels_are_taken(
        rate in prop::sample::select(&FrameRate::ALL[..]),
        hours in 0..25_u8, minutes in 0..61_u8, seconds in prop_oneof![Just(0_u8), 0..61_u8], frames in 0..125_u16,
    ) {
        let width = ours(rate).frame_digits();
        let text = format!("{hours:02}:{minutes:02}:{seconds:02}:{frames:0width$}");
        let mine = Timecode::parse(&text, ours(rate)).map(Timecode::frame);
        let theirs = oracle::Timecode::parse(&text, rate).map(oracle::Timecode::frames);
        prop_assert_eq!(mine.ok(), theirs.ok(), "{}", text);
    }

    #[test]
    fn the_same_times((ours, theirs) in labels(), sample_rate in 8_000..200_000_u32) {
        let (mine, other) = (ours.real_time(), theirs.to_seconds());
        prop_assert_eq!((mine.numerator(), mine.denominator()), (i128::from(other.numer()), other.denom()));
        let ratio = Ratio::from_integer(sample_rate.into());
        for (rounding, other) in ROUNDINGS {
            let samples = ours.samples(sample_rate, rounding);
            prop_assert_eq!(samples, theirs.to_samples(ratio, other).unwrap());
            let time = RealTime::from_units(i64::try_from(samples).unwrap(), NonZeroU32::new(sample_rate).unwrap());
            // theirs refuses what rounds up into the next day, ours wraps
            if let Ok(back) = oracle::Timecode::from_samples(samples, ratio, theirs.rate(), other) {
                prop_assert_eq!(Timecode::at_real_time(ours.rate(), time, rounding).frame(), back.frames());
            }
        }
    }

    #[test]
    fn the_same_midi((ours, theirs) in labels()) {
        let Some(code) = RateCode::of(ours.rate()) else {
            prop_assert!(MtcEncoder::new(theirs, oracle::Direction::Forward).is_err());
            return Ok(());
        };
        prop_assert_eq!(FullFrame::try_new(ours).unwrap().encode(), MtcEncoder::full_frame(theirs).unwrap());
        // ours begins on an even frame
        let even = i64::from(ours.rate().nominal() % 2 == 0 && ours.frame() % 2 == 1);
        let (ours, theirs) = (ours - even, theirs.wrapping_add_frames(-even));
        for (mine, other, start) in [
            (Direction::Forward, oracle::Direction::Forward, ours),
            (Direction::Reverse, oracle::Direction::Reverse, ours + 2),
        ] {
            let quarters: Vec<_> = Generator::try_new(start, mine).unwrap().take(24).collect();
            let messages: Vec<_> = MtcEncoder::new(theirs, other).unwrap().take(24).collect();
            prop_assert_eq!(quarters.iter().map(|quarter| quarter.encode()).collect::<Vec<_>>(), messages.clone());
            let mut assembler = Assembler::new(None);
            let mut decoder = MtcDecoder::new();
            for (n, [_, data]) in messages.into_iter().enumerate() {
                let mine = assembler.push(QuarterFrame::from_data(data).unwrap()).unwrap();
                let other = decoder.feed(&[0xf1, data], Duration::from_millis(u64::try_from(n).unwrap() * 10)).unwrap();
                prop_assert_eq!(mine.map(|label| label.now().frame()), other.map(|event| event.timecode.frames()));
                prop_assert_eq!(mine.map_or(code.rate(), |label| label.timecode.rate()), code.rate());
            }
        }
    }
}
