//! The built-in pattern: drawn on an exact grid, shown as stills, handed to a publisher or served if that is wanted.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use camera_packet::settings::SettingsBlock;
use rtsp_programs::live::LiveMount;
use test_picture::{Frame, Marks, Picture};
use tokio::sync::watch;

use super::supervisor::Message;
use super::{Labels, Still};

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

/// The thread that draws.
#[derive(Debug)]
pub(super) struct Pattern {
    to: Sender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Pattern {
    pub(super) fn start(
        picture: Picture,
        framerate: u32,
        labels: Option<Labels>,
        settings: (SettingsBlock, u32),
        shown: Shown,
        to: Sender<Message>,
    ) -> std::io::Result<Self> {
        let (orders, from) = channel();
        let thread = std::thread::Builder::new()
            .name("pattern".into())
            .spawn(move || draw(picture, framerate.max(1), labels, settings, shown, &to, &from))?;
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
    picture: Picture,
    framerate: u32,
    labels: Option<Labels>,
    (mut settings, mut revision): (SettingsBlock, u32),
    Shown { stills, mut mount }: Shown,
    to: &Sender<Message>,
    orders: &Receiver<Order>,
) {
    let mut frame = Frame::new(picture);
    let mut publisher: Option<SyncSender<Arc<[u8]>>> = None;
    let mut told = None;
    let start = driver::now();
    let mut number = 0_u64;
    loop {
        let due = start + Duration::from_nanos((number * 1_000_000_000).div_ceil(u64::from(framerate)));
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
        let marks = Marks {
            time_ns: u64::try_from(driver::unix_now()).unwrap_or(0),
            frame: u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0),
            timecode: labels.as_ref().map_or(Marks::NO_TIMECODE, |labels| (labels.0)()),
            settings: settings.0,
            rate_hundredths: u16::try_from(framerate.saturating_mul(100)).unwrap_or(u16::MAX),
        };
        frame.draw(&marks);
        if let Some(to) = &publisher {
            // One that does not keep up misses frames; the pattern goes on.
            if let Err(TrySendError::Disconnected(_)) = to.try_send(frame.planes().into()) {
                publisher = None;
            }
        }
        // One receiver is the pipeline's own.
        let shown = stills.receiver_count() > 1;
        let read = mount.as_ref().is_some_and(LiveMount::has_readers);
        if shown || read {
            let mut jpeg = Vec::with_capacity(picture.width() * picture.height() / 8);
            frame.encode_jpeg(90, &mut jpeg);
            let jpeg = Bytes::from(jpeg);
            if let Some(Err(error)) = mount.as_mut().map(|mount| mount.push(&jpeg, due)) {
                tracing::warn!("the pattern is not served any more: {error}");
                mount = None;
            }
            if shown {
                stills.send_replace(Some(Still { frame: marks.frame, jpeg: jpeg[..].into() }));
            }
        }
        if told != Some(revision) {
            told = Some(revision);
            let _ = to.send(Message::Shown(revision));
        }
        // The next one that is not over yet.
        let since = driver::now().saturating_since(start).as_nanos();
        let now = u64::try_from(since * u128::from(framerate) / 1_000_000_000).unwrap_or(u64::MAX);
        number = (number + 1).max(now);
    }
}

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
