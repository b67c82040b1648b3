//! The server's clock, seen from here ([`Extension::Clock`](crate::message::Extension::Clock)).
//!
//! ```text
//! server   ─────────────── S ──────────────▶     offset = S - (sent + back) / 2
//!                        ↗   ↘                   wrong by half the difference of the two ways, so by less than
//! client   ── sent ─────       ───── back ─▶     half of the round trip
//! ```
//!
//! That bound grows with time, as no two clocks run alike; the round trip with the least bound counts.

use core::time::Duration;

use machine::Instant;

/// How many round trips are remembered.
const WINDOW: usize = 32;

/// By how much two clocks can drift apart, in millionths: each is usually within 50.
const DRIFT_PPM: u32 = 100;

/// Round trips that come fast at the beginning, and the time between them.
const EARLY_PINGS: u64 = 5;
const EARLY_INTERVAL: Duration = Duration::from_millis(100);

/// An estimate of the server's clock.
#[derive(Debug)]
pub(super) struct ServerClock {
    /// The latest, oldest first from `next` on.
    trips: [Option<Trip>; WINDOW],
    next: usize,
    /// When the ping left that has not been answered.
    asked: Option<Instant>,
    /// When the pings began; they come on a grid of instants from then.
    since: Instant,
    interval: Duration,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Trip {
    back: Instant,
    length: Duration,
    /// The server's nanoseconds less ours.
    offset: i128,
}

impl ServerClock {
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        let interval = interval.max(EARLY_INTERVAL);
        Self { trips: [None; WINDOW], next: 0, asked: None, since: now, interval, due: now }
    }

    /// When the next ping is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// If a ping is due: notes that it leaves now, and what it says.
    pub(super) fn ping(&mut self, now: Instant) -> Option<u64> {
        if now < self.due {
            return None;
        }
        self.asked = Some(now);
        let elapsed = now.saturating_since(self.since).as_nanos();
        let (first, period) = match elapsed / EARLY_INTERVAL.as_nanos() {
            k if k < u128::from(EARLY_PINGS) => (0, EARLY_INTERVAL.as_nanos()),
            _ => (EARLY_INTERVAL.as_nanos() * u128::from(EARLY_PINGS), self.interval.as_nanos()),
        };
        let ahead = first + (elapsed.saturating_sub(first) / period + 1) * period;
        self.due = self.since + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX));
        Some(now.as_nanos())
    }

    /// The answer to a ping that said `t`.
    pub(super) fn pong(&mut self, now: Instant, t: u64, server_ns: u64) {
        if self.asked.is_none_or(|asked| asked.as_nanos() != t) {
            return;
        }
        let sent = i128::from(t);
        let back = i128::from(now.as_nanos());
        self.asked = None;
        let length = Duration::from_nanos(now.as_nanos().saturating_sub(t));
        let trip = Trip { back: now, length, offset: i128::from(server_ns) - (sent + back) / 2 };
        if let Some(slot) = self.trips.get_mut(self.next) {
            *slot = Some(trip);
        }
        self.next = (self.next + 1) % WINDOW;
    }

    /// What the server's clock reads at `now`.
    pub(super) fn server_time(&self, now: Instant) -> Option<Instant> {
        Some(shifted(now, self.best(now)?.offset))
    }

    /// What our clock reads when the server's reads `server`, as estimated at `now`.
    pub(super) fn local_time(&self, now: Instant, server: Instant) -> Option<Instant> {
        Some(shifted(server, -self.best(now)?.offset))
    }

    /// The shortest of the last round trips.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.trips.iter().flatten().map(|trip| trip.length).min()
    }

    fn best(&self, now: Instant) -> Option<Trip> {
        let bound =
            |trip: &&Trip| trip.length / 2 + now.saturating_since(trip.back) / (1_000_000 / DRIFT_PPM);
        self.trips.iter().flatten().min_by_key(bound).copied()
    }
}

fn shifted(instant: Instant, nanos: i128) -> Instant {
    let shifted = i128::from(instant.as_nanos()).saturating_add(nanos).max(0);
    Instant::from_nanos(u64::try_from(shifted).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(5_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn pings_come_fast_and_then_on_their_grid() {
        let mut clock = ServerClock::new(at(0), Duration::from_secs(2));
        let mut dues = alloc::vec::Vec::new();
        for _ in 0..9 {
            let due = clock.due();
            assert_eq!(clock.ping(due.saturating_sub(Duration::from_nanos(1))), None);
            assert_eq!(clock.ping(due), Some(due.as_nanos()));
            dues.push(due.saturating_since(at(0)).as_millis());
        }
        assert_eq!(dues, [0, 100, 200, 300, 400, 500, 2500, 4500, 6500]);
        // a late wake leaves out what it missed
        clock.ping(at(13_700));
        assert_eq!(clock.due(), at(14_500));
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let mut clock = ServerClock::new(at(0), Duration::from_secs(2));
        assert_eq!(clock.server_time(at(0)), None);
        // the server's clock is 1 s behind; (sent, there, back)
        for (sent, there, back) in [(0, 40, 50), (100, 103, 104), (200, 210, 230)] {
            let t = clock.ping(at(sent)).unwrap();
            clock.pong(at(back), t, at(there).as_nanos() - 1_000_000_000);
        }
        assert_eq!(clock.round_trip(), Some(Duration::from_millis(4)));
        // 103 lies 1 ms off the middle of 100 and 104
        assert_eq!(clock.server_time(at(1000)), Some(at(1)));
        assert_eq!(clock.local_time(at(1000), at(1)), Some(at(1000)));
        // an answer to nothing we asked
        clock.pong(at(300), 12345, 0);
        assert_eq!(clock.server_time(at(1000)), Some(at(1)));
        // a trip of 10 ms half a minute later is no worse than one of 4 ms then, and a little later better
        let t = clock.ping(at(30_090)).unwrap();
        clock.pong(at(30_100), t, at(30_095).as_nanos());
        assert_eq!(clock.server_time(at(30_100)), Some(at(29_101)));
        let t = clock.ping(at(30_190)).or_else(|| clock.ping(at(32_500))).unwrap();
        clock.pong(at(32_510), t, at(32_505).as_nanos());
        assert_eq!(clock.server_time(at(32_510)), Some(at(32_510)));
        assert_eq!(clock.round_trip(), Some(Duration::from_millis(4)));
    }
}
