use smpte_timecode::notation::{Digits, Dot, Dropped, OutOfRange, Reader, Separators};
use smpte_timecode::session::SessionRate;
use smpte_timecode::{FeetFrames, FilmGauge, LabelError, Rounding, SubframeBase, Subframes, Timecode};

use super::take_rate;
use crate::input::Input;

pub(crate) const ROUNDINGS: [Rounding; 4] =
    [Rounding::Floor, Rounding::Ceiling, Rounding::HalfUp, Rounding::HalfEven];
pub(crate) const GAUGES: [FilmGauge; 5] = [
    FilmGauge::Mm35Perf4,
    FilmGauge::Mm35Perf3,
    FilmGauge::Mm35Perf2,
    FilmGauge::Mm16,
    FilmGauge::Mm16Twenty,
];
pub(crate) const BASES: [SubframeBase; 3] =
    [SubframeBase::Quarter, SubframeBase::Eighty, SubframeBase::Hundred];

/// The readers that have a name, and a name for seeds.
pub(crate) const READERS: [(&str, Reader); 12] = [
    ("strict", Reader::STRICT),
    ("unwrapped", Reader::UNWRAPPED),
    ("clamp", Reader::CLAMP),
    ("wrap_carry", Reader::WRAP_CARRY),
    ("drop_forward", Reader::DROP_FORWARD),
    ("drop_linear", Reader::DROP_LINEAR),
    ("typed", Reader::TYPED),
    ("ffmpeg", Reader::FFMPEG),
    ("open_timeline_io", Reader::OPEN_TIMELINE_IO),
    ("python_timecode", Reader::PYTHON_TIMECODE),
    ("gstreamer", Reader::GSTREAMER),
    ("libltc", Reader::LIBLTC),
];

/// Marks a reader whose points follow one by one.
pub(crate) const OWN_READER: u8 = 0x80;

/// `rate, text`: the strict reader. What it takes is read back from its text, and the general reader, told nothing,
/// says the same.
pub fn label_strict(data: &[u8]) {
    let mut input = Input::new(data);
    let rate = take_rate(&mut input);
    let text = input.text();
    let read = Timecode::parse(&text, rate);
    match read {
        Ok(label) => {
            assert!(label.frame() < rate.frames_per_day());
            assert_eq!(Timecode::parse(&label.text(), rate), Ok(label));
            assert_eq!(Timecode::from_fields(rate, label.fields()), Ok(label));
            let mut shown = [0; Timecode::MAX_LEN];
            assert_eq!(label.write_ascii(&mut shown), &*label.text());
            assert_eq!(&text[..8], &label.text()[..8]);
        }
        Err(error) => check_error(error, &text),
    }
    match (read, Reader::STRICT.read_timecode(&text, rate)) {
        (Ok(label), general) => assert_eq!(general, Ok(label)),
        (Err(_), general) => assert!(general.is_err(), "{general:?}"),
    }
}

/// `rate, reader, text`: the lenient readers, those with a name and any other. What they take is shown so that it is
/// read back, and a label that the strict reader takes means the same to all that leave it to the rate whether labels
/// are dropped.
pub fn label_lenient(data: &[u8]) {
    let mut input = Input::new(data);
    let rate = take_rate(&mut input);
    let reader = take_reader(&mut input);
    let text = input.text();
    let read = reader.read(&text, rate);
    assert_eq!(reader.read_timecode(&text, rate), read.map(|count| count.timecode()));
    if let (Ok(label), Separators::Rate | Separators::Promote) =
        (Timecode::parse(&text, rate), reader.separators)
    {
        assert_eq!(read.map(|count| (count.frames(), count.rate())), Ok((label.frame().into(), rate)));
    }
    match read {
        Ok(count) => {
            assert_eq!(count.rate().with_drop(false), rate.with_drop(false));
            let hours = count.to_string().split(':').next().unwrap_or_default().trim_start_matches('-').len();
            // no reader takes more digits
            if hours <= 9 {
                assert_eq!(Reader::UNWRAPPED.read(&count.to_string(), count.rate()), Ok(count));
                let mut with_days = Reader::UNWRAPPED;
                with_days.days = true;
                assert_eq!(with_days.read(&count.with_days().to_string(), count.rate()), Ok(count));
            }
        }
        Err(error) => check_error(error, &text),
    }
}

