//! The simulator, seen through the toy machine and raw peers.
#![cfg(feature = "sim")]

use core::num::NonZeroU64;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use machine::sim::{
    ClockConfig, Cut, Either, EitherEvent, Happened, Heard, Limits, Link, NodeConfig, NodeId, Raw, Rng,
    SimFile, Spread, Stamps, Stats, TraceLine, What, World,
};
use machine::toy::{self, ECHO, Toy};
use machine::{
    CloseReason, Closing, ConnId, Datagram, FileToken, Input, Instant, Keep, Machine, Output, Payload, Peer,
    QueueLimits, SendTag, Service, SocketId, Stamp, StampSource, Transport, UdpPeer,
};

type Pair = World<Either<Toy, Raw>>;

const MS: Duration = Duration::from_millis(1);
const SOCKET: SocketId = SocketId(0);
const PERIOD: Duration = Duration::from_millis(40);

fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// A toy at 192.0.2.1:7000 and a raw peer at 192.0.2.2.
struct Bench {
    world: Pair,
    toy: NodeId,
    raw: NodeId,
}

impl Bench {
    fn new(link: Link, toy: NodeConfig, raw: NodeConfig) -> Self {
        let mut world = World::new(42);
        world.set_default_link(link);
        let at = |mut config: NodeConfig, address: [u8; 4]| {
            config.addresses = vec![IpAddr::from(address)];
            config
        };
        let toy = world.add_node(Either::Left(Toy::new(PERIOD)), at(toy, [192, 0, 2, 1]));
        let raw = world.add_node(Either::Right(Raw::new()), at(raw, [192, 0, 2, 2]));
        for (port, transport) in [(7000, Transport::Stream), (7001, Transport::WebSocket)] {
            let local = SocketAddr::new([192, 0, 2, 1].into(), port);
            world.listen(toy, local, ECHO, transport);
        }
        world.bind_udp(toy, SOCKET, addr("0.0.0.0:7000"));
        world.bind_udp(raw, SOCKET, addr("192.0.2.2:7000"));
        Self { world, toy, raw }
    }

    fn plain() -> Self {
        Self::new(Link::default(), NodeConfig::default(), NodeConfig::default())
    }

    fn connect(&mut self) -> ConnId {
        self.connect_to("192.0.2.1:7000", Transport::Stream)
    }

    fn connect_to(&mut self, to: &str, transport: Transport) -> ConnId {
        let conn = self.world.connect(self.raw, addr(to), Service(0), transport);
        self.world.run_for(Duration::from_secs(1));
        conn
    }

    fn raw(&mut self, f: impl FnOnce(&mut Raw)) {
        self.world.call(self.raw, |m, _| f(m.right().unwrap()));
    }

    fn say(&mut self, conn: ConnId, bytes: impl Into<Bytes>) {
        self.raw(|raw| raw.bytes(conn, bytes));
    }

    fn ping(&mut self, data: &'static [u8]) {
        self.raw(|raw| raw.datagram(to_toy(), data));
    }

    fn run(&mut self, ms: u64) {
        self.world.run_for(MS * u32::try_from(ms).unwrap());
    }

    fn log(&mut self) -> Vec<Happened<EitherEvent<toy::Event, Heard>>> {
        self.world.drain().collect()
    }

    fn heard(&mut self) -> Vec<Heard> {
        self.world.drain_events().filter_map(|(_, _, e)| e.right()).collect()
    }

    fn toy_events(&mut self) -> Vec<toy::Event> {
        self.world.drain_events().filter_map(|(_, _, e)| e.left()).collect()
    }

    /// All stream bytes that the raw peer was told, of all connections.
    fn text(&mut self) -> String {
        String::from_utf8(joined(self.heard())).unwrap()
    }
}

fn joined(heard: Vec<Heard>) -> Vec<u8> {
    let bytes = heard.into_iter().map(|h| match h {
        Heard::Bytes(_, b) => b,
        _ => Bytes::new(),
    });
    bytes.collect::<Vec<_>>().concat()
}

fn to_toy() -> UdpPeer {
    UdpPeer { socket: SOCKET, remote: addr("192.0.2.1:7000"), local: None }
}

fn ticks(text: &str) -> Vec<u64> {
    let ticks = text.lines().filter_map(|l| l.strip_prefix("tick "));
    ticks.map(|n| n.parse().unwrap()).collect()
}

