//! Seeds of the companion screen targets.

use serde_json::Value;

use super::{Seeds, vectors};
use crate::dvb::{client_op, tv_op, wc_flag};

pub(super) fn add(seeds: &mut Seeds) {
    for file in ["css-wc.json", "css-wc-bad.json"] {
        for vector in vectors(file) {
            let name = text(&vector, "name");
            // Some bad ones are told by their length or type alone.
            let Some(hex) = vector["hex"].as_str() else { continue };
            let bytes = bytes(hex);
            seeds.add("dvb_wc", name, bytes.clone());
            // no time passes; from one address; a datagram that has just arrived
            let mut step = vec![0; 9];
            step.extend([0, 0, 0, 0, 1, 0, u8::try_from(bytes.len().min(47)).unwrap_or(47)]);
            step.extend([0; 8]);
            step.extend(&bytes);
            seeds.add("dvb_wc_server", name, step);
            let mut answer = vec![0x40, 0x42, 0x0f, 0];
            answer.extend(bytes.iter().take(8).chain(bytes.iter().skip(16).take(16)));
            answer.extend([wc_flag::ANSWERS, 0, 0, 0, 0]);
            seeds.add("dvb_wc_client", name, [&[0; 4][..], &answer.repeat(12)].concat());
        }
    }
    for vector in vectors("css-wc-json.json") {
        seeds.add("dvb_wc_json", text(&vector, "name"), text(&vector, "json").into());
    }
    add_wall_clocks(seeds);
    let mut conversation = vec![client_op::WAIT, 30, 0];
    for (target, file) in [("dvb_cii", "css-cii.json"), ("dvb_ts", "css-ts.json")] {
        for vector in vectors(file) {
            let (name, json) = (text(&vector, "name"), text(&vector, "json"));
            seeds.add(target, name, json.into());
            let Ok(len) = u8::try_from(json.len()) else { continue };
            conversation.extend(said(client_op::TEXT, json.as_bytes()));
            // a client of TS comes and says it
            let mut steps = vec![0, 0, 0, 0, 1, tv_op::OPEN, 1, 0, 0, 0, 0, tv_op::TEXT, len];
            steps.extend(json.bytes());
            // it has said what it wants; and a program does
            let more = [tv(1, tv_op::OPEN, &[]), tv_text(0, SETUP), tv_text(0, json)].concat();
            let published = [tv(0, tv_op::OPEN, &[]), tv_words(0, tv_op::PUBLISH, json)].concat();
            seeds.add("dvb_tv_server", name, steps);
            seeds.add("dvb_tv_server", &format!("then {name}"), more);
            if target == "dvb_cii" {
                seeds.add("dvb_tv_server", &format!("published {name}"), published);
            }
        }
    }
    conversation.truncate(4000);
    seeds.add("dvb_clients", "everything", conversation);
    add_clients(seeds);
    add_television(seeds);
}

/// Each algorithm with each schedule, and servers of all kinds.
fn add_wall_clocks(seeds: &mut Seeds) {
    use wc_flag::{AGAIN, ANSWERS, LEFT, STRANGER, TRUE};
    // Half a second, then an answer of that kind, by a clock that is so many ns ahead, and an interval to look ahead.
    let step = |kind: u8, ahead: u32, flags: u8| {
        let head = [0, kind, 0xf0, 0, 0, 0, 50, 0];
        [&[0, 0x65, 0xcd, 0x1d][..], &head, &[0; 12], &ahead.to_be_bytes(), &[flags, 0, 0, 1, 0]].concat()
    };
    let good = || step(0, 3_000_000, ANSWERS | LEFT | TRUE);
    for algorithm in [0, 1, 2, 3, 4, 5, 12, 13] {
        for schedule in [0, 1, 2, 15, 128 | 2] {
            let config = [algorithm, schedule, 100, 0];
            let jump = step(0, 900_000_000, ANSWERS | LEFT | TRUE).repeat(4);
            let name = format!("algorithm {algorithm} schedule {schedule}");
            seeds.add("dvb_wc_client", &name, [&config[..], &good().repeat(20), &jump].concat());
        }
    }
    // Every 40 ms, and nobody answers.
    let often = [&[0, 0x5a, 0x62, 2][..], &step(0, 0, 0)[4..]].concat().repeat(60);
    seeds.add("dvb_wc_client", "asked too often", [&[0, 19, 40, 0], &often[..]].concat());
    let late = |kind: u8| [0, 0, 0, 0].iter().chain(&step(kind, 0, ANSWERS | TRUE)[4..]).copied().collect();
    let stories: [(&str, Vec<Vec<u8>>); 8] = [
        ("nobody answers", vec![step(0, 0, 0); 40]),
        ("a promise kept", vec![step(1, 0, ANSWERS | LEFT | TRUE), late(2), step(1, 0, ANSWERS | TRUE)]),
        ("a promise broken", vec![step(1, 0, ANSWERS | LEFT | TRUE), step(0, 0, 0), step(0, 0, 0)]),
        ("overtaken", vec![step(2, 0, ANSWERS | LEFT | TRUE), late(1), step(2, 0, ANSWERS), step(0, 0, 0)]),
        ("twice", vec![step(1, 0, ANSWERS | TRUE), late(1), late(0), late(2), late(2)]),
        ("stopped and started", vec![good(), step(0, 0, AGAIN | ANSWERS | TRUE), good(), good()]),
        ("a stranger", vec![good(), step(0, 0, STRANGER | ANSWERS | TRUE), good()]),
        ("left before it was asked", vec![step(0, 0, LEFT), step(0, 0, ANSWERS | TRUE), step(0, 0, LEFT)]),
    ];
    for (name, steps) in stories {
        seeds.add("dvb_wc_client", name, [&[0; 4][..], &steps.concat()].concat());
        seeds.add(
            "dvb_wc_client",
            &format!("{name} without stamps"),
            [&[0, 131, 100, 0], &steps.concat()[..]].concat(),
        );
    }
}

