//! Frames to files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use rtp_rtsp::client::Track;
use rtp_rtsp::files::put_lab_frame;
use rtp_rtsp::h264::ParameterSets;
use rtp_rtsp::media::{Codec, Frame};

use super::ffmpeg;

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
    /// H.264's, as the description has them: not all servers send them with the frames, too.
    sets: Option<ParameterSets>,
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
            if container && !ffmpeg::is_there() {
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
    pub(super) fn described(&mut self, number: usize, track: &Track) {
        self.track = Some((number, track.codec));
        self.rate = track.media.attribute("framerate").map(str::to_owned);
        let sets = track.media.format_parameter("sprop-parameter-sets");
        self.sets = sets.and_then(ParameterSets::from_sprop).filter(|_| track.codec == Codec::H264);
    }

    pub(super) fn frame(&mut self, track: usize, frame: &Frame) -> Result<()> {
        // The classroom dialect has no description.
        let (wanted, codec) = *self.track.get_or_insert((0, Codec::Jpeg));
        if track != wanted {
            return Ok(());
        }
        let begins = frame.key && !self.begun;
        self.begun |= frame.key;
        if let (Some(folder), Codec::Jpeg) = (&self.folder, codec) {
            let path = folder.join(format!("{:06}.jpg", self.frames));
            fs::write(&path, &frame.data).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let (Some((path, sink)), true) = (&mut self.file, self.begun) {
            let mut framed = BytesMut::new();
            let unsent = self.sets.take_if(|_| begins && ParameterSets::find(&frame.data).is_none());
            let data = if self.lab {
                put_lab_frame(&frame.data, &mut framed)?;
                &framed[..]
            } else if let Some(sets) = unsent {
                framed.extend_from_slice(&sets.to_annex_b());
                framed.extend_from_slice(&frame.data);
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
    let mut command = ffmpeg::command();
    command.args(["-v", "error", "-y"]);
    match rate {
        Some(rate) => command.args(["-r", rate]),
        None => command.args(["-use_wallclock_as_timestamps", "1"]),
    };
    command.args(["-f", format, "-i", "-", "-c", "copy"]).arg(path).spawn()
}

/// By the ends of their names.
const CONTAINERS: [&str; 5] = ["mp4", "mkv", "mov", "avi", "ts"];