/// `rate or 0x40 + original rate, text`: labels as clients of the session protocol send them.
pub fn label_session(data: &[u8]) {
    let mut input = Input::new(data);
    let byte = usize::from(input.byte());
    let original = byte & 0x40 != 0;
    let rates: Vec<SessionRate> =
        if original { SessionRate::original().collect() } else { SessionRate::all().collect() };
    let rate = rates[(byte & 0x3f) % rates.len()];
    let text = input.text();
    match rate.label(&text) {
        Ok(label) => {
            let shown = label.to_string();
            let again = rate.label(&shown).map(|again| (again.frame(), again.to_string()));
            assert_eq!(again, Ok((label.frame(), shown.clone())), "read again");
            assert_eq!(label.timecode().is_none(), original);
            for step in [1, 2, 59, 108_000, 1 << 40] {
                let later = label.after(step);
                assert_eq!(later.frame(), label.frame() + step);
                // the clock of a session counts one by one or all at once
                assert_eq!(later.after(1).to_string(), label.after(step + 1).to_string(), "{label} + {step}");
            }
        }
        // Python shows 200 characters, and each can take ten
        Err(error) => assert!(error.to_string().chars().count() < 2100),
    }
}

/// `rate, base, text`: labels with subframes.
pub fn subframes(data: &[u8]) {
    let mut input = Input::new(data);
    let (rate, base) = (take_rate(&mut input), input.pick(&BASES));
    let text = input.text();
    match Subframes::parse(&text, rate, base) {
        Ok(label) => {
            assert_eq!(Subframes::parse(&label.to_string(), rate, base), Ok(label));
            for rounding in ROUNDINGS {
                let back = Subframes::at_real_time(rate, label.real_time(), base, rounding);
                assert_eq!(back, label, "{rounding:?}");
                let other = label.to_base(SubframeBase::Hundred, rounding);
                assert!(other.part() < 100);
            }
        }
        Err(error) => check_error(error, &text),
    }
}

/// `gauge, text`: feet and frames.
pub fn feet(data: &[u8]) {
    let mut input = Input::new(data);
    let gauge = input.pick(&GAUGES);
    let text = input.text();
    match FeetFrames::parse(&text, gauge) {
        Ok(length) => {
            assert_eq!(FeetFrames::parse(&length.to_string(), gauge), Ok(length));
            if let Some(frames) = length.to_frames() {
                let again = FeetFrames::from_frames(frames, gauge);
                assert_eq!(again.to_frames(), Some(frames));
                // "-0+00" is read
                assert!(again == length || frames == 0);
            }
        }
        Err(error) => check_error(error, &text),
    }
}

/// `rate, 32 bits`: packed labels.
pub fn packed(data: &[u8]) {
    let mut input = Input::new(data);
    let (rate, bits) = (take_rate(&mut input), input.u32());
    if let Ok(label) = Timecode::from_packed(bits, rate) {
        let again = label.to_packed().map(|again| Timecode::from_packed(again, rate));
        assert_eq!(again, Ok(Ok(label)));
        // nothing is written that was not read
        assert_eq!(label.to_packed().map(|again| again & !bits), Ok(0));
    }
}

fn check_error(error: LabelError, text: &str) {
    if let LabelError::Syntax { offset } = error {
        assert!(usize::from(offset) <= text.len());
    }
    assert!(!error.to_string().is_empty());
}

fn take_reader(input: &mut Input<'_>) -> Reader {
    let byte = input.byte();
    if byte & OWN_READER == 0 {
        return READERS[usize::from(byte) % READERS.len()].1;
    }
    let dots = [
        None,
        Some(Dot::Drop),
        Some(Dot::NonDrop),
        Some(Dot::Fraction(input.pick(&ROUNDINGS))),
        Some(Dot::ClockTime(input.pick(&ROUNDINGS))),
    ];
    let mut reader = Reader::STRICT;
    reader.separators = input.pick(&[Separators::Rate, Separators::Promote, Separators::Text]);
    reader.dot = input.pick(&dots);
    reader.digits = input.pick(&[Digits::Two, Digits::Few, Digits::Any]);
    reader.out_of_range = input.pick(&[OutOfRange::Reject, OutOfRange::Clamp, OutOfRange::Carry]);
    reader.dropped = input.pick(&[Dropped::Reject, Dropped::Forward, Dropped::Linear]);
    let flags = input.byte();
    reader.comma = flags & 1 != 0;
    reader.semicolons = flags & 2 != 0;
    reader.partial = flags & 4 != 0;
    reader.unwrapped = flags & 8 != 0;
    reader.days = flags & 16 != 0;
    reader
}
