//! A driver without tokio: threads, blocking sockets and a channel, from the standard library alone.
//!
//! It shows how little a machine needs. One thread owns the machine and waits on a channel until its next deadline;
//! each connection has a thread that reads and one that writes, so a peer that does not read stops its own writer and
//! nobody else. Used by `blocking_server.rs`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use machine::{
    CloseReason, Closing, ConnId, FileToken, Input, Instant, Item, Machine, Opened, Output, Peer, Pushed,
    QueueLimits, SendQueue, Service, Transport,
};

const LIMITS: QueueLimits = QueueLimits { max_bytes: 256 << 10, if_room_bytes: 128 << 10 };

/// What the threads tell the one that owns the machine.
enum News {
    Accepted(TcpStream, Service),
    Bytes(ConnId, Vec<u8>),
    End(ConnId),
    FileSent(ConnId, FileToken),
    Gone(ConnId, CloseReason),
}

/// What is queued for one connection, and how it is to end.
#[derive(Default)]
struct Outbox {
    queue: SendQueue,
    end: Option<(Closing, CloseReason)>,
}

type Shared = Arc<(Mutex<Outbox>, Condvar)>;

struct Conn {
    stream: TcpStream,
    unread: BytesMut,
    outbox: Shared,
}

/// Serves `listeners` with `machine` until `on_event` breaks. `open` opens the files that the machine names.
///
/// # Errors
/// When a listener cannot be used.
pub fn serve<M: Machine>(
    mut machine: M,
    listeners: Vec<(TcpListener, Service)>,
    open: impl Fn(FileToken) -> io::Result<File> + Clone + Send + 'static,
    mut on_event: impl FnMut(M::Event) -> ControlFlow<()>,
) -> io::Result<()> {
    let (news, inbox) = mpsc::sync_channel(1024); // a full channel holds the readers back
    for (listener, service) in listeners {
        let news = news.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if news.send(News::Accepted(stream, service)).is_err() {
                    return;
                }
            }
        });
    }
    let epoch = std::time::Instant::now();
    let now = || Instant::from_nanos(1 + epoch.elapsed().as_nanos() as u64);
    let mut conns: HashMap<ConnId, Conn> = HashMap::new();
    let mut next_id = 0;
    loop {
        let wait = machine.poll_timeout().map(|t| t.saturating_since(now()));
        match inbox.recv_timeout(wait.unwrap_or(Duration::from_secs(3600))) {
            Ok(News::Accepted(stream, service)) => {
                let id = ConnId(next_id);
                next_id += 1;
                let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { continue };
                let Ok(conn) = start(id, stream, news.clone(), open.clone()) else { continue };
                conns.insert(id, conn);
                let opened = Opened { service, local, remote, transport: Transport::Stream };
                machine.handle_input(now(), Peer::Conn(id), Input::Opened(opened));
            }
            Ok(News::Bytes(id, bytes)) => {
                if let Some(conn) = conns.get_mut(&id) {
                    conn.unread.extend_from_slice(&bytes);
                    machine.handle_input(now(), Peer::Conn(id), Input::Bytes(&mut conn.unread));
                }
            }
            Ok(News::End(id)) => {
                if let Some(conn) = conns.get_mut(&id) {
                    machine.handle_input(now(), Peer::Conn(id), Input::End(&mut conn.unread));
                }
            }
            Ok(News::FileSent(id, file)) => {
                machine.handle_input(now(), Peer::Conn(id), Input::FileSent(file));
            }
            Ok(News::Gone(id, reason)) => {
                if let Some(conn) = conns.remove(&id) {
                    let _ = conn.stream.shutdown(Shutdown::Both);
                    machine.handle_input(now(), Peer::Conn(id), Input::Closed(reason));
                }
            }
            Err(RecvTimeoutError::Timeout) => machine.handle_timeout(now()),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, keep } => tell(&conns, to, |q| q.push(data, keep, LIMITS)),
                Output::SendFile { to, file, offset, len } => {
                    tell(&conns, to, |q| q.push_file(file, offset, len, LIMITS));
                }
                Output::Close { conn, how } => end(&conns, conn, how, CloseReason::Local),
                Output::Datagram(_) => {} // This driver has no UDP sockets.
                Output::Event(event) if on_event(event).is_break() => return Ok(()),
                Output::Event(_) => {}
            }
        }
    }
}

