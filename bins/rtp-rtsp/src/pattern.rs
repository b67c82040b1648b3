//! The test picture as a live source: drawn on an exact grid, in JPEG.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use test_picture::{Frame, Marks, Picture};
use tokio::sync::watch;

use crate::live::{LiveError, LiveMount};
use crate::serve::RtspServer;

/// What is to be drawn, and where it is served: `NAME=WxH@FPS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternSpec {
    /// Path of the mount.
    pub path: String,
    /// Pixels across: even, at least 640.
    pub width: u16,
    /// Pixels down: even, at least 96.
    pub height: u16,
    /// Frames a second: 1 to 240.
    pub fps: u32,
}

impl PatternSpec {
    /// Reads `NAME=WxH@FPS`; `=WxH@FPS`, or parts of it from the end on, may be missing: 640x480, 25 a second.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, shape) = text.split_once('=').unwrap_or((text, ""));
        let (size, fps) = shape.split_once('@').unwrap_or((shape, "25"));
        let (width, height) =
            if size.is_empty() { ("640", "480") } else { size.split_once('x').unwrap_or((size, "")) };
        let wrong = || format!("'{text}' is not NAME=WxH@FPS, such as test=640x480@25");
        let number = |part: &str| part.parse::<u16>().ok().filter(|n| *n > 0).with_context(wrong);
        let (width, height, fps) = (number(width)?, number(height)?, u32::from(number(fps)?));
        Picture::try_new(width.into(), height.into()).with_context(wrong)?;
        anyhow::ensure!(fps <= 240, "more than 240 frames a second");
        anyhow::ensure!(!path.is_empty(), wrong());
        Ok(Self { path: path.to_owned(), width, height, fps })
    }
}

/// A running pattern: ends when dropped.
#[derive(Debug)]
pub struct Pattern {
    stop: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    stills: watch::Receiver<Bytes>,
}

impl Pattern {
    /// Draws into a new mount of a server. Nothing is drawn while nobody looks.
    ///
    /// # Errors
    /// When the path is taken, or no thread can be had.
    pub fn start(server: &RtspServer, spec: &PatternSpec) -> Result<Self> {
        let picture = Picture::try_new(spec.width.into(), spec.height.into())?;
        let size = (spec.width, spec.height);
        let mount = LiveMount::jpeg(server, &spec.path, "Test picture", size, (spec.fps, 1))?;
        let (stop, stopped) = channel();
        let (shown, stills) = watch::channel(Bytes::new());
        let fps = spec.fps;
        let thread = std::thread::Builder::new()
            .name("pattern".into())
            .spawn(move || draw(mount, fps, picture, &shown, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), stills })
    }

    /// The newest picture, as JPEG. While there is a receiver besides this one, pictures are drawn.
    pub fn stills(&self) -> watch::Receiver<Bytes> {
        self.stills.clone()
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(
    mut mount: LiveMount,
    fps: u32,
    picture: Picture,
    shown: &watch::Sender<Bytes>,
    stopped: &Receiver<()>,
) {
    let mut frame = Frame::new(picture);
    let start = driver::now();
    let mut number = 0_u64;
    loop {
        // Rounded up, so that ticks are whole.
        let due = start + Duration::from_nanos((number * 1_000_000_000).div_ceil(u64::from(fps)));
        match stopped.recv_timeout(due.saturating_since(driver::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if mount.is_over() {
            return;
        }
        let watched = shown.receiver_count() > 1;
        if watched || mount.has_readers() {
            let marks = Marks {
                time_ns: u64::try_from(driver::unix_now()).unwrap_or(0),
                frame: u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0),
                timecode: Marks::NO_TIMECODE,
                rate_hundredths: u16::try_from(fps * 100).unwrap_or(u16::MAX),
                ..Marks::default()
            };
            frame.draw(&marks);
            let mut jpeg = Vec::with_capacity(picture.width() * picture.height() / 8);
            frame.encode_jpeg(85, &mut jpeg);
            let jpeg = Bytes::from(jpeg);
            if let Err(LiveError::Mount(_) | LiveError::Stopped) = mount.push(&jpeg, due) {
                return;
            }
            shown.send_replace(jpeg);
        }
        // One that could not be drawn in time is left out; the numbers go on.
        let behind = driver::now().saturating_since(due).as_nanos() * u128::from(fps) / 1_000_000_000;
        number += 1 + u64::try_from(behind).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        let spec = |path: &str, width, height, fps| PatternSpec { path: path.into(), width, height, fps };
        assert_eq!(PatternSpec::parse("test").unwrap(), spec("test", 640, 480, 25));
        assert_eq!(PatternSpec::parse("a/b=1280x720@50").unwrap(), spec("a/b", 1280, 720, 50));
        assert_eq!(PatternSpec::parse("t=800x600").unwrap(), spec("t", 800, 600, 25));
        for bad in ["", "=640x480@25", "t=640", "t=641x480", "t=64x48", "t=640x480@0", "t=640x480@500"] {
            assert!(PatternSpec::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_drawn_can_be_carried_and_read_again() {
        let picture = Picture::try_new(640, 480).unwrap();
        let mut frame = Frame::new(picture);
        frame.draw(&Marks::default());
        let mut jpeg = Vec::new();
        frame.encode_jpeg(85, &mut jpeg);
        let image = rtp_rtsp::jpeg::Image::parse(&jpeg).unwrap();
        assert_eq!((image.width, image.height), (640, 480));
    }
}
