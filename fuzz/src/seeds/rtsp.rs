//! Seeds of the RTSP machines: whole conversations, one message in each operation.

use std::time::Duration;

use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, Transport};
use rtp_rtsp::auth::{Credentials, answer};
use rtp_rtsp::rtsp::headers::Challenge;
use rtp_rtsp::server::{Event, Server};

use super::rtp::hex;
use super::{Seeds, said, vectors};
use crate::rtp::{call, served};
use crate::stage::op;

const UDP: &str = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const MULTICAST: &str = "Transport: RTP/AVP;multicast\r\n";
const JPEG: &str =
    "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n";
const H264: &str = "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n";

pub(super) fn conversations(seeds: &mut Seeds) {
    readers(seeds);
    parts_of_a_film(seeds);
    sessions(seeds);
    labs(seeds);
    publishers(seeds);
    credentials(seeds);
    clients(seeds);
}

fn readers(seeds: &mut Seeds) {
    let picture = [0, 0, 1, 0, 0, 0, 0];
    for (name, target, transport) in [
        ("udp", "cam", UDP),
        ("tcp", "cam", TCP),
        ("a film", "film.mjpeg", UDP),
        ("multicast", "cam", MULTICAST),
    ] {
        let mut talk = Talk::new(0);
        talk.ask("DESCRIBE", target, "Accept: application/sdp\r\n");
        talk.call([2, 2, 0, 0, 0, 0, 0]);
        talk.ask("SETUP", &format!("{target}/trackID=0"), transport);
        talk.ask("PLAY", target, "");
        talk.call(picture);
        talk.told.extend([op::DROPPED, 0]);
        talk.told.extend([op::DATAGRAM, 1, 0x89, 0x13, 8, 0, 0x80, 0xc9, 0, 1, 0, 0, 0, 7]);
        talk.call(picture);
        talk.wait(200);
        talk.ask("PAUSE", target, "");
        talk.call([5, 0, 0, 0, 0, 0, 0]);
        talk.ask("TEARDOWN", target, "");
        talk.told.extend([op::LATE, 0xff, 0xff]);
        seeds.add("rtsp_server", name, talk.told);
    }
}

/// The film has 0.28 s.
fn parts_of_a_film(seeds: &mut Seeds) {
    for (name, flags, transport) in [("parts of a film", 0, UDP), ("a film that is repeated", 4, TCP)] {
        let mut talk = Talk::new(flags);
        talk.ask("DESCRIBE", "film.mjpeg", "");
        talk.call([2, 2, 0, 0, 0, 0, 0]);
        talk.ask("SETUP", "film.mjpeg/trackID=0", transport);
        for part in [
            "Range: npt=0.1-0.2\r\n",
            "Range: npt=0.05-\r\nScale: 2.0\r\n",
            "Range: npt=9-10\r\n",
            "Scale: -1.5\r\n",
            "Scale: 0.25\r\n",
            "Range: npt=now-\r\n",
        ] {
            talk.ask("PLAY", "film.mjpeg", part);
            talk.wait(50);
        }
        talk.ask("PAUSE", "film.mjpeg", "");
        talk.ask("PLAY", "film.mjpeg", "");
        talk.wait(0xffff);
        seeds.add("rtsp_server", name, talk.told);
    }
}

/// What else can be asked for within a session and beside it.
fn sessions(seeds: &mut Seeds) {
    let mut talk = Talk::new(0);
    talk.ask("OPTIONS", "cam", "");
    talk.ask("PLAY", "cam", "Require: wings\r\n");
    talk.ask("SETUP", "cam/trackID=0", TCP);
    talk.ask("SETUP", "cam/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n");
    talk.ask("OPTIONS", "cam", "");
    talk.say("GET_PARAMETER", "cam", "Content-Length: 3\r\n", "fps");
    talk.ask("SET_PARAMETER", "cam", "");
    // Nobody pushes a picture: the reply comes without one.
    talk.ask("PLAY", "cam", "");
    talk.wait(2000);
    talk.ask("PLAY", "cam", "Range: npt=now-\r\n");
    talk.ask("SETUP", "cam/trackID=0", UDP);
    talk.ask("RECORD", "cam", "");
    talk.wait(60_000);
    talk.wait(60_000);
    seeds.add("rtsp_server", "a session", talk.told);
}

