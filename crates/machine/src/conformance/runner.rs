//! Does a script to a machine as a driver would, and checks at every turn what can be checked there.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::noise::Noise;
use super::record::{Mark, Part, Record};
use super::{Bounds, Property, Report, Step, Violation};
use crate::{
    CloseReason, ConnId, FileToken, Input, Instant, Machine, Opened, Output, Payload, Peer, SendTag,
    SocketId, Stamp, Transport, UdpPeer,
};

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    pub(super) cut: Cut,
    pub(super) drain: Drain,
    /// Wakes the machine before it is due, again and again.
    pub(super) wake_early: bool,
    /// How often the deadline is read besides.
    pub(super) extra_reads: usize,
    /// Leaves out steps that do not fit instead of complaining.
    pub(super) lenient: bool,
    /// Forgets what was said.
    pub(super) forget: bool,
}

/// How stream bytes are cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Cut {
    #[default]
    Whole,
    Every(usize),
    /// By a seed.
    Random(u64),
}

/// When outputs are drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drain {
    #[default]
    EachInput,
    EachStep,
}

/// What all runs of a suite share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) sockets: &'a BTreeSet<SocketId>,
    /// Where the present run is, also after a panic.
    pub(super) step: &'a Cell<usize>,
    pub(super) report: &'a Cell<Report>,
}

pub(super) struct Runner<'a, M: Machine> {
    pub(super) machine: M,
    pub(super) now: Instant,
    pub(super) record: Record<M::Event>,
    shared: Shared<'a>,
    mode: Mode,
    name: &'a str,
    noise: Noise,
    conns: BTreeMap<ConnId, Conn>,
    /// What a driver answers to outputs; told at the end of the step.
    replies: Vec<Reply>,
    /// Whether any of them was more than the end of a connection.
    pub(super) replied: bool,
}

#[derive(Debug)]
struct Conn {
    transport: Transport,
    state: State,
    buf: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The peer sends no more.
    Ended,
    /// The machine has closed it.
    Closing,
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    FileSent(ConnId, FileToken),
    DatagramSent(UdpPeer, SendTag),
    Closed(ConnId),
}

/// The clock at the start of a run: no round number, so that it is not mistaken for one.
const START: Instant = Instant::from_nanos(1_000_000_123_457);
/// What the wall clock reads then.
const START_UNIX_NS: i64 = 1_767_225_600_000_000_000;
/// What each output is taken to weigh besides its bytes.
const OUTPUT_WEIGHT: usize = 64;
/// More outputs than this at once are never right.
const MAX_OUTPUTS: usize = 1_000_000;
/// More wakes than this in one wait are a deadline that creeps.
const MAX_WAKES: usize = 1_000_000;
/// A machine that goes on answering the driver's answers.
const MAX_REPLIES: usize = 100_000;

impl<'a, M: Machine> Runner<'a, M> {
    pub(super) fn new(machine: M, shared: Shared<'a>, mode: Mode, name: &'a str) -> Result<Self, Violation> {
        let seed = match mode.cut {
            Cut::Random(seed) => seed,
            _ => 0,
        };
        let mut runner = Self {
            machine,
            now: START,
            record: Record::new(),
            shared,
            mode,
            name,
            noise: Noise::new(seed),
            conns: BTreeMap::new(),
            replies: Vec::new(),
            replied: false,
        };
        runner.shared.step.set(0);
        runner.count(|r| r.runs += 1);
        runner.machine.handle_wall_clock(START, START_UNIX_NS);
        runner.settle(0)?;
        Ok(runner)
    }

    pub(super) fn violation(&self, property: Property, what: String) -> Violation {
        Violation { property, run: self.name.into(), step: self.shared.step.get(), what }
    }

    fn count(&self, f: impl FnOnce(&mut Report)) {
        let mut report = self.shared.report.get();
        f(&mut report);
        self.shared.report.set(report);
    }

