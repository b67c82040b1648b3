use machine::{CloseReason, Instant, Keep, Machine, Transport};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::{ServerMessage, SessionId, TimecodeKind};
use smpte_timecode::server::{Event, Server, SessionSpec};

use super::outputs::{Connections, Sent, later, wake, with_ids};
use crate::input::Input;

/// What happens to a server; each is one byte, and what it needs after it.
pub(crate) mod op {
    /// `flags`: a connection, a WebSocket with 1.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), text`: a line, to which LF is added; `$1` is the id of the first session.
    pub(crate) const LINE: u8 = 1;
    /// `connection, length (2), bytes`: bytes as they are.
    pub(crate) const BYTES: u8 = 2;
    /// `connection, length (2), bytes`: the last of a stream.
    pub(crate) const END: u8 = 3;
    /// `connection`: gone.
    pub(crate) const CLOSE: u8 = 4;
    /// `nanoseconds (8)`: time passes, woken at each deadline.
    pub(crate) const WAIT: u8 = 5;
    /// `nanoseconds (8)`: time passes, woken at the end.
    pub(crate) const LATE: u8 = 6;
    /// `nanoseconds (8)`: time passes, not woken.
    pub(crate) const PASS: u8 = 7;
    /// `unix nanoseconds (8)`: the wall clock.
    pub(crate) const WALL: u8 = 8;
    /// `rate, label, flags`: the program makes a session, with a name (1), pinned (2).
    pub(crate) const CREATE: u8 = 9;
    /// `session, what, label, at (8)`: the program starts, stops, resets, removes or steers it.
    pub(crate) const STEER: u8 = 10;
    /// What the next operation causes is not taken before the one after it has been done.
    pub(crate) const UNDRAINED: u8 = 11;
    /// How many there are.
    pub(crate) const COUNT: u8 = 12;
}

/// Labels that programs give.
const LABELS: [&str; 12] = [
    "00:00:00:00",
    "23:59:59:24",
    "00:00:59;29",
    "00:00:59:28",
    "23:59:59:29",
    "00:01:00;00",
    "99:99:99:99",
    "-1:00:00:00",
    "1:2:3:4",
    "1:2:3",
    "",
    "12:34:56:119",
];

/// More operations than these are not done.
const MAX_STEPS: usize = 300;
/// A wait is woken at most so often.
const MAX_WAKES: usize = 200;

/// `flags, operations`: a server to which anything happens. With the flags 1 its labels are the original's, with 2 it
/// has little room for clients and sessions, with 4 for announcements, with 8 for lines.
pub fn server(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.end();
}

struct World {
    server: Server,
    now: Instant,
    connections: Connections,
    sessions: Vec<SessionId>,
    /// Operations whose outputs wait, and the bytes given in them.
    waiting: (usize, usize),
}

