use machine::{CloseReason, Instant, Keep, Machine, Transport};
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::message::{ClientMessage, Extensions};

use super::outputs::{Connections, Sent, later, wake};
use crate::input::Input;

/// What happens to a client; each is one byte, and what it needs after it.
pub(crate) mod op {
    /// `flags`: a connection, a WebSocket with 1.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), text`: a line, to which LF is added; `$p` is what the last ping asked.
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
    /// `what, length, text`: a command of the program.
    pub(crate) const COMMAND: u8 = 8;
    /// What the next operation causes is not taken before the one after it has been done.
    pub(crate) const UNDRAINED: u8 = 9;
    /// How many there are.
    pub(crate) const COUNT: u8 = 10;
}

const MAX_STEPS: usize = 300;
const MAX_WAKES: usize = 100;

/// `flags, operations`: a client to which anything happens. With the flag 1 it asks for no extensions.
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut config = ClientConfig::new();
    if flags & 1 != 0 {
        config = config.with_extensions(Extensions::NONE);
    }
    config.max_known_sessions = 20;
    let mut world = World {
        client: Client::new(config),
        now: Instant::from_nanos(1_000_000_000),
        connections: Connections::new(),
        pinged: String::from("0"),
        waiting: (0, 0),
    };
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.end();
}

struct World {
    client: Client,
    now: Instant,
    connections: Connections,
    /// The number of the last ping.
    pinged: String,
    /// Operations whose outputs wait, and the lines given in them.
    waiting: (usize, usize),
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let mut op = input.byte() % op::COUNT;
        let hold = op == op::UNDRAINED;
        while op == op::UNDRAINED {
            if input.is_empty() {
                return;
            }
            op = input.byte() % op::COUNT;
        }
        let (held, mut lines) = self.waiting;
        if held == 0 {
            self.connections.begin();
        }
        match op {
            op::OPEN => {
                let transport = if input.flag() { Transport::WebSocket } else { Transport::Stream };
                self.connections.open(&mut self.client, self.now, transport);
            }
            op::LINE | op::BYTES | op::END => {
                let connection = self.connections.pick(input.byte());
                let length = usize::from(input.u16());
                let mut bytes = input.take(length).to_vec();
                if op == op::LINE {
                    bytes = String::from_utf8_lossy(&bytes).replace("$p", &self.pinged).into_bytes();
                    bytes.push(b'\n');
                }
                lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
                if let Some(conn) = connection {
                    self.connections.give(&mut self.client, self.now, conn, &bytes, op == op::END);
                }
            }
            op::CLOSE => {
                if let Some(conn) = self.connections.pick(input.byte()) {
                    self.connections.close(&mut self.client, self.now, conn, CloseReason::Remote);
                }
            }
            op::WAIT => self.wait(input.u64()),
            op::LATE => {
                self.now = later(self.now, input.u64());
                wake(&mut self.client, self.now);
            }
            op::PASS => self.now = later(self.now, input.u64()),
            op::COMMAND => self.command(input),
            _ => unreachable!("operations are below {}", op::COUNT),
        }
        if hold {
            self.connections.hold();
            self.waiting = (held + 1, lines);
            return;
        }
        self.waiting = (0, 0);
        self.drain();
        let most = 2 * lines + 8 * (held + 1);
        assert!(self.connections.outputs() <= most, "{} outputs, {most} at most", self.connections.outputs());
        self.look();
    }

    fn wait(&mut self, nanos: u64) {
        let end = later(self.now, nanos);
        self.drain();
        for _ in 0..MAX_WAKES {
            let Some(deadline) = self.client.poll_timeout().filter(|&deadline| deadline <= end) else {
                break;
            };
            self.now = self.now.max(deadline);
            self.connections.begin();
            wake(&mut self.client, self.now);
            self.drain();
            assert!(self.connections.most_sent() <= 1, "a burst");
        }
        self.connections.begin();
        self.now = end;
        wake(&mut self.client, self.now);
    }

    fn command(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        let length = usize::from(input.byte());
        let text = String::from_utf8_lossy(input.take(length)).into_owned();
        // where a command takes two texts, there is a blank between them
        let (first, second) =
            text.split_once(' ').map_or((&*text, None), |(first, second)| (first, Some(second)));
        let done = match what % 9 {
            0 => self.client.create(first, second),
            1 => self.client.join(&text),
            2 => self.client.leave(),
            3 => self.client.start(),
            4 => self.client.stop(),
            5 => self.client.reset(second.is_some().then_some(first)),
            6 => self.client.request_sessions(),
            7 => self.client.request_status(),
            _ => {
                self.client.close();
                Ok(())
            }
        };
        if let Err(error) = done {
            assert!(!self.client.explain(error).to_string().is_empty());
        }
    }

    fn drain(&mut self) {
        let pinged = &mut self.pinged;
        let sent = |Sent { line, keep }: Sent| {
            let message = ClientMessage::parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(message.to_line(), format!("{line}\n"));
            assert_eq!(keep, Keep::Always);
            if let ClientMessage::Ping { t: Some(t) } = message {
                *pinged = t.into_owned();
            }
        };
        self.connections.drain(&mut self.client, self.now, sent, |_: Event| {});
    }

    /// What the program can see.
    fn look(&mut self) {
        let in_session = self.client.status().session.is_some();
        assert!(!in_session || self.connections.count() > 0);
        assert_eq!(self.client.display(self.now).is_some(), in_session);
        if let Some(moment) = self.client.moment(self.now) {
            assert!(in_session && !moment.timecode.to_string().is_empty());
        }
        if let Some(next) = self.client.next_change(self.now) {
            assert!(next > self.now, "{next:?} is not after {:?}", self.now);
        }
        if let Ok(framerates) = self.client.framerates() {
            assert!(framerates.count() <= 256);
        }
    }

    fn end(mut self) {
        while let Some(conn) = self.connections.pick(0) {
            self.connections.close(&mut self.client, self.now, conn, CloseReason::Failed);
        }
        self.drain();
        assert!(!self.client.status().connected);
        assert_eq!(self.client.poll_timeout(), None);
    }
}
