//! Client and server joined by a bad network, under a virtual clock: what the one serves and the other has of it.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use machine::sim::{ClockConfig, Cut, Either, EitherEvent, Link, NodeConfig, NodeId, World};
use machine::{Instant, Service, SocketId, Transport};
use rtp_rtsp::client::{Client, Event, Goal};
use rtp_rtsp::config::{ClientConfig, ServerConfig, Wanted};
use rtp_rtsp::jpeg::Image;
use rtp_rtsp::media::{Codec, Packetizer};
use rtp_rtsp::receiver::Statistics;
use rtp_rtsp::rtp::Outgoing;
use rtp_rtsp::sdp::Media;
use rtp_rtsp::server::{MountId, Server, UdpPorts};

const RTSP: Service = Service(0);
const SERVER: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (6000, 6001) };
const CLIENT: UdpPorts = UdpPorts { rtp: SocketId(0), rtcp: SocketId(1), ports: (5000, 5001) };
/// What the server's wall clock reads at the start.
const WALL: i64 = 1_700_000_000_000_000_000;

struct Pair {
    world: World<Either<Server, Client>>,
    server: NodeId,
    client: NodeId,
    mount: MountId,
    packetizer: Packetizer,
    period: Duration,
    frames: u64,
    packets: u64,
    /// Frames on their way: by timestamp.
    sent: BTreeMap<u32, Bytes>,
    received: Received,
}

/// What came out of the client.
#[derive(Debug, Default)]
struct Received {
    /// As they were sent.
    frames: u64,
    /// Otherwise.
    wrong: u64,
    playing: u64,
    fell_back: u64,
    /// Most that the time of sampling, as the client has it, was off by, in ns.
    worst_time: i64,
}

impl Pair {
    fn new(transport: Wanted, link: Link, period: Duration, drift_ppb: i32) -> Self {
        let mut world = World::new(5);
        let mut server = Server::new(ServerConfig::new([1; 32]));
        server.set_udp(Some(SERVER));
        let media = Media::jpeg(64, 64, (25, 1));
        let mount = server.add_live("cam", "Camera", vec![media]).unwrap();
        let clock = ClockConfig { unix_ns: WALL, ..ClockConfig::default() };
        let config = NodeConfig { clock, ..NodeConfig::at([192, 0, 2, 1]) };
        let server = world.add_node(Either::Left(server), config);
        let mut config = ClientConfig::new([2; 32], "rtsp://192.0.2.1:554/cam");
        config.transport = transport;
        let clock = ClockConfig { drift_ppb, ..ClockConfig::default() };
        let node = NodeConfig { clock, ..NodeConfig::at([192, 0, 2, 2]) };
        let client = world.add_node(Either::Right(Client::new(config)), node);
        world.set_link(server, client, link);
        for (node, ports, host) in [(server, SERVER, 1), (client, CLIENT, 2)] {
            world.bind_udp(node, ports.rtp, ([192, 0, 2, host], ports.ports.0).into());
            world.bind_udp(node, ports.rtcp, ([192, 0, 2, host], ports.ports.1).into());
        }
        let at = world.listen(server, "192.0.2.1:554".parse().unwrap(), RTSP, Transport::Stream);
        world.connect(client, at, RTSP, Transport::Stream);
        // Numbers wrap soon.
        let packetizer = Packetizer::new(Codec::Jpeg, Outgoing::new(26, 7, 65_400, 1400));
        Self {
            world,
            server,
            client,
            mount,
            packetizer,
            period,
            frames: 0,
            packets: 0,
            sent: BTreeMap::new(),
            received: Received::default(),
        }
    }