#[test]
fn a_stream_is_cut_anywhere_and_loses_nothing() {
    let mut rng = Rng::new(3);
    for cut in [Cut::Whole, Cut::Every(1), Cut::Every(7), Cut::Random(20)] {
        let link = Link { jitter: MS * 5, loss_ppm: 20_000, cut, ..Link::default() };
        let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
        let conn = b.connect();
        let mut expected = String::new();
        for i in 0..200 {
            let line = format!("{i} {}", "x".repeat(rng.size_up_to(30)));
            expected += &format!("echo {line}\n");
            b.say(conn, line + "\n");
            b.run(rng.up_to(3));
        }
        b.run(60_000);
        let heard = b.heard();
        let pieces = heard.iter().filter_map(|h| match h {
            Heard::Bytes(_, bytes) => Some(bytes.len()),
            _ => None,
        });
        let longest = pieces.max().unwrap();
        match cut {
            Cut::Whole => assert!(longest > 20),
            Cut::Every(n) => assert_eq!(longest, n),
            Cut::Random(n) => assert_eq!(longest, n),
        }
        assert_eq!(String::from_utf8(joined(heard)).unwrap(), expected);
    }
}

/// Everything at once, for the digest.
fn messy_world(seed: u64) -> (u64, Stats, Vec<TraceLine>, Vec<String>) {
    let mut world: Pair = World::new(seed);
    world.keep_trace();
    world.set_default_link(Link {
        jitter: MS * 3,
        loss_ppm: 50_000,
        loss_burst: 4,
        duplicate_ppm: 20_000,
        reorder_ppm: 30_000,
        stall_ppm: 1_000,
        window: 2_000,
        bandwidth: NonZeroU64::new(100_000),
        cut: Cut::Random(50),
        ..Link::default()
    });
    let config = NodeConfig {
        wake_late: Spread::up_to(MS),
        clock: ClockConfig { offset: Duration::from_secs(77), drift_ppb: -40_000, ..ClockConfig::default() },
        ..NodeConfig::at([10, 9, 9, 9])
    };
    let server = world.add_node(Either::Left(Toy::new(PERIOD)), config);
    let at = world.listen(server, addr("10.9.9.9:0"), ECHO, Transport::Stream);
    world.bind_udp(server, SOCKET, at);
    let clients: Vec<NodeId> =
        (0..5).map(|_| world.add_node(Either::Right(Raw::new()), NodeConfig::default())).collect();
    for &client in &clients {
        world.bind_udp(client, SOCKET, addr("0.0.0.0:0"));
        world.connect(client, at, ECHO, Transport::Stream);
    }
    let mut log = Vec::new();
    let mut turn = 0u32;
    world.run_with(Instant::from_nanos(60_000_000_000), |world, happened| {
        log.push(format!("{happened:?}"));
        turn += 1;
        let peer = UdpPeer { socket: SOCKET, remote: at, local: None };
        match (happened.what, happened.node) {
            (What::Opened(conn, _), node) if node != server => world.call(node, |m, _| {
                m.right().unwrap().bytes(conn, "subscribe\nhello\n");
            }),
            (What::Event(EitherEvent::Right(Heard::Bytes(..))), node) if turn.is_multiple_of(3) => {
                world.call(node, |m, _| {
                    m.right().unwrap().datagram(peer, format!("ping {turn}"));
                });
            }
            (What::Event(EitherEvent::Right(Heard::Bytes(conn, _))), node) if turn.is_multiple_of(97) => {
                world.reset(node, conn);
                world.connect(node, at, ECHO, Transport::Stream);
            }
            _ => {}
        }
    });
    (world.digest(), world.stats(), world.take_trace(), log)
}

#[test]
fn equal_seeds_give_equal_traces() {
    let (digest, stats, trace, log) = messy_world(1);
    assert!(trace.len() > 5_000 && log.len() > 5_000, "{stats:?}");
    assert!(stats.datagrams_lost > 0 && stats.datagrams_doubled > 0, "{stats:?}");
    assert!(stats.datagrams_overtaken > 0 && stats.closed > 5, "{stats:?}");
    let again = messy_world(1);
    assert_eq!(again.2, trace);
    assert_eq!(again.3, log);
    assert_eq!((again.0, again.1), (digest, stats));
    let other = messy_world(2);
    assert_ne!(other.0, digest);
    assert_ne!(other.2, trace);
}

#[test]
fn a_chatty_day_takes_seconds() {
    let mut b = Bench::plain();
    let conn = b.connect();
    b.say(conn, "subscribe\n");
    let day = Duration::from_secs(24 * 3600);
    let mut last = 0;
    let until = b.world.now() + day;
    b.world.run_with(until, |world, happened| {
        if let What::Event(EitherEvent::Right(Heard::Bytes(conn, bytes))) = happened.what {
            let text = std::str::from_utf8(&bytes).unwrap().trim();
            if let Some(n) = text.strip_prefix("tick ") {
                last = n.parse::<u64>().unwrap();
                // 25 ticks a second, due to the nanosecond, one delay later.
                let due = last * 40_000_000 + 100_000;
                assert_eq!(happened.at.as_nanos(), due);
                world.call(happened.node, |m, _| {
                    m.right().unwrap().bytes(conn, format!("ack {n}\n"));
                });
            }
        }
    });
    // The last is on its way.
    assert_eq!(last, (24 * 3600 + 1) * 25 - 1);
    let stats = b.world.stats();
    assert!(stats.wakes >= 24 * 3600 * 25, "{stats:?}");
}

