//! The wall clock client over UDP (sheet §2.3).
//!
//! ```text
//! request ─┬─ response ───────────────────────────────▶ exchange
//!          ├─ response before follow-up ─┬─ follow-up ─▶ exchange, of the better one of them
//!          │                             └─ none ──────▶ exchange
//!          └─ nothing ────────────────────────────────▶ counted
//! ```
//!
//! Each request carries a cookie that only its answer can bring back; its time is kept here. Where the driver reports
//! when the request really left, the exchange waits for that, at most 2 ms.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use machine::{Datagram, Input, Instant, Machine, Output, Peer, SendTag, UdpPeer};

use crate::UsageError;
use crate::config::{AlgorithmChoice, Schedule, WcClientConfig};
use crate::message::{MessageType, WcMessage};
use crate::wc::{
    Algorithm, Bounds, Cookies, Estimate, Exchange, Filter, FilterAndPredict, Heard, LocalClock,
    LowestDispersion, MostRecent, Verdict,
};

/// The wall clock client. See the [module](self).
#[derive(Debug)]
pub struct WcClient {
    config: WcClientConfig,
    algorithm: Algorithm,
    cookies: Cookies,
    pending: Vec<Pending>,
    plan: Plan,
    out: VecDeque<Output<WcClientEvent>>,
    stats: WcClientStats,
    last_round_trip_ns: Option<i64>,
}

/// When the next request is due.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// Not started.
    Idle,
    /// Requests number `done` to `count` of a burst that began at `since`, then each period after it.
    Burst { since: Instant, done: u64 },
    /// One at a time: the next at this instant, which moves when the answer comes.
    Single { next: Instant },
}

/// A request without its exchange yet.
#[derive(Debug)]
struct Pending {
    cookie: u64,
    tag: SendTag,
    asked: Instant,
    left: Option<Instant>,
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    None,
    /// A follow-up is promised, and waited for until then.
    Promised {
        first: Arrived,
        until: Instant,
    },
    /// A follow-up without what it follows; that may come until then.
    Overtaking {
        follow_up: Arrived,
        until: Instant,
    },
    /// All is there but the report of the request's departure, which is waited for until then.
    Complete {
        first: Arrived,
        follow_up: Option<Arrived>,
        until: Instant,
    },
}

/// An answer and when it came.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    message: WcMessage,
    at: Instant,
}

/// What a wall clock client reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WcClientEvent {
    /// An exchange was completed.
    Exchange {
        /// Its times.
        exchange: Exchange,
        /// What it has done to the estimate.
        heard: Heard,
    },
}

/// What a wall clock client has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WcClientStats {
    /// Requests sent.
    pub asked: u64,
    /// Exchanges completed.
    pub exchanges: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Datagrams that were no answers of the server to a request of ours that has none yet.
    pub strange: u64,
    /// Answers with times that cannot be.
    pub impossible: u64,
}

impl WcClient {
    /// A client that does not ask yet.
    pub fn new(config: WcClientConfig) -> Self {
        Self {
            algorithm: algorithm(&config.algorithm, config.local),
            cookies: Cookies::new(config.seed),
            pending: Vec::with_capacity(MAX_PENDING),
            plan: Plan::Idle,
            out: VecDeque::new(),
            stats: WcClientStats::default(),
            last_round_trip_ns: None,
            config,
        }
    }

    /// Begins to ask.
    ///
    /// # Errors
    /// [`UsageError::AlreadyStarted`].
    pub fn start(&mut self, now: Instant) -> Result<(), UsageError> {
        if !matches!(self.plan, Plan::Idle) {
            return Err(UsageError::AlreadyStarted);
        }
        self.plan = match self.config.schedule {
            Schedule::Bursts { .. } => Plan::Burst { since: now, done: 0 },
            Schedule::OneAtATime { .. } => Plan::Single { next: now },
        };
        self.handle_timeout(now);
        Ok(())
    }

    /// Asks no more. What is known stays known, and grows old.
    pub fn stop(&mut self) {
        self.plan = Plan::Idle;
        self.pending.clear();
    }

    /// The server's clock as estimated for an instant that is not long past; `None` before the first exchange.
    pub fn estimate(&self, at: Instant) -> Option<Estimate> {
        self.algorithm.estimate(local_ns(at))
    }

    /// What the wall clock reads at an instant, in nanoseconds, and how far that may be off.
    pub fn wall_clock(&self, at: Instant) -> Option<(i64, Estimate)> {
        let estimate = self.estimate(at)?;
        Some((local_ns(at).saturating_add(estimate.offset_ns), estimate))
    }

    /// Round trip of the last exchange, in nanoseconds.
    pub const fn last_round_trip_ns(&self) -> Option<i64> {
        self.last_round_trip_ns
    }

    /// What was counted so far.
    pub const fn stats(&self) -> WcClientStats {
        self.stats
    }

