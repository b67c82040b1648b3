//! How far another node's wall clock is from ours.
//!
//! ```text
//! peer   ────────── W ─────────▶ its wall clock     ahead = W - (sent + back) / 2, of our monotonic clock
//!                 ↗   ↘                             wrong by less than half of the round trip
//! node   ── sent        back ──▶
//! ```

use core::time::Duration;

use machine::Instant;

/// How many replies are remembered.
const WINDOW: usize = 8;
/// By how much two clocks drift apart, at most: 100 in a million.
const DRIFT: u32 = 10_000;

/// Replies of one peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Offsets {
    replies: [Option<Reply>; WINDOW],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Reply {
    back: Instant,
    /// Half of the round trip.
    bound: Duration,
    ahead_ns: i128,
}

/// The peer's wall clock less a clock of ours, and how wrong that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) ahead_ns: i128,
    pub(super) bound_ns: i128,
}

impl Offsets {
    /// A reply to what left at `sent` came `back`; the peer's wall clock read `wall_ns` in between.
    pub(super) fn reply(&mut self, sent: Instant, back: Instant, wall_ns: i64) {
        let middle = i128::midpoint(sent.as_nanos().into(), back.as_nanos().into());
        let bound = back.saturating_since(sent) / 2;
        if let Some(slot) = self.replies.get_mut(self.next) {
            *slot = Some(Reply { back, bound, ahead_ns: i128::from(wall_ns) - middle });
        }
        self.next = (self.next + 1) % WINDOW;
    }

    /// The peer's wall clock less our monotonic clock, by the reply that can be least wrong now.
    pub(super) fn best(&self, now: Instant) -> Option<Offset> {
        let bound = |reply: &Reply| reply.bound + now.saturating_since(reply.back) / DRIFT;
        let best = self.replies.iter().flatten().min_by_key(|reply| bound(reply))?;
        let bound_ns = i128::try_from(bound(best).as_nanos()).unwrap_or(i128::MAX);
        Some(Offset { ahead_ns: best.ahead_ns, bound_ns })
    }
}

/// How far we are from the median of all clocks, ours among them, given how far each of the others is ahead of ours.
/// Of an even number the one of the two in the middle counts that is further away: of two clocks that differ nobody can
/// say which is right.
pub(super) fn from_median(others: impl Iterator<Item = Offset>) -> Offset {
    let own = Offset { ahead_ns: 0, bound_ns: 0 };
    let mut all: alloc::vec::Vec<_> = others.chain([own]).collect();
    all.sort_unstable_by_key(|offset| offset.ahead_ns);
    let middle = [all.len().saturating_sub(1) / 2, all.len() / 2];
    let further = middle.iter().filter_map(|&at| all.get(at)).max_by_key(|offset| offset.ahead_ns.abs());
    further.map_or(own, |offset| Offset { ahead_ns: -offset.ahead_ns, ..*offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn the_quickest_reply_counts_until_it_is_old() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.best(at(0)), None);
        let wall = |ms: u64| i64::try_from(at(ms).as_nanos()).unwrap() + 7;
        offsets.reply(at(0), at(20), wall(1));
        offsets.reply(at(100), at(102), wall(101));
        offsets.reply(at(200), at(230), wall(229));
        assert_eq!(offsets.best(at(102)), Some(Offset { ahead_ns: 7, bound_ns: 1_000_000 }));
        // 1 ms and 100 ppm of 100 s
        assert_eq!(offsets.best(at(100_102)).unwrap().bound_ns, 11_000_000);
        for k in 0..8 {
            offsets.reply(at(1000 + k), at(1010 + k), wall(1002 + k));
        }
        assert_eq!(offsets.best(at(1017)).unwrap().ahead_ns, 7 - 3_000_000);
    }

    #[test]
    fn one_wrong_clock_of_three_is_found_and_two_accuse_each_other() {
        let median = |others: &[i128]| {
            from_median(others.iter().map(|&ahead_ns| Offset { ahead_ns, bound_ns: 1 })).ahead_ns
        };
        assert_eq!(median(&[]), 0);
        assert_eq!(median(&[30]), -30);
        assert_eq!(median(&[1, 30]), -1);
        assert_eq!(median(&[-30, -29]), 29);
        assert_eq!(median(&[0, 0, 30]), 0);
        assert_eq!(median(&[-30, -30, -30]), 30);
    }
}
