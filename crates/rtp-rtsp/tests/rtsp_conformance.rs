//! The generic checks of `machine::conformance` on both RTSP machines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::conformance::{Bounds, Late, Step, Suite};
use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, SocketId, Transport, UdpPeer};
use rtp_rtsp::client::{Client, Goal};
use rtp_rtsp::config::{ClientConfig, Publish, ServerConfig, Wanted};
use rtp_rtsp::media::{Packets, PacketsBuilder};
use rtp_rtsp::rtp::{Header, Outgoing};
use rtp_rtsp::sdp::Media;
use rtp_rtsp::server::{Clip, FileRefusal, MountId, Server, UdpPorts};

const UDP: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (6000, 6001) };

fn server() -> Server {
    let mut config = ServerConfig::new([7; 32]);
    config.publish = Publish::Anywhere;
    config.files = true;
    config.max_sessions = 8;
    config.max_published = 2;
    let mut server = Server::new(config);
    server.set_udp(Some(UDP));
    server.add_live("cam", "Camera", vec![Media::jpeg(320, 240, (25, 1))]).unwrap();
    server
}

/// A frame of two packets; no JPEG, which is nothing to the machine.
fn frame(number: u32) -> Packets {
    let mut builder = PacketsBuilder::default();
    let sequence = u16::try_from(number * 2 % 65_536).unwrap();
    for (i, marker) in [(0, false), (1, true)] {
        let header =
            Header { marker, payload_type: 26, sequence: sequence + i, timestamp: number * 3600, ssrc: 9 };
        builder.push(&[&header.to_bytes(), &[0; 300]]);
    }
    builder.finish(true).unwrap()
}

#[derive(Debug)]
struct Film;