/// What a client of timelines wants.
const SETUP: &str = r#"{"contentIdStem": "", "timelineSelector": "t"}"#;
const RUNNING: &str =
    r#"{"contentTime": "834188", "wallClockTime": "116012000000", "timelineSpeedMultiplier": 1.0}"#;
const STOPPED: &str =
    r#"{"contentTime": null, "wallClockTime": "116012000000", "timelineSpeedMultiplier": null}"#;

fn add_clients(seeds: &mut Seeds) {
    use client_op::{BINARY, CLOSE, DISCONNECT, LATE, OPEN, POSITION, PRESENTATION, TEXT, WAIT};
    let position = [POSITION, 0, 0xca, 0x9a, 0x3b, 0, 0, 0, 0];
    let wait = vec![WAIT, 25, 0];
    let parts: Vec<Vec<u8>> = vec![
        vec![PRESENTATION],
        position.to_vec(),
        wait.clone(),
        vec![PRESENTATION],
        position.to_vec(),
        said(TEXT, b"pairingcompleted"),
        said(TEXT, RUNNING.as_bytes()),
        position.to_vec(),
        said(BINARY, RUNNING.as_bytes()),
        said(BINARY, b"\xff{}"),
        said(BINARY, b"{}"),
        said(TEXT, STOPPED.as_bytes()),
        position.to_vec(),
        said(TEXT, RUNNING.as_bytes()),
        vec![CLOSE, PRESENTATION],
        said(TEXT, RUNNING.as_bytes()),
        vec![OPEN],
        said(LATE, RUNNING.as_bytes()),
        said(TEXT, RUNNING.as_bytes()),
        position.to_vec(),
        vec![OPEN],
        wait,
        said(TEXT, RUNNING.as_bytes()),
        vec![DISCONNECT],
        said(TEXT, RUNNING.as_bytes()),
        vec![WAIT, 1, 0, OPEN, WAIT, 1, 0, DISCONNECT, DISCONNECT, CLOSE],
    ];
    seeds.add("dvb_clients", "a life", parts.concat());
}