    /// The algorithm, to look at.
    pub const fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    fn ask(&mut self, now: Instant) {
        if self.pending.len() >= MAX_PENDING {
            self.pending.remove(0);
            self.stats.unanswered += 1;
        }
        let cookie = self.cookies.next();
        let tag = SendTag(self.stats.asked);
        self.stats.asked += 1;
        let left = (!self.config.transmit_stamps).then_some(now);
        self.pending.push(Pending { cookie, tag, asked: now, left, answer: Answer::None });
        self.out.push_back(Output::Datagram(Datagram {
            to: self.config.server,
            data: Bytes::copy_from_slice(&WcMessage::request(cookie).encode()),
            segment: None,
            stamp: self.config.transmit_stamps.then_some(tag),
        }));
    }

    fn datagram(&mut self, now: Instant, from: UdpPeer, data: &[u8], at: Instant) {
        let server = self.config.server;
        let ours = from.socket == server.socket && from.remote == server.remote;
        let message = WcMessage::parse(data).ok().filter(|m| {
            let is_time = m.receive.is_time() && m.transmit.is_time();
            ours && is_time && m.message_type != MessageType::Request
        });
        let cookie = message.map(|m| m.originate.to_bits());
        let index = self.pending.iter().position(|p| Some(p.cookie) == cookie);
        let (Some(message), Some(index)) = (message, index) else {
            self.stats.strange += 1;
            return;
        };
        let Some(pending) = self.pending.get_mut(index) else { return };
        let arrived = Arrived { message, at };
        let patience = now + self.config.follow_up_wait;
        let stamp_by = now + STAMP_WAIT;
        pending.answer = match (pending.answer, message.message_type) {
            (Answer::None, MessageType::ResponseBeforeFollowUp) => {
                Answer::Promised { first: arrived, until: patience }
            }
            (Answer::None, MessageType::FollowUp) => {
                Answer::Overtaking { follow_up: arrived, until: patience }
            }
            (Answer::None, _) => Answer::Complete { first: arrived, follow_up: None, until: stamp_by },
            (Answer::Promised { first, .. }, MessageType::FollowUp) => {
                Answer::Complete { first, follow_up: Some(arrived), until: stamp_by }
            }
            (Answer::Overtaking { follow_up, .. }, MessageType::ResponseBeforeFollowUp) => {
                Answer::Complete { first: arrived, follow_up: Some(follow_up), until: stamp_by }
            }
            (as_it_was, _) => {
                self.stats.strange += 1;
                as_it_was
            }
        };
        if pending.left.is_some() {
            self.complete(now, index);
        }
    }

    fn sent(&mut self, now: Instant, tag: SendTag, left: Instant) {
        let Some(index) = self.pending.iter().position(|p| p.tag == tag) else { return };
        if let Some(pending) = self.pending.get_mut(index) {
            // A stamp before the request was made is no stamp of it.
            pending.left = Some(left.max(pending.asked));
        }
        self.complete(now, index);
    }

    /// Makes an exchange of a request whose answer is complete.
    fn complete(&mut self, now: Instant, index: usize) {
        let Some(Pending { answer: Answer::Complete { first, follow_up, .. }, asked, left, .. }) =
            self.pending.get(index)
        else {
            return;
        };
        let exchange = best_exchange(&self.config.local, left.unwrap_or(*asked), *first, *follow_up);
        self.pending.remove(index);
        let Some(exchange) = exchange else {
            self.stats.impossible += 1;
            return;
        };
        self.stats.exchanges += 1;
        self.last_round_trip_ns = Some(exchange.round_trip_ns());
        let heard = self.algorithm.hear(&exchange);
        self.replan(now, heard.verdict);
        self.out.push_back(Output::Event(WcClientEvent::Exchange { exchange, heard }));
    }

    fn replan(&mut self, now: Instant, verdict: Verdict) {
        match (self.config.schedule, &mut self.plan) {
            (Schedule::Bursts { .. }, Plan::Burst { since, done })
                if *done > BURST_AGAIN && matches!(verdict, Verdict::Stepped { .. } | Verdict::Odd) =>
            {
                (*since, *done) = (now, 0);
            }
            (Schedule::OneAtATime { repeat, timeout }, Plan::Single { next }) => {
                *next = now + if verdict == Verdict::NotBetter { timeout } else { repeat };
            }
            _ => {}
        }
    }

    fn next_request(&self) -> Option<Instant> {
        match (self.plan, self.config.schedule) {
            (Plan::Burst { since, done }, Schedule::Bursts { count, every, period }) => {
                let last = u64::from(count.max(1)) - 1;
                let period = period.max(MIN_PERIOD);
                Some(since + times(every, done.min(last)) + times(period, done.saturating_sub(last)))
            }
            (Plan::Single { next }, _) => Some(next),
            _ => None,
        }
    }

