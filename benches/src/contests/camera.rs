//! Camera frames: decoding a stream that comes in pieces, encoding, and what hostile streams cost. Beside crate mavlink,
//! whose heartbeat is a checked frame of 17 bytes to our 16.

use std::hint::black_box;
use std::io::{self, Read};

use bytes::BytesMut;
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event, Resync};
use camera_packet::message::Telemetry;
use camera_packet::packet::{self, Kind};
use machine::Instant;
use mavlink::dialects::minimal::MavMessage;
use mavlink::{MavHeader, MavlinkReader, MavlinkVersion};

use super::OURS;
use crate::Random;
use crate::contest::{Contest, Unit};

const MAVLINK: &str = "mavlink 0.21";

/// Frames in a pass.
const FRAMES: usize = 4096;
/// Pieces in which a stream comes: a frame, a few, an Ethernet segment, all that a socket has.
const PIECES: [usize; 4] = [16, 64, 1460, 65_536];
/// Bytes of a hostile stream.
const HOSTILE: usize = 65_536;

/// Decoding in pieces of each size, and encoding.
pub fn camera() -> Vec<Contest> {
    let mut contests: Vec<Contest> = PIECES.into_iter().map(decode).collect();
    contests.push(encode());
    contests
}

/// What each byte of a hostile stream costs, at both policies and some sizes of pieces. There is nobody to compare with.
pub fn hostile() -> Vec<Contest> {
    let mut contests = Vec::new();
    for (name, stream) in streams() {
        for resync in [Resync::Rescan, Resync::Discard] {
            for size in [16, 1460, 65_536] {
                contests.push(suffer(
                    &format!("{name}, {resync:?}, in pieces of {size}"),
                    &stream,
                    resync,
                    size,
                ));
            }
        }
    }
    contests
}

fn decode(size: usize) -> Contest {
    let stream: Vec<u8> = (0..FRAMES).flat_map(|n| telemetry(n).to_frame()).collect();
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    let mut heartbeats = heartbeats(size);
    Contest::new(format!("camera: decode, in pieces of {size}"), Unit::Nanoseconds, FRAMES)
        .entrant(OURS, move || {
            let mut frames = 0;
            for piece in stream.chunks(size) {
                let mut feed = decoder.feed(Instant::default(), black_box(piece));
                while let Some(event) = feed.next() {
                    let Event::Frame(frame) = event else { continue };
                    black_box(frame.payload);
                    frames += 1;
                }
            }
            assert_eq!(frames, FRAMES);
        })
        .entrant(MAVLINK, move || {
            for _ in 0..FRAMES {
                _ = black_box(heartbeats.read_message::<MavMessage>(MavlinkVersion::V1));
            }
        })
}

fn encode() -> Contest {
    let mut out = BytesMut::with_capacity(FRAMES * Telemetry::FRAME_LEN);
    let mut theirs = Vec::with_capacity(FRAMES * 17);
    let heartbeat = MavMessage::HEARTBEAT(Default::default());
    Contest::new("camera: encode", Unit::Nanoseconds, FRAMES)
        .entrant(OURS, move || {
            out.clear();
            for n in 0..FRAMES {
                black_box(telemetry(n)).encode(&mut out);
            }
            black_box(&out);
        })
        .entrant(MAVLINK, move || {
            theirs.clear();
            for _ in 0..FRAMES {
                _ = mavlink::write_v1_msg(&mut theirs, MavHeader::default(), black_box(&heartbeat));
            }
            black_box(&theirs);
        })
}

fn suffer(name: &str, stream: &[u8], resync: Resync, size: usize) -> Contest {
    let (stream, config) = (stream.to_vec(), DecoderConfig::new(Bounds::ANY).with_resync(resync).unsynced());
    let mut decoder = Decoder::new(config);
    Contest::new(format!("hostile: {name}"), Unit::Nanoseconds, HOSTILE).entrant(OURS, move || {
        for piece in stream.chunks(size) {
            let mut feed = decoder.feed(Instant::default(), black_box(piece));
            while let Some(event) = feed.next() {
                black_box(event);
            }
        }
    })
}

/// Streams that make a decoder look at bytes again and again.
fn streams() -> Vec<(String, Vec<u8>)> {
    let repeated = |unit: &[u8]| unit.iter().copied().cycle().take(HOSTILE).collect::<Vec<u8>>();
    let mut random = Random::new(3);
    let noise: Vec<u8> = (0..HOSTILE).map(|_| (random.bits() >> 32) as u8).collect();
    let marks: Vec<u8> = (0..HOSTILE).map(|_| if random.bits() >> 63 == 0 { 0 } else { 0xff }).collect();
    let mut streams = vec![
        ("zeros".into(), repeated(&[0])),
        ("marks".into(), repeated(&[0, 0xff])),
        ("noise".into(), noise),
        ("noise of 00 and FF".into(), marks),
    ];
    // Plausible headers one behind the other: each begins a frame that overlaps those of the next ones.
    for len in [0_u16, 9, 58, 64, 121, 122, 400, 1024] {
        let kind = if len <= 64 { Kind::DATA } else { Kind::AUTH_PASSWORD };
        let [high, low] = len.to_be_bytes();
        streams.push((format!("headers of {len}"), repeated(&[0, 0xff, kind.id, kind.ty, high, low])));
    }
    // Right frames, each followed by what makes it a false one.
    let mut lone = BytesMut::new();
    for len in [0, 57, 1024] {
        lone.clear();
        let _ = packet::encode(Kind::new(0x1f, 0x1f), &vec![0; len], &mut lone);
        lone.extend_from_slice(&[0x55]);
        streams.push((format!("false frames of {len}"), repeated(&lone)));
    }
    streams
}

fn telemetry(n: usize) -> Telemetry {
    Telemetry { value: (n % 11) as u8, timestamp_ms: 1_795_245_736_856 + 41 * n as u64 }
}

/// Heartbeats without end, at most so many bytes at a time.
fn heartbeats(size: usize) -> MavlinkReader<Pieces> {
    let mut stream = Vec::new();
    for sequence in 0..=255 {
        let header = MavHeader { sequence, ..MavHeader::default() };
        let _ = mavlink::write_v1_msg(&mut stream, header, &MavMessage::HEARTBEAT(Default::default()));
    }
    assert_eq!(stream.len(), 256 * 17);
    MavlinkReader::with_capacity(size, Pieces { stream, at: 0, size })
}

struct Pieces {
    stream: Vec<u8>,
    at: usize,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = self.stream.get(self.at..).unwrap_or_default();
        let n = out.len().min(self.size).min(rest.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.at = (self.at + n) % self.stream.len();
        Ok(n)
    }
}
