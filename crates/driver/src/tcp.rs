//! TCP listeners and connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use machine::{CloseReason, Closing, ConnId, Input, Machine, Peer, Service, Transport};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use crate::conn::{Conn, Todo};
use crate::core::{Core, Driver};
use crate::file;
use crate::limits::Limits;

/// First read of a connection; doubled while reads fill it, up to [`MAX_READ`].
const MIN_READ: usize = 4 << 10;
const MAX_READ: usize = 64 << 10;
/// So many reads in a row before other connections have their turn.
const READS_IN_A_ROW: usize = 16;

impl<M> Driver<M>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    /// Serves a listener until shutdown: its connections come to the machine under `service`.
    pub fn serve_tcp(&self, listener: TcpListener, service: Service) {
        let core = self.0.clone();
        self.0.spawn(async move {
            let stop = core.stop.clone();
            accept_loop(&listener, &stop, |stream, local, remote| {
                start(&core, service, stream, local, remote);
            })
            .await;
        });
    }

    /// Takes over a connection that another has accepted, between these addresses as far as the machine is told; `None`
    /// beyond the connection limit. To be called within a tokio runtime.
    pub fn attach_tcp(
        &self,
        stream: TcpStream,
        service: Service,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<ConnId> {
        start(&self.0, service, stream, local, remote)
    }

    /// Connects, then brings the connection to the machine under `service`.
    ///
    /// # Errors
    /// Those of resolving and connecting, and [`io::ErrorKind::QuotaExceeded`] beyond the connection limit.
    pub async fn connect_tcp(&self, to: impl ToSocketAddrs, service: Service) -> io::Result<ConnId> {
        let stream = TcpStream::connect(to).await?;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        start(&self.0, service, stream, local, remote)
            .ok_or_else(|| io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections"))
    }
}

fn start<M>(
    core: &Arc<Core<M>>,
    service: Service,
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<ConnId>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    set_options(&stream, &core.limits);
    let conn = core.open_conn(service, Transport::Stream, local, remote, Some(stream))?;
    let id = conn.id;
    tracing::debug!(conn = id.0, %remote, service = service.0, "connection opened");
    core.spawn({
        let core = core.clone();
        async move {
            let reason = match conn.tcp() {
                Some(stream) => serve(&core, &conn, stream).await,
                None => CloseReason::Failed,
            };
            core.conn_closed(conn.id, reason);
        }
    });
    Some(id)
}

/// Accepts until told to stop; a lack of descriptors is waited out, not died of.
pub(crate) async fn accept_loop(
    listener: &TcpListener,
    stop: &tokio_util::sync::CancellationToken,
    mut accepted: impl FnMut(TcpStream, SocketAddr, SocketAddr),
) {
    let mut failing = false;
    loop {
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = listener.accept() => result,
        };
        match result.and_then(|(stream, remote)| Ok((stream.local_addr()?, stream, remote))) {
            Ok((local, stream, remote)) => {
                failing = false;
                accepted(stream, local, remote);
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "cannot accept connections now; those that stand go on");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

pub(crate) fn set_options(stream: &TcpStream, limits: &Limits) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(limits.keepalive);
    #[cfg(any(target_os = "linux", target_vendor = "apple", target_os = "windows"))]
    let keepalive = keepalive.with_interval(limits.keepalive / 3);
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    let keepalive = keepalive.with_retries(3);
    let results = [
        socket.set_tcp_nodelay(true),
        socket.set_tcp_keepalive(&keepalive),
        limits.send_buffer.map_or(Ok(()), |n| socket.set_send_buffer_size(n)),
        #[cfg(target_os = "linux")]
        limits.unsent_limit.map_or(Ok(()), |n| socket.set_tcp_notsent_lowat(n)),
    ];
    for error in results.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "a socket option was refused");
    }
}

