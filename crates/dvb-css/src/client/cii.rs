//! The content identification client (sheet §3). It listens.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use machine::{CloseReason, Closing, ConnId, Input, Instant, Machine, Output, Peer};

use crate::DecodeError;
use crate::message::{CiiMessage, CiiProperty};

/// The content identification client: it holds one connection, and what is known of what is shown.
#[derive(Debug, Default)]
pub struct CiiClient {
    conn: Option<ConnId>,
    state: CiiMessage,
    out: VecDeque<Output<CiiClientEvent>>,
}

/// What a content identification client reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CiiClientEvent {
    /// The connection stands. Nothing is known.
    Connected,
    /// A message came, and these properties have changed by it: none if the server said what was known.
    Received {
        /// What came.
        message: Box<CiiMessage>,
        /// What has changed.
        changed: Vec<CiiProperty>,
    },
    /// A message came that cannot be understood; what is known stays.
    Unreadable(DecodeError),
    /// The connection is gone.
    Disconnected(CloseReason),
}

impl CiiClient {
    /// Without a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known: every property's last value since the connection stands.
    pub const fn state(&self) -> &CiiMessage {
        &self.state
    }

    /// Ends the connection.
    pub fn disconnect(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.out.push_back(Output::Close { conn, how: Closing::Code(GOING_AWAY) });
            self.event(CiiClientEvent::Disconnected(CloseReason::Local));
        }
    }

    fn text(&mut self, text: &str) {
        // QUIRK(CCMA): an App2App link says so when both ends are there.
        if text == "pairingcompleted" {
            return;
        }
        match CiiMessage::parse(text) {
            Ok(message) => {
                let changed = self.state.apply(&message);
                self.event(CiiClientEvent::Received { message: Box::new(message), changed });
            }
            Err(error) => self.event(CiiClientEvent::Unreadable(error)),
        }
    }

    fn event(&mut self, event: CiiClientEvent) {
        self.out.push_back(Output::Event(event));
    }
}

impl Machine for CiiClient {
    type Event = CiiClientEvent;

    fn handle_input(&mut self, _now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Opened(_) => {
                self.disconnect();
                self.conn = Some(conn);
                self.state = CiiMessage::default();
                self.event(CiiClientEvent::Connected);
            }
            Input::Closed(reason) if self.conn == Some(conn) => {
                self.conn = None;
                self.event(CiiClientEvent::Disconnected(reason));
            }
            Input::Text(text) if self.conn == Some(conn) => self.text(text),
            Input::Binary(data) if self.conn == Some(conn) => match core::str::from_utf8(data) {
                Ok(text) => self.text(text),
                Err(_) => self.event(CiiClientEvent::Unreadable(DecodeError::Syntax { offset: 0 })),
            },
            Input::Bytes(buffer) | Input::End(buffer) => buffer.clear(),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output<CiiClientEvent>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// What the original's clients close with.
const GOING_AWAY: u16 = 1001;
