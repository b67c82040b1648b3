//! Readers of a file: those that begin together get the same packets, and each can leave the others.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use machine::{ConnId, Input, Instant, Machine, Opened, Output, Peer, Service, SocketId, Transport};
use rtp_rtsp::config::ServerConfig;
use rtp_rtsp::media::Packets;
use rtp_rtsp::rtp::{Header, Outgoing, Packet};
use rtp_rtsp::sdp::Media;
use rtp_rtsp::server::{Clip, Event, MemoryClip, Server, UdpPorts};

const UDP: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (6000, 6001) };

/// A film of 100 pictures, 40 ms each, that counts how often packets are made.
#[derive(Debug)]
struct Film {
    clip: MemoryClip,
    made: AtomicUsize,
}

impl Film {
    fn new() -> Self {
        let pictures: Vec<u8> = (0..100).flat_map(|n| common::jpeg(300, n)).collect();
        let clip = MemoryClip::from_mjpeg(BytesMut::from(&pictures[..]), (25, 1), |_| None).unwrap();
        Self { clip, made: AtomicUsize::new(0) }
    }
}

impl Clip for Film {
    fn media(&self) -> Media {
        self.clip.media()
    }
    fn frames(&self) -> u32 {
        self.clip.frames()
    }
    fn rate(&self) -> (u32, u32) {
        self.clip.rate()
    }
    fn is_key(&self, frame: u32) -> bool {
        self.clip.is_key(frame)
    }
    fn packets(&self, frame: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.clip.packets(frame, timestamp, numbers)
    }
    fn jpeg(&self, frame: u32) -> Option<Bytes> {
        self.clip.jpeg(frame)
    }
}

/// A server with that film, and what its readers have got of it.
struct Hall {
    server: Server,
    film: Arc<Film>,
    now: Instant,
    /// By the readers' ports.
    got: BTreeMap<u16, Vec<Bytes>>,
}

impl Hall {
    fn new() -> Self {
        let mut config = ServerConfig::new([7; 32]);
        config.files = true;
        let mut server = Server::new(config);
        server.set_udp(Some(UDP));
        Self { server, film: Arc::new(Film::new()), now: Instant::default(), got: BTreeMap::new() }
    }

    /// What the machine says now; gives what it says to connections.
    fn said(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { data, .. } => all.extend_from_slice(data.as_bytes()),
                Output::Datagram(d) if d.to.socket == UDP.rtp => {
                    self.got.entry(d.to.remote.port()).or_default().push(d.data);
                }
                Output::Event(Event::FileWanted { path }) => {
                    self.server.offer_file(self.now, &path, Ok(self.film.clone()));
                }
                _ => {}
            }
        }
        String::from_utf8(all).unwrap()
    }

    /// Lets time pass.
    fn until(&mut self, ms: u64) {
        let end = Instant::from_nanos(ms * 1_000_000);
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
            self.said();
        }
        self.now = end;
    }

    fn answer(&mut self, conn: ConnId, text: &str) -> String {
        self.server.handle_input(self.now, Peer::Conn(conn), Input::Bytes(&mut BytesMut::from(text)));
        self.said()
    }

    fn request(&mut self, conn: ConnId, text: &str) -> String {
        let reply = self.answer(conn, text);
        assert!(reply.starts_with("RTSP/1.0 200 "), "{reply}");
        reply
    }

    /// A connection with a session.
    fn enter(&mut self, port: u16) -> Reader {
        let conn = ConnId(port.into());
        let opened = Opened {
            service: Service(0),
            local: SocketAddr::from(([192, 0, 2, 1], 554)),
            remote: SocketAddr::from(([192, 0, 2, 2], port)),
            transport: Transport::Stream,
        };
        self.server.handle_input(self.now, Peer::Conn(conn), Input::Opened(opened));
        let setup = format!(
            "SETUP rtsp://h/film.mjpeg/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port={port}-{}\r\n\r\n",
            port + 1
        );
        let reply = self.request(conn, &setup);
        let session = reply.lines().find_map(|l| l.strip_prefix("Session: ")).expect("a session");
        Reader { conn, port, session: session.split(';').next().unwrap().to_owned() }
    }

    /// PLAY or PAUSE.
    fn tell(&mut self, reader: &Reader, method: &str) -> String {
        let Reader { conn, session, .. } = reader;
        let text = format!("{method} rtsp://h/film.mjpeg RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n");
        self.request(*conn, &text)
    }

    /// PLAY of a range.
    fn play(&mut self, reader: &Reader, range: &str) -> String {
        let Reader { conn, session, .. } = reader;
        let head = "PLAY rtsp://h/film.mjpeg RTSP/1.0\r\nCSeq: 2\r\n";
        self.answer(*conn, &format!("{head}Session: {session}\r\nRange: {range}\r\n\r\n"))
    }

    fn begin(&mut self, port: u16) -> Reader {
        let reader = self.enter(port);
        let reply = self.tell(&reader, "PLAY");
        // true to the first packet
        let Header { sequence, timestamp, .. } = self.header(&reader, 0);
        assert!(reply.contains(&format!(";seq={sequence};rtptime={timestamp}\r\n")), "{reply}");
        reader
    }

    fn got(&self, reader: &Reader) -> &[Bytes] {
        &self.got[&reader.port]
    }

    fn header(&self, reader: &Reader, number: usize) -> Header {
        Packet::parse(&self.got(reader)[number]).unwrap().header
    }
}

