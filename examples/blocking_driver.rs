//! A driver without tokio: threads and blocking sockets, from the standard library alone.
//!
//! One mutex holds the machine and what waits to be sent. Each connection has a thread that reads and one that writes,
//! and neither waits for its peer with the mutex locked: a peer that does not read stops its own writer and nobody
//! else. One more thread keeps the deadlines. Whatever can grow has a limit. `blocking_server.rs` shows how to use it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, Builder};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use bytes::BytesMut;
use machine::{CloseReason, Closing, ConnId, FileToken, Input, Instant, Item, Machine, Opened, Output};
use machine::{Peer, Pushed, QueueLimits, SendQueue, Service, Transport};

const MAX_CONNECTIONS: usize = 1024;
const MAX_UNREAD: usize = 1 << 20; // bytes that a machine may leave for later
const QUEUE: QueueLimits = QueueLimits { max_bytes: 256 << 10, if_room_bytes: 128 << 10 };
const STUCK: Duration = Duration::from_millis(50); // a peer that takes nothing for so long is stuck,
const PATIENCE: Duration = Duration::from_secs(30); // and is given up after so long
const LINGER: Duration = Duration::from_millis(500); // for reading on, lest a reset destroys our last words
const GRACE: Duration = Duration::from_secs(5); // for sending what is queued when the program stops

/// A machine at work.
pub struct Driver<M: Machine> {
    state: Mutex<State<M>>,
    changed: Condvar, // the machine's deadline, or the number of connections
    epoch: StdInstant,
    open_file: fn(FileToken) -> io::Result<File>,
}

struct State<M: Machine> {
    machine: M,
    on_event: Box<dyn FnMut(M::Event, &mut M, Instant) + Send>,
    conns: HashMap<ConnId, Conn>,
    next_id: u64,
    wall_offset: Duration, // from the machine's clock to the time since 1970
    stopped: bool,
}

struct Conn {
    link: Arc<(TcpStream, Condvar)>, // on which the writer waits
    queue: SendQueue,
    end: Option<(Closing, CloseReason)>,
    all_read: bool,
}

