//! The clock of a session: which label is in force at which instant (sheet B5; B7 Q1, Q2).
//!
//! Everything here is a function of time. A running session is an origin and a rate; frame k begins at
//! `origin + k · den/num` seconds, rounded up to a nanosecond, and nothing is ever added up, so a session that has run
//! for a day is as exact as one that has just started, and one that nobody asked for an hour has missed nothing.
//!
//! ```text
//!          origin      +1          +2          +3          +4 frames
//! start L  ┼───────────┼───────────┼───────────┼───────────┼──▶ t
//! label    L           L+1         L+2 ┊ M     M+1         M+2
//!                                      └ reset to M: the grid stays
//! ```

mod label;
pub mod replicated;

use machine::Instant;

use crate::Rate;

pub use label::{Label, SessionRate, WireLabelError};

const NANOS: i128 = 1_000_000_000;

/// A label and the instant at which its frame began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The label in force.
    pub label: Label,
    /// When its frame began; of a halted session, when it came to be in force.
    pub began: Instant,
}

/// The clock of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClock {
    label: Label,
    motion: Motion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Motion {
    /// `label` is in force since then.
    Halted { since: Instant },
    /// Frame 0 of the grid began at `origin`, and frame `base` of it has `label`.
    Running { origin: Instant, base: i64 },
}

/// What [`SessionClock::steer`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// The grid was moved by less than half a frame; labels follow each other as before.
    Smoothly,
    /// The label in force jumped.
    Jumped,
}

impl SessionClock {
    /// A clock that rests at `label`.
    pub const fn new(label: Label, now: Instant) -> Self {
        Self { label, motion: Motion::Halted { since: now } }
    }

    /// A clock whose frame `label` began `began_ns` after the epoch of [`Instant`]: it may be before it, as a clock that
    /// is shared by several machines may run longer than this one.
    pub(crate) fn running_since(label: Label, began_ns: i128) -> Self {
        let (num, den) = (i128::from(label.rate().numerator()), i128::from(label.rate().denominator()));
        // moved on by whole multiples of `den` seconds, in which there are whole frames
        let turns = if began_ns < 0 { (den * NANOS - 1 - began_ns).div_euclid(den * NANOS) } else { 0 };
        let frames = i64::try_from(turns.saturating_mul(num)).unwrap_or(i64::MAX);
        let origin = to_instant(began_ns.saturating_add(turns.saturating_mul(den * NANOS)));
        // the grid reaches back before its frame 0, so its frame `-frames` has `label`
        Self { label: label.after(frames), motion: Motion::Running { origin, base: 0 } }
    }

    /// A clock that rests at `label`, which came to be in force `began_ns` after the epoch of [`Instant`].
    pub(crate) fn halted_since(label: Label, began_ns: i128) -> Self {
        Self { label, motion: Motion::Halted { since: to_instant(began_ns) } }
    }

    /// Whether the clock runs.
    pub const fn is_running(&self) -> bool {
        matches!(self.motion, Motion::Running { .. })
    }

    /// The label in force at `now`.
    pub fn at(&self, now: Instant) -> Moment {
        match self.motion {
            Motion::Halted { since } => Moment { label: self.label, began: since },
            Motion::Running { origin, base } => {
                let frame = frame_at(self.label.rate(), origin, now).max(base);
                Moment { label: self.label.after(frame - base), began: self.frame_began(origin, frame) }
            }
        }
    }

    /// When the frame after the one at `now` begins; always later than `now`. `None` while halted.
    pub fn next_frame(&self, now: Instant) -> Option<Instant> {
        match self.motion {
            Motion::Halted { .. } => None,
            Motion::Running { origin, base } => {
                let frame = frame_at(self.label.rate(), origin, now).max(base);
                Some(self.frame_began(origin, frame + 1))
            }
        }
    }

    /// Lets the clock run from its label on, whose frame begins at `now`. A running clock is left alone.
    pub const fn start(&mut self, now: Instant) {
        if !self.is_running() {
            self.motion = Motion::Running { origin: now, base: 0 };
        }
    }

    /// Halts the clock at the label in force.
    pub fn stop(&mut self, now: Instant) {
        let Moment { label, began } = self.at(now);
        *self = Self { label, motion: Motion::Halted { since: began } };
    }

    /// Gives the present frame the label `label`. The grid of a running clock stays as it is.
    pub fn reset(&mut self, label: Label, now: Instant) {
        self.motion = match self.motion {
            Motion::Halted { .. } => Motion::Halted { since: now },
            Motion::Running { origin, base } => {
                let base = frame_at(self.label.rate(), origin, now).max(base);
                Motion::Running { origin, base }
            }
        };
        self.label = label;
    }

