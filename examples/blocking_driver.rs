//! A driver without tokio: threads, blocking sockets and a channel, from the standard library alone.
//!
//! The thread that calls [`serve`] owns the machine; it waits on the channel until the machine's next deadline. Each
//! connection has a thread that reads and one that writes, so a peer that does not read stops its own writer and
//! nobody else. All that grows is bounded. `blocking_server.rs` shows it at work.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant as StdInstant, SystemTime};
use std::{collections::HashMap, fs::File, thread};

use bytes::BytesMut;
use machine::{CloseReason, Closing, ConnId, FileToken, Input, Instant, Item, Machine, Opened, Output};
use machine::{Peer, Pushed, QueueLimits, SendQueue, Service, Transport};

const MAX_CONNECTIONS: usize = 256; // with two threads each
const MAX_UNREAD: usize = 1 << 20; // bytes that a machine may leave for later
const QUEUE: QueueLimits = QueueLimits { max_bytes: 256 << 10, if_room_bytes: 128 << 10 };
const PATIENCE: Duration = Duration::from_secs(30); // a peer that takes nothing for so long is closed
const LINGER: Duration = Duration::from_millis(500); // read on after the end, lest a reset destroys our last words

/// Serves `listeners` with `machine` as long as the process runs. `open_file` opens the files that the machine names;
/// `on_event` is called with what the machine reports, and with the machine, so that it can act on it.
pub fn serve<M: Machine>(
    mut machine: M,
    listeners: Vec<(TcpListener, Service)>,
    open_file: fn(FileToken) -> io::Result<File>,
    mut on_event: impl FnMut(M::Event, &mut M, Instant),
) -> ! {
    let (news, inbox) = mpsc::sync_channel(64); // when it is full, peers are not read
    for (listener, service) in listeners {
        let news = news.clone();
        thread::spawn(move || accept(&listener, service, &news));
    }
    let (epoch, mut wall_offset, mut next_id) = (StdInstant::now(), Duration::ZERO, 0);
    let mut conns: HashMap<ConnId, (Arc<Link>, BytesMut)> = HashMap::new();
    loop {
        let now = || Instant::default() + epoch.elapsed();
        let unix_time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let offset = unix_time.saturating_sub(epoch.elapsed());
        if offset.abs_diff(wall_offset) > Duration::from_millis(1) {
            wall_offset = offset; // the machine is told at the start, and when the clock was stepped
            machine.handle_wall_clock(now(), i64::try_from(unix_time.as_nanos()).unwrap_or(i64::MAX));
        }
        let wait = machine.poll_timeout().map_or(PATIENCE, |due| due.saturating_since(now()));
        let heard = inbox.recv_timeout(wait.min(Duration::from_secs(1)));
        let now = now();
        match heard {
            Ok(News::Opened(stream, opened)) if conns.len() < MAX_CONNECTIONS => {
                let id = ConnId(next_id);
                next_id += 1;
                conns.insert(id, (Link::start(id, stream, open_file, &news), BytesMut::new()));
                machine.handle_input(now, Peer::Conn(id), Input::Opened(opened));
            }
            Ok(News::Read(id, bytes)) => {
                let Some((link, unread)) = conns.get_mut(&id) else { continue };
                unread.extend_from_slice(&bytes);
                if link.lock().end.is_none() {
                    // what it says now is not heard
                    let input = if bytes.is_empty() { Input::End(unread) } else { Input::Bytes(unread) };
                    machine.handle_input(now, Peer::Conn(id), input);
                }
                if unread.len() > MAX_UNREAD {
                    link.end(Closing::Now, CloseReason::Overflow);
                }
            }
            Ok(News::FileSent(id, file)) => machine.handle_input(now, Peer::Conn(id), Input::FileSent(file)),
            Ok(News::Gone(id, reason)) => {
                conns.remove(&id);
                machine.handle_input(now, Peer::Conn(id), Input::Closed(reason));
            }
            Ok(News::Opened(..)) | Err(_) => {}
        }
        if machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
        }
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, keep } => {
                    let link = conns.get(&to).map(|(link, _)| link);
                    if link.is_some_and(|link| !link.queue(|q| q.push(data, keep, QUEUE))) {
                        machine.handle_input(now, Peer::Conn(to), Input::Dropped(1));
                    }
                }
                Output::SendFile { to, file, offset, len } => {
                    conns.get(&to).map(|(link, _)| link.queue(|q| q.push_file(file, offset, len, QUEUE)));
                }
                Output::Close { conn, how } => {
                    conns.get(&conn).map(|(link, _)| link.end(how, CloseReason::Local));
                }
                Output::Datagram(_) => {} // there are no sockets for these
                Output::Event(event) => on_event(event, &mut machine, now),
            }
        }
    }
}