impl<M: Machine<Event: Send> + Send + 'static> Driver<M> {
    /// Takes charge of a machine. `on_event` is called with what it reports, and with the machine, to act on it.
    pub fn start(
        machine: M,
        open_file: fn(FileToken) -> io::Result<File>,
        on_event: impl FnMut(M::Event, &mut M, Instant) + Send + 'static,
    ) -> Arc<Self> {
        let (on_event, conns, wall_offset) = (Box::new(on_event), HashMap::new(), Duration::ZERO);
        let state = State { machine, on_event, conns, next_id: 0, wall_offset, stopped: false };
        let (state, changed, epoch) = (Mutex::new(state), Condvar::new(), StdInstant::now());
        let driver = Arc::new(Self { state, changed, epoch, open_file });
        let timer = driver.clone();
        thread::spawn(move || timer.keep_time());
        driver
    }

    /// Takes the connections that come to `listener`, as long as the process runs.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn serve(self: &Arc<Self>, listener: TcpListener, service: Service) -> io::Result<()> {
        let driver = self.clone();
        Builder::new().spawn(move || {
            loop {
                if listener
                    .accept()
                    .and_then(|(stream, remote)| driver.take(stream, remote, service))
                    .is_err()
                {
                    thread::sleep(STUCK); // no descriptor or thread left: the connections that stand go on
                }
            }
        })?;
        Ok(())
    }

    /// Calls the machine, then carries out what it says.
    pub fn call<R>(&self, f: impl FnOnce(&mut M, Instant) -> R) -> R {
        self.run(|state, now| f(&mut state.machine, now))
    }

    /// Closes all connections when what is queued for them is sent, and takes no more.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.conns.values_mut().for_each(|conn| conn.end(Closing::AfterFlush, CloseReason::Shutdown));
        let _ = self.changed.wait_timeout_while(state, GRACE, |state| !state.conns.is_empty());
        self.lock().conns.values_mut().for_each(|conn| conn.end(Closing::Now, CloseReason::Shutdown));
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap()
    }

    fn now(&self) -> Instant {
        Instant::default() + self.epoch.elapsed()
    }

    fn run<R>(&self, f: impl FnOnce(&mut State<M>, Instant) -> R) -> R {
        let mut state = self.lock();
        let (now, wall) = (self.now(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
        let deadline = state.machine.poll_timeout();
        let wall_offset = wall.saturating_sub(Duration::from_nanos(now.as_nanos()));
        if wall_offset.abs_diff(state.wall_offset) > Duration::from_millis(1) {
            state.wall_offset = wall_offset;
            state.machine.handle_wall_clock(now, i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX));
        }
        let result = f(&mut state, now);
        let State { machine, on_event, conns, .. } = &mut *state;
        if machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
        }
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, data, keep } => {
                    if conns.get_mut(&to).is_some_and(|conn| conn.push(|queue| queue.push(data, keep, QUEUE)))
                    {
                        machine.handle_input(now, Peer::Conn(to), Input::Dropped(1));
                    }
                }
                Output::SendFile { to, file, offset, len } => {
                    conns
                        .get_mut(&to)
                        .map(|conn| conn.push(|queue| queue.push_file(file, offset, len, QUEUE)));
                }
                Output::Close { conn, how } => {
                    conns.get_mut(&conn).map(|conn| conn.end(how, CloseReason::Local));
                }
                Output::Datagram(_) => {} // there are no sockets for these here
                Output::Event(event) => on_event(event, machine, now),
            }
        }
        if machine.poll_timeout() != deadline {
            self.changed.notify_all();
        }
        result
    }

    fn keep_time(&self) {
        while !self.run(|state, _| state.stopped) {
            let state = self.lock();
            let wait = state.machine.poll_timeout().map(|due| due.saturating_since(self.now()));
            let second = Duration::from_secs(1); // the wall clock is to be looked at now and then
            drop(self.changed.wait_timeout(state, wait.unwrap_or(second).min(second)));
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr, service: Service) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STUCK))?;
        let opened = Opened { service, local: stream.local_addr()?, remote, transport: Transport::Stream };
        let (driver, link) = (self.clone(), Arc::new((stream, Condvar::new())));
        Builder::new().spawn(move || driver.carry(&link, opened))?;
        Ok(())
    }

    fn carry(&self, link: &Arc<(TcpStream, Condvar)>, opened: Opened) {
        let opened = self.run(|state, now| {
            let id = ConnId(state.next_id);
            state.next_id += 1;
            let (link, queue) = (link.clone(), SendQueue::new());
            let room = !state.stopped && state.conns.len() < MAX_CONNECTIONS;
            room.then(|| {
                state.conns.insert(id, Conn { link, queue, end: None, all_read: false });
                state.machine.handle_input(now, Peer::Conn(id), Input::Opened(opened));
                id
            })
        });
        let Some(id) = opened else { return };
        let reason = thread::scope(|scope| {
            let reader = Builder::new().spawn_scoped(scope, || self.read(id, &link.0));
            let reason = reader.map_or(CloseReason::Failed, |_| self.write(id, link));
            let _ = link.0.shutdown(Shutdown::Both); // ends the reader
            reason
        });
        self.run(|state, now| {
            state.conns.remove(&id);
            state.machine.handle_input(now, Peer::Conn(id), Input::Closed(reason));
        });
        self.changed.notify_all();
    }

    fn read(&self, id: ConnId, mut stream: &TcpStream) {
        let (mut chunk, mut unread, mut more) = ([0; 8192], BytesMut::new(), true);
        while more {
            let read = stream.read(&mut chunk);
            more = self.run(|State { machine, conns, .. }, now| {
                let Some(conn) = conns.get_mut(&id) else { return false };
                match read {
                    Ok(n) if conn.end.is_none() => {
                        unread.extend_from_slice(&chunk[..n]);
                        let input = if n > 0 { Input::Bytes(&mut unread) } else { Input::End(&mut unread) };
                        machine.handle_input(now, Peer::Conn(id), input);
                        if unread.len() > MAX_UNREAD {
                            conn.end(Closing::Now, CloseReason::Overflow);
                        }
                    }
                    Err(ref e) if e.kind() != ErrorKind::Interrupted => {
                        conn.end(Closing::Now, CloseReason::Failed)
                    }
                    _ => {} // what a connection says that we are closing is not heard
                }
                conn.all_read = read.is_ok_and(|n| n == 0);
                conn.link.1.notify_all();
                conn.end.is_none_or(|(how, _)| how != Closing::Now) && !conn.all_read
            });
        }
    }

    fn write(&self, id: ConnId, (stream, changed): &(TcpStream, Condvar)) -> CloseReason {
        let mut state = self.lock();
        while let Some(conn) = state.conns.get_mut(&id) {
            let item = match (conn.end, conn.queue.pop_front()) {
                (Some((Closing::Now, reason)), _) => return reason,
                (_, Some(item)) => item,
                (Some((_, reason)), None) => {
                    let _ = stream.shutdown(Shutdown::Write);
                    let unread = |state: &mut State<M>| state.conns.get(&id).is_some_and(|c| !c.all_read);
                    drop(changed.wait_timeout_while(state, LINGER, unread));
                    return reason;
                }
                (None, None) => {
                    state = changed.wait(state).unwrap();
                    continue;
                }
            };
            conn.queue.set_stuck(matches!(item, Item::File { .. })); // what waits for a file waits long
            drop(state);
            let sent = match item {
                Item::Data(data) => self.send(id, stream, data.as_bytes()),
                Item::File { file, offset, len } => self.send_file(id, stream, file, offset, len),
            };
            state = self.lock();
            if let (Err(reason), Some(conn)) = (sent, state.conns.get_mut(&id)) {
                conn.end(Closing::Now, reason);
            }
        }
        CloseReason::Failed
    }

    fn send(&self, id: ConnId, mut stream: &TcpStream, mut bytes: &[u8]) -> Result<(), CloseReason> {
        let mut progress = StdInstant::now();
        while !bytes.is_empty() {
            match stream.write(bytes).map_err(|e| e.kind()) {
                Ok(n @ 1..) => (bytes, progress) = (&bytes[n..], StdInstant::now()),
                Err(ErrorKind::Interrupted) => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) if progress.elapsed() < PATIENCE => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(CloseReason::SlowReader),
                _ => return Err(CloseReason::Failed),
            }
            if !bytes.is_empty() {
                self.lock().conns.get_mut(&id).map(|conn| conn.queue.set_stuck(true));
            }
        }
        Ok(())
    }

    fn send_file(
        &self,
        id: ConnId,
        stream: &TcpStream,
        file: FileToken,
        offset: u64,
        len: u64,
    ) -> Result<(), CloseReason> {
        let failed = |_| CloseReason::FileFailed;
        let mut source = (self.open_file)(file).map_err(failed)?;
        source.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let (mut part, mut chunk) = (source.take(len), vec![0; 64 << 10]);
        while part.limit() > 0 {
            match part.read(&mut chunk) {
                Ok(n @ 1..) => self.send(id, stream, &chunk[..n])?,
                _ => return Err(CloseReason::FileFailed),
            }
        }
        self.run(|state, now| state.machine.handle_input(now, Peer::Conn(id), Input::FileSent(file)));
        Ok(())
    }
}

impl Conn {
    /// Queues something; true if it was left out. A peer for which too much waits is cut off.
    fn push(&mut self, push: impl FnOnce(&mut SendQueue) -> Pushed) -> bool {
        let pushed = if self.end.is_none() { push(&mut self.queue) } else { Pushed::Queued };
        if pushed == Pushed::Overflow {
            self.end(Closing::Now, CloseReason::SlowReader);
        }
        self.link.1.notify_all();
        pushed == Pushed::LeftOut
    }

    fn end(&mut self, how: Closing, reason: CloseReason) {
        if self.end.is_none_or(|(before, _)| how == Closing::Now && before != Closing::Now) {
            self.end = Some((how, reason));
        }
        if how == Closing::Now {
            let _ = self.link.0.shutdown(Shutdown::Both); // frees a writer that is stuck
        }
        self.link.1.notify_all();
    }
}
