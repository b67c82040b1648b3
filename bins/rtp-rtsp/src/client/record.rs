//! Frames to files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use rtp_rtsp::files::put_lab_frame;
use rtp_rtsp::media::{Codec, Frame};

/// Writes what comes.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    folder: Option<PathBuf>,
    file: Option<(PathBuf, Sink)>,
    lab: bool,
    /// The track that is recorded, and what it is.
    track: Option<(usize, Codec)>,
    /// Frames a second, as the description has it.
    rate: Option<String>,
    /// H.264 waits for the frame that one can begin with.
    begun: bool,
    frames: u64,
}

/// Where a recording goes.
#[derive(Debug)]
enum Sink {
    File(BufWriter<File>),
    /// A container, which ffmpeg writes once it is known what comes.
    Container(Option<Child>),
}

impl Recorder {
    pub(super) fn new(folder: Option<&Path>, file: Option<&Path>) -> Result<Self> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder)
                .with_context(|| format!("--save-frames: cannot make {}", folder.display()))?;
        }
        let opened = file.map(|path| {
            let file =
                File::create(path).with_context(|| format!("--record: cannot write {}", path.display()))?;
            let container =
                path.extension().is_some_and(|e| CONTAINERS.iter().any(|c| e.eq_ignore_ascii_case(c)));
            if container && Command::new(FFMPEG).arg("-version").stdout(Stdio::null()).status().is_err() {
                bail!(
                    "--record: {} needs ffmpeg, which is not installed: .mjpeg and .h264 do not",
                    path.display()
                );
            }
            let sink = if container { Sink::Container(None) } else { Sink::File(BufWriter::new(file)) };
            anyhow::Ok((path.to_owned(), sink))
        });
        let lab = file.is_some_and(|f| f.extension().is_some_and(|e| e == "Mjpeg"));
        Ok(Self { folder: folder.map(Path::to_owned), file: opened.transpose()?, lab, ..Self::default() })
    }

    /// The tracks are known: the first of pictures is recorded.
    pub(super) fn described(&mut self, track: usize, codec: Codec, rate: Option<&str>) {
        self.track = Some((track, codec));
        self.rate = rate.map(str::to_owned);
    }

    pub(super) fn frame(&mut self, track: usize, frame: &Frame) -> Result<()> {
        // The classroom dialect has no description.
        let (wanted, codec) = *self.track.get_or_insert((0, Codec::Jpeg));
        if track != wanted {
            return Ok(());
        }
        self.begun |= frame.key;
        if let (Some(folder), Codec::Jpeg) = (&self.folder, codec) {
            let path = folder.join(format!("{:06}.jpg", self.frames));
            fs::write(&path, &frame.data).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let (Some((path, sink)), true) = (&mut self.file, self.begun) {
            let mut framed = BytesMut::new();
            let data = if self.lab {
                put_lab_frame(&frame.data, &mut framed)?;
                &framed[..]
            } else {
                &frame.data
            };
            let written = match sink {
                Sink::File(file) => file.write_all(data),
                Sink::Container(Some(child)) => child.stdin.as_mut().map_or(Ok(()), |to| to.write_all(data)),
                Sink::Container(none) => start(path, codec, self.rate.as_deref()).and_then(|mut child| {
                    let result = child.stdin.as_mut().map_or(Ok(()), |to| to.write_all(data));
                    *none = Some(child);
                    result
                }),
            };
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        let Some((path, sink)) = &mut self.file else { return Ok(()) };
        match sink {
            Sink::File(file) => {
                file.flush().with_context(|| format!("cannot write {}", path.display()))?;
            }
            Sink::Container(None) => {}
            Sink::Container(Some(child)) => {
                // The end of what it reads is the end of the film.
                drop(child.stdin.take());
                let status = child.wait()?;
                anyhow::ensure!(status.success(), "ffmpeg could not write {}: {status}", path.display());
            }
        }
        Ok(())
    }
}

/// ffmpeg, which puts what comes into a container as it is.
fn start(path: &Path, codec: Codec, rate: Option<&str>) -> io::Result<Child> {
    let format = if codec == Codec::Jpeg { "mjpeg" } else { "h264" };
    let mut command = Command::new(FFMPEG);
    command.args(["-v", "error", "-y"]);
    match rate {
        Some(rate) => command.args(["-r", rate]),
        None => command.args(["-use_wallclock_as_timestamps", "1"]),
    };
    // Nothing is typed, and Ctrl-C is for us.
    command.args(["-f", format, "-i", "-", "-c", "copy"]).arg(path).stdin(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

const FFMPEG: &str = "ffmpeg";
/// By the ends of their names.
const CONTAINERS: [&str; 5] = ["mp4", "mkv", "mov", "avi", "ts"];
