//! The clients of content identification and timelines.

use std::time::Duration;

use dvb_css::client::{CiiClient, CiiClientEvent, TsClient, TsClientEvent};
use dvb_css::config::TsClientConfig;
use dvb_css::message::{PresentationTimestamps, SetupData};
use dvb_css::server::{CII, TS};
use dvb_css::{Ratio, UsageError};
use machine::{CloseReason, ConnId, Input as Told, Instant, Machine, Output, Peer};

use super::opened;
use crate::input::Input;

/// What happens to both clients; each is one byte modulo [`COUNT`](op::COUNT), and what it needs after it.
pub(crate) mod op {
    /// `length (2), text`: a message.
    pub(crate) const TEXT: u8 = 0;
    /// `length (2), bytes`: a binary message.
    pub(crate) const BINARY: u8 = 1;
    /// The connections are gone.
    pub(crate) const CLOSE: u8 = 2;
    /// New ones stand.
    pub(crate) const OPEN: u8 = 3;
    /// `milliseconds (2)`: time passes.
    pub(crate) const WAIT: u8 = 4;
    /// It says what it could show.
    pub(crate) const PRESENTATION: u8 = 5;
    /// `wall clock (8)`: it says what it shows.
    pub(crate) const POSITION: u8 = 6;
    /// They end the connections.
    pub(crate) const DISCONNECT: u8 = 7;
    /// `length (2), text`: a message on connections that are gone.
    pub(crate) const LATE: u8 = 8;
    /// How many there are.
    pub(super) const COUNT: u8 = 9;
}

/// The clients of CII and TS, whose server says anything: they speak on the connection that stands and say what they want
/// once on each, before all else.
pub fn clients(data: &[u8]) {
    let mut input = Input::new(data);
    let mut both = Both::new();
    both.open();
    both.drain();
    while !input.is_empty() {
        match input.byte() % op::COUNT {
            op::TEXT => {
                let text = text(&mut input);
                both.tell(ConnId(both.conn), |machine, peer, now| {
                    machine.input(now, peer, Told::Text(&text));
                });
            }
            op::BINARY => {
                let length = usize::from(input.u16());
                let bytes = input.take(length);
                both.tell(ConnId(both.conn), |machine, peer, now| {
                    machine.input(now, peer, Told::Binary(bytes));
                });
            }
            op::CLOSE => {
                both.tell(ConnId(both.conn), |machine, peer, now| {
                    machine.input(now, peer, Told::Closed(CloseReason::Remote));
                });
                both.is_open = false;
            }
            op::OPEN => both.open(),
            op::WAIT => {
                both.now = both.now + Duration::from_millis(input.u16().into());
                if both.ts.poll_timeout().is_some_and(|due| due <= both.now) {
                    both.ts.handle_timeout(both.now);
                    assert_eq!(both.ts.poll_timeout(), None);
                }
                both.cii.handle_timeout(both.now);
                assert_eq!(both.cii.poll_timeout(), None);
            }
            op::PRESENTATION => {
                let expected = if both.has_asked { Ok(()) } else { Err(UsageError::NotConnected) };
                assert_eq!(both.ts.send_presentation(&PresentationTimestamps::ANY), expected);
            }
            op::POSITION => {
                let outcome = both.ts.send_position(input.i64());
                assert_eq!(outcome == Err(UsageError::NotAvailable), !both.ts.is_available());
                assert!(outcome.is_err() || both.has_asked);
            }
            op::DISCONNECT => {
                both.cii.disconnect();
                both.ts.disconnect();
                both.is_open = false;
            }
            _ => {
                let text = text(&mut input);
                let (cii, ts) = (both.cii.state().clone(), both.ts.is_available());
                both.tell(ConnId(both.conn - 1), |machine, peer, now| {
                    machine.input(now, peer, Told::Text(&text));
                });
                assert_eq!((both.cii.state(), both.ts.is_available()), (&cii, ts));
            }
        }
        both.drain();
        let wall = i64::try_from(both.now.as_nanos()).expect("it is early");
        assert_eq!(both.ts.ticks_at(wall).is_some(), both.ts.is_available());
        assert_eq!(both.ts.line().is_some(), both.is_available);
    }
}

