//! Every vector of `specification/vectors/multicam-*.json`, both ways and cut at every byte.

use bytes::BytesMut;
use multicam_common::codec::{FileDecoder, FileFrame, MAX_REPLY, MessageDecoder, Reply, encode_file_header};
use multicam_common::message::{
    CommandMessage, ErrorResponse, FileResponse, ListFilesResponse, StatusResponse, StopRecordingResponse,
};
use multicam_common::{DecodeError, DeviceStatus, Dialect, Form, Style};
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/../../specification/vectors/multicam-{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn form(vector: &Value) -> Form {
    let (dialect, style) = vector["form"].as_str().unwrap().split_once(' ').unwrap();
    let dialect = match dialect {
        "g0" => Dialect::G0,
        "v1" => Dialect::V1,
        "v2" => Dialect::V2,
        "both" => Dialect::Both,
        other => panic!("{other}"),
    };
    let style = match style {
        "python" => Style::Python,
        "gson" => Style::Gson,
        "swift" => Style::Swift,
        other => panic!("{other}"),
    };
    Form { dialect, style }
}

fn rewritten(kind: &str, text: &str, form: Form) -> Result<String, DecodeError> {
    Ok(match kind {
        "command" => CommandMessage::parse(text.as_bytes())?.to_text(form),
        "status" => StatusResponse::parse(text)?.to_text(form),
        "stop" => StopRecordingResponse::parse(text)?.to_text(form),
        "error" => ErrorResponse::parse(text)?.to_text(form),
        "files" => ListFilesResponse::parse(text)?.to_text(form),
        "header" => FileResponse::parse(text)?.to_text(form),
        other => panic!("{other}"),
    })
}

#[test]
fn messages_both_ways() {
    for v in vectors("messages") {
        let text = v["text"].as_str().unwrap();
        let expected = v["written"].as_str().unwrap_or(text);
        let form = form(&v);
        let kind = v["message"].as_str().unwrap();
        assert_eq!(rewritten(kind, text, form).as_deref(), Ok(expected), "{}", v["name"]);
        // What was written is read as the same.
        assert_eq!(rewritten(kind, expected, form).as_deref(), Ok(expected), "{}", v["name"]);
        // A reply is recognised for what it is.
        let reply = Reply::parse(text.as_bytes());
        match kind {
            "command" => assert_eq!(reply, Err(DecodeError::BadField { field: "command" })),
            "status" => assert!(matches!(reply, Ok(Reply::Status(_))), "{text}: {reply:?}"),
            "files" => assert!(matches!(reply, Ok(Reply::Files(_))), "{text}"),
            "error" => assert!(matches!(reply, Ok(Reply::Error(_))), "{text}"),
            "stop" if text.contains("\"error\"") => assert!(matches!(reply, Ok(Reply::Error(_))), "{text}"),
            _ => assert!(matches!(reply, Ok(Reply::Stopped(_))), "{text}"),
        }
    }
}

#[test]
fn messages_cut_at_every_byte() {
    for v in vectors("messages") {
        let text = v["text"].as_str().unwrap();
        let twice = format!("{text}\r\n\0{text}");
        for cut in 1..=text.len() {
            for input in [text, &twice] {
                let (mut decoder, mut buffer) = (MessageDecoder::new(MAX_REPLY), BytesMut::new());
                let mut found = Vec::new();
                for piece in [&input[..cut], &input[cut..]] {
                    buffer.extend_from_slice(piece.as_bytes());
                    while let Some(message) = decoder.decode(&mut buffer).unwrap() {
                        assert!(!message.prefixed);
                        found.push(message.text);
                    }
                }
                assert!(found.iter().all(|t| t == text) && found.len() == input.len() / text.len());
                assert!(buffer.is_empty());
            }
        }
        for end in 0..text.len() {
            let prefix = &text[..end];
            assert!(rewritten(v["message"].as_str().unwrap(), prefix, Form::BOTH).is_err());
        }
    }
}

#[test]
fn files_both_ways_and_cut_at_every_byte() {
    for v in vectors("files") {
        let input = hex(v["hex"].as_str().unwrap());
        for cut in 0..=input.len() {
            let (mut decoder, mut buffer) = (FileDecoder::new(), BytesMut::new());
            let (mut header, mut body, mut over, mut refused, mut error) = (None, vec![], false, None, None);
            'pieces: for piece in [&input[..cut], &input[cut..]] {
                buffer.extend_from_slice(piece);
                loop {
                    match decoder.decode(&mut buffer) {
                        Ok(Some(FileFrame::Header(h))) => header = Some(h),
                        Ok(Some(FileFrame::Body(b))) => body.extend_from_slice(&b),
                        Ok(Some(FileFrame::End)) => over = true,
                        Ok(Some(FileFrame::Refused(reply))) => refused = Some(reply),
                        Ok(None) => break,
                        Err(e) => {
                            error = Some(e);
                            break 'pieces;
                        }
                    }
                }
            }
            if let Some(expected) = v["header"].as_str() {
                let header = header.unwrap();
                assert_eq!(header, FileResponse::parse(expected).unwrap());
                assert_eq!(body, hex(v["body"].as_str().unwrap()));
                assert!(over && buffer.is_empty() && decoder.is_over());
                let mut out = BytesMut::new();
                encode_file_header(&header, form(&v), &mut out);
                out.extend_from_slice(&body);
                assert_eq!(out, input);
            } else if let Some(expected) = v["refused"].as_str() {
                let reply = refused.unwrap_or_else(|| panic!("{}", v["name"]));
                assert_eq!(reply.status().normalised().as_str(), expected);
                assert!(header.is_none() && body.is_empty() && decoder.is_over());
            } else {
                let kind = match error {
                    Some(DecodeError::Length { .. }) => "length",
                    Some(DecodeError::BadField { .. } | DecodeError::Missing { .. }) => "field",
                    Some(DecodeError::Syntax { .. }) => "syntax",
                    other => panic!("{}: {other:?}", v["name"]),
                };
                assert_eq!(kind, v["error"].as_str().unwrap());
                assert!(header.is_none());
            }
        }
    }
}

#[test]
fn statuses() {
    for v in vectors("statuses") {
        let text = v["text"].as_str().unwrap();
        let status = DeviceStatus::parse(text);
        assert_eq!(status.as_str(), text);
        assert_eq!(status.normalised().as_str(), v["normalised"].as_str().unwrap(), "{text}");
        assert_eq!(status.is_success(), v["success"].as_bool().unwrap(), "{text}");
        assert_eq!(status.is_error(), v["error"].as_bool().unwrap(), "{text}");
    }
}

/// What the peers that classify by key presence need (sheet §9).
#[test]
fn a_status_of_ours_is_a_status_to_the_g2_controller() {
    for v in vectors("messages") {
        if v["message"] == "status" {
            let status = StatusResponse::parse(v["text"].as_str().unwrap()).unwrap();
            let ours: Value = serde_json::from_str(&status.to_text(Form::BOTH)).unwrap();
            let keys = ours.as_object().unwrap();
            assert!(!keys.contains_key("message") && !keys.contains_key("fileName"));
            assert!(!ours.to_string().contains("https://x"), "the address of an upload is a secret");
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
