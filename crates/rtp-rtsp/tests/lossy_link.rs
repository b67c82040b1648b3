//! A stream over a link that loses, doubles and reorders, under a virtual clock: what arrives is right, what does not
//! is counted.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::sim::{Either, EitherEvent, Link, NodeConfig, World};
use machine::{Datagram, Input, Instant, Machine, Output, Peer, SocketId, UdpPeer};
use rtp_rtsp::jpeg::Image;
use rtp_rtsp::media::{Codec, Packetizer};
use rtp_rtsp::receiver::{Config, Event, Receiver, Statistics};
use rtp_rtsp::rtcp::{self, SenderInfo};
use rtp_rtsp::rtp::{MediaClock, NtpTime, Outgoing};

const RTP: SocketId = SocketId(0);
const RTCP: SocketId = SocketId(1);
const FRAME: Duration = Duration::from_millis(40);
/// What a sender's wall clock reads at its start.
const WALL: i64 = 1_700_000_000_000_000_000;

/// Sends a frame every 40 ms, and a sender report every 50 frames.
struct Sender {
    packetizer: Packetizer,
    clock: MediaClock,
    codec: Codec,
    frames: u64,
    total: u64,
    start: Instant,
    sent_packets: u32,
    out: VecDeque<Output<(u32, Bytes)>>,
}

impl Sender {
    fn new(codec: Codec, first_sequence: u16, total: u64) -> Self {
        Self {
            packetizer: Packetizer::new(codec, Outgoing::new(96, 7, first_sequence, 1400)),
            clock: MediaClock::new(90_000, Instant::default(), u32::MAX - 1_000_000),
            codec,
            frames: 0,
            total,
            start: Instant::default(),
            sent_packets: 0,
            out: VecDeque::new(),
        }
    }

    fn datagram(&mut self, socket: SocketId, port: u16, data: Bytes, segment: Option<u16>) {
        let to = UdpPeer { socket, remote: ([192, 0, 2, 2], port).into(), local: None };
        self.out.push_back(Output::Datagram(Datagram { to, data, segment, stamp: None }));
    }
}

impl Machine for Sender {
    /// Timestamp and content of a frame.
    type Event = (u32, Bytes);

    fn handle_input(&mut self, _: Instant, _: Peer, _: Input<'_>) {}

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|t| now < t) {
            return;
        }
        let timestamp = self.clock.timestamp(now);
        if self.frames.is_multiple_of(50) {
            let ntp = NtpTime::from_unix_ns(WALL + now.as_nanos() as i64);
            let info = SenderInfo { ntp, timestamp, packets: self.sent_packets, octets: 0 };
            let mut writer = rtcp::Writer::default();
            writer.sender_report(7, info, &[]).source_description(7, &[(rtcp::sdes::CNAME, b"sender")]);
            self.datagram(RTCP, 5001, writer.finish(), None);
        }
        let frame = frame(self.codec, self.frames);
        let packets = self.packetizer.packetize(&frame, timestamp).unwrap();
        self.sent_packets += u32::from(packets.count());
        for run in packets.runs() {
            self.datagram(RTP, 5000, run.data, run.segment);
        }
        self.out.push_back(Output::Event((timestamp, frame)));
        self.frames += 1;
    }

    fn poll_output(&mut self) -> Option<Output<Self::Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let at = self.start + FRAME * u32::try_from(self.frames).unwrap();
        (self.frames < self.total).then_some(at)
    }
}

/// A receiver with a socket of each kind.
struct Reader {
    receiver: Receiver,
    out: VecDeque<Output<Event>>,
}

impl Reader {
    fn drain(&mut self) {
        while let Some(event) = self.receiver.poll() {
            if let Event::Send(data) = event {
                let to = UdpPeer { socket: RTCP, remote: ([192, 0, 2, 1], 6001).into(), local: None };
                self.out.push_back(Output::Datagram(Datagram { to, data, segment: None, stamp: None }));
            } else {
                self.out.push_back(Output::Event(event));
            }
        }
    }
}

impl Machine for Reader {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        if let (Peer::Udp(peer), Input::Datagram { data, .. }) = (from, input) {
            match peer.socket {
                RTP => self.receiver.rtp(now, data),
                _ => self.receiver.rtcp(now, data),
            }
        }
        self.drain();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.receiver.handle_timeout(now);
        self.drain();
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.receiver.poll_timeout()
    }
}

/// Frame `n`: its own content, 1 to 9 packets long.
fn frame(codec: Codec, n: u64) -> Bytes {
    let len = 500 + (n * 7919 % 11_000) as usize;
    if codec == Codec::Jpeg {
        return common::jpeg(len, n);
    }
    let mut out = BytesMut::from(&[0, 0, 0, 1, if n.is_multiple_of(25) { 0x65 } else { 0x41 }][..]);
    out.extend(common::scan(len, n));
    out.freeze()
}

/// JPEG headers are made anew by the receiver; what they say and the scan is the same.
fn same(codec: Codec, sent: &Bytes, received: &Bytes) -> bool {
    match codec {
        Codec::Jpeg => Image::parse(sent).unwrap() == Image::parse(received).unwrap(),
        _ => sent == received,
    }
}

struct Outcome {
    sent: BTreeMap<u32, Bytes>,
    /// Timestamp, whether damaged, content, wall-clock time.
    received: Vec<(u32, bool, Bytes, Option<i64>)>,
    statistics: Statistics,
    packets_sent: u64,
}

