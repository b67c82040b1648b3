//! Seeds of the camera protocol.

use bytes::BytesMut;
use camera_packet::extension::{ExtendedSettings, Subscribe};
use camera_packet::message::{Message, ScramStep};
use camera_packet::scram::{ScramClient, USER};
use camera_packet::secret::{Secret, Token};
use camera_packet::server::AUTH;
use camera_packet::settings::SettingsBlock;
use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Transport};
use serde_json::Value;

use super::{Seeds, said, vectors};
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
        let bytes = said(0, &frame);
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
            to.extend(said(0, &bytes));
        }
        seeds.add("camera_server", text(&v, "name"), server);
        seeds.add("camera_client", text(&v, "name"), client);
    }
    logins(seeds);
}

/// Logins by each way, and what they open.
fn logins(seeds: &mut Seeds) {
    let password = |word: &[u8]| frame(&Message::Password(Secret(word)));
    for access in [1, 2] {
        // Right at once; right after five wrong ones, when answers wait.
        let mut told = vec![16 | access, op::OPEN, 1, 0];
        let mut query = said(0, &frame(&Message::SettingsQuery));
        told.extend(&query);
        for word in [b"1111", b"0000", b"0000", b"0000", b"0000", b"0000", b"0000", b"1111"] {
            told.extend([op::OPEN, 2, 0]);
            // of the two that are open the second
            told.extend(said(1, &password(word)));
        }
        query[1] = 0;
        told.extend(query);
        told.extend([op::WAIT, 0xff, 0x0f, op::OPEN, 0, 0, op::WAIT, 0xff, 0xff]);
        seeds.add("camera_server", "passwords", told);
    }
    let (mut told, token) = scram();
    let attach = frame(&Message::Attach(token));
    let wrong = frame(&Message::Attach(Token([7; 16])));
    // Telemetry and settings with the token, twice the same, once another; the last goes.
    for (door, token) in [(0, &attach), (1, &attach), (1, &wrong)] {
        told.extend([op::OPEN, door, 0]);
        told.extend(said(door, token));
        told.extend(said(door, token));
    }
    told.extend([op::WAIT, 0xff, 0x0f, op::CLOSE, 0, op::CLOSE, 0, op::WAIT, 0xff, 0xff]);
    seeds.add("camera_server", "scram and a token", told);
    let extended = ExtendedSettings::from_block(SettingsBlock::DEFAULT, 1, 2);
    let mut told = vec![0, op::OPEN, 1, 0, op::OPEN, 0, 0];
    for message in [Message::ExtendedQuery, Message::ExtendedUpdate(extended), Message::SettingsQuery] {
        told.extend(said(0, &frame(&message)));
        told.extend([op::CALL, 1, 1, 0, 0, 0, 0, 0]);
    }
    told.extend(said(1, &frame(&Message::Subscribe(Subscribe { rate_hz: 100, fields: 1 }))));
    told.extend([op::WAIT, 0, 1]);
    told.extend(said(1, &frame(&Message::Subscribe(Subscribe { rate_hz: 0, fields: 0 }))));
    told.extend([op::WAIT, 0, 1]);
    seeds.add("camera_server", "our extensions", told);
}

/// A login with SCRAM to a server of the target where tokens are needed, and the token that it gives.
fn scram() -> (Vec<u8>, Token) {
    let flags = 16 | 2;
    let now = Instant::from_nanos(1_000_000_000);
    let mut server = crate::camera::served(flags);
    server.handle_wall_clock(now, 1_735_689_600_000_000_000);
    let (local, remote) = (([127, 0, 0, 1], 5000).into(), ([127, 0, 0, 0], 40_000).into());
    let opened = Opened { service: AUTH, local, remote, transport: Transport::Stream };
    server.handle_input(now, Peer::Conn(ConnId(1)), Input::Opened(opened));
    let mut told = vec![flags, op::OPEN, 2, 0];
    let mut ask = |step, text: &str| {
        let bytes = frame(&Message::Scram(step, text.as_bytes()));
        told.extend(said(0, &bytes));
        server.handle_input(now, Peer::Conn(ConnId(1)), Input::Bytes(&mut BytesMut::from(&bytes[..])));
        let sent = std::iter::from_fn(|| server.poll_output()).find_map(|output| match output {
            Output::Send { data, .. } => Some(data.as_bytes().to_vec()),
            _ => None,
        });
        sent.expect("an answer")
    };
    let mut client = ScramClient::new(USER, b"1111", "abc");
    let first = ask(ScramStep::ClientFirst, &client.first());
    let proof = client.answer(&first[6..first.len() - 1]).expect("a challenge");
    let last = ask(ScramStep::ClientFinal, &proof);
    let token = client.finish(&last[6..last.len() - 1]).expect("a signature").expect("a token");
    (told, token)
}

fn frame(message: &Message<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out).expect("a short message");
    out.to_vec()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}
