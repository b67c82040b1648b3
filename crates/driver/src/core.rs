//! The machine under its lock, and the way from what it says to who carries it out.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machine::{
    CloseReason, ConnId, Datagram, Input, Instant, Machine, Opened, Output, Peer, Service, SocketId,
    Transport,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::conn::{Conn, Taken};
use crate::events::{EventQueue, Events};
use crate::file::OpenFile;
use crate::frame::Framer;
use crate::limits::Limits;
use crate::timer::{self, Timer};
use crate::udp::{self, Socket};

/// Runs one machine. Clones are handles to the same machine.
pub struct Driver<M: Machine>(pub(crate) Arc<Core<M>>);

impl<M: Machine> Clone for Driver<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Machine> fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl<M> Driver<M>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    /// Takes charge of a machine. Must be called within a tokio runtime.
    pub fn start(machine: M, limits: Limits) -> (Self, Events<M::Event>) {
        let none: OpenFile = Arc::new(|_| Err(io::ErrorKind::NotFound.into()));
        Self::start_with_files(machine, limits, none)
    }

    /// The same for a machine that sends files: `open` is asked for each as its turn comes.
    pub fn start_with_files(machine: M, limits: Limits, open: OpenFile) -> (Self, Events<M::Event>) {
        let events = Arc::new(EventQueue::new(limits.max_events));
        let core = Arc::new(Core {
            state: Mutex::new(State { machine, conns: ConnTable::default(), sockets: HashMap::new() }),
            timer: Arc::new(Timer::new(limits.stay_awake)),
            connections: AtomicUsize::new(0),
            limits,
            events: events.clone(),
            open,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: tokio::runtime::Handle::current(),
        });
        let wall = timer::tell_wall_clock(&core, None);
        let (timer, weak) = (core.timer.clone(), Arc::downgrade(&core));
        let started =
            std::thread::Builder::new().name("timer".into()).spawn(move || timer::run(&timer, &weak, wall));
        if let Err(error) = started {
            // Without its timer no machine can keep a promise; end at once rather than run half.
            tracing::error!(%error, "no thread for the timer");
            core.stop();
        }
        (Self(core), Events::new(events))
    }

    /// A local call into the machine. What the machine says is carried out before this returns.
    pub fn call<R>(&self, f: impl FnOnce(&mut M, Instant) -> R) -> R {
        self.0.run(f)
    }

    /// Resolved when the driver has been told to stop.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<M> {
        self.0.stop.clone().cancelled_owned()
    }

    /// Stops listening, sends what is queued, closes all connections and waits for that, at most `grace` long.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.stop();
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not take what was queued for them in time");
        }
        self.0.events.end();
    }
}

impl<M: Machine> Driver<M> {
    /// Whether the driver has been told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// How many connections stand.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }
}

/// What all parts of one driver share.
pub(crate) struct Core<M: Machine> {
    state: Mutex<State<M>>,
    timer: Arc<Timer>,
    connections: AtomicUsize,
    pub(crate) limits: Limits,
    pub(crate) events: Arc<EventQueue<M::Event>>,
    pub(crate) open: OpenFile,
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
}

struct State<M> {
    machine: M,
    conns: ConnTable,
    sockets: HashMap<SocketId, Arc<Socket>>,
}

impl<M: Machine> Core<M> {
    fn stop(&self) {
        self.stop.cancel();
        self.timer.end();
    }
}

impl<M: Machine> Drop for Core<M> {
    fn drop(&mut self) {
        self.stop();
        self.events.end();
    }
}

