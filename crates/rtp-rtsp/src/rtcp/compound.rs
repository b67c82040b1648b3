//! All packets of one datagram.

use super::{Packet, RtcpError};

/// A datagram of RTCP packets, checked in full.
///
/// The rule that a compound packet begins with a report (RFC 3550 §6.1) is not enforced: reduced-size RTCP has none
/// (RFC 5506), and ffmpeg sends a sender report alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    data: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`RtcpError`] if one of its packets is damaged; then none of them is given.
    pub fn parse(data: &'a [u8]) -> Result<Self, RtcpError> {
        let mut offset = 0;
        while offset < data.len() || offset == 0 {
            let (_, next) = packet_at(data, offset)?;
            offset = next;
        }
        Ok(Self { data })
    }

    /// Its packets, at least one.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'a>> + 'a {
        let data = self.data;
        let mut offset = 0;
        core::iter::from_fn(move || {
            if offset >= data.len() {
                return None;
            }
            let (packet, next) = packet_at(data, offset).ok()?;
            offset = next;
            Some(packet)
        })
    }
}

fn packet_at(data: &[u8], offset: usize) -> Result<(Packet<'_>, usize), RtcpError> {
    let at = u32::try_from(offset).unwrap_or(u32::MAX);
    let rest = data.get(offset..).unwrap_or_default();
    let short = |expected: usize| RtcpError::TooShort {
        offset: at,
        available: u32::try_from(rest.len()).unwrap_or(u32::MAX),
        expected: u32::try_from(expected).unwrap_or(u32::MAX),
    };
    let Some((&[first, kind, l0, l1], after)) = rest.split_first_chunk() else { return Err(short(4)) };
    if first >> 6 != 2 {
        return Err(RtcpError::Version { offset: at, found: first >> 6 });
    }
    let len = 4 * usize::from(u16::from_be_bytes([l0, l1]));
    let Some((mut body, others)) = after.split_at_checked(len) else { return Err(short(len + 4)) };
    if first & 0x20 != 0 {
        let count = usize::from(body.last().copied().unwrap_or(0));
        let kept = body.len().checked_sub(count).filter(|_| count > 0 && count % 4 == 0 && others.is_empty());
        body = kept.and_then(|n| body.get(..n)).ok_or(RtcpError::Padding { offset: at })?;
    }
    Ok((Packet::parse(at, kind, first & 0x1f, body)?, offset + 4 + len))
}

#[cfg(test)]
mod tests {
    use super::super::{SenderInfo, Writer, sdes};
    use super::*;
    use crate::rtp::{NtpTime, ReceptionReport};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.bytes().filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|p| p[0] << 4 | p[1]).collect()
    }

    #[test]
    fn a_report_alone_is_read() {
        // Sent by GStreamer.
        let data = hex("80c80006 41ec8ce7 eeabc5af cb1b4784 506b0cd7 00000545 001b4d18");
        let Packet::SenderReport { ssrc, info, .. } = Compound::parse(&data).unwrap().iter().next().unwrap()
        else {
            panic!()
        };
        assert_eq!((ssrc, info.packets, info.octets), (0x41ec_8ce7, 1349, 1_789_208));
        assert_eq!(info.ntp, NtpTime(0xeeab_c5af_cb1b_4784));
    }

    #[test]
    fn negative_losses() {
        let report =
            ReceptionReport { ssrc: 1, fraction_lost: 0xfe, cumulative_lost: -1, ..Default::default() };
        let mut writer = Writer::default();
        writer.receiver_report(9, &[report]);
        let data = writer.finish();
        assert_eq!(data[12..16], [0xfe, 0xff, 0xff, 0xff]);
        let Packet::ReceiverReport { reports, .. } = Compound::parse(&data).unwrap().iter().next().unwrap()
        else {
            panic!()
        };
        assert_eq!(reports.iter().collect::<Vec<_>>(), [report]);
    }

    #[test]
    fn a_compound_comes_back_as_it_was_written() {
        let info = SenderInfo { ntp: NtpTime(5), timestamp: 6, packets: 7, octets: 8 };
        let mut writer = Writer::default();
        writer.sender_report(1, info, &[]);
        writer.source_description(1, &[(sdes::CNAME, b"abc"), (sdes::TOOL, b"genlock")]);
        writer.app(3, 1, *b"test", b"1234");
        writer.bye(&[1, 2], b"done");
        let data = writer.finish();
        let packets: Vec<_> = Compound::parse(&data).unwrap().iter().collect();
        assert_eq!(packets.len(), 4);
        let Packet::SourceDescription(items) = packets[1] else { panic!() };
        let items: Vec<_> = items.map(|i| (i.ssrc, i.kind, i.text)).collect();
        assert_eq!(items, [(1, 1, &b"abc"[..]), (1, 6, b"genlock")]);
        let Packet::Bye { sources, reason } = packets[3] else { panic!() };
        assert_eq!((sources.iter().collect::<Vec<_>>(), reason), (alloc::vec![1, 2], &b"done"[..]));
    }

    #[test]
    fn damage_is_said() {
        let sr = hex("80c80006 41ec8ce7 eeabc5af cb1b4784 506b0cd7 00000545 001b4d18");
        let parse = |data: &[u8]| Compound::parse(data).map(|_| ());
        assert_eq!(parse(&[]), Err(RtcpError::TooShort { offset: 0, available: 0, expected: 4 }));
        assert_eq!(parse(&sr[..27]), Err(RtcpError::TooShort { offset: 0, available: 27, expected: 28 }));
        let one_more = [&[0x81], &sr[1..]].concat();
        assert_eq!(parse(&one_more), Err(RtcpError::Count { offset: 0, packet_type: 200, count: 1 }));
        let twice = [&sr[..], &[0x40, 203, 0, 0]].concat();
        assert_eq!(parse(&twice), Err(RtcpError::Version { offset: 28, found: 1 }));
        // Padding may be on the last packet alone.
        assert_eq!(parse(&[0xa0, 203, 0, 1, 0, 0, 0, 4]), Ok(()));
        let first = [&[0xa0, 203, 0, 1, 0, 0, 0, 4][..], &sr].concat();
        assert_eq!(parse(&first), Err(RtcpError::Padding { offset: 0 }));
        assert_eq!(parse(&hex("81ca0002 00000001 01ff6162")), Err(RtcpError::Text { offset: 0 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut data: Vec<u8>, kind in 200..207_u8) {
            let _ = Compound::parse(&data);
            // One packet of each kind with any content.
            data.resize(data.len().next_multiple_of(4), 0);
            let words = (data.len() / 4) as u16;
            for count in [0x80, 0x81, 0x9f, 0xa0] {
                let packet = [&[count, kind][..], &words.to_be_bytes(), &data].concat();
                if let Ok(compound) = Compound::parse(&packet) {
                    for p in compound.iter() {
                        if let Packet::SourceDescription(items) = p {
                            prop_assert!(items.count() <= packet.len());
                        }
                    }
                }
            }
        }
    }
}
