use rtp_rtsp::h264::{self, Sps};
use rtp_rtsp::jpeg::{self, Image};
use rtp_rtsp::lab;
use rtp_rtsp::rtp::{Outgoing, Packet};

use super::unframed;

/// The most bytes of a frame.
const LIMIT: usize = 2048;

/// A JPEG file. What can be sent comes back as the same picture.
pub fn image(data: &[u8]) {
    let Ok(image) = Image::parse(data) else { return };
    let packets = jpeg::packetize(&image, 1, &mut Outgoing::new(26, 7, 65_535, 400));
    assert_eq!(packets.runs().count(), 1);
    let mut depacketizer = jpeg::Depacketizer::new(1 << 20);
    let mut files = Vec::new();
    for packet in packets.iter() {
        assert!(packet.len() <= 400);
        let packet = Packet::parse(packet).expect("a packet of ours");
        files.extend(depacketizer.push(&packet).expect("a payload of ours"));
    }
    let [file] = &files[..] else { panic!("{} files", files.len()) };
    let made = Image::parse(file).expect("a file of ours");
    assert_eq!((made.sampling, made.tables, made.scan), (image.sampling, image.tables, image.scan));
    assert_eq!(made.restart_interval, image.restart_interval);
    let large = image.width > 2040 || image.height > 2040;
    let size = |n: u16| if large { n } else { n.next_multiple_of(8) };
    assert_eq!((made.width, made.height), (size(image.width), size(image.height)));
}

/// Packets of RFC 2435. What is put together is a JPEG file of bounded length.
pub fn jpeg(data: &[u8]) {
    let mut depacketizer = jpeg::Depacketizer::new(LIMIT);
    for packet in unframed(data).filter_map(|p| Packet::parse(p).ok()) {
        if let Ok(Some(file)) = depacketizer.push(&packet) {
            assert!(file.starts_with(&[0xff, 0xd8]) && file.ends_with(&[0xff, 0xd9]));
            assert!(file.len() <= LIMIT);
        }
    }
}

/// Packets of RFC 6184. Access units are bounded.
pub fn h264(data: &[u8]) {
    let mut depacketizer = h264::Depacketizer::new(LIMIT);
    for packet in unframed(data) {
        // An empty one stands for a gap.
        let Ok(packet) = Packet::parse(packet) else {
            depacketizer.lost();
            continue;
        };
        if let Ok(Some(frame)) = depacketizer.push(&packet) {
            assert!(!frame.data.is_empty() && frame.data.len() <= 2 * LIMIT);
        }
    }
    depacketizer.flush();
}

/// Packets of the classroom dialect. What is put together begins and ends as a JPEG file.
pub fn lab(data: &[u8]) {
    let mut depacketizer = lab::Depacketizer::new(LIMIT);
    for packet in unframed(data).filter_map(|p| Packet::parse(p).ok()) {
        if let lab::Received::Frame(file) = depacketizer.push(&packet) {
            assert!(file.starts_with(&[0xff, 0xd8]) && file.ends_with(&[0xff, 0xd9]));
            assert!(file.len() <= LIMIT);
        }
    }
}

/// A sequence parameter set.
pub fn sps(data: &[u8]) {
    if let Ok(sps) = Sps::parse(data) {
        assert!((1..=65_535).contains(&sps.width) && (1..=65_535).contains(&sps.height));
    }
}