impl<M> Core<M>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    /// Calls the machine, then carries out what it said.
    pub(crate) fn run<R>(&self, f: impl FnOnce(&mut M, Instant) -> R) -> R {
        self.run_state(|state, now| f(&mut state.machine, now))
    }

    fn run_state<R>(&self, f: impl FnOnce(&mut State<M>, Instant) -> R) -> R {
        let mut work = Work::default();
        let result = self.locked(&mut work, f);
        // What is carried out may give the machine something to hear, and then more to say.
        while !work.is_empty() {
            let Work { conns, mails } = mem::take(&mut work);
            for conn in conns {
                conn.flush();
            }
            for Mail { socket, datagrams } in mails {
                for group in datagrams.chunk_by(udp::are_alike) {
                    let [datagram] = group else {
                        socket.send_all(group);
                        continue;
                    };
                    if let Some((tag, left)) = socket.send(datagram) {
                        let (peer, input) = (Peer::Udp(datagram.to), Input::DatagramSent { tag, left });
                        self.locked(&mut work, |state, now| state.machine.handle_input(now, peer, input));
                    }
                }
            }
        }
        result
    }

    fn locked<R>(&self, work: &mut Work, f: impl FnOnce(&mut State<M>, Instant) -> R) -> R {
        let mut state = self.lock();
        // Read under the lock, so that the machine's time never goes backwards.
        let now = clock::now();
        let result = f(&mut state, now);
        self.collect(&mut state, now, work);
        result
    }

    /// Sorts what the machine says to where it goes; nothing is written here, as the lock is held.
    fn collect(&self, state: &mut State<M>, now: Instant, work: &mut Work) {
        let mut framer = Framer::default();
        loop {
            let mut left_out: Vec<(ConnId, u32)> = Vec::new();
            while let Some(output) = state.machine.poll_output() {
                match output {
                    Output::Send { to, data, keep } => {
                        let Some(conn) = state.conns.get(to) else {
                            continue;
                        };
                        let data = if conn.is_framed() { framer.frame(data) } else { Some(data) };
                        let Some(data) = data else { continue };
                        match conn.push(data, keep, self.limits.queue) {
                            Taken::First => work.conns.push(conn.clone()),
                            Taken::More => {}
                            Taken::LeftOut => match left_out.iter_mut().find(|(id, _)| *id == to) {
                                Some((_, n)) => *n += 1,
                                None => left_out.push((to, 1)),
                            },
                        }
                    }
                    Output::SendFile { to, file, offset, len } => {
                        let Some(conn) = state.conns.get(to) else {
                            continue;
                        };
                        if conn.push_file(file, offset, len, self.limits.queue) == Taken::First {
                            work.conns.push(conn.clone());
                        }
                    }
                    Output::Close { conn, how } => {
                        let Some(conn) = state.conns.get(conn) else {
                            continue;
                        };
                        if conn.close(how) == Taken::First {
                            work.conns.push(conn.clone());
                        }
                    }
                    Output::Datagram(datagram) => work.add(datagram, &state.sockets),
                    Output::Event(event) => self.events.push(event),
                }
            }
            if left_out.is_empty() {
                break;
            }
            for (id, n) in left_out {
                state.machine.handle_input(now, Peer::Conn(id), Input::Dropped(n));
            }
        }
        self.timer.plan(state.machine.poll_timeout());
    }

    /// Wakes the machine if its time has come.
    pub(crate) fn timeout_if_due(&self) {
        self.run(|m, now| {
            if m.poll_timeout().is_some_and(|t| t <= now) {
                m.handle_timeout(now);
            }
        });
    }

    /// Brings a new connection to the machine. `None`: there are too many.
    pub(crate) fn open_conn(
        &self,
        service: Service,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        tcp: Option<TcpStream>,
    ) -> Option<Arc<Conn>> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.limits.max_connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%remote, max = self.limits.max_connections, "too many connections: one turned away");
            return None;
        }
        let opened = Opened { service, local, remote, transport };
        Some(self.run_state(|state, now| {
            let framed = tcp.is_some() && transport == Transport::WebSocket;
            let conn = state.conns.insert(tcp, framed);
            state.machine.handle_input(now, Peer::Conn(conn.id), Input::Opened(opened));
            conn
        }))
    }

    /// Tells the machine that a connection is gone.
    pub(crate) fn conn_closed(&self, id: ConnId, reason: CloseReason) {
        tracing::debug!(conn = id.0, ?reason, "connection closed");
        self.run_state(|state, now| {
            state.conns.remove(id);
            state.machine.handle_input(now, Peer::Conn(id), Input::Closed(reason));
        });
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Runs a task that [`Driver::shutdown`] waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    pub(crate) fn add_socket(&self, socket: Arc<Socket>) {
        self.lock().sockets.insert(socket.id, socket);
    }

    /// Takes a socket from the machine; its thread ends within its receive timeout.
    pub(crate) fn remove_socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.lock().sockets.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be written once the machine's lock is released.
#[derive(Default)]
struct Work {
    conns: Vec<Arc<Conn>>,
    mails: Vec<Mail>,
}

/// What leaves by one socket, up to the first that leaves by another.
struct Mail {
    socket: Arc<Socket>,
    datagrams: Vec<Datagram>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.conns.is_empty() && self.mails.is_empty()
    }

    fn add(&mut self, datagram: Datagram, sockets: &HashMap<SocketId, Arc<Socket>>) {
        let id = datagram.to.socket;
        match self.mails.last_mut() {
            Some(last) if last.socket.id == id => last.datagrams.push(datagram),
            _ => match sockets.get(&id) {
                Some(socket) => self.mails.push(Mail { socket: socket.clone(), datagrams: vec![datagram] }),
                None => tracing::debug!(socket = id.0, "a datagram for a closed socket"),
            },
        }
    }
}

/// Connections by id: the low half of an id is a place in the table, the high half says how often it was used, so
/// that an id is never given twice.
#[derive(Default)]
struct ConnTable {
    places: Vec<(u32, Option<Arc<Conn>>)>,
    free: Vec<u32>,
}

impl ConnTable {
    fn get(&self, id: ConnId) -> Option<&Arc<Conn>> {
        let (use_count, place) = split(id);
        match self.places.get(place) {
            Some((n, Some(conn))) if *n == use_count => Some(conn),
            _ => None,
        }
    }

    fn insert(&mut self, tcp: Option<TcpStream>, framed: bool) -> Arc<Conn> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let entry = &mut self.places[place as usize];
        entry.0 += 1;
        let id = ConnId(u64::from(entry.0) << 32 | u64::from(place));
        let conn = Arc::new(Conn::new(id, tcp, framed));
        entry.1 = Some(conn.clone());
        conn
    }

    fn remove(&mut self, id: ConnId) {
        let (use_count, place) = split(id);
        if let Some(entry) = self.places.get_mut(place).filter(|e| e.0 == use_count)
            && entry.1.take().is_some()
            && use_count < u32::MAX
        {
            self.free.push(place as u32);
        }
    }
}

fn split(id: ConnId) -> (u32, usize) {
    ((id.0 >> 32) as u32, (id.0 & 0xffff_ffff) as usize)
}
