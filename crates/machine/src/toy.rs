//! A worked example of the contract: a line echo with a ticker.
//!
//! The same machine runs under every driver and the simulator, whose tests are written with it.
//!
//! On a stream a line ends in `\n`; on a WebSocket each text message is a line, and so is each reply.
//!
//! | Line | Answer |
//! |---|---|
//! | `subscribe` | `tick <n>` with [`Keep::Latest`] whenever the machine's clock reads n periods since its epoch |
//! | `file <token> <len>` | `file <len>`, then so many bytes of that file from its start (streams only) |
//! | `quit` | `bye`, then the connection is closed after all is sent |
//! | anything else | `echo <line>` |
//!
//! A line of more than [`MAX_LINE`] bytes closes the connection at once, [`Input::End`] after all is sent. Binary
//! messages come back as they are. Replies on [`SHOUTING`] are in upper case (ticks are not replies, they are encoded
//! once for all); [`GREETING`] begins with `local <address>`.
//!
//! A datagram `ping<rest>` is answered by `pong<rest> <ns>`, the time it was received, and asks when that left
//! ([`Event::Stamped`]); `burst <n> <size>` by n datagrams of that size in one [`Output::Datagram`], each filled with
//! its number.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::{format, vec::Vec};
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{
    CloseReason, Closing, ConnId, Datagram, FileToken, Input, Instant, Keep, Machine, Opened, Output,
    Payload, Peer, SendTag, Service, Stamp, Transport, UdpPeer,
};

/// The service that echoes.
pub const ECHO: Service = Service(0);
/// The service that replies in upper case.
pub const SHOUTING: Service = Service(1);
/// The service that begins with its own address.
pub const GREETING: Service = Service(2);

/// Longest line in bytes, without its end.
pub const MAX_LINE: usize = 4096;
/// Longest `ping` in bytes; longer ones are ignored.
pub const MAX_PING: usize = 1200;
/// Most bytes that one `burst` sends.
pub const MAX_BURST: usize = 65_000;

/// Departures waited for at most; the oldest is given up for a newer one.
const MAX_PENDING: usize = 64;

/// What the toy reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection stands.
    Opened(ConnId, Opened),
    /// A line came.
    Line(ConnId, Bytes),
    /// A connection gets ticks from now on.
    Subscribed(ConnId),
    /// A `ping` was answered.
    Stamped {
        /// Who asked.
        peer: UdpPeer,
        /// When the `ping` arrived.
        received: Stamp,
        /// When the `pong` left.
        left: Stamp,
    },
    /// A file has gone out whole.
    FileSent(ConnId, FileToken),
    /// The wall clock was set to so many nanoseconds since 1970.
    WallClock(i64),
    /// A connection is gone.
    Closed(ConnId, CloseReason),
}

/// There is no such open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpen;

/// The machine.
#[derive(Debug)]
pub struct Toy {
    period_ns: u64,
    next_tick: u64,
    /// Open connections. One that we close is forgotten at once, so that nothing can be sent to it.
    conns: BTreeMap<ConnId, Conn>,
    subscribers: BTreeSet<ConnId>,
    /// When the pings arrived whose answers have not been reported as sent.
    pending: BTreeMap<SendTag, Stamp>,
    next_tag: u64,
    out: VecDeque<Output<Event>>,
}

#[derive(Debug)]
struct Conn {
    opened: Opened,
    /// Bytes at the front of the buffer that are known to hold no line end.
    scanned: usize,
}