    /// Does all steps, the first of them counted as `first`, and sees to what is due after each.
    pub(super) fn run(&mut self, first: usize, script: &[Step<M>]) -> Result<(), Violation> {
        for (i, step) in script.iter().enumerate() {
            self.shared.step.set(first + i);
            self.apply(step)?;
            self.due()?;
            let deadline = self.deadline()?;
            if !self.mode.forget {
                self.record.order.push(Mark::Deadline(deadline));
            }
        }
        Ok(())
    }

    /// Does one step, and says what a driver answers to its outputs.
    pub(super) fn apply(&mut self, step: &Step<M>) -> Result<(), Violation> {
        self.give(step)?;
        self.answer()
    }

    /// Does one step and no more.
    pub(super) fn give(&mut self, step: &Step<M>) -> Result<(), Violation> {
        match step {
            Step::Open(conn, opened) => self.open(*conn, *opened)?,
            Step::Bytes(conn, bytes) => self.bytes(*conn, bytes)?,
            Step::Text(conn, text) => {
                if self.takes(*conn, Transport::WebSocket)? {
                    self.machine.handle_input(self.now, Peer::Conn(*conn), Input::Text(text));
                    self.settle(text.len())?;
                }
            }
            Step::Binary(conn, data) => {
                if self.takes(*conn, Transport::WebSocket)? {
                    self.machine.handle_input(self.now, Peer::Conn(*conn), Input::Binary(data));
                    self.settle(data.len())?;
                }
            }
            Step::End(conn) => {
                if self.takes(*conn, Transport::Stream)? {
                    self.set_state(*conn, State::Ended);
                    self.stream(*conn, &Bytes::new(), true)?;
                }
            }
            Step::Dropped(conn, count) => {
                if self.is_open(*conn)? {
                    self.machine.handle_input(self.now, Peer::Conn(*conn), Input::Dropped(*count));
                    self.settle(0)?;
                }
            }
            Step::Closed(conn, reason) => {
                if self.is_open(*conn)? {
                    self.closed(*conn, *reason)?;
                }
            }
            Step::Datagram(peer, data) => {
                let received = Stamp::clock(self.now);
                self.machine.handle_input(self.now, Peer::Udp(*peer), Input::Datagram { data, received });
                self.settle(data.len())?;
            }
            Step::WallClock(unix_ns) => {
                self.machine.handle_wall_clock(self.now, *unix_ns);
                self.settle(0)?;
            }
            Step::Call(call) => {
                call(&mut self.machine, self.now);
                self.settle(0)?;
            }
            Step::Wait(span) => self.advance(self.now + *span)?,
            Step::Timeout => match self.deadline()? {
                Some(deadline) => self.advance(deadline.max(self.now))?,
                None if self.mode.lenient => {}
                None => return Err(self.violation(Property::Script, "no timeout is set".into())),
            },
        }
        self.drain(0)
    }

    fn open(&mut self, conn: ConnId, opened: Opened) -> Result<(), Violation> {
        if self.conns.contains_key(&conn) {
            if self.mode.lenient {
                return Ok(());
            }
            return Err(self.violation(Property::Script, format!("{conn:?} is opened twice")));
        }
        let transport = opened.transport;
        self.conns.insert(conn, Conn { transport, state: State::Open, buf: BytesMut::new() });
        self.machine.handle_input(self.now, Peer::Conn(conn), Input::Opened(opened));
        self.settle(0)
    }

