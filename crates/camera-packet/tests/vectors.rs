//! Every vector of the sheet, both ways, and every decoder vector cut at every byte.

use bytes::BytesMut;
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event, Stats};
use camera_packet::message::{Message, Telemetry};
use camera_packet::secret::Secret;
use camera_packet::settings::SettingsBlock;
use machine::Instant;
use serde_json::Value;

macro_rules! vectors {
    ($file:literal) => {{
        let text = include_str!(concat!("../../../specification/vectors/", $file));
        let file: Value = serde_json::from_str(text).expect($file);
        let vectors = file["vectors"].as_array().expect("vectors").clone();
        assert!(!vectors.is_empty());
        vectors
    }};
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

fn block(vector: &Value) -> SettingsBlock {
    SettingsBlock(hex(text(vector, "block")).try_into().expect("six bytes"))
}

/// What a decoder says of `input` cut into `pieces`, then ended: events as text, counters, bytes left.
fn decode(config: DecoderConfig, pieces: &[&[u8]]) -> (Vec<String>, Stats, usize) {
    let mut decoder = Decoder::new(config);
    let mut events = Vec::new();
    let now = Instant::default();
    for piece in pieces {
        let mut feed = decoder.feed(now, piece);
        while let Some(event) = feed.next() {
            events.push(format!("{event:?}"));
        }
    }
    let mut feed = decoder.end(now);
    while let Some(event) = feed.next() {
        events.push(format!("{event:?}"));
    }
    (events, decoder.stats(), decoder.held())
}

#[test]
fn frames_both_ways() {
    for v in vectors!("camera-frames.json") {
        let bytes = hex(text(&v, "hex"));
        let payload = v["payload"].as_str().map(hex).unwrap_or_default();
        let message = match text(&v, "message") {
            "telemetry" => Message::Telemetry(Telemetry {
                value: u8::try_from(v["value"].as_u64().unwrap()).unwrap(),
                timestamp_ms: text(&v, "timestamp_ms").parse().unwrap(),
            }),
            "settings-query" => Message::SettingsQuery,
            "settings-update" => Message::SettingsUpdate(block(&v)),
            "settings-reply" => Message::SettingsReply(block(&v)),
            "password" => Message::Password(Secret(&payload)),
            "ready" => Message::Ready,
            "auth-failed" => Message::AuthFailed(&payload),
            other => panic!("{other}"),
        };
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        assert_eq!(&out[..], &bytes[..], "{}", v["name"]);
        assert_eq!(out.len(), 7 + message.payload_len());

        let mut decoder = Decoder::new(DecoderConfig::new(Bounds::ANY));
        let mut feed = decoder.feed(Instant::default(), &bytes);
        let Some(Event::Frame(frame)) = feed.next() else { panic!("{}: no frame", v["name"]) };
        assert_eq!(u64::from(frame.kind.id), v["id"].as_u64().unwrap());
        assert_eq!(u64::from(frame.kind.ty), v["type"].as_u64().unwrap());
        assert_eq!(Message::parse(&frame), Ok(message), "{}", v["name"]);
        assert_eq!(feed.next(), None);
        assert_eq!((decoder.held(), decoder.stats().skipped), (0, 0));

        // Every beginning of it is no frame yet, and no error either.
        for cut in 0..bytes.len() {
            let (events, stats, held) = decode(DecoderConfig::new(Bounds::ANY), &[&bytes[..cut]]);
            assert_eq!((events.len(), stats.skipped, held), (0, 0, cut));
        }
    }
}

#[test]
fn decoder_vectors_cut_everywhere() {
    for v in vectors!("camera-decoder.json") {
        let name = &v["name"];
        let input = hex(text(&v, "input"));
        let mut config = DecoderConfig::new(Bounds::ANY);
        if v["unsynced"] == true {
            config = config.unsynced();
        }
        let whole = decode(config, &[&input]);

        // The table's events: those with a wrong checksum are only counted there.
        let mut decoder = Decoder::new(config);
        let mut seen = Vec::new();
        let mut note = |event: Event<'_>| {
            let (frame, what) = match event {
                Event::Frame(frame) => (frame, "frame"),
                Event::UnexpectedLength(frame) => (frame, "unexpected-length"),
                Event::Unknown(frame) => (frame, "unknown"),
                _ => return,
            };
            let payload: String = frame.payload.iter().map(|b| format!("{b:02x}")).collect();
            seen.push(serde_json::json!({"as": what, "kind": frame.kind.to_string(), "payload": payload}));
        };
        let mut feed = decoder.feed(Instant::default(), &input);
        while let Some(event) = feed.next() {
            note(event);
        }
        let mut feed = decoder.end(Instant::default());
        while let Some(event) = feed.next() {
            note(event);
        }
        assert_eq!(Value::Array(seen), v["events"], "{name}");
        let stats = decoder.stats();
        let counted = [stats.skipped, stats.bad, decoder.held() as u64];
        let wanted = ["skipped", "bad", "left"].map(|key| v[key].as_u64().unwrap());
        assert_eq!(counted, wanted, "{name}: skipped, bad, left");

        for size in 1..=input.len() {
            let pieces: Vec<&[u8]> = input.chunks(size).collect();
            assert_eq!(decode(config, &pieces), whole, "{name} in pieces of {size}");
        }
        for first in 0..=input.len() {
            for second in [first, (first + 1).min(input.len()), (first + 7).min(input.len())] {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                assert_eq!(decode(config, &pieces), whole, "{name} cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn settings_values() {
    for v in vectors!("camera-settings.json") {
        let Some(values) = v["values"].as_object() else { continue };
        let values = camera_packet::settings::Values {
            shutter_us: u32::try_from(values["shutter"].as_u64().unwrap()).unwrap(),
            gain: u32::try_from(values["gain"].as_u64().unwrap()).unwrap(),
            awb_red: values["awb_red"].as_f64().unwrap(),
            awb_blue: values["awb_blue"].as_f64().unwrap(),
            contrast: values["contrast"].as_f64().unwrap(),
            brightness: values["brightness"].as_f64().unwrap(),
        };
        assert_eq!(SettingsBlock::from_values(&values), block(&v), "{}", v["name"]);
    }
}

#[test]
fn scram_exchanges() {
    use camera_packet::message::ScramStep;
    use camera_packet::scram::{Keys, ScramClient, ScramServer};
    fn base64(text: &str) -> Vec<u8> {
        const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        let (mut bits, mut n) = (0_u32, 0);
        for c in text.trim_end_matches('=').chars() {
            bits = bits << 6 | u32::try_from(DIGITS.find(c).expect("base64")).unwrap();
            n += 6;
            if n >= 8 {
                n -= 8;
                out.push((bits >> n).to_le_bytes()[0]);
            }
        }
        out
    }
    for v in vectors!("camera-scram.json") {
        let (user, password) = (text(&v, "user"), text(&v, "password").as_bytes());
        let iterations = u32::try_from(v["iterations"].as_u64().unwrap()).unwrap();
        let keys = Keys::derive(password, &base64(text(&v, "salt")), iterations);
        if v["stored_key"].is_string() {
            assert_eq!(&keys.stored_key()[..], base64(text(&v, "stored_key")));
            assert_eq!(&keys.server_key()[..], base64(text(&v, "server_key")));
        }
        let mut client = ScramClient::new(user, password, text(&v, "client_nonce"));
        let first = client.first();
        let server = ScramServer::begin(&keys, user, first.as_bytes(), text(&v, "server_nonce")).unwrap();
        let server_first = server.first().to_owned();
        let last = client.answer(server_first.as_bytes()).unwrap();
        assert_eq!(last.rsplit_once(",p=").unwrap().1, text(&v, "proof"));
        let server_last = server.finish(&keys, last.as_bytes(), None).unwrap();
        assert_eq!(server_last, format!("v={}", text(&v, "signature")));
        assert_eq!(client.finish(server_last.as_bytes()), Ok(None));

        let steps = [
            (ScramStep::ClientFirst, first),
            (ScramStep::ServerFirst, server_first),
            (ScramStep::ClientFinal, last),
            (ScramStep::ServerFinal, server_last),
        ];
        for (wanted, (step, payload)) in v["frames"].as_array().unwrap().iter().zip(steps) {
            assert_eq!(payload, text(wanted, "payload"));
            let mut out = BytesMut::new();
            Message::Scram(step, payload.as_bytes()).encode(&mut out).unwrap();
            assert_eq!(out.len() - 7, usize::try_from(wanted["len"].as_u64().unwrap()).unwrap());
            assert_eq!(format!("{:02x}", out[3]), text(wanted, "type"));
            assert_eq!(format!("{:02x}", out[out.len() - 1]), text(wanted, "checksum"));
        }
    }
}
