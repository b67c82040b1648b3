use serde_json::Value;
use smpte_timecode::ltc::{Encoder, EncoderConfig, Word};
use smpte_timecode::session::SessionRate;
use smpte_timecode::{Rate, Timecode};

use super::{Seeds, vectors, wav};
use crate::smpte::label::{OWN_READER, READERS};
use crate::smpte::{RATES, client_op, server_op};

pub(super) fn add(seeds: &mut Seeds) {
    labels(seeds);
    rates(seeds);
    addresses(seeds);
    packets(seeds);
    files(seeds);
    ltc(seeds);
    messages(seeds);
    conversations(seeds);
    wav::add(seeds);
}

fn labels(seeds: &mut Seeds) {
    for vector in vectors("smpte-notation.json").iter().chain(&vectors("smpte-lenient.json")) {
        let (name, label) = (text(vector, "name"), text(vector, "text"));
        let rate = rate_byte(text(vector, "rate"));
        if text(vector, "reader") == "strict" {
            seeds.add("smpte_label_strict", name, joined(&[&[rate], label.as_bytes()]));
        }
        let reader = reader(text(vector, "reader"));
        seeds.add("smpte_label_lenient", name, joined(&[&[rate], &reader, label.as_bytes()]));
    }
    // every fourth: among them are all kinds
    for vector in vectors("smpte-drop-frame.json").iter().step_by(4) {
        let (name, rate) = (text(vector, "name"), rate_byte(text(vector, "rate")));
        seeds.add("smpte_label_strict", name, joined(&[&[rate], text(vector, "label").as_bytes()]));
        let frame = number(vector, "frame");
        seeds.add(
            "smpte_timecode",
            name,
            joined(&[&[rate], &frame.to_le_bytes(), &1_i64.to_le_bytes(), &RATE_48K]),
        );
    }
    for vector in vectors("smpte-real-time.json") {
        let (name, rate) = (text(&vector, "name"), rate_byte(text(&vector, "rate")));
        let frame = number(&vector, "frame").to_le_bytes();
        seeds.add("smpte_timecode", name, joined(&[&[rate], &frame, &(-1_i64).to_le_bytes(), &RATE_48K]));
    }
    for vector in vectors("smpte-feet.json") {
        let gauges = ["35mm-4perf", "35mm-3perf", "35mm-2perf", "16mm", "16mm-20"];
        let gauge = gauges.iter().position(|gauge| *gauge == text(&vector, "gauge")).expect("a gauge");
        seeds.add(
            "smpte_feet",
            text(&vector, "name"),
            joined(&[&[byte(gauge)], text(&vector, "feet").as_bytes()]),
        );
    }
    for vector in vectors("smpte-packed.json") {
        let packed = u32::from_str_radix(text(&vector, "packed"), 16).expect("hex").to_le_bytes();
        let rate = rate_byte(text(&vector, "rate"));
        seeds.add("smpte_packed", text(&vector, "name"), joined(&[&[rate], &packed]));
    }
    for (base, label) in
        [(0, "01:00:00:00.3"), (1, "01:00:00:00.79"), (2, "00:00:59;29.99"), (1, "23:59:59:24.00")]
    {
        let rate = rate_byte(if label.contains(';') { "29.97df" } else { "25" });
        seeds.add("smpte_subframes", label, joined(&[&[rate, base], label.as_bytes()]));
    }
}

