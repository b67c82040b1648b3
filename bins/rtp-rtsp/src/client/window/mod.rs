//! A window with the video and its buttons.
//!
//! ```text
//! network ──frames──▶ Shared ──▶ decoder ──pictures──▶ Shared ──when they are due──▶ screen
//!    ▲                                                                                  │
//!    └──────────────────────────────── commands ────────────────────────────────────────┘
//! ```
//!
//! The network never waits for anything here, nor the screen for the network: what waits between them is bounded, and
//! what is too much is left out. Pictures wait as long as `--buffer` says and then until they are due
//! ([`playout`]); one that is late is not shown at all if there is a later one. The screen has the program's first
//! thread, as some systems want it; the decoder has one of its own.

mod buttons;
mod canvas;
mod decode;
mod film;
mod playout;
mod screen;
mod shared;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rtp_rtsp::client::Track;
use rtp_rtsp::h264::ParameterSets;
use rtp_rtsp::media::Codec;
use rtp_rtsp::receiver::{ReceivedFrame, Statistics};
use tokio::sync::mpsc;

use self::decode::Decoder;
use self::film::Film;
use self::playout::Playout;
use self::shared::Shared;
use super::commands::Command;
use super::ffmpeg;
use super::viewer::{Phase, Viewer};

/// How often the labs' pictures come, whose timestamps say nothing.
const LAB_RATE: (u32, u32) = (20, 1);
/// Where nothing says how large pictures are.
const USUAL_SIZE: (usize, usize) = (640, 480);

/// A window that is to be.
#[derive(Debug)]
pub(super) struct Window {
    shared: Arc<Shared>,
}

impl Window {
    /// `delay`: how long pictures are held back, to be even.
    ///
    /// # Errors
    /// With one line, when there is no display.
    pub(super) fn new(delay: Duration) -> Result<(Self, Box<dyn Viewer>)> {
        screen::check()?;
        let shared = Arc::new(Shared::default());
        let viewer = Onlooker { shared: shared.clone(), delay, before: None };
        Ok((Self { shared }, Box::new(viewer)))
    }

    /// Shows it once it is known what is played, until the viewer is dropped. `commands`: what is pressed.
    ///
    /// # Errors
    /// When it cannot be opened, or what comes cannot be decoded; a command to leave has been given then.
    pub(super) fn show(&self, title: &str, commands: &mpsc::Sender<Command>) -> Result<()> {
        let shown = screen::show(&self.shared, title, commands);
        // Whatever happens to the screen: the session is ended in good order. If it has ended, nobody listens.
        let _ = commands.blocking_send(Command::Teardown);
        self.shared.wait_until_over();
        shown.and_then(|()| self.shared.failure().map_or(Ok(()), Err))
    }
}

/// The window as the network sees it.
#[derive(Debug)]
struct Onlooker {
    shared: Arc<Shared>,
    delay: Duration,
    /// What was counted, and when.
    before: Option<(Instant, u64)>,
}

impl Viewer for Onlooker {
    fn described(&mut self, track: Option<&Track>) -> Result<()> {
        let (playout, size, decoder) = match track {
            None => (Playout::by_arrivals(self.delay, LAB_RATE), None, Decoder::Jpeg),
            Some(track) => {
                let playout = Playout::by_stamps(self.delay, track.clock_rate);
                match track.codec {
                    Codec::Jpeg => (playout, described_size(track), Decoder::Jpeg),
                    Codec::H264 if ffmpeg::is_there() => {
                        let sets = track.media.format_parameter("sprop-parameter-sets");
                        let sets = sets.and_then(ParameterSets::from_sprop);
                        let size = sets.as_ref().and_then(film::size);
                        (playout, size, Decoder::H264(Film::new(self.shared.clone(), sets)))
                    }
                    Codec::H264 => {
                        bail!("--window: H.264 is shown with the help of ffmpeg, which is not installed")
                    }
                    _ => bail!("--window: JPEG and H.264 can be shown, {} cannot", track.encoding),
                }
            }
        };
        let has_keys = matches!(decoder, Decoder::H264(_));
        self.shared.described(playout, size.unwrap_or(USUAL_SIZE), has_keys);
        let shared = self.shared.clone();
        let decoding = std::thread::Builder::new().name("decoder".into());
        decoding.spawn(move || decoder.run(&shared)).context("no thread for the decoder")?;
        Ok(())
    }

    fn phase(&mut self, phase: Phase) {
        self.shared.set_phase(driver::now(), phase);
    }

    fn frame(&mut self, frame: &ReceivedFrame) {
        self.shared.offer(driver::now(), frame);
    }

    fn numbers(&mut self, statistics: &Statistics, over_tcp: bool) {
        let now = Instant::now();
        let Some((at, frames)) = self.before.replace((now, statistics.frames)) else { return };
        let fps = statistics.frames.saturating_sub(frames) as f64 / (now - at).as_secs_f64().max(1e-3);
        let jitter_ms = statistics.jitter_ns as f64 / 1e6;
        let transport = if over_tcp { "TCP" } else { "UDP" };
        self.shared.set_numbers(format!(
            "{fps:.1} fps, {} lost, jitter {jitter_ms:.2} ms, {transport}",
            statistics.lost
        ));
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// The size of JPEG pictures, where the description says it: `a=framesize:26 640-480`, `a=x-dimensions:2560,1440`.
fn described_size(track: &Track) -> Option<(usize, usize)> {
    let size = |(width, height): (&str, &str)| {
        let (width, height) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
        (width > 0 && height > 0).then_some((width, height))
    };
    let named = track.media.attribute("framesize").and_then(|said| said.split_once(' ')?.1.split_once('-'));
    let larger = track.media.attribute("x-dimensions").and_then(|said| said.split_once(','));
    larger.or(named).and_then(size)
}