impl Toy {
    /// A toy that ticks every `period` (at least 1 ns).
    pub fn new(period: Duration) -> Self {
        Self {
            period_ns: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1),
            next_tick: 0,
            conns: BTreeMap::new(),
            subscribers: BTreeSet::new(),
            pending: BTreeMap::new(),
            next_tag: 0,
            out: VecDeque::new(),
        }
    }

    /// A local call: sends a line to a connection.
    ///
    /// # Errors
    /// [`NotOpen`] if the connection never opened, or is closed by either side.
    pub fn say(&mut self, to: ConnId, line: &str) -> Result<(), NotOpen> {
        self.conns.get(&to).ok_or(NotOpen)?;
        self.send(to, Bytes::from(format!("{line}\n")), Keep::Always);
        Ok(())
    }

    fn open(&mut self, id: ConnId, opened: Opened) {
        self.conns.insert(id, Conn { opened, scanned: 0 });
        self.event(Event::Opened(id, opened));
        if opened.service == GREETING {
            self.reply(id, format!("local {}\n", opened.local).into_bytes());
        }
    }

    fn take_lines(&mut self, now: Instant, id: ConnId, buf: &mut BytesMut) {
        while let Some(Conn { scanned, .. }) = self.conns.get_mut(&id) {
            let unseen = buf.iter().take(MAX_LINE + 1).skip(*scanned);
            if let Some(at) = unseen.copied().position(|b| b == b'\n') {
                let len = core::mem::take(scanned) + at;
                let mut line = buf.split_to(len + 1);
                line.truncate(len);
                self.line(now, id, line.freeze());
            } else if buf.len() > MAX_LINE {
                self.close(id, Closing::Now);
            } else {
                *scanned = buf.len();
                return;
            }
        }
        buf.clear(); // whatever a closed connection says counts for nothing
    }

    fn line(&mut self, now: Instant, id: ConnId, line: Bytes) {
        let Some(Conn { opened, .. }) = self.conns.get(&id) else {
            return;
        };
        let stream = opened.transport == Transport::Stream;
        self.event(Event::Line(id, line.clone()));
        let words: Vec<&[u8]> = line.splitn(4, |&b| b == b' ').collect();
        match words.as_slice() {
            [b"subscribe"] => {
                if self.subscribers.is_empty() {
                    self.next_tick = now.as_nanos() / self.period_ns + 1;
                }
                self.subscribers.insert(id);
                self.event(Event::Subscribed(id));
            }
            [b"file", file, len] if stream => match (number(file), number(len)) {
                (Some(file), Some(len)) => {
                    self.reply(id, format!("file {len}\n").into_bytes());
                    let (file, offset) = (FileToken(file), 0);
                    self.out.push_back(Output::SendFile { to: id, file, offset, len });
                }
                _ => self.reply(id, b"error file\n".to_vec()),
            },
            [b"quit"] => {
                self.reply(id, b"bye\n".to_vec());
                self.close(id, Closing::AfterFlush);
            }
            _ => self.reply(id, [b"echo ", line.as_ref(), b"\n"].concat()),
        }
    }

    fn reply(&mut self, to: ConnId, mut line: Vec<u8>) {
        if self.conns.get(&to).map(|c| c.opened.service) == Some(SHOUTING) {
            line.make_ascii_uppercase();
        }
        self.send(to, line.into(), Keep::Always);
    }

    /// Sends `line`, which ends in `\n`; a message needs no line end.
    fn send(&mut self, to: ConnId, line: Bytes, keep: Keep) {
        let data = match self.conns.get(&to).map(|c| c.opened.transport) {
            Some(Transport::Stream) => Payload::Bytes(line),
            Some(Transport::WebSocket) => Payload::Text(line.slice(..line.len() - 1)),
            None => return,
        };
        self.out.push_back(Output::Send { to, data, keep });
    }

    fn close(&mut self, conn: ConnId, how: Closing) {
        self.forget(conn);
        self.out.push_back(Output::Close { conn, how });
    }

    fn forget(&mut self, conn: ConnId) {
        self.subscribers.remove(&conn);
        self.conns.remove(&conn);
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn datagram(&mut self, to: UdpPeer, data: &[u8], received: Stamp) {
        let (data, segment, stamp) = match (data.strip_prefix(b"ping"), burst(data)) {
            (Some(rest), _) if data.len() <= MAX_PING => {
                let tag = SendTag(self.next_tag);
                self.next_tag = self.next_tag.wrapping_add(1);
                self.pending.insert(tag, received);
                if self.pending.len() > MAX_PENDING {
                    self.pending.pop_first();
                }
                let at = format!(" {}", received.at.as_nanos());
                ([b"pong", rest, at.as_bytes()].concat(), None, Some(tag))
            }
            (_, Some((count, size))) => {
                let datagrams = (0..count).flat_map(|i| core::iter::repeat_n(i, size.into()));
                (datagrams.collect(), Some(size), None)
            }
            _ => return,
        };
        let data = Bytes::from(data);
        self.out.push_back(Output::Datagram(Datagram { to, data, segment, stamp }));
    }
}

