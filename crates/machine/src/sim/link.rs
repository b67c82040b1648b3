//! The way from one node to another, one direction of it.

use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::time::Duration;

use super::net::Happening;
use super::{Rng, nanos};

/// How things travel from one node to another. Each direction has its own, so paths can be asymmetric.
///
/// Stream pieces never get lost, doubled or out of order; a loss costs them [`RETRANSMISSION`](Self::RETRANSMISSION)
/// instead, and what follows waits behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Time that everything takes.
    pub delay: Duration,
    /// Up to so much more, evenly spread. Does not change the order.
    pub jitter: Duration,
    /// Datagrams lost, in millionths.
    pub loss_ppm: u32,
    /// How many are lost in a row on average (Gilbert's model); 0 and 1: each on its own.
    pub loss_burst: u32,
    /// Datagrams that arrive twice, in millionths.
    pub duplicate_ppm: u32,
    /// Datagrams that are overtaken, in millionths.
    pub reorder_ppm: u32,
    /// By how much these come later.
    pub reorder_by: Duration,
    /// How often all traffic stops for a while and then comes in a bunch, in millionths of the packets.
    pub stall_ppm: u32,
    /// For how long it stops.
    pub stall: Duration,
    /// Bytes a second that fit through, 40 counted for each packet besides its own; `None`: any number.
    pub bandwidth: Option<NonZeroU64>,
    /// A datagram that would have to wait longer than this for its turn is dropped.
    pub queue: Duration,
    /// Stream bytes that can be under way or unread in this direction of a connection; more make the sender stuck.
    pub window: usize,
    /// How stream writes are cut on the way.
    pub cut: Cut,
}

impl Link {
    /// What the loss of a packet costs a stream.
    pub const RETRANSMISSION: Duration = Duration::from_millis(200);
}

impl Default for Link {
    /// 0.1 ms and nothing goes wrong.
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(100),
            jitter: Duration::ZERO,
            loss_ppm: 0,
            loss_burst: 1,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_by: Duration::from_millis(2),
            stall_ppm: 0,
            stall: Duration::from_millis(50),
            bandwidth: None,
            queue: Duration::from_millis(100),
            window: 256 * 1024,
            cut: Cut::Whole,
        }
    }
}

/// How a stream is cut into the pieces that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// As it was written.
    #[default]
    Whole,
    /// Every so many bytes (at least 1).
    Every(usize),
    /// In pieces of 1 to so many bytes.
    Random(usize),
}

/// One direction between two nodes.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) link: Link,
    pub(super) rng: Rng,
    losing: bool,
    last_datagram: u64,
    busy_until: u64,
    stalled_until: u64,
    /// Nothing arrives before; `u64::MAX` while the nodes are parted.
    closed_until: u64,
    /// What reached a closed link.
    pub(super) held: Vec<Happening>,
}

/// When the copies of a datagram arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Lost,
    Once(u64),
    Overtaken(u64),
    Twice(u64, u64),
}

const PACKET_OVERHEAD: u64 = 40;
const BILLION: u128 = 1_000_000_000;

impl LinkState {
    pub(super) fn new(link: Link, rng: Rng) -> Self {
        Self {
            link,
            rng,
            losing: false,
            last_datagram: 0,
            busy_until: 0,
            stalled_until: 0,
            closed_until: 0,
            held: Vec::new(),
        }
    }

    pub(super) fn part(&mut self) {
        self.closed_until = u64::MAX;
    }

    /// Opens the way again and says from when on things arrive.
    pub(super) fn heal(&mut self, now: u64) -> u64 {
        if self.is_parted() {
            self.closed_until = now.saturating_add(nanos(self.link.delay));
        }
        self.closed_until
    }

    pub(super) fn is_parted(&self) -> bool {
        self.closed_until == u64::MAX
    }

    /// Until when something that arrives at `now` has to be put off.
    pub(super) fn put_off(&self, now: u64) -> Option<u64> {
        (now < self.closed_until).then_some(self.closed_until)
    }

    /// When a stream piece sent at `now` arrives, not before the one sent before it.
    pub(super) fn stream_arrival(&mut self, now: u64, len: usize, previous: u64) -> u64 {
        let departs = self.take_turn(now, len);
        let mut at = self.travel(departs).max(previous);
        if self.loses() {
            at = at.saturating_add(nanos(Link::RETRANSMISSION));
        }
        if self.closed_until != u64::MAX {
            // What was put off until then goes first.
            at = at.max(self.closed_until.saturating_add(1));
        }
        at
    }

