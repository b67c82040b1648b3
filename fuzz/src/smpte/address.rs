use smpte_timecode::Timecode;
use smpte_timecode::address::{
    Address, BinaryGroups, Date, FlagLayout, TimeZone, characters, user_bits_from_characters,
};
use smpte_timecode::ltc::Word;

use super::take_rate;
use crate::input::Input;

/// The bits that are the label: what is neither flag nor user bits.
const LABEL_BITS: u64 = 0x030f_070f_070f_030f;

/// `rate, 64 bits, 32 user bits, 3 group flags, frame`: time addresses, dates, characters.
pub fn address(data: &[u8]) {
    let mut input = Input::new(data);
    let (rate, bits, user_bits) = (take_rate(&mut input), input.u64(), input.u32());
    let (groups, frame) = (BinaryGroups::from_bits(input.byte() & 7), input.i64());
    let address = Address::from_bits(bits);
    let layout = FlagLayout::of(rate);
    assert_eq!(Address::from_bytes(address.to_bytes()), address);
    if let Ok(label) = address.timecode(rate) {
        let again = Address::from_timecode(label).expect("it was read from one");
        assert_eq!(again.bits() & LABEL_BITS, bits & LABEL_BITS);
        assert_eq!((again.drop_frame(), again.timecode(rate)), (address.drop_frame(), Ok(label)));
    }
    if let Ok(label) = address.frame_timecode(rate) {
        let again = Address::from_frame(label).expect("it was read from one");
        assert_eq!(again.bits() & LABEL_BITS, bits & LABEL_BITS);
        assert_eq!(again.frame_timecode(rate), Ok(label));
    }
    if let Ok(fields) = address.fields() {
        let again = Address::from_fields(fields, address.drop_frame());
        assert_eq!(again.map(|again| again.bits() & LABEL_BITS), Ok(bits & LABEL_BITS));
    }
    // each setter sets its own bits and no other
    let set = address.with_user_bits(user_bits).with_binary_groups(layout, groups).with_colour_frame(true);
    assert_eq!((set.user_bits(), set.binary_groups(layout), set.colour_frame()), (user_bits, groups, true));
    assert_eq!(set.bits() & LABEL_BITS, bits & LABEL_BITS);
    assert_eq!(
        (set.drop_frame(), set.field_mark(layout)),
        (address.drop_frame(), address.field_mark(layout))
    );
    assert_eq!(set.with_polarity_correction(layout).user_bits(), user_bits);
    assert!(Word::new(set.with_polarity_correction(layout)).has_even_parity());

    assert_eq!(user_bits_from_characters(characters(user_bits)), user_bits);
    date(user_bits);
    from_label(Timecode::from_frame(rate, frame));
}

fn date(user_bits: u32) {
    if let Ok(date) = Date::from_user_bits(user_bits) {
        assert_eq!(date.to_user_bits(), user_bits);
        assert!(!date.to_string().is_empty());
        assert!(Date::from_user_bits(date.next_day().to_user_bits()).is_ok());
        assert_ne!(date.next_day(), date);
        if let Some(minutes) = date.zone().offset_minutes() {
            let same = TimeZone::from_offset_minutes(minutes).expect("it is in the table");
            assert_eq!(same.offset_minutes(), Some(minutes));
        }
    }
}

/// What can be encoded is decoded as it was.
fn from_label(label: Timecode) {
    if let Ok(address) = Address::from_timecode(label) {
        assert_eq!(address.timecode(label.rate()), Ok(label));
    }
    if let Ok(address) = Address::from_frame(label) {
        assert_eq!(address.frame_timecode(label.rate()), Ok(label));
    }
}