/// Clients of the classroom, whose requests are over when nothing more comes.
fn labs(seeds: &mut Seeds) {
    for (target, flags) in [("film.mjpeg", 0), ("film.mjpeg", 8), ("film.mjpeg", 16), ("cam", 4)] {
        let mut talk = Talk::new(flags);
        talk.lab(&format!("SETUP {target} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"));
        talk.call([2, 2, 0, 0, 0, 0, 0]);
        for (method, cseq) in [("PLAY", 2), ("DESCRIBE", 3), ("PAUSE", 4), ("PLAY", 5), ("TEARDOWN", 6)] {
            talk.lab(&format!("{method} {target} RTSP/1.0\nCSeq: {cseq}\n{}", talk.session.trim_end()));
            talk.call([0, 0, 1, 0, 0, 0, 0]);
            talk.wait(100);
        }
        seeds.add("rtsp_server", "lab", talk.told);
    }
}

fn publishers(seeds: &mut Seeds) {
    for (name, file, sdp, transport) in [
        ("publishes JPEG over TCP", "rtp-jpeg.json", JPEG, "RTP/AVP/TCP;unicast;interleaved=0-1"),
        ("publishes JPEG over UDP", "rtp-jpeg.json", JPEG, "RTP/AVP;unicast;client_port=5000-5001"),
        ("publishes H264 over TCP", "rtp-h264.json", H264, "RTP/AVP/TCP;unicast;interleaved=0-1"),
        ("publishes H264 over UDP", "rtp-h264.json", H264, "RTP/AVP;unicast;client_port=5000-5001"),
    ] {
        let mut talk = Talk::new(0);
        let described = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", sdp.len());
        talk.say("ANNOUNCE", "pub", &described, sdp);
        talk.ask("SETUP", "pub/trackID=0", &format!("Transport: {transport};mode=record\r\n"));
        talk.ask("RECORD", "pub", "");
        let known = vectors(file);
        let packets = known.iter().filter_map(|vector| vector["packets"].as_array()).flatten();
        for packet in packets.map(hex).take(5) {
            let length = u16::try_from(packet.len()).expect("a short packet");
            if transport.contains("TCP") {
                let framed = [&[b'$', 0][..], &length.to_be_bytes(), &packet].concat();
                talk.told.extend(said(0, &framed));
            } else {
                // from the port that it named
                talk.told.extend([op::DATAGRAM, 0, 0x88, 0x13]);
                talk.told.extend(length.to_le_bytes());
                talk.told.extend(packet);
            }
            talk.wait(40);
        }
        // a reader, the publisher once more, and its end
        talk.told.extend([op::OPEN, 0, 0]);
        let describe = "DESCRIBE rtsp://h/pub RTSP/1.0\r\nCSeq: 1\r\n\r\n".as_bytes();
        talk.told.extend(said(1, describe));
        talk.say("ANNOUNCE", "pub", &described, sdp);
        talk.told.extend([op::CLOSE, 0, op::WAIT, 0xff, 0x7f]);
        seeds.add("rtsp_server", name, talk.told);
    }
}

