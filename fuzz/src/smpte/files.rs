use core::num::NonZeroU32;

use smpte_timecode::Timecode;
use smpte_timecode::files::tmcd::{self, SampleEntry};
use smpte_timecode::files::{bext, ixml};

use super::label::ROUNDINGS;
use super::take_rate;
use crate::input::Input;

/// `rate, frame, sample rate, kind, ..`: metadata of files. Kind 0 is the body of a bext chunk, 1 a tmcd sample entry,
/// 2 the two texts of iXML, with a line feed between them.
pub fn files(data: &[u8]) {
    let mut input = Input::new(data);
    let label = Timecode::from_frame(take_rate(&mut input), input.u32().into());
    let sample_rate = input.u32();
    from_label(label, sample_rate);
    match input.byte() % 3 {
        0 => chunk(input.rest(), label, sample_rate),
        1 => entry(input.rest()),
        _ => texts(&input.text()),
    }
}

fn chunk(body: &[u8], label: Timecode, sample_rate: u32) {
    let Ok(samples) = bext::time_reference(body) else {
        assert!(bext::set_time_reference(&mut body.to_vec(), 1).is_err());
        return;
    };
    let mut again = body.to_vec();
    assert_eq!(bext::set_time_reference(&mut again, samples), Ok(()));
    assert_eq!(again, body);
    let (high, low) = ixml::split_samples(samples);
    assert_eq!(ixml::join_samples(high, low), samples);
    if let Some(sample_rate) = NonZeroU32::new(sample_rate) {
        for rounding in ROUNDINGS {
            let found = bext::label(samples, sample_rate, label.rate(), rounding);
            assert_eq!(found.is_none(), samples > i64::MAX as u64);
        }
    }
}

fn entry(entry: &[u8]) {
    let Ok(read) = SampleEntry::parse(entry) else { return };
    assert_eq!(SampleEntry::parse(&read.encode()), Ok(read));
    assert_eq!(read.encode()[24..33], entry[24..33]);
    if let (Ok(rate), Some(sample)) = (read.rate(), entry.last_chunk::<4>()) {
        assert_eq!(rate.is_drop(), read.flags & tmcd::FLAG_DROP != 0);
        let count = read.count(*sample).expect("the rate is one");
        assert_eq!((count.rate(), count.frames() as u32), (rate, u32::from_be_bytes(*sample)));
    }
}

fn texts(text: &str) {
    let (rate, flag) = text.split_once('\n').unwrap_or((text, "NDF"));
    if let Ok(rate) = ixml::rate(rate, flag) {
        let written = ixml::TimecodeRate(rate).to_string();
        assert_eq!(ixml::rate(&written, ixml::timecode_flag(rate)), Ok(rate));
    }
}

fn from_label(label: Timecode, sample_rate: u32) {
    if let Some(entry) = SampleEntry::for_rate(label.rate()) {
        let rate = label.rate();
        // truncated rates are not for files
        assert!(entry.rate() == Ok(rate) || rate.is_truncated());
        if entry.rate() == Ok(rate) {
            assert_eq!(entry.count(tmcd::sample(label)).map(|count| count.timecode()), Ok(label));
        }
    }
    let Some(sample_rate) = NonZeroU32::new(sample_rate).filter(|rate| rate.get() >= 2000) else { return };
    for rounding in ROUNDINGS {
        let samples = label.samples(sample_rate.get(), rounding);
        let found = bext::label(samples, sample_rate, label.rate(), smpte_timecode::Rounding::HalfUp);
        assert_eq!(found, Some(label));
    }
}
