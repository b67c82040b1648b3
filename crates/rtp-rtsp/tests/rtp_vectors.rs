//! Every vector of `specification/vectors/rtp-*.json`, both ways where there are two.

use std::path::Path;

use bytes::BytesMut;
use rtp_rtsp::jpeg::{Image, MainHeader, RestartHeader, TableHeader, quantization};
use rtp_rtsp::lab::{Fragments, Numbering};
use rtp_rtsp::media::{Codec, Depacketizer, Packetizer, Packets};
use rtp_rtsp::rtcp::{Compound, Packet as Rtcp, SenderInfo, Writer};
use rtp_rtsp::rtp::{NtpTime, Outgoing, Packet, ReceptionReport, RtpError, SequenceTracker};
use rtp_rtsp::{h264, lab};
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specification/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let whole: Value = serde_json::from_str(&text).unwrap();
    let all = whole["vectors"].as_array().unwrap().clone();
    assert!(!all.is_empty());
    all
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(value: &Value) -> T {
    value.as_u64().unwrap().try_into().unwrap()
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn name(v: &Value) -> &str {
    v["name"].as_str().unwrap()
}

#[test]
fn packets() {
    for v in vectors("rtp-packets.json") {
        let bytes = hex(&v["bytes"]);
        let parsed = Packet::parse(&bytes);
        if let Some(error) = v["error"].as_str() {
            let fits = match parsed {
                Err(RtpError::TooShort { .. }) => error == "too short",
                Err(RtpError::Version { .. }) => error == "version",
                Err(RtpError::Padding { .. }) => error == "padding",
                _ => false,
            };
            assert!(fits, "{}: {parsed:?}", name(&v));
            continue;
        }
        let p = parsed.unwrap_or_else(|e| panic!("{}: {e}", name(&v)));
        let h = p.header;
        assert_eq!(h.marker, v["marker"].as_bool().unwrap(), "{}", name(&v));
        assert_eq!(h.payload_type, number::<u8>(&v["payload_type"]), "{}", name(&v));
        assert_eq!(h.sequence, number::<u16>(&v["sequence"]), "{}", name(&v));
        assert_eq!(h.timestamp, number::<u32>(&v["timestamp"]), "{}", name(&v));
        assert_eq!(h.ssrc, number::<u32>(&v["ssrc"]), "{}", name(&v));
        assert_eq!(p.payload, hex(&v["payload"]), "{}", name(&v));
        assert_eq!(u64::from(p.padding), v["padding"].as_u64().unwrap_or(0), "{}", name(&v));
        let csrcs: Vec<u32> = array(&v["csrcs"]).iter().map(number).collect();
        assert_eq!(p.csrcs().collect::<Vec<_>>(), csrcs, "{}", name(&v));
        match (p.extension, v.get("extension")) {
            (None, None) => {}
            (Some(e), Some(expected)) => {
                assert_eq!(
                    (e.profile, e.data.to_vec()),
                    (number(&expected["profile"]), hex(&expected["data"]))
                );
                let elements: Vec<(u8, Vec<u8>)> = e.elements().map(|e| (e.id, e.data.to_vec())).collect();
                let expected: Vec<(u8, Vec<u8>)> = array(&expected["elements"])
                    .iter()
                    .map(|e| (number(&e["id"]), hex(&e["data"])))
                    .collect();
                assert_eq!(elements, expected, "{}", name(&v));
            }
            other => panic!("{}: {other:?}", name(&v)),
        }
        let mut again = BytesMut::new();
        p.encode(&mut again);
        assert_eq!(again, bytes, "{} written again", name(&v));
    }
}

fn report(v: &Value) -> ReceptionReport {
    ReceptionReport {
        ssrc: number(&v["ssrc"]),
        fraction_lost: number(&v["fraction_lost"]),
        cumulative_lost: v["cumulative_lost"].as_i64().unwrap().try_into().unwrap(),
        highest_sequence: number(&v["highest_sequence"]),
        jitter: number(&v["jitter"]),
        last_sr: number(&v["last_sr"]),
        delay_since_last_sr: number(&v["delay_since_last_sr"]),
    }
}

#[test]
fn rtcp() {
    for v in vectors("rtp-rtcp.json") {
        let bytes = hex(&v["bytes"]);
        let parsed = Compound::parse(&bytes);
        if v.get("error").is_some() {
            assert!(parsed.is_err(), "{}: {parsed:?}", name(&v));
            continue;
        }
        let parsed: Vec<Rtcp<'_>> = parsed.unwrap_or_else(|e| panic!("{}: {e}", name(&v))).iter().collect();
        let expected = array(&v["packets"]);
        assert_eq!(parsed.len(), expected.len(), "{}", name(&v));
        let mut writer = Writer::default();
        let mut all_written = true;
        for (packet, e) in parsed.iter().zip(&expected) {
            let what = format!("{}: {packet:?}", name(&v));
            match *packet {
                Rtcp::SenderReport { ssrc, info, reports } => {
                    let ntp = u64::from_str_radix(e["ntp"].as_str().unwrap(), 16).unwrap();
                    let expected = SenderInfo {
                        ntp: NtpTime(ntp),
                        timestamp: number(&e["timestamp"]),
                        packets: number(&e["packets"]),
                        octets: number(&e["octets"]),
                    };
                    assert_eq!(
                        (e["type"].as_str(), ssrc, info),
                        (Some("SR"), number(&e["ssrc"]), expected),
                        "{what}"
                    );
                    let reports: Vec<_> = reports.iter().collect();
                    assert_eq!(
                        reports,
                        array(&e["reports"]).iter().map(report).collect::<Vec<_>>(),
                        "{what}"
                    );
                    writer.sender_report(ssrc, info, &reports);
                }
                Rtcp::ReceiverReport { ssrc, reports } => {
                    assert_eq!((e["type"].as_str(), ssrc), (Some("RR"), number(&e["ssrc"])), "{what}");
                    let reports: Vec<_> = reports.iter().collect();
                    assert_eq!(
                        reports,
                        array(&e["reports"]).iter().map(report).collect::<Vec<_>>(),
                        "{what}"
                    );
                    writer.receiver_report(ssrc, &reports);
                }
                Rtcp::SourceDescription(items) => {
                    let items: Vec<_> = items.collect();
                    let said: Vec<_> = items.iter().map(|i| (i.ssrc, i.kind, i.text.to_vec())).collect();
                    let expected: Vec<(u32, u8, Vec<u8>)> = array(&e["items"])
                        .iter()
                        .map(|i| (number(&i["ssrc"]), number(&i["kind"]), i["text"].as_str().unwrap().into()))
                        .collect();
                    assert_eq!((e["type"].as_str(), said), (Some("SDES"), expected), "{what}");
                    let pairs: Vec<(u8, &[u8])> = items.iter().map(|i| (i.kind, i.text)).collect();
                    writer.source_description(items[0].ssrc, &pairs);
                }
                Rtcp::Bye { sources, reason } => {
                    let sources: Vec<u32> = sources.iter().collect();
                    let expected: Vec<u32> = array(&e["sources"]).iter().map(number).collect();
                    assert_eq!((e["type"].as_str(), &sources), (Some("BYE"), &expected), "{what}");
                    assert_eq!(reason, e["reason"].as_str().unwrap().as_bytes(), "{what}");
                    writer.bye(&sources, reason);
                }
                Rtcp::App(app) => {
                    assert_eq!(
                        (e["type"].as_str(), app.subtype),
                        (Some("APP"), number(&e["subtype"])),
                        "{what}"
                    );
                    assert_eq!(
                        (app.ssrc, &app.name[..]),
                        (number(&e["ssrc"]), e["name"].as_str().unwrap().as_bytes())
                    );
                    assert_eq!(app.data, hex(&e["data"]), "{what}");
                    writer.app(app.subtype, app.ssrc, app.name, app.data);
                }
                Rtcp::Feedback(f) => {
                    assert_eq!(e["type"].as_str(), Some("FB"), "{what}");
                    assert_eq!(
                        (f.packet_type, f.format),
                        (number(&e["packet_type"]), number(&e["format"])),
                        "{what}"
                    );
                    assert_eq!((f.sender, f.media), (number(&e["sender"]), number(&e["media"])), "{what}");
                    assert_eq!(f.control, hex(&e["control"]), "{what}");
                    writer.feedback(f.packet_type, f.format, f.sender, f.media, f.control);
                }
                Rtcp::Other { packet_type, count, data } => {
                    assert_eq!(
                        (packet_type, count),
                        (number(&e["packet_type"]), number(&e["count"])),
                        "{what}"
                    );
                    assert_eq!(data, hex(&e["data"]), "{what}");
                    all_written = false;
                }
                _ => panic!("{what}"),
            }
        }
        if all_written {
            assert_eq!(writer.finish(), bytes, "{} written again", name(&v));
        }
    }
}

fn sent(packets: &Packets) -> Vec<Vec<u8>> {
    packets.iter().map(<[u8]>::to_vec).collect()
}

fn made_of(v: &Value, codec: Codec, payload_type: u8, unit: &[u8]) -> Packets {
    let out = Outgoing::new(payload_type, 7, number(&v["first_sequence"]), number(&v["max_packet"]));
    let packets = Packetizer::new(codec, out).packetize(unit, 9000).unwrap();
    let expected: Vec<Vec<u8>> = array(&v["packets"]).iter().map(hex).collect();
    assert_eq!(sent(&packets), expected, "{}", name(v));
    packets
}

#[test]
fn jpeg() {
    for v in vectors("rtp-jpeg.json") {
        match v["kind"].as_str().unwrap() {
            "header" => {
                let bytes = hex(&v["bytes"]);
                let (main, mut rest) = MainHeader::parse(&bytes).unwrap();
                assert_eq!(
                    (main.offset, main.kind),
                    (number(&v["offset"]), number(&v["type"])),
                    "{}",
                    name(&v)
                );
                assert_eq!(main.q, number::<u8>(&v["q"]), "{}", name(&v));
                let size = (8 * u64::from(main.width_8), 8 * u64::from(main.height_8));
                assert_eq!(size, (number(&v["width"]), number(&v["height"])), "{}", name(&v));
                assert_eq!(main.to_bytes(), bytes[..8], "{}", name(&v));
                if let Some(r) = v.get("restart") {
                    let (restart, after) = RestartHeader::parse(rest).unwrap();
                    assert_eq!(
                        (restart.interval, restart.count),
                        (number(&r["interval"]), number(&r["count"]))
                    );
                    assert_eq!(
                        (Some(restart.first), Some(restart.last)),
                        (r["first"].as_bool(), r["last"].as_bool())
                    );
                    assert_eq!(restart.to_bytes(), bytes[8..12]);
                    rest = after;
                }
                assert_eq!(main.has_tables(), v.get("table_bytes").is_some(), "{}", name(&v));
                if main.has_tables() {
                    let filled = [rest, &[0; 128]].concat();
                    let (tables, ..) = TableHeader::parse(&filled).unwrap();
                    assert_eq!(tables.length, number::<u16>(&v["table_bytes"]), "{}", name(&v));
                }
            }
            "tables" => {
                let tables = quantization(number(&v["q"])).unwrap();
                assert_eq!(tables.to_vec(), hex(&v["tables"]), "{}", name(&v));
            }
            "frame" => {
                let file = hex(&v["file"]);
                let packets = made_of(&v, Codec::Jpeg, 26, &file);
                let mut depacketizer = Depacketizer::new(Codec::Jpeg, 1 << 20).unwrap();
                let frames: Vec<_> = packets
                    .iter()
                    .filter_map(|p| depacketizer.push(&Packet::parse(p).unwrap()).unwrap())
                    .collect();
                assert_eq!(frames.len(), 1, "{}", name(&v));
                let (made, original) = (Image::parse(&frames[0].data).unwrap(), Image::parse(&file).unwrap());
                assert_eq!(made, original, "{}", name(&v));
            }
            "refused" => {
                let error = Image::parse(&hex(&v["file"])).expect_err(name(&v)).to_string();
                assert!(error.contains(v["reason"].as_str().unwrap()), "{}: {error}", name(&v));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn h264() {
    for v in vectors("rtp-h264.json") {
        match v["kind"].as_str().unwrap() {
            "access unit" => {
                let unit = hex(&v["access_unit"]);
                let packets = made_of(&v, Codec::H264, 96, &unit);
                assert_eq!(Some(packets.is_key()), v["key"].as_bool(), "{}", name(&v));
                let mut depacketizer = Depacketizer::new(Codec::H264, 1 << 20).unwrap();
                let frames: Vec<_> = packets
                    .iter()
                    .filter_map(|p| depacketizer.push(&Packet::parse(p).unwrap()).unwrap())
                    .collect();
                assert_eq!(frames.len(), 1, "{}", name(&v));
                assert_eq!(frames[0].data, unit, "{}", name(&v));
                assert_eq!(
                    (Some(frames[0].key), frames[0].damaged),
                    (v["key"].as_bool(), false),
                    "{}",
                    name(&v)
                );
            }
            "parameter sets" => {
                let sets = h264::ParameterSets::from_sprop(v["sprop"].as_str().unwrap()).unwrap();
                let sps = sets.parse_sps().unwrap();
                assert_eq!(
                    (sps.width, sps.height),
                    (number(&v["width"]), number(&v["height"])),
                    "{}",
                    name(&v)
                );
                let level = format!("{:06x}", sets.profile_level_id().unwrap());
                assert_eq!(level, v["profile_level_id"].as_str().unwrap());
                assert_eq!(sets.to_sprop(), v["sprop"].as_str().unwrap());
                assert_eq!(h264::ParameterSets::find(&sets.to_annex_b()), Some(sets));
            }
            "refused" => {
                let packet = [&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &hex(&v["payload"])].concat();
                let mut depacketizer = Depacketizer::new(Codec::H264, 1 << 20).unwrap();
                let error =
                    depacketizer.push(&Packet::parse(&packet).unwrap()).expect_err(name(&v)).to_string();
                assert!(error.contains(v["reason"].as_str().unwrap()), "{}: {error}", name(&v));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn lab_dialect() {
    for v in vectors("rtp-lab.json") {
        let fragments = match v["fragments"].as_str().unwrap() {
            "same" => Fragments::Same,
            "per-fragment" => Fragments::PerFragment,
            "whole" => Fragments::Whole,
            other => panic!("{other}"),
        };
        let mut frame = vec![5; number(&v["frame_bytes"])];
        frame[..2].copy_from_slice(&[0xff, 0xd8]);
        let end = frame.len() - 2;
        frame[end..].copy_from_slice(&[0xff, 0xd9]);
        let mut numbering = Numbering::new(fragments, number(&v["limit"]));
        numbering.set_next_sequence(number(&v["first_sequence"]));
        let packets = numbering.packetize(&frame, number(&v["timestamp"]));
        if v.get("error").is_some() {
            assert!(packets.is_err(), "{}", name(&v));
            continue;
        }
        let packets = packets.unwrap();
        let said: Vec<_> = packets.iter().map(|p| (p[..12].to_vec(), p.len() as u64)).collect();
        let expected: Vec<_> =
            array(&v["packets"]).iter().map(|p| (hex(&p["head"]), p["bytes"].as_u64().unwrap())).collect();
        assert_eq!(said, expected, "{}", name(&v));
        assert_eq!(numbering.next_sequence(), number::<u16>(&v["next_sequence"]), "{}", name(&v));
        let mut depacketizer = lab::Depacketizer::new(100_000);
        let last = packets.iter().map(|p| depacketizer.push(&Packet::parse(p).unwrap())).last();
        assert_eq!(last, Some(lab::Received::Frame(frame.into())), "{}", name(&v));
    }
}

#[test]
fn sequence() {
    for v in vectors("rtp-sequence.json") {
        let mut tracker = SequenceTracker::trusting();
        let said: Vec<Option<u64>> =
            array(&v["numbers"]).iter().map(|n| tracker.update(number(n)).extended()).collect();
        let expected: Vec<Option<u64>> = array(&v["extended"]).iter().map(Value::as_u64).collect();
        assert_eq!(said, expected, "{}", name(&v));
    }
}