    fn bytes(&mut self, conn: ConnId, bytes: &Bytes) -> Result<(), Violation> {
        if !self.takes(conn, Transport::Stream)? {
            return Ok(());
        }
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let size = match self.mode.cut {
                Cut::Whole => rest.len(),
                Cut::Every(size) => size.max(1),
                // Small pieces and large ones alike.
                Cut::Random(_) => {
                    let most = self.noise.below(rest.len());
                    1 + self.noise.below(most + 1)
                }
            };
            let piece = rest.split_to(size.min(rest.len()));
            self.stream(conn, &piece, false)?;
        }
        Ok(())
    }

    /// Gives a piece of a stream, or its end.
    pub(super) fn stream(&mut self, conn: ConnId, piece: &[u8], end: bool) -> Result<(), Violation> {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return Ok(());
        };
        let mut buf = core::mem::take(&mut entry.buf);
        buf.extend_from_slice(piece);
        let given = buf.len();
        let input = if end { Input::End(&mut buf) } else { Input::Bytes(&mut buf) };
        self.machine.handle_input(self.now, Peer::Conn(conn), input);
        let unread = buf.len();
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.buf = buf;
        }
        self.settle(given)?;
        let open = self.conns.get(&conn).is_some_and(|c| c.state == State::Open);
        let bound = self.shared.bounds.unread;
        if open && self.mode.drain == Drain::EachInput && unread > bound {
            let what = format!("{unread} bytes of {conn:?} are left unread, the bound is {bound}");
            return Err(self.violation(Property::Unread, what));
        }
        Ok(())
    }

    pub(super) fn closed(&mut self, conn: ConnId, reason: CloseReason) -> Result<(), Violation> {
        self.drain(0)?;
        self.set_state(conn, State::Gone);
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.buf = BytesMut::new();
        }
        self.machine.handle_input(self.now, Peer::Conn(conn), Input::Closed(reason));
        self.settle(0)
    }

    /// Closes what is open, and forgets all connections.
    pub(super) fn close_all(&mut self) -> Result<(), Violation> {
        let all: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in all {
            if self.conns.get(&conn).is_some_and(|c| matches!(c.state, State::Open | State::Ended)) {
                self.closed(conn, CloseReason::Remote)?;
            }
        }
        self.answer()?;
        self.conns.clear();
        Ok(())
    }

    /// Whether a step for this connection can be done.
    fn takes(&mut self, conn: ConnId, transport: Transport) -> Result<bool, Violation> {
        if !self.is_open(conn)? {
            return Ok(false);
        }
        match self.conns.get(&conn) {
            Some(entry) if entry.transport == transport && entry.state == State::Open => Ok(true),
            _ if self.mode.lenient => Ok(false),
            _ => {
                let what = format!("{conn:?} is no {transport:?}, or has ended");
                Err(self.violation(Property::Script, what))
            }
        }
    }

    pub(super) fn is_open(&self, conn: ConnId) -> Result<bool, Violation> {
        match self.conns.get(&conn).map(|c| c.state) {
            Some(State::Open | State::Ended) => Ok(true),
            Some(State::Closing | State::Gone) => Ok(false),
            None if self.mode.lenient => Ok(false),
            None => Err(self.violation(Property::Script, format!("{conn:?} never opened"))),
        }
    }

    pub(super) fn open_conns(&self) -> usize {
        self.conns.values().filter(|c| c.state == State::Open).count()
    }

    fn set_state(&mut self, conn: ConnId, state: State) {
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.state = state;
        }
    }

    /// After an input of so many bytes.
    fn settle(&mut self, given: usize) -> Result<(), Violation> {
        self.count(|r| r.inputs += 1);
        for _ in 0..self.mode.extra_reads {
            self.deadline()?;
        }
        match self.mode.drain {
            Drain::EachInput => self.drain(given),
            Drain::EachStep => Ok(()),
        }
    }

    fn drain(&mut self, given: usize) -> Result<(), Violation> {
        let mut weights: BTreeMap<Option<Peer>, usize> = BTreeMap::new();
        let mut outputs = 0;
        while let Some(output) = self.machine.poll_output() {
            outputs += 1;
            let (peer, len) = self.take(output)?;
            let weight = weights.entry(peer).or_default();
            *weight += len + OUTPUT_WEIGHT;
            if outputs > MAX_OUTPUTS {
                let what = "the machine does not stop talking".into();
                return Err(self.violation(Property::Amplification, what));
            }
        }
        self.count(|r| r.outputs += outputs as u64);
        let bounds = self.shared.bounds;
        let bound = bounds.output_per_input + bounds.output_per_byte.saturating_mul(given);
        let worst = weights.iter().max_by_key(|(_, weight)| **weight);
        match (self.mode.drain, worst) {
            (Drain::EachInput, Some((peer, &weight))) if weight > bound => {
                let what = format!("{given} bytes cause {weight} to {peer:?}, the bound is {bound}");
                Err(self.violation(Property::Amplification, what))
            }
            _ => Ok(()),
        }
    }

    /// Checks an output and notes it; says to whom it goes and how long it is.
    fn take(&mut self, output: Output<M::Event>) -> Result<(Option<Peer>, usize), Violation> {
        match output {
            Output::Send { to, data, keep } => {
                let len = data.as_bytes().len();
                let transport = self.check_open(to, "sends to")?;
                let right = match (transport, &data) {
                    (Transport::Stream, Payload::Bytes(_)) => true,
                    (Transport::WebSocket, Payload::Text(text)) => core::str::from_utf8(text).is_ok(),
                    (Transport::WebSocket, Payload::Binary(_)) => true,
                    _ => false,
                };
                if !right {
                    let what = format!("{to:?} is a {transport:?} and is sent {data:?}");
                    return Err(self.violation(Property::Payload, what));
                }
                if !self.mode.forget {
                    self.record.send(to, data, keep);
                }
                Ok((Some(Peer::Conn(to)), len))
            }
            Output::SendFile { to, file, offset, len } => {
                if self.check_open(to, "sends a file to")? != Transport::Stream {
                    let what = format!("{to:?} is a WebSocket and is sent a file");
                    return Err(self.violation(Property::Payload, what));
                }
                self.note(to, Part::File { file, offset, len });
                self.replies.push(Reply::FileSent(to, file));
                Ok((Some(Peer::Conn(to)), 0))
            }
            Output::Close { conn, how } => {
                self.check_open(conn, "closes")?;
                self.note(conn, Part::Close(how));
                self.set_state(conn, State::Closing);
                self.replies.push(Reply::Closed(conn));
                Ok((Some(Peer::Conn(conn)), 0))
            }
            Output::Datagram(datagram) => {
                let (to, len) = (datagram.to, datagram.data.len());
                if !self.shared.sockets.contains(&to.socket) {
                    let what = format!("a datagram leaves from {:?}, which is not there", to.socket);
                    return Err(self.violation(Property::KnownPeers, what));
                }
                if datagram.segment == Some(0) {
                    let what = format!("{to:?} is sent datagrams of no length");
                    return Err(self.violation(Property::Payload, what));
                }
                if let Some(tag) = datagram.stamp {
                    self.replies.push(Reply::DatagramSent(to, tag));
                }
                if !self.mode.forget {
                    self.record.datagram(datagram);
                }
                Ok((Some(Peer::Udp(to)), len))
            }
            Output::Event(event) => {
                if !self.mode.forget {
                    self.record.event(event);
                }
                Ok((None, 0))
            }
        }
    }

    fn note(&mut self, conn: ConnId, part: Part) {
        if !self.mode.forget {
            self.record.part(conn, part);
        }
    }

    fn check_open(&self, conn: ConnId, does: &str) -> Result<Transport, Violation> {
        match self.conns.get(&conn) {
            Some(Conn { state: State::Open | State::Ended, transport, .. }) => Ok(*transport),
            Some(entry) => {
                let what = format!("{does} {conn:?}, which is {:?}", entry.state);
                Err(self.violation(Property::NothingAfterClose, what))
            }
            None => Err(self.violation(Property::KnownPeers, format!("{does} {conn:?}, which never was"))),
        }
    }

    /// Tells the machine what a driver answers to its outputs.
    pub(super) fn answer(&mut self) -> Result<(), Violation> {
        let mut answered = 0;
        while !self.replies.is_empty() {
            for reply in core::mem::take(&mut self.replies) {
                answered += 1;
                match reply {
                    Reply::Closed(conn) => self.closed(conn, CloseReason::Local)?,
                    Reply::FileSent(conn, file) => {
                        self.replied = true;
                        // What follows a file may have closed the connection.
                        if self.conns.get(&conn).is_some_and(|c| c.state != State::Gone) {
                            self.machine.handle_input(self.now, Peer::Conn(conn), Input::FileSent(file));
                            self.settle(0)?;
                        }
                    }
                    Reply::DatagramSent(peer, tag) => {
                        self.replied = true;
                        let left = Stamp::clock(self.now);
                        let input = Input::DatagramSent { tag, left };
                        self.machine.handle_input(self.now, Peer::Udp(peer), input);
                        self.settle(0)?;
                    }
                }
            }
            self.drain(0)?;
            if answered > MAX_REPLIES {
                let what = "the machine goes on and on answering the driver".into();
                return Err(self.violation(Property::Amplification, what));
            }
        }
        Ok(())
    }

    pub(super) fn deadline(&self) -> Result<Option<Instant>, Violation> {
        let deadline = self.machine.poll_timeout();
        let again = self.machine.poll_timeout();
        if again != deadline {
            let what = format!("poll_timeout gives {deadline:?}, then {again:?}");
            return Err(self.violation(Property::PureTimeout, what));
        }
        Ok(deadline)
    }

    /// Lets time pass up to `until`, waking the machine whenever it asked for it.
    pub(super) fn advance(&mut self, until: Instant) -> Result<(), Violation> {
        let mut wakes = 0;
        while let Some(deadline) = self.deadline()?.filter(|d| *d <= until) {
            if self.mode.wake_early {
                self.wake_early(deadline.saturating_sub(Duration::from_nanos(1)))?;
            }
            self.wake(deadline.max(self.now))?;
            wakes += 1;
            if wakes > MAX_WAKES {
                let what = format!("{wakes} wakes in {:?}", until.saturating_since(self.now));
                return Err(self.violation(Property::DeadlineMovesOn, what));
            }
        }
        self.now = self.now.max(until);
        if self.mode.wake_early {
            self.wake_early(until)?;
        }
        Ok(())
    }

    /// Wakes a machine that is due already.
    fn due(&mut self) -> Result<(), Violation> {
        if self.mode.wake_early {
            self.wake_early(self.now)?;
        }
        match self.deadline()? {
            Some(deadline) if deadline <= self.now => self.wake(self.now),
            _ => Ok(()),
        }
    }

    /// Wakes the machine.
    pub(super) fn wake(&mut self, at: Instant) -> Result<(), Violation> {
        self.now = at;
        self.machine.handle_timeout(at);
        self.count(|r| r.wakes += 1);
        if let Some(next) = self.deadline()?.filter(|next| *next <= at) {
            let what = format!("woken at {at:?} the machine wants to be woken at {next:?}");
            return Err(self.violation(Property::DeadlineMovesOn, what));
        }
        self.settle(0)?;
        self.drain(0)?;
        self.answer()
    }

    /// Wakes the machine before it is due, if `at` is before that and not past.
    fn wake_early(&mut self, at: Instant) -> Result<(), Violation> {
        let deadline = self.deadline()?;
        if at < self.now || deadline.is_some_and(|d| d <= at) {
            return Ok(());
        }
        self.now = at;
        self.machine.handle_timeout(at);
        self.count(|r| r.early_wakes += 1);
        if self.machine.poll_output().is_some() {
            let what = format!("woken at {at:?} it speaks, though it asked for {deadline:?}");
            return Err(self.violation(Property::EarlyWake, what));
        }
        let after = self.deadline()?;
        if after != deadline {
            let what = format!("woken at {at:?} it moves its deadline from {deadline:?} to {after:?}");
            return Err(self.violation(Property::EarlyWake, what));
        }
        Ok(())
    }
}
