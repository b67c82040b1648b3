use std::time::Duration;

use machine::Instant;
use rtp_rtsp::media::{Codec, Relay};
use rtp_rtsp::receiver::{Config, Event, Receiver};
use rtp_rtsp::rtp::{Outgoing, Packet};

use super::unframed;
use crate::input::Input;

const CODECS: [Codec; 4] = [Codec::Jpeg, Codec::H264, Codec::H265, Codec::Other];

/// `codec, packets`: packets and RTCP to a receiver, 7 ms apart. Frames are bounded, deadlines move on.
pub fn receiver(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let mut config = Config::new(CODECS[usize::from(choice & 3)], 90_000);
    config.lab = choice & 4 != 0;
    config.max_frame = 4096;
    let mut receiver = Receiver::new(config);
    let mut now = Instant::default();
    for packet in unframed(input.rest()) {
        now = now + Duration::from_millis(7);
        if rtp_rtsp::rtcp::is_rtcp(packet) {
            receiver.rtcp(now, packet);
        } else {
            receiver.rtp(now, packet);
        }
        if receiver.poll_timeout().is_some_and(|t| t <= now) {
            receiver.handle_timeout(now);
            assert!(receiver.poll_timeout().is_none_or(|t| t > now));
        }
        drain(&mut receiver);
    }
    receiver.finish(now);
    drain(&mut receiver);
    let statistics = receiver.statistics();
    assert!(statistics.reordered <= statistics.packets);
}

fn drain(receiver: &mut Receiver) {
    while let Some(event) = receiver.poll() {
        if let Event::Frame(frame) = event {
            assert!(!frame.frame.data.is_empty() && frame.frame.data.len() <= 8192);
        }
    }
}

/// `codec, packets`: packets through a relay. Each comes out once, payload and length untouched; an empty one stands
/// for the publisher's return.
pub fn relay(data: &[u8]) {
    let mut input = Input::new(data);
    let codec = CODECS[usize::from(input.byte() & 3)];
    let mut relay = Relay::new(codec, 90_000, Outgoing::new(96, 7, 65_530, 1400), 5);
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    for data in unframed(input.rest()) {
        match Packet::parse(data) {
            Ok(packet) => {
                given.push((packet.header.marker, packet.payload.to_vec()));
                relay.push(&packet);
            }
            Err(_) => relay.restart(Duration::from_millis(500)),
        }
        take(&mut relay, &mut taken);
    }
    relay.flush();
    take(&mut relay, &mut taken);
    assert_eq!(taken, given);
}

fn take(relay: &mut Relay, taken: &mut Vec<(bool, Vec<u8>)>) {
    while let Some(packets) = relay.poll() {
        let mut sequence = packets.first_sequence();
        for packet in packets.iter() {
            let packet = Packet::parse(packet).expect("a packet of ours");
            assert_eq!((packet.header.sequence, packet.header.ssrc), (sequence, 7));
            sequence = sequence.wrapping_add(1);
            taken.push((packet.header.marker, packet.payload.to_vec()));
        }
        assert_eq!(sequence, packets.next_sequence());
    }
}