#[test]
fn datagrams_are_lost_doubled_and_overtaken_as_often_as_asked() {
    let link =
        Link { loss_ppm: 100_000, duplicate_ppm: 50_000, reorder_ppm: 20_000, jitter: MS, ..Link::default() };
    let mut b = Bench::plain();
    b.world.set_link_one_way(b.raw, b.toy, link);
    let n = 20_000;
    for _ in 0..n {
        b.ping(b"ping");
        b.run(1);
    }
    b.run(100);
    let s = b.world.stats();
    let near = |value: u64, ppm: u64| value.abs_diff(n * ppm / 1_000_000) < n * ppm / 10_000_000;
    assert!(near(s.datagrams_lost, 100_000), "{s:?}");
    assert!(near(s.datagrams_doubled, 44_100), "{s:?}"); // of the 0.9 * 0.98
    assert!(near(s.datagrams_overtaken, 18_000), "{s:?}"); // of the 0.9
    let arrived = n - s.datagrams_lost + s.datagrams_doubled;
    assert_eq!(s.datagrams_sent, n + arrived);
    assert_eq!(s.datagrams_read, 2 * arrived);
}

#[test]
fn only_overtaken_datagrams_change_their_place() {
    for (reorder_ppm, ordered) in [(0, true), (100_000, false)] {
        let link = Link { jitter: MS * 50, reorder_ppm, reorder_by: MS * 60, ..Link::default() };
        let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
        for i in 0..500u32 {
            let data = format!("ping {i:05}");
            b.raw(|raw| raw.datagram(to_toy(), data));
            b.run(1);
        }
        b.run(1_000);
        let pongs = b.heard().into_iter().map(|h| match h {
            Heard::Datagram(_, data, _) => data.slice(..10),
            other => panic!("{other:?}"),
        });
        let pongs: Vec<Bytes> = pongs.collect();
        assert_eq!(pongs.len(), 500);
        assert_eq!(pongs.is_sorted(), ordered);
    }
}