fn rates(seeds: &mut Seeds) {
    for vector in vectors("smpte-rates.json") {
        let others = vector["also"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for rate in std::iter::once(text(&vector, "text")).chain(others) {
            seeds.add("smpte_rate", rate, rate.into());
        }
        let (num, den) = (low_bytes(&vector, "num"), low_bytes(&vector, "den"));
        seeds.add("smpte_rate", text(&vector, "name"), joined(&[&den, &[0], &num, &[0, 0]]));
    }
}

fn addresses(seeds: &mut Seeds) {
    for vector in vectors("smpte-ltc.json").iter().filter(|vector| vector["kind"] == "word") {
        let (name, bytes) = (text(vector, "name"), hex(text(vector, "bytes")));
        let (rate, user_bits) = (rate_byte(text(vector, "rate")), user_bits(vector));
        let frame = label(vector).map_or(0, Timecode::frame);
        let frame = u64::from(frame).to_le_bytes();
        seeds.add("smpte_address", name, joined(&[&[rate], &bytes[..8], &user_bits, &[0], &frame]));
        seeds.add("smpte_ltc_word", name, bytes);
    }
    for vector in vectors("smpte-vitc.json") {
        let (name, digits) = (text(&vector, "name"), text(&vector, "bits"));
        let bits = digits.bytes().rev().fold(0_u128, |bits, digit| bits << 1 | u128::from(digit & 1));
        seeds.add("smpte_vitc", &format!("{name} bits"), joined(&[&[0], &bits.to_le_bytes()]));
        seeds.add("smpte_vitc", &format!("{name} digits"), joined(&[&[1], digits.as_bytes()]));
        let line: Vec<u8> = digits.bytes().flat_map(|digit| [16 + 175 * (digit & 1); 3]).collect();
        seeds.add("smpte_vitc", &format!("{name} line"), joined(&[&[2], &[16; 20], &line, &[16; 20]]));
        seeds.add("smpte_vitc", &format!("{name} drawn"), joined(&[&[3], &bits.to_le_bytes()]));
    }
    for vector in vectors("smpte-atc.json") {
        let name = text(&vector, "name");
        let words = text(&vector, "words").split(' ').map(|word| u16::from_str_radix(word, 16).expect("hex"));
        let words: Vec<u8> = words.flat_map(u16::to_le_bytes).collect();
        seeds.add("smpte_atc", name, joined(&[&[0], &words]));
        seeds.add("smpte_atc", &format!("{name} put right"), joined(&[&[1], &words]));
        let kind = [2, byte(number(&vector, "dbb1") as usize), byte(number(&vector, "dbb2") as usize)];
        seeds.add(
            "smpte_atc",
            &format!("{name} made"),
            joined(&[&kind, &[0; 8], &[rate_byte(text(&vector, "rate"))]]),
        );
    }
}

fn packets(seeds: &mut Seeds) {
    for vector in vectors("smpte-artnet.json") {
        let (rate, packet) = (rate_byte(text(&vector, "rate")), hex(text(&vector, "packet")));
        let frame = label(&vector).map_or(0, Timecode::frame).to_le_bytes();
        seeds.add("smpte_artnet", text(&vector, "name"), joined(&[&[0, rate], &frame, &[0], &packet]));
        let hint = [1, rate_byte("23.976")];
        seeds.add("smpte_artnet", "with a hint", joined(&[&hint, &[rate], &frame, &[0], &packet]));
    }
    for vector in vectors("smpte-mtc.json") {
        let (name, rate) = (text(&vector, "name"), rate_byte(text(&vector, "rate")));
        let frame = label(&vector).map_or(0, Timecode::frame).to_le_bytes();
        let quarters = hex(text(&vector, "quarter_frames"));
        let forward: Vec<u8> = quarters.iter().flat_map(|&data| [0xf1, data]).collect();
        let reverse: Vec<u8> = quarters[..8].iter().rev().flat_map(|&data| [0xf1, data]).collect();
        let full = hex(text(&vector, "full_frame"));
        seeds.add("smpte_mtc", name, joined(&[&[0, rate], &frame, &full, &forward, &reverse]));
        seeds.add(
            "smpte_mtc",
            &format!("{name} with a hint"),
            joined(&[&[1, rate, rate], &frame, &full, &forward]),
        );
    }
    let user_bits = [0xf0, 0x7f, 0x7f, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0xf7];
    seeds.add("smpte_mtc", "user bits", joined(&[&[0, 0, 0, 0, 0, 0], &user_bits]));
}

fn files(seeds: &mut Seeds) {
    for vector in vectors("smpte-files.json") {
        let (name, rate) = (text(&vector, "name"), rate_byte(text(&vector, "rate")));
        let frame = label(&vector).map_or(0, Timecode::frame).to_le_bytes();
        let head = joined(&[&[rate], &frame, &RATE_48K]);
        match text(&vector, "kind") {
            "bext" => {
                let body = joined(&[&vec![0; 338], &hex(text(&vector, "bytes")), &[1, 0]]);
                seeds.add("smpte_files", name, joined(&[&head, &[0], &body]));
            }
            "tmcd" => seeds.add("smpte_files", name, joined(&[&head, &[1], &hex(text(&vector, "entry"))])),
            _ => seeds.add("smpte_files", name, joined(&[&head, &[2], b"30000/1001\nDF"])),
        }
    }
}

fn ltc(seeds: &mut Seeds) {
    for (k, vector) in vectors("smpte-ltc.json").iter().enumerate() {
        let Some(start) = label(vector).or_else(|| labelled(vector, "first")) else { continue };
        let (name, rate) = (text(vector, "name"), rate_byte(text(vector, "rate")));
        // sample rate 48000, reversed and as integers in turn, 4 words, 7 samples before, in pieces of 100
        let flags = [byte(k % 4), 2, 7, 100];
        let level = [180];
        let parts: [&[u8]; 6] =
            [&[rate], &start.frame().to_le_bytes(), &[1], &user_bits(vector), &level, &flags];
        seeds.add("smpte_ltc_signal", name, joined(&parts));
    }
    for (name, start) in [
        ("24", Timecode::from_frame(Rate::FPS_24, 86_399)),
        ("25", Timecode::from_frame(Rate::FPS_25, -2)),
        ("29.97df", Timecode::from_frame(Rate::FPS_29_97_DF, 1799)),
        ("30", Timecode::from_frame(Rate::FPS_30, 12_345)),
        ("50", Timecode::from_frame(Rate::FPS_50, 50)),
    ] {
        for reverse in [false, true] {
            let name = if reverse { format!("{name} reversed") } else { name.to_owned() };
            seeds.add("smpte_ltc_runs", &name, joined(&[&[0, 0, 64], &runs(start, 3, reverse)]));
        }
        snippets(seeds, name, start);
    }
    let (first, second) = (Timecode::midnight(Rate::FPS_25), Timecode::from_frame(Rate::FPS_25, 1000));
    let cut = joined(&[
        &[0, 31, 100],
        &runs(first, 2, false),
        &[0, 0],
        &runs(second, 2, false),
        &runs(first, 1, true),
    ]);
    seeds.add("smpte_ltc_runs", "cut together", cut);
    let stopped = vec![4; 400];
    seeds.add("smpte_ltc_runs", "no word", joined(&[&[0, 1, 127], &stopped]));
}

/// A sample as bytes.
type Convert = fn(f32) -> Vec<u8>;

/// A little more than two words as samples of each kind.
fn snippets(seeds: &mut Seeds, name: &str, start: Timecode) {
    let mut samples = vec![0.0; 820];
    let encoder = Encoder::try_new(EncoderConfig::new(start, 8000));
    encoder.expect("8000 samples a second hold it").fill_f32(&mut samples);
    let kinds: [(u8, &str, Convert); 5] = [
        (0, "8 bits", |sample| vec![(sample * 800.0) as i8 as u8]),
        (1, "16 bits", |sample| ((sample * 32_768.0) as i16).to_le_bytes().into()),
        (2, "24 bits", |sample| ((sample * 8_388_608.0) as i32 * 256).to_le_bytes().into()),
        (3, "32 bits", |sample| ((sample * 2_147_483_648.0) as i32).to_le_bytes().into()),
        (4, "floating point", |sample| sample.to_le_bytes().into()),
    ];
    for (kind, kind_name, convert) in kinds {
        let bytes: Vec<u8> = samples.iter().flat_map(|&sample| convert(sample)).collect();
        seeds.add("smpte_ltc_samples", &format!("{name} {kind_name}"), joined(&[&[kind, 33], &bytes]));
    }
}

/// Words as lengths between edges, four samples a bit.
fn runs(start: Timecode, count: i64, reverse: bool) -> Vec<u8> {
    let step = if start.rate().nominal() > 30 { 2 } else { 1 };
    let mut bits = Vec::new();
    for k in 0..count {
        let word = Word::from_timecode(start + k * step).expect("the rate has a code");
        bits.extend((0..Word::BITS).map(|bit| word.bit(bit)));
    }
    if reverse {
        bits.reverse();
    }
    bits.into_iter().flat_map(|bit| if bit { vec![2, 2] } else { vec![4] }).collect()
}

fn messages(seeds: &mut Seeds) {
    for vector in vectors("smpte-session-messages.json") {
        let (name, line) = (text(&vector, "name"), text(&vector, "line"));
        let target = if vector["side"] == "client" { "smpte_client_message" } else { "smpte_server_message" };
        seeds.add(target, name, line.into());
        if vector["side"] == "server" {
            let joining = r#"{"type": "session_joined", "session_id": "ab1dd792-aeca-4566-a575-9d267ea3664c", "framerate": "25", "current_timecode": "01:00:00:00", "running": true}"#;
            let mut ops = opened(client_op::OPEN);
            said(&mut ops, client_op::LINE, 0, joining.as_bytes());
            said(&mut ops, client_op::LINE, 0, line.as_bytes());
            waited(&mut ops, client_op::WAIT, 3_000_000_000);
            seeds.add("smpte_client", name, ops);
        }
    }
    let welcome = r#"{"type": "welcome", "message": "", "supported_framerates": ["25", "29.97df"]}"#;
    let hello =
        r#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"], "server": "genlock/0.1.0"}"#;
    let created = r#"{"type": "session_created", "session_id": "ab1dd792-aeca-4566-a575-9d267ea3664c", "framerate": "25", "initial_timecode": "01:00:00:00"}"#;
    let started = r#"{"type": "timecode_started", "timecode": "01:00:00:00", "frame": 90000, "rate": "25/1", "drop": false, "at_ns": 5000000000}"#;
    let update = r#"{"type": "timecode_update", "timecode": "01:00:00:01", "frame": 90001, "rate": "25/1", "drop": false, "at_ns": 5040000000}"#;
    let mut ops = opened(client_op::OPEN);
    for line in [welcome, hello, created, started] {
        said(&mut ops, client_op::LINE, 0, line.as_bytes());
    }
    for _ in 0..4 {
        said(&mut ops, client_op::LINE, 0, br#"{"type": "pong", "t": $p, "server_ns": 5010000000}"#);
        waited(&mut ops, client_op::WAIT, 100_000_000);
    }
    said(&mut ops, client_op::LINE, 0, update.as_bytes());
    for (what, text) in [
        (0, "25 01:00:00:00"),
        (1, "ab1d"),
        (3, ""),
        (5, "00:00:00:00 x"),
        (6, ""),
        (7, ""),
        (2, ""),
        (8, ""),
    ] {
        ops.extend([client_op::COMMAND, what, byte(text.len())]);
        ops.extend(text.as_bytes());
        waited(&mut ops, client_op::LATE, 1_000_000_000);
    }
    seeds.add("smpte_client", "a whole life", ops);
}

/// The conversations of the vectors, for the server; what is said in them, for the codec.
fn conversations(seeds: &mut Seeds) {
    for (k, vector) in vectors("smpte-session.json").iter().enumerate() {
        let name = text(vector, "name");
        let (mut ops, mut stream) = (vec![u8::from(vector["truncated_labels"] == true)], Vec::new());
        for step in vector["steps"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (who, rest) = step.split_once(' ').expect("a step has two words");
            let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
            let client = who.bytes().next().map_or(0, |letter| letter.wrapping_sub(b'A'));
            match verb {
                "open" => ops.extend([server_op::OPEN, 0]),
                ">" => {
                    said(&mut ops, server_op::LINE, client, what.as_bytes());
                    stream.extend(what.bytes().chain([b'\n']));
                    said_by_clients(seeds, name, what);
                }
                "hex" => {
                    said(&mut ops, server_op::BYTES, client, &hex(what));
                    seeds.add("smpte_lines", name, joined(&[&[200, 7], &hex(what)]));
                }
                "end" => said(&mut ops, server_op::END, client, what.as_bytes()),
                "<" if !what.contains('$') => seeds.add("smpte_server_message", name, what.into()),
                _ if who == "wait" => waited(&mut ops, server_op::WAIT, verb.parse().expect("nanoseconds")),
                _ => {}
            }
        }
        seeds.add("smpte_server", name, ops);
        // they differ in their JSON, which is nothing to this target
        if k % 8 == 0 {
            seeds.add("smpte_lines", name, joined(&[&[200, 7], &stream]));
        }
    }
    program(seeds);
}

fn said_by_clients(seeds: &mut Seeds, name: &str, line: &str) {
    seeds.add("smpte_client_message", name, line.into());
    let Ok(message) = serde_json::from_str::<Value>(line) else { return };
    let label = message["initial_timecode"].as_str().or(message["timecode"].as_str());
    let rate = SessionRate::all().position(|rate| message["framerate"] == rate.name()).unwrap_or_default();
    if let Some(label) = label {
        seeds.add("smpte_label_session", name, joined(&[&[byte(rate)], label.as_bytes()]));
        seeds.add("smpte_label_session", name, joined(&[&[0x40 | byte(rate)], label.as_bytes()]));
    }
}

/// What programs do with a server.
fn program(seeds: &mut Seeds) {
    let mut ops = vec![4, server_op::WALL];
    ops.extend(1_795_252_445_123_456_789_i64.to_le_bytes());
    ops.extend([server_op::CREATE, 8, 2, 3, server_op::OPEN, 0, server_op::OPEN, 1]);
    for client in 0..2 {
        said(
            &mut ops,
            server_op::LINE,
            client,
            br#"{"type": "hello", "extensions": ["frame", "clock", "list", "status"]}"#,
        );
        said(&mut ops, server_op::LINE, client, br#"{"type": "join_session", "session_id": "$1"}"#);
    }
    for what in [0, 2, 4, 4, 0x84, 1, 0, 3] {
        ops.extend([server_op::STEER, 0, what, 2]);
        ops.extend(5_000_000_u64.to_le_bytes());
        waited(&mut ops, server_op::WAIT, 100_000_000);
        said(&mut ops, server_op::LINE, 0, br#"{"type": "list_sessions"}"#);
        waited(&mut ops, server_op::LATE, 300_000_000);
        ops.push(server_op::UNDRAINED);
        said(&mut ops, server_op::LINE, 1, br#"{"type": "reset_timecode", "timecode": "01:00:00;00"}"#);
    }
    ops.extend([server_op::CLOSE, 0, server_op::CLOSE, 0]);
    seeds.add("smpte_server", "a program's session", ops);
}

fn opened(op: u8) -> Vec<u8> {
    vec![0, op, 0]
}

fn said(ops: &mut Vec<u8>, op: u8, client: u8, bytes: &[u8]) {
    let Ok(length) = u16::try_from(bytes.len()) else { return };
    ops.extend([op, client]);
    ops.extend(length.to_le_bytes());
    ops.extend(bytes);
}

fn waited(ops: &mut Vec<u8>, op: u8, nanos: u64) {
    ops.push(op);
    ops.extend(nanos.to_le_bytes());
}

/// The bytes that mean this reader.
fn reader(name: &str) -> Vec<u8> {
    match name {
        "promote" => vec![OWN_READER, 0, 0, 1, 0, 0, 0, 0, 0],
        "clock_time" => vec![OWN_READER, 0, 0, 0, 4, 2, 2, 2, 8],
        "days" => vec![OWN_READER, 0, 0, 0, 0, 0, 0, 0, 24],
        _ => {
            let at = READERS.iter().position(|(reader, _)| *reader == name);
            vec![byte(at.unwrap_or_else(|| panic!("no reader {name}")))]
        }
    }
}

/// The byte that means this rate.
pub(super) fn rate_byte(name: &str) -> u8 {
    let rate: Rate = name.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
    // those that are not in the table are tried by their names
    byte(RATES.iter().position(|&known| known == rate).unwrap_or_default())
}

fn label(vector: &Value) -> Option<Timecode> {
    labelled(vector, "label")
}

fn labelled(vector: &Value, key: &str) -> Option<Timecode> {
    let rate: Rate = vector["rate"].as_str()?.parse().ok()?;
    Timecode::parse(vector[key].as_str()?, rate).ok()
}

fn user_bits(vector: &Value) -> [u8; 4] {
    vector["user_bits"]
        .as_str()
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .unwrap_or_default()
        .to_le_bytes()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{vector} has no {key}"))
}

fn number(vector: &Value, key: &str) -> i64 {
    vector[key].as_i64().unwrap_or_else(|| panic!("{vector} has no {key}"))
}

/// The low 32 bits of a number.
fn low_bytes(vector: &Value, key: &str) -> [u8; 4] {
    (number(vector, key) as u32).to_le_bytes()
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
    let value = |digit: u8| char::from(digit).to_digit(16).expect("a hex digit") as u8;
    pairs.map(|&[high, low]| value(high) << 4 | value(low)).collect()
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("a byte")
}

pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

const RATE_48K: [u8; 4] = 48_000_u32.to_le_bytes();
