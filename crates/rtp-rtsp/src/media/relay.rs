//! Packets of a publisher to packets for its readers.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::{BufMut, BytesMut};

use super::{Codec, Packets, PacketsBuilder};
use crate::rtp::{Extension, Outgoing, Packet};

/// Passes a publisher's packets on, payloads untouched, with numbers of our own that go on when the publisher comes
/// back after a gap with others.
///
/// Packets of one access unit are gathered, so that they leave together. A number that the publisher left out is left
/// out by us as well: readers have to know what is missing.
#[derive(Debug)]
pub struct Relay {
    codec: Codec,
    clock_rate: u32,
    out: Outgoing,
    /// What is added to the publisher's sequence numbers and timestamps.
    offsets: Option<(u16, u32)>,
    /// The first packet begins this long after the last one before it.
    gap: Duration,
    last_timestamp: Option<u32>,

    unit: PacketsBuilder,
    unit_timestamp: u32,
    key: bool,
    ready: VecDeque<Packets>,
}

impl Relay {
    /// A relay of packets with `clock_rate` ticks a second, numbered as `out` says. The first timestamp is
    /// `first_timestamp` (random).
    pub fn new(codec: Codec, clock_rate: u32, out: Outgoing, first_timestamp: u32) -> Self {
        Self {
            codec,
            clock_rate,
            out,
            offsets: None,
            gap: Duration::ZERO,
            last_timestamp: Some(first_timestamp),
            unit: PacketsBuilder::default(),
            unit_timestamp: 0,
            key: false,
            ready: VecDeque::new(),
        }
    }

    /// The numbering: `next_sequence` is that of the next packet if the publisher loses none.
    pub const fn outgoing(&self) -> &Outgoing {
        &self.out
    }

    /// The timestamp of the last packet given on.
    pub const fn last_timestamp(&self) -> Option<u32> {
        self.last_timestamp
    }

    /// The timestamp that readers see for one of the publisher's; `None` before its first packet.
    pub fn map_timestamp(&self, timestamp: u32) -> Option<u32> {
        self.offsets.map(|(_, t)| timestamp.wrapping_add(t))
    }

    /// The publisher starts over, `gap` after its last packet: its next packet goes on from ours.
    pub fn restart(&mut self, gap: Duration) {
        self.flush();
        self.offsets = None;
        self.gap = gap;
    }

    /// Takes the publisher's next packet; then [`poll`](Self::poll). Packets have to be in order.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let (s, t) = *self.offsets.get_or_insert_with(|| {
            let ticks = crate::rtp::ticks(self.gap.as_nanos(), self.clock_rate);
            let at = self.last_timestamp.unwrap_or(0).wrapping_add(ticks);
            (
                self.out.next_sequence.wrapping_sub(packet.header.sequence),
                at.wrapping_sub(packet.header.timestamp),
            )
        });
        let sequence = packet.header.sequence.wrapping_add(s);
        let timestamp = packet.header.timestamp.wrapping_add(t);
        if sequence != self.out.next_sequence || timestamp != self.unit_timestamp {
            self.flush();
        }
        self.out.next_sequence = sequence;
        self.unit_timestamp = timestamp;
        self.last_timestamp = Some(timestamp);
        self.key |= self.codec.is_key_payload(packet.payload);
        let mut header = self.out.next_header(packet.header.marker, timestamp);
        let mut extension = BytesMut::new();
        if let Some(Extension { profile, data }) = packet.extension {
            let [first, ..] = &mut header;
            *first |= 0x10;
            extension.put_u16(profile);
            extension.put_u16(u16::try_from(data.len() / 4).unwrap_or(0));
            extension.put_slice(data);
        }
        self.unit.push(&[&header, &extension, packet.payload]);
        let full = self.unit.len_bytes() > MAX_UNIT_BYTES || self.unit.count() >= MAX_UNIT_PACKETS;
        if packet.header.marker || self.codec == Codec::Other || full {
            self.flush();
        }
    }

    /// Ends the access unit that is being gathered.
    pub fn flush(&mut self) {
        let key = core::mem::take(&mut self.key);
        self.ready.extend(core::mem::take(&mut self.unit).finish(key));
    }

    /// The next packets to be sent.
    pub fn poll(&mut self) -> Option<Packets> {
        self.ready.pop_front()
    }
}

/// An access unit is passed on in pieces beyond this.
const MAX_UNIT_BYTES: usize = 1 << 20;
const MAX_UNIT_PACKETS: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Header;
    use alloc::vec::Vec;

    fn packet(marker: bool, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header { marker, payload_type: 96, sequence, timestamp, ssrc: 5 };
        [&header.to_bytes(), payload].concat()
    }

    fn relay(codec: Codec) -> Relay {
        Relay::new(codec, 90_000, Outgoing::new(96, 9, 100, 1400), 1000)
    }

    fn push(relay: &mut Relay, data: &[u8]) -> Vec<(u16, u32, u16, bool)> {
        relay.push(&Packet::parse(data).unwrap());
        core::iter::from_fn(|| relay.poll())
            .map(|p| (p.first_sequence(), p.timestamp(), p.count(), p.is_key()))
            .collect()
    }

    #[test]
    fn access_units_leave_whole_with_our_numbers() {
        let mut r = relay(Codec::H264);
        assert_eq!(push(&mut r, &packet(false, 65_535, 7, &[0x67, 1])), []);
        assert_eq!(push(&mut r, &packet(true, 0, 7, &[0x65, 1])), [(100, 1000, 2, true)]);
        assert_eq!(push(&mut r, &packet(true, 1, 3607, &[0x41, 1])), [(102, 4600, 1, false)]);
        assert_eq!((r.outgoing().next_sequence, r.map_timestamp(7)), (103, Some(1000)));
    }

    #[test]
    fn what_is_missing_stays_missing() {
        let mut r = relay(Codec::H264);
        push(&mut r, &packet(false, 10, 7, &[0x41, 1]));
        // 11 is lost: the piece before it leaves, then the rest.
        assert_eq!(
            push(&mut r, &packet(true, 12, 7, &[0x41, 2])),
            [(100, 1000, 1, false), (102, 1000, 1, false)]
        );
    }

    #[test]
    fn a_publisher_comes_back() {
        let mut r = relay(Codec::H264);
        push(&mut r, &packet(true, 10, 7, &[0x65, 1]));
        r.restart(Duration::from_millis(500));
        assert_eq!(push(&mut r, &packet(true, 40_000, 99, &[0x65, 1])), [(101, 46_000, 1, true)]);
    }

    #[test]
    fn without_markers_units_end_with_their_timestamp() {
        let mut r = relay(Codec::H264);
        push(&mut r, &packet(false, 10, 7, &[0x65, 1]));
        assert_eq!(push(&mut r, &packet(false, 11, 8, &[0x41, 1])), [(100, 1000, 1, true)]);
        let mut other = relay(Codec::Other);
        assert_eq!(push(&mut other, &packet(false, 10, 7, &[1])), [(100, 1000, 1, true)]);
    }

    #[test]
    fn extensions_go_along() {
        let mut r = relay(Codec::Jpeg);
        let data =
            [&[0x90, 0x9a, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], &[0xff, 0xd8, 0, 1, 1, 2, 3, 4], &[0; 9]]
                .concat();
        r.push(&Packet::parse(&data).unwrap());
        let sent = r.poll().unwrap();
        let sent = Packet::parse(sent.iter().next().unwrap()).unwrap();
        assert_eq!(sent.extension, Some(Extension { profile: 0xffd8, data: &[1, 2, 3, 4] }));
        assert_eq!(sent.payload, [0; 9]);
    }
}
