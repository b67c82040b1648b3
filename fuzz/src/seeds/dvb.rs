//! Seeds of the companion screen targets.

use serde_json::Value;

use super::{Seeds, vectors};

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
            answer.extend([1, 0, 0, 0, 0]);
            seeds.add("dvb_wc_client", name, answer.repeat(12));
        }
    }
    for vector in vectors("css-wc-json.json") {
        seeds.add("dvb_wc_json", text(&vector, "name"), text(&vector, "json").into());
    }
    let mut conversation = Vec::new();
    for (target, file) in [("dvb_cii", "css-cii.json"), ("dvb_ts", "css-ts.json")] {
        for vector in vectors(file) {
            let (name, json) = (text(&vector, "name"), text(&vector, "json"));
            seeds.add(target, name, json.into());
            let Ok(len) = u8::try_from(json.len()) else { continue };
            conversation.extend([len, 0]);
            conversation.extend(json.bytes());
            conversation.extend([0; 8]);
            // a client of TS comes and says it
            let mut steps = vec![0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 6, len];
            steps.extend(json.bytes());
            seeds.add("dvb_tv_server", name, steps);
        }
    }
    conversation.truncate(4000);
    seeds.add("dvb_clients", "everything", conversation);
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16).unwrap_or(0);
    digits.chunks(2).map(byte).collect()
}
