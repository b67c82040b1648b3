//! Puts packets back into order, holding no more than it may.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use machine::Instant;

/// How much a [`ReorderBuffer`] may hold and how long it waits. When any of the three is reached, the packets missing
/// at the front are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Places from the first missing packet to the newest one, at most.
    pub packets: u16,
    /// Bytes held, 64 counted for each place.
    pub bytes: usize,
    /// How long a missing packet is waited for, from the first packet that came instead.
    pub wait: Duration,
}

impl Default for Bounds {
    /// 512 packets, 1 MiB, 100 ms: what rtspsrc and ffmpeg wait is 200 ms to 2 s, made for the wider network; ffmpeg
    /// holds 500 packets.
    fn default() -> Self {
        Self { packets: 512, bytes: 1 << 20, wait: Duration::from_millis(100) }
    }
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is the next one and nothing is held: use it now. It was not kept.
    Next,
    /// Call [`ReorderBuffer::hold`]: others are before it.
    Hold,
    /// Its turn is over, or it is held already.
    Stale,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// The next packet.
    Packet {
        /// Its extended sequence number.
        extended: u64,
        /// When it arrived.
        arrival: Instant,
        /// As given to [`ReorderBuffer::hold`].
        data: Bytes,
    },
    /// Packets that did not come in time.
    Lost {
        /// Extended number of the first of them.
        first: u64,
        /// How many.
        count: u64,
    },
}

/// Packets of one source in order. In order they pass through without being kept or copied.
#[derive(Debug)]
pub struct ReorderBuffer {
    bounds: Bounds,
    /// The number that is to come out next.
    next: Option<u64>,
    /// Held packets in order of their numbers, all at `next` or after.
    held: VecDeque<Held>,
    bytes: usize,
    /// When the first of the packets came that wait for a missing one.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    extended: u64,
    arrival: Instant,
    data: Bytes,
}

impl ReorderBuffer {
    /// An empty buffer.
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, next: None, held: VecDeque::new(), bytes: 0, since: None }
    }

    /// Whether packet `extended` can be used now. The first packet ever is the next one.
    pub fn offer(&mut self, extended: u64) -> Offer {
        let next = *self.next.get_or_insert(extended);
        if extended < next {
            return Offer::Stale;
        }
        if extended == next && self.held.is_empty() {
            self.next = Some(next + 1);
            return Offer::Next;
        }
        if self.place(extended).is_ok() { Offer::Stale } else { Offer::Hold }
    }

    /// Keeps a packet for which [`offer`](Self::offer) said so; [`poll`](Self::poll) then.
    pub fn hold(&mut self, extended: u64, arrival: Instant, data: Bytes) {
        if extended < *self.next.get_or_insert(extended) {
            return;
        }
        if let Err(place) = self.place(extended) {
            self.bytes += cost(&data);
            self.held.insert(place, Held { extended, arrival, data });
            self.since.get_or_insert(arrival);
        }
    }

    /// The next thing in order that can be had at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Released> {
        let next = self.next?;
        let front = self.held.front()?.extended;
        if front != next {
            let full = self.held.len() > usize::from(self.bounds.packets) || self.bytes > self.bounds.bytes;
            if !full && self.poll_timeout().is_some_and(|t| now < t) {
                return None;
            }
            self.next = Some(front);
            return Some(Released::Lost { first: next, count: front - next });
        }
        let Held { extended, arrival, data } = self.held.pop_front()?;
        self.bytes -= cost(&data);
        self.next = Some(next + 1);
        // Those behind the next gap began to wait when the first of them came.
        if self.held.front().is_none_or(|f| f.extended != next + 1) {
            self.since = self.held.iter().map(|h| h.arrival).min();
        }
        Some(Released::Packet { extended, arrival, data })
    }

    /// When [`poll`](Self::poll) gives up a missing packet.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.held.is_empty()).then_some(self.since? + self.bounds.wait)
    }

    /// Forgets what is held and begins at the next packet: the source has started over.
    pub fn reset(&mut self) {
        self.held.clear();
        self.bytes = 0;
        self.since = None;
        self.next = None;
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn place(&self, extended: u64) -> Result<usize, usize> {
        // Nearly always the last.
        match self.held.back() {
            Some(last) if last.extended < extended => Err(self.held.len()),
            _ => self.held.binary_search_by_key(&extended, |h| h.extended),
        }
    }
}

