//! The queue between a machine and one peer that may read slowly.
//!
//! Pure data, so that every driver and the simulator treat a slow reader the same way. The driver says
//! [`set_stuck`](SendQueue::set_stuck) when the transport takes no more; until then all items keep their place and
//! nothing is dropped, so a peer that reads loses nothing whatever else is sent to it.

use alloc::collections::VecDeque;

use crate::{FileToken, Keep, Payload};

/// What each queued item is taken to cost besides its bytes, so that empty items are bounded too.
const ITEM_OVERHEAD: usize = 64;

/// Bounds of one [`SendQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// More than this many bytes waiting (64 counted for each item besides its own) is too much for a peer. An item
    /// that finds the queue empty always fits: one long reply is no sign of a slow reader.
    pub max_bytes: usize,
    /// [`Keep::IfRoom`] items are left out while more than this many bytes wait.
    pub if_room_bytes: usize,
}

/// One thing waiting to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes or a message.
    Data(Payload),
    /// A part of a file.
    File {
        /// Which file.
        file: FileToken,
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

impl Item {
    fn cost(&self) -> usize {
        ITEM_OVERHEAD
            + match self {
                Self::Data(p) => p.as_bytes().len(),
                Self::File { .. } => 0,
            }
    }
}

/// What became of an item given to [`SendQueue::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It waits in its place.
    Queued,
    /// [`Keep::IfRoom`] and there was none: left out.
    LeftOut,
    /// Too much waits for this peer: end the connection.
    Overflow,
}

/// Items for one peer, in order. See [`Keep`] for the rules.
#[derive(Debug, Default)]
pub struct SendQueue {
    items: VecDeque<(Item, Keep)>,
    /// Sum of the items' costs.
    cost: usize,
    /// Bytes of the front item that are sent already.
    sent: usize,
    stuck: bool,
}