impl Clip for Film {
    fn media(&self) -> Media {
        Media::jpeg(320, 240, (25, 1))
    }
    fn frames(&self) -> u32 {
        20
    }
    fn rate(&self) -> (u32, u32) {
        (25, 1)
    }
    fn is_key(&self, _: u32) -> bool {
        true
    }
    fn packets(&self, number: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets> {
        let mut builder = PacketsBuilder::default();
        builder.push(&[&numbers.next_header(true, timestamp), &number.to_be_bytes()]);
        builder.finish(true)
    }
    fn jpeg(&self, _: u32) -> Option<Bytes> {
        Some(Bytes::from_static(b"\xff\xd8picture\xff\xd9"))
    }
}

fn said(server: &mut Server, text: &str) -> String {
    let (now, peer) = (Instant::default(), Peer::Conn(ConnId(1)));
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let opened =
        Opened { service: Service(0), local: address, remote: address, transport: Transport::Stream };
    server.handle_input(now, peer, Input::Opened(opened));
    server.handle_input(now, peer, Input::Bytes(&mut BytesMut::from(text)));
    let mut all = Vec::new();
    while let Some(output) = server.poll_output() {
        if let Output::Send { data, .. } = output {
            all.extend_from_slice(data.as_bytes());
        }
    }
    String::from_utf8(all).unwrap()
}

const SETUP: &str = "SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";

/// The name of the first session.
fn first_session() -> String {
    let reply = said(&mut server(), SETUP);
    let line = reply.lines().find_map(|l| l.strip_prefix("Session: ")).expect("a session");
    line.split(';').next().unwrap().to_owned()
}

fn push(number: u32) -> Step<Server> {
    Step::call(move |server: &mut Server, now| {
        let _ = server.push(now, MountId(0), 0, &frame(number), None);
    })
}

#[test]
fn the_server_keeps_the_contract() {
    let ms = Duration::from_millis;
    let session = first_session();
    let request = |method: &str, more: &str| {
        format!("{method} rtsp://h/cam RTSP/1.0\r\nCSeq: 4\r\nSession: {session}\r\n{more}\r\n")
    };
    let sdp = "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n";
    let announce = format!(
        "ANNOUNCE rtsp://h/pub RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let report =
        UdpPeer { socket: UDP.rtcp, remote: SocketAddr::from(([198, 51, 100, 1], 5001)), local: None };
    let suite = Suite::new(server).sockets([UDP.rtp, UDP.rtcp]).late(Late::NoBurst).script([
        Step::WallClock(1_795_252_445_123_456_789),
        Step::stream(1, Service(0)),
        Step::bytes(1, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\n\r\n"),
        Step::bytes(1, SETUP),
        Step::bytes(1, request("PLAY", "Range: npt=0.000-\r\n")),
        push(0),
        Step::Wait(ms(40)),
        push(1),
        Step::Dropped(ConnId(1), 1),
        Step::bytes(1, &b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x07"[..]),
        Step::bytes(1, request("GET_PARAMETER", "")),
        Step::bytes(1, request("PAUSE", "")),
        push(2),
        Step::bytes(1, request("PLAY", "")),
        // no frame comes in time
        Step::Wait(ms(2500)),
        // over UDP, and a report
        Step::stream(2, Service(0)),
        Step::bytes(
            2,
            "SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n",
        ),
        Step::datagram(report, &b"\x80\xc9\x00\x01\x00\x00\x00\x07"[..]),
        Step::bytes(2, "PLAY rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\nSession: nonsense\r\n\r\nFOO * RTSP/2.0\r\n\r\n"),
        // a publisher that comes, sends and goes
        Step::stream(3, Service(0)),
        Step::bytes(3, announce),
        Step::bytes(
            3,
            "SETUP rtsp://h/pub/streamid=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n\r\n",
        ),
        Step::bytes(3, &b"$\x00\x00\x0e\x80\xe0\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x65\x88"[..]),
        Step::closed(3, machine::CloseReason::Remote),
        // the classroom dialect, and a file
        Step::stream(4, Service(0)),
        Step::bytes(4, "SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"),
        Step::Wait(ms(30)),
        Step::call(|server: &mut Server, now| server.offer_file(now, "movie.Mjpeg", Ok(Arc::new(Film)))),
        Step::bytes(4, "PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 1"),
        Step::Wait(ms(300)),
        Step::bytes(4, "TEARDOWN movie.Mjpeg RTSP/1.0\nCSeq: 3\nSession: 1"),
        Step::Wait(ms(30)),
        Step::bytes(4, "DESCRIBE rtsp://h/none.mjpeg RTSP/1.0\r\nCSeq: 9\r\n\r\n"),
        Step::call(|server: &mut Server, now| server.offer_file(now, "none.mjpeg", Err(FileRefusal::Missing))),
        // half a head, then nothing
        Step::bytes(4, "PLAY rtsp://h/cam RTSP/1.0\r\nCSe"),
        Step::Wait(Duration::from_secs(25)),
        Step::bytes(2, "garbage\r\n\r\n"),
    ]);
    let bounds = Bounds {
        unread: 90 << 10,
        memory: 4 << 20,
        // A frame for each reader, a reply and a report.
        output_per_input: 64 << 10,
        late_outputs: 3,
        mutations: 200,
        chunks: 128,
        settle: Duration::from_secs(70),
        rounds: 20,
        retained: 64 << 10,
        ..Bounds::default()
    };
    let report = suite.bounds(bounds).run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 50, "{report:?}");
}

#[test]
fn the_client_keeps_the_contract() {
    let client = || {
        let mut config = ClientConfig::new([3; 32], "rtsp://u:p@h:8554/cam");
        config.transport = Wanted::Auto;
        Client::new(config)
    };
    let sdp =
        "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n";
    let reply = |cseq: u32, more: &str| format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n");
    let ports = [UDP];
    let from =
        |socket, port| UdpPeer { socket, remote: SocketAddr::from(([198, 51, 100, 1], port)), local: None };
    let suite = Suite::new(client).sockets([UDP.rtp, UDP.rtcp]).late(Late::NoBurst).script([
        Step::WallClock(1_795_252_445_123_456_789),
        Step::stream(1, Service(0)),
        Step::bytes(1, reply(1, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER\r\n")),
        Step::bytes(1, "RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n"),
        Step::bytes(
            1,
            format!(
                "RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            ),
        ),
        Step::call(move |client: &mut Client, now| client.udp_ready(now, &ports)),
        Step::bytes(
            1,
            reply(4, "Session: abc;timeout=60\r\nTransport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001\r\n"),
        ),
        Step::bytes(1, reply(5, "Session: abc\r\nRange: npt=now-\r\n")),
        // nothing comes over UDP: over TCP
        Step::Wait(Duration::from_secs(4)),
        Step::bytes(
            1,
            reply(7, "Session: def;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        ),
        Step::bytes(1, reply(8, "Session: def\r\n")),
        Step::bytes(1, &b"$\x00\x00\x0e\x80\x9a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x65\x88"[..]),
        Step::datagram(from(UDP.rtp, 7000), &b"\x80\x1a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"[..]),
        Step::Wait(Duration::from_secs(40)),
        Step::call(|client: &mut Client, now| client.go(now, Goal::Ready, None)),
        Step::bytes(1, reply(9, "")),
        Step::bytes(1, reply(10, "")),
        Step::call(|client: &mut Client, now| client.go(now, Goal::Gone, None)),
        Step::bytes(1, reply(11, "")),
        Step::bytes(1, "garbage\r\n\r\n"),
    ]);
    let bounds = Bounds {
        unread: 90 << 10,
        memory: 4 << 20,
        late_outputs: 3,
        mutations: 200,
        chunks: 128,
        retained: 64 << 10,
        linger: Duration::from_secs(1),
        ..Bounds::default()
    };
    let report = suite.bounds(bounds).run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 50, "{report:?}");
}
