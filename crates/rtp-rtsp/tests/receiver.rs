//! The receiving side: whose packets it takes, when it reports, and what ends a stream.

use std::time::Duration;

use bytes::Bytes;
use machine::Instant;
use rtp_rtsp::lab::{FRAGMENT, Fragments, Numbering};
use rtp_rtsp::media::Codec;
use rtp_rtsp::receiver::{Config, Event, Receiver};
use rtp_rtsp::rtcp::{Compound, Packet, SenderInfo, Writer};
use rtp_rtsp::rtp::{Header, NtpTime};

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// An H.264 slice in a packet of its own.
fn slice(ssrc: u32, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 3600;
    let header = Header { marker: true, payload_type: 96, sequence, timestamp, ssrc };
    [&header.to_bytes()[..], &[0x41, 0x9a, 1]].concat()
}

fn events(receiver: &mut Receiver) -> Vec<Event> {
    std::iter::from_fn(|| receiver.poll()).collect()
}

fn frames(receiver: &mut Receiver) -> usize {
    events(receiver).iter().filter(|e| matches!(e, Event::Frame(_))).count()
}

#[test]
fn another_source_is_followed_only_after_a_silence() {
    let mut r = Receiver::new(Config::new(Codec::H264, 90_000));
    r.rtp(at(0), &slice(1, 10));
    r.rtp(at(40), &slice(2, 500));
    assert_eq!((frames(&mut r), r.ssrc(), r.statistics().refused), (1, Some(1), 1));
    r.rtp(at(1500), &slice(2, 501));
    r.rtp(at(1540), &slice(2, 502));
    assert_eq!((frames(&mut r), r.ssrc()), (2, Some(2)));
    // Counted on, and the change is no loss.
    assert_eq!((r.statistics().packets, r.statistics().lost), (3, 0));
}

#[test]
fn the_source_that_setup_named_is_the_only_one() {
    let mut config = Config::new(Codec::H264, 90_000);
    config.ssrc = Some(7);
    config.payload_type = Some(96);
    let mut r = Receiver::new(config);
    r.rtp(at(0), &slice(1, 10));
    r.rtp(at(0), &[&[0x80, 97], &slice(7, 10)[2..]].concat());
    r.rtp(at(0), b"no RTP");
    assert_eq!((frames(&mut r), r.statistics().refused), (0, 3));
    r.rtp(at(0), &slice(7, 10));
    assert_eq!(frames(&mut r), 1);
}

#[test]
fn reports_are_due_within_their_interval() {
    let mut config = Config::new(Codec::H264, 90_000);
    config.own_ssrc = 99;
    let mut r = Receiver::new(config);
    assert_eq!(r.poll_timeout(), None);
    for n in [1, 2, 4] {
        r.rtp(at(0), &slice(7, n));
        r.rtp(at(0), &slice(7, 5));
    }
    let mut sender = Writer::default();
    let info = SenderInfo { ntp: NtpTime(0x0001_0002_0003_0004), timestamp: 0, packets: 5, octets: 100 };
    sender.sender_report(7, info, &[]);
    r.rtcp(at(500), &sender.finish());
    // What waits for packet 3 is given up first.
    r.handle_timeout(at(100));
    let due = r.poll_timeout().unwrap();
    assert!(due >= at(1026) && due <= at(3079), "{due:?}");
    assert!(!events(&mut r).iter().any(|e| matches!(e, Event::Send(_))));
    r.handle_timeout(due);
    let sent: Vec<Bytes> = events(&mut r)
        .into_iter()
        .filter_map(|e| match e {
            Event::Send(data) => Some(data),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 1);
    let compound = Compound::parse(&sent[0]).unwrap();
    let Some(Packet::ReceiverReport { ssrc: 99, reports }) = compound.iter().next() else { panic!() };
    let report = reports.iter().next().unwrap();
    assert_eq!((report.ssrc, report.highest_sequence, report.last_sr), (7, 5, 0x0002_0003));
    assert!(matches!(compound.iter().nth(1), Some(Packet::SourceDescription(_))));
    let next = r.poll_timeout().unwrap().saturating_since(due);
    assert!(next >= Duration::from_millis(2052) && next <= Duration::from_millis(6157), "{next:?}");
}

#[test]
fn a_leave_ends_the_stream_and_gives_what_was_held() {
    let mut r = Receiver::new(Config::new(Codec::H264, 90_000));
    r.rtp(at(0), &slice(7, 1));
    r.rtp(at(0), &slice(7, 3));
    assert_eq!(frames(&mut r), 1);
    let mut other = Writer::default();
    other.bye(&[8], b"");
    r.rtcp(at(10), &other.finish());
    assert_eq!(events(&mut r), []);
    let mut bye = Writer::default();
    bye.receiver_report(7, &[]).bye(&[7], b"end of file");
    r.rtcp(at(10), &bye.finish());
    let events = events(&mut r);
    assert!(matches!(events[..], [Event::Frame(_), Event::Bye]), "{events:?}");
}

#[test]
fn the_lab_dialect_has_frames_and_an_end() {
    let mut config = Config::new(Codec::Jpeg, 90_000);
    config.lab = true;
    let mut r = Receiver::new(config);
    let frame = [&[0xff, 0xd8][..], &[5; 5000], &[0xff, 0xd9]].concat();
    let mut numbering = Numbering::new(Fragments::Same, FRAGMENT);
    for _ in 0..3 {
        for packet in numbering.packetize(&frame, 1_700_000_000).unwrap().iter() {
            r.rtp(at(0), packet);
        }
    }
    let end = Header { marker: true, payload_type: 26, sequence: 4, timestamp: 0, ssrc: 0 };
    r.rtp(at(0), &[&end.to_bytes()[..], b"EOS"].concat());
    let events = events(&mut r);
    assert_eq!(events.len(), 4);
    assert!(events[..3].iter().all(|e| matches!(e, Event::Frame(f) if f.frame.data == frame)));
    assert_eq!(events[3], Event::Bye);
    assert_eq!((r.statistics().packets, r.poll_timeout()), (13, None));
}
