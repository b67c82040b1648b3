//! Files under a folder as mounts.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use driver::Events;
use rtp_rtsp::server::{ClipError, Event, FileRefusal, MemoryClip, Offered, ServerCalls};

use crate::reencode;
use crate::serve::RtspServer;

/// A longer file is not played, in bytes: files are held in memory while they are played.
pub const MAX_FILE: u64 = 2 << 30;
/// Frames a second of the labs.
const LAB_FPS: u32 = 20;
/// Frames a second of everything else.
const FPS: u32 = 25;

/// Where files are, and how they are played.
#[derive(Clone, Debug)]
pub struct Library {
    root: PathBuf,
    fps: Option<u32>,
    reencode: bool,
}

impl Library {
    /// The files under a folder. `fps`: frames a second; `None`: 20 in the labs' own format, else 25. `reencode`:
    /// pictures that RTP cannot carry are made anew.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(root: &Path, fps: Option<u32>, reencode: bool) -> std::io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root, fps, reencode })
    }

    /// Reads one file. What leads out of the folder, by its name or by a link, is not there.
    ///
    /// # Errors
    /// Why it cannot be played.
    pub fn load(&self, path: &str) -> Result<MemoryClip, FileRefusal> {
        let full = self.root.join(path).canonicalize().map_err(|_| FileRefusal::Missing)?;
        if !full.starts_with(&self.root) || !full.is_file() {
            return Err(FileRefusal::Missing);
        }
        let data = match read(&full) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(%error, path, "cannot be read");
                return Err(FileRefusal::Failed);
            }
        };
        self.cut(path, data).map_err(|error| {
            tracing::warn!(%error, path, "cannot be played{}", self.advice(&error));
            FileRefusal::Unsupported
        })
    }

    fn cut(&self, path: &str, data: BytesMut) -> Result<MemoryClip, ClipError> {
        let extension = path.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
        if matches!(extension.as_str(), "h264" | "264" | "avc") || data.starts_with(&[0, 0]) {
            return MemoryClip::from_annex_b(data, (self.fps.unwrap_or(FPS), 1));
        }
        let lab = data.iter().take(5).all(u8::is_ascii_digit);
        let fps = self.fps.unwrap_or(if lab { LAB_FPS } else { FPS });
        MemoryClip::from_mjpeg(data, (fps, 1), |picture| self.mend(picture))
    }

    fn mend(&self, picture: &[u8]) -> Option<Bytes> {
        self.reencode.then(|| reencode::picture(picture)).flatten()
    }

    fn advice(&self, error: &ClipError) -> &'static str {
        let can_be_mended = matches!(error, ClipError::Picture { .. }) && !self.reencode;
        if can_be_mended { ": --reencode makes its pictures anew" } else { "" }
    }
}

fn read(path: &Path) -> std::io::Result<BytesMut> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    let mut data = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.by_ref().take(MAX_FILE).read_to_end(&mut data)?;
    Ok(BytesMut::from(Bytes::from(data)))
}

/// Answers a server's questions for files, and hands all events on.
pub async fn answer(
    server: RtspServer,
    mut events: Events<Event>,
    library: Option<Library>,
    mut tell: impl FnMut(Event),
) {
    let library = library.map(Arc::new);
    while let Some(event) = events.next().await {
        if let (Event::FileWanted { path }, Some(library)) = (&event, &library) {
            let (server, library, path) = (server.clone(), library.clone(), path.clone());
            tokio::task::spawn_blocking(move || {
                let clip = library.load(&path).map(|clip| Arc::new(clip) as Arc<dyn rtp_rtsp::server::Clip>);
                server.call(|machine, now| machine.offer(now, &path, Offered(clip)));
            });
        }
        tell(event);
    }
}
