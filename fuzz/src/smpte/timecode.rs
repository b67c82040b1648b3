use core::num::NonZeroU32;

use smpte_timecode::{FeetFrames, FrameCount, RealTime, SubframeBase, Subframes, Timecode};

use super::label::{GAUGES, ROUNDINGS};
use super::take_rate;
use crate::input::Input;

/// `rate, frames, delta, sample rate`: arithmetic held against the same in 128 bits, and every way from a label to
/// something else and back.
pub fn timecode(data: &[u8]) {
    let mut input = Input::new(data);
    let rate = take_rate(&mut input);
    let (frames, delta, sample_rate) = (input.i64(), input.i64(), input.u32());
    let label = Timecode::from_frame(rate, frames);
    let day = i128::from(rate.frames_per_day());
    let within = |frames: i128| frames.rem_euclid(day);
    assert_eq!(i128::from(label.frame()), within(frames.into()));
    let frame = i128::from(label.frame());
    assert_eq!(i128::from((label + delta).frame()), within(frame + i128::from(delta)));
    assert_eq!(i128::from((label - delta).frame()), within(frame - i128::from(delta)));
    assert_eq!(label.next(), label + 1);
    assert_eq!(label.previous(), label - 1);

    assert_eq!(Timecode::from_fields(rate, label.fields()), Ok(label));
    assert_eq!(Timecode::parse(&label.to_string(), rate), Ok(label));
    if let Ok(packed) = label.to_packed() {
        assert_eq!(Timecode::from_packed(packed, rate), Ok(label));
    }
    if let Some((pair, second)) = label.pair() {
        assert_eq!(pair.frame() * 2 + u32::from(second), label.frame());
        assert_eq!(pair.fields().frames, label.fields().frames / 2);
    }
    for rounding in ROUNDINGS {
        assert_eq!(Timecode::at_real_time(rate, label.real_time(), rounding), label);
        let part = label.real_time();
        let quarter = Subframes::at_real_time(rate, part, SubframeBase::Quarter, rounding);
        assert_eq!((quarter.timecode(), quarter.part()), (label, 0));
    }
    count(FrameCount::new(rate, frames), delta);
    if let Some(sample_rate) = NonZeroU32::new(sample_rate) {
        samples(label, sample_rate, frames);
    }
}

fn count(count: FrameCount, delta: i64) {
    let (rate, frames) = (count.rate(), count.frames());
    let day = i128::from(rate.frames_per_day());
    assert_eq!(i128::from(count.days()) * day + i128::from(count.timecode().frame()), frames.into());
    assert_eq!(count.checked_add(delta).map(FrameCount::frames), frames.checked_add(delta));
    assert_eq!(count.checked_sub(delta).map(FrameCount::frames), frames.checked_sub(delta));
    assert!(count.to_string().len() < 40 && count.with_days().to_string().len() < 40);
    for rounding in ROUNDINGS {
        assert_eq!(FrameCount::at_real_time(rate, count.real_time(), rounding), Some(count));
    }
    for gauge in GAUGES {
        let length = FeetFrames::from_frames(frames, gauge);
        assert_eq!(length.to_frames(), Some(frames));
        assert_eq!(FeetFrames::parse(&length.to_string(), gauge), Ok(length));
    }
}

fn samples(label: Timecode, sample_rate: NonZeroU32, units: i64) {
    let [floor, ceiling, half_up, half_even] =
        ROUNDINGS.map(|rounding| label.samples(sample_rate.get(), rounding));
    assert!(floor <= half_up && half_up <= ceiling && ceiling - floor <= 1);
    assert!(floor <= half_even && half_even <= ceiling);
    // the frame that contains the first sample of a frame is that frame, where frames have a sample
    if u64::from(sample_rate.get()) * u64::from(label.rate().denominator())
        >= u64::from(label.rate().numerator())
    {
        let first = RealTime::from_units(i64::try_from(ceiling).unwrap(), sample_rate);
        assert_eq!(first.frame(label.rate(), smpte_timecode::Rounding::Floor), Some(label.frame().into()));
    }
    let time = RealTime::from_units(units, sample_rate);
    for rounding in ROUNDINGS {
        assert_eq!(time.units(sample_rate.get(), rounding), Some(units));
        // None where it does not fit
        let _ = (time.nanos(rounding), time.premiere_ticks(rounding), time.frame(label.rate(), rounding));
    }
    assert!(RealTime::from_units(units.saturating_sub(1), sample_rate) <= time);
}
