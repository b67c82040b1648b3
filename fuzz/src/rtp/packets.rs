use bytes::BytesMut;
use rtp_rtsp::rtcp::{Compound, Packet as Rtcp, Writer};
use rtp_rtsp::rtp::Packet;

/// A datagram. What is read is written and read as the same again.
pub fn packet(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    assert!(packet.csrcs().count() <= 15);
    if let Some(extension) = packet.extension {
        assert_eq!(extension.data.len() % 4, 0);
        let taken: usize = extension.elements().map(|e| e.data.len()).sum();
        assert!(taken <= extension.data.len());
    }
    let mut again = BytesMut::new();
    packet.encode(&mut again);
    assert_eq!(again.len(), data.len());
    assert_eq!(Packet::parse(&again), Ok(packet));
}

/// A datagram of RTCP. Reports are written and read as the same again.
pub fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else { return };
    let mut packets = 0;
    for packet in compound.iter() {
        packets += 1;
        let mut writer = Writer::default();
        match packet {
            Rtcp::SenderReport { ssrc, info, reports } => {
                writer.sender_report(ssrc, info, &reports.iter().collect::<Vec<_>>());
            }
            Rtcp::ReceiverReport { ssrc, reports } => {
                writer.receiver_report(ssrc, &reports.iter().collect::<Vec<_>>());
            }
            Rtcp::SourceDescription(items) => {
                assert!(items.map(|i| i.text.len()).sum::<usize>() <= data.len());
                continue;
            }
            Rtcp::Bye { sources, reason } => {
                writer.bye(&sources.iter().collect::<Vec<_>>(), reason);
            }
            _ => continue,
        }
        let again = writer.finish();
        let again = Compound::parse(&again).expect("what was written is read");
        match (packet, again.iter().next()) {
            // What follows a sender report's blocks is not kept.
            (Rtcp::SenderReport { ssrc, info, .. }, Some(Rtcp::SenderReport { ssrc: s, info: i, .. })) => {
                assert_eq!((ssrc, info), (s, i));
            }
            (one, other) => assert_eq!(Some(one), other),
        }
    }
    assert!(packets > 0 && packets * 4 <= data.len());
}