/// Readers and publishers that say who they are, as each challenge has it, and wrong.
fn credentials(seeds: &mut Seeds) {
    let mut talk = Talk::new(3);
    talk.ask("DESCRIBE", "cam", "");
    let challenges = talk.challenges.clone();
    assert!(!challenges.is_empty(), "the server asks who it is");
    for (n, challenge) in challenges.iter().enumerate() {
        let mut talk = Talk::new(3);
        talk.ask("DESCRIBE", "cam", "");
        let challenge = Challenge::parse(challenge).expect("the server's own");
        for (user, password) in [("u", "wrong"), ("u", "p")] {
            let who = Credentials::new(user, password);
            for (method, target, more) in
                [("DESCRIBE", "cam", ""), ("SETUP", "cam/trackID=0", TCP), ("ANNOUNCE", "pub", "")]
            {
                let said = answer(&who, &challenge, method, &format!("rtsp://h/{target}"), "c", "00000001");
                talk.ask(method, target, &format!("Authorization: {said}\r\n{more}"));
            }
        }
        seeds.add("rtsp_server", &format!("credentials {n}"), talk.told);
    }
    let mut talk = Talk::new(3);
    for _ in 0..6 {
        talk.ask("DESCRIBE", "cam", "Authorization: Basic dTpx\r\n");
    }
    seeds.add("rtsp_server", "six guesses", talk.told);
}