impl SendQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { items: VecDeque::new(), cost: 0, sent: 0, stuck: false }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes and overheads that wait.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Whether the transport takes no more.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Says whether the transport takes no more (`true`) or takes something again.
    pub fn set_stuck(&mut self, stuck: bool) {
        if stuck && !self.stuck {
            self.drop_stale();
        }
        self.stuck = stuck;
    }

    /// Queues a payload under the rule `keep`.
    pub fn push(&mut self, data: Payload, keep: Keep, limits: QueueLimits) -> Pushed {
        let item = Item::Data(data);
        let wanted = self.cost.saturating_add(item.cost());
        match keep {
            // A peer this far behind is stuck, even if the transport has not said so yet.
            Keep::Latest if wanted > limits.max_bytes => self.set_stuck(true),
            Keep::IfRoom if wanted > limits.if_room_bytes.min(limits.max_bytes) => {
                return Pushed::LeftOut;
            }
            _ => {}
        }
        if self.stuck {
            self.drop_unsent_latest();
        }
        self.push_item(item, keep, limits)
    }

    /// Queues a part of a file; it is kept always.
    pub fn push_file(&mut self, file: FileToken, offset: u64, len: u64, limits: QueueLimits) -> Pushed {
        if self.stuck {
            self.drop_unsent_latest();
        }
        self.push_item(Item::File { file, offset, len }, Keep::Always, limits)
    }

    fn push_item(&mut self, item: Item, keep: Keep, limits: QueueLimits) -> Pushed {
        let cost = self.cost.saturating_add(item.cost());
        if keep == Keep::Always && cost > limits.max_bytes && !self.items.is_empty() {
            return Pushed::Overflow;
        }
        self.cost = cost;
        self.items.push_back((item, keep));
        Pushed::Queued
    }

    /// The unsent bytes at the front of the queue, item by item, up to the first that is not bytes.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().enumerate().map_while(|(i, (item, _))| match item {
            Item::Data(p) => p.as_bytes().get(if i == 0 { self.sent } else { 0 }..),
            Item::File { .. } => None,
        })
    }

    /// The item at the front.
    pub fn front(&self) -> Option<&Item> {
        self.items.front().map(|(item, _)| item)
    }

    /// Takes the item at the front, whatever of it was sent.
    pub fn pop_front(&mut self) -> Option<Item> {
        let (item, _) = self.items.pop_front()?;
        self.cost = self.cost.saturating_sub(item.cost());
        self.sent = 0;
        Some(item)
    }

    /// Notes that the first `n` bytes of [`chunks`](Self::chunks) are sent.
    pub fn advance(&mut self, n: usize) {
        let mut left = self.sent.saturating_add(n);
        while let Some(Item::Data(p)) = self.front() {
            let len = p.as_bytes().len();
            if left < len {
                break;
            }
            left -= len;
            self.pop_front();
        }
        self.sent = left;
    }

    /// Drops the last item if it is one of which only the newest counts and none of it is sent.
    fn drop_unsent_latest(&mut self) {
        let started = self.items.len() == 1 && self.sent > 0;
        if started || !matches!(self.items.back(), Some((_, Keep::Latest))) {
            return;
        }
        if let Some((item, _)) = self.items.pop_back() {
            self.cost = self.cost.saturating_sub(item.cost());
        }
    }

    /// Drops all unsent `Latest` items but one at the very end.
    fn drop_stale(&mut self) {
        let last = self.items.len().saturating_sub(1);
        let started = self.sent > 0;
        let mut i = 0;
        let mut cost = 0;
        self.items.retain(|(item, keep)| {
            let stays = *keep != Keep::Latest || i == last || (i == 0 && started);
            i += 1;
            cost += if stays { item.cost() } else { 0 };
            stays
        });
        self.cost = cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use bytes::Bytes;

    const LIMITS: QueueLimits = QueueLimits { max_bytes: 1000, if_room_bytes: 300 };

    fn data(s: &'static str) -> Payload {
        Payload::Bytes(Bytes::from_static(s.as_bytes()))
    }

    fn text(q: &SendQueue) -> alloc::string::String {
        alloc::string::String::from_utf8(q.chunks().collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn a_peer_that_reads_loses_nothing() {
        let mut q = SendQueue::new();
        for s in ["a", "b", "c"] {
            assert_eq!(q.push(data(s), Keep::Latest, LIMITS), Pushed::Queued);
        }
        assert_eq!(q.push(data("!"), Keep::Always, LIMITS), Pushed::Queued);
        assert_eq!(text(&q), "abc!");
    }

    #[test]
    fn a_stuck_peer_gets_the_newest_and_never_a_stale_one() {
        let mut q = SendQueue::new();
        let _ = q.push(data("xyz"), Keep::Always, LIMITS);
        let _ = q.push(data("1"), Keep::Latest, LIMITS);
        let _ = q.push(data("2"), Keep::Latest, LIMITS);
        q.advance(1);
        q.set_stuck(true);
        assert_eq!(text(&q), "yz2");
        let _ = q.push(data("3"), Keep::Latest, LIMITS);
        assert_eq!(text(&q), "yz3");
        let _ = q.push(data("stopped"), Keep::Always, LIMITS);
        assert_eq!(text(&q), "yzstopped");
        q.advance(2);
        q.set_stuck(false);
        assert_eq!(text(&q), "stopped");
        q.advance(7);
        assert!(q.is_empty());
        assert_eq!(q.cost(), 0);
    }

    #[test]
    fn a_started_update_is_finished() {
        let mut q = SendQueue::new();
        let _ = q.push(data("tick1"), Keep::Latest, LIMITS);
        q.advance(2);
        q.set_stuck(true);
        let _ = q.push(data("tick2"), Keep::Latest, LIMITS);
        let _ = q.push(data("tick3"), Keep::Latest, LIMITS);
        assert_eq!(text(&q), "ck1tick3");
    }

    #[test]
    fn too_much_is_an_overflow_but_updates_never_are() {
        let mut q = SendQueue::new();
        let mut n = 0;
        while q.push(data("0123456789"), Keep::Always, LIMITS) == Pushed::Queued {
            n += 1;
        }
        assert_eq!(n, 13); // 13 * (10 + 64) <= 1000
        for _ in 0..100 {
            assert_eq!(q.push(data("tick"), Keep::Latest, LIMITS), Pushed::Queued);
        }
        assert!(q.cost() <= 1000 + 68);
        assert_eq!(q.push(data("frame"), Keep::IfRoom, LIMITS), Pushed::LeftOut);
    }

    #[test]
    fn one_long_reply_fits_and_nothing_behind_it() {
        let mut q = SendQueue::new();
        let long = Payload::Bytes(Bytes::from(alloc::vec![b'x'; 5000]));
        assert_eq!(q.push(long, Keep::Always, LIMITS), Pushed::Queued);
        assert_eq!(q.push(data("more"), Keep::Always, LIMITS), Pushed::Overflow);
    }

    #[test]
    fn bytes_stop_at_a_file() {
        let mut q = SendQueue::new();
        let _ = q.push(data("head"), Keep::Always, LIMITS);
        let _ = q.push_file(FileToken(7), 0, 1 << 30, LIMITS);
        let _ = q.push(data("after"), Keep::Always, LIMITS);
        assert_eq!(text(&q), "head");
        q.advance(4);
        assert_eq!(q.pop_front(), Some(Item::File { file: FileToken(7), offset: 0, len: 1 << 30 }));
        assert_eq!(text(&q), "after");
    }
}
