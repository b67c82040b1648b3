//! When pictures are to be seen: later than they come by a pre-buffer, and as evenly as they were made.

use std::collections::VecDeque;
use std::time::Duration;

use machine::Instant;

use crate::live::Pace;

/// Tells when a picture is to be seen by its timestamp, however unevenly it comes.
///
/// ```text
/// came      |  |      | |      ||        |
/// due  ---- pre-buffer ---- |    |    |    |    |    |
/// ```
///
/// All times but those that it is told are *playing time*: the clock, less the time that it stood still.
#[derive(Debug)]
pub(super) struct Playout {
    delay: Duration,
    even: Even,
    /// How long it stood still, in all.
    paused: Duration,
    stands_since: Option<Instant>,
}

/// What evens times out.
#[derive(Debug)]
enum Even {
    /// Timestamps of so many ticks a second. The last: when its picture is due.
    Stamps { rate: u32, last: Option<(u64, Instant)> },
    /// The arrivals alone, where timestamps mean nothing.
    Arrivals { rate: (u32, u32), pace: Pace },
}

impl Playout {
    /// For pictures with timestamps of `rate` ticks a second.
    pub(super) fn by_stamps(delay: Duration, rate: u32) -> Self {
        Self::new(delay, Even::Stamps { rate: rate.max(1), last: None })
    }

    /// For pictures that come about `rate` (a fraction) times a second.
    pub(super) fn by_arrivals(delay: Duration, rate: (u32, u32)) -> Self {
        Self::new(delay, Even::Arrivals { rate, pace: Pace::new(rate) })
    }

    fn new(delay: Duration, even: Even) -> Self {
        Self { delay, even, paused: Duration::ZERO, stands_since: None }
    }

    /// The playing time.
    pub(super) fn time(&self, now: Instant) -> Instant {
        self.stands_since.unwrap_or(now).saturating_sub(self.paused)
    }

    /// Time stands still.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stands_since.get_or_insert(now);
    }

    /// Time goes on. What comes from here on has nothing to do with what came before.
    pub(super) fn go_on(&mut self, now: Instant) {
        if let Some(since) = self.stands_since.take() {
            self.paused += now.saturating_since(since);
        }
        match &mut self.even {
            Even::Stamps { last, .. } => *last = None,
            Even::Arrivals { rate, pace } => *pace = Pace::new(*rate),
        }
    }

    /// When the picture that is there now is due.
    pub(super) fn due(&mut self, now: Instant, timestamp: u64) -> Instant {
        let now = self.time(now);
        match &mut self.even {
            Even::Arrivals { pace, .. } => pace.next(now) + self.delay,
            Even::Stamps { rate, last } => {
                // As if it had come neither early nor late.
                let plain = now + self.delay;
                let due = last.map_or(plain, |last| next(last, timestamp, *rate, now, plain));
                *last = Some((timestamp, due));
                due
            }
        }
    }
}

/// After the last picture by what lies between their timestamps; drawn a little towards `plain`, as no two clocks are
/// equally fast.
fn next((last, at): (u64, Instant), timestamp: u64, rate: u32, now: Instant, plain: Instant) -> Instant {
    // Backwards, too: timestamps are in the order of showing, frames in that of decoding.
    let ticks = i128::from(timestamp) - i128::from(last);
    let expected = i128::from(at.as_nanos()) + ticks * 1_000_000_000 / i128::from(rate);
    let off = i128::from(plain.as_nanos()) - expected;
    let is_late = expected < i128::from(now.as_nanos());
    if is_late || off < -FAR_OFF {
        // It was too long on its way to be seen in time, or is of another time altogether.
        return plain;
    }
    u64::try_from(expected + off / 64).map_or(plain, Instant::from_nanos)
}

/// What is further ahead than this, in ns, is not early: its source has jumped.
const FAR_OFF: i128 = 2_000_000_000;

/// Pictures that wait until they are due.
#[derive(Debug)]
pub(super) struct Waiting<P> {
    queue: VecDeque<(Instant, P)>,
    skipped: u64,
}

impl<P> Waiting<P> {
    pub(super) const fn new() -> Self {
        Self { queue: VecDeque::new(), skipped: 0 }
    }

    /// One more. Those that would be due after it are of a time that is over.
    pub(super) fn push(&mut self, due: Instant, picture: P) {
        while self.queue.back().is_some_and(|(other, _)| *other > due) {
            self.queue.pop_back();
            self.skipped += 1;
        }
        self.queue.push_back((due, picture));
    }

