//! What happened in a world, as lines that can be compared and as one number.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::NodeId;
use crate::{Instant, Peer};

/// One thing that a machine was told or said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceLine {
    /// The world's time.
    pub at: Instant,
    /// Whose machine.
    pub node: NodeId,
    /// From whom or to whom; `None` for a wake.
    pub peer: Option<Peer>,
    /// The name of the input or output.
    pub what: &'static str,
    /// Bytes of it, or a number that belongs to it.
    pub len: u64,
    /// A hash of the bytes.
    pub hash: u64,
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.at.as_nanos() / 1_000_000_000, self.at.as_nanos() % 1_000_000_000);
        write!(f, "{secs}.{nanos:09} node {} {}", self.node.0, self.what)?;
        match self.peer {
            Some(Peer::Conn(conn)) => write!(f, " conn {}", conn.0)?,
            Some(Peer::Udp(udp)) => write!(f, " socket {} {}", udp.socket.0, udp.remote)?,
            None => {}
        }
        write!(f, " {} {:016x}", self.len, self.hash)
    }
}

/// The digest of all lines, and the lines themselves if they are wanted.
#[derive(Debug, Default)]
pub(super) struct Trace {
    digest: Mixer,
    pub(super) lines: Option<Vec<TraceLine>>,
}

impl Trace {
    pub(super) fn note(&mut self, line: TraceLine) {
        line.hash(&mut self.digest);
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

/// A hash of bytes that is the same on every machine.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut mixer = Mixer::default();
    mixer.write(bytes);
    mixer.finish()
}

/// Multiply and fold, eight bytes at a time. Not for hash tables that a peer can fill.
#[derive(Debug, Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
        let [low, high] = [wide, wide >> 64].map(|w| u64::try_from(w & MASK).unwrap_or(0));
        self.0 = low ^ high ^ word.rotate_left(29);
    }
}

const MASK: u128 = u64::MAX as u128;

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            if let Ok(word) = word.try_into() {
                self.mix(u64::from_le_bytes(word));
            }
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(words.remainder()) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
        self.mix(bytes.len() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a world has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Things that happened in all.
    pub steps: u64,
    /// Times that a machine was woken.
    pub wakes: u64,
    /// Connections that stood.
    pub opened: u64,
    /// Connections that nobody took.
    pub refused: u64,
    /// Ends of connections that are gone.
    pub closed: u64,
    /// Ends that were closed because the peer read too slowly.
    pub slow_readers: u64,
    /// Stream and message bytes handed to links.
    pub sent_bytes: u64,
    /// Stream and message bytes handed to machines.
    pub read_bytes: u64,
    /// Times that a send queue got stuck.
    pub stuck: u64,
    /// `IfRoom` items left out.
    pub left_out: u64,
    /// Datagrams that machines sent (segments counted one by one).
    pub datagrams_sent: u64,
    /// Datagrams that machines were told of.
    pub datagrams_read: u64,
    /// Datagrams that links lost.
    pub datagrams_lost: u64,
    /// Datagrams that came twice.
    pub datagrams_doubled: u64,
    /// Datagrams that were put behind later ones.
    pub datagrams_overtaken: u64,
    /// Datagrams for addresses or ports that nobody has, or too long to send.
    pub datagrams_undeliverable: u64,
    /// Datagrams for which a node's buffer was full.
    pub datagrams_overrun: u64,
}