#[cfg(feature = "record")]
crate::recordable! {
    /// What programs do with a [`Toy`] that is recorded.
    pub trait ToyCalls for Toy = "toy" of Duration {
        /// See [`Toy::say`].
        fn say(to: ConnId, line: &str as alloc::string::String => &line) -> Result<(), NotOpen>;
    }
}

impl Machine for Toy {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match (from, input) {
            (Peer::Conn(id), Input::Opened(opened)) => self.open(id, opened),
            (Peer::Conn(id), Input::Bytes(buf)) => self.take_lines(now, id, buf),
            (Peer::Conn(id), Input::End(buf)) => {
                self.take_lines(now, id, buf);
                buf.clear();
                if self.conns.contains_key(&id) {
                    self.close(id, Closing::AfterFlush);
                }
            }
            (Peer::Conn(id), Input::Text(text)) if self.conns.contains_key(&id) => {
                if text.len() > MAX_LINE {
                    self.close(id, Closing::Now);
                } else {
                    self.line(now, id, Bytes::copy_from_slice(text.as_bytes()));
                }
            }
            (Peer::Conn(to), Input::Binary(data)) if self.conns.contains_key(&to) => {
                let (data, keep) = (Bytes::copy_from_slice(data), Keep::Always);
                let data = Payload::Binary(data);
                self.out.push_back(Output::Send { to, data, keep });
            }
            (Peer::Conn(id), Input::FileSent(file)) => self.event(Event::FileSent(id, file)),
            (Peer::Conn(id), Input::Closed(reason)) => {
                self.forget(id);
                self.event(Event::Closed(id, reason));
            }
            (Peer::Udp(from), Input::Datagram { data, received }) => {
                self.datagram(from, data, received);
            }
            (Peer::Udp(peer), Input::DatagramSent { tag, left }) => {
                if let Some(received) = self.pending.remove(&tag) {
                    let event = Event::Stamped { peer, received, left };
                    self.event(event);
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return; // woken early
        }
        // However late it is: the one tick that is right now, and the next on the same grid.
        let tick = now.as_nanos() / self.period_ns;
        self.next_tick = tick.saturating_add(1);
        let line = Bytes::from(format!("tick {tick}\n"));
        for to in self.subscribers.clone() {
            self.send(to, line.clone(), Keep::Latest);
        }
    }

    fn handle_wall_clock(&mut self, _now: Instant, unix_ns: i64) {
        self.event(Event::WallClock(unix_ns));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = Instant::from_nanos(self.next_tick.saturating_mul(self.period_ns));
        (!self.subscribers.is_empty()).then_some(due)
    }
}

/// The n and size of `burst <n> <size>`, unless it is nothing or too much.
fn burst(data: &[u8]) -> Option<(u8, u16)> {
    let mut words = data.strip_prefix(b"burst ")?.split(|&b| b == b' ');
    let count = u8::try_from(number(words.next()?)?).ok()?;
    let size = u16::try_from(number(words.next()?)?).ok()?;
    let total = usize::from(count) * usize::from(size);
    (words.next().is_none() && total > 0 && total <= MAX_BURST).then_some((count, size))
}

fn number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// The README's example is tested with this module.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