    /// A frame, and what comes of it until the next.
    fn frame(&mut self) {
        let n = self.frames;
        self.frames += 1;
        let picture = common::jpeg(200 + (n * 7919 % 5000) as usize, n);
        let local = self.world.local(self.server);
        let ticks = u128::from(local.as_nanos()) * 90_000 / 1_000_000_000;
        // Timestamps wrap after 13 h, and soon after the start.
        let timestamp = (ticks as u32).wrapping_sub(900_000);
        let packets = self.packetizer.packetize(&picture, timestamp).unwrap();
        let mount = self.mount;
        let reads = self.world.call(self.server, |m, now| {
            let server = m.left().unwrap();
            server.push(now, mount, 0, &packets, Some(&picture)).unwrap();
            server.has_readers(mount)
        });
        if reads && self.received.playing > 0 {
            self.packets += u64::from(packets.count());
        }
        self.sent.insert(timestamp, picture);
        self.pass(self.period);
        while self.sent.len() > 100 {
            // Timestamps wrap: what is furthest behind goes first.
            let oldest = *self.sent.keys().min_by_key(|t| t.wrapping_sub(timestamp).cast_signed()).unwrap();
            self.sent.remove(&oldest);
        }
    }

    fn pass(&mut self, span: Duration) {
        self.world.run_for(span);
        let events: Vec<_> = self.world.drain_events().collect();
        for (_, _, event) in events {
            let EitherEvent::Right(event) = event else { continue };
            match event {
                Event::UdpWanted { pairs } => {
                    assert_eq!(pairs, 1);
                    self.world.call(self.client, |m, now| m.right().unwrap().udp_ready(now, &[CLIENT]));
                }
                Event::Playing { .. } => self.received.playing += 1,
                Event::FellBack => self.received.fell_back += 1,
                Event::Frame { frame, .. } => {
                    let timestamp = frame.frame.timestamp;
                    let same = self.sent.get(&timestamp).is_some_and(|sent| {
                        Image::parse(sent).unwrap() == Image::parse(&frame.frame.data).unwrap()
                    });
                    self.received.frames += u64::from(same);
                    self.received.wrong += u64::from(!same);
                    if let Some(unix_ns) = frame.unix_ns {
                        let ticks = i64::from(timestamp.wrapping_add(900_000));
                        // Which round of timestamps it is of can be seen by the time itself.
                        let round = (1_i64 << 32) * 1_000_000_000 / 90_000;
                        let off = (unix_ns - WALL - ticks * 1_000_000_000 / 90_000).rem_euclid(round);
                        self.received.worst_time = self.received.worst_time.max(off.min(round - off));
                    }
                }
                Event::Failed(failure) => panic!("{failure}"),
                Event::Bye { .. } => panic!("it was let go"),
                _ => {}
            }
        }
    }

    fn frames_for(&mut self, time: Duration) {
        let count = time.as_nanos() / self.period.as_nanos();
        (0..count).for_each(|_| self.frame());
    }

    fn statistics(&mut self) -> Statistics {
        self.world.call(self.client, |m, _| m.right().unwrap().statistics(0).unwrap())
    }

    fn sessions(&mut self) -> usize {
        self.world.call(self.server, |m, _| m.left().unwrap().sessions())
    }
}

const FRAME: Duration = Duration::from_millis(40);

/// 20 ms, 3 ms of unevenness, 5 % lost, 5 % overtaken by up to 15 ms, streams cut anywhere.
fn bad_link() -> Link {
    Link {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(3),
        loss_ppm: 50_000,
        reorder_ppm: 50_000,
        reorder_by: Duration::from_millis(15),
        cut: Cut::Random(700),
        ..Link::default()
    }
}