fn cost(data: &Bytes) -> usize {
    data.len() + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn bounds(packets: u16, bytes: usize, ms: u64) -> Bounds {
        Bounds { packets, bytes, wait: Duration::from_millis(ms) }
    }

    /// Gives a packet, and takes all that comes: numbers, and minus the count for what is lost.
    fn give(buffer: &mut ReorderBuffer, now: u64, extended: u64) -> Vec<i64> {
        let mut out = Vec::new();
        match buffer.offer(extended) {
            Offer::Next => out.push(extended as i64),
            Offer::Hold => buffer.hold(extended, at(now), Bytes::from_static(b"12345678")),
            Offer::Stale => {}
        }
        out.extend(drain(buffer, now));
        out
    }

    fn drain(buffer: &mut ReorderBuffer, now: u64) -> Vec<i64> {
        let released = core::iter::from_fn(|| buffer.poll(at(now)));
        released
            .map(|r| match r {
                Released::Packet { extended, .. } => extended as i64,
                Released::Lost { count, .. } => -(count as i64),
            })
            .collect()
    }

    #[test]
    fn in_order_nothing_is_kept() {
        let mut b = ReorderBuffer::new(Bounds::default());
        assert_eq!((give(&mut b, 0, 7), give(&mut b, 0, 8)), (alloc::vec![7], alloc::vec![8]));
        assert!(b.is_empty());
        assert_eq!(give(&mut b, 0, 8), []);
    }

    #[test]
    fn a_late_packet_takes_its_place() {
        let mut b = ReorderBuffer::new(Bounds::default());
        give(&mut b, 0, 1);
        assert_eq!(give(&mut b, 10, 3), []);
        assert_eq!(give(&mut b, 20, 4), []);
        assert_eq!(b.poll_timeout(), Some(at(110)));
        assert_eq!(give(&mut b, 30, 2), [2, 3, 4]);
        assert_eq!(b.poll_timeout(), None);
    }

    #[test]
    fn a_missing_packet_is_given_up_in_time() {
        let mut b = ReorderBuffer::new(bounds(10, 10_000, 100));
        give(&mut b, 0, 1);
        give(&mut b, 10, 4);
        give(&mut b, 50, 6);
        assert_eq!(drain(&mut b, 109), []);
        assert_eq!(drain(&mut b, 110), [-2, 4]);
        // The next gap began when 6 came.
        assert_eq!(b.poll_timeout(), Some(at(150)));
        assert_eq!(drain(&mut b, 150), [-1, 6]);
        assert_eq!(give(&mut b, 151, 5), []);
    }

    #[test]
    fn packets_and_bytes_are_bounded() {
        let mut b = ReorderBuffer::new(bounds(2, 10_000, 1000));
        give(&mut b, 0, 1);
        assert_eq!((give(&mut b, 0, 3), give(&mut b, 0, 5)), (Vec::new(), Vec::new()));
        assert_eq!(give(&mut b, 0, 6), [-1, 3]);
        let mut b = ReorderBuffer::new(bounds(100, 150, 1000));
        give(&mut b, 0, 1);
        assert_eq!((give(&mut b, 0, 3), give(&mut b, 0, 4)), (Vec::new(), Vec::new()));
        assert_eq!(give(&mut b, 0, 5), [-1, 3, 4, 5]);
    }

    proptest! {
        #[test]
        fn each_number_comes_once_in_order(
            numbers in proptest::collection::vec(0..60_u64, 1..80), packets in 1..8_u16,
        ) {
            let mut b = ReorderBuffer::new(bounds(packets, 1 << 20, 1000));
            let mut out = Vec::new();
            for n in &numbers {
                out.extend(give(&mut b, 0, *n));
                prop_assert!(b.len() <= usize::from(packets) + 1);
            }
            out.extend(drain(&mut b, 2000));
            let mut next = numbers[0] as i64;
            for o in out {
                if o < 0 {
                    next -= o;
                } else {
                    prop_assert_eq!(o, next);
                    prop_assert!(numbers.contains(&(o as u64)));
                    next += 1;
                }
            }
            prop_assert_eq!(next as u64, numbers.iter().max().unwrap() + 1);
        }
    }
}
