//! Laws of the binary carriers: round trips, and that pieces don't matter.

use proptest::prelude::*;
use smpte_timecode::address::{
    Address, AddressError, BinaryGroups, Date, FlagLayout, TimeZone, characters, user_bits_from_characters,
};
use smpte_timecode::atc::{AtcKind, AtcPacket, VitcPlace};
use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig, Level, Samples, Word};
use smpte_timecode::vitc::{LineShape, Vitc};
use smpte_timecode::{Rate, Timecode};

mod ltc_signals;

const RATES: [Rate; 14] = [
    Rate::FPS_23_976,
    Rate::FPS_24,
    Rate::FPS_24_98,
    Rate::FPS_25,
    Rate::FPS_29_97,
    Rate::FPS_29_97_DF,
    Rate::FPS_30,
    Rate::FPS_30_DF,
    Rate::FPS_47_952,
    Rate::FPS_48,
    Rate::FPS_50,
    Rate::FPS_59_94,
    Rate::FPS_59_94_DF,
    Rate::FPS_60,
];

prop_compose! {
    fn any_label()(rate in prop::sample::select(&RATES[..]), frame in any::<u32>()) -> Timecode {
        Timecode::from_frame(rate, frame.into())
    }
}

fn any_layout() -> impl Strategy<Value = FlagLayout> {
    prop_oneof![Just(FlagLayout::Lines525), Just(FlagLayout::Lines625)]
}

