//! A camera: a stream, played by our own RTSP client, or one of this machine, read by ffmpeg ([`capture`]). It is opened
//! before the instant of a start.
//!
//! While it waits it holds what a take may begin with: a second of frames before the instant, back to one that decoding can
//! begin with. When frames were sampled is told by the sender's reports, or by the stamps of the camera's driver; a clock
//! that is plainly wrong is not believed, and frames without a time count as sampled when they arrive.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use machine::Instant;
use multicam_common::UnixTime;
use rtp_rtsp::client::{Event, Goal};
use rtp_rtsp::config::{ClientConfig, Wanted};
use rtp_rtsp::h264::ParameterSets;
use rtp_rtsp::media::Codec;
use rtsp_programs::client;
use tokio_util::sync::CancellationToken;

use super::capture::{self, Local};

/// A camera that is opened this long before it is needed: a camera needs a second or two until its first picture, a stream
/// may need more; and for so long it may cost what recording it costs.
pub(super) const AHEAD: Duration = Duration::from_secs(10);

/// One frame.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    /// What it is.
    pub(super) codec: Codec,
    /// Decoding can begin here.
    pub(super) key: bool,
    /// A JPEG file, or H.264 in Annex B.
    pub(super) data: Bytes,
    /// When it was sampled.
    pub(super) sampled: Sampled,
    /// When it was here.
    pub(super) arrived: Instant,
}

/// What is known of when a frame was sampled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sampled {
    /// Then.
    At(Instant),
    /// Nanoseconds of the sender's media clock; differences mean something within one connection.
    Media { connection: u32, ns: i64 },
}

/// An open camera. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Camera {
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// When it is opened.
    pub(super) from: Instant,
    /// In a word.
    pub(super) what: &'static str,
}

/// Is told whether a camera that is wanted can be had.
pub(super) type Tell = Box<dyn Fn(bool) + Send + Sync>;

#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    tell: Option<Tell>,
}

#[derive(Debug, Default)]
struct State {
    /// Nobody wants it any more.
    closed: bool,
    /// The instant of the start.
    begin: Option<Instant>,
    kept: VecDeque<Shot>,
    kept_bytes: usize,
    to: Option<SyncSender<Shot>>,
    lost: u64,
    /// The sender's Unix nanoseconds minus its media clock's, and of which connection that holds.
    wall: Option<(u32, i64)>,
}

impl Camera {
    /// Opens a stream at `from`, and again whenever it ends. Must be called within a tokio runtime.
    pub(super) fn stream(url: &str, from: Instant) -> Self {
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        tokio::spawn(keep_open(url.to_owned(), from, shared.clone(), stop.clone()));
        Self { shared, stop, from, what: "stream" }
    }

