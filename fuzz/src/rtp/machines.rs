use std::sync::Arc;

use bytes::Bytes;
use machine::{Instant, SocketId};
use rtp_rtsp::auth::Credentials;
use rtp_rtsp::client::{Client, Event as ClientEvent, Goal};
use rtp_rtsp::codec::Limits;
use rtp_rtsp::config::{ClientConfig, Publish, Purpose, ServerConfig, Wanted};
use rtp_rtsp::media::{Packets, PacketsBuilder};
use rtp_rtsp::rtp::{Header, Outgoing};
use rtp_rtsp::rtsp::headers::{Npt, Range};
use rtp_rtsp::sdp::Media;
use rtp_rtsp::server::{Clip, Event, FileRefusal, MountId, Server, UdpPorts};

use crate::input::Input;
use crate::stage::Stage;

/// A reply and a description are longer than what asks for them. Besides: a frame to each of a few readers.
const STAGE: Stage = Stage {
    sockets: &[SocketId(0), SocketId(1)],
    // The longest frame, or a head and a body.
    unread: 4 + 65_535,
    sent_per_byte: 40,
    sent_besides: 96 << 10,
};

const UDP: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (6000, 6001) };
const LIMITS: Limits = Limits { max_head: 2048, max_body: 2048 };

/// `flags, operations`: a server to which anything happens. With the flags 1 readers, with 2 publishers have to say who
/// they are, with 4 files begin anew; 8 and 16 choose how pictures are cut.
pub fn server(data: &[u8]) {
    let mut input = Input::new(data);
    let server = served(input.byte());
    let asks = |event: &Event| match event {
        Event::FileWanted { path } => Some(path.clone()),
        _ => None,
    };
    STAGE.run(server, &mut input, call, asks);
}

/// What a program may do to a server. `asked`: the files that it was asked for.
pub(crate) fn call(server: &mut Server, now: Instant, what: u8, bytes: [u8; 6], asked: &mut Vec<String>) {
    let mount = MountId(u32::from(bytes[0] % 4));
    match what % 6 {
        0 | 1 => {
            let picture = Bytes::from_static(PICTURE);
            let _ = server.push(now, mount, 0, &frame(bytes[1].into()), Some(&picture));
        }
        2 => {
            let clip = match bytes[0] % 4 {
                0 => Err(FileRefusal::Missing),
                1 => Err(FileRefusal::Unsupported),
                _ => Ok(Arc::new(Film) as Arc<dyn Clip>),
            };
            if let Some(path) = asked.pop() {
                server.offer_file(now, &path, clip);
            }
        }
        3 => {
            let _ = server.remove(now, mount);
            let _ = server.add_live("cam", "Camera", media());
        }
        4 => server.set_udp((bytes[0] & 1 == 0).then_some(UDP)),
        _ => {
            let _ = server.describe_anew(mount, 0, Media::jpeg(128, 64, (25, 1)));
            assert!(server.sessions() <= 8 && server.mounts().count() <= 1 + 3 + 2);
            assert!(server.mounts().all(|m| server.readers(now, m.id).count() == m.readers));
        }
    }
}

/// A server for these flags, with one mount.
pub(crate) fn served(flags: u8) -> Server {
    let mut config = ServerConfig::new([5; 32]);
    config.readers = (flags & 1 != 0).then(|| Credentials::new("u", "p"));
    config.publishers = (flags & 2 != 0).then(|| Credentials::new("u", "p"));
    config.loop_files = flags & 4 != 0;
    config.lab_fragments = match flags >> 3 & 3 {
        0 => rtp_rtsp::lab::Fragments::Same,
        1 => rtp_rtsp::lab::Fragments::PerFragment,
        _ => rtp_rtsp::lab::Fragments::Whole,
    };
    config.publish = Publish::Anywhere;
    config.files = true;
    (config.max_sessions, config.max_published, config.max_files) = (8, 3, 2);
    config.limits = LIMITS;
    config.multicast = Some(([239, 1, 2, 3].into(), 15_004));
    let mut server = Server::new(config);
    server.set_udp(Some(UDP));
    server.add_live("cam", "Camera", media()).expect("a path that is free");
    server
}

fn media() -> Vec<Media> {
    vec![Media::jpeg(64, 64, (25, 1))]
}

/// `flags, operations`: a client to which anything happens. The flags choose UDP, TCP or either (2 bits), publishing (4),
/// the classroom dialect (8) and whether it knows a name and password (16).
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut config = ClientConfig::new([6; 32], "rtsp://127.0.0.0:8554/cam");
    config.transport = [Wanted::Auto, Wanted::Udp, Wanted::Tcp, Wanted::Auto][usize::from(flags & 3)];
    if flags & 4 != 0 {
        config.purpose = Purpose::Publish;
        config.media = vec![Media::jpeg(64, 64, (25, 1))];
    }
    config.lab = (flags & 8 != 0).then(|| "movie.Mjpeg".into());
    config.credentials = (flags & 16 != 0).then(|| Credentials::new("u", "p"));
    config.limits = LIMITS;
    config.max_frame = 4096;
    let call = |client: &mut Client, now: Instant, what: u8, bytes: [u8; 6], asked: &mut Vec<usize>| {
        match what % 4 {
            0 => {
                let goal =
                    [Goal::Described, Goal::Ready, Goal::Playing, Goal::Gone][usize::from(bytes[0] & 3)];
                let range =
                    (bytes[1] & 1 != 0).then(|| Range::Npt { start: Npt(bytes[2].into()), end: None });
                client.go(now, goal, range);
            }
            1 => {
                let pairs = asked.pop().unwrap_or(usize::from(bytes[0] & 1));
                client.udp_ready(now, &vec![UDP; pairs.min(16)]);
            }
            2 => client.push(now, usize::from(bytes[0] & 1), &frame(bytes[1].into())),
            _ => {
                let tracks = client.tracks().count();
                assert!((0..tracks).all(|n| client.statistics(n).is_none_or(|s| s.reordered <= s.packets)));
            }
        }
    };
    let asks = |event: &ClientEvent| match event {
        ClientEvent::UdpWanted { pairs } => Some(*pairs),
        _ => None,
    };
    STAGE.run(Client::new(config), &mut input, call, asks);
}

/// A frame of two packets; no JPEG, which is nothing to the machines.
fn frame(number: u32) -> Packets {
    let mut builder = PacketsBuilder::default();
    let sequence = u16::try_from(number * 2 % 65_536).expect("within 16 bits");
    for (i, marker) in [(0, false), (1, true)] {
        let sequence = sequence.wrapping_add(i);
        let header = Header { marker, payload_type: 26, sequence, timestamp: number * 3600, ssrc: 9 };
        builder.push(&[&header.to_bytes(), &[0; 300]]);
    }
    builder.finish(true).expect("a frame")
}

const PICTURE: &[u8] = b"\xff\xd8picture\xff\xd9";

#[derive(Debug)]
struct Film;

impl Clip for Film {
    fn media(&self) -> Media {
        Media::jpeg(64, 64, (25, 1))
    }

    fn frames(&self) -> u32 {
        7
    }

    fn rate(&self) -> (u32, u32) {
        (25, 1)
    }

    fn is_key(&self, frame: u32) -> bool {
        frame.is_multiple_of(3)
    }

    fn packets(&self, frame: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets> {
        let mut builder = PacketsBuilder::default();
        builder.push(&[&numbers.next_header(true, timestamp), &frame.to_be_bytes()]);
        builder.finish(true)
    }

    fn jpeg(&self, _: u32) -> Option<Bytes> {
        Some(Bytes::from_static(PICTURE))
    }
}
