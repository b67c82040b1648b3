use smpte_timecode::Rate;

use crate::input::Input;

/// Text, and the same bytes as two terms: rates. Each is shown so that it is read back, and its numbers go together.
pub fn rate(data: &[u8]) {
    let text = Input::new(data).text();
    if let Ok(rate) = text.parse::<Rate>() {
        check(rate);
    }
    let mut input = Input::new(data);
    // most pairs of terms are no rate: make the first one of some frames a second
    let (den, drop) = (input.u32(), input.flag());
    let (num, near) = (input.u32(), u64::from(input.u16()) * u64::from(den));
    for num in [num, u32::try_from(near).unwrap_or(u32::MAX).wrapping_add(num % 8)] {
        if let Ok(rate) = Rate::try_new(num, den, drop) {
            assert_eq!(
                u64::from(rate.numerator()) * u64::from(den),
                u64::from(num) * u64::from(rate.denominator())
            );
            check(rate);
        }
    }
}

fn check(rate: Rate) {
    assert!((1..=Rate::MAX_NOMINAL).contains(&rate.nominal()));
    assert!(rate.denominator() > 0 && rate.numerator() > 0);
    assert_eq!(Rate::try_new(rate.numerator(), rate.denominator(), rate.is_drop()), Ok(rate));
    assert_eq!(rate.to_string().parse(), Ok(rate), "{rate}");
    assert_eq!(rate.frames_per_day(), 144 * rate.frames_per_ten_minutes());
    assert!(!rate.is_drop() || rate.can_drop());
    assert!(!rate.is_truncated(), "{rate} was not made so");
    let truncated = rate.truncated();
    assert!(!truncated.is_drop() || truncated == rate);
    assert!(truncated.nominal() <= rate.nominal() && truncated.nominal() >= 1);
    if let Some(pairs) = rate.halved() {
        assert_eq!((pairs.nominal() * 2, pairs.is_drop()), (rate.nominal(), rate.is_drop()));
        assert_eq!(
            u64::from(pairs.numerator()) * u64::from(rate.denominator()) * 2,
            u64::from(rate.numerator()) * u64::from(pairs.denominator())
        );
    }
}
