//! RTP packets read, JPEG frames packetized, RTSP heads read.

use std::hint::black_box;

use bytes::Bytes;
use rtp_rtsp::jpeg::{self, Image};
use rtp_rtsp::rtp::{DEFAULT_MAX_PACKET, Header, Outgoing, Packet};
use rtp_rtsp::rtsp::Head;
use webrtc_util::marshal::Unmarshal;

use super::OURS;
use crate::contest::{Contest, Unit};

const RTP: &str = "rtp 0.17.2";
const RTP_TYPES: &str = "rtp-types 0.1.2";
const RTSP_TYPES: &str = "rtsp-types 0.1.3";

/// Packets that a receive call takes.
const BUFFERS: usize = 32;

/// Packets and heads in a pass.
const ITEMS: usize = 1000;

/// Parsing packets, cutting a frame of 40 KB, parsing the head of a SETUP.
pub fn rtp() -> Vec<Contest> {
    vec![parse(), packetize(), setup()]
}

/// Packets of a video stream, as they lie in the buffers that a receive call has just filled: warm. What a receiver
/// needs is read of each.
fn parse() -> Contest {
    let packets: Vec<Bytes> = (0..BUFFERS)
        .map(|i| {
            let sequence = u16::try_from(i % 65_536).unwrap_or(0);
            let header = Header { marker: i % 30 == 29, payload_type: 96, sequence, timestamp: 1, ssrc: 2 };
            Bytes::from([&header.to_bytes()[..], &[7; 1388]].concat())
        })
        .collect();
    let (for_types, for_rtp) = (packets.clone(), packets.clone());
    Contest::new("RTP packet parsed", Unit::Nanoseconds, ITEMS)
        .entrant(OURS, move || {
            for packet in packets.iter().cycle().take(ITEMS) {
                if let Ok(p) = Packet::parse(black_box(packet)) {
                    let h = p.header;
                    black_box((h.marker, h.payload_type, h.sequence, h.timestamp, h.ssrc, p.payload.len()));
                }
            }
        })
        .entrant(RTP_TYPES, move || {
            for packet in for_types.iter().cycle().take(ITEMS) {
                if let Ok(p) = rtp_types::RtpPacket::parse(black_box(packet)) {
                    let numbers = (p.sequence_number(), p.timestamp(), p.ssrc());
                    black_box((p.marker_bit(), p.payload_type(), numbers, p.payload().len()));
                }
            }
        })
        .entrant(RTP, move || {
            for packet in for_rtp.iter().cycle().take(ITEMS) {
                if let Ok(p) = ::rtp::packet::Packet::unmarshal(&mut black_box(packet).clone()) {
                    let h = p.header;
                    black_box((
                        h.marker,
                        h.payload_type,
                        h.sequence_number,
                        h.timestamp,
                        h.ssrc,
                        p.payload.len(),
                    ));
                }
            }
        })
}

/// A frame of 40 KB, read by its markers and put into 30 packets.
fn packetize() -> Contest {
    let file = jpeg_file(40_000);
    let mut out = Outgoing::new(26, 7, 0, DEFAULT_MAX_PACKET);
    Contest::new("JPEG frame of 40 KB packetized", Unit::Nanoseconds, 1).entrant(OURS, move || {
        if let Ok(image) = Image::parse(black_box(&file)) {
            black_box(jpeg::packetize(&image, 9000, &mut out));
        }
    })
}

/// A baseline file with two tables and a scan, so long in all.
fn jpeg_file(bytes: usize) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 132, 0];
    file.extend([2; 64]);
    file.push(1);
    file.extend([3; 64]);
    file.extend([0xff, 0xc0, 0, 17, 8, 1, 0xe0, 2, 0x80, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    file.resize(bytes - 2, 0x55);
    file.extend([0xff, 0xd9]);
    file
}

fn setup() -> Contest {
    let head = b"SETUP rtsp://127.0.0.1:8554/movie.mjpeg/stream=0 RTSP/1.0\r\n\
        Transport: RTP/AVP/UDP;unicast;client_port=21478-21479\r\nCSeq: 3\r\n\
        User-Agent: Lavf59.27.100\r\nSession: 0123456789abcdef\r\n\r\n";
    Contest::new("head of an RTSP SETUP parsed", Unit::Nanoseconds, ITEMS)
        .entrant(OURS, move || {
            for _ in 0..ITEMS {
                _ = black_box(Head::parse(black_box(head)));
            }
        })
        .entrant(RTSP_TYPES, move || {
            for _ in 0..ITEMS {
                _ = black_box(rtsp_types::Message::<&[u8]>::parse(black_box(&head[..])));
            }
        })
}