    /// Plans the request after the one that is sent now. Those that were missed are left out.
    fn advance(&mut self, now: Instant) {
        match (&mut self.plan, self.config.schedule) {
            (Plan::Burst { since, done }, Schedule::Bursts { count, every, period }) => {
                *done += 1;
                let count = u64::from(count.max(1));
                while *done < count && *since + times(every, *done) <= now {
                    *done += 1;
                }
                if *done >= count {
                    let after = now.saturating_since(*since + times(every, count - 1));
                    let periods = after.as_nanos() / period.max(MIN_PERIOD).as_nanos();
                    *done = (*done).max(u64::try_from(periods).unwrap_or(u64::MAX).saturating_add(count));
                }
            }
            (Plan::Single { next }, Schedule::OneAtATime { timeout, .. }) => {
                *next = now + timeout.max(MIN_PERIOD)
            }
            _ => {}
        }
    }
}

impl Machine for WcClient {
    type Event = WcClientEvent;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Udp(peer) = from else { return };
        match input {
            Input::Datagram { data, received } => self.datagram(now, peer, data, received.at),
            Input::DatagramSent { tag, left } => self.sent(now, tag, left.at),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self.pending.iter().position(|p| p.deadline().is_some_and(|d| d <= now)) {
            let Some(pending) = self.pending.get_mut(index) else { break };
            // What was waited for has not come: what is there has to do.
            pending.answer = match pending.answer {
                Answer::Promised { first, .. } | Answer::Overtaking { follow_up: first, .. } => {
                    Answer::Complete { first, follow_up: None, until: now }
                }
                other => other,
            };
            self.complete(now, index);
        }
        let before = self.pending.len();
        self.pending
            .retain(|p| now.saturating_since(p.asked) < PATIENCE || !matches!(p.answer, Answer::None));
        let gone = before - self.pending.len();
        self.stats.unanswered += u64::try_from(gone).unwrap_or(0);
        if self.next_request().is_some_and(|next| next <= now) {
            self.ask(now);
            self.advance(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output<WcClientEvent>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.pending.iter().filter_map(Pending::deadline).chain(self.next_request()).min()
    }
}

impl Pending {
    fn deadline(&self) -> Option<Instant> {
        match self.answer {
            Answer::None => None,
            Answer::Promised { until, .. }
            | Answer::Overtaking { until, .. }
            | Answer::Complete { until, .. } => Some(until),
        }
    }
}

/// The exchange that the answers make; `None` if their times cannot be.
///
/// A follow-up tells when the response before it left, so it could go with the arrival of that one. QUIRK(pydvbcss): its
/// follow-ups tell the time at which *they* are sent, some ten to hundreds of microseconds after the response left, and
/// nothing shows that: the bound would not be true. So each answer counts with its own arrival, and the better one of
/// them is taken.
fn best_exchange(
    local: &LocalClock,
    left: Instant,
    first: Arrived,
    follow_up: Option<Arrived>,
) -> Option<Exchange> {
    let exchanges = [Some(first), follow_up].into_iter().flatten();
    let possible = exchanges.filter_map(|answer| exchange(left, answer)).filter(|e| e.is_possible(local));
    possible.min_by_key(|e| e.candidate(local).dispersion_at(e.arrived))
}

fn exchange(left: Instant, answer: Arrived) -> Option<Exchange> {
    let message = answer.message;
    Some(Exchange {
        sent: local_ns(left),
        received: i64::try_from(message.receive.as_nanos()).ok()?,
        answered: i64::try_from(message.transmit.as_nanos()).ok()?,
        arrived: local_ns(answer.at),
        precision: message.precision,
        max_freq_error: message.max_freq_error,
    })
}

fn algorithm(choice: &AlgorithmChoice, local: LocalClock) -> Algorithm {
    match choice {
        AlgorithmChoice::Bounds(steadiness) => Algorithm::Bounds(Box::new(Bounds::new(local, *steadiness))),
        AlgorithmChoice::LowestDispersion => Algorithm::LowestDispersion(LowestDispersion::new(local)),
        AlgorithmChoice::MostRecent => Algorithm::MostRecent(MostRecent::new(local)),
        AlgorithmChoice::FilterAndPredict { max_round_trip, lowest_dispersion } => {
            let best = lowest_dispersion.then(|| Filter::LowestDispersion(LowestDispersion::new(local)));
            let filters = max_round_trip.map(Filter::RoundTrip).into_iter().chain(best).collect();
            Algorithm::FilterAndPredict(FilterAndPredict::new(local, filters))
        }
    }
}

fn local_ns(instant: Instant) -> i64 {
    i64::try_from(instant.as_nanos()).unwrap_or(i64::MAX)
}

fn times(d: Duration, n: u64) -> Duration {
    let nanos = d.as_nanos().saturating_mul(u128::from(n));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Requests that can be under way at once.
const MAX_PENDING: usize = 32;
/// A request without an answer for so long has none.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the driver may take to report when a request left.
const STAMP_WAIT: Duration = Duration::from_millis(2);
/// After a jump there is no new burst before so many requests, or a clock that jumps all the time would be asked so.
const BURST_AGAIN: u64 = 16;
/// No schedule is faster.
const MIN_PERIOD: Duration = Duration::from_millis(1);