    /// Makes the clock run so that the frame of `label` began (or will begin) at `at`, as measured from timecode that
    /// comes from elsewhere. A difference of less than a frame is taken for jitter and halved, so the grid follows
    /// within a few frames; anything else is a jump to the measured place. (Readings that are up to half a frame wrong
    /// differ from a grid that was made from such readings by less than a whole one.)
    ///
    /// Halving means that the label of `now` can be the one before the label that was in force a moment ago, by the
    /// time the grid was moved; whoever announces labels passes over that one.
    pub fn steer(&mut self, label: Label, at: Instant, now: Instant) -> Steered {
        let rate = self.label.rate();
        if let Motion::Running { origin, base } = self.motion
            && let Some(ahead) = label.frames_since(self.label)
        {
            let error = to_i128(at) - (to_i128(origin) + offset_of(rate, i128::from(base + ahead)));
            if error.abs() < frame_nanos(rate) {
                self.motion = Motion::Running { origin: to_instant(to_i128(origin) + error / 2), base };
                return Steered::Smoothly;
            }
        }
        self.jump(label, at, now);
        Steered::Jumped
    }

    fn jump(&mut self, label: Label, at: Instant, now: Instant) {
        // an instant to come is moved back by whole frames, so that the grid has begun
        let early = to_i128(at) - to_i128(now);
        let frames = if early > 0 { early / frame_nanos(label.rate()) + 1 } else { 0 };
        let origin = to_instant(to_i128(at) - offset_of(label.rate(), frames));
        let label = label.after(-i64::try_from(frames).unwrap_or(i64::MAX));
        *self = Self { label, motion: Motion::Running { origin, base: 0 } };
    }

    /// The first nanosecond of a frame of the grid.
    fn frame_began(&self, origin: Instant, frame: i64) -> Instant {
        to_instant(to_i128(origin) + offset_of(self.label.rate(), i128::from(frame)))
    }
}

/// The number of the last frame that began at or before `now`, on a grid whose frame 0 began at `origin`.
pub(crate) fn frame_at(rate: Rate, origin: Instant, now: Instant) -> i64 {
    let elapsed = to_i128(now) - to_i128(origin);
    let frame = (elapsed * i128::from(rate.numerator())).div_euclid(i128::from(rate.denominator()) * NANOS);
    i64::try_from(frame).unwrap_or(i64::MAX)
}

/// Nanoseconds from frame 0 to frame `frame`, rounded up.
fn offset_of(rate: Rate, frame: i128) -> i128 {
    let (num, den) = (i128::from(rate.numerator()), i128::from(rate.denominator()));
    (frame * den * NANOS + num - 1).div_euclid(num)
}

/// Nanoseconds of a frame, rounded up.
fn frame_nanos(rate: Rate) -> i128 {
    offset_of(rate, 1)
}

fn to_i128(instant: Instant) -> i128 {
    i128::from(instant.as_nanos())
}