proptest! {
    #[test]
    fn labels_come_back(label in any_label(), user_bits: u32, flags in 0_u8..8, colour_frame: bool) {
        let (rate, layout) = (label.rate(), FlagLayout::of(label.rate()));
        let groups = BinaryGroups::from_bits(flags);
        let decorate = |address: Address| {
            address.with_user_bits(user_bits).with_binary_groups(layout, groups).with_colour_frame(colour_frame)
        };
        let frame = decorate(Address::from_frame(label).unwrap());
        prop_assert_eq!(frame.frame_timecode(rate), Ok(label));
        prop_assert_eq!((frame.user_bits(), frame.binary_groups(layout), frame.colour_frame()), (user_bits, groups, colour_frame));
        prop_assert_eq!(frame.drop_frame(), rate.is_drop());

        match Address::from_timecode(label) {
            Ok(address) => {
                let address = decorate(address).with_polarity_correction(layout);
                prop_assert_eq!(address.timecode(rate), Ok(label));
                prop_assert_eq!((address.user_bits(), address.binary_groups(layout)), (user_bits, groups));
                prop_assert!(Word::new(address).has_even_parity());
            }
            Err(error) => {
                prop_assert!(rate.nominal() > 30 && label.frames() % 2 == 1);
                prop_assert_eq!(error, AddressError::SecondOfPair { frames: label.frames() });
            }
        }
    }

    #[test]
    fn any_64_bits_survive_every_carrier(bits: u64, dbb2: u8, kind in 0_u8..3) {
        let address = Address::from_bits(bits);
        prop_assert_eq!(Address::from_bytes(address.to_bytes()), address);
        prop_assert_eq!(address.with_user_bits(address.user_bits()), address);
        prop_assert_eq!(Word::from_bytes(Word::new(address).to_bytes()).unwrap().address(), address);
        prop_assert_eq!(Vitc::from_bits(Vitc::new(address).bits()).unwrap().address(), address);
        prop_assert_eq!(Vitc::new(address).to_string().parse::<Vitc>().unwrap().address(), address);
        let packet = AtcPacket { kind: AtcKind::from_code(kind).unwrap(), dbb2, address };
        prop_assert_eq!(AtcPacket::from_packet(&packet.to_packet()), Ok(packet));
        prop_assert_eq!(VitcPlace::from_code(dbb2).code(), dbb2);
    }

    #[test]
    fn any_bits_are_read_or_refused(bits: u128, words: [u16; 20], line in prop::collection::vec(any::<u8>(), 0..800)) {
        if let Ok(vitc) = Vitc::from_bits(bits) {
            prop_assert_eq!(vitc.bits(), bits);
        }
        if let Ok(packet) = AtcPacket::from_packet(&words) {
            prop_assert_eq!(packet.to_packet(), words);
        }
        let _ = Vitc::read(&line);
    }

    #[test]
    fn an_address_with_a_label_is_made_of_it(bits: u64, rate in prop::sample::select(&RATES[..]), layout in any_layout()) {
        let address = Address::from_bits(bits);
        if let Ok(label) = address.timecode(rate) {
            let made = Address::from_timecode(label).unwrap()
                .with_user_bits(address.user_bits())
                .with_colour_frame(address.colour_frame())
                .with_binary_groups(layout, address.binary_groups(layout))
                .with_field_mark(layout, address.field_mark(layout));
            prop_assert_eq!(made, address);
        }
    }

    #[test]
    fn dates_come_back(bits: u32) {
        if let Ok(date) = Date::from_user_bits(bits) {
            prop_assert_eq!(date.to_user_bits(), bits);
            let next = date.next_day();
            prop_assert!(next != date);
            prop_assert_eq!(Date::from_user_bits(next.to_user_bits()), Ok(next));
        }
        prop_assert_eq!(user_bits_from_characters(characters(bits)), bits);
        prop_assert_eq!(TimeZone::from_code(bits as u8).code(), bits as u8 & 0x3f);
    }

    #[test]
    fn lines_come_back_from_any_shape(bits: u64, start in 2 * 256_u32..40 * 256, bit_width in 6 * 256_u32..9 * 256, low in 0_u8..60, contrast in 60_u8..190) {
        let shape = LineShape { start, bit_width, low, high: low + contrast };
        let mut line = vec![0; 900];
        Vitc::new(Address::from_bits(bits)).draw(shape, &mut line);
        prop_assert_eq!(Vitc::read(&line), Ok(Vitc::new(Address::from_bits(bits))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn signals_come_back(
        label in any_label(),
        user_bits: u32,
        flags in 0_u8..8,
        sample_rate in prop_oneof![Just(44_100_u32), Just(48_000), Just(96_000), Just(192_000), 12_000_u32..50_000],
        tenths_of_db in 0_u16..600,
        reverse: bool,
    ) {
        let label = if Address::from_timecode(label).is_ok() { label } else { label + 1 };
        let mut config = EncoderConfig::new(label, sample_rate);
        (config.user_bits, config.binary_groups) = (user_bits, BinaryGroups::from_bits(flags));
        (config.level, config.reverse) = (Level::below_full_scale(tenths_of_db), reverse);
        let mut encoder = Encoder::try_new(config).unwrap();
        let mut samples = vec![0_i16; encoder.start_of_word(4) as usize];
        encoder.fill_i16(&mut samples);

        let mut decoder = Decoder::try_new(sample_rate).unwrap();
        let mut words = Vec::new();
        decoder.decode(&samples[..], |word| words.push(word));
        decoder.finish(|word| words.push(word));
        let step = if label.rate().nominal() > 30 { 2 } else { 1 } * if reverse { -1 } else { 1 };
        let labels: Vec<_> = words.iter().map(|word| word.timecode(label.rate())).collect();
        prop_assert_eq!(labels, (0..4).map(|k| Ok(label + k * step)).collect::<Vec<_>>());
        for (word, k) in words.iter().zip(0..) {
            prop_assert_eq!(word.start.sample() as u64, encoder.start_of_word(k));
            prop_assert_eq!(word.end.sample() as u64, encoder.start_of_word(k + 1));
            prop_assert_eq!((word.user_bits(), word.reverse), (user_bits, reverse));
            prop_assert!(word.parity_is_even() && word.confidence > 0);
        }
    }

    /// Clean and noisy stretches, gaps and other sounds, so that every part of the decoder has its turn.
    #[test]
    fn pieces_do_not_matter(seed: u64, sizes in prop::collection::vec(1_usize..3000, 1..8)) {
        let mut random = ltc_signals::Random::new(seed);
        let mut samples = Vec::new();
        for part in 0..6 {
            let rate = RATES[random.below(RATES.len())];
            let sent = ltc_signals::Sent::new("00:59:58:20", rate, 4, 0.5 + 3.0 * random.uniform());
            let sent = if part % 2 == 0 { sent } else { sent.with_noise(14.0 * random.uniform() as f32, seed) };
            let end = random.below(sent.samples.len());
            samples.extend(&sent.samples[..end]);
            samples.extend((0..random.below(2000)).map(|_| 0.1 * random.normal()));
        }
        let whole = ltc_signals::decode(&samples);
        let mut decoder = Decoder::try_new(ltc_signals::SAMPLE_RATE).unwrap();
        let (mut words, mut rest) = (Vec::new(), &samples[..]);
        for &size in sizes.iter().cycle() {
            let (piece, later) = rest.split_at(size.min(rest.len()));
            decoder.decode(piece, |word| words.push(word));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        decoder.finish(|word| words.push(word));
        prop_assert_eq!(&words, &whole);
        // and it is as new after the end of a stream
        words.clear();
        decoder.decode(&samples[..], |word| words.push(word));
        decoder.finish(|word| words.push(word));
        prop_assert_eq!(words, whole);
    }

    /// Not only does no input stop the decoder: words that are reported have labels.
    #[test]
    fn any_samples_are_taken(samples in prop::collection::vec(any::<f32>(), 0..6000), block in prop::collection::vec(any::<i16>(), 0..200)) {
        let mut decoder = Decoder::try_new(8000).unwrap();
        let mut count = 0;
        for _ in 0..20 {
            decoder.decode(&samples[..], |_| count += 1);
            decoder.decode(&block[..], |_| count += 1);
            let wide: Vec<i32> = block.iter().map(|&sample| i32::from(sample) << 16).collect();
            decoder.decode(Samples::I32(&wide), |_| count += 1);
        }
        decoder.finish(|_| count += 1);
        prop_assert_eq!(count, 0);
    }
}
