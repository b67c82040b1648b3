//! Pictures of H.264, which ffmpeg decodes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use machine::Instant;
use rtp_rtsp::h264::ParameterSets;

use super::super::ffmpeg;
use super::canvas::Picture;
use super::decode::MAX_PIXELS;
use super::shared::{Coded, Shared};

/// When the pictures are due that have been fed and have not come out. They come in the order in which they are due.
type Dues = Arc<Mutex<BinaryHeap<Reverse<Instant>>>>;

/// Times beyond so many belong to frames that gave no picture.
const MAX_DUES: usize = 512;

/// Ends an access unit (ITU-T H.264 §7.3.2.4), so that it is decoded at once and not only when the next one begins.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];

/// A stream of H.264.
#[derive(Debug)]
pub(super) struct Film {
    shared: Arc<Shared>,
    /// What the description says; in the stream there may be others, or none.
    described: Option<ParameterSets>,
    running: Option<Running>,
}

impl Film {
    pub(super) fn new(shared: Arc<Shared>, described: Option<ParameterSets>) -> Self {
        Self { shared, described, running: None }
    }

    /// Takes the next access unit. Its picture comes out when ffmpeg has it.
    ///
    /// # Errors
    /// When ffmpeg cannot be run, or cannot decode this.
    pub(super) fn feed(&mut self, coded: &Coded) -> Result<()> {
        let sent = coded.key.then(|| ParameterSets::find(&coded.data)).flatten();
        let begins = match (&sent, &self.described, &self.running) {
            (Some(sets), _, Some(running)) if running.sps == sets.sps => None,
            (Some(sets), ..) => Some(sets),
            (None, Some(described), None) if coded.key => Some(described),
            _ => None,
        };
        let mut unsent = Vec::new();
        if let Some(sets) = begins {
            if sent.is_none() {
                unsent = sets.to_annex_b();
            }
            let running = Running::start(self.shared.clone(), sets)?;
            // What the one before still has is seen before what comes now.
            if let Some(before) = self.running.replace(running) {
                before.finish();
            }
        }
        // There is nothing to begin with yet.
        let Some(running) = &mut self.running else { return Ok(()) };
        let parts: [&[u8]; 3] = [&unsent, &coded.data, &DELIMITER];
        if let Err(error) = running.feed(coded.due, parts) {
            let gave_pictures = running.gave_pictures.load(Ordering::Relaxed);
            self.running = None;
            ensure!(gave_pictures, "--window: ffmpeg cannot decode this stream");
            tracing::warn!(%error, "ffmpeg has ended: it is started anew at the next key frame");
        }
        Ok(())
    }
}

/// The size that a parameter set says, if pictures of it can be shown.
pub(super) fn size(sets: &ParameterSets) -> Option<(usize, usize)> {
    let sps = sets.parse_sps().ok()?;
    let (width, height) = (usize::try_from(sps.width).ok()?, usize::try_from(sps.height).ok()?);
    let pixels = width.checked_mul(height)?;
    (1..=MAX_PIXELS).contains(&pixels).then_some((width, height))
}

/// ffmpeg at work. Dropped, it is ended.
#[derive(Debug)]
struct Running {
    child: Child,
    to: Option<ChildStdin>,
    sps: Bytes,
    dues: Dues,
    gave_pictures: Arc<AtomicBool>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(shared: Arc<Shared>, sets: &ParameterSets) -> Result<Self> {
        let Some((width, height)) = size(sets) else {
            bail!("--window: the stream does not say how large its pictures are, or they are too large");
        };
        let mut command = ffmpeg::command();
        command.args(["-v", "fatal", "-fflags", "nobuffer", "-analyzeduration", "0", "-fpsprobesize", "0"]);
        // Threads would each hold a picture back.
        command.args(["-threads", "1", "-f", "h264", "-framerate", "25", "-i", "-"]);
        // Each picture once, by numbering them anew; and always of this size.
        let filters = format!("scale={width}:{height},settb=1/25,setpts=N");
        command.args(["-an", "-vf", &filters, "-r", "25", "-pix_fmt", "rgba", "-f", "rawvideo", "-"]);
        let mut child = command.stdout(Stdio::piped()).spawn().context("--window: ffmpeg cannot be run")?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut running = Self {
            child,
            to,
            sps: sets.sps.clone(),
            dues: Dues::default(),
            gave_pictures: Arc::default(),
            reader: None,
        };
        let (dues, gave_pictures) = (running.dues.clone(), running.gave_pictures.clone());
        let read = move || {
            let Some(from) = from else { return };
            read_pictures(from, (width, height), |picture| {
                gave_pictures.store(true, Ordering::Relaxed);
                shared.put(next_due(&dues), picture)
            });
        };
        let reader = std::thread::Builder::new().name("pictures".into()).spawn(read);
        running.reader = Some(reader.context("no thread for pictures")?);
        Ok(running)
    }

    fn feed(&mut self, due: Instant, parts: [&[u8]; 3]) -> io::Result<()> {
        {
            let mut dues = self.dues.lock().unwrap_or_else(PoisonError::into_inner);
            dues.push(Reverse(due));
            while dues.len() > MAX_DUES {
                dues.pop();
            }
        }
        let Some(to) = &mut self.to else { return Err(io::ErrorKind::BrokenPipe.into()) };
        to.write_all(&parts.concat())
    }

    /// Lets it decode what it has.
    fn finish(mut self) {
        self.to = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.to = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_due(dues: &Dues) -> Instant {
    let due = dues.lock().unwrap_or_else(PoisonError::into_inner).pop();
    due.map_or(Instant::default(), |Reverse(due)| due)
}

/// Cuts what comes into pictures, until it ends or nobody takes any more.
fn read_pictures(mut from: ChildStdout, (width, height): (usize, usize), take: impl Fn(Picture) -> bool) {
    let mut bytes = vec![0; width * height * 4];
    while from.read_exact(&mut bytes).is_ok() {
        let Some(picture) = Picture::from_rgba(width, height, &bytes) else { return };
        if !take(picture) {
            return;
        }
    }
}
