//! From the frames of a camera to a file that begins with the frame of the instant.
//!
//! JPEG goes into an AVI file. H.264 can only be cut before a picture that decoding can begin with: what lies between that
//! and the instant is kept in the file and hidden by its edit list, which ffmpeg writes; without ffmpeg the bare stream is
//! kept, which begins that much early.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use machine::Instant;
use multicam_common::{FileName, UnixTime};
use rtp_rtsp::media::Codec;

use super::camera::{Camera, Shot};
use super::store::Store;
use crate::{avi, still};

/// A finished file that waits for its name.
pub(super) struct Recorded {
    pub(super) part: PathBuf,
    pub(super) name: FileName,
    pub(super) first_frame: UnixTime,
}

/// What a take of a camera is about.
pub(super) struct Wanted<'a> {
    pub(super) camera: &'a Camera,
    pub(super) store: &'a Store,
    pub(super) stem: &'a str,
    /// The instant that the first frame is to hold.
    pub(super) begin: UnixTime,
    /// Synchronised time of local instants.
    pub(super) unix: &'a dyn Fn(Instant) -> UnixTime,
}

impl Wanted<'_> {
    /// Records until it is stopped.
    pub(super) fn record(&self, stopped: &Receiver<Instant>) -> Result<Recorded> {
        let shots = self.camera.shots();
        let (hidden, mut next, stop) = self.head(&shots, stopped)?;
        let first = next.front().context("no frame")?.clone();
        let first_frame = self.captured(&first);
        let extension = if first.codec == Codec::Jpeg { "avi" } else { "h264" };
        let (name, part) = self.store.reserve(self.stem, extension)?;
        let mut out = Out::new(&first, &part)?;
        for shot in &hidden {
            out.write(shot).context("cannot write the recording")?;
        }
        let (mut shown, mut last, mut end, mut full) = (0_u64, first_frame, stop, false);
        loop {
            for shot in next.drain(..) {
                let at = self.captured(&shot);
                if shown > 0 && end.is_some_and(|end| at > end) {
                    return self.finish(out, Recorded { part, name, first_frame }, hidden.len(), shown, last);
                }
                // Another connection may bring something else.
                if shot.codec != first.codec || full {
                    continue;
                }
                match out.write(&shot) {
                    // What AVI can hold, not what the system lets us write.
                    Err(e) if e.kind() == io::ErrorKind::FileTooLarge && e.raw_os_error().is_none() => {
                        tracing::warn!(frames = shown, "the file is as long as it can be");
                        full = true;
                    }
                    result => {
                        result.context("cannot write the recording")?;
                        (shown, last) = (shown + 1, at);
                    }
                }
            }
            match shots.recv_timeout(STEP) {
                Ok(shot) => next.push_back(shot),
                // Frames on their way have had their time.
                Err(_) if end.is_some_and(|end| (self.unix)(driver::now()) >= end + LINGER) => {
                    return self.finish(out, Recorded { part, name, first_frame }, hidden.len(), shown, last);
                }
                Err(_) => out.flush()?,
            }
            if end.is_none() {
                end = self.stopped(stopped);
            }
        }
    }

    /// Frames before the first, if decoding needs them; the first and what came after it; and the end, if that was said.
    fn head(&self, shots: &Receiver<Shot>, stopped: &Receiver<Instant>) -> Result<Head> {
        let (mut head, mut end): (Vec<Shot>, Option<UnixTime>) = (Vec::new(), None);
        loop {
            match shots.recv_timeout(STEP) {
                Ok(shot) if self.captured(&shot) <= self.begin => {
                    if shot.key {
                        head.clear();
                    }
                    if shot.key || !head.is_empty() {
                        head.push(shot);
                    }
                }
                Ok(shot) => match head.pop() {
                    Some(first) => return Ok((head, [first, shot].into(), end)),
                    // It was opened too late: the first that can be shown.
                    None if shot.key => return Ok((head, [shot].into(), end)),
                    None => {}
                },
                Err(_) if end.is_some_and(|end| (self.unix)(driver::now()) >= end + LINGER) => {
                    return match head.pop() {
                        Some(first) => Ok((head, [first].into(), end)),
                        None => bail!("no picture has come from the {}", self.camera.what),
                    };
                }
                Err(_) => {}
            }
            if end.is_none() {
                end = self.stopped(stopped);
            }
        }
    }

    fn captured(&self, shot: &Shot) -> UnixTime {
        self.camera.captured(shot, self.unix)
    }

    fn stopped(&self, stopped: &Receiver<Instant>) -> Option<UnixTime> {
        match stopped.recv_timeout(Duration::ZERO) {
            Ok(at) => Some((self.unix)(at)),
            Err(RecvTimeoutError::Disconnected) => Some((self.unix)(driver::now())),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    fn finish(
        &self,
        out: Out,
        recorded: Recorded,
        hidden: usize,
        shown: u64,
        last: UnixTime,
    ) -> Result<Recorded> {
        let lost = self.camera.lost();
        if lost > 0 {
            bail!("{lost} frames came faster than the disk takes them");
        }
        let span_ns = last.nanos_since(recorded.first_frame).unsigned_abs();
        let millihertz = match shown.saturating_sub(1) {
            0 => 25_000,
            steps => u128::from(steps) * 1_000_000_000_000 / u128::from(span_ns.max(1)),
        };
        let millihertz = u32::try_from(millihertz).unwrap_or(25_000).clamp(100, 1_000_000);
        match out {
            Out::Avi(writer) => {
                writer.finish_at(millihertz).context("cannot close the file")?;
                Ok(recorded)
            }
            Out::Bare(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.sync_all().context("cannot close the file")?;
                let (name, packed) = self.store.reserve(self.stem, "mp4")?;
                match pack(&recorded.part, &packed, millihertz, hidden) {
                    Ok(()) => {
                        let _ = std::fs::remove_file(&recorded.part);
                        Ok(Recorded { part: packed, name, ..recorded })
                    }
                    Err(error) => {
                        tracing::warn!("the stream is kept bare: {error:#}");
                        let _ = std::fs::remove_file(&packed);
                        Ok(recorded)
                    }
                }
            }
        }
    }
}

/// See [`Wanted::head`].
type Head = (Vec<Shot>, std::collections::VecDeque<Shot>, Option<UnixTime>);

enum Out {
    Avi(avi::Writer),
    Bare(BufWriter<File>),
}

impl Out {
    fn new(first: &Shot, part: &Path) -> Result<Self> {
        let file = File::create_new(part).context("cannot make a file")?;
        Ok(match first.codec {
            Codec::Jpeg => Self::Avi(avi::Writer::new(file, still::size(&first.data)?, 25)?),
            _ => Self::Bare(BufWriter::new(file)),
        })
    }

    fn write(&mut self, shot: &Shot) -> io::Result<()> {
        match self {
            Self::Avi(writer) => writer.frame(&shot.data),
            Self::Bare(file) => file.write_all(&shot.data),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Avi(writer) => writer.flush(),
            Self::Bare(file) => file.flush(),
        }
        .context("cannot write the recording")
    }
}

/// H.264 into MP4, with an edit list that hides the first frames.
fn pack(bare: &Path, packed: &Path, millihertz: u32, hidden: usize) -> Result<()> {
    let rate = format!("{millihertz}/1000");
    if hidden == 0 {
        ffmpeg(&["-f", "h264", "-framerate", &rate], bare, packed)?;
    } else {
        // A bare stream has no times to cut at: they come with the first packing, the cut with the second.
        let timed = packed.with_extension("timed");
        // Half a frame before the first to be shown, so that no rounding moves the cut.
        let cut = (hidden as f64 - 0.5) * 1000.0 / f64::from(millihertz);
        let both = ffmpeg(&["-f", "h264", "-framerate", &rate], bare, &timed)
            .and_then(|()| ffmpeg(&["-ss", &format!("{cut:.6}")], &timed, packed));
        let _ = std::fs::remove_file(&timed);
        both?;
    }
    File::open(packed).and_then(|f| f.sync_all()).context("ffmpeg has left no file")
}

fn ffmpeg(input: &[&str], from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error"]).args(input).arg("-i").arg(from);
    command.args(["-c", "copy", "-f", "mp4", "-y"]).arg(to);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    match command.status().context("ffmpeg cannot be started")? {
        status if status.success() => Ok(()),
        status => bail!("ffmpeg: {status}"),
    }
}

/// Between looks at whether it is stopped.
const STEP: Duration = Duration::from_millis(100);
/// Frames that were sampled before the end may come so much later.
const LINGER: Duration = Duration::from_secs(1);
