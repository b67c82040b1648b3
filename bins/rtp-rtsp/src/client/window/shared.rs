//! What lies between network, decoder and screen.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use machine::Instant;
use rtp_rtsp::receiver::ReceivedFrame;

use super::Phase;
use super::canvas::Picture;
use super::playout::{Playout, Waiting};

/// Frames that wait for the decoder.
const MAX_CODED: usize = 512;
/// Bytes of them.
const MAX_CODED_BYTES: usize = 64 << 20;
/// Bytes of pictures that wait until they are due.
const MAX_PICTURE_BYTES: usize = 256 << 20;
/// So many may wait however large they are.
const MIN_PICTURES: usize = 3;

/// A frame, as it came.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) data: Bytes,
    /// Decoding can begin here.
    pub(super) key: bool,
    /// When it is to be seen, in playing time.
    pub(super) due: Instant,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// What the window is opened for.
    size: Option<(usize, usize)>,
    playout: Option<Playout>,
    coded: VecDeque<Coded>,
    coded_bytes: usize,
    /// Frames need others before them.
    has_keys: bool,
    /// What comes is left out until the next frame with which decoding can begin.
    needs_key: bool,
    pictures: Waiting<Picture>,
    numbers: String,
    /// Frames left out before they were decoded.
    left_out: u64,
    failure: Option<anyhow::Error>,
    over: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Connecting,
            size: None,
            playout: None,
            coded: VecDeque::new(),
            coded_bytes: 0,
            has_keys: false,
            needs_key: false,
            pictures: Waiting::new(),
            numbers: String::new(),
            left_out: 0,
            failure: None,
            over: false,
        }
    }
}

/// What the screen is to show.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) phase: Phase,
    /// A picture that is due now.
    pub(super) picture: Option<Picture>,
    /// How long until the next one is.
    pub(super) next: Option<Duration>,
    pub(super) line: String,
}

/// The network's side.
impl Shared {
    pub(super) fn described(&self, playout: Playout, size: (usize, usize), has_keys: bool) {
        let mut state = self.lock();
        (state.size, state.playout) = (Some(size), Some(playout));
        (state.has_keys, state.needs_key) = (has_keys, has_keys);
        self.changed.notify_all();
    }

    pub(super) fn set_phase(&self, now: Instant, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        if let Some(playout) = &mut state.playout {
            match phase {
                Phase::Playing => playout.go_on(now),
                Phase::Ready => playout.stop(now),
                // What has come is shown to its end.
                _ => {}
            }
        }
        self.changed.notify_all();
    }

    /// A frame has come.
    pub(super) fn offer(&self, now: Instant, frame: &ReceivedFrame) {
        let mut state = self.lock();
        let Some(playout) = &mut state.playout else { return };
        let due = playout.due(now, frame.timestamp);
        if state.needs_key && !frame.frame.key {
            state.left_out += 1;
            return;
        }
        state.needs_key = false;
        state.coded_bytes += frame.frame.data.len();
        state.coded.push_back(Coded { data: frame.frame.data.clone(), key: frame.frame.key, due });
        while state.coded.len() > MAX_CODED || state.coded_bytes > MAX_CODED_BYTES {
            state.leave_out();
        }
        self.changed.notify_all();
    }

    pub(super) fn set_numbers(&self, numbers: String) {
        self.lock().numbers = numbers;
    }

    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }
}

impl State {
    /// The oldest frame, and those that need it.
    fn leave_out(&mut self) {
        while let Some(coded) = self.coded.pop_front() {
            self.coded_bytes -= coded.data.len();
            self.left_out += 1;
            if !self.has_keys || self.coded.front().is_some_and(|next| next.key) {
                return;
            }
        }
        self.needs_key = true;
    }

    fn time(&self, now: Instant) -> Instant {
        self.playout.as_ref().map_or(now, |playout| playout.time(now))
    }
}

/// The decoder's side.
impl Shared {
    /// The next frame, when there is one; `None`: it is over.
    pub(super) fn next_coded(&self) -> Option<Coded> {
        let waits = |state: &mut State| state.coded.is_empty() && !state.over;
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.over {
            return None;
        }
        let coded = state.coded.pop_front()?;
        state.coded_bytes -= coded.data.len();
        Some(coded)
    }

    /// Whether a frame need not be decoded: it is too late for it, and there is a later one.
    pub(super) fn is_late(&self, now: Instant, coded: &Coded) -> bool {
        let mut state = self.lock();
        let is_late = coded.due < state.time(now) && !state.coded.is_empty();
        state.left_out += u64::from(is_late);
        is_late
    }

    /// Lets a picture wait until it is due, once there is room for it; `false`: it is over.
    pub(super) fn put(&self, due: Instant, picture: Picture) -> bool {
        let most = (MAX_PICTURE_BYTES / (4 * picture.width * picture.height).max(1)).max(MIN_PICTURES);
        let is_full = |state: &mut State| state.pictures.len() >= most && !state.over;
        let mut state = self.changed.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        if !state.over {
            state.pictures.push(due, picture);
        }
        !state.over
    }

    /// A frame was no picture.
    pub(super) fn left_out(&self) {
        self.lock().left_out += 1;
    }

    /// Nothing can be decoded.
    pub(super) fn fail(&self, failure: anyhow::Error) {
        let mut state = self.lock();
        // What goes wrong at the end, because it is the end, is no failure.
        if !state.over {
            state.failure.get_or_insert(failure);
        }
        self.changed.notify_all();
    }
}