/// Queues something for a connection; one for which too much waits is closed.
fn tell(conns: &HashMap<ConnId, Conn>, id: ConnId, push: impl FnOnce(&mut SendQueue) -> Pushed) {
    let Some(conn) = conns.get(&id) else { return };
    let pushed = push(&mut conn.outbox.0.lock().unwrap().queue);
    conn.outbox.1.notify_one();
    if pushed == Pushed::Overflow {
        end(conns, id, Closing::Now, CloseReason::SlowReader);
    }
}

fn end(conns: &HashMap<ConnId, Conn>, id: ConnId, how: Closing, reason: CloseReason) {
    let Some(conn) = conns.get(&id) else { return };
    conn.outbox.0.lock().unwrap().end = Some((how, reason));
    conn.outbox.1.notify_one();
    if how == Closing::Now {
        let _ = conn.stream.shutdown(Shutdown::Both); // frees a writer that is stuck
    }
}

fn start(
    id: ConnId,
    stream: TcpStream,
    news: SyncSender<News>,
    open: impl Fn(FileToken) -> io::Result<File> + Send + 'static,
) -> io::Result<Conn> {
    stream.set_nodelay(true)?;
    let outbox = Shared::default();
    let (mut reading, writing) = (stream.try_clone()?, stream.try_clone()?);
    let (writer_outbox, writer_news) = (outbox.clone(), news.clone());
    thread::spawn(move || {
        let reason = write_all(id, writing, &writer_outbox, &writer_news, open);
        let _ = writer_news.send(News::Gone(id, reason));
    });
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        loop {
            let heard = match reading.read(&mut buffer) {
                Ok(0) => News::End(id),
                Ok(n) => News::Bytes(id, buffer[..n].to_vec()),
                Err(_) => News::Gone(id, CloseReason::Failed),
            };
            let last = !matches!(heard, News::Bytes(..));
            if news.send(heard).is_err() || last {
                return;
            }
        }
    });
    Ok(Conn { stream, unread: BytesMut::new(), outbox })
}

/// Writes what is queued until the connection ends.
fn write_all(
    id: ConnId,
    mut stream: TcpStream,
    (outbox, changed): &(Mutex<Outbox>, Condvar),
    news: &SyncSender<News>,
    open: impl Fn(FileToken) -> io::Result<File>,
) -> CloseReason {
    let mut waiting = outbox.lock().unwrap();
    loop {
        let item = match (waiting.end, waiting.queue.pop_front()) {
            (Some((Closing::Now, reason)), _) | (Some((_, reason)), None) => return reason,
            (_, Some(item)) => item,
            (None, None) => {
                waiting = changed.wait(waiting).unwrap();
                continue;
            }
        };
        // While this blocks only the newest update is kept.
        waiting.queue.set_stuck(true);
        drop(waiting);
        let written = match item {
            Item::Data(data) => stream.write_all(data.as_bytes()),
            Item::File { file, offset, len } => open(file)
                .and_then(|mut f| f.seek(SeekFrom::Start(offset)).map(|_| f.take(len)))
                .and_then(|mut part| io::copy(&mut part, &mut stream))
                .and_then(|n| if n == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) })
                .inspect(|()| drop(news.send(News::FileSent(id, file)))),
        };
        waiting = outbox.lock().unwrap();
        waiting.queue.set_stuck(false);
        if written.is_err() {
            return waiting.end.map_or(CloseReason::Failed, |(_, reason)| reason);
        }
    }
}