    pub(super) fn datagram_arrival(&mut self, now: u64, len: usize) -> Arrival {
        let waits = self.busy_until.saturating_sub(now);
        if self.is_parted() || waits > nanos(self.link.queue) {
            return Arrival::Lost;
        }
        let departs = self.take_turn(now, len);
        if self.loses() {
            return Arrival::Lost;
        }
        let at = self.travel(departs);
        if self.rng.chance(self.link.reorder_ppm) {
            return Arrival::Overtaken(at.saturating_add(nanos(self.link.reorder_by)));
        }
        let at = at.max(self.last_datagram);
        self.last_datagram = at;
        if self.rng.chance(self.link.duplicate_ppm) {
            let later = self.rng.up_to(nanos(self.link.jitter));
            return Arrival::Twice(at, at.saturating_add(later));
        }
        Arrival::Once(at)
    }

    /// When the last bit is on the wire.
    fn take_turn(&mut self, now: u64, len: usize) -> u64 {
        let Some(bandwidth) = self.link.bandwidth else {
            return now;
        };
        let bytes = u128::from((len as u64).saturating_add(PACKET_OVERHEAD));
        let takes = u64::try_from(bytes * BILLION / u128::from(bandwidth.get()));
        self.busy_until = self.busy_until.max(now).saturating_add(takes.unwrap_or(u64::MAX));
        self.busy_until
    }

    fn travel(&mut self, departs: u64) -> u64 {
        if self.rng.chance(self.link.stall_ppm) {
            self.stalled_until = departs.saturating_add(nanos(self.link.stall));
        }
        let jitter = match nanos(self.link.jitter) {
            0 => 0,
            max => self.rng.up_to(max),
        };
        departs.max(self.stalled_until).saturating_add(nanos(self.link.delay)).saturating_add(jitter)
    }

    /// Gilbert's model: a lucky and an unlucky state, left with the chances that give the stated rate and run.
    fn loses(&mut self) -> bool {
        let loss = u64::from(self.link.loss_ppm.min(MILLION));
        let run = u64::from(self.link.loss_burst);
        if run <= 1 || loss >= u64::from(MILLION) {
            return self.rng.chance(self.link.loss_ppm);
        }
        let million = u64::from(MILLION);
        let turns = match self.losing {
            true => million / run,
            false => loss * million / (run * (million - loss)),
        };
        self.losing ^= self.rng.chance(u32::try_from(turns).unwrap_or(MILLION));
        self.losing
    }
}

const MILLION: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn state(link: Link) -> LinkState {
        LinkState::new(link, Rng::new(5))
    }

    #[test]
    fn losses_come_as_often_and_in_such_runs_as_asked() {
        for (loss_ppm, loss_burst) in [(10_000, 1), (50_000, 8), (300_000, 3)] {
            let mut s = state(Link { loss_ppm, loss_burst, ..Link::default() });
            let n = 400_000u32;
            let lost: Vec<bool> = (0..n).map(|_| s.loses()).collect();
            let losses = u32::try_from(lost.iter().filter(|&&l| l).count()).unwrap();
            let runs = lost.windows(2).filter(|w| w[0] && !w[1]).count();
            let rate = losses * 5 / 2; // of a million
            assert!(rate.abs_diff(loss_ppm) < loss_ppm / 10, "{rate} {loss_ppm}");
            let run = losses / u32::try_from(runs).unwrap();
            assert!(run.abs_diff(loss_burst) <= 1, "{run} {loss_burst}");
        }
    }

    #[test]
    fn bandwidth_spaces_packets_and_a_full_queue_drops() {
        let mut s = state(Link {
            delay: Duration::from_millis(1),
            bandwidth: NonZeroU64::new(1_000_000),
            queue: Duration::from_millis(5),
            ..Link::default()
        });
        let arrivals: Vec<Arrival> = (0..10).map(|_| s.datagram_arrival(0, 960)).collect();
        let expected = (1..=10).map(|n| match n {
            // Each takes 1 ms; the seventh would wait 6 ms.
            1..=6 => Arrival::Once((n + 1) * 1_000_000),
            _ => Arrival::Lost,
        });
        assert_eq!(arrivals, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_stall_ends_in_a_bunch() {
        let mut s = state(Link {
            delay: Duration::ZERO,
            stall_ppm: 1_000_000,
            stall: Duration::from_millis(50),
            ..Link::default()
        });
        assert_eq!(s.datagram_arrival(0, 1), Arrival::Once(50_000_000));
        s.link.stall_ppm = 0;
        assert_eq!(s.datagram_arrival(30_000_000, 1), Arrival::Once(50_000_000));
        assert_eq!(s.datagram_arrival(60_000_000, 1), Arrival::Once(60_000_000));
    }
}
