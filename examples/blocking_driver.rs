//! A driver without tokio: threads, blocking sockets and a channel, from the standard library alone.
//!
//! The thread that calls [`serve`] owns the machine and waits on the channel until the machine's next deadline. Each
//! connection has a thread that reads and one that writes, so a peer that does not read stops its own writer and nobody
//! else. All that grows is bounded. The real driver adds WebSockets, datagrams, keep-alive and steps of the wall clock.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant as StdInstant, SystemTime};
use std::{collections::HashMap, fs::File};

use bytes::BytesMut;
use machine::{CloseReason, Closing, ConnId, FileToken, Input, Instant, Item, Keep, Machine, Opened, Output};
use machine::{Peer, Pushed, QueueLimits, SendQueue, Service, Transport};

const MAX_CONNECTIONS: usize = 256; // with two threads each
const MAX_UNREAD: usize = 1 << 20; // bytes that a machine may leave for later
const QUEUE: QueueLimits = QueueLimits { max_bytes: 256 << 10, if_room_bytes: 128 << 10 };
const BEHIND: QueueLimits = QueueLimits { max_bytes: 16 << 10, ..QUEUE }; // more: only the newest update
const PATIENCE: Duration = Duration::from_secs(30); // a peer that takes nothing for so long is closed
const LINGER: Duration = Duration::from_millis(500); // read on after the end, lest a reset destroys our last words

type OpenFile = fn(FileToken) -> io::Result<File>;

/// Serves `listeners` with `machine` as long as the process runs. `open_file` opens the files that the machine names;
/// `on_event` is called with what the machine reports, and with the machine, so that it can act on it.
pub fn serve<M: Machine>(
    mut machine: M,
    listeners: Vec<(TcpListener, Service)>,
    open_file: OpenFile,
    mut on_event: impl FnMut(M::Event, &mut M, Instant),
) -> ! {
    let (news, inbox) = mpsc::sync_channel(64); // when it is full, peers are not read
    for (listener, service) in listeners {
        let news = news.clone();
        thread::spawn(move || {
            listener.incoming().for_each(|stream| match stream {
                Ok(stream) => drop(news.send(News::Accepted(stream, service))),
                Err(_) => thread::sleep(LINGER), // too many descriptors: the connections that stand go on
            });
        });
    }
    let unix_time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    machine.handle_wall_clock(Instant::default(), i64::try_from(unix_time.as_nanos()).unwrap_or(i64::MAX));
    let (epoch, mut next_id) = (StdInstant::now(), 0);
    let mut conns = HashMap::<ConnId, (Arc<Link>, BytesMut)>::new();
    loop {
        let clock = || Instant::default() + epoch.elapsed();
        let now = clock();
        machine.handle_timeout(now); // at every turn, so that no peer can keep it from its time by talking
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, keep } => {
                    let limits = if keep == Keep::Latest { BEHIND } else { QUEUE };
                    if conns.get(&to).is_some_and(|(link, _)| !link.queue(|q| q.push(data, keep, limits))) {
                        machine.handle_input(now, Peer::Conn(to), Input::Dropped(1));
                    }
                }
                Output::SendFile { to, file, offset, len } => {
                    conns.get(&to).map(|(link, _)| link.queue(|q| q.push_file(file, offset, len, QUEUE)));
                }
                Output::Close { conn, how } => {
                    conns.get(&conn).inspect(|(link, _)| link.end(how, CloseReason::Local));
                }
                Output::Datagram(_) => {} // there are no sockets for these
                Output::Event(event) => on_event(event, &mut machine, now),
            }
        }
        let wait = machine.poll_timeout().map_or(PATIENCE, |due| due.saturating_since(clock()));
        let heard = inbox.recv_timeout(wait);
        let now = clock();
        match heard {
            Ok(News::Accepted(stream, service)) if conns.len() < MAX_CONNECTIONS => {
                let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { continue };
                let (id, transport) = (ConnId(next_id), Transport::Stream);
                next_id += 1;
                conns.insert(id, (Link::start(id, stream, open_file, &news), BytesMut::new()));
                let opened = Opened { service, local, remote, transport };
                machine.handle_input(now, Peer::Conn(id), Input::Opened(opened));
            }
            Ok(News::Read(id, bytes)) => {
                // What a connection says that is ending is not heard.
                let conn = conns.get_mut(&id).filter(|(link, _)| link.outbox.lock().unwrap().1.is_none());
                if let Some((link, unread)) = conn {
                    unread.extend_from_slice(&bytes);
                    let input = if bytes.is_empty() { Input::End(unread) } else { Input::Bytes(unread) };
                    machine.handle_input(now, Peer::Conn(id), input);
                    if unread.len() > MAX_UNREAD {
                        link.end(Closing::Now, CloseReason::Overflow);
                    }
                }
            }
            Ok(News::FileSent(id, file)) => machine.handle_input(now, Peer::Conn(id), Input::FileSent(file)),
            Ok(News::Gone(id, reason)) => {
                conns.remove(&id);
                machine.handle_input(now, Peer::Conn(id), Input::Closed(reason));
            }
            Ok(News::Accepted(..)) | Err(_) => {} // one too many; nothing but time has passed
        }
    }
}