/// What programs do with a television, and what its clients make of it.
fn add_television(seeds: &mut Seeds) {
    use tv_op::{ADD, BINARY, CLOSE, DOOR, DROPPED, OPEN, PLACE, PROPERTY, PUSH, REMOVE, STATE, STREAM};
    let running = [&[3, 128, 1][..], &[9; 16]].concat();
    let backwards = [&[3, 0, 0xfe][..], &[9; 16]].concat();
    let size = |number: u8, size: u16| tv(number, PROPERTY, &size.to_le_bytes());
    // There is content, and a client of each kind.
    let come = [size(0, 3), tv(0, OPEN, &[]), tv(1, OPEN, &[]), tv(2, OPEN, &[]), tv_text(1, SETUP)].concat();
    let all = |sizes: &[u16]| -> Vec<u8> {
        (0..10).flat_map(|number| sizes.iter().flat_map(move |n| size(number, *n))).collect()
    };
    // Binary requests of the wall clock, and an answer, which is none.
    let request = [&[0; 8][..], &[1, 2, 3, 4, 0xff, 0, 0, 1], &[0; 16]].concat();
    let answer = [&[0, 1][..], &request[2..]].concat();
    let binary = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).expect("it is short");
        tv(number, BINARY, &[&[length][..], bytes].concat())
    };
    let other = SETUP.replace("\"t\"", "\"x\"");
    let stem = SETUP.replace("\"\"", "\"uu\"");
    let presentation = concat!(
        r#"{"earliest": {"contentTime": "0", "wallClockTime": "minusinfinity"}, "#,
        r#""latest": {"contentTime": "0", "wallClockTime": "plusinfinity"}}"#
    );
    let minute = [0xff, 0xff, 0xff, 0xff, 9, PUSH].repeat(2);
    let stories: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("properties", vec![all(&[0, 3, 40]), all(&[6, 255, 300])]),
        ("too large", vec![all(&[2048, 2049]), all(&[0xffff, 511])]),
        ("too much altogether", vec![size(8, 768), size(8, 612)]),
        ("pushed", vec![size(0, 5), tv(0, PUSH, &[]), tv(1, PUSH, &[]), size(8, 3), tv(0, PUSH, &[])]),
        (
            "left out",
            vec![tv(0, DROPPED, &[]), size(0, 5), tv(0, DROPPED, &[]), tv(1, DROPPED, &[]), minute.clone()],
        ),
        ("silent", vec![tv(1, OPEN, &[]), tv(3, OPEN, &[]), minute]),
        ("wall clock", vec![binary(2, &request), binary(2, &answer), binary(2, &request[1..])]),
        (
            "wall clock as JSON",
            vec![
                tv_text(2, r#"{"v":0,"t":0,"otvs":1,"otvn":2}"#),
                tv_text(2, r#"{"v":0,"t":1,"p":0.0009765625,"mfe":50,"otvs":1,"otvn":2,"rt":2.5,"tt":2.5}"#),
                tv_text(2, "{}"),
            ],
        ),
        (
            "timelines",
            vec![
                tv(2, ADD, &[&[0, 0][..], &running].concat()),
                tv(1, OPEN, &[]),
                tv_text(3, &other),
                tv(1, STATE, &[0; 3]),
                tv(1, STATE, &[1, 0, 0]),
                tv(1, STATE, &[&[2, 0, 0][..], &[7; 8]].concat()),
                tv(1, STATE, &backwards),
                tv(1, STATE, &backwards),
                tv(0, REMOVE, &[]),
                tv(0, PLACE, &[5; 16]),
                tv(0, REMOVE, &[]),
                tv(0, PLACE, &[5; 16]),
                tv(0, STATE, &running),
                tv(0, REMOVE, &[]),
            ],
        ),
        (
            "as many as there is room for",
            vec![
                tv(0, ADD, &[&[1, 8][..], &running].concat()),
                tv(128, ADD, &[&[0, 0][..], &running].concat()),
                tv(7, REMOVE, &[]),
                tv(1, ADD, &[0, 8, 1, 0, 0]),
            ],
        ),
        (
            "wanted by several",
            vec![
                tv(1, OPEN, &[]).repeat(3),
                tv_text(3, SETUP),
                tv_text(4, SETUP),
                tv_text(5, &stem),
                tv(1, CLOSE, &[]),
                tv(0, PLACE, &[5; 16]),
                size(0, 2),
                size(0, 1),
                tv(2, CLOSE, &[]),
                tv(2, CLOSE, &[]),
                tv(2, CLOSE, &[]),
            ],
        ),
        (
            "said later",
            vec![
                tv_text(1, presentation),
                tv_text(1, &other),
                tv_text(1, "{}"),
                tv_text(0, "{}"),
                binary(1, presentation.as_bytes()),
                binary(1, b"\xff"),
                binary(0, b"\xff"),
                tv(1, PLACE, &[5; 16]),
            ],
        ),
        (
            "doors",
            vec![
                tv(5, DOOR, &[]),
                tv(5, DOOR, &[]),
                tv(1, OPEN, &[]),
                tv(1, DOOR, &[]),
                tv(1, OPEN, &[]),
                tv_text(2, SETUP),
                tv(4, DOOR, &[]),
                tv(6, DOOR, &[]),
                tv(7, DOOR, &[]),
                tv(3, OPEN, &[]),
            ],
        ),
        ("streams", vec![tv(0, STREAM, &[]), tv(0, STREAM, &[]), tv(0, STREAM, &[])]),
    ];
    for (name, steps) in stories {
        seeds.add("dvb_tv_server", name, [come.clone(), steps.concat()].concat());
    }
}

/// One step of a television, at once.
fn tv(number: u8, op: u8, what: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, number, op][..], what].concat()
}

fn tv_text(number: u8, text: &str) -> Vec<u8> {
    tv_words(number, tv_op::TEXT, text)
}

/// What fits is said.
fn tv_words(number: u8, op: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    tv(number, op, &[&[length][..], &text.as_bytes()[..length.into()]].concat())
}

/// A message to a client.
fn said(op: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a vector is short").to_le_bytes();
    [&[op][..], &length, bytes].concat()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16).unwrap_or(0);
    digits.chunks(2).map(byte).collect()
}
