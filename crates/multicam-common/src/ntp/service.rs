//! Time for a network without Internet: what a controller serves and our devices ask for.

use alloc::collections::VecDeque;

use bytes::Bytes;
use machine::{Datagram, Input, Instant, Machine, Output, Peer};

use super::respond;
use crate::UnixTime;

/// A machine that answers NTP requests with the system's time, on whatever sockets it is given. It keeps nothing of
/// who asks, and its answer is no longer than the question.
#[derive(Debug, Default)]
pub struct TimeService {
    wall: i64,
    answered: u64,
    out: VecDeque<Datagram>,
}

impl TimeService {
    /// A service.
    pub fn new() -> Self {
        Self::default()
    }

    /// Questions answered so far.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    fn unix(&self, at: Instant) -> UnixTime {
        UnixTime::from_nanos(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX).saturating_add(self.wall))
    }
}

/// It has nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl Machine for TimeService {
    type Event = Never;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let (Peer::Udp(to), Input::Datagram { data, received }) = (from, input) else {
            return;
        };
        // A kernel's stamp may lie a little before; never after the answer.
        let received = received.at.min(now);
        if let Some(reply) = respond(data, self.unix(received), self.unix(now)) {
            self.answered = self.answered.saturating_add(1);
            let data = Bytes::copy_from_slice(&reply);
            self.out.push_back(Datagram { to, data, segment: None, stamp: None });
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall = unix_ns.saturating_sub(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    }

    fn poll_output(&mut self) -> Option<Output<Never>> {
        self.out.pop_front().map(Output::Datagram)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
