//! What the server has said and nobody has fetched yet.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;
use machine::{Closing, ConnId, Keep, Output, Payload, Transport};

use super::Event;
use crate::message::ServerMessage;

/// Where to send, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) conn: ConnId,
    pub(super) transport: Transport,
    /// Timecode messages carry their position.
    pub(super) framed: bool,
}

/// Outputs in order. Those that come by the thousand are kept small.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Queued>);

#[derive(Debug)]
enum Queued {
    Send { to: ConnId, data: Payload, keep: Keep },
    Close(ConnId),
    Event(Box<Event>),
}

impl Outbox {
    /// Queues a line, on a WebSocket without its line end.
    pub(super) fn send(&mut self, to: Member, mut line: Bytes, keep: Keep) {
        let data = match to.transport {
            Transport::Stream => Payload::Bytes(line),
            Transport::WebSocket => {
                line.truncate(line.len().saturating_sub(1));
                Payload::Text(line)
            }
        };
        self.0.push_back(Queued::Send { to: to.conn, data, keep });
    }

    pub(super) fn reply(&mut self, to: Member, message: &ServerMessage<'_>) {
        self.send(to, message.to_line(), Keep::Always);
    }

    /// Ends a connection when all that was said to it is sent.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.0.push_back(Queued::Close(conn));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.0.push_back(Queued::Event(Box::new(event)));
    }

    pub(super) fn pop(&mut self) -> Option<Output<Event>> {
        let Some(queued) = self.0.pop_front() else {
            // a burst of answers is over; what a broadcast needs stays
            if self.0.capacity() > KEPT_CAPACITY {
                self.0 = VecDeque::new();
            }
            return None;
        };
        Some(match queued {
            Queued::Send { to, data, keep } => Output::Send { to, data, keep },
            Queued::Close(conn) => Output::Close { conn, how: Closing::AfterFlush },
            Queued::Event(event) => Output::Event(*event),
        })
    }
}

/// Room for so many outputs is kept when they are fetched: enough for updates of a session with 10 000 members.
const KEPT_CAPACITY: usize = 16_384;
