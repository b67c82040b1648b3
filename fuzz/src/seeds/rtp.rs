use serde_json::Value;

use super::{Seeds, vectors};
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
    conversations(seeds);
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
            bytes(&mut told, said);
            told.extend([op::WAIT, 50, 0]);
            seeds.add("rtsp_server", name, told.clone());
            seeds.add("rtsp_client", name, told);
            seeds.add("rtsp_headers", name, said.to_vec());
        }
        "sdp" => seeds.add("rtsp_sdp", name, said.to_vec()),
        _ => seeds.add("rtsp_headers", name, said.to_vec()),
    }
}

/// Whole conversations, one message in each line of operations.
fn conversations(seeds: &mut Seeds) {
    let request = |method: &str, target: &str, cseq: u32, more: &str| {
        format!("{method} rtsp://h/{target} RTSP/1.0\r\nCSeq: {cseq}\r\n{more}\r\n")
    };
    let session = format!("Session: {}\r\n", first_session());
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let picture = [op::CALL, 0, 0, 1, 0, 0, 0, 0];
    for (name, target, transport) in [
        ("udp", "cam", udp),
        ("tcp", "cam", tcp),
        ("a film", "film.mjpeg", udp),
        ("multicast", "cam", "Transport: RTP/AVP;multicast\r\n"),
    ] {
        let mut told = vec![0, op::OPEN, 0, 0];
        bytes(&mut told, request("DESCRIBE", target, 1, "Accept: application/sdp\r\n").as_bytes());
        told.extend([op::CALL, 2, 2, 0, 0, 0, 0, 0]);
        bytes(&mut told, request("SETUP", &format!("{target}/trackID=0"), 2, transport).as_bytes());
        bytes(&mut told, request("PLAY", target, 3, &session).as_bytes());
        told.extend(picture);
        told.extend([op::DROPPED, 0]);
        told.extend([op::DATAGRAM, 1, 0x89, 0x13, 8, 0, 0x80, 0xc9, 0, 1, 0, 0, 0, 7]);
        told.extend(picture);
        told.extend([op::WAIT, 200, 0]);
        bytes(&mut told, request("PAUSE", target, 4, &session).as_bytes());
        told.extend([op::CALL, 5, 0, 0, 0, 0, 0, 0]);
        bytes(&mut told, request("TEARDOWN", target, 5, &session).as_bytes());
        told.extend([op::LATE, 0xff, 0xff]);
        seeds.add("rtsp_server", name, told);
    }
    // The film has 0.28 s.
    let mut told = vec![0, op::OPEN, 0, 0];
    bytes(&mut told, request("DESCRIBE", "film.mjpeg", 1, "").as_bytes());
    told.extend([op::CALL, 2, 2, 0, 0, 0, 0, 0]);
    bytes(&mut told, request("SETUP", "film.mjpeg/trackID=0", 2, udp).as_bytes());
    let parts = [
        "Range: npt=0.1-0.2",
        "Range: npt=0.05-\r\nScale: 2.0",
        "Range: npt=9-10",
        "Scale: -1.5",
        "Range: npt=now-",
    ];
    for (part, cseq) in parts.into_iter().zip(3..) {
        bytes(&mut told, request("PLAY", "film.mjpeg", cseq, &format!("{session}{part}\r\n")).as_bytes());
        told.extend([op::WAIT, 50, 0]);
    }
    bytes(&mut told, request("PAUSE", "film.mjpeg", 9, &session).as_bytes());
    bytes(&mut told, request("PLAY", "film.mjpeg", 10, &session).as_bytes());
    told.extend([op::WAIT, 0xff, 0xff]);
    seeds.add("rtsp_server", "parts of a film", told);
    let sdp =
        "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n";
    let length = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", sdp.len());
    let mut told = vec![0, op::OPEN, 0, 0];
    bytes(&mut told, format!("{}{sdp}", request("ANNOUNCE", "pub", 1, &length)).as_bytes());
    let record = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n";
    bytes(&mut told, request("SETUP", "pub/trackID=0", 2, record).as_bytes());
    bytes(&mut told, request("RECORD", "pub", 3, &session).as_bytes());
    bytes(&mut told, b"$\x00\x00\x0e\x80\x9a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x65\x88");
    told.extend([op::CLOSE, 0, op::WAIT, 0xff, 0x7f]);
    seeds.add("rtsp_server", "a publisher", told);

    let reply = |cseq: u32, more: &str| format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n");
    for (name, flags, transport) in [
        ("udp", 0, "Transport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001\r\n"),
        ("tcp", 2, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
    ] {
        let mut told = vec![flags, op::OPEN, 0, 0];
        bytes(&mut told, reply(1, "Public: OPTIONS, DESCRIBE, GET_PARAMETER\r\n").as_bytes());
        bytes(&mut told, format!("{}{sdp}", reply(2, &length)).as_bytes());
        told.extend([op::CALL, 1, 1, 0, 0, 0, 0, 0]);
        bytes(&mut told, reply(3, &format!("Session: abc;timeout=60\r\n{transport}")).as_bytes());
        bytes(&mut told, reply(4, "Session: abc\r\nRange: npt=now-\r\n").as_bytes());
        bytes(&mut told, b"$\x00\x00\x0e\x80\x9a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x65\x88");
        told.extend([op::DATAGRAM, 0, 0x58, 0x1b, 12, 0, 0x80, 0x1a, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
        told.extend([op::WAIT, 0xff, 0xff, op::CALL, 0, 1, 0, 0, 0, 0, 0, op::CALL, 0, 3, 0, 0, 0, 0, 0]);
        bytes(&mut told, reply(5, "").as_bytes());
        seeds.add("rtsp_client", name, told);
    }
}

/// The name that a server of the target gives its first session.
fn first_session() -> String {
    use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, Transport};
    let mut server = crate::rtp::served(0);
    let (now, peer) = (Instant::default(), Peer::Conn(ConnId(1)));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let opened =
        Opened { service: Service(0), local: address, remote: address, transport: Transport::Stream };
    server.handle_input(now, peer, Input::Opened(opened));
    let setup =
        "SETUP rtsp://h/cam RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    server.handle_input(now, peer, Input::Bytes(&mut bytes::BytesMut::from(setup)));
    let said = std::iter::from_fn(|| server.poll_output()).filter_map(|output| match output {
        Output::Send { data, .. } => Some(String::from_utf8_lossy(data.as_bytes()).into_owned()),
        _ => None,
    });
    let said: String = said.collect();
    let line = said.lines().find_map(|line| line.strip_prefix("Session: ")).expect("a session");
    line.split(';').next().unwrap_or_default().to_owned()
}

/// Bytes of the first connection.
fn bytes(told: &mut Vec<u8>, bytes: &[u8]) {
    told.extend([op::BYTES, 0]);
    told.extend(u16::try_from(bytes.len()).expect("a short message").to_le_bytes());
    told.extend(bytes);
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

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}