/// What the other threads tell.
enum News {
    Accepted(TcpStream, Service),
    Read(ConnId, Vec<u8>), // nothing: there will be no more
    FileSent(ConnId, FileToken),
    Gone(ConnId, CloseReason),
}

/// A connection, as its threads and the machine's share it.
struct Link {
    stream: TcpStream,
    outbox: Mutex<(SendQueue, Option<(Closing, CloseReason)>)>, // what to send; how and why to end
    changed: Condvar,
}

impl Link {
    fn start(id: ConnId, stream: TcpStream, open_file: OpenFile, news: &SyncSender<News>) -> Arc<Self> {
        let _ = (stream.set_nodelay(true), stream.set_write_timeout(Some(PATIENCE)));
        let link = Arc::new(Self { stream, outbox: Mutex::default(), changed: Condvar::new() });
        let (reading, writing, told, news) = (link.clone(), link.clone(), news.clone(), news.clone());
        let writer = thread::spawn(move || writing.write(id, open_file, &news));
        thread::spawn(move || reading.read(id, &told, writer.thread()));
        link
    }

    fn read(&self, id: ConnId, news: &SyncSender<News>, writer: &Thread) {
        let mut chunk = [0; 8192];
        while let Ok(n) = (&self.stream).read(&mut chunk) {
            let _ = news.send(News::Read(id, chunk[..n].to_vec()));
            if n == 0 || matches!(self.outbox.lock().unwrap().1, Some((Closing::Now, _))) {
                return writer.unpark();
            }
        }
        self.end(Closing::Now, CloseReason::Failed);
    }

    fn write(&self, id: ConnId, open_file: OpenFile, news: &SyncSender<News>) {
        let reason = loop {
            let outbox = self.outbox.lock().unwrap();
            let mut outbox = self.changed.wait_while(outbox, |o| o.0.is_empty() && o.1.is_none()).unwrap();
            outbox.0.set_stuck(false);
            let item = match (outbox.1, outbox.0.pop_front()) {
                (Some((Closing::Now, reason)), _) => break reason,
                (_, Some(item)) => item,
                (Some((_, reason)), None) => {
                    drop(outbox);
                    let _ = self.stream.shutdown(Shutdown::Write);
                    thread::park_timeout(LINGER); // or until all is read
                    break reason;
                }
                (None, None) => continue,
            };
            drop(outbox);
            let sent = match item {
                Item::Data(data) => (&self.stream).write_all(data.as_bytes()),
                Item::File { file, offset, len } => open_file(file)
                    .and_then(|mut source| source.seek(SeekFrom::Start(offset)).map(|_| source.take(len)))
                    .map_err(|_| ErrorKind::UnexpectedEof.into())
                    .and_then(|mut part| io::copy(&mut part, &mut &self.stream))
                    .and_then(|n| if n == len { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) })
                    .inspect(|()| drop(news.send(News::FileSent(id, file)))),
            };
            match sent.map_err(|error| error.kind()) {
                Ok(()) => {}
                Err(ErrorKind::WouldBlock) => self.end(Closing::Now, CloseReason::SlowReader),
                Err(ErrorKind::UnexpectedEof) => self.end(Closing::Now, CloseReason::FileFailed),
                Err(_) => self.end(Closing::Now, CloseReason::Failed),
            }
        };
        let _ = self.stream.shutdown(Shutdown::Both); // ends the reader
        let _ = news.send(News::Gone(id, reason));
    }

    /// Queues something, unless there is no room for it. A peer for which too much waits is cut off.
    fn queue(&self, push: impl FnOnce(&mut SendQueue) -> Pushed) -> bool {
        let pushed = push(&mut self.outbox.lock().unwrap().0);
        self.changed.notify_one();
        if pushed == Pushed::Overflow {
            self.end(Closing::Now, CloseReason::SlowReader);
        }
        pushed != Pushed::LeftOut
    }

    fn end(&self, how: Closing, reason: CloseReason) {
        match &mut self.outbox.lock().unwrap().1 {
            Some((before, _)) if *before == Closing::Now || how != Closing::Now => {}
            end => *end = Some((how, reason)),
        }
        self.changed.notify_one();
        if how == Closing::Now {
            let _ = self.stream.shutdown(Shutdown::Both); // frees a writer that is stuck
        }
    }
}