#[test]
fn a_burst_leaves_whole_and_arrives_as_datagrams() {
    let mut b = Bench::plain();
    b.ping(b"burst 64 1000");
    b.run(10);
    let heard = b.heard();
    assert_eq!(heard.len(), 64);
    for (i, heard) in heard.iter().enumerate() {
        let Heard::Datagram(peer, data, _) = heard else {
            panic!("{heard:?}");
        };
        assert_eq!(data, &vec![u8::try_from(i).unwrap(); 1000]);
        assert_eq!(peer.remote, addr("192.0.2.1:7000"));
        assert_eq!(peer.local, Some([192, 0, 2, 2].into()));
    }
    // The last segment may be shorter, and the report names the whole.
    let data = Bytes::from_static(b"aaaabbbbcc");
    let datagram = Datagram {
        to: UdpPeer { remote: addr("192.0.2.2:7000"), ..to_toy() },
        data,
        segment: Some(4),
        stamp: Some(SendTag(7)),
    };
    b.raw(|raw| raw.say(Output::Datagram(datagram)));
    b.run(10);
    let lens: Vec<usize> = b
        .heard()
        .into_iter()
        .map(|h| match h {
            Heard::Datagram(_, data, _) => data.len(),
            Heard::DatagramSent(_, SendTag(7), _) => 7_000,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lens, [7_000, 4, 4, 2]);
}

#[test]
fn stamps_tell_the_time_at_the_wire_or_in_the_driver() {
    let late = |stamps| NodeConfig {
        read_late: Spread::always(MS * 3),
        send_late: Spread::always(MS * 2),
        clock: ClockConfig { offset: Duration::from_secs(1), ..ClockConfig::default() },
        stamps,
        ..NodeConfig::default()
    };
    for (stamps, source, received, left) in [
        (Stamps::Kernel, StampSource::Kernel, 1_010, 1_015),
        (Stamps::Clock, StampSource::Clock, 1_013, 1_013),
    ] {
        let mut b = Bench::new(Link::default(), late(stamps), NodeConfig::default());
        // Not the same there and back.
        let delay = |ms| Link { delay: MS * ms, ..Link::default() };
        b.world.set_link_one_way(b.raw, b.toy, delay(10));
        b.world.set_link_one_way(b.toy, b.raw, delay(70));
        b.ping(b"ping");
        b.run(100);
        let stamp = |ms| Stamp { at: at(ms), source };
        let log = b.log();
        let stamped = log.iter().find_map(|h| match &h.what {
            What::Event(EitherEvent::Left(toy::Event::Stamped { received, left, .. })) => {
                Some((*received, *left, h.at, h.local))
            }
            _ => None,
        });
        let expected = (stamp(received), stamp(left), at(15), at(1_015));
        assert_eq!(stamped, Some(expected));
        let pong = log.iter().find_map(|h| match &h.what {
            What::Event(EitherEvent::Right(Heard::Datagram(_, data, _))) => Some((h.at, data)),
            _ => None,
        });
        let text = format!("pong {}", at(received).as_nanos());
        assert_eq!(pong, Some((at(85), &Bytes::from(text))));
    }
}

#[test]
fn clocks_drift_and_wall_clocks_step() {
    let clock =
        ClockConfig { offset: Duration::from_secs(1_000), drift_ppb: 100_000, unix_ns: 5_000_000_000 };
    let config = NodeConfig { clock, ..NodeConfig::default() };
    let mut b = Bench::new(Link::default(), config, NodeConfig::default());
    let conn = b.connect();
    b.say(conn, "subscribe\n");
    b.run(9_999_000);
    // 10 000 s at 1.0001: one second more.
    assert_eq!(b.world.local(b.toy), at(11_001_000));
    assert_eq!(b.world.wall_clock(b.toy), 5_000_000_000 + 10_001_000_000_000);
    let last = ticks(&b.text()).pop();
    assert_eq!(last, Some(11_001_000 / 40 - 1)); // 275 025 is on its way
    b.world.set_wall_clock(b.toy, -1);
    b.world.set_drift(b.toy, -500_000_000);
    b.run(10_000);
    assert_eq!(b.world.local(b.toy), at(11_006_000));
    assert_eq!(b.world.world_time(b.toy, at(11_006_000)), b.world.now());
    let log = b.log();
    assert!(log.iter().any(|h| h.what == What::Event(EitherEvent::Left(toy::Event::WallClock(-1)))));
    // At half the rate: 125 ticks in 10 s; one was on its way then, one is now.
    let text = log.into_iter().filter_map(|h| match h.what {
        What::Event(e) => e.right(),
        _ => None,
    });
    let ticks = ticks(std::str::from_utf8(&joined(text.collect())).unwrap());
    assert_eq!((ticks.len(), ticks.last()), (125, Some(&275_149)));
}

#[test]
fn late_wakes_are_late_by_what_was_asked() {
    let config = NodeConfig { wake_late: Spread { min: MS * 10, max: MS * 100 }, ..NodeConfig::default() };
    let mut b = Bench::new(Link::default(), config, NodeConfig::default());
    let conn = b.connect();
    b.say(conn, "subscribe\n");
    b.run(60_000);
    let mut last = 0;
    let mut skipped = 0;
    for h in b.log() {
        let What::Event(EitherEvent::Right(Heard::Bytes(_, bytes))) = h.what else {
            continue;
        };
        let tick = ticks(std::str::from_utf8(&bytes).unwrap())[0];
        let late = h.at.as_nanos() - 100_000 - tick * 40_000_000;
        assert!(late <= 40_000_000, "{late}");
        assert!(tick > last);
        skipped += tick - last - 1;
        last = tick;
    }
    assert!(skipped > 500, "{skipped}");
}

#[test]
fn a_stuck_reader_gets_the_newest_and_others_miss_nothing() {
    let link = Link { window: 100, ..Link::default() };
    let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
    let (stuck, other) = (b.connect(), b.connect());
    b.say(stuck, "subscribe\n");
    b.say(other, "subscribe\n");
    b.run(1_000);
    b.heard();
    b.world.pause_reading(b.raw, stuck);
    b.run(60_000);
    let heard = b.heard();
    assert!(heard.iter().all(|h| matches!(h, Heard::Bytes(conn, _) if *conn == other)));
    assert_eq!(heard.len(), 1_500);
    b.say(stuck, "hello\n");
    b.run(20);
    let now = b.world.now();
    b.world.resume_reading(b.raw, stuck);
    b.run(50);
    let heard = b.heard().into_iter();
    let text = joined(heard.filter(|h| matches!(h, Heard::Bytes(conn, _) if *conn == stuck)).collect());
    let text = String::from_utf8(text).unwrap();
    // What had filled the window, then the newest, which `hello` has made stale, then what is due.
    let ticks = ticks(&text);
    let due = now.as_nanos() / 40_000_000 + 1;
    assert!(ticks.len() < 15, "{text}");
    assert!(ticks.is_sorted() && ticks.last() == Some(&due), "{text}");
    assert!(text.contains("echo hello\n"), "{text}");
    let before = ticks.iter().rev().nth(1).unwrap();
    assert!(due - before > 1_000, "{text}");
    assert!(b.world.stats().stuck > 0);
}

#[test]
fn a_reader_for_whom_too_much_waits_is_closed() {
    let limits =
        Limits { queue: QueueLimits { max_bytes: 10_000, if_room_bytes: 3_000 }, ..Limits::default() };
    let config = NodeConfig { limits, ..NodeConfig::default() };
    let link = Link { window: 1_000, ..Link::default() };
    let mut b = Bench::new(link, config, NodeConfig::default());
    let conn = b.connect();
    b.world.pause_reading(b.raw, conn);
    for _ in 0..200 {
        b.say(conn, "x".repeat(100) + "\n");
        b.run(1);
    }
    let closed = b.toy_events().into_iter().find_map(|e| match e {
        toy::Event::Closed(_, reason) => Some(reason),
        _ => None,
    });
    assert_eq!(closed, Some(CloseReason::SlowReader));
    assert_eq!(b.world.stats().slow_readers, 1);
    b.world.resume_reading(b.raw, conn);
    b.run(10);
    let heard = b.heard();
    assert!(heard.contains(&Heard::Closed(conn, CloseReason::Failed)));
    assert!(joined(heard).len() <= 1_000);
}

#[test]
fn items_that_find_no_room_are_counted() {
    let limits =
        Limits { queue: QueueLimits { max_bytes: 10_000, if_room_bytes: 1_000 }, ..Limits::default() };
    let raw = NodeConfig { limits, ..NodeConfig::default() };
    let mut b = Bench::new(Link::default(), NodeConfig::default(), raw);
    let conn = b.connect();
    let send = |raw: &mut Raw, n: u8| {
        raw.say(Output::Send { to: conn, data: Payload::Bytes(vec![n; 400].into()), keep: Keep::IfRoom });
    };
    b.raw(|raw| (0..5).for_each(|n| send(raw, n)));
    b.run(5);
    b.raw(|raw| send(raw, 9));
    b.run(5);
    assert_eq!(b.world.stats().left_out, 3);
    assert!(b.heard().contains(&Heard::Dropped(conn, 3)));
}

#[test]
fn files_go_out_in_their_place() {
    let link = Link { window: 1 << 20, ..Link::default() };
    let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
    let len = 256u64 << 20;
    b.world.add_file(b.toy, FileToken(7), SimFile::pattern(len, 99));
    let conn = b.connect();
    b.say(conn, format!("file 7 {len}\nafter\n"));
    let file = SimFile::pattern(len, 99);
    let (mut head, mut got, mut tail) = (Vec::new(), 0u64, Vec::new());
    let until = b.world.now() + Duration::from_secs(3_600);
    let mut sent = 0;
    b.world.run_with(until, |_, happened| match happened.what {
        What::Event(EitherEvent::Right(Heard::Bytes(_, mut bytes))) => {
            let start = "file 268435456\n".len();
            head.extend_from_slice(&bytes.split_to((start - head.len()).min(bytes.len())));
            let part = bytes.split_to(usize::try_from(len - got).unwrap().min(bytes.len()));
            let mut expected = vec![0; part.len()];
            file.read(got, &mut expected);
            assert!(part == expected, "at {got}");
            got += part.len() as u64;
            tail.extend_from_slice(&bytes);
        }
        What::Event(EitherEvent::Left(toy::Event::FileSent(_, FileToken(7)))) => sent += 1,
        _ => {}
    });
    assert_eq!(head, b"file 268435456\n");
    assert_eq!((got, sent), (len, 1));
    assert_eq!(tail, b"echo after\n");
}

#[test]
fn a_file_that_cannot_be_had_ends_the_connection() {
    let mut b = Bench::plain();
    b.world.add_file(b.toy, FileToken(1), SimFile::bytes("short"));
    for line in ["file 1 6\n", "file 2 1\n"] {
        let conn = b.connect();
        b.say(conn, line);
        b.run(100);
        let log = b.log();
        let reasons: Vec<_> = log
            .iter()
            .filter_map(|h| match h.what {
                What::Closed(_, reason, _) => Some((h.node == b.toy, reason)),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, [(true, CloseReason::FileFailed), (false, CloseReason::Failed)]);
    }
    // An empty part of a file that is there is sent at once.
    let conn = b.connect();
    b.say(conn, "file 1 0\n");
    b.run(100);
    assert!(b.toy_events().iter().any(|e| matches!(e, toy::Event::FileSent(..))));
}

#[test]
fn parted_nodes_lose_datagrams_and_keep_streams() {
    let link = Link { jitter: MS * 20, cut: Cut::Random(5), ..Link::default() };
    let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
    let conn = b.connect();
    let mut expected = String::new();
    let mut say = |b: &mut Bench, n: u32| {
        b.say(conn, format!("line {n}\n"));
        expected += &format!("echo line {n}\n");
    };
    for n in 0..300u32 {
        // Parted from time to time, with things under way in both directions.
        match n % 30 {
            7 => b.world.part(b.toy, b.raw),
            11 => b.world.part_one_way(b.raw, b.toy),
            15 => b.world.heal(b.toy, b.raw),
            16 => b.world.part_one_way(b.toy, b.raw),
            22 => b.world.heal(b.toy, b.raw),
            _ => {}
        }
        say(&mut b, n);
        b.run(u64::from(n % 5));
    }
    b.run(10_000);
    assert_eq!(b.text(), expected);
    b.world.part(b.toy, b.raw);
    b.ping(b"ping");
    let late = b.world.connect(b.raw, addr("192.0.2.1:7000"), Service(0), Transport::Stream);
    b.run(1_000);
    assert_eq!(b.world.stats().datagrams_lost, 1);
    assert_eq!(b.heard(), []);
    b.world.heal(b.toy, b.raw);
    b.run(1_000);
    let opened = |h: &Heard| matches!(h, Heard::Opened(conn, _) if *conn == late);
    assert!(b.heard().iter().any(opened));
}

#[test]
fn connections_are_refused_where_nobody_listens() {
    let mut b = Bench::plain();
    b.world.unlisten(b.toy, addr("192.0.2.1:7000"));
    for (to, transport) in [
        ("192.0.2.1:7000", Transport::Stream),
        ("192.0.2.1:7001", Transport::Stream),
        ("192.0.2.200:80", Transport::Stream),
    ] {
        let conn = b.connect_to(to, transport);
        let log: Vec<_> = b.log().into_iter().map(|h| h.what).collect();
        let known = [What::Refused(conn)];
        assert_eq!(
            log.iter().filter(|w| !matches!(w, What::Event(_))).collect::<Vec<_>>(),
            known.iter().collect::<Vec<_>>()
        );
    }
    // A request that is taken back before it is answered.
    b.world.listen(b.toy, addr("0.0.0.0:7000"), ECHO, Transport::Stream);
    let conn = b.world.connect(b.raw, addr("192.0.2.1:7000"), Service(0), Transport::Stream);
    b.world.reset(b.raw, conn);
    b.run(100);
    let log: Vec<_> = b.log().into_iter().map(|h| h.what).collect();
    assert_eq!(log, [What::Refused(conn)]);
}

#[test]
fn ends_resets_and_losses_are_told_to_both() {
    // The toy answers the end of a stream with its own, after what it has to say.
    let mut b = Bench::plain();
    let conn = b.connect();
    b.say(conn, "one\ntwo\nrest");
    b.world.half_close(b.raw, conn);
    b.run(100);
    let heard = b.heard();
    assert_eq!(heard.last(), Some(&Heard::End(conn)));
    assert_eq!(joined(heard), b"echo one\necho two\n");
    b.raw(|raw| raw.close(conn));
    b.run(100);
    assert_eq!(b.heard(), [Heard::Closed(conn, CloseReason::Local)]);

    // Whoever closes first is told `Closed`, the other `End`.
    let conn = b.connect();
    b.say(conn, "quit\n");
    b.run(100);
    let heard = b.heard();
    assert_eq!(heard[1..], [Heard::Bytes(conn, "bye\n".into()), Heard::End(conn)]);
    // Writing on is answered by a reset.
    b.say(conn, "more\n");
    b.run(100);
    assert_eq!(b.heard(), [Heard::Closed(conn, CloseReason::Failed)]);

    let conn = b.connect();
    b.log();
    b.world.reset(b.raw, conn);
    b.run(100);
    let reasons: Vec<_> = b
        .log()
        .into_iter()
        .filter_map(|h| match h.what {
            What::Closed(_, reason, _) => Some((h.node == b.toy, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [(false, CloseReason::Failed), (true, CloseReason::Failed)]);

    // A peer that vanishes is noticed when something is sent to it.
    let conn = b.connect();
    b.say(conn, "subscribe\n");
    b.run(1);
    b.world.lose(b.raw, conn);
    b.log();
    b.run(100);
    let toy: Vec<_> = b.log().into_iter().filter(|h| h.node == b.toy).map(|h| h.what).collect();
    assert!(matches!(toy[0], What::Closed(_, CloseReason::Failed, None)), "{toy:?}");

    // A line too long is answered by a reset.
    let conn = b.connect();
    b.say(conn, "x".repeat(5_000));
    b.run(100);
    assert_eq!(b.heard().last(), Some(&Heard::Closed(conn, CloseReason::Failed)));
}

#[test]
fn messages_stay_whole_and_closes_carry_their_code() {
    let link = Link { cut: Cut::Every(1), window: 50, ..Link::default() };
    let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
    let conn = b.connect_to("192.0.2.1:7001", Transport::WebSocket);
    b.raw(|raw| {
        for n in 0..20 {
            raw.text(conn, format!("hello {n}"));
        }
        raw.text(conn, "x".repeat(200));
        raw.text(conn, "quit");
    });
    b.run(1_000);
    let log = b.log();
    let codes: Vec<_> = log
        .iter()
        .filter_map(|h| match h.what {
            What::Closed(_, reason, code) => Some((h.node == b.raw, reason, code)),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [(false, CloseReason::Local, None), (true, CloseReason::Remote, Some(1000)),]);
    let texts: Vec<String> = log
        .into_iter()
        .filter_map(|h| match h.what {
            What::Event(EitherEvent::Right(Heard::Text(_, text))) => Some(text),
            _ => None,
        })
        .collect();
    let mut expected: Vec<String> = (0..20).map(|n| format!("echo hello {n}")).collect();
    expected.push(format!("echo {}", "x".repeat(200)));
    expected.push("bye".into());
    assert_eq!(texts, expected);

    let conn = b.connect_to("192.0.2.1:7001", Transport::WebSocket);
    b.log();
    b.raw(|raw| raw.say(Output::Close { conn, how: Closing::Code(4001) }));
    b.run(100);
    let code = b.log().into_iter().find_map(|h| match h.what {
        What::Closed(_, CloseReason::Remote, code) => code,
        _ => None,
    });
    assert_eq!(code, Some(4001));
}

#[test]
fn a_frozen_node_catches_up_without_a_burst() {
    let mut b = Bench::plain();
    let conn = b.connect();
    b.say(conn, "subscribe\n");
    b.run(1_010);
    b.heard();
    let start = b.world.now();
    b.world.freeze(b.toy, Duration::from_secs(2));
    b.ping(b"ping");
    for n in 0..50 {
        b.say(conn, format!("line {n}\n"));
        b.run(10);
    }
    b.run(1_490);
    assert_eq!(b.heard(), []);
    b.run(60);
    let heard = b.heard();
    let pong = heard.iter().find_map(|h| match h {
        Heard::Datagram(_, data, _) => Some(data.clone()),
        _ => None,
    });
    // Stamped when it came, not when it was read.
    let came = start.as_nanos() + 100_000;
    assert_eq!(pong, Some(format!("pong {came}").into()));
    let text = String::from_utf8(joined(heard)).unwrap();
    let echoes: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("echo line ")).collect();
    assert_eq!(echoes, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    // One tick for the time frozen, and those due in the 50 ms since then.
    let thawed = (start.as_nanos() + 2_000_000_000) / 40_000_000;
    assert_eq!(ticks(&text), [thawed, thawed + 1]);
}

#[test]
fn what_a_frozen_node_cannot_hold_is_dropped() {
    let limits = Limits { udp_buffer: 1_000, ..Limits::default() };
    let config = NodeConfig { limits, ..NodeConfig::default() };
    let mut b = Bench::new(Link::default(), config, NodeConfig::default());
    b.world.freeze(b.toy, Duration::from_secs(1));
    for _ in 0..20 {
        b.ping(&[b'p'; 100]);
    }
    b.run(2_000);
    let s = b.world.stats();
    assert_eq!((s.datagrams_read, s.datagrams_overrun), (10, 10));
}

#[test]
fn unread_bytes_and_long_messages_end_the_connection() {
    let limits = Limits { max_unread: 1_000, max_message: 500, ..Limits::default() };
    let config = NodeConfig { limits, ..NodeConfig::default() };
    let mut b = Bench::new(Link::default(), config, NodeConfig::default());
    let conn = b.connect();
    b.say(conn, "x".repeat(1_000));
    b.run(100);
    assert_eq!(b.world.stats().closed, 0);
    b.say(conn, "x");
    b.run(100);
    let web = b.connect_to("192.0.2.1:7001", Transport::WebSocket);
    b.raw(|raw| raw.text(web, "x".repeat(501)));
    b.run(100);
    let reasons = b.toy_events().into_iter().filter_map(|e| match e {
        toy::Event::Closed(_, reason) => Some(reason),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), [CloseReason::Overflow; 2]);
}

#[test]
fn groups_and_broadcasts_reach_their_members() {
    let mut world: World<Raw> = World::new(1);
    let nodes: Vec<NodeId> = (0..4).map(|_| world.add_node(Raw::new(), NodeConfig::default())).collect();
    for &node in &nodes {
        world.bind_udp(node, SOCKET, addr("0.0.0.0:5004"));
    }
    let group = IpAddr::from([239, 1, 2, 3]);
    world.join_group(nodes[1], SOCKET, group);
    world.join_group(nodes[2], SOCKET, group);
    for (ip, members) in [(group, 2), ([255; 4].into(), 3)] {
        let to = UdpPeer { socket: SOCKET, remote: SocketAddr::new(ip, 5004), local: None };
        world.call(nodes[0], |raw, _| raw.datagram(to, "all"));
        world.run_for(MS);
        let heard: Vec<_> = world.drain_events().collect();
        assert_eq!(heard.len(), members);
        for (_, _, event) in heard {
            let Heard::Datagram(peer, data, _) = event else { panic!("{event:?}") };
            assert_eq!((peer.local, data), (None, "all".into()));
            assert_eq!(peer.remote, addr("10.0.0.1:5004"));
        }
    }
    world.close_udp(nodes[1], SOCKET);
    let to = UdpPeer { socket: SOCKET, remote: addr("10.0.0.2:5004"), local: None };
    world.call(nodes[0], |raw, _| raw.datagram(to, "none"));
    world.run_for(MS);
    assert_eq!(world.stats().datagrams_undeliverable, 1);
}

#[test]
fn bandwidth_bounds_a_stream() {
    let link = Link { bandwidth: NonZeroU64::new(1_000_000), window: 64 * 1024, ..Link::default() };
    let mut b = Bench::new(link, NodeConfig::default(), NodeConfig::default());
    b.world.add_file(b.toy, FileToken(1), SimFile::pattern(10_000_000, 1));
    let conn = b.connect();
    b.say(conn, "file 1 10000000\n");
    b.run(5_000);
    let got = joined(b.heard()).len();
    assert!((4_900_000..5_000_000).contains(&got), "{got}");
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let mut b = Bench::plain();
    for _ in 0..10_000 {
        let conn = b.world.connect(b.raw, addr("192.0.2.1:7000"), Service(0), Transport::Stream);
        b.run(1);
        b.say(conn, "subscribe\nquit\n");
        b.run(1);
        b.raw(|raw| raw.close(conn));
        b.run(1);
        b.log();
    }
    let s = b.world.stats();
    assert_eq!((s.opened, s.closed), (10_000, 20_000));
    assert_eq!(b.world.call(b.toy, |m, _| m.poll_timeout()), None);
    assert_eq!(b.world.step(), None);
}

/// What to say on a connection.
type Say = fn(ConnId) -> Vec<Output<()>>;

/// A machine that does one wrong thing when told a line, or that its connection is gone.
struct Wrong(Say, Vec<Output<()>>, Option<Instant>);

impl Machine for Wrong {
    type Event = ();

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        if let (Peer::Conn(conn), Input::Text(_)) = (from, &input) {
            self.1 = (self.0)(conn);
            self.1.reverse();
            if self.1.is_empty() {
                self.2 = Some(now);
            }
        }
        if let (Peer::Conn(conn), Input::Closed(_)) = (from, input) {
            self.1 = (self.0)(conn);
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output<()>> {
        self.1.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.2
    }
}

fn text(to: ConnId, text: &'static [u8]) -> Output<()> {
    let (data, keep) = (Payload::Text(text.into()), Keep::Always);
    Output::Send { to, data, keep }
}

/// What the world says to a machine that says `wrong`.
fn complaint(wrong: Say, reset: bool) -> String {
    let result = std::panic::catch_unwind(|| {
        let mut world = World::new(1);
        let server = Either::Left(Wrong(wrong, Vec::new(), None));
        let server = world.add_node(server, NodeConfig::at([192, 0, 2, 1]));
        let client = world.add_node(Either::Right(Raw::new()), NodeConfig::default());
        let to = world.listen(server, addr("192.0.2.1:0"), ECHO, Transport::WebSocket);
        let conn = world.connect(client, to, ECHO, Transport::WebSocket);
        world.run_for(MS);
        if reset {
            world.reset(client, conn);
        } else {
            world.call(client, |m, _| m.right().unwrap().text(conn, "go"));
        }
        world.run_for(MS);
    });
    *result.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn machines_that_break_the_contract_are_found_out() {
    let cases: BTreeMap<&str, Say> = BTreeMap::from([
        (
            "after it closed",
            (|conn| vec![Output::Close { conn, how: Closing::AfterFlush }, text(conn, b"x")])
                as fn(ConnId) -> Vec<Output<()>>,
        ),
        ("closes after it closed", |conn| {
            let how = Closing::Now;
            vec![Output::Close { conn, how }, Output::Close { conn, how }]
        }),
        ("unknown ConnId(99)", |_| vec![text(ConnId(99), b"x")]),
        ("not UTF-8", |conn| vec![text(conn, b"\xff")]),
        ("wrong kind of payload", |to| {
            let (data, keep) = (Payload::Bytes("x".into()), Keep::Always);
            vec![Output::Send { to, data, keep }]
        }),
        ("file on a WebSocket", |to| vec![Output::SendFile { to, file: FileToken(1), offset: 0, len: 1 }]),
        ("unknown SocketId(0)", |_| {
            vec![Output::Datagram(Datagram { to: to_toy(), data: "x".into(), segment: None, stamp: None })]
        }),
        ("wants to be woken", |_| vec![]),
    ]);
    for (expected, wrong) in cases {
        let found = complaint(wrong, false);
        assert!(found.contains(expected), "{found}");
    }
    let found = complaint(|conn| vec![text(conn, b"x")], true);
    assert!(found.contains("was Closed"), "{found}");
}
