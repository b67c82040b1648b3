use serde_json::Value;

use super::{Seeds, rtsp, vectors};
use crate::stage::op;

pub(super) fn add(seeds: &mut Seeds) {
    for vector in vectors("rtp-packets.json") {
        seeds.add("rtp_packet", text(&vector, "name"), hex(&vector["bytes"]));
    }
    for vector in vectors("rtp-rtcp.json") {
        let (name, bytes) = (text(&vector, "name"), hex(&vector["bytes"]));
        seeds.add("rtp_receiver", name, [&[0][..], &framed(std::slice::from_ref(&bytes))].concat());
        seeds.add("rtp_rtcp", name, bytes);
    }
    for vector in vectors("rtp-jpeg.json") {
        let name = text(&vector, "name");
        if let Some(file) = vector.get("file") {
            let file = hex(file);
            let limit = [0x00, 0x08, 7];
            seeds.add("rtp_mjpeg", name, [&limit[..], &file, &file].concat());
            let lab = format!("{:05}", file.len());
            seeds.add("rtp_mjpeg", "lab file", [&limit[..], lab.as_bytes(), &file].concat());
            let header = [0x80, 0x9a, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
            let (a, b) = file.split_at(file.len() / 2);
            let first = [&[0x80, 0x1a][..], &header[2..], a].concat();
            seeds.add("rtp_lab", name, framed(&[first, [&header[..], b].concat()]));
            seeds.add("rtp_image", name, file);
        }
        packets(seeds, "rtp_jpeg", 0, name, &vector);
    }
    for vector in vectors("rtp-h264.json") {
        let name = text(&vector, "name");
        if let Some(unit) = vector.get("access_unit") {
            let unit = hex(unit);
            seeds.add("rtp_annex_b", name, [&[0x00, 0x08, 5][..], &unit, &unit].concat());
        }
        if let Some(payload) = vector.get("payload") {
            let packet = [&[0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0][..], &hex(payload)].concat();
            seeds.add("rtp_h264", name, framed(&[packet]));
        }
        packets(seeds, "rtp_h264", 1, name, &vector);
    }
    for vector in vectors("rtsp-messages.json") {
        messages(seeds, &vector);
    }
    rtsp::conversations(seeds);
    let sps = "6742c01ed900a03db01100000300010000030030 8f162e48".replace(' ', "");
    seeds.add("rtp_sps", "ffmpeg baseline 640x480", hex(&Value::String(sps)));
}

fn messages(seeds: &mut Seeds, vector: &Value) {
    let Some(said) = vector["text"].as_str().map(str::as_bytes) else { return };
    let name = text(vector, "name");
    match text(vector, "kind") {
        "stream" => {
            seeds.add("rtsp_stream", name, [&[3], said].concat());
            let mut told = vec![0, op::OPEN, 0, 0];
            told.extend(super::said(0, said));
            told.extend([op::WAIT, 50, 0]);
            seeds.add("rtsp_server", name, told.clone());
            seeds.add("rtsp_client", name, told);
            seeds.add("rtsp_headers", name, said.to_vec());
        }
        "sdp" => seeds.add("rtsp_sdp", name, said.to_vec()),
        _ => seeds.add("rtsp_headers", name, said.to_vec()),
    }
}

/// The packets of a vector, to a depacketizer, a receiver and a relay.
fn packets(seeds: &mut Seeds, target: &str, codec: u8, name: &str, vector: &Value) {
    let Some(packets) = vector["packets"].as_array() else { return };
    let packets: Vec<Vec<u8>> = packets.iter().map(hex).collect();
    seeds.add(target, name, framed(&packets));
    let backwards: Vec<Vec<u8>> = packets.iter().rev().cloned().collect();
    for (target, packets) in
        [("rtp_receiver", &packets), ("rtp_receiver", &backwards), ("rtp_relay", &packets)]
    {
        seeds.add(target, name, [&[codec][..], &framed(packets)].concat());
    }
}

/// Packets behind their lengths.
fn framed(packets: &[Vec<u8>]) -> Vec<u8> {
    let lengths = packets.iter().map(|p| u16::try_from(p.len()).expect("a short packet").to_be_bytes());
    lengths.zip(packets).flat_map(|(length, packet)| [&length[..], packet].concat()).collect()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("no {field} in {vector}"))
}

pub(super) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}