/// What the other threads tell.
enum News {
    Opened(TcpStream, Opened),
    Read(ConnId, Vec<u8>), // nothing: there will be no more
    FileSent(ConnId, FileToken),
    Gone(ConnId, CloseReason),
}

fn accept(listener: &TcpListener, service: Service, news: &SyncSender<News>) {
    let transport = Transport::Stream;
    loop {
        let opened = listener.accept().and_then(|(stream, remote)| {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let opened = Opened { service, local: stream.local_addr()?, remote, transport };
            Ok(News::Opened(stream, opened))
        });
        match opened {
            Ok(opened) => drop(news.send(opened)),
            Err(_) => thread::sleep(LINGER), // too many descriptors, perhaps: the connections that stand go on
        }
    }
}

/// A connection, as its threads and the machine's share it.
struct Link {
    id: ConnId,
    stream: TcpStream,
    outbox: Mutex<Outbox>,
    changed: Condvar,
}

#[derive(Default)]
struct Outbox {
    queue: SendQueue,
    end: Option<(Closing, CloseReason)>,
    all_read: bool,
}

impl Link {
    fn start(
        id: ConnId,
        stream: TcpStream,
        open_file: fn(FileToken) -> io::Result<File>,
        news: &SyncSender<News>,
    ) -> Arc<Self> {
        let link = Arc::new(Self { id, stream, outbox: Mutex::default(), changed: Condvar::new() });
        let (reader, writer, told, news) = (link.clone(), link.clone(), news.clone(), news.clone());
        thread::spawn(move || reader.read(&told));
        thread::spawn(move || {
            let reason = writer.write(open_file, &news);
            let _ = writer.stream.shutdown(Shutdown::Both); // ends the reader
            news.send(News::Gone(id, reason))
        });
        link
    }

    fn read(&self, news: &SyncSender<News>) {
        let mut chunk = [0; 8192];
        while let Ok(n) = (&self.stream).read(&mut chunk) {
            let told = news.send(News::Read(self.id, chunk[..n].to_vec()));
            if n == 0 || told.is_err() {
                return self.change(|outbox| outbox.all_read = true);
            }
        }
        self.end(Closing::Now, CloseReason::Failed);
    }

    /// Writes what is queued until the connection is to end.
    fn write(&self, open_file: fn(FileToken) -> io::Result<File>, news: &SyncSender<News>) -> CloseReason {
        let mut stream = &self.stream;
        loop {
            let mut outbox = self.outbox.lock().unwrap();
            outbox.queue.set_stuck(false);
            let item = match (outbox.end, outbox.queue.pop_front()) {
                (Some((Closing::Now, reason)), _) => return reason,
                (_, Some(item)) => item,
                (Some((_, reason)), None) => {
                    let _ = stream.shutdown(Shutdown::Write);
                    drop(self.changed.wait_timeout_while(outbox, LINGER, |outbox| !outbox.all_read));
                    return reason;
                }
                (None, None) => {
                    drop(self.changed.wait(outbox));
                    continue;
                }
            };
            drop(outbox);
            let sent = match item {
                Item::Data(data) => stream.write_all(data.as_bytes()),
                Item::File { file, offset, len } => {
                    send_file().map(|()| drop(news.send(News::FileSent(self.id, file))))
                }
            };
            match sent.map_err(|error| error.kind()) {
                Ok(()) => {}
                Err(ErrorKind::WouldBlock) => self.end(Closing::Now, CloseReason::SlowReader),
                Err(ErrorKind::UnexpectedEof) => self.end(Closing::Now, CloseReason::FileFailed),
                Err(_) => self.end(Closing::Now, CloseReason::Failed),
            }
        }
    }

    /// Queues something, unless there is no room for it. A peer for which too much waits is cut off.
    fn queue(&self, push: impl FnOnce(&mut SendQueue) -> Pushed) -> bool {
        let pushed = self.change(|outbox| push(&mut outbox.queue));
        if pushed == Pushed::Overflow {
            self.end(Closing::Now, CloseReason::SlowReader);
        }
        pushed != Pushed::LeftOut
    }

    fn end(&self, how: Closing, reason: CloseReason) {
        self.change(|outbox| match outbox.end {
            Some((before, _)) if before == Closing::Now || how != Closing::Now => {}
            _ => outbox.end = Some((how, reason)),
        });
        if how == Closing::Now {
            let _ = self.stream.shutdown(Shutdown::Both); // frees a writer that is stuck
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbox) -> R) -> R {
        let result = change(&mut self.outbox.lock().unwrap());
        self.changed.notify_all();
        result
    }
}
