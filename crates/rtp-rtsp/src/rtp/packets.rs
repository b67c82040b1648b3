//! One access unit as finished RTP packets.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

/// Length of an RTP header without CSRCs and extension.
const HEADER: usize = 12;

/// One access unit (a video frame, say), packetized: finished RTP packets back to back in one buffer that is written
/// once and shared by all readers. See the [crate] documentation.
///
/// Clones are cheap. All packets have the same timestamp and SSRC, and sequence numbers that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packets {
    data: Bytes,
    stretches: Vec<Stretch>,
    count: u16,
    key: bool,
}

/// Packets of equal length that follow one another, the last of which may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Where it ends in the buffer.
    end: usize,
    /// Length of each packet but the last.
    segment: u16,
    /// Length of the last one.
    last: u16,
}

#[cfg(feature = "record")]
machine::record_struct!(Packets { data, stretches, count, key });
#[cfg(feature = "record")]
machine::record_struct!(Stretch { end, segment, last });

/// A stretch of packets that the kernel can send in one call: what a [`machine::Datagram`] needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The packets, one after the other.
    pub data: Bytes,
    /// Length of each packet, the last may be shorter; `None`: it is one packet.
    pub segment: Option<u16>,
}

impl Packets {
    /// Stretches of equal packets, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut start = 0;
        self.stretches.iter().map(move |s| {
            let data = self.data.slice(start..s.end);
            let segment = (data.len() > usize::from(s.segment)).then_some(s.segment);
            start = s.end;
            Run { data, segment }
        })
    }

    /// The packets one by one, each with its RTP header.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let mut rest: &[u8] = &self.data;
        let mut offset = 0;
        self.stretches.iter().flat_map(move |s| {
            let (stretch, after) = rest.split_at_checked(s.end - offset).unwrap_or((rest, &[]));
            rest = after;
            offset = s.end;
            stretch.chunks(usize::from(s.segment).max(1))
        })
    }

    /// All packets with the interleaved framing of RTSP (RFC 2326 §10.12) before each: `$`, channel, length.
    pub fn interleaved(&self, channel: u8) -> Bytes {
        let mut out = BytesMut::with_capacity(self.data.len() + 4 * usize::from(self.count));
        for packet in self.iter() {
            // A stretch has packets of at most u16::MAX bytes.
            let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
            out.put_u8(b'$');
            out.put_u8(channel);
            out.put_u16(len);
            out.put_slice(packet);
        }
        out.freeze()
    }

    /// How many packets, at least 1.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of all packets, headers included.
    pub fn len_bytes(&self) -> usize {
        self.data.len()
    }

    /// Bytes without the 12-byte RTP headers, as sender reports count them (RFC 3550 §6.4.1) where packets have
    /// neither extension nor padding.
    pub fn payload_bytes(&self) -> usize {
        self.data.len() - HEADER * usize::from(self.count)
    }

    /// Whether a reader can begin here.
    pub fn is_key(&self) -> bool {
        self.key
    }

    /// Sequence number of the first packet.
    pub fn first_sequence(&self) -> u16 {
        self.u16_at(2)
    }

    /// Sequence number that follows the last packet's.
    pub fn next_sequence(&self) -> u16 {
        self.first_sequence().wrapping_add(self.count)
    }

    /// RTP timestamp.
    pub fn timestamp(&self) -> u32 {
        u32::from(self.u16_at(4)) << 16 | u32::from(self.u16_at(6))
    }

    /// Synchronisation source.
    pub fn ssrc(&self) -> u32 {
        u32::from(self.u16_at(8)) << 16 | u32::from(self.u16_at(10))
    }

    /// A copy for a reader that needs numbers of its own: sequence numbers from `first_sequence` on (`step` is 1, or 0
    /// where all packets of a frame carry the same number), this timestamp and this SSRC.
    #[must_use]
    pub fn renumbered(&self, first_sequence: u16, step: u16, timestamp: u32, ssrc: u32) -> Self {
        let mut data = BytesMut::from(&self.data[..]);
        let mut rest: &mut [u8] = &mut data;
        let mut sequence = first_sequence;
        for packet in self.iter() {
            let Some((own, after)) = rest.split_at_mut_checked(packet.len()) else { break };
            if let Some(fields) = own.get_mut(2..HEADER) {
                let mut numbers = [0; 10];
                let (s, t) = numbers.split_at_mut(2);
                let (t, id) = t.split_at_mut(4);
                s.copy_from_slice(&sequence.to_be_bytes());
                t.copy_from_slice(&timestamp.to_be_bytes());
                id.copy_from_slice(&ssrc.to_be_bytes());
                fields.copy_from_slice(&numbers);
            }
            sequence = sequence.wrapping_add(step);
            rest = after;
        }
        Self { data: data.freeze(), stretches: self.stretches.clone(), count: self.count, key: self.key }
    }

    fn u16_at(&self, offset: usize) -> u16 {
        self.data.get(offset..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b))
    }
}

