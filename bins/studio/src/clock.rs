//! The one clock: a timecode session that paces the camera, is the television's timeline, and is in every picture.

use std::time::Duration;

use camera_programs::pipeline::{Beat, Reference};
use machine::Instant;
use serde_json::{Value, json};
use smpte_programs::serve::TimecodeServer;
use smpte_timecode::message::SessionId;
use smpte_timecode::session::{Label, SessionClock};
use smpte_timecode::{Fields, Rate};
use test_picture::Marks;
use tokio::sync::watch;

/// A handle to it; clones are the same clock.
#[derive(Clone)]
pub(crate) struct OneClock {
    server: TimecodeServer,
    session: SessionId,
    changes: watch::Receiver<Option<SessionClock>>,
}

impl OneClock {
    /// A session of a server in this process. `changes` tells its clock whenever somebody has changed it.
    pub(crate) fn new(
        server: TimecodeServer,
        session: SessionId,
        changes: watch::Receiver<Option<SessionClock>>,
    ) -> Self {
        Self { server, session, changes }
    }

    /// As it is now; `None` when the session is gone.
    pub(crate) fn now(&self) -> Option<SessionClock> {
        self.server.call(|machine, _| machine.clock(self.session))
    }

    /// As it is now, and whenever it was changed.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<SessionClock>> {
        self.changes.clone()
    }

    /// Frames a second as a whole number, such as 30 for 29.97.
    pub(crate) fn nominal_rate(&self) -> Option<u32> {
        let rate = self.now()?.at(driver::now()).label.rate();
        Some(rate.numerator().div_ceil(rate.denominator()))
    }

    /// For a camera to be locked to: a picture at each instant at which a frame begins, with that frame's label.
    pub(crate) fn reference(&self) -> Reference {
        let clock = self.clone();
        Reference::new(move |now| clock.now().map_or(NO_BEAT, |clock| beat(&clock, now)))
    }

    /// The middle of the frame that is in force at an instant: nobody who is a little wrong there takes it for another
    /// frame. Any instant is fine while the clock rests.
    pub(crate) fn middle(&self, at: Instant) -> Instant {
        let clock = self.now();
        let frame = clock.and_then(|clock| Some((clock.at(at).began, clock.next_frame(at)?)));
        frame.map_or(at, |(began, next)| began + next.saturating_since(began) / 2)
    }

    /// For the page, and for whoever compares times of different clocks: what the clock shows, and how this machine's
    /// clocks stand to each other.
    pub(crate) fn state(&self) -> Value {
        let (now, unix_ns) = driver::both();
        let shown = self.now().map(|clock| (clock.is_running(), clock.at(now).label));
        json!({
            "session": self.session.to_string(),
            "running": shown.map(|(running, _)| running),
            "timecode": shown.map(|(_, label)| label.to_string()),
            "monotonic_ns": now.as_nanos(),
            "unix_ns": unix_ns,
        })
    }
}

/// A session that is gone.
const NO_BEAT: Beat = Beat { timecode: Marks::NO_TIMECODE, frame: None };

fn beat(clock: &SessionClock, now: Instant) -> Beat {
    let moment = clock.at(now);
    let frame = clock.next_frame(now).map(|next| (moment.began, next, hundredths(moment.label.rate())));
    Beat { timecode: bcd(moment.label).unwrap_or(Marks::NO_TIMECODE), frame }
}

/// As the test picture carries it.
fn bcd(label: Label) -> Option<u32> {
    let Fields { hours, minutes, seconds, frames } = label.timecode()?.fields();
    let digits = [hours, minutes, seconds, u8::try_from(frames).ok()?].map(|n| n / 10 * 16 + n % 10);
    Some(u32::from_be_bytes(digits) | u32::from(label.rate().is_drop()) << 31)
}

fn hundredths(rate: Rate) -> u16 {
    let (num, den) = (rate.numerator(), rate.denominator());
    u16::try_from((num * 100 + den / 2) / den).unwrap_or(u16::MAX)
}

/// From the button to the first picture.
pub(crate) const LEAD: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use smpte_timecode::session::SessionRate;

    #[test]
    fn pictures_are_taken_as_frames_begin() {
        let rate = SessionRate::all().find(|rate| rate.name() == "29.97df").unwrap();
        let at = |ns: u64| Instant::from_nanos(1_000_000_000 + ns);
        let mut clock = SessionClock::new(rate.label("00:00:59;29").unwrap(), at(0));
        assert_eq!(beat(&clock, at(5)), Beat { timecode: 0x8000_5929, frame: None });
        clock.start(at(100));
        let first = Beat { timecode: 0x8000_5929, frame: Some((at(100), at(33_366_767), 2997)) };
        assert_eq!(beat(&clock, at(33_366_766)), first);
        let second = Beat { timecode: 0x8001_0002, frame: Some((at(33_366_767), at(66_733_434), 2997)) };
        assert_eq!(beat(&clock, at(33_366_767)), second);
    }
}
