//! Every vector of the domain, both ways: rates, labels, real time, notation, packed forms, feet, MTC, Art-Net, files.

use serde_json::Value;
use smpte_timecode::artnet::ArtTimeCode;
use smpte_timecode::files::{bext, ixml, tmcd};
use smpte_timecode::mtc::{self, Assembler, Direction, FullFrame, Generator, Message, Parser, QuarterFrame};
use smpte_timecode::notation::{Digits, Dot, Reader, Separators};
use smpte_timecode::{
    FeetFrames, Field, FilmGauge, FrameCount, LabelError, PREMIERE_TICKS_PER_SECOND, Rate, RealTime,
    Rounding, Timecode,
};

/// Runs `check` on each vector of a file, named in the panic message if it fails.
macro_rules! vectors {
    ($file:literal, $check:expr) => {{
        let text = include_str!(concat!("../../../specification/vectors/", $file));
        let file: Value = serde_json::from_str(text).expect($file);
        let vectors = file["vectors"].as_array().expect("vectors");
        assert!(!vectors.is_empty());
        for vector in vectors {
            println!("{}: {}", $file, vector["name"]);
            let check: fn(&Value) = $check;
            check(vector);
        }
    }};
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field}"))
}

fn number(vector: &Value, field: &str) -> i64 {
    vector[field].as_i64().unwrap_or_else(|| panic!("{field}"))
}

fn rate(vector: &Value) -> Rate {
    text(vector, "rate").parse().expect("rate")
}

