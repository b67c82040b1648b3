//! Many readers of one mount: one that does not read changes nothing for the others, and a group is served once.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use rtp_rtsp::config::ServerConfig;
use rtp_rtsp::rtp::Packet;
use rtp_rtsp::server::{CarrierKind, MountId};
use rtsp_programs::live::LiveMount;
use rtsp_programs::serve::{self, RtspServer};
use tokio::net::TcpListener;

/// Nothing takes longer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server(config: ServerConfig) -> (RtspServer, SocketAddr) {
    let mut limits = driver::Limits::default();
    // Less than a server has, so that a reader is stuck soon.
    limits.queue = machine::QueueLimits { max_bytes: 1 << 20, if_room_bytes: 256 << 10 };
    limits.unsent_limit = Some(64 << 10);
    let (server, _) = driver::Driver::start(machine::record::Recorded::new(config, None), limits);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    serve::serve_udp(&server, IpAddr::V4(Ipv4Addr::LOCALHOST), 1).unwrap();
    serve::serve_tcp(&server, listener);
    (server, address)
}

/// A picture of so many bytes that RTP can carry.
fn picture(length: usize) -> Bytes {
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([3; 64]);
    file.extend([0xff, 0xc0, 0, 17, 8, 0, 64, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    file.resize(length - 2, 5);
    file.extend([0xff, 0xd9]);
    file.into()
}

/// A session, by hand.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    session: String,
}

impl Reader {
    /// SETUP with this transport and PLAY, whose answer is not waited for: it comes with the first frame.
    fn play(server: SocketAddr, transport: &str, receive_buffer: Option<usize>) -> (Self, String) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        if let Some(size) = receive_buffer {
            socket.set_recv_buffer_size(size).unwrap();
        }
        socket.connect(&server.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = Self { stream, buffer: Vec::new(), session: String::new() };
        let url = format!("rtsp://{server}/cam");
        write!(reader.stream, "SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: {transport}\r\n\r\n")
            .unwrap();
        let head = reader.head();
        assert!(head.starts_with("RTSP/1.0 200 "), "{head}");
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)).expect("that header");
            line.trim().to_owned()
        };
        reader.session = field("Session:").split(';').next().unwrap().to_owned();
        let session = &reader.session;
        write!(reader.stream, "PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n").unwrap();
        (reader, field("Transport:"))
    }

    fn more(&mut self) {
        let mut data = [0; 16 << 10];
        let count = self.stream.read(&mut data).expect("something comes");
        assert!(count > 0, "the server hangs up");
        self.buffer.extend_from_slice(&data[..count]);
    }

    fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
            }
            self.more();
        }
    }

    /// Reads packets to the end of a frame, and checks that none is left out.
    fn frame(&mut self, last: &mut Option<u16>) {
        loop {
            while let [b'$', channel, l0, l1, rest @ ..] = &self.buffer[..] {
                let length = usize::from(u16::from_be_bytes([*l0, *l1]));
                let Some(data) = rest.get(..length) else { break };
                let packet = (*channel == 0).then(|| Packet::parse(data).unwrap().header);
                self.buffer.drain(..4 + length);
                if let Some(header) = packet {
                    assert!(last.is_none_or(|last| header.sequence == last.wrapping_add(1)));
                    *last = Some(header.sequence);
                    if header.marker {
                        return;
                    }
                }
            }
            self.more();
        }
    }
}

fn playing(server: &RtspServer, mount: MountId) -> usize {
    server.call(|machine, now| machine.readers(now, mount).count())
}