impl World {
    fn new(flags: u8) -> Self {
        let mut config =
            ServerConfig::new([7; 32]).with_truncated_labels(flags & 1 != 0).with_max_clients(40);
        if flags & 2 != 0 {
            config = config.with_max_clients(3).with_max_sessions(2);
        }
        if flags & 4 != 0 {
            config = config.with_announcements(3, 2);
        }
        if flags & 8 != 0 {
            config.max_line = 100;
        }
        Self {
            server: Server::new(config),
            now: Instant::from_nanos(1_000_000_000),
            connections: Connections::new(),
            sessions: Vec::new(),
            waiting: (0, 0),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let mut op = input.byte() % op::COUNT;
        let hold = op == op::UNDRAINED;
        while op == op::UNDRAINED {
            if input.is_empty() {
                return;
            }
            op = input.byte() % op::COUNT;
        }
        let (held, mut given) = self.waiting;
        if held == 0 {
            self.connections.begin();
        }
        match op {
            op::OPEN => {
                let transport = if input.flag() { Transport::WebSocket } else { Transport::Stream };
                self.connections.open(&mut self.server, self.now, transport);
            }
            op::LINE | op::BYTES | op::END => {
                let connection = self.connections.pick(input.byte());
                let length = usize::from(input.u16());
                let mut bytes = input.take(length).to_vec();
                if op == op::LINE {
                    bytes = with_ids(&bytes, &self.sessions);
                    bytes.push(b'\n');
                }
                given += bytes.len();
                if let Some(conn) = connection {
                    self.connections.give(&mut self.server, self.now, conn, &bytes, op == op::END);
                }
            }
            op::CLOSE => {
                if let Some(conn) = self.connections.pick(input.byte()) {
                    self.connections.close(&mut self.server, self.now, conn, CloseReason::Remote);
                }
            }
            op::WAIT => self.wait(input.u64()),
            op::LATE => {
                self.now = later(self.now, input.u64());
                wake(&mut self.server, self.now);
                if held == 0 {
                    self.drain();
                    // one update with the label of now, and the outcome of commands that were held back
                    assert!(self.connections.most_sent() <= 3, "a burst after a late wake");
                }
            }
            op::PASS => self.now = later(self.now, input.u64()),
            op::WALL => self.server.handle_wall_clock(self.now, input.i64()),
            op::CREATE => self.create(input),
            op::STEER => self.steer(input),
            _ => unreachable!("operations are below {}", op::COUNT),
        }
        if hold {
            self.connections.hold();
            self.waiting = (held + 1, given);
            return;
        }
        self.waiting = (0, 0);
        self.drain();
        // no input may cause more than its size times what it is told to: 20 bytes are the shortest command
        let (clients, sessions) = (self.connections.count(), self.sessions.len());
        if !matches!(op, op::WAIT) {
            let most = given + (given / 20 + 4 * (held + 1)) * (2 * clients + 8 + sessions);
            assert!(
                self.connections.outputs() <= most,
                "{} outputs, {most} at most",
                self.connections.outputs()
            );
        }
        self.look();
    }

    fn wait(&mut self, nanos: u64) {
        let end = later(self.now, nanos);
        self.drain();
        for _ in 0..MAX_WAKES {
            let Some(deadline) = self.server.poll_timeout().filter(|&deadline| deadline <= end) else {
                break;
            };
            self.now = self.now.max(deadline);
            self.connections.begin();
            wake(&mut self.server, self.now);
            self.drain();
            assert!(self.connections.most_sent() <= 3, "a burst");
        }
        // beyond that it is woken late
        self.now = end;
        wake(&mut self.server, self.now);
    }

    fn create(&mut self, input: &mut Input<'_>) {
        let rates: Vec<_> = self.server.framerates().map(|rate| rate.name()).collect();
        let mut spec = SessionSpec::new(input.pick(&rates)).with_label(input.pick(&LABELS));
        let flags = input.byte();
        if flags & 1 != 0 {
            spec = spec.with_name("Studio \"1\"\u{1f3ac}");
        }
        if flags & 2 != 0 {
            spec = spec.pinned();
        }
        if let Ok(id) = self.server.create_session(self.now, spec) {
            assert!(self.server.session(self.now, id).is_some());
        }
    }

    fn steer(&mut self, input: &mut Input<'_>) {
        let (session, what) = (usize::from(input.byte()), input.byte());
        let (label, at) = (input.pick(&LABELS), input.u64());
        let unknown = SessionId::from_random([9; 16]);
        let id = self.sessions.get(session % self.sessions.len().max(1)).copied().unwrap_or(unknown);
        // near to now, or anywhere
        let at = if what & 0x80 != 0 { at } else { self.now.as_nanos().wrapping_add(at % 100_000_000) };
        let done = match what % 5 {
            0 => self.server.start(self.now, id),
            1 => self.server.stop(self.now, id),
            2 => self.server.reset(self.now, id, label),
            3 => self.server.remove(self.now, id),
            _ => self.server.steer(self.now, id, label, Instant::from_nanos(at)),
        };
        if let Err(error) = done {
            assert!(!error.to_string().is_empty());
        }
    }

    fn drain(&mut self) {
        let sessions = &mut self.sessions;
        let event = |event: Event| match event {
            Event::SessionCreated { id, .. } => sessions.push(id),
            Event::SessionRemoved { id, .. } => sessions.retain(|&known| known != id),
            _ => {}
        };
        self.connections.drain(&mut self.server, self.now, check, event);
    }

    /// What the program can see.
    fn look(&self) {
        let status = self.server.status();
        assert_eq!(status.active_sessions, self.sessions.len());
        assert!(status.connected_clients <= self.connections.count());
        assert!(!status.to_string().is_empty());
        let mut members = 0;
        for session in self.server.sessions(self.now) {
            assert!(self.sessions.contains(&session.id));
            assert!(!session.label.to_string().is_empty());
            members += session.client_count;
        }
        assert!(members <= status.connected_clients, "each is in one session at most");
    }

    /// All go; what is not pinned goes with them, and then nothing is left to do.
    fn end(mut self) {
        while let Some(conn) = self.connections.pick(0) {
            self.drain();
            self.connections.close(&mut self.server, self.now, conn, CloseReason::Failed);
        }
        self.drain();
        assert_eq!(self.server.status().connected_clients, 0);
        assert!(self.server.sessions(self.now).all(|session| session.client_count == 0));
        for id in std::mem::take(&mut self.sessions) {
            assert_eq!(self.server.remove(self.now, id), Ok(()));
        }
        self.drain();
        assert!(self.server.status().is_idle());
        assert_eq!(self.server.poll_timeout(), None);
    }
}

/// All that is sent is read back and written again byte for byte; only updates may be left out.
pub(super) fn check(Sent { line, keep }: Sent) {
    let message = ServerMessage::parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(message.to_line(), format!("{line}\n"));
    let is_update = matches!(&message, ServerMessage::Timecode(told) if told.kind == TimecodeKind::Update);
    assert_eq!(keep == Keep::Latest, is_update, "{line}");
}
