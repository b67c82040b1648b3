//! Seeds of the camera protocol.

use serde_json::Value;

use super::{Seeds, vectors};
use crate::stage::op;

pub(super) fn add(seeds: &mut Seeds) {
    for v in vectors("camera-decoder.json") {
        let (name, stream) = (text(&v, "name"), hex(text(&v, "input")));
        let flags = if v["unsynced"] == true { 8 } else { 0 };
        seeds.add("camera_decoder", name, [&[flags, 7], &stream[..]].concat());
        seeds.add("camera_decoder", name, [&[flags | 4, 1], &stream[..]].concat());
    }
    for v in vectors("camera-frames.json") {
        let (name, frame) = (text(&v, "name"), hex(text(&v, "hex")));
        seeds.add("camera_decoder", name, [&[2, 5], &frame[..]].concat());
        let service = frame.get(2).copied().unwrap_or(0);
        // The doors are telemetry, settings, authentication; IDs are authentication, telemetry, settings.
        let door = [2, 0, 1][usize::from(service) % 3];
        let open = [op::OPEN, door, 0];
        let length = u16::try_from(frame.len()).expect("a vector is short").to_le_bytes();
        let bytes = [&[op::BYTES, 0][..], &length, &frame].concat();
        let after = [op::WAIT, 0x10, 0x27, op::CALL, 3, 1, 0, 0, 0, 0, 0, op::END, 0, op::LATE, 0xff, 0xff];
        for flags in [0, 1, 2, 12] {
            seeds.add("camera_server", name, [&[flags], &open[..], &bytes, &after].concat());
        }
        let ask = [op::CALL, 0, 0, 0, 0, 0, 0, 0, op::CALL, 3, b'1', b'1', b'1', b'1', b'1', b'1'];
        for flags in [0, 1, 2, 5, 24, 56] {
            seeds.add("camera_client", name, [&[flags], &open[..], &ask, &bytes, &after].concat());
        }
    }
    for v in vectors("camera-scram.json") {
        let (mut server, mut client) = (vec![0xff, op::OPEN, 2, 0], vec![16, op::OPEN, 2, 0]);
        client.extend([op::CALL, 3, b'1', b'1', b'1', b'1', 0, 0]);
        for (n, frame) in v["frames"].as_array().expect("frames").iter().enumerate() {
            let payload = text(frame, "payload").as_bytes();
            let length = u16::try_from(payload.len()).expect("a vector is short");
            let ty = u8::from_str_radix(text(frame, "type"), 16).expect("hex");
            let mut bytes = [&[0, 0xff, 0, ty][..], &length.to_be_bytes(), payload].concat();
            bytes.push(bytes.iter().fold(0, |sum, byte| sum ^ byte));
            let to = if n % 2 == 0 { &mut server } else { &mut client };
            to.extend([op::BYTES, 0]);
            to.extend(u16::try_from(bytes.len()).expect("a vector is short").to_le_bytes());
            to.extend(bytes);
        }
        seeds.add("camera_server", text(&v, "name"), server);
        seeds.add("camera_client", text(&v, "name"), client);
    }
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}