async fn until(mut look: impl FnMut() -> bool) {
    let wait = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes to pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_read_changes_nothing_for_99_others() {
    const FRAMES: u64 = 300;
    const LENGTH: usize = 8000;
    let (server, address) = server(ServerConfig::new(driver::seed())).await;
    let mut live = LiveMount::jpeg(&server, "cam", "Camera", (64, 64), (25, 1)).unwrap();
    let mount = live.id().unwrap();
    let tcp = "RTP/AVP/TCP;unicast;interleaved=0-1";
    let (stalled, _) = Reader::play(address, tcp, Some(4096));
    let readers: Vec<Reader> = (0..99).map(|_| Reader::play(address, tcp, None).0).collect();
    until(|| playing(&server, mount) == 100).await;

    // Frame by frame: the next is sent when all the others have the one before.
    let (to, from) = std::sync::mpsc::channel();
    let mut gates = Vec::new();
    let mut threads = Vec::new();
    // A few threads for all readers.
    let mut readers = readers.into_iter();
    for _ in 0..3 {
        let mut mine: Vec<_> = readers.by_ref().take(33).map(|reader| (reader, None)).collect();
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        gates.push(gate);
        let to = to.clone();
        threads.push(std::thread::spawn(move || {
            for (reader, _) in &mut mine {
                assert!(reader.head().starts_with("RTSP/1.0 200 "));
            }
            for _ in 0..FRAMES {
                mine.iter_mut().for_each(|(reader, last)| reader.frame(last));
                to.send(()).unwrap();
                opened.recv().unwrap();
            }
        }));
    }
    let start = driver::now();
    let picture = picture(LENGTH);
    for n in 0..FRAMES {
        live.push(&picture, start + Duration::from_millis(40 * n)).unwrap();
        for _ in 0..3 {
            from.recv_timeout(PATIENCE).expect("every reader gets every frame");
        }
        if n < FRAMES - 1 {
            gates.iter().for_each(|gate| gate.send(()).unwrap());
        }
    }
    let seen = server.call(|machine, now| machine.readers(now, mount).collect::<Vec<_>>());
    gates.iter().for_each(|gate| gate.send(()).unwrap());
    let (stuck, others): (Vec<_>, Vec<_>) =
        seen.iter().partition(|reader| reader.remote == stalled.stream.local_addr().unwrap());
    assert_eq!((stuck.len(), others.len()), (1, 99));
    assert!(others.iter().all(|reader| reader.dropped == 0 && reader.frames == FRAMES));
    assert!(stuck[0].dropped > FRAMES / 2, "{} of its frames were left out", stuck[0].dropped);
    for thread in threads {
        thread.join().unwrap();
    }
    drop(live);
    server.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_each_packet_once_however_many_read() {
    let group = Ipv4Addr::new(239, 255, 71, 1);
    let mut config = ServerConfig::new(driver::seed());
    config.multicast = Some((group, 25_004));
    let (server, address) = server(config).await;
    let mut live = LiveMount::jpeg(&server, "cam", "Camera", (64, 64), (25, 1)).unwrap();
    let mount = live.id().unwrap();
    let multicast = "RTP/AVP;multicast";
    let (readers, transports): (Vec<Reader>, Vec<String>) =
        (0..3).map(|_| Reader::play(address, multicast, None)).unzip();
    assert!(transports.iter().all(|t| *t == transports[0]), "{transports:?}");
    assert!(transports[0].contains(&format!("destination={group}")) && transports[0].contains("ttl=1"));
    let ports = transports[0].split(';').find_map(|part| part.strip_prefix("port=")).expect("ports");
    let port: u16 = ports.split('-').next().unwrap().parse().unwrap();
    until(|| playing(&server, mount) == 3).await;
    let member = UdpSocket::bind((group, port)).unwrap();
    member.set_read_timeout(Some(PATIENCE)).unwrap();
    member.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    let kinds = server.call(|m, now| m.readers(now, mount).map(|r| r.carrier).collect::<Vec<_>>());
    assert_eq!(kinds, [CarrierKind::Multicast; 3]);

    let start = driver::now();
    let picture = picture(4000);
    let mut last: Option<u16> = None;
    for n in 0..10 {
        live.push(&picture, start + Duration::from_millis(40 * n)).unwrap();
        loop {
            let mut data = [0; 2048];
            let (count, _) = member.recv_from(&mut data).expect("the group gets it");
            let header = Packet::parse(&data[..count]).unwrap().header;
            assert!(last.is_none_or(|last| header.sequence == last.wrapping_add(1)), "once each, in order");
            last = Some(header.sequence);
            if header.marker {
                break;
            }
        }
    }
    drop(readers);
    server.shutdown(Duration::ZERO).await;
}