/// The screen's side.
impl Shared {
    /// The size of what is played, when that is known; `None`: it is over before.
    pub(super) fn wait_for_size(&self) -> Option<(usize, usize)> {
        let waits = |state: &mut State| state.size.is_none() && !state.over;
        let state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        state.size.filter(|_| !state.over)
    }

    /// What is to be seen now; `None`: it is over.
    pub(super) fn look(&self, now: Instant) -> Option<Look> {
        let mut state = self.lock();
        if state.over || state.failure.is_some() {
            return None;
        }
        let time = state.time(now);
        let picture = state.pictures.take(time);
        if picture.is_some() {
            self.changed.notify_all();
        }
        let skipped = state.left_out + state.pictures.skipped();
        let line = match (state.numbers.is_empty(), skipped) {
            (_, 0) => state.numbers.clone(),
            (true, _) => format!("{skipped} skipped"),
            (false, _) => format!("{}, {skipped} skipped", state.numbers),
        };
        let next = state.pictures.next_due().map(|due| due.saturating_since(time));
        Some(Look { phase: state.phase, picture, next, line })
    }

    pub(super) fn wait_until_over(&self) {
        let goes_on = |state: &mut State| !state.over;
        drop(self.changed.wait_while(self.lock(), goes_on));
    }

    pub(super) fn failure(&self) -> Option<anyhow::Error> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rtsp::media::Frame;

    const SECOND: Instant = Instant::from_nanos(1_000_000_000);

    fn frame(number: u32, len: usize, key: bool) -> ReceivedFrame {
        let timestamp = number * 3600;
        let data = Bytes::from(vec![0; len]);
        let frame = Frame { data, timestamp, key, damaged: false };
        ReceivedFrame { frame, timestamp: timestamp.into(), unix_ns: None, completed: SECOND }
    }

    fn shared(has_keys: bool) -> Shared {
        let shared = Shared::default();
        shared.described(Playout::by_stamps(Duration::from_millis(100), 90_000), (8, 8), has_keys);
        shared
    }

    fn picture() -> Picture {
        Picture::from_rgba(1, 1, &[0; 4]).unwrap()
    }

    #[test]
    fn what_is_too_much_for_the_decoder_is_left_out() {
        let jpeg = shared(false);
        for n in 0..600 {
            jpeg.offer(SECOND, &frame(n, 10, true));
        }
        let state = jpeg.lock();
        assert_eq!((state.coded.len(), state.coded_bytes, state.left_out), (512, 5120, 88));
    }

    #[test]
    fn frames_that_need_others_go_with_them() {
        let film = shared(true);
        // Nothing to begin with.
        film.offer(SECOND, &frame(0, 10, false));
        assert!(film.lock().needs_key);
        let large = MAX_CODED_BYTES / 8;
        for n in 1..=9 {
            film.offer(SECOND, &frame(n, large, n % 4 == 1));
        }
        // The first picture and the three that need it are gone.
        let kept = |film: &Shared| {
            let state = film.lock();
            (state.coded.len(), state.left_out, state.needs_key)
        };
        assert_eq!(kept(&film), (5, 5, false));
        assert!(film.next_coded().is_some_and(|coded| coded.key));
        // All of one group: the rest of it is not wanted either.
        let film = shared(true);
        film.offer(SECOND, &frame(0, large, true));
        for n in 1..20 {
            film.offer(SECOND, &frame(n, large, false));
        }
        assert_eq!(kept(&film), (0, 20, true));
        film.offer(SECOND, &frame(20, large, true));
        assert_eq!(kept(&film), (1, 20, false));
    }

    #[test]
    fn pictures_are_seen_when_they_are_due_and_not_in_a_pause() {
        let shared = shared(false);
        shared.set_phase(SECOND, Phase::Playing);
        let ms = |ms| SECOND + Duration::from_millis(ms);
        for n in 0..3 {
            shared.offer(SECOND, &frame(n, 1, true));
            let coded = shared.next_coded().unwrap();
            assert!(!shared.is_late(SECOND, &coded));
            assert!(shared.put(coded.due, picture()));
        }
        let look = |at| shared.look(at).unwrap();
        let first = look(ms(99));
        assert!(first.picture.is_none() && first.next == Some(Duration::from_millis(1)));
        assert!(look(ms(100)).picture.is_some());
        shared.set_phase(ms(110), Phase::Ready);
        assert!(look(ms(5000)).picture.is_none());
        shared.set_phase(ms(5000), Phase::Playing);
        assert!(look(ms(5000)).picture.is_none());
        // Both of the others: one is not seen.
        let last = look(ms(5200));
        assert!(last.picture.is_some() && last.next.is_none() && last.line == "1 skipped", "{last:?}");
        shared.end();
        assert!(shared.look(ms(6000)).is_none() && shared.next_coded().is_none());
        assert!(!shared.put(SECOND, picture()));
    }

    #[test]
    fn a_frame_that_is_late_is_decoded_only_if_it_is_the_last() {
        let shared = shared(false);
        shared.offer(SECOND, &frame(0, 1, true));
        shared.offer(SECOND, &frame(1, 1, true));
        let late = SECOND + Duration::from_secs(1);
        let first = shared.next_coded().unwrap();
        assert!(shared.is_late(late, &first));
        let last = shared.next_coded().unwrap();
        assert!(!shared.is_late(late, &last));
    }
}
