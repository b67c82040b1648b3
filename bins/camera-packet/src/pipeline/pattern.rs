//! The built-in pattern, or a film in its place: drawn on the grid of the clock that it is locked to, or on one of its
//! own; shown as stills, handed to a publisher or served if that is wanted.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use camera_packet::settings::SettingsBlock;
use machine::Instant;
use rtsp_programs::live::LiveMount;
use test_picture::{Frame, Marks, Picture, SizeError};
use tokio::sync::watch;

use super::supervisor::Message;
use super::{Film, PipelineConfig, Reference, Still};

enum Order {
    Settings(SettingsBlock, u32),
    Publisher(ChildStdin),
    Stop,
}

/// Where pictures are shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// To whoever watches stills.
    pub(super) stills: watch::Sender<Option<Still>>,
    /// At a streaming server, if that is wanted.
    pub(super) mount: Option<LiveMount>,
}

/// What is drawn, when, and for whom.
pub(super) struct Scene {
    picture: Picture,
    framerate: u32,
    reference: Option<Reference>,
    film: Option<Arc<Film>>,
}

impl Scene {
    pub(super) fn new(config: &PipelineConfig) -> Result<Self, SizeError> {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let picture = match &config.film {
            Some(film) => film.picture(),
            None => Picture::try_new(size(config.width), size(config.height))?,
        };
        Ok(Self {
            picture,
            framerate: config.framerate.max(1),
            reference: config.reference.clone(),
            film: config.film.clone(),
        })
    }

    /// The picture that is due at `now`: the last one whose instant has come.
    fn shot(&self, start: Instant, now: Instant) -> Shot {
        let beat = self.reference.as_ref().map(|reference| (reference.0)(now));
        let timecode = beat.map_or(Marks::NO_TIMECODE, |beat| beat.timecode);
        if let Some((at, next, rate_hundredths)) = beat.and_then(|beat| beat.frame) {
            return Shot { at, next, timecode, rate_hundredths };
        }
        let rate = u128::from(self.framerate);
        let frame = now.saturating_since(start).as_nanos() * rate / NANOS;
        // Rounded up, so that the frame of an instant at which one begins is that one.
        let began = |frame: u128| u64::try_from((frame * NANOS).div_ceil(rate)).unwrap_or(u64::MAX);
        let rate_hundredths = u16::try_from(self.framerate.saturating_mul(100)).unwrap_or(u16::MAX);
        let [at, next] = [frame, frame + 1].map(|frame| start + Duration::from_nanos(began(frame)));
        Shot { at, next, timecode, rate_hundredths }
    }
}

/// A picture to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shot {
    /// Its instant.
    at: Instant,
    /// The instant of the next one.
    next: Instant,
    timecode: u32,
    rate_hundredths: u16,
}

impl Shot {
    /// How many pictures later than one taken at `last` it is; at least one.
    fn since(&self, last: Instant) -> u32 {
        let period = self.next.saturating_since(self.at).as_nanos().max(1);
        let frames = (self.at.saturating_since(last).as_nanos() + period / 2) / period;
        u32::try_from(frames).unwrap_or(u32::MAX).max(1)
    }
}

const NANOS: u128 = 1_000_000_000;

