//! Frames to files.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::BytesMut;
use rtp_rtsp::files::put_lab_frame;
use rtp_rtsp::media::{Codec, Frame};

/// Writes what comes.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    folder: Option<PathBuf>,
    file: Option<(PathBuf, BufWriter<File>)>,
    lab: bool,
    /// The track that is recorded, and what it is.
    track: Option<(usize, Codec)>,
    /// H.264 waits for the frame that one can begin with.
    begun: bool,
    frames: u64,
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
            anyhow::Ok((path.to_owned(), BufWriter::new(file)))
        });
        let lab = file.is_some_and(|f| f.extension().is_some_and(|e| e == "Mjpeg"));
        Ok(Self { folder: folder.map(Path::to_owned), file: opened.transpose()?, lab, ..Self::default() })
    }

    /// The tracks are known: the first of pictures is recorded.
    pub(super) fn described(&mut self, track: usize, codec: Codec) {
        self.track = Some((track, codec));
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
        if let (Some((path, file)), true) = (&mut self.file, self.begun) {
            let mut framed = BytesMut::new();
            let data = if self.lab {
                put_lab_frame(&frame.data, &mut framed)?;
                &framed[..]
            } else {
                &frame.data
            };
            file.write_all(data).with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            file.flush().with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
