//! What a sender counts on from packet to packet.

use super::{HEADER_LEN, Header};

/// Length of RTP packets unless told otherwise, in bytes with their header: as GStreamer has it, and room for tunnels
/// within Ethernet's 1500.
pub const DEFAULT_MAX_PACKET: u16 = 1400;

/// The least that [`Outgoing::new`] takes for the length of packets, in bytes: tables and headers of every payload
/// format fit in it.
pub const MIN_MAX_PACKET: u16 = 400;

/// The numbering of one outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// 0 to 127.
    pub payload_type: u8,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Number of the next packet.
    pub next_sequence: u16,
    max_packet: u16,
}

impl Outgoing {
    /// A stream that begins with packet `first_sequence` (random, RFC 3550 §5.1). `max_packet`: the most bytes of a
    /// packet, its header included; less than [`MIN_MAX_PACKET`] is taken for that.
    pub const fn new(payload_type: u8, ssrc: u32, first_sequence: u16, max_packet: u16) -> Self {
        let max_packet = if max_packet < MIN_MAX_PACKET { MIN_MAX_PACKET } else { max_packet };
        Self { payload_type, ssrc, next_sequence: first_sequence, max_packet }
    }

    /// The most bytes of a packet, its header included.
    pub const fn max_packet(&self) -> u16 {
        self.max_packet
    }

    /// Bytes of a packet that are left for its payload.
    pub const fn max_payload(&self) -> usize {
        self.max_packet as usize - HEADER_LEN
    }

    /// The header of the next packet, which takes its number.
    pub const fn next_header(&mut self, marker: bool, timestamp: u32) -> [u8; HEADER_LEN] {
        let Self { payload_type, ssrc, next_sequence: sequence, .. } = *self;
        self.next_sequence = sequence.wrapping_add(1);
        Header { marker, payload_type, sequence, timestamp, ssrc }.to_bytes()
    }
}