/// Kept within the time that an [`Instant`] can tell.
fn to_instant(nanos: i128) -> Instant {
    Instant::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const START: Instant = Instant::from_nanos(5_000_000_123);

    fn rate(name: &str) -> SessionRate {
        SessionRate::all().find(|rate| rate.name() == name).unwrap()
    }

    fn running(name: &str, label: &str) -> SessionClock {
        let mut clock = SessionClock::new(rate(name).label(label).unwrap(), START);
        clock.start(START);
        clock
    }

    fn after(nanos: u64) -> Instant {
        Instant::from_nanos(START.as_nanos() + nanos)
    }

    fn label_at(clock: &SessionClock, now: Instant) -> alloc::string::String {
        clock.at(now).label.to_string()
    }

    #[test]
    fn a_frame_begins_at_its_nanosecond_and_not_before() {
        let clock = running("29.97", "00:00:59:28");
        // 1001/30000 s = 33 366 666.67 ns
        assert_eq!(clock.next_frame(START), Some(after(33_366_667)));
        assert_eq!(label_at(&clock, after(33_366_666)), "00:00:59:28");
        assert_eq!(label_at(&clock, after(33_366_667)), "00:00:59:29");
        assert_eq!(clock.next_frame(after(33_366_667)), Some(after(66_733_334)));
        assert_eq!(label_at(&clock, after(66_733_334)), "00:01:00:00");
        assert_eq!(clock.at(after(100_099_999)).began, after(66_733_334));
        // 30 000 frames are 1001 s to the nanosecond
        assert_eq!(clock.at(after(1_001_000_000_000)).label.frame(), 1798 + 30_000);
        assert_eq!(clock.at(after(1_001_000_000_000)).began, after(1_001_000_000_000));
    }

    #[test]
    fn stopping_keeps_the_label_and_starting_begins_a_frame() {
        let mut clock = running("25", "10:00:00:00");
        clock.stop(after(119_999_999));
        assert_eq!(
            clock.at(after(999)),
            Moment { label: rate("25").label("10:00:00:02").unwrap(), began: after(80_000_000) }
        );
        assert_eq!(clock.next_frame(after(999)), None);
        clock.start(after(200_000_000));
        assert_eq!(clock.next_frame(after(200_000_000)), Some(after(240_000_000)));
        assert_eq!(label_at(&clock, after(240_000_000)), "10:00:00:03");
    }

    #[test]
    fn a_reset_keeps_the_grid() {
        let mut clock = running("50", "00:00:00:00");
        clock.reset(rate("50").label("01:00:00:00").unwrap(), after(50_000_000));
        assert_eq!(clock.at(after(50_000_000)).began, after(40_000_000));
        assert_eq!(label_at(&clock, after(59_999_999)), "01:00:00:00");
        assert_eq!(label_at(&clock, after(60_000_000)), "01:00:00:01");
        let mut halted = SessionClock::new(rate("50").label("00:00:00:00").unwrap(), START);
        halted.reset(rate("50").label("02:00:00:00").unwrap(), after(7));
        assert_eq!(halted.at(after(9)).began, after(7));
    }

    #[test]
    fn counts_go_on_past_midnight_and_labels_do_not() {
        let clock = running("29.97df", "23:59:59;29");
        let moment = clock.at(after(33_366_667));
        assert_eq!((moment.label.to_string().as_str(), moment.label.frame()), ("00:00:00;00", 2_589_408));
    }

    #[test]
    fn steering_takes_up_jitter_and_jumps_over_cuts() {
        let session = rate("25");
        let at = |frames: i64| session.label("01:00:00:00").unwrap().after(frames);
        let mut clock = running("25", "00:00:00:00");
        // a cut to elsewhere
        assert_eq!(clock.steer(at(0), after(100_000_000), after(105_000_000)), Steered::Jumped);
        assert_eq!(clock.at(after(139_999_999)), Moment { label: at(0), began: after(100_000_000) });
        // 8 ms late: half of it is taken over
        assert_eq!(clock.steer(at(1), after(148_000_000), after(150_000_000)), Steered::Smoothly);
        assert_eq!(clock.at(after(150_000_000)), Moment { label: at(1), began: after(144_000_000) });
        // and early
        assert_eq!(clock.steer(at(2), after(165_000_000), after(186_000_000)), Steered::Smoothly);
        assert_eq!(clock.at(after(186_000_000)), Moment { label: at(2), began: after(174_500_000) });
        assert_eq!(clock.steer(at(3), after(254_500_000), after(254_500_000)), Steered::Jumped);
        // told of an instant to come
        assert_eq!(clock.steer(at(100), after(1_000_000_000), after(895_000_000)), Steered::Jumped);
        assert_eq!(clock.at(after(895_000_000)), Moment { label: at(97), began: after(880_000_000) });
        // midnight is no cut
        let last = session.label("23:59:59:24").unwrap();
        assert_eq!(clock.steer(last, after(2_000_000_000), after(2_000_000_000)), Steered::Jumped);
        assert_eq!(
            clock.steer(session.label("00:00:00:00").unwrap(), after(2_041_000_000), after(2_050_000_000)),
            Steered::Smoothly
        );
        assert_eq!(label_at(&clock, after(2_050_000_000)), "00:00:00:00");
    }

    #[test]
    fn steering_follows_a_source_that_runs_slow() {
        let session = rate("29.97");
        let mut clock = running("29.97", "00:00:00:00");
        let mut shown = 0;
        for k in 0_u64..3000 {
            let at = after(k * 36_000_000); // 7.9 % slow
            let label = session.label("00:00:00:00").unwrap().after(i64::try_from(k).unwrap());
            assert_eq!(clock.steer(label, at, at), Steered::Smoothly, "{k}");
            let frame = clock.at(at).label.frame();
            assert!(frame >= shown - 1 && frame.abs_diff(label.frame()) <= 1);
            shown = shown.max(frame);
        }
    }

    proptest! {
        #[test]
        fn every_instant_lies_between_its_frame_and_the_next(which in 0_usize..16, nanos in 0_u64..10_u64.pow(17)) {
            let session = SessionRate::all().nth(which).unwrap();
            let mut clock = SessionClock::new(session.midnight(), START);
            clock.start(START);
            let now = after(nanos);
            let moment = clock.at(now);
            let next = clock.next_frame(now).unwrap();
            prop_assert!(moment.began <= now && now < next);
            prop_assert_eq!(clock.at(next).label.frame(), moment.label.frame() + 1);
            prop_assert_eq!(clock.at(next).began, next);
            // the exact rational: frame = floor(t * num / den)
            let (num, den) = (u128::from(session.rate().numerator()), u128::from(session.rate().denominator()));
            let exact = u128::from(nanos) * num / (den * 1_000_000_000);
            prop_assert_eq!(u128::try_from(moment.label.frame()).unwrap(), exact);
        }
    }
}