#[test]
fn over_udp_what_arrives_is_right_and_what_does_not_is_counted() {
    let mut pair = Pair::new(Wanted::Udp, bad_link(), FRAME, 0);
    pair.frames_for(Duration::from_secs(120));
    pair.pass(Duration::from_secs(1));
    let (s, r) = (pair.statistics(), &pair.received);
    assert_eq!((r.playing, r.fell_back, r.wrong), (1, 0, 0));
    // Numbers have wrapped.
    assert!(pair.packets > 2 * 3000 && s.reordered > 100, "{s:?}");
    let lost = pair.packets.saturating_sub(s.packets);
    assert!((40..=60).contains(&(1000 * lost / pair.packets)), "{lost} of {}", pair.packets);
    assert!((lost as i64 - s.lost).abs() <= 10, "{lost} lost, {} counted", s.lost);
    // Of two to three packets a frame each arrives with 0.95.
    let whole = 1000 * r.frames / pair.frames;
    assert!((840..=920).contains(&whole), "{} of {}", r.frames, pair.frames);
    let known = r.frames + s.incomplete_frames;
    assert!(known * 100 >= pair.frames * 95, "{known} of {} are known", pair.frames);
}

#[test]
fn over_tcp_everything_arrives() {
    // A loss keeps back what comes after it for 200 ms: of many the connection would be too slow for the stream.
    let link = Link { loss_ppm: 2_000, ..bad_link() };
    let mut pair = Pair::new(Wanted::Tcp, link, FRAME, 0);
    pair.frames_for(Duration::from_secs(120));
    pair.pass(Duration::from_secs(5));
    let (s, r) = (pair.statistics(), &pair.received);
    assert_eq!((r.playing, r.wrong, s.lost, s.incomplete_frames), (1, 0, 0, 0));
    // All but those before PLAY.
    assert!(pair.frames - r.frames < 100, "{} of {}", r.frames, pair.frames);
}

#[test]
fn where_nothing_comes_over_udp_it_comes_over_tcp() {
    let mut pair = Pair::new(Wanted::Auto, Link::default(), FRAME, 0);
    pair.world.close_udp(pair.client, CLIENT.rtp);
    pair.frames_for(Duration::from_secs(20));
    assert_eq!((pair.received.fell_back, pair.received.wrong), (1, 0));
    assert!(pair.received.frames > 300 && pair.sessions() == 1);
    pair.world.call(pair.client, |m, now| m.right().unwrap().go(now, Goal::Gone, None));
    pair.world.run_for(Duration::from_secs(1));
    assert_eq!(pair.sessions(), 0);
}

/// The server's clock and the client's are 50 ppm apart, the network is bad: the session is one and the same to the end,
/// and the client knows when each picture was taken.
fn long_session(time: Duration) {
    let link = Link { loss_ppm: 10_000, loss_burst: 3, ..bad_link() };
    let mut pair = Pair::new(Wanted::Udp, link, Duration::from_millis(200), 50_000);
    pair.frames_for(time);
    pair.pass(Duration::from_secs(1));
    let (s, sessions) = (pair.statistics(), pair.sessions());
    let r = &pair.received;
    assert_eq!((r.playing, r.fell_back, r.wrong, sessions), (1, 0, 0, 1));
    assert!(r.frames * 100 > pair.frames * 95, "{} of {}", r.frames, pair.frames);
    let lost = pair.packets.saturating_sub(s.packets);
    assert!((lost as i64 - s.lost).abs() <= 10, "{lost} lost, {} counted", s.lost);
    // As exact as timestamps are, and a report is at most a period away from the frame that it speaks of.
    assert!(r.worst_time < 1_000_000, "off by {} ns", r.worst_time);
}

/// A day in the release build; an hour where checks are to be quick.
const HOURS: u64 = if cfg!(debug_assertions) { 1 } else { 24 };

#[test]
fn a_day() {
    long_session(Duration::from_secs(HOURS * 3600));
}

#[test]
fn times_are_those_of_the_server() {
    let mut pair = Pair::new(Wanted::Tcp, Link::default(), FRAME, 0);
    pair.frames_for(Duration::from_secs(10));
    assert!(pair.world.now() > Instant::from_nanos(9_000_000_000));
    assert!(pair.received.frames > 200 && pair.received.worst_time < 100_000, "{:?}", pair.received);
}
