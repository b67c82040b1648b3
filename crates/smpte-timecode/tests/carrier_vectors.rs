//! Every vector of LTC, VITC and ATC, both ways.

use serde_json::Value;
use smpte_timecode::address::{Address, BinaryGroups, Date, FlagLayout, TimeZone, user_bits_from_characters};
use smpte_timecode::atc::AtcPacket;
use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig, Word};
use smpte_timecode::vitc::{LineShape, Vitc};
use smpte_timecode::{Rate, Timecode};

/// Runs `check` on each vector of a file; the name of the failing one is the last that is printed.
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

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {vector}"))
}

fn number(vector: &Value, key: &str) -> u64 {
    vector[key].as_u64().unwrap_or_else(|| panic!("{key} is no number in {vector}"))
}

fn rate(vector: &Value) -> Rate {
    text(vector, "rate").parse().unwrap()
}

fn label(vector: &Value, key: &str) -> Timecode {
    Timecode::parse(text(vector, key), rate(vector)).unwrap()
}

fn user_bits(vector: &Value) -> u32 {
    u32::from_str_radix(text(vector, "user_bits"), 16).unwrap()
}

fn layout(vector: &Value) -> FlagLayout {
    match text(vector, "layout") {
        "525" => FlagLayout::Lines525,
        "625" => FlagLayout::Lines625,
        other => panic!("layout {other}"),
    }
}

#[test]
fn ltc() {
    vectors!("smpte-ltc.json", |vector| match text(vector, "kind") {
        "word" => ltc_word(vector),
        "word_starts" => ltc_word_starts(vector),
        "sequence" => ltc_sequence(vector),
        other => panic!("kind {other}"),
    });
}

fn ltc_word(vector: &Value) {
    let hex = text(vector, "bytes");
    let bytes: [u8; 10] =
        core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
    let groups = BinaryGroups::from_bits(u8::try_from(vector["bgf"].as_u64().unwrap_or(0)).unwrap());
    let colour_frame = vector["colour_frame"].as_bool().unwrap_or(false);

    let address = Address::from_timecode(label(vector, "label"))
        .unwrap()
        .with_user_bits(user_bits(vector))
        .with_binary_groups(layout(vector), groups)
        .with_colour_frame(colour_frame)
        .with_polarity_correction(layout(vector));
    assert_eq!(Word::new(address).to_bytes(), bytes);

    let word = Word::from_bytes(bytes).unwrap();
    assert_eq!(word.timecode(rate(vector)), Ok(label(vector, "label")));
    assert_eq!(word.address().user_bits(), user_bits(vector));
    assert_eq!(word.address().binary_groups(layout(vector)), groups);
    assert_eq!(word.address().colour_frame(), colour_frame);
    assert!(word.has_even_parity());
    assert_eq!(word.to_bytes(), bytes);

    if let Some(date) = vector.get("date") {
        let part = |key| u8::try_from(number(date, key)).unwrap();
        let zone = TimeZone::from_offset_minutes(330).unwrap();
        assert_eq!(zone.to_string(), text(date, "zone"));
        let date = Date::try_new(part("year"), part("month"), part("day"), zone).unwrap();
        assert_eq!(date.to_user_bits(), user_bits(vector));
        assert_eq!(Date::from_user_bits(user_bits(vector)), Ok(date));
    }
    if let Some(characters) = vector["characters"].as_str() {
        let four = characters.as_bytes().try_into().unwrap();
        assert_eq!(user_bits_from_characters(four), user_bits(vector));
    }
}

