//! A session as a function of the wall clock.

use crate::session::{Label, NANOS, SessionClock, SessionRate};
use crate::{Rate, UsageError};

use super::Change;

/// Which label is in force when, as nodes with the same wall clock compute it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedClock {
    /// The rate as its creator named it.
    pub framerate: SessionRate,
    /// The label at the epoch.
    pub label: Label,
    /// When the frame of `label` began, or, of a halted session, when it came to be in force: nanoseconds since
    /// 1970-01-01T00:00:00Z.
    pub epoch_ns: i64,
    /// Whether it runs from there on.
    pub running: bool,
}

impl SharedClock {
    /// A clock that rests at `label`.
    pub const fn new(framerate: SessionRate, label: Label, now_ns: i64) -> Self {
        Self { framerate, label, epoch_ns: now_ns, running: false }
    }

    /// The label in force when the wall clock reads `unix_ns`.
    pub fn label_at(&self, unix_ns: i64) -> Label {
        if self.running { self.label.after(self.frames_until(unix_ns)) } else { self.label }
    }

    /// The clock after a change at `unix_ns`.
    ///
    /// # Errors
    ///
    /// Those of a single server: a start of what runs, a stop of what does not.
    pub fn changed(&self, change: &Change, unix_ns: i64) -> Result<Self, UsageError> {
        match change {
            Change::Start if self.running => Err(UsageError::Running),
            Change::Stop if !self.running => Err(UsageError::NotRunning),
            Change::Start => Ok(Self { epoch_ns: unix_ns, running: true, ..*self }),
            Change::Stop => Ok(Self {
                label: self.label_at(unix_ns),
                epoch_ns: self.frame_began(unix_ns),
                running: false,
                ..*self
            }),
            // the grid of a running session stays as it is
            Change::Reset(label) => {
                let epoch_ns = if self.running { self.frame_began(unix_ns) } else { unix_ns };
                Ok(Self { label: *label, epoch_ns, ..*self })
            }
            Change::Create(_) | Change::Join => Ok(*self),
        }
    }

    /// The same on a monotonic clock that is `wall_offset` behind the wall clock.
    pub(crate) fn on(&self, wall_offset: i128) -> SessionClock {
        let began = i128::from(self.epoch_ns) - wall_offset;
        if self.running {
            SessionClock::running_since(self.label, began)
        } else {
            SessionClock::halted_since(self.label, began)
        }
    }

    /// Frames that have begun since the epoch; none before it.
    fn frames_until(&self, unix_ns: i64) -> i64 {
        let (num, den) = terms(self.label.rate());
        let elapsed = i128::from(unix_ns) - i128::from(self.epoch_ns);
        i64::try_from((elapsed.max(0) * num).div_euclid(den * NANOS)).unwrap_or(i64::MAX)
    }

    /// When the frame of `unix_ns` began, rounded up to a nanosecond.
    fn frame_began(&self, unix_ns: i64) -> i64 {
        let (num, den) = terms(self.label.rate());
        let offset = (i128::from(self.frames_until(unix_ns)) * den * NANOS + num - 1).div_euclid(num);
        i64::try_from(i128::from(self.epoch_ns) + offset).unwrap_or(i64::MAX)
    }
}

fn terms(rate: Rate) -> (i128, i128) {
    (i128::from(rate.numerator()), i128::from(rate.denominator()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use machine::Instant;
    use proptest::prelude::*;

    const NOON: i64 = 1_795_262_400_000_000_000;

    fn rate(name: &str) -> SessionRate {
        SessionRate::all().find(|rate| rate.name() == name).unwrap()
    }

    #[test]
    fn changes_are_those_of_a_single_server() {
        let framerate = rate("29.97");
        let label = |text| framerate.label(text).unwrap();
        let clock = SharedClock::new(framerate, label("00:00:59:28"), NOON);
        assert_eq!(clock.changed(&Change::Stop, NOON), Err(UsageError::NotRunning));
        let clock = clock.changed(&Change::Start, NOON + 5).unwrap();
        assert_eq!(clock.changed(&Change::Start, NOON + 6), Err(UsageError::Running));
        assert_eq!(clock.label_at(NOON + 5 + 33_366_666).to_string(), "00:00:59:28");
        assert_eq!(clock.label_at(NOON + 5 + 33_366_667).to_string(), "00:00:59:29");
        // whose clock is behind sees the first label
        assert_eq!(clock.label_at(NOON - 1_000_000).to_string(), "00:00:59:28");
        let reset = clock.changed(&Change::Reset(label("10:00:00:00")), NOON + 5 + 40_000_000).unwrap();
        assert_eq!((reset.epoch_ns, reset.running), (NOON + 5 + 33_366_667, true));
        assert_eq!(reset.label_at(NOON + 5 + 66_733_334).to_string(), "10:00:00:01");
        let stopped = clock.changed(&Change::Stop, NOON + 5 + 99_000_000).unwrap();
        assert_eq!((stopped.label.to_string().as_str(), stopped.running), ("00:01:00:00", false));
        assert_eq!(stopped.epoch_ns, NOON + 5 + 66_733_334);
    }

    proptest! {
        #[test]
        fn a_room_shows_what_the_wall_clock_says(
            which in 0_usize..16, epoch in -10_i64.pow(17)..10_i64.pow(17), elapsed in 0_i64..10_i64.pow(16),
        ) {
            let framerate = SessionRate::all().nth(which).unwrap();
            let shared = SharedClock { framerate, label: framerate.midnight(), epoch_ns: NOON + epoch, running: true };
            // this machine was started at the epoch plus or minus three years
            let wall_offset = i128::from(NOON);
            let now_ns = shared.epoch_ns + elapsed;
            let Ok(now) = u64::try_from(now_ns - NOON) else { return Ok(()) };
            let room = shared.on(wall_offset);
            prop_assert_eq!(room.at(Instant::from_nanos(now)).label, shared.label_at(now_ns));
            let next = room.next_frame(Instant::from_nanos(now)).unwrap();
            let next_ns = i64::try_from(next.as_nanos()).unwrap() + NOON;
            prop_assert_eq!(shared.label_at(next_ns).frame(), shared.label_at(now_ns).frame() + 1);
            prop_assert_eq!(shared.label_at(next_ns - 1), shared.label_at(now_ns));
        }
    }
}