/// `length (2), text`.
fn text(input: &mut Input<'_>) -> String {
    let length = usize::from(input.u16());
    String::from_utf8_lossy(input.take(length)).into_owned()
}

/// Both clients, and what they have said of themselves.
struct Both {
    cii: CiiClient,
    ts: TsClient,
    now: Instant,
    conn: u64,
    is_open: bool,
    has_asked: bool,
    is_available: bool,
    is_connected: [bool; 2],
}

/// Either of them.
trait Client {
    fn input(&mut self, now: Instant, peer: Peer, told: Told<'_>);
}

impl<M: Machine> Client for M {
    fn input(&mut self, now: Instant, peer: Peer, told: Told<'_>) {
        self.handle_input(now, peer, told);
    }
}

impl Both {
    fn new() -> Self {
        let setup = SetupData::new("dvb://", "t");
        Self {
            cii: CiiClient::new(),
            ts: TsClient::new(TsClientConfig::new(setup, Ratio::from(90_000))),
            now: Instant::from_nanos(1),
            conn: 0,
            is_open: false,
            has_asked: false,
            is_available: false,
            is_connected: [false; 2],
        }
    }

    fn tell(&mut self, conn: ConnId, told: impl Fn(&mut dyn Client, Peer, Instant)) {
        told(&mut self.cii, Peer::Conn(conn), self.now);
        told(&mut self.ts, Peer::Conn(conn), self.now);
    }

    fn open(&mut self) {
        let before = (self.is_open, ConnId(self.conn));
        self.conn += 1;
        let peer = Peer::Conn(ConnId(self.conn));
        self.cii.handle_input(self.now, peer, Told::Opened(opened(CII)));
        self.ts.handle_input(self.now, peer, Told::Opened(opened(TS)));
        self.has_asked = false;
        // The one before is closed first, and its end comes late.
        if before.0 {
            for closed in [closes(&mut self.cii), closes(&mut self.ts)] {
                assert_eq!(closed, before.1);
            }
            self.tell(before.1, |machine, peer, now| {
                machine.input(now, peer, Told::Closed(CloseReason::Local));
            });
        }
        self.is_open = true;
    }

    fn drain(&mut self) {
        while let Some(output) = self.cii.poll_output() {
            match output {
                Output::Event(CiiClientEvent::Connected) => turn(&mut self.is_connected[0], true),
                Output::Event(CiiClientEvent::Disconnected(_)) => turn(&mut self.is_connected[0], false),
                Output::Close { conn, .. } => assert_eq!(conn, ConnId(self.conn)),
                Output::Event(_) => {}
                other => panic!("it only listens: {other:?}"),
            }
        }
        while let Some(output) = self.ts.poll_output() {
            match output {
                Output::Event(TsClientEvent::Connected) => turn(&mut self.is_connected[1], true),
                Output::Event(TsClientEvent::Disconnected { .. }) => {
                    turn(&mut self.is_connected[1], false);
                    self.has_asked = false;
                }
                Output::Event(TsClientEvent::Available) => turn(&mut self.is_available, true),
                Output::Event(TsClientEvent::Unavailable) => turn(&mut self.is_available, false),
                Output::Event(_) => {}
                Output::Close { conn, .. } => assert_eq!(conn, ConnId(self.conn)),
                Output::Send { to, data, .. } => {
                    assert!(self.is_open && to == ConnId(self.conn), "{to:?} is not there");
                    let text = std::str::from_utf8(data.as_bytes()).expect("text");
                    assert_eq!(SetupData::parse(text).is_ok(), !self.has_asked, "{text}");
                    assert_eq!(PresentationTimestamps::parse(text).is_ok(), self.has_asked, "{text}");
                    self.has_asked = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.is_connected, [self.is_open; 2]);
    }
}

/// The connection that a machine closes; what it says until it says that it is gone is left out.
fn closes<M: Machine>(machine: &mut M) -> ConnId {
    let mut outputs = std::iter::from_fn(|| machine.poll_output());
    let closed = outputs.find_map(|output| match output {
        Output::Close { conn, .. } => Some(conn),
        _ => None,
    });
    closed.expect("it closes")
}

/// Something becomes what it was not.
fn turn(is: &mut bool, to: bool) {
    assert_ne!(std::mem::replace(is, to), to, "it was so already");
}
