//! What the server refuses, with which status, and which connections end with it.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, SocketId, Transport};
use rtp_rtsp::auth::Credentials;
use rtp_rtsp::config::{Publish, ServerConfig};
use rtp_rtsp::media::{Codec, Packetizer};
use rtp_rtsp::rtp::Outgoing;
use rtp_rtsp::sdp::Media;
use rtp_rtsp::server::{Clip, Event, FileRefusal, MemoryClip, RTSP, RTSPS, Server, UdpPorts};

const UDP: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (6000, 6001) };

/// A server with a live mount of one track and one of two, and the files `film.mjpeg`, `odd.mjpeg` and `broken.mjpeg`.
struct Talk {
    server: Server,
    now: Instant,
    opened: u64,
    /// Files that were asked for.
    wanted: Vec<String>,
}

/// What was said to a connection, and whether that was the last.
struct Said {
    text: String,
    closed: bool,
}

impl Said {
    fn status(&self) -> u16 {
        let status = self.text.strip_prefix("RTSP/1.0 ").and_then(|rest| rest.get(..3));
        status.unwrap_or_else(|| panic!("no reply: {:?}", self.text)).parse().unwrap()
    }
}

impl Talk {
    fn new(adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new([7; 32]);
        config.files = true;
        config.publish = Publish::At(vec!["pub".into(), "other".into()]);
        adjust(&mut config);
        let mut server = Server::new(config);
        server.set_udp(Some(UDP));
        let media = Media::jpeg(64, 64, (25, 1));
        server.add_live("cam", "Camera", vec![media.clone()]).unwrap();
        server.add_live("pair", "Two cameras", vec![media.clone(), media]).unwrap();
        Self { server, now: Instant::from_nanos(1_000_000_000), opened: 0, wanted: Vec::new() }
    }

    fn open(&mut self, service: Service) -> ConnId {
        self.opened += 1;
        let conn = ConnId(self.opened);
        let local = SocketAddr::from(([192, 0, 2, 1], 554));
        let remote = SocketAddr::from(([192, 0, 2, 2], 1000));
        let opened = Opened { service, local, remote, transport: Transport::Stream };
        self.server.handle_input(self.now, Peer::Conn(conn), Input::Opened(opened));
        conn
    }

    fn said(&mut self, conn: ConnId) -> Said {
        let (mut text, mut closed) = (Vec::new(), false);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, data, .. } if to == conn => text.extend_from_slice(data.as_bytes()),
                Output::Close { conn: other, .. } if other == conn => closed = true,
                Output::Event(Event::FileWanted { path }) => {
                    let clip: Result<Arc<dyn Clip>, _> = match path.as_str() {
                        "film.mjpeg" | "Film.Mjpeg" => {
                            let data = BytesMut::from(&common::jpeg(300, 1)[..]);
                            Ok(Arc::new(MemoryClip::from_mjpeg(data, (25, 1), |_| None).unwrap()))
                        }
                        "odd.mjpeg" => Err(FileRefusal::Unsupported),
                        "broken.mjpeg" => Err(FileRefusal::Failed),
                        _ => Err(FileRefusal::Missing),
                    };
                    self.server.offer_file(self.now, &path, clip);
                    self.wanted.push(path);
                }
                _ => {}
            }
        }
        Said { text: String::from_utf8_lossy(&text).into_owned(), closed }
    }

    fn say(&mut self, conn: ConnId, text: &str) -> Said {
        self.server.handle_input(self.now, Peer::Conn(conn), Input::Bytes(&mut BytesMut::from(text)));
        self.said(conn)
    }

    /// A request on a new connection.
    fn ask(&mut self, request: &str) -> Said {
        let conn = self.open(RTSP);
        self.say(conn, request)
    }

    /// A request of the classroom dialect, which is over when nothing more comes.
    fn lab(&mut self, conn: ConnId, request: &str) -> Said {
        let said = self.say(conn, request);
        assert_eq!(said.text, "", "it may not be over");
        self.wait(conn, Duration::from_millis(20))
    }

    fn wait(&mut self, conn: ConnId, time: Duration) -> Said {
        let end = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
        }
        self.now = end;
        self.said(conn)
    }

    /// A picture of the live mount of one track.
    fn frame(&mut self, conn: ConnId) -> Said {
        let mut packetizer = Packetizer::new(Codec::Jpeg, Outgoing::new(26, 1, 1, 1200));
        let packets = packetizer.packetize(&common::jpeg(300, 1), 0).unwrap();
        let cam = self.server.mounts().find(|mount| &*mount.path == "cam").unwrap().id;
        self.server.push(self.now, cam, 0, &packets, None).unwrap();
        self.said(conn)
    }

    /// A session over TCP; gives its name.
    fn set_up(&mut self, conn: ConnId) -> String {
        let said = self.say(conn, &setup("cam", TCP));
        assert_eq!(said.status(), 200, "{}", said.text);
        let line = said.text.lines().find_map(|l| l.strip_prefix("Session: ")).expect("a session");
        line.split(';').next().unwrap().to_owned()
    }
}