fn run(codec: Codec, link: Link, first_sequence: u16, frames: u64) -> Outcome {
    let mut world = World::new(11);
    let sender = Sender::new(codec, first_sequence, frames);
    let sender = world.add_node(Either::Left(sender), NodeConfig::at([192, 0, 2, 1]));
    let config = Config::new(codec, 90_000);
    let reader = Reader { receiver: Receiver::new(config), out: VecDeque::new() };
    let reader = world.add_node(Either::Right(reader), NodeConfig::at([192, 0, 2, 2]));
    world.set_link(sender, reader, link);
    world.bind_udp(sender, RTP, "192.0.2.1:6000".parse().unwrap());
    world.bind_udp(sender, RTCP, "192.0.2.1:6001".parse().unwrap());
    world.bind_udp(reader, RTP, "192.0.2.2:5000".parse().unwrap());
    world.bind_udp(reader, RTCP, "192.0.2.2:5001".parse().unwrap());
    world.call(sender, |m, now| {
        let s = m.left().unwrap();
        s.start = now;
        s.clock = MediaClock::new(90_000, now, u32::MAX - 1_000_000);
    });
    world.run_for(FRAME * u32::try_from(frames).unwrap() + Duration::from_secs(1));
    world.call(reader, |m, now| {
        let reader = m.right().unwrap();
        reader.receiver.finish(now);
        reader.drain();
    });
    let (mut sent, mut received) = (BTreeMap::new(), Vec::new());
    for (_, _, event) in world.drain_events() {
        match event {
            EitherEvent::Left((timestamp, frame)) => {
                sent.insert(timestamp, frame);
            }
            EitherEvent::Right(Event::Frame(f)) => {
                received.push((f.frame.timestamp, f.frame.damaged, f.frame.data, f.unix_ns));
            }
            EitherEvent::Right(_) => {}
        }
    }
    let statistics = world.call(reader, |m, _| m.right().unwrap().receiver.statistics());
    let packets_sent = world.call(sender, |m, _| u64::from(m.left().unwrap().sent_packets));
    Outcome { sent, received, statistics, packets_sent }
}

#[test]
fn over_a_clean_link_every_frame_arrives_over_the_wrap_of_numbers_and_timestamps() {
    for codec in [Codec::Jpeg, Codec::H264] {
        // Both wrap: the number after 36 packets, the timestamp after 11 s.
        let o = run(codec, Link::default(), 65_500, 500);
        assert_eq!(o.received.len(), 500);
        assert!(o.received.iter().all(|(t, damaged, data, _)| !damaged && same(codec, &o.sent[t], data)));
        let s = o.statistics;
        assert_eq!((s.frames, s.incomplete_frames, s.lost, s.reordered), (500, 0, 0, 0));
        assert_eq!((s.packets, s.refused), (o.packets_sent, 0));
        assert_eq!(s.sender_reports, 10);
        // Sender reports tie timestamps to the sender's clock, to the nanosecond but for rounding of 1/90000 s.
        let times: Vec<i64> = o.received.iter().filter_map(|r| r.3).collect();
        assert!(times.len() >= 499);
        assert!(times.windows(2).all(|w| (w[1] - w[0] - 40_000_000).abs() < 12_000));
    }
}

#[test]
fn reordered_and_doubled_packets_cost_nothing() {
    let link = Link {
        reorder_ppm: 100_000,
        reorder_by: Duration::from_millis(30),
        duplicate_ppm: 50_000,
        ..Link::default()
    };
    for codec in [Codec::Jpeg, Codec::H264] {
        let o = run(codec, link, 65_000, 500);
        assert_eq!(o.received.len(), 500);
        assert!(o.received.iter().all(|(t, damaged, data, _)| !damaged && same(codec, &o.sent[t], data)));
        assert!(o.statistics.reordered > 100);
        assert!(o.statistics.lost <= 0);
    }
}

#[test]
fn with_losses_what_arrives_is_right_and_what_does_not_is_counted() {
    let link = Link {
        loss_ppm: 50_000,
        reorder_ppm: 50_000,
        reorder_by: Duration::from_millis(20),
        ..Link::default()
    };
    for codec in [Codec::Jpeg, Codec::H264] {
        let o = run(codec, link, 65_000, 1000);
        let s = o.statistics;
        // 5 % of the packets, give or take a few that stood at the ends.
        let lost = o.packets_sent - s.packets;
        assert!((lost as i64 - s.lost).abs() <= 5, "{lost} lost, {} counted", s.lost);
        assert!((30..=70).contains(&(1000 * lost / o.packets_sent)), "{lost} of {}", o.packets_sent);
        // Whole frames are what was sent. Of about 4.9 packets a frame each arrives with 0.95, so that about 0.78 of
        // the frames are whole. When an H.264 marker is missing, the frame after it is marked as well.
        let whole = o.received.iter().filter(|r| !r.1);
        assert!(whole.clone().all(|(t, _, data, _)| same(codec, &o.sent[t], data)));
        let whole = whole.count();
        assert!((680..=860).contains(&whole), "{codec:?}: {whole} of 1000");
        // All but the few frames of a single packet that was lost are accounted for.
        let known = whole as u64 + s.incomplete_frames;
        assert!((960..=1000).contains(&known), "{codec:?}: {known} of 1000");
        match codec {
            Codec::Jpeg => assert_eq!(o.received.len(), whole, "no damaged JPEG is given"),
            _ => assert!(o.received.len() > whole, "damaged access units are given and marked"),
        }
        // In order.
        let order: Vec<i32> = o.received.iter().map(|r| r.0.wrapping_sub(o.received[0].0) as i32).collect();
        assert!(order.windows(2).all(|w| w[0] < w[1]));
    }
}
