//! Files that go to a socket without passing through the machine, or through this process at all.

use std::fs::File;
use std::io;
use std::sync::Arc;

use machine::{CloseReason, FileToken, Machine};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::conn::{Conn, Todo};
use crate::core::Core;

/// Opens a file that the machine named. Called on a runtime thread as the file's turn to be sent comes.
pub type OpenFile = Arc<dyn Fn(FileToken) -> io::Result<File> + Send + Sync>;

/// So much at most for one call of the kernel's copy, so that other tasks have their turn.
#[cfg(target_os = "linux")]
const CHUNK: u64 = 1 << 20;

/// Sends `len` bytes of a file; `Ok(false)`: the connection was ended meanwhile.
pub(crate) async fn send<M>(
    core: &Core<M>,
    conn: &Conn,
    stream: &TcpStream,
    token: FileToken,
    offset: u64,
    len: u64,
) -> Result<bool, CloseReason>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    let file = (core.open)(token).map_err(|error| {
        tracing::warn!(%error, file = token.0, "cannot open a file that was promised");
        CloseReason::FileFailed
    })?;
    let mut copy = Copy { file, at: offset, left: len };
    while copy.left > 0 {
        if matches!(conn.todo(), Todo::Abort(_)) {
            return Ok(false);
        }
        let writable = async {
            tokio::select! {
                r = stream.writable() => r.map(|()| true),
                () = conn.wake.notified() => Ok(false),
                () = core.stop.cancelled() => Err(io::ErrorKind::Interrupted.into()),
            }
        };
        match timeout(core.limits.send_timeout, writable).await {
            Err(_) => return Err(CloseReason::SlowReader),
            Ok(Err(_)) if core.stop.is_cancelled() => return Err(CloseReason::Shutdown),
            Ok(Err(_)) => return Err(CloseReason::Failed),
            Ok(Ok(false)) => continue,
            Ok(Ok(true)) => {}
        }
        match copy.step(stream) {
            Ok(0) => {
                tracing::warn!(file = token.0, missing = copy.left, "a file is shorter than was promised");
                return Err(CloseReason::FileFailed);
            }
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return Err(CloseReason::Failed),
        }
    }
    Ok(true)
}

/// A copy from file to socket in progress.
struct Copy {
    file: File,
    at: u64,
    left: u64,
}

#[cfg(target_os = "linux")]
impl Copy {
    fn step(&mut self, stream: &TcpStream) -> io::Result<u64> {
        use nix::sys::sendfile::sendfile64;
        use tokio::io::Interest;

        let n = stream.try_io(Interest::WRITABLE, || {
            let mut at = i64::try_from(self.at).map_err(|_| io::ErrorKind::InvalidInput)?;
            let count = usize::try_from(self.left.min(CHUNK)).unwrap_or(usize::MAX);
            Ok(sendfile64(stream, &self.file, Some(&mut at), count)?)
        })? as u64;
        self.at += n;
        self.left -= n;
        Ok(n)
    }
}

#[cfg(not(target_os = "linux"))]
impl Copy {
    fn step(&mut self, stream: &TcpStream) -> io::Result<u64> {
        use std::io::{Read, Seek, SeekFrom};

        let mut buffer = [0; 16 << 10];
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        self.file.seek(SeekFrom::Start(self.at))?;
        let read = self.file.read(&mut buffer[..want])?;
        if read == 0 {
            return Ok(0);
        }
        let n = stream.try_write(&buffer[..read])? as u64;
        self.at += n;
        self.left -= n;
        Ok(n)
    }
}