    /// The same with a camera of this machine. While it is wanted `tell` is told when it is lost, and when it is back.
    pub(super) fn local(local: &Arc<Local>, from: Instant, tell: Tell) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), tell: Some(tell) });
        let stop = CancellationToken::new();
        tokio::spawn(capture::keep_open(local.clone(), from, shared.clone(), stop.clone()));
        Self { shared, stop, from, what: "camera" }
    }

    /// Keeps what a take that begins at this instant needs, however late it is taken.
    pub(super) fn aim(&self, begin: Instant) {
        self.lock().begin = Some(begin);
    }

    /// What is kept, and what comes from now on.
    pub(super) fn shots(&self) -> Receiver<Shot> {
        let (to, shots) = sync_channel(MAX_QUEUED);
        let mut state = self.lock();
        state.kept_bytes = 0;
        for shot in std::mem::take(&mut state.kept) {
            let _ = to.try_send(shot);
        }
        state.to = Some(to);
        shots
    }

    /// Frames that came faster than they were taken.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// When a frame was sampled. `unix` tells synchronised time.
    pub(super) fn captured(&self, shot: &Shot, unix: impl Fn(Instant) -> UnixTime) -> UnixTime {
        let (connection, media_ns) = match shot.sampled {
            Sampled::At(at) => return unix(at),
            Sampled::Media { connection, ns } => (connection, ns),
        };
        let arrived = unix(shot.arrived);
        let wall = self.lock().wall.filter(|(of, _)| *of == connection);
        let told = wall.map(|(_, offset)| UnixTime::from_nanos(media_ns.saturating_add(offset)));
        let credible = |told: &UnixTime| (-EARLY_NS..LATE_NS).contains(&arrived.nanos_since(*told));
        told.filter(credible).unwrap_or(arrived)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.cancel();
        let mut state = self.lock();
        // Whether it is there is known of a camera that is open, and the next take opens it again.
        if let Some(tell) = &self.shared.tell {
            tell(true);
        }
        state.closed = true;
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Shared {
    /// Says whether the camera can be had.
    pub(super) fn tell(&self, connected: bool) {
        // Held over the call, so that nothing is said after the last word.
        let state = self.lock();
        if let Some(tell) = self.tell.as_ref().filter(|_| !state.closed) {
            tell(connected);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame has come.
    pub(super) fn take(&self, shot: Shot) {
        let mut state = self.lock();
        if let Some(to) = &state.to {
            match to.try_send(shot) {
                Err(TrySendError::Full(_)) => state.lost += 1,
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            }
            return;
        }
        if state.kept.is_empty() && !shot.key {
            return;
        }
        // Which frame holds an instant is known later; so much later at most.
        let until = state.begin.map_or(shot.arrived, |begin| begin.min(shot.arrived));
        let old = |s: &Shot| s.key && until.saturating_since(s.arrived) >= KEPT;
        let from = state.kept.iter().rposition(old).unwrap_or(0);
        state.kept.drain(..from);
        state.kept.push_back(shot);
        state.kept_bytes = state.kept.iter().map(|s| s.data.len()).sum();
        while state.kept.len() > MAX_QUEUED / 2 || state.kept_bytes > MAX_KEPT {
            state.kept_bytes -= state.kept.pop_front().map_or(0, |s| s.data.len());
        }
    }
}

async fn keep_open(url: String, from: Instant, shared: Arc<Shared>, stop: CancellationToken) {
    let wait = from.saturating_since(driver::now());
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => return,
    }
    for connection in 0.. {
        // Addresses may hold passwords: they are in no log.
        if let Err(error) = play(&url, connection, &shared, &stop).await {
            tracing::warn!("the stream: {error:#}");
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Plays until the end.
async fn play(url: &str, connection: u32, shared: &Shared, stop: &CancellationToken) -> Result<()> {
    let (host, port) = client::place(url).map_err(|_| anyhow!("its address is none of RTSP"))?;
    let mut config = ClientConfig::new(driver::seed(), url);
    // A recording has no use for packets that were lost.
    config.transport = Wanted::Tcp;
    let (client, mut events) = tokio::select! {
        connected = client::connect(config, &host, port) => connected?,
        () = stop.cancelled() => return Ok(()),
    };
    let (mut track, mut sets) = (None, None);
    let result = loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stop.cancelled() => {
                client.call(|machine, now| machine.go(now, Goal::Gone, None));
                break Ok(());
            }
        };
        match event {
            Some(Event::UdpWanted { pairs }) => client::bind_udp(&client, pairs, None, host.contains(':')),
            Some(Event::Described { tracks }) => {
                let known = |codec| matches!(codec, Codec::Jpeg | Codec::H264);
                track = tracks
                    .iter()
                    .position(|t| known(t.codec))
                    .and_then(|at| Some((at, tracks.get(at)?.codec, tracks.get(at)?.clock_rate)));
                // Many say what decoding needs in the description alone; in a file it has to stand with the pictures.
                let described = track.and_then(|(at, ..)| tracks.get(at));
                sets = described
                    .and_then(|t| {
                        ParameterSets::from_sprop(t.media.format_parameter("sprop-parameter-sets")?)
                    })
                    .map(|sets| sets.to_annex_b());
                if track.is_none() {
                    break Err(anyhow!("it has neither JPEG nor H.264"));
                }
            }
            Some(Event::Frame { track: of, frame }) => {
                let Some((_, codec, rate)) = track.filter(|(at, ..)| *at == of) else {
                    continue;
                };
                let media = i128::from(frame.timestamp) * 1_000_000_000 / i128::from(rate.max(1));
                let media_ns = i64::try_from(media).unwrap_or(i64::MAX);
                if let Some(unix_ns) = frame.unix_ns {
                    shared.lock().wall = Some((connection, unix_ns.saturating_sub(media_ns)));
                }
                if !frame.frame.damaged {
                    let key = frame.frame.key || codec == Codec::Jpeg;
                    let data = match &sets {
                        Some(sets) if key && ParameterSets::find(&frame.frame.data).is_none() => {
                            [&sets[..], &frame.frame.data].concat().into()
                        }
                        _ => frame.frame.data,
                    };
                    let sampled = Sampled::Media { connection, ns: media_ns };
                    shared.take(Shot { codec, key, data, sampled, arrived: frame.completed });
                }
            }
            Some(Event::Failed(failure)) => break Err(failure.into()),
            Some(Event::Bye { .. } | Event::Ended) | None => break Err(anyhow!("it has ended")),
            Some(_) => {}
        }
    };
    client.shutdown(Duration::from_secs(1)).await;
    result
}

/// Before a camera that failed is opened again.
pub(super) const AGAIN: Duration = Duration::from_millis(500);
/// Frames that wait to be written: some seconds.
const MAX_QUEUED: usize = 512;
/// Frames younger than this are kept before a take.
const KEPT: Duration = Duration::from_secs(1);
/// Bytes that are kept before a take.
const MAX_KEPT: usize = 64 << 20;
/// A frame that is said to be from the future, or to have been so long under way, is from a clock that is wrong.
const EARLY_NS: i64 = 20_000_000;
const LATE_NS: i64 = 2_000_000_000;