/// Collects finished packets into [`Packets`].
#[derive(Debug, Default)]
pub struct PacketsBuilder {
    data: BytesMut,
    stretches: Vec<Stretch>,
    count: u16,
}

impl PacketsBuilder {
    /// Room for `bytes` of packets.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { data: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// Appends one packet with its RTP header, made of parts. Says whether it was taken: not so if it is shorter than
    /// a header or longer than 65,535 bytes, or the 65,536th.
    pub fn push(&mut self, parts: &[&[u8]]) -> bool {
        let start = self.data.len();
        let Ok(len) = u16::try_from(parts.iter().map(|p| p.len()).sum::<usize>()) else { return false };
        if usize::from(len) < HEADER || self.count == u16::MAX {
            return false;
        }
        for part in parts {
            self.data.put_slice(part);
        }
        self.count += 1;
        let end = start + usize::from(len);
        match self.stretches.last_mut() {
            // The one before was full and this one is not longer.
            Some(s) if s.last == s.segment && len <= s.segment => {
                s.end = end;
                s.last = len;
            }
            _ => self.stretches.push(Stretch { end, segment: len, last: len }),
        }
        true
    }

    /// As [`finish`](Self::finish), for where a packet was pushed for certain; otherwise an empty one.
    pub(crate) fn finish_some(self, key: bool) -> Packets {
        let Self { data, stretches, count } = self;
        Packets { data: data.freeze(), stretches, count, key }
    }

    /// Bytes taken so far.
    pub fn len_bytes(&self) -> usize {
        self.data.len()
    }

    /// Packets taken so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// All that was pushed; `None` if that is nothing. `key`: whether a reader can begin here.
    pub fn finish(self, key: bool) -> Option<Packets> {
        let Self { data, stretches, count } = self;
        (count > 0).then(|| Packets { data: data.freeze(), stretches, count, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, payload: usize) -> Vec<u8> {
        let mut p = alloc::vec![0x80, 26];
        p.extend(sequence.to_be_bytes());
        p.extend(7_u32.to_be_bytes());
        p.extend(9_u32.to_be_bytes());
        p.extend((0..payload).map(|i| i as u8));
        p
    }

    fn packets(sizes: &[usize]) -> (Packets, Vec<Vec<u8>>) {
        let all: Vec<_> =
            sizes.iter().enumerate().map(|(i, n)| packet(65_534_u16.wrapping_add(i as u16), *n)).collect();
        let mut builder = PacketsBuilder::default();
        for p in &all {
            assert!(builder.push(&[&p[..4], &p[4..]]));
        }
        (builder.finish(true).unwrap(), all)
    }

    #[test]
    fn equal_packets_make_one_run_with_a_shorter_last() {
        let (p, all) = packets(&[100, 100, 100, 40]);
        let runs: Vec<_> = p.runs().collect();
        assert_eq!(runs, [Run { data: Bytes::from(all.concat()), segment: Some(112) }]);
        assert_eq!((p.first_sequence(), p.next_sequence(), p.timestamp(), p.ssrc()), (65_534, 2, 7, 9));
        assert_eq!(p.payload_bytes(), 340);
    }

    #[test]
    fn runs_end_where_the_kernel_needs_it() {
        let (p, all) = packets(&[10, 100, 100, 40, 40, 50]);
        let runs: Vec<_> = p.runs().map(|r| (r.data.len(), r.segment)).collect();
        // 10 | 100 100 40 | 40 | 50
        assert_eq!(runs, [(22, None), (276, Some(112)), (52, None), (62, None)]);
        assert_eq!(p.iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn interleaving_puts_four_bytes_before_each() {
        let (p, all) = packets(&[3, 1]);
        let expected = [&b"$\x02\0\x0f"[..], &all[0], b"$\x02\0\x0d", &all[1]].concat();
        assert_eq!(p.interleaved(2), expected);
    }

    #[test]
    fn renumbering_changes_nothing_else() {
        let (p, _) = packets(&[3, 3, 1]);
        let own = p.renumbered(65_535, 1, 5, 6);
        let sequences: Vec<_> = own.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect();
        assert_eq!(sequences, [65_535, 0, 1]);
        assert_eq!((own.timestamp(), own.ssrc()), (5, 6));
        assert_eq!(own.renumbered(65_534, 1, 7, 9), p);
        let same = p.renumbered(4, 0, 5, 0);
        assert!(same.iter().all(|p| p[2..4] == [0, 4]));
    }

    #[test]
    fn what_is_no_packet_is_not_taken() {
        let mut builder = PacketsBuilder::default();
        assert!(!builder.push(&[&[0; 11]]));
        assert!(!builder.push(&[&[0; 65_536]]));
        assert_eq!(builder.finish(false), None);
    }
}