struct Reader {
    conn: ConnId,
    port: u16,
    session: String,
}

#[test]
fn who_begins_together_gets_the_same_packets() {
    let mut hall = Hall::new();
    hall.until(1005);
    let one = hall.begin(5000);
    hall.until(1020);
    let two = hall.begin(5002);
    // A frame later.
    hall.until(1045);
    let three = hall.begin(5004);
    hall.until(2000);
    let (first, second) = (hall.got(&one), hall.got(&two));
    assert_eq!(first.len(), 26);
    assert_eq!(first, second);
    let same = first.iter().zip(second).all(|(a, b)| a.as_ptr() == b.as_ptr());
    assert!(same, "packets were made twice");
    assert_eq!(hall.got(&three).len(), 25);
    assert_ne!(hall.header(&one, 0).ssrc, hall.header(&three, 0).ssrc);
    assert_eq!(hall.film.made.load(Ordering::Relaxed), 26 + 25);
}

#[test]
fn one_that_pauses_goes_on_where_it_was_and_the_others_do_not_notice() {
    let mut hall = Hall::new();
    hall.until(1005);
    let one = hall.begin(5000);
    let two = hall.begin(5002);
    hall.until(1210);
    hall.tell(&one, "PAUSE");
    hall.until(1500);
    let before = hall.got(&one).len();
    let reply = hall.tell(&one, "PLAY");
    let Header { sequence, timestamp, .. } = hall.header(&one, before);
    assert!(reply.contains(&format!(";seq={sequence};rtptime={timestamp}\r\n")), "{reply}");
    hall.until(2000);
    let (paused, steady) = (hall.got(&one), hall.got(&two));
    assert_eq!((before, steady.len()), (6, 26));
    // 300 ms without, and nothing is left out.
    assert_eq!(paused.len(), 6 + 14);
    assert_eq!(paused, &steady[..paused.len()]);
    let sequences = (0..steady.len()).map(|n| hall.header(&two, n).sequence);
    let first = hall.header(&two, 0).sequence;
    assert!(sequences.zip(0_u16..).all(|(sequence, n)| sequence == first.wrapping_add(n)));
}

#[test]
fn any_part_is_played() {
    let mut hall = Hall::new();
    let all = hall.begin(5000);
    hall.until(4000);
    let pictures: Vec<_> = (0..100).map(|n| payload(&hall, &all, n)).collect();

    let one = hall.enter(5002);
    let reply = hall.play(&one, "npt=1.000-2");
    assert!(reply.contains("\r\nRange: npt=1.000-2.000\r\n"), "{reply}");
    hall.until(7000);
    assert_eq!(hall.got(&one).len(), 25, "it ends where it was asked to");
    assert!((0..25).all(|n| payload(&hall, &one, n) == pictures[25 + n]));
    // After the end it begins anew; elsewhere while it plays, too.
    let reply = hall.tell(&one, "PLAY");
    assert!(reply.contains("\r\nRange: npt=0.000-4.000\r\n"), "{reply}");
    assert_eq!(payload(&hall, &one, 25), pictures[0]);
    let reply = hall.play(&one, "npt=0:00:03.97-");
    assert!(reply.contains("\r\nRange: npt=3.960-4.000\r\n"), "{reply}");
    let Header { sequence, .. } = hall.header(&one, 26);
    assert_eq!(sequence, hall.header(&one, 25).sequence.wrapping_add(1));
    assert_eq!(payload(&hall, &one, 26), pictures[99]);
    // Each time is its picture's, up to the next.
    for (n, picture) in pictures.iter().enumerate() {
        let at = hall.got(&one).len();
        hall.play(&one, &format!("npt={}.{:03}-", n * 40 / 1000, n * 40 % 1000));
        assert_eq!(payload(&hall, &one, at), *picture);
        hall.play(&one, &format!("npt={}.{:03}-", (n * 40 + 39) / 1000, (n * 40 + 39) % 1000));
        assert_eq!(payload(&hall, &one, at + 1), *picture);
    }
    for beyond in ["npt=4.000-", "npt=99999999999-", "npt=5-6"] {
        assert!(hall.play(&one, beyond).starts_with("RTSP/1.0 457 "), "{beyond}");
    }
}

/// What a packet carries behind its header.
fn payload(hall: &Hall, reader: &Reader, number: usize) -> Vec<u8> {
    Packet::parse(&hall.got(reader)[number]).unwrap().payload.to_vec()
}
