//! From a program's standard output to a mount of the streaming server in this process.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtp_rtsp::media::Codec;
use rtsp_programs::live::{self, LiveError, LiveMount};

use super::{PipelineConfig, VideoMount};

/// A mount that the programs of one start after the other feed.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    live: Arc<Mutex<LiveMount>>,
    codec: Codec,
    rate: (u32, u32),
}

impl Mount {
    /// For what camera programs write.
    pub(super) fn new(to: &VideoMount, config: &PipelineConfig) -> Result<Self, String> {
        let rate = (config.framerate.max(1), 1);
        let (live, codec) = match config.codec.as_str() {
            "mjpeg" => (pictures(to, config)?, Codec::Jpeg),
            "h264" => (LiveMount::h264(&to.server, &to.path, TITLE, rate), Codec::H264),
            other => return Err(format!("{other} cannot be served: h264 or mjpeg can")),
        };
        Ok(Self { live: Arc::new(Mutex::new(live)), codec, rate })
    }

    /// Takes what a program writes until the feed is dropped, or the program ends.
    pub(super) fn feed(&self, from: ChildStdout) -> io::Result<Feed> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mount, stopped) = (self.clone(), stop.clone());
        let mut told = false;
        let take = move |frame, captured| {
            if stopped.load(Ordering::Relaxed) {
                return false;
            }
            let mut live = mount.live.lock().unwrap_or_else(PoisonError::into_inner);
            match live.push(&frame, captured) {
                Ok(()) => true,
                Err(error) => {
                    // Once a start: the next frame will be no better.
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!("the camera's video cannot be served: {error}");
                    }
                    matches!(error, LiveError::Frame(_))
                }
            }
        };
        let (codec, rate, stopped) = (self.codec, self.rate, stop.clone());
        let read = move || {
            if let Err(error) = live::cut(Patient { from, stopped }, codec, rate, take) {
                tracing::warn!(%error, "what the camera program writes cannot be read");
            }
        };
        std::thread::Builder::new().name("video".into()).spawn(read)?;
        Ok(Feed { stop })
    }
}

/// A mount of JPEG pictures.
pub(super) fn pictures(to: &VideoMount, config: &PipelineConfig) -> Result<LiveMount, String> {
    let pixels = |n: u32| u16::try_from(n).map_err(|_| format!("{n} pixels are too many"));
    let (size, rate) = ((pixels(config.width)?, pixels(config.height)?), (config.framerate.max(1), 1));
    LiveMount::jpeg(&to.server, &to.path, TITLE, size, rate).map_err(|error| format!("{}: {error}", to.path))
}

/// What the description calls it.
const TITLE: &str = "Camera";

/// A thread that reads a program's output. Dropping this ends it soon, even if a stray process still holds the other end.
#[derive(Debug)]
pub(super) struct Feed {
    stop: Arc<AtomicBool>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Reads, and looks now and then whether it is to go on.
struct Patient {
    from: ChildStdout,
    stopped: Arc<AtomicBool>,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(0);
            }
            let mut ready = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::from(250_u8)) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                _ => return self.from.read(buffer),
            }
        }
    }
}
