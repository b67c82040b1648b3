//! Seeds of the MultiCam protocol.

use serde_json::Value;

use super::{Seeds, vectors};
use crate::multicam::op;

pub(super) fn add(seeds: &mut Seeds) {
    for vector in vectors("multicam-messages.json") {
        let (name, text) = (text(&vector, "name"), text(&vector, "text"));
        seeds.add("multicam_scan", name, [&[5], text.as_bytes()].concat());
        let command = vector["message"] == "command";
        seeds.add(if command { "multicam_command" } else { "multicam_reply" }, name, text.into());
        if command {
            add_command(seeds, name, text);
        } else {
            // It is asked how it is, and answers that.
            let ask = [1, op::CALL, 3, 0, 0, op::CALL, 0, 0, 0, op::OPEN];
            let steps = [&ask[..], &said(text), &said(text), &[op::WAIT, 0xff, 0xff]].concat();
            seeds.add("multicam_controller", name, steps);
            let start = [0, op::CALL, 4, 0, 200, op::OPEN];
            seeds.add("multicam_controller", name, [&start[..], &said(text).repeat(9)].concat());
        }
    }
    for (n, vector) in vectors("multicam-bad-commands.json").iter().enumerate() {
        let (name, text) = (format!("bad {n}"), text(vector, "text"));
        seeds.add("multicam_command", &name, text.into());
        seeds.add("multicam_scan", &name, [&[1], text.as_bytes()].concat());
        add_command(seeds, &name, text);
    }
    for vector in vectors("multicam-files.json") {
        let (name, bytes) = (text(&vector, "name"), hex(text(&vector, "hex")));
        seeds.add("multicam_file", name, [&[0, 0, 7], &bytes[..]].concat());
        seeds.add("multicam_file", name, [&[3, 0, 1], &bytes[..]].concat());
        if let Some(header) = vector["header"].as_str() {
            seeds.add("multicam_reply", name, header.into());
        }
    }
    for (n, vector) in vectors("multicam-statuses.json").iter().enumerate() {
        let status = vector["text"].as_str().or(vector["status"].as_str()).unwrap_or("ready");
        seeds.add("multicam_reply", &format!("status {n}"), format!("{{\"status\": \"{status}\"}}").into());
    }
    #[rustfmt::skip]
    let names = [
        "a.mp4", "Mountain-A1B2C3D4_1729000000123.mp4", "../a", "/a", "a\0", "C:a", "..", "multiCam-oak-1 (2)", "1729000003.5",
        "1.7290000035E9", "-1e-7",
    ];
    for (n, name) in names.into_iter().enumerate() {
        seeds.add("multicam_name", &format!("name {n}"), name.into());
    }
    let mut answer = vec![0x24, 2, 6, 0xec, 0, 0, 0, 0, 0, 0, 0, 66, b'L', b'O', b'C', b'L'];
    answer.extend([0xea, 0xb5, 0x7c, 0x80, 0, 0, 0, 0].repeat(4));
    // A second later, from the one that was asked, what it asked for.
    let step = [&[0x20, 0xbc, 0xbe, 3][..], &[0; 8], &[1], &answer].concat();
    seeds.add("multicam_ntp", "answers", step.repeat(9));
    for (name, flags, leap, stratum) in [
        ("not asked", 0, 0x24, 2),
        ("stranger", 3, 0x24, 2),
        ("does not know", 1, 0xe4, 2),
        ("refusal", 1, 0x24, 0),
    ] {
        let mut answer = answer.clone();
        answer[0] = leap;
        answer[1] = stratum;
        seeds.add("multicam_ntp", name, [&[0, 0, 0, 1][..], &[0; 8], &[flags], &answer].concat().repeat(3));
    }
}

/// A device to which this is said: by one that stays, and with a length before it.
fn add_command(seeds: &mut Seeds, name: &str, text: &str) {
    let after =
        [op::WAIT, 0xff, 0x0f, op::CALL, 1, 0, 0, op::CALL, 2, 1, 0, op::END, 0, op::WAIT, 0xff, 0xff];
    for flags in [0, 1, 3, 7] {
        let steps = [&[flags, op::CALL, 3, 0, 0, op::OPEN][..], &said(text), &after].concat();
        seeds.add("multicam_device", name, steps);
    }
    let length = u32::try_from(text.len()).expect("a vector is short").to_be_bytes();
    let framed = [&length[..], text.as_bytes()].concat();
    seeds.add("multicam_device", name, [&[3, op::OPEN][..], &said_bytes(&framed), &after].concat());
}

fn said(text: &str) -> Vec<u8> {
    said_bytes(text.as_bytes())
}

fn said_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a vector is short").to_le_bytes();
    [&[op::BYTES, 0][..], &length, bytes].concat()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