fn label(vector: &Value) -> Timecode {
    Timecode::parse(text(vector, "label"), rate(vector)).expect("label")
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn rates() {
    vectors!("smpte-rates.json", |v| {
        let rate: Rate = text(v, "text").parse().unwrap();
        assert_eq!(rate.to_string(), text(v, "text"));
        for other in v["also"].as_array().unwrap() {
            assert_eq!(other.as_str().unwrap().parse(), Ok(rate), "{other}");
        }
        let (num, den) = (u32::try_from(number(v, "num")).unwrap(), u32::try_from(number(v, "den")).unwrap());
        assert_eq!(Rate::try_new(num, den, v["drop"].as_bool().unwrap()), Ok(rate));
        assert_eq!((rate.numerator(), rate.denominator()), (num, den));
        assert_eq!(i64::from(rate.nominal()), number(v, "nominal"));
        assert_eq!(Some(rate.is_drop()), v["drop"].as_bool());
        assert_eq!(i64::from(rate.dropped_per_minute()), number(v, "dropped_per_minute"));
        assert_eq!(i64::from(rate.frames_per_ten_minutes()), number(v, "frames_per_ten_minutes"));
        assert_eq!(i64::from(rate.frames_per_day()), number(v, "frames_per_day"));
    });
}

#[test]
fn drop_frame() {
    vectors!("smpte-drop-frame.json", |v| {
        let (rate, frame) = (rate(v), number(v, "frame"));
        let timecode = Timecode::from_frame(rate, frame);
        assert_eq!(timecode.to_string(), text(v, "label"));
        assert_eq!(timecode, label(v));
        if v["wraps"] == true {
            assert_eq!(i64::from(rate.frames_per_day()), frame);
            assert_eq!((timecode - 1).next(), timecode);
        } else {
            assert_eq!(i64::from(timecode.frame()), frame);
        }
    });
}

#[test]
fn real_time() {
    vectors!("smpte-real-time.json", |v| {
        let timecode = label(v);
        assert_eq!(i64::from(timecode.frame()), number(v, "frame"));
        assert_eq!(timecode.real_time().to_string(), text(v, "seconds"));
        for (field, sample_rate) in [("samples_48000", 48_000), ("samples_44100", 44_100)] {
            let [down, up] =
                [Rounding::Floor, Rounding::Ceiling].map(|mode| timecode.samples(sample_rate, mode));
            assert_eq!(serde_json::json!([down, up]), v[field], "{field}");
            let time = RealTime::from_units(i64::try_from(up).unwrap(), sample_rate.try_into().unwrap());
            assert_eq!(Timecode::at_real_time(timecode.rate(), time, Rounding::Floor), timecode);
        }
        if v["premiere_ticks"].is_i64() {
            let ticks = timecode.premiere_ticks(Rounding::Floor);
            assert_eq!(i64::try_from(ticks), Ok(number(v, "premiere_ticks")));
            assert_eq!(timecode.premiere_ticks(Rounding::Ceiling), ticks);
            let time = RealTime::from_premiere_ticks(i64::try_from(ticks).unwrap());
            assert_eq!(time, timecode.real_time());
            assert!(PREMIERE_TICKS_PER_SECOND.is_multiple_of(u64::from(timecode.rate().numerator())));
        }
        if v["nanos"].is_i64() {
            assert_eq!(i64::try_from(timecode.nanos(Rounding::Floor)), Ok(number(v, "nanos")));
        }
    });
}

#[test]
fn feet() {
    vectors!("smpte-feet.json", |v| {
        let gauge = match text(v, "gauge") {
            "35mm-4perf" => FilmGauge::Mm35Perf4,
            "35mm-3perf" => FilmGauge::Mm35Perf3,
            "35mm-2perf" => FilmGauge::Mm35Perf2,
            "16mm" => FilmGauge::Mm16,
            "16mm-20" => FilmGauge::Mm16Twenty,
            other => panic!("{other}"),
        };
        let length = FeetFrames::from_frames(number(v, "frames"), gauge);
        assert_eq!(length.to_string(), text(v, "feet"));
        assert_eq!(FeetFrames::parse(text(v, "feet"), gauge), Ok(length));
        assert_eq!(length.to_frames(), Some(number(v, "frames")));
    });
}

#[test]
fn packed() {
    vectors!("smpte-packed.json", |v| {
        let packed = u32::from_str_radix(text(v, "packed"), 16).unwrap();
        assert_eq!(label(v).to_packed(), Ok(packed));
        assert_eq!(Timecode::from_packed(packed, rate(v)), Ok(label(v)));
    });
}

/// The readers that the vectors name.
fn reader(name: &str) -> Reader {
    let mut reader = Reader::STRICT;
    match name {
        "strict" => {}
        "clamp" => reader = Reader::CLAMP,
        "wrap_carry" => reader = Reader::WRAP_CARRY,
        "drop_forward" => reader = Reader::DROP_FORWARD,
        "drop_linear" => reader = Reader::DROP_LINEAR,
        "typed" => reader = Reader::TYPED,
        "days" => (reader.days, reader.digits, reader.unwrapped) = (true, Digits::Few, true),
        "promote" => reader.separators = Separators::Promote,
        "clock_time" => reader.dot = Some(Dot::ClockTime(Rounding::Floor)),
        "ffmpeg" => reader = Reader::FFMPEG,
        "open_timeline_io" => reader = Reader::OPEN_TIMELINE_IO,
        "python_timecode" => reader = Reader::PYTHON_TIMECODE,
        "gstreamer" => reader = Reader::GSTREAMER,
        "libltc" => reader = Reader::LIBLTC,
        other => panic!("{other}"),
    }
    reader
}

#[test]
fn notation() {
    vectors!("smpte-notation.json", |v| {
        let (input, rate) = (text(v, "text"), rate(v));
        let read = reader(text(v, "reader")).read(input, rate);
        if v["reader"] == "strict" {
            assert_eq!(
                Timecode::parse(input, rate),
                read.map(FrameCount::timecode),
                "the fast reader differs"
            );
        }
        if let Some(kind) = v["error"].as_str() {
            let error = read.unwrap_err();
            let found = match error {
                LabelError::Syntax { offset } => {
                    assert_eq!(i64::from(offset), number(v, "offset"));
                    "syntax"
                }
                LabelError::DropSeparator => "drop separator",
                LabelError::Dropped { .. } => "dropped",
                LabelError::OutOfRange { field, value, max } => {
                    assert_eq!((i64::from(value), i64::from(max)), (number(v, "value"), number(v, "max")));
                    match field {
                        Field::Hours => "hours",
                        Field::Minutes => "minutes",
                        Field::Seconds => "seconds",
                        Field::Frames => "frames",
                    }
                }
                other => panic!("{other}"),
            };
            assert_eq!(found, kind);
            return;
        }
        let count = read.unwrap();
        assert_eq!(count.frames(), number(v, "frame"));
        assert_eq!(count.to_string(), text(v, "canonical"));
        assert_eq!(FrameCount::parse(text(v, "canonical"), count.rate()), Ok(count));
        if v["with_days"].is_string() {
            assert_eq!(count.with_days().to_string(), text(v, "with_days"));
        }
    });
}

#[test]
fn lenient() {
    vectors!("smpte-lenient.json", |v| {
        let read = reader(text(v, "reader")).read(text(v, "text"), rate(v));
        match v["error"] == true {
            true => assert!(read.is_err()),
            false => assert_eq!(read.map(FrameCount::frames), Ok(number(v, "frame"))),
        }
    });
}

#[test]
fn midi() {
    vectors!("smpte-mtc.json", |v| {
        let timecode = label(v);
        let full = bytes(text(v, "full_frame"));
        assert_eq!(FullFrame::try_new(timecode).unwrap().encode(), *full);
        let mut parser = Parser::new(None);
        let messages: Vec<_> = full.iter().filter_map(|&byte| parser.push(byte).unwrap()).collect();
        assert_eq!(messages, [Message::FullFrame(FullFrame::try_new(timecode).unwrap())]);

        let quarters: Vec<_> = bytes(text(v, "quarter_frames"))
            .into_iter()
            .map(|data| QuarterFrame::from_data(data).unwrap())
            .collect();
        assert_eq!(mtc::quarter_frames(timecode).unwrap(), quarters[..8]);
        assert_eq!(mtc::quarter_frames(timecode + 2).unwrap()[..2], quarters[8..]);
        let clock = Generator::try_new(timecode, Direction::Forward).unwrap();
        assert_eq!(clock.take(10).collect::<Vec<_>>(), quarters);
        let mut assembler = Assembler::new(None);
        let labels: Vec<_> =
            quarters.iter().filter_map(|&quarter| assembler.push(quarter).unwrap()).collect();
        assert_eq!(labels.len(), 1);
        assert_eq!((labels[0].timecode, labels[0].now()), (timecode, timecode + 2));
    });
}

#[test]
fn art_net() {
    vectors!("smpte-artnet.json", |v| {
        let packet =
            ArtTimeCode::try_new(label(v)).unwrap().for_stream(u8::try_from(number(v, "stream")).unwrap());
        assert_eq!(packet.encode(), *bytes(text(v, "packet")));
        assert_eq!(ArtTimeCode::parse(&bytes(text(v, "packet")), None), Ok(packet));
    });
}

#[test]
fn files() {
    vectors!("smpte-files.json", |v| {
        let rate = rate(v);
        match text(v, "kind") {
            "bext" => {
                let sample_rate = u32::try_from(number(v, "sample_rate")).unwrap();
                let samples = u64::try_from(number(v, "time_reference")).unwrap();
                assert_eq!(label(v).samples(sample_rate, Rounding::Floor), samples);
                let found = bext::label(samples, sample_rate.try_into().unwrap(), rate, Rounding::HalfUp);
                assert_eq!(found, Some(label(v)));
                let mut body = vec![0; 602];
                bext::set_time_reference(&mut body, samples).unwrap();
                let offset = usize::try_from(number(v, "offset")).unwrap();
                assert_eq!(body[offset..offset + 8], bytes(text(v, "bytes")));
                assert_eq!(bext::time_reference(&body), Ok(samples));
                let (high, low) = ixml::split_samples(samples);
                assert_eq!(ixml::join_samples(high, low), samples);
            }
            "tmcd" => {
                let bytes = bytes(text(v, "entry"));
                let entry = tmcd::SampleEntry::parse(&bytes).unwrap();
                assert_eq!(entry.rate(), Ok(rate));
                assert_eq!(
                    [entry.flags, entry.timescale, entry.frame_duration, entry.number_of_frames.into()]
                        .map(i64::from),
                    ["flags", "timescale", "frame_duration", "number_of_frames"]
                        .map(|field| number(v, field))
                );
                let trailing = usize::try_from(number(v, "trailing")).unwrap();
                // all but the size, which counts the trailing bytes
                assert_eq!(entry.encode()[4..], bytes[4..bytes.len() - trailing]);
                let own = tmcd::SampleEntry::for_rate(rate).unwrap();
                assert_eq!(own.flags, entry.flags | tmcd::FLAG_24_HOURS);
                assert_eq!(tmcd::SampleEntry::parse(&own.encode()), Ok(own));
            }
            "sample" => {
                assert_eq!(tmcd::sample(label(v)), *bytes(text(v, "bytes")));
                let entry = tmcd::SampleEntry::for_rate(rate).unwrap();
                let sample = bytes(text(v, "bytes")).try_into().unwrap();
                assert_eq!(entry.count(sample).map(FrameCount::timecode), Ok(label(v)));
            }
            other => panic!("{other}"),
        }
    });
}
