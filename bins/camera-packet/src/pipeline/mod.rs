//! The supervisor of the camera's video: camera program, publisher, and what keeps them running.
//!
//! One thread owns everything that is started, so that nothing is ever started twice or forgotten:
//!
//! ```text
//!            Apply(settings) · Exited · Stop
//!                        │
//!  Stopped ─▶ Starting ─▶ Running ─▶ Stopping ─▶ Starting …      settings that need a restart
//!                │            │          ▲
//!                └──────┬─────┘          │
//!                       ▼                │
//!                    Backoff 0.5, 1, 2 … 30 s, from the beginning after a minute of health
//! ```
//!
//! Each start is a process group of its own, ended by SIGTERM, two seconds, SIGKILL, and always reaped. Standard error
//! of all programs is read, always. Updates that come while it is busy are one update: the latest.

mod child;
mod command;
mod drain;
mod feed;
mod film;
mod live;
mod pattern;
mod plan;
mod source;
mod supervisor;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use camera_packet::extension::PipelineState;
use camera_packet::settings::SettingsBlock;
use machine::Instant;
use rtsp_programs::serve::RtspServer;
use tokio::sync::watch;

pub use child::run_if_child;
pub use command::{camera_arguments, publisher_arguments};
pub use film::{Film, FilmError};
pub use source::{Source, SourceError};

/// How the video is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PipelineConfig {
    /// Where pictures come from.
    pub source: Source,
    /// Where to publish as H.264 over RTSP; `None`: nowhere.
    pub rtsp_url: Option<String>,
    /// A mount of a streaming server in this process, which gets the pictures in place of a publisher; then nothing is
    /// published. Default `None`.
    pub mount: Option<VideoMount>,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second.
    pub framerate: u32,
    /// What the camera program is asked to encode. Default `h264`.
    pub codec: String,
    /// Camera programs in the order in which they are looked for.
    pub camera_programs: Vec<String>,
    /// Arguments for the camera program besides its own.
    pub camera_extra: Vec<String>,
    /// The publisher. Default `ffmpeg`.
    pub publisher: String,
    /// Arguments for the publisher before its output.
    pub publisher_extra: Vec<String>,
    /// A program that calls [`run_if_child`] first of all in its `main` (such as camera-server): children are started
    /// through it and die with this process, even if that is killed. `None`: they die at an orderly end only.
    pub launcher: Option<PathBuf>,
    /// What the built-in pattern is locked to. Default `None`: it runs freely and has no timecode.
    pub reference: Option<Reference>,
    /// Pictures to show, round and round, instead of the built-in pattern; they get its marks. Default `None`.
    pub film: Option<Arc<Film>>,
}

/// Where a streaming server in this process serves the pictures: as H.264 from programs, as JPEG from the built-in
/// pattern and from camera programs whose codec is `mjpeg`. The mount is there as long as the pipeline, whatever becomes
/// of the programs, so that its readers stay when they are started anew; timestamps go on as time does.
#[derive(Clone, Debug)]
pub struct VideoMount {
    /// The server.
    pub server: RtspServer,
    /// Path of the mount.
    pub path: String,
}

/// What becomes of the video that a program makes.
#[derive(Clone, Copy, Debug)]
enum Destination<'a> {
    /// It is published to this address.
    Publish(&'a str),
    /// It comes to us by the program's standard output.
    Pipe,
}

/// The clock that a camera is locked to.
#[derive(Clone)]
pub struct Reference(Arc<dyn Fn(Instant) -> Beat + Send + Sync>);

impl Reference {
    /// `beat` says what the clock shows at an instant. It is asked a few times a frame; it shall not block.
    pub fn new(beat: impl Fn(Instant) -> Beat + Send + Sync + 'static) -> Self {
        Self(Arc::new(beat))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference")
    }
}

/// What a [`Reference`] shows at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The timecode in force, as [`test_picture::Marks::timecode`] has it.
    pub timecode: u32,
    /// When the frame of that instant began, when the next begins, and frames a second times 100, rounded; `None`: the
    /// clock rests, and pictures come at the camera's own rate.
    pub frame: Option<(Instant, Instant, u16)>,
}

impl PipelineConfig {
    /// The original's defaults (sheet §8), with this source.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            rtsp_url: Some(DEFAULT_RTSP_URL.into()),
            mount: None,
            width: 640,
            height: 480,
            framerate: 24,
            codec: "h264".into(),
            camera_programs: vec!["rpicam-vid".into(), "libcamera-vid".into()],
            camera_extra: Vec::new(),
            publisher: "ffmpeg".into(),
            publisher_extra: Vec::new(),
            launcher: None,
            reference: None,
            film: None,
        }
    }
}

/// How the pipeline is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub state: PipelineState,
    /// Revision of the settings that the picture shows.
    pub live: u32,
    /// Why there is no video, if there is none.
    pub problem: Option<String>,
    /// How often it was started.
    pub starts: u64,
}

/// A still of the built-in pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// Number of its frame.
    pub frame: u32,
    /// When it was captured.
    pub at: Instant,
    /// The picture as JPEG.
    pub jpeg: Bytes,
}

/// A running supervisor. Dropping it ends the pipeline and waits for that, at most some three seconds.
#[derive(Debug)]
pub struct Pipeline {
    to: Sender<supervisor::Message>,
    status: watch::Receiver<Status>,
    stills: watch::Receiver<Option<Still>>,
    thread: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the supervisor, and with it the pipeline.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(config: PipelineConfig, settings: SettingsBlock) -> std::io::Result<Self> {
        let (to, from) = channel();
        let first = Status { state: PipelineState::Stopped, live: 0, problem: None, starts: 0 };
        let (status_to, status) = watch::channel(first);
        let (stills_to, stills) = watch::channel(None);
        let own = to.clone();
        // One thread for its whole life: children are tied to the thread that started them (prctl(2),
        // PR_SET_PDEATHSIG).
        let thread = std::thread::Builder::new().name("pipeline".into()).spawn(move || {
            supervisor::run(config, settings, own, &from, status_to, stills_to);
        })?;
        Ok(Self { to, status, stills, thread: Some(thread) })
    }

    /// Settings to show, by their revision. Returns at once; [`Status::live`] says when they are shown.
    pub fn apply(&self, settings: SettingsBlock, revision: u32) {
        // It cannot fail while we hold the thread.
        let _ = self.to.send(supervisor::Message::Apply(settings, revision));
    }

    /// How it is, now and whenever that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Stills of the built-in pattern, the newest; nothing from other sources. They are made while somebody holds on to
    /// what this returns.
    pub fn stills(&self) -> watch::Receiver<Option<Still>> {
        self.stills.clone()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.to.send(supervisor::Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Path at which the original publishes.
pub const DEFAULT_PATH: &str = "ES_MTX";
/// Where the original publishes.
pub const DEFAULT_RTSP_URL: &str = "rtsp://localhost:8554/ES_MTX";
