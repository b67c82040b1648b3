//! The wall clock server over UDP (sheet §2.2).
//!
//! ```text
//! request ──▶ response                       without follow-ups
//! request ──▶ response before follow-up ──▶ follow-up, when the driver has told when the response left
//! ```
//!
//! It keeps nothing of its clients. What is not a request is dropped and counted, never answered.

use alloc::collections::VecDeque;
use core::net::SocketAddr;

use bytes::BytesMut;
use machine::{Datagram, Input, Instant, Machine, Output, Peer, SendTag, UdpPeer};

use super::WallClock;
use super::limiter::Limiter;
use crate::config::WcServerConfig;
use crate::message::{MessageType, TimeValue, WcMessage};

/// The wall clock server. See the [module](self).
#[derive(Debug)]
pub struct WcServer {
    config: WcServerConfig,
    wall: WallClock,
    limiter: Option<Limiter>,
    /// Responses of which the driver has not told yet when they left.
    promised: VecDeque<Promise>,
    next_tag: u64,
    /// Answers are cut off this one, so that an allocation serves many.
    room: BytesMut,
    out: VecDeque<Output<WcServerEvent>>,
    stats: WcServerStats,
}

/// A follow-up that we owe.
#[derive(Debug)]
struct Promise {
    tag: SendTag,
    response: WcMessage,
}

/// What a wall clock server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WcServerEvent {
    /// A request was answered. Only with [`WcServerConfig::report_requests`].
    Request {
        /// From there.
        remote: SocketAddr,
        /// What it said of its time.
        originate: TimeValue,
    },
}

/// What a wall clock server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WcServerStats {
    /// Requests answered.
    pub answered: u64,
    /// Datagrams that were no requests.
    pub bad: u64,
    /// Requests that came too fast.
    pub limited: u64,
    /// Follow-ups sent.
    pub follow_ups: u64,
}

impl WcServer {
    /// A server; the driver gives it its socket.
    pub fn new(config: WcServerConfig) -> Self {
        Self {
            wall: WallClock::new(config.wall_offset_ns),
            limiter: config.rate_limit.map(|limit| Limiter::new(limit, config.seed)),
            promised: VecDeque::new(),
            next_tag: 0,
            room: BytesMut::new(),
            out: VecDeque::new(),
            stats: WcServerStats::default(),
            config,
        }
    }

    /// The clock that is served.
    pub const fn wall_clock(&self) -> WallClock {
        self.wall
    }

    /// Serves another one from now on: clients will notice that it has jumped.
    pub fn set_wall_clock(&mut self, wall: WallClock) {
        self.wall = wall;
        self.promised.clear();
    }

    /// What was counted so far.
    pub const fn stats(&self) -> WcServerStats {
        self.stats
    }

    fn datagram(&mut self, now: Instant, from: UdpPeer, data: &[u8], received: Instant) {
        let Ok(WcMessage { message_type: MessageType::Request, originate, .. }) = WcMessage::parse(data)
        else {
            self.stats.bad += 1;
            return;
        };
        if self.limiter.as_mut().is_some_and(|limiter| !limiter.allows(now, from.remote.ip())) {
            self.stats.limited += 1;
            return;
        }
        let message_type =
            if self.config.follow_ups { MessageType::ResponseBeforeFollowUp } else { MessageType::Response };
        let response = WcMessage {
            message_type,
            precision: self.config.precision,
            max_freq_error: self.config.max_freq_error,
            originate,
            receive: self.wall.time_value(received.min(now)),
            transmit: self.wall.time_value(now),
        };
        let stamp = self.config.follow_ups.then(|| self.promise(response));
        self.send(from, &response, stamp);
        self.stats.answered += 1;
        if self.config.report_requests {
            self.out.push_back(Output::Event(WcServerEvent::Request { remote: from.remote, originate }));
        }
    }

    fn promise(&mut self, response: WcMessage) -> SendTag {
        let tag = SendTag(self.next_tag);
        self.next_tag = self.next_tag.wrapping_add(1);
        if self.promised.len() >= MAX_PROMISED {
            self.promised.pop_front();
        }
        self.promised.push_back(Promise { tag, response });
        tag
    }

    fn left(&mut self, to: UdpPeer, tag: SendTag, left: Instant) {
        let Some(index) = self.promised.iter().position(|p| p.tag == tag) else { return };
        let Some(Promise { response, .. }) = self.promised.remove(index) else { return };
        let transmit = self.wall.time_value(left);
        // A reading before the one that is already sent would make it worse.
        let transmit =
            if transmit.as_nanos() > response.transmit.as_nanos() { transmit } else { response.transmit };
        let follow_up = WcMessage { message_type: MessageType::FollowUp, transmit, ..response };
        self.send(to, &follow_up, None);
        self.stats.follow_ups += 1;
    }

    fn send(&mut self, to: UdpPeer, message: &WcMessage, stamp: Option<SendTag>) {
        if self.room.capacity() < WcMessage::LEN {
            self.room.reserve(ROOM);
        }
        self.room.extend_from_slice(&message.encode());
        let data = self.room.split().freeze();
        self.out.push_back(Output::Datagram(Datagram { to, data, segment: None, stamp }));
    }
}

impl Machine for WcServer {
    type Event = WcServerEvent;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Udp(peer) = from else { return };
        match input {
            Input::Datagram { data, received } => self.datagram(now, peer, data, received.at),
            Input::DatagramSent { tag, left } => self.left(peer, tag, left.at),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output<WcServerEvent>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// More responses than this are not waited for; a client does without the follow-up then.
const MAX_PROMISED: usize = 256;
/// One allocation for so many bytes of answers.
const ROOM: usize = 128 * WcMessage::LEN;