fn ltc_word_starts(vector: &Value) {
    let starts: Vec<u64> =
        vector["starts"].as_array().unwrap().iter().map(|start| start.as_u64().unwrap()).collect();
    let sample_rate = u32::try_from(number(vector, "sample_rate")).unwrap();
    let midnight = Timecode::midnight(rate(vector));
    let mut encoder = Encoder::try_new(EncoderConfig::new(midnight, sample_rate)).unwrap();
    let encoded: Vec<u64> = (0..starts.len() as u64).map(|word| encoder.start_of_word(word)).collect();
    assert_eq!(encoded, starts);

    // where the decoder finds them, and where a look at the signs of the samples does
    let mut samples = vec![0_i16; usize::try_from(encoder.start_of_word(starts.len() as u64)).unwrap()];
    encoder.fill_i16(&mut samples);
    let mut decoder = Decoder::try_new(sample_rate).unwrap();
    let mut decoded = Vec::new();
    decoder.decode(&samples[..], |word| decoded.push(word.start.sample()));
    decoder.finish(|word| decoded.push(word.start.sample()));
    assert_eq!(decoded, starts.iter().map(|&start| start as i64).collect::<Vec<_>>());
    for &start in &starts[1..] {
        let at = usize::try_from(start).unwrap();
        assert!(i32::from(samples[at - 1]) * i32::from(samples[at]) < 0, "no edge at {start}");
    }
}

fn ltc_sequence(vector: &Value) {
    let sample_rate = u32::try_from(number(vector, "sample_rate")).unwrap();
    let words = number(vector, "words");
    let first = label(vector, "first");
    let mut config = EncoderConfig::new(first, sample_rate);
    config.user_bits = user_bits(vector);
    let mut encoder = Encoder::try_new(config).unwrap();
    let mut samples = vec![0_i16; usize::try_from(encoder.start_of_word(words)).unwrap()];
    encoder.fill_i16(&mut samples);

    let mut decoder = Decoder::try_new(sample_rate).unwrap();
    let mut decoded = Vec::new();
    decoder.decode(&samples[..], |word| decoded.push(word));
    decoder.finish(|word| decoded.push(word));
    assert_eq!(decoded.len() as u64, words);
    for (word, steps) in decoded.iter().zip(0..) {
        assert_eq!(word.timecode(rate(vector)), Ok(first + steps));
        assert_eq!(word.user_bits(), user_bits(vector));
        assert_eq!(word.start.sample() as u64, encoder.start_of_word(steps as u64));
    }
    assert_eq!(decoded.last().unwrap().timecode(rate(vector)), Ok(label(vector, "last")));
}

#[test]
fn vitc() {
    vectors!("smpte-vitc.json", |vector| {
        let second_field = number(vector, "field") == 2;
        let colour_frame = vector["colour_frame"].as_bool().unwrap();
        let address = Address::from_timecode(label(vector, "label"))
            .unwrap()
            .with_user_bits(user_bits(vector))
            .with_colour_frame(colour_frame)
            .with_field_mark(layout(vector), second_field);
        assert_eq!(Vitc::new(address).to_string(), text(vector, "bits"));

        let vitc: Vitc = text(vector, "bits").parse().unwrap();
        assert_eq!(vitc.address().timecode(rate(vector)), Ok(label(vector, "label")));
        assert_eq!(vitc.address().user_bits(), user_bits(vector));
        assert_eq!(vitc.address().field_mark(layout(vector)), second_field);
        assert_eq!(vitc.address().colour_frame(), colour_frame);
        assert_eq!(vitc.to_string(), text(vector, "bits"));

        let mut line = [0; 720];
        vitc.draw(LineShape::for_width(720), &mut line);
        assert_eq!(Vitc::read(&line), Ok(vitc));
    });
}

#[test]
fn atc() {
    vectors!("smpte-atc.json", |vector| {
        let words: Vec<u16> =
            text(vector, "words").split(' ').map(|word| u16::from_str_radix(word, 16).unwrap()).collect();
        let packet = AtcPacket::from_packet(&words).unwrap();
        assert_eq!(packet.timecode(rate(vector)), Ok(label(vector, "label")));
        assert_eq!(packet.address.user_bits(), user_bits(vector));
        assert_eq!(u64::from(packet.kind.code()), number(vector, "dbb1"));
        assert_eq!(u64::from(packet.dbb2), number(vector, "dbb2"));
        assert_eq!(packet.to_packet().as_slice(), words);

        let made = AtcPacket::for_frame(label(vector, "label")).unwrap();
        if made.kind == packet.kind && packet.dbb2 == 0 {
            let address = made.address.with_user_bits(user_bits(vector));
            assert_eq!(AtcPacket { address, ..made }, packet);
        }
    });
}