    /// The latest that is due; those before it will not be seen.
    pub(super) fn take(&mut self, time: Instant) -> Option<P> {
        let mut latest = None;
        while self.next_due().is_some_and(|due| due <= time) {
            let before = std::mem::replace(&mut latest, self.queue.pop_front());
            self.skipped += u64::from(before.is_some());
        }
        latest.map(|(_, picture)| picture)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many were not taken.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const DELAY: Duration = Duration::from_millis(400);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * MS)
    }

    /// 25 frames a second, in ticks of 90 kHz.
    fn stamp(frame: u64) -> u64 {
        (1 << 32) + frame * 3600
    }

    #[test]
    fn uneven_arrivals_are_seen_evenly() {
        let mut playout = Playout::by_stamps(DELAY, 90_000);
        let late = [0, 30, 5, 90, 120, 0, 60, 15];
        let dues: Vec<u64> = (0..400)
            .map(|n| playout.due(at(5000 + n * 40 + late[n as usize % late.len()]), stamp(n)).as_nanos())
            .collect();
        assert_eq!(dues[0], 5400 * MS);
        for pair in dues[200..].windows(2) {
            let step = (pair[1] - pair[0]) / 1000;
            assert!((38_000..42_000).contains(&step), "{step} us");
        }
        // By the pre-buffer after they came, on the average.
        let average = late.iter().sum::<u64>() / late.len() as u64;
        let off = (dues[399] / MS).abs_diff(5000 + 399 * 40 + average + 400);
        assert!(off < 10, "{off} ms");
    }

    #[test]
    fn clocks_that_differ_are_followed() {
        // The source is 1 % faster, and then slower.
        for period_us in [39_600, 40_400] {
            let mut playout = Playout::by_stamps(DELAY, 90_000);
            for n in 0..5000 {
                let came = Instant::from_nanos((7_000_000 + n * period_us) * 1000);
                let lead = playout.due(came, stamp(n)).saturating_since(came);
                assert!((360..440).contains(&lead.as_millis()), "{n}: {lead:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_too_late_begins_anew() {
        let mut playout = Playout::by_stamps(DELAY, 90_000);
        assert_eq!(playout.due(at(1000), stamp(0)), at(1400));
        assert_eq!(playout.due(at(1040), stamp(1)), at(1440));
        // It was due at 1480.
        assert_eq!(playout.due(at(1900), stamp(2)), at(2300));
        // What was held up with it comes at once, and is seen evenly.
        let after = playout.due(at(1900), stamp(3));
        assert!((39..=40).contains(&(after.saturating_since(at(2300)).as_millis())), "{after:?}");
        // Timestamps that jump mean nothing.
        assert_eq!(playout.due(at(2000), stamp(90_000)), at(2400));
        assert_eq!(playout.due(at(2040), stamp(1)), at(2440));
    }

    #[test]
    fn frames_in_the_order_of_decoding_are_due_in_that_of_showing() {
        let mut playout = Playout::by_stamps(DELAY, 90_000);
        let dues: Vec<_> =
            [(0, 0), (1, 3), (2, 1), (3, 2)].map(|(n, s)| playout.due(at(1000 + n * 40), stamp(s))).into();
        assert!(dues[0] < dues[2] && dues[2] < dues[3] && dues[3] < dues[1], "{dues:?}");
    }

    #[test]
    fn a_pause_does_not_count() {
        let mut playout = Playout::by_stamps(DELAY, 90_000);
        let due = playout.due(at(1000), stamp(0));
        playout.stop(at(1100));
        playout.stop(at(1200));
        assert_eq!(playout.time(at(9000)), at(1100));
        playout.go_on(at(9100));
        assert_eq!(playout.time(at(9100)), at(1100));
        assert_eq!(playout.time(at(9400)), due);
        // What comes now has timestamps of after the pause.
        assert_eq!(playout.due(at(9100), stamp(200)), at(1500));
    }

    #[test]
    fn without_timestamps_arrivals_are_evened_out() {
        let mut playout = Playout::by_arrivals(DELAY, (20, 1));
        let mut last = playout.due(at(1000), 7);
        assert_eq!(last, at(1400));
        for n in 1..200 {
            let due = playout.due(at(1000 + n * 50 + n % 2 * 20), 7);
            let step = due.saturating_since(last).as_millis();
            assert!(n < 50 || (47..=53).contains(&step), "{n}: {step} ms");
            last = due;
        }
    }

    #[test]
    fn the_latest_picture_that_is_due_is_taken() {
        let mut waiting = Waiting::new();
        for n in 0..4 {
            waiting.push(at(100 + n * 40), n);
        }
        assert_eq!(waiting.take(at(99)), None);
        assert_eq!((waiting.take(at(100)), waiting.skipped()), (Some(0), 0));
        assert_eq!(waiting.next_due(), Some(at(140)));
        // The display was busy.
        assert_eq!((waiting.take(at(200)), waiting.skipped()), (Some(2), 1));
        // The source jumped to what is now.
        waiting.push(at(210), 9);
        assert_eq!((waiting.len(), waiting.skipped()), (1, 2));
        assert_eq!(waiting.take(at(300)), Some(9));
        assert_eq!(waiting.next_due(), None);
    }
}
