//! Every vector of the companion protocols, both ways.

use dvb_css::message::{
    CiiMessage, ControlTimestamp, MaxFreqError, MessageType, Precision, PresentationTimestamps, SetupData,
    TimeValue, WcMessage,
};
use dvb_css::wc::{Dispersion, Exchange, LocalClock};
use dvb_css::{DecodeError, Ratio};
use serde_json::Value;

/// Runs `check` on each vector of a file, named in the output if it fails.
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

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn time(vector: &Value, field: &str) -> TimeValue {
    let part = |index: usize| u32::try_from(vector[field][index].as_u64().unwrap()).unwrap();
    TimeValue { seconds: part(0), nanoseconds: part(1) }
}

#[test]
fn wall_clock_messages() {
    vectors!("css-wc.json", |v| {
        let raw = bytes(text(v, "hex"));
        let message = WcMessage::parse(&raw).unwrap();
        let expected = WcMessage {
            message_type: match number(v, "type") {
                0 => MessageType::Request,
                1 => MessageType::Response,
                2 => MessageType::ResponseBeforeFollowUp,
                _ => MessageType::FollowUp,
            },
            precision: Precision(i8::try_from(number(v, "precision")).unwrap()),
            max_freq_error: MaxFreqError(u32::try_from(number(v, "mfe")).unwrap()),
            originate: time(v, "originate"),
            receive: time(v, "receive"),
            transmit: time(v, "transmit"),
        };
        assert_eq!(message, expected);
        if v["encodes"] != false {
            assert_eq!(message.encode().as_slice(), raw);
        }
        if let Some(ns) = v["originate_ns"].as_str() {
            assert_eq!(message.originate.as_nanos().to_string(), ns);
        }
        // what follows the first 32 bytes does not matter, and nothing shorter is one
        let mut longer = raw.clone();
        longer.extend([0xaa; 1000]);
        assert_eq!(WcMessage::parse(&longer), Ok(message));
        for len in 0..32 {
            let found = u32::try_from(len).unwrap();
            assert_eq!(WcMessage::parse(&raw[..len]), Err(DecodeError::Short { found }));
        }
    });
}

#[test]
fn bad_wall_clock_messages() {
    vectors!("css-wc-bad.json", |v| {
        let error = WcMessage::parse(&bytes(text(v, "hex"))).unwrap_err();
        let name = match error {
            DecodeError::Short { .. } => "short",
            DecodeError::Version { .. } => "version",
            DecodeError::MessageType { .. } => "type",
            other => panic!("{other}"),
        };
        assert_eq!(name, text(v, "error"));
    });
}

#[test]
fn wall_clock_messages_as_json() {
    vectors!("css-wc-json.json", |v| {
        let message = WcMessage::parse_json(text(v, "json")).unwrap();
        assert_eq!(message.encode().as_slice(), bytes(text(v, "hex")));
        assert_eq!(WcMessage::parse_json(&message.to_json()), Ok(message), "{}", message.to_json());
    });
}

#[test]
fn candidates() {
    vectors!("css-wc-candidates.json", |v| {
        let ppm = |field| MaxFreqError::from_ppm(Ratio::from(number(v, field)));
        let exchange = Exchange {
            sent: number(v, "t1"),
            received: number(v, "t2"),
            answered: number(v, "t3"),
            arrived: number(v, "t4"),
            precision: Precision(i8::try_from(number(v, "precision")).unwrap()),
            max_freq_error: ppm("server_ppm"),
        };
        let local = LocalClock { max_freq_error: ppm("client_ppm"), precision: Dispersion::from_nanos(1000) };
        assert_eq!(exchange.offset_ns(), number(v, "offset"));
        assert_eq!(exchange.round_trip_ns(), number(v, "rtt"));
        let candidate = exchange.candidate(&local);
        assert_eq!(candidate.twice_parent, 2 * i128::from(number(v, "parent")));
        assert_eq!(candidate.twice_child, 2 * i128::from(number(v, "child")));
        // rounded up to picoseconds, at four places
        let near = |found: Dispersion, expected: &str| {
            let more = found.as_seconds().unwrap() - expected.parse::<Ratio>().unwrap();
            let tolerance = Ratio::new(4, 1_000_000_000_000);
            assert!(
                more >= -Ratio::new(1, 1_000_000_000_000_000) && more < tolerance,
                "{found:?} {expected}"
            );
        };
        near(candidate.initial_error, text(v, "initial_error"));
        let growth = Ratio::new(i128::from(candidate.growth.as_256ths_ppm()), 256_000_000);
        assert_eq!(growth, text(v, "growth").parse().unwrap());
        for at in v["dispersion"].as_array().unwrap() {
            let found = candidate.dispersion_at(at[0].as_i64().unwrap()) + local.precision;
            near(found, at[1].as_str().unwrap());
        }
    });
}

/// The property that an error is about.
fn property(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Missing { property } | DecodeError::Value { property } => property,
        DecodeError::NotAnObject => "object",
        DecodeError::HalfAvailable => "half",
        other => panic!("{other}"),
    }
}

/// Reads a vector, and what is written of it again; `to_json` of both is the same.
fn both_ways<T: PartialEq + std::fmt::Debug>(
    v: &Value,
    parse: fn(&str) -> Result<T, DecodeError>,
    to_json: fn(&T) -> String,
) -> Option<T> {
    let result = parse(text(v, "json"));
    if let Some(expected) = v["error"].as_str() {
        assert_eq!(property(result.unwrap_err()), expected);
        return None;
    }
    let message = result.unwrap();
    let written = to_json(&message);
    let tree = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let expected = v["written"].as_str().unwrap_or_else(|| text(v, "json"));
    assert_eq!(tree(&written), tree(expected));
    assert_eq!(parse(&written).as_ref(), Ok(&message));
    // whatever is missing at the end, it is an error and never a panic
    for (end, _) in written.char_indices() {
        assert!(parse(&written[..end]).is_err());
    }
    Some(message)
}

#[test]
fn content_identification() {
    vectors!("css-cii.json", |v| {
        let Some(message) = both_ways(v, CiiMessage::parse, CiiMessage::to_json) else { return };
        if let Some(terms) = v["status"].as_array() {
            let found = message.presentation_status.value().unwrap();
            assert!(found.iter().map(String::as_str).eq(terms.iter().map(|t| t.as_str().unwrap())));
        }
    });
}

#[test]
fn timelines() {
    vectors!("css-ts.json", |v| match text(v, "kind") {
        "setup" => {
            both_ways(v, SetupData::parse, SetupData::to_json);
        }
        "presentation" => {
            both_ways(v, PresentationTimestamps::parse, PresentationTimestamps::to_json);
        }
        _ => {
            let Some(found) = both_ways(v, ControlTimestamp::parse, ControlTimestamp::to_json) else {
                return;
            };
            assert_eq!(found.wall_clock_time.to_string(), text(v, "wall"));
            assert_eq!(found.timeline.map(|t| t.content_time.to_string()).as_deref(), v["content"].as_str());
            assert_eq!(found.timeline.map(|t| t.speed.to_string()).as_deref(), v["speed"].as_str());
        }
    });
}
