//! What ffmpeg, a lab client and our server said to each other, as specification/captures has it, read again by the crate:
//! every message, every packet, every picture.

use std::collections::BTreeMap;

use bytes::BytesMut;
use camera_programs::tool::pcap;
use machine::Instant;
use rtp_rtsp::codec::{Codec as Decoder, Item, Limits};
use rtp_rtsp::media::Codec;
use rtp_rtsp::receiver::{Config, Event, Receiver, Statistics};
use rtp_rtsp::sdp::Description;
use rtp_rtsp::{rtcp, rtp};

const LIMITS: Limits = Limits { max_head: 16 << 10, max_body: 64 << 10 };

fn capture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specification/captures/");
    std::fs::read(format!("{path}{name}")).unwrap()
}

/// What both ends of the only connection said: requests by their methods, statuses, packets of channels.
fn conversation(file: &[u8]) -> (Vec<String>, Vec<(u8, bytes::Bytes)>, Vec<u8>) {
    let streams = pcap::streams(file).unwrap();
    assert_eq!(streams.len(), 2, "one connection, both ways");
    let (mut said, mut packets, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for (_, pieces) in streams {
        let [bytes] = &pieces[..] else { panic!("a hole in the capture") };
        let (mut decoder, mut buffer) = (Decoder::new(LIMITS), BytesMut::from(&bytes[..]));
        loop {
            let Some(item) = decoder.decode(&mut buffer).expect("it can be followed") else { break };
            match item {
                Item::Request(request) => {
                    bodies.extend_from_slice(&request.body);
                    said.push(request.method_name().to_owned());
                }
                Item::Response(response) => {
                    bodies.extend_from_slice(&response.body);
                    said.push(response.status().0.to_string());
                }
                Item::Interleaved { channel, data } => packets.push((channel, data)),
                Item::Lab(request) => panic!("of the classroom dialect: {request:?}"),
            }
        }
        assert!(buffer.is_empty(), "nothing is left over");
    }
    (said, packets, bodies)
}

/// Frames, keys among them, and what was counted.
fn received<'a>(config: Config, packets: impl Iterator<Item = &'a [u8]>) -> (usize, usize, Statistics) {
    let mut receiver = Receiver::new(config);
    let (mut frames, mut keys) = (0, 0);
    let now = Instant::default();
    let mut take = |receiver: &mut Receiver| {
        while let Some(event) = receiver.poll() {
            if let Event::Frame(frame) = event {
                assert!(!frame.frame.damaged);
                frames += 1;
                keys += usize::from(frame.frame.key);
            }
        }
    };
    for packet in packets {
        if rtcp::is_rtcp(packet) {
            receiver.rtcp(now, packet)
        } else {
            receiver.rtp(now, packet)
        }
        take(&mut receiver);
    }
    receiver.finish(now);
    take(&mut receiver);
    (frames, keys, receiver.statistics())
}

/// The datagrams of the stream that has the most, by who sent them.
fn stream(file: &[u8]) -> Vec<Vec<u8>> {
    let mut streams = BTreeMap::<_, Vec<Vec<u8>>>::new();
    for (from, to, data) in pcap::datagrams(file).unwrap() {
        assert!(rtcp::is_rtcp(&data) || rtp::Packet::parse(&data).is_ok(), "neither RTP nor RTCP");
        streams.entry((from, to)).or_default().push(data);
    }
    streams.into_values().max_by_key(Vec::len).expect("a stream")
}

#[test]
fn ffmpeg_plays_jpeg_over_udp() {
    let file = capture("rtsp-ffmpeg-plays-jpeg-udp.pcap");
    let (said, interleaved, sdp) = conversation(&file);
    let (requests, statuses): (Vec<_>, Vec<_>) = said.iter().partition(|s| s.parse::<u16>().is_err());
    assert_eq!(requests, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
    assert!(statuses.len() >= 4 && statuses.iter().all(|s| *s == "200"), "{statuses:?}");
    assert!(interleaved.is_empty());
    assert_eq!(Description::parse(&sdp).unwrap().media[0].rtp_map().unwrap().encoding, "JPEG");
    let packets = stream(&file);
    let (frames, _, statistics) =
        received(Config::new(Codec::Jpeg, 90_000), packets.iter().map(Vec::as_slice));
    assert_eq!((frames, statistics.lost, statistics.refused), (12, 0, 0));
}

#[test]
fn ffmpeg_publishes_h264_over_tcp() {
    let file = capture("rtsp-ffmpeg-publishes-h264-tcp.pcap");
    let (said, interleaved, sdp) = conversation(&file);
    let (requests, statuses): (Vec<_>, Vec<_>) = said.iter().partition(|s| s.parse::<u16>().is_err());
    assert_eq!(requests, ["OPTIONS", "ANNOUNCE", "SETUP", "RECORD", "TEARDOWN"]);
    assert!(statuses.iter().all(|s| *s == "200"), "{statuses:?}");
    let media = Description::parse(&sdp).unwrap().media.remove(0);
    assert_eq!(media.rtp_map().unwrap().encoding, "H264");
    assert!(media.format_parameter("sprop-parameter-sets").is_some());
    let (frames, keys, statistics) =
        received(Config::new(Codec::H264, 90_000), interleaved.iter().map(|(_, data)| &data[..]));
    assert_eq!((frames, keys, statistics.lost, statistics.refused), (12, 3, 0, 0));
    assert!(statistics.sender_reports > 0, "and reports between them");
}

#[test]
fn a_lab_client_of_variant_a_plays() {
    let file = capture("rtsp-lab-a.pcap");
    let streams = pcap::streams(&file).unwrap();
    let texts: Vec<_> =
        streams.iter().map(|(_, pieces)| String::from_utf8(pieces.concat()).unwrap()).collect();
    let (requests, replies) = (&texts[0], &texts[1]);
    // Each request is a packet of its own and has no end, so that one begins in the last line of the other.
    let methods: Vec<_> = requests.match_indices(" film.mjpeg RTSP/1.0\nCSeq: ").collect();
    assert_eq!(methods.len(), 5, "it pauses half way: {requests}");
    // Replies have three lines and no more.
    let lines: Vec<_> = replies.lines().collect();
    assert_eq!(lines.len(), 15, "{replies}");
    for (n, reply) in lines.chunks(3).enumerate() {
        assert_eq!(reply, ["RTSP/1.0 200 OK", &format!("CSeq: {}", n + 1), lines[2]]);
    }
    let mut config = Config::new(Codec::Jpeg, 90_000);
    config.lab = true;
    let packets = stream(&file);
    let (frames, _, statistics) = received(config, packets.iter().map(Vec::as_slice));
    // The eight that it wanted, and those that were under way when it had said PAUSE and TEARDOWN.
    assert_eq!((frames, statistics.lost, statistics.refused), (11, 0, 0));
}