fn clients(seeds: &mut Seeds) {
    let length = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", JPEG.len());
    let reply = |cseq: u32, more: &str| format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n");
    let go = |goal: u8| [op::CALL, 0, goal, 0, 0, 0, 0, 0];
    let ports = [op::CALL, 1, 1, 0, 0, 0, 0, 0];
    let media = b"$\x00\x00\x0e\x80\x9a\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x65\x88";
    for (name, flags, transport) in [
        ("udp", 0, "Transport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001\r\n"),
        ("tcp", 2, TCP),
    ] {
        let mut told = vec![flags, op::OPEN, 0, 0];
        told.extend(said(0, reply(1, "Public: OPTIONS, DESCRIBE, GET_PARAMETER\r\n").as_bytes()));
        told.extend(said(0, format!("{}{JPEG}", reply(2, &length)).as_bytes()));
        told.extend(ports);
        told.extend(said(0, reply(3, &format!("Session: abc;timeout=60\r\n{transport}")).as_bytes()));
        told.extend(said(0, reply(4, "Session: abc\r\nRange: npt=now-\r\n").as_bytes()));
        told.extend(said(0, media));
        told.extend([op::DATAGRAM, 0, 0x58, 0x1b, 12, 0, 0x80, 0x1a, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
        told.extend([op::WAIT, 0xff, 0xff]);
        told.extend(go(1));
        told.extend(go(3));
        told.extend(said(0, reply(5, "").as_bytes()));
        seeds.add("rtsp_client", name, told);
    }
    // Publishing: OPTIONS, ANNOUNCE, SETUP, RECORD, pictures, TEARDOWN.
    let mut told = vec![4 | 2, op::OPEN, 0, 0];
    told.extend(go(2));
    told.extend(said(0, reply(1, "Public: ANNOUNCE, RECORD\r\n").as_bytes()));
    told.extend(said(0, reply(2, "").as_bytes()));
    told.extend(said(0, reply(3, &format!("Session: abc;timeout=60\r\n{TCP}")).as_bytes()));
    told.extend(said(0, reply(4, "Session: abc\r\n").as_bytes()));
    told.extend([op::CALL, 2, 0, 1, 0, 0, 0, 0, op::WAIT, 0xff, 0xff]);
    told.extend(go(3));
    told.extend(said(0, reply(5, "").as_bytes()));
    seeds.add("rtsp_client", "publishes", told);
    // The classroom's dialect.
    let mut told = vec![8, op::OPEN, 0, 0];
    told.extend(go(2));
    told.extend(ports);
    for cseq in 1..5 {
        told.extend(said(0, format!("RTSP/1.0 200 OK\nCSeq: {cseq}\nSession: 123456\n").as_bytes()));
        told.extend([
            op::DATAGRAM,
            0,
            0x58,
            0x1b,
            16,
            0,
            0x80,
            0x1a,
            0,
            1,
            0,
            0,
            0,
            2,
            0,
            0,
            0,
            3,
            0xff,
            0xd8,
            0xff,
            0xd9,
        ]);
        told.extend(go(cseq as u8 % 4));
    }
    seeds.add("rtsp_client", "lab", told);
    // Who it is.
    for (n, challenge) in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, stale=true",
    ]
    .into_iter()
    .enumerate()
    {
        let mut told = vec![16 | 2, op::OPEN, 0, 0];
        told.extend(go(2));
        for cseq in 1..5 {
            let refused =
                format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: {challenge}\r\n\r\n");
            told.extend(said(0, refused.as_bytes()));
            told.extend(said(0, reply(cseq, "Public: DESCRIBE\r\n").as_bytes()));
        }
        seeds.add("rtsp_client", &format!("challenge {n}"), told);
    }
}

/// A conversation with a server of the target, in which what it has answered matters: the session's name.
struct Talk {
    server: Server,
    /// The operations so far.
    told: Vec<u8>,
    cseq: u32,
    /// `Session: name`, once there is one.
    session: String,
    challenges: Vec<String>,
    asked: Vec<String>,
    now: Instant,
}

impl Talk {
    fn new(flags: u8) -> Self {
        let mut server = served(flags);
        // as the target begins
        let now = Instant::from_nanos(1_000_000_000);
        server.handle_wall_clock(now, 1_735_689_600_000_000_000);
        let (local, remote) = (([127, 0, 0, 1], 5000).into(), ([127, 0, 0, 0], 40_000).into());
        let opened = Opened { service: Service(0), local, remote, transport: Transport::Stream };
        server.handle_input(now, Peer::Conn(ConnId(1)), Input::Opened(opened));
        let told = vec![flags, op::OPEN, 0, 0];
        Self { server, told, cseq: 0, session: String::new(), challenges: Vec::new(), asked: Vec::new(), now }
    }

    /// A request without a body.
    fn ask(&mut self, method: &str, target: &str, more: &str) {
        self.say(method, target, more, "");
    }

    fn say(&mut self, method: &str, target: &str, more: &str, body: &str) {
        self.cseq += 1;
        let Self { cseq, session, .. } = self;
        let text =
            format!("{method} rtsp://h/{target} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}{more}\r\n{body}");
        self.send(&text);
    }

    /// A request of the classroom.
    fn lab(&mut self, text: &str) {
        self.send(text);
        self.wait(20);
    }

    fn send(&mut self, text: &str) {
        self.told.extend(said(0, text.as_bytes()));
        let mut text = bytes::BytesMut::from(text.as_bytes());
        self.server.handle_input(self.now, Peer::Conn(ConnId(1)), Input::Bytes(&mut text));
        self.heed();
    }

    fn wait(&mut self, ms: u16) {
        self.told.push(op::WAIT);
        self.told.extend(ms.to_le_bytes());
        let until = self.now + Duration::from_millis(ms.into());
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            self.heed();
        }
        self.now = until;
    }

    /// What the program does.
    fn call(&mut self, how: [u8; 7]) {
        self.told.push(op::CALL);
        self.told.extend(how);
        let [what, bytes @ ..] = how;
        call(&mut self.server, self.now, what, bytes, &mut self.asked);
        self.heed();
    }

    fn heed(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { data, .. } => {
                    let text = String::from_utf8_lossy(data.as_bytes()).into_owned();
                    for line in text.lines() {
                        if let Some(name) = line.strip_prefix("Session: ") {
                            let name = name.split(';').next().unwrap_or_default();
                            self.session = format!("Session: {name}\r\n");
                        }
                        self.challenges.extend(line.strip_prefix("WWW-Authenticate: ").map(str::to_owned));
                    }
                }
                Output::Event(Event::FileWanted { path }) => self.asked.push(path),
                _ => {}
            }
        }
    }
}