/// The thread that draws.
#[derive(Debug)]
pub(super) struct Pattern {
    to: Sender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Pattern {
    pub(super) fn start(
        scene: Scene,
        settings: (SettingsBlock, u32),
        shown: Shown,
        to: Sender<Message>,
    ) -> std::io::Result<Self> {
        let (orders, from) = channel();
        let thread = std::thread::Builder::new()
            .name("pattern".into())
            .spawn(move || draw(&scene, settings, shown, &to, &from))?;
        Ok(Self { to: orders, thread: Some(thread) })
    }

    /// From the next frame on.
    pub(super) fn apply(&self, settings: SettingsBlock, revision: u32) {
        let _ = self.to.send(Order::Settings(settings, revision));
    }

    /// Raw pictures go here from now on.
    pub(super) fn publish(&self, publisher: ChildStdin) {
        let _ = self.to.send(Order::Publisher(publisher));
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        let _ = self.to.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(
    scene: &Scene,
    (mut settings, mut revision): (SettingsBlock, u32),
    Shown { stills, mut mount }: Shown,
    to: &Sender<Message>,
    orders: &Receiver<Order>,
) {
    let mut frame = Frame::new(scene.picture);
    let mut publisher: Option<SyncSender<Arc<[u8]>>> = None;
    let mut told = None;
    let start = driver::now();
    let mut due = start;
    // Number and instant of the last picture.
    let mut last: Option<(u32, Instant)> = None;
    loop {
        match orders.recv_timeout(due.saturating_since(driver::now())) {
            Ok(Order::Settings(block, new)) => {
                (settings, revision) = (block, new);
                continue;
            }
            Ok(Order::Publisher(stdin)) => {
                publisher = writer(stdin);
                continue;
            }
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let shot = scene.shot(start, driver::now());
        due = shot.next;
        let number = match last {
            None => 0,
            // Taken already: the clock was set back by less than a frame.
            Some((_, at)) if shot.at <= at => continue,
            Some((number, at)) => number.wrapping_add(shot.since(at)),
        };
        last = Some((number, shot.at));
        let marks = Marks {
            time_ns: u64::try_from(driver::unix_at(shot.at)).unwrap_or(0),
            frame: number,
            timecode: shot.timecode,
            settings: settings.0,
            rate_hundredths: shot.rate_hundredths,
        };
        // One receiver is the pipeline's own.
        let shown = stills.receiver_count() > 1;
        let read = mount.as_ref().is_some_and(LiveMount::has_readers);
        if shown || read || publisher.is_some() {
            match &scene.film {
                Some(film) => film.draw(number, &marks, &mut frame),
                None => frame.draw(&marks),
            }
        }
        if let Some(to) = &publisher {
            // One that does not keep up misses frames; the pattern goes on.
            if let Err(TrySendError::Disconnected(_)) = to.try_send(frame.planes().into()) {
                publisher = None;
            }
        }
        if shown || read {
            let mut jpeg = Vec::with_capacity(frame.luma().len() / 4);
            frame.encode_jpeg(QUALITY, &mut jpeg);
            let jpeg = Bytes::from(jpeg);
            if let Some(Err(error)) = mount.as_mut().map(|mount| mount.push(&jpeg, shot.at)) {
                tracing::warn!("the pattern is not served any more: {error}");
                mount = None;
            }
            if shown {
                stills.send_replace(Some(Still { frame: number, at: shot.at, jpeg }));
            }
        }
        if told != Some(revision) {
            told = Some(revision);
            let _ = to.send(Message::Shown(revision));
        }
    }
}

/// Of the stills: 1 to 100.
const QUALITY: u8 = 90;

/// A thread that writes pictures to a publisher, as that may take them slowly.
fn writer(mut stdin: ChildStdin) -> Option<SyncSender<Arc<[u8]>>> {
    let (to, from) = sync_channel::<Arc<[u8]>>(2);
    let write = move || {
        while let Ok(picture) = from.recv() {
            if stdin.write_all(&picture).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("publisher".into()).spawn(write).ok().map(|_| to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Beat, Source};

    fn at(ns: u64) -> Instant {
        Instant::from_nanos(ns)
    }

    #[test]
    fn free_pictures_lie_on_a_grid_and_are_numbered_by_it() {
        let scene = Scene::new(&PipelineConfig::new(Source::Test)).unwrap();
        let first = scene.shot(at(1000), at(1000));
        assert_eq!((first.at, first.next), (at(1000), at(1000 + 41_666_667)));
        assert_eq!((first.timecode, first.rate_hundredths), (Marks::NO_TIMECODE, 2400));
        let second = scene.shot(at(1000), first.next);
        assert_eq!((second.at, second.since(first.at)), (first.next, 1));
        // Two were missed.
        let late = scene.shot(at(1000), at(1000 + 170_000_000));
        assert_eq!((late.at, late.since(second.at)), (at(1000 + 166_666_667), 3));
    }

    #[test]
    fn a_reference_paces_pictures_while_it_runs() {
        let mut config = PipelineConfig::new(Source::Test);
        config.reference = Some(Reference::new(|now| Beat {
            timecode: 0x0100_0000,
            frame: (now < at(100)).then_some((at(40), at(60), 5000)),
        }));
        let scene = Scene::new(&config).unwrap();
        let locked = Shot { at: at(40), next: at(60), timecode: 0x0100_0000, rate_hundredths: 5000 };
        assert_eq!(scene.shot(at(0), at(59)), locked);
        let free = scene.shot(at(0), at(100));
        assert_eq!((free.at, free.timecode, free.rate_hundredths), (at(0), 0x0100_0000, 2400));
    }
}