const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1";

fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} rtsp://h/{path} RTSP/1.0\r\nCSeq: 7\r\n{more}\r\n")
}

fn setup(path: &str, transport: &str) -> String {
    request("SETUP", path, &format!("Transport: {transport}\r\n"))
}

fn announce(path: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    let head = request("ANNOUNCE", path, &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n"));
    head + body
}

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:0\r\n";

#[test]
fn each_request_gets_the_status_that_says_why_not() {
    let sdp = "application/sdp";
    for (text, status) in [
        (request("FLY", "cam", ""), 501),
        (request("OPTIONS", "cam", "").replace("RTSP/1.0", "RTSP/2.0"), 505),
        (request("OPTIONS", "cam", "").replace("CSeq: 7\r\n", ""), 400),
        (request("OPTIONS", "cam", "Require: wings\r\n"), 551),
        (request("DESCRIBE", "none.mjpeg", ""), 404),
        (request("DESCRIBE", "odd.mjpeg", ""), 415),
        (request("DESCRIBE", "broken.mjpeg", ""), 503),
        (request("DESCRIBE", "cam", "Accept: text/html\r\n"), 406),
        (setup("none.mjpeg", TCP), 404),
        (setup("odd.mjpeg", TCP), 415),
        (setup("cam/trackID=1", TCP), 404),
        (setup("pair", TCP), 459),
        (setup("cam", "RTP/SAVP;unicast;client_port=5000-5001"), 461),
        (setup("cam", "RTP/AVP;multicast"), 461),
        // It sends to nobody but who asks.
        (setup("cam", "RTP/AVP;unicast;destination=198.51.100.9;client_port=5000-5001"), 461),
        (setup("pub", "RTP/AVP/TCP;interleaved=0-1;mode=record"), 455),
        (request("PLAY", "cam", ""), 454),
        (request("PLAY", "cam", "Session: nobody\r\n"), 454),
        (request("TEARDOWN", "cam", "Session: nobody\r\n"), 454),
        (request("GET_PARAMETER", "cam", "Content-Length: 3\r\n") + "fps", 451),
        (announce("elsewhere", sdp, SDP), 403),
        // Mounts of the program are not taken over.
        (announce("cam", sdp, SDP), 403),
        (announce("pub", "text/plain", SDP), 415),
        (announce("pub", sdp, "no description"), 400),
        (announce("pub", sdp, &SDP.replace("AVP 26", "AVP 99")), 415),
    ] {
        let mut talk = Talk::new(|_| {});
        let conn = talk.open(RTSP);
        let said = talk.say(conn, &text);
        assert_eq!(said.status(), status, "{text}{}", said.text);
        assert!(said.text.contains("\r\nCSeq: 7\r\n") || status == 400, "{}", said.text);
        // The connection goes on.
        assert!(!said.closed);
        assert_eq!(talk.say(conn, &request("DESCRIBE", "cam", "")).status(), 200, "after {text}");
    }
}

#[test]
fn what_is_wrong_within_a_session() {
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    let session = talk.set_up(conn);
    for (method, path, more, status) in [
        ("PLAY", "cam", "Range: clock=19961108T143720Z-\r\n", 457),
        ("RECORD", "cam", "", 455),
        ("SETUP", "pair/trackID=0", "Transport: RTP/AVP/TCP;interleaved=2-3\r\n", 459),
    ] {
        let text = request(method, path, &format!("Session: {session}\r\n{more}"));
        assert_eq!(talk.say(conn, &text).status(), status, "{text}");
    }
    // Another connection has no part in it.
    let text = request("TEARDOWN", "cam", &format!("Session: {session}\r\n"));
    assert_eq!(talk.ask(&text).status(), 454);
    assert_eq!(talk.say(conn, &text).status(), 200);
}

/// A publisher that announces anew keeps its connection; another loses it to who comes after.
#[test]
fn a_publisher_takes_over_from_itself_and_from_others() {
    let mut talk = Talk::new(|_| {});
    let publish = |talk: &mut Talk, conn| {
        assert_eq!(talk.say(conn, &announce("pub", "application/sdp", SDP)).status(), 200);
        let said = talk.say(conn, &setup("pub/trackID=0", "RTP/AVP/TCP;interleaved=0-1;mode=record"));
        let session = said.text.lines().find_map(|l| l.strip_prefix("Session: ")).expect("a session");
        let session = session.split(';').next().unwrap().to_owned();
        let said = talk.say(conn, &request("RECORD", "pub", &format!("Session: {session}\r\n")));
        assert_eq!((said.status(), said.closed), (200, false));
        session
    };
    let conn = talk.open(RTSP);
    let first = publish(&mut talk, conn);
    let second = publish(&mut talk, conn);
    assert_ne!(first, second);
    let text = request("RECORD", "pub", &format!("Session: {first}\r\n"));
    assert_eq!(talk.say(conn, &text).status(), 454, "the first is over");
    let other = talk.open(RTSP);
    publish(&mut talk, other);
    let text = request("RECORD", "pub", &format!("Session: {second}\r\n"));
    assert_eq!(talk.say(conn, &text).text, "", "its connection is closed");
}

/// One that reads what it publishes goes with the readers of what it publishes no longer; nothing is said after that.
#[test]
fn a_publisher_that_reads_itself_and_announces_something_else() {
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    assert_eq!(talk.say(conn, &announce("pub", "application/sdp", SDP)).status(), 200);
    assert_eq!(talk.say(conn, &setup("pub/trackID=0", TCP)).status(), 200);
    let other = SDP.replace("AVP 26", "AVP 96\r\na=rtpmap:96 H264/90000");
    let said = talk.say(conn, &announce("pub", "application/sdp", &other));
    // a BYE, and no reply
    assert!(said.closed && said.text.starts_with('$') && !said.text.contains("RTSP/"), "{:?}", said.text);
}

/// Nothing is sent to a connection between its end being said and its being gone.
#[test]
fn what_a_connection_plays_ends_with_it() {
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    let session = talk.set_up(conn);
    let play = request("PLAY", "cam", &format!("Session: {session}\r\n"));
    assert_eq!(talk.say(conn, &play).text, "", "it waits for a frame");
    assert_eq!(talk.frame(conn).status(), 200);
    assert!(talk.frame(conn).text.starts_with('$'));
    let said = talk.say(conn, "\x01\x02\x03\r\n\r\n");
    assert_eq!((said.status(), said.closed, talk.server.sessions()), (400, true, 0));
    assert_eq!(talk.frame(conn).text, "");
}

/// A session over UDP of which nothing is heard ends; its connection goes on as long as it has another.
#[test]
fn a_silent_session_leaves_its_connection_to_another() {
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    talk.set_up(conn);
    assert_eq!(talk.say(conn, &setup("cam", "RTP/AVP;unicast;client_port=5000-5001")).status(), 200);
    assert_eq!(talk.server.sessions(), 2);
    let said = talk.wait(conn, Duration::from_secs(300));
    assert_eq!((said.text.as_str(), said.closed, talk.server.sessions()), ("", false, 1));
    assert_eq!(talk.say(conn, &request("OPTIONS", "cam", "")).status(), 200);
}

#[test]
fn a_full_server_says_so_in_both_dialects() {
    let mut talk = Talk::new(|config| config.max_sessions = 1);
    let first = talk.open(RTSP);
    talk.set_up(first);
    assert_eq!(talk.ask(&setup("cam", TCP)).status(), 453);
    let lab = talk.open(RTSP);
    let setup = "SETUP Film.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000";
    assert_eq!(talk.lab(lab, setup).status(), 453);
    // Who goes makes room.
    talk.server.handle_input(talk.now, Peer::Conn(first), Input::Closed(machine::CloseReason::Remote));
    assert_eq!(talk.lab(lab, setup).status(), 200);

    let mut talk = Talk::new(|config| config.max_sessions_per_connection = 1);
    let conn = talk.open(RTSP);
    talk.set_up(conn);
    let again = "SETUP rtsp://h/cam RTSP/1.0\r\nCSeq: 7\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n\r\n";
    assert_eq!(talk.say(conn, again).status(), 453);

    let mut talk = Talk::new(|config| config.max_published = 1);
    assert_eq!(talk.ask(&announce("pub", "application/sdp", SDP)).status(), 200);
    assert_eq!(talk.ask(&announce("other", "application/sdp", SDP)).status(), 453);
}

#[test]
fn heads_that_never_end_and_bytes_that_are_none_end_the_connection() {
    for (text, status) in [
        ("\x01\x02\x03\r\n\r\n".to_owned(), 400),
        (format!("DESCRIBE rtsp://h/cam RTSP/1.0\r\nX: {}", "x".repeat(20_000)), 413),
        (request("GET_PARAMETER", "cam", "Content-Length: 4000000000\r\n"), 413),
    ] {
        let said = Talk::new(|_| {}).ask(&text);
        assert_eq!((said.status(), said.closed), (status, true), "{}", said.text);
    }
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    assert_eq!(talk.say(conn, "DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSe").text, "");
    let said = talk.wait(conn, Duration::from_secs(30));
    assert_eq!((said.status(), said.closed), (408, true));
}

#[test]
fn nothing_outside_is_asked_for() {
    let mut talk = Talk::new(|_| {});
    for path in
        ["../film.mjpeg", "%2e%2e/film.mjpeg", "a/../../x", "a//etc/passwd", ".hidden", "a%5cb", "%00"]
    {
        assert_eq!(talk.ask(&request("DESCRIBE", path, "")).status(), 404, "{path}");
        assert_eq!(talk.ask(&setup(path, TCP)).status(), 404, "{path}");
    }
    assert_eq!(talk.wanted, [""; 0]);
    // A lab client's name is what follows the last slash, so this is a file here that is not there.
    let conn = talk.open(RTSP);
    let setup = "SETUP ../../etc/passwd RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000";
    assert_eq!(talk.lab(conn, setup).status(), 404);
    assert_eq!(talk.wanted, ["passwd"]);
}

#[test]
fn every_lab_client_gets_three_lines_that_say_no() {
    let forms = |name: &str| {
        [
            format!("SETUP {name} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"),
            format!("SETUP {name}\n1\n RTSP/1.0 RTP/UDP 25000"),
            format!("SETUP .\\{name} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/UDP; client_port= 25000\r\n"),
        ]
    };
    let three_lines = |said: &Said| {
        let lines: Vec<_> = said.text.split("\r\n").collect();
        assert!(lines.len() == 4 && lines[1] == "CSeq: 1" && lines[3].is_empty(), "{:?}", said.text);
        let session = lines[2].strip_prefix("Session: ").and_then(|n| n.parse::<u32>().ok());
        assert!(session.is_some_and(|n| (100_000..1_000_000).contains(&n)), "{:?}", said.text);
    };
    for (name, status) in [("none.Mjpeg", 404), ("odd.mjpeg", 415), ("broken.mjpeg", 503)] {
        for text in forms(name) {
            let mut talk = Talk::new(|_| {});
            let conn = talk.open(RTSP);
            let said = talk.lab(conn, &text);
            assert_eq!(said.status(), status, "{text}");
            three_lines(&said);
        }
    }
    let [form_a, ..] = forms("Film.Mjpeg");
    // It knows no credentials.
    let mut talk = Talk::new(|config| config.readers = Some(Credentials::new("u", "p")));
    let conn = talk.open(RTSP);
    let said = talk.lab(conn, &form_a);
    assert_eq!(said.status(), 401);
    three_lines(&said);
    // PLAY before SETUP, SETUP twice.
    let mut talk = Talk::new(|_| {});
    let conn = talk.open(RTSP);
    let play = "PLAY Film.Mjpeg RTSP/1.0\nCSeq: 1\nSession: 0";
    assert_eq!(talk.lab(conn, play).status(), 455);
    assert_eq!(talk.lab(conn, &form_a).status(), 200);
    assert_eq!(talk.lab(conn, &form_a).status(), 455);
    // Anybody on the way could read what goes over UDP.
    let conn = talk.open(RTSPS);
    assert_eq!(talk.lab(conn, &form_a).status(), 461);
}

#[test]
fn wrong_credentials_get_401_each_time_and_an_end_after_five() {
    let mut talk = Talk::new(|config| {
        config.readers = Some(Credentials::new("u", "p"));
        config.publishers = Some(Credentials::new("v", "q"));
    });
    let conn = talk.open(RTSP);
    let said = talk.say(conn, &request("DESCRIBE", "cam", ""));
    assert_eq!(said.status(), 401);
    assert_eq!(said.text.matches("\r\nWWW-Authenticate: Digest ").count(), 2);
    assert_eq!(said.text.matches("\r\nWWW-Authenticate: Basic ").count(), 1);
    // u:x, then what is no credentials at all
    for (wrong, closed) in [
        ("Basic dTp4", false),
        ("Basic dTp4", false),
        ("Fish", false),
        ("Digest a", false),
        ("Basic dTp4", true),
    ] {
        let said = talk.say(conn, &request("DESCRIBE", "cam", &format!("Authorization: {wrong}\r\n")));
        assert_eq!((said.status(), said.closed), (401, closed), "{wrong}");
    }
    // u:p
    let right = "Authorization: Basic dTpw\r\n";
    assert_eq!(talk.ask(&request("DESCRIBE", "cam", right)).status(), 200);
    // What lets one read does not let one publish.
    let announce = announce("pub", "application/sdp", SDP);
    assert_eq!(talk.ask(&announce).status(), 401);
    let with = |who: &str| {
        announce.replacen("CSeq: 7\r\n", &format!("CSeq: 7\r\nAuthorization: Basic {who}\r\n"), 1)
    };
    assert_eq!(talk.ask(&with("dTpw")).status(), 401);
    assert_eq!(talk.ask(&with("djpx")).status(), 200);
}
