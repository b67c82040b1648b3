//! specification/vectors/rtsp-messages.json: streams in pieces of every size, headers both ways, credentials.

use bytes::BytesMut;
use rtp_rtsp::auth::{Credentials, Question, digest_response};
use rtp_rtsp::codec::{Codec, Item, Limits};
use rtp_rtsp::rtsp::headers::{Algorithm, Range, Transport};
use rtp_rtsp::sdp::Description;
use serde_json::{Value, json};

/// All of one kind, at least one.
fn vectors(kind: &str) -> Vec<Value> {
    let text = include_str!("../../../specification/vectors/rtsp-messages.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let vectors = all["vectors"].as_array().unwrap().iter().filter(|v| v["kind"] == kind);
    let vectors: Vec<_> = vectors.cloned().collect();
    assert!(!vectors.is_empty());
    vectors
}

fn shown(item: Item) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut value = match &item {
        Item::Request(r) => {
            json!({"method": r.method_name(), "target": r.target(), "cseq": r.cseq(), "body": text(&r.body)})
        }
        Item::Response(r) => json!({"status": r.status().0, "cseq": r.cseq(), "body": text(&r.body)}),
        Item::Interleaved { channel, data } => json!({"channel": channel, "data": text(data)}),
        Item::Lab(r) => json!({"lab": r.method.as_str(), "file": r.file, "cseq": r.cseq, "port": r.port}),
    };
    value.as_object_mut().unwrap().retain(|name, v| !(v.is_null() || name == "body" && v == ""));
    value
}

#[test]
fn streams() {
    for vector in vectors("stream") {
        let text = vector["text"].as_str().unwrap().as_bytes();
        for size in 1..=text.len() {
            let mut codec = Codec::new(Limits { max_head: 1024, max_body: 1024 });
            let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
            for piece in text.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(item) = codec.decode(&mut buffer).unwrap() {
                    items.push(shown(item));
                }
            }
            items.extend(codec.take_idle(&mut buffer).map(|r| shown(Item::Lab(r))));
            assert_eq!(json!(items), vector["items"], "{} in pieces of {size}", vector["name"]);
            assert!(buffer.is_empty());
        }
    }
}

#[test]
fn headers_both_ways() {
    for vector in vectors("transport") {
        let text = vector["text"].as_str().unwrap();
        assert_eq!(Transport::parse(text).unwrap().to_text(), text);
    }
    for vector in vectors("range") {
        let text = vector["text"].as_str().unwrap();
        assert_eq!(Range::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn descriptions() {
    for vector in vectors("sdp") {
        let sdp = Description::parse(vector["text"].as_str().unwrap().as_bytes()).unwrap();
        let tracks: Vec<Value> = sdp
            .media
            .iter()
            .map(|media| {
                let map = media.rtp_map().unwrap();
                let mut track = json!({
                    "kind": media.kind, "encoding": map.encoding, "clock_rate": map.clock_rate,
                    "payload_type": media.payload_type(), "control": media.control(),
                });
                if let Some(level) = media.format_parameter("profile-level-id") {
                    track["level"] = json!(level);
                }
                track
            })
            .collect();
        assert_eq!(json!(tracks), vector["tracks"], "{}", vector["name"]);
        // What is written of it is read as the same.
        assert_eq!(Description::parse(sdp.to_text().as_bytes()), Ok(sdp));
    }
}

#[test]
fn digests() {
    for vector in vectors("digest") {
        let field = |name: &str| vector[name].as_str().unwrap();
        let algorithm = if field("algorithm") == "MD5" { Algorithm::Md5 } else { Algorithm::Sha256 };
        let question = Question {
            algorithm,
            realm: field("realm"),
            nonce: field("nonce"),
            method: field("method"),
            uri: field("uri"),
            qop: vector["cnonce"].as_str().map(|cnonce| (cnonce, field("count"))),
        };
        let who = Credentials::new(field("user"), field("password"));
        assert_eq!(digest_response(&who, &question), field("response"), "{}", vector["name"]);
    }
}