async fn serve<M>(core: &Core<M>, conn: &Conn, stream: &TcpStream) -> CloseReason
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    let mut reader = Reader::default();
    let mut progress = Progress::default();
    let mut stopping = false;
    loop {
        let writable_wanted = match conn.todo() {
            Todo::Abort(reason) => return reason,
            Todo::Finish(_) => {
                linger(stream, core.limits.linger).await;
                return if stopping { CloseReason::Shutdown } else { CloseReason::Local };
            }
            Todo::SendFile { file, offset, len } => {
                match file::send(core, conn, stream, file, offset, len).await {
                    Ok(true) => {
                        conn.file_done();
                        core.run(|m, now| m.handle_input(now, Peer::Conn(conn.id), Input::FileSent(file)));
                    }
                    Ok(false) => {} // The connection is ending; `todo` says how.
                    Err(reason) => return reason,
                }
                continue;
            }
            Todo::WaitWritable => true,
            Todo::Nothing => false,
        };
        let deadline = progress.deadline(writable_wanted.then(|| conn.written()), core.limits.send_timeout);
        tokio::select! {
            () = conn.wake.notified() => {}
            _ = stream.writable(), if writable_wanted => conn.resume(),
            () = sleep_until(deadline.unwrap_or_else(TokioInstant::now)), if deadline.is_some() => {
                return CloseReason::SlowReader;
            }
            readable = stream.readable(), if !reader.ended && !conn.is_ending() => {
                if readable.is_err() {
                    return CloseReason::Failed;
                }
                core.events.room().await;
                if let Err(reason) = reader.read(core, conn, stream) {
                    return reason;
                }
            }
            () = core.stop.cancelled(), if !stopping => {
                stopping = true;
                conn.close(Closing::AfterFlush);
                conn.flush();
            }
        }
    }
}

/// Notices a peer that takes nothing of what waits for it.
#[derive(Default)]
pub(crate) struct Progress {
    since: Option<(u64, TokioInstant)>,
}

impl Progress {
    /// When to give up on a peer for which something waits and that has taken `written` bytes so far.
    pub(crate) fn deadline(&mut self, written: Option<u64>, patience: Duration) -> Option<TokioInstant> {
        self.since = match (written, self.since) {
            (None, _) => None,
            (Some(now), Some((before, since))) if now == before => Some((before, since)),
            (Some(now), _) => Some((now, TokioInstant::now())),
        };
        self.since.map(|(_, since)| since + patience)
    }
}

#[derive(Default)]
struct Reader {
    /// What the machine has left for later; holds no memory while empty.
    unread: BytesMut,
    size: usize,
    ended: bool,
}

impl Reader {
    fn read<M>(&mut self, core: &Core<M>, conn: &Conn, stream: &TcpStream) -> Result<(), CloseReason>
    where
        M: Machine + Send + 'static,
        M::Event: Send,
    {
        let peer = Peer::Conn(conn.id);
        for _ in 0..READS_IN_A_ROW {
            self.size = self.size.clamp(MIN_READ, MAX_READ);
            self.unread.reserve(self.size);
            let room = self.unread.capacity() - self.unread.len();
            match stream.try_read_buf(&mut self.unread) {
                Ok(0) => {
                    self.ended = true;
                    core.run(|m, now| m.handle_input(now, peer, Input::End(&mut self.unread)));
                    break;
                }
                Ok(n) => {
                    self.size = if n == room { self.size * 2 } else { self.size / 2 };
                    core.run(|m, now| m.handle_input(now, peer, Input::Bytes(&mut self.unread)));
                    if self.unread.len() > core.limits.max_unread_bytes {
                        tracing::warn!(conn = conn.id.0, "closing a peer whose message has no end");
                        return Err(CloseReason::Overflow);
                    }
                    if conn.is_ending() {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(CloseReason::Failed),
            }
        }
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        Ok(())
    }
}

/// Ends our side and reads the peer's rest, so that our last bytes are not lost to a reset.
async fn linger(stream: &TcpStream, patience: Duration) {
    if SockRef::from(stream).shutdown(std::net::Shutdown::Write).is_err() {
        return;
    }
    let drain = async {
        let mut scratch = [0; 1024];
        loop {
            match stream.ready(Interest::READABLE).await {
                Ok(_) => match stream.try_read(&mut scratch) {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                },
                Err(_) => return,
            }
        }
    };
    let _ = timeout(patience, drain).await;
}
