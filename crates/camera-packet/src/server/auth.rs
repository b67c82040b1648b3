//! Port 5002: one request, one answer (sheet §5, §10).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::net::IpAddr;
use core::time::Duration;

use machine::{ConnId, Instant};

use super::{Candidate, DropReason, Event, Server, State};
use crate::error::ScramError;
use crate::message::{Message, ScramStep};
use crate::scram::{self, ScramServer, USER};
use crate::secret::Token;

/// How far a client has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing has come, or not all of it.
    Waiting { until: Instant },
    /// The client-first message has been answered.
    Scram { until: Instant, exchange: Box<ScramServer> },
    /// The program is asked.
    Verifying,
    /// The answer is known and leaves then.
    Delayed { at: Instant, right: bool },
}

impl Phase {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until } | Self::Scram { until, .. } => Some(*until),
            Self::Verifying => None,
            Self::Delayed { at, .. } => Some(*at),
        }
    }

    /// The client has said all; what is left is ours.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self, Self::Verifying | Self::Delayed { .. })
    }
}

/// Failures by address.
#[derive(Debug, Default)]
pub(super) struct Failures {
    addresses: BTreeMap<IpAddr, Failed>,
    /// Passwords that the program is looking at.
    verifying: u32,
}

#[derive(Debug, Default)]
struct Failed {
    /// When, oldest first; no more than matter.
    at: VecDeque<Instant>,
    /// When the last delayed answer leaves.
    last_answer: Instant,
    /// Answers that wait.
    waiting: u32,
}

impl Failures {
    fn is_limited(&self, now: Instant, remote: IpAddr, max: u32, window: Duration) -> bool {
        self.addresses.get(&remote).is_some_and(|failed| {
            let recent = failed.at.iter().filter(|at| now.saturating_since(**at) < window);
            recent.count() >= usize::try_from(max).unwrap_or(usize::MAX)
        })
    }

    fn failed(&mut self, now: Instant, remote: IpAddr, max: u32, window: Duration) {
        if self.addresses.len() >= MAX_ADDRESSES && !self.addresses.contains_key(&remote) {
            let recent = |f: &Failed| f.at.back().is_some_and(|at| now.saturating_since(*at) < window);
            self.addresses.retain(|_, failed| failed.waiting > 0 || recent(failed));
            if self.addresses.len() >= MAX_ADDRESSES {
                let oldest = self.addresses.iter().min_by_key(|(_, f)| (f.waiting, f.at.back().copied()));
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    self.addresses.remove(&oldest);
                }
            }
        }
        let failed = self.addresses.entry(remote).or_default();
        failed.at.push_back(now);
        while failed.at.len() > usize::try_from(max).unwrap_or(usize::MAX).max(1) {
            failed.at.pop_front();
        }
    }

    /// When a delayed answer may leave; `None` if too many wait.
    fn slot(&mut self, now: Instant, remote: IpAddr, delay: Duration) -> Option<Instant> {
        let failed = self.addresses.entry(remote).or_default();
        if failed.waiting >= MAX_WAITING {
            return None;
        }
        failed.waiting += 1;
        failed.last_answer = failed.last_answer.max(now) + delay;
        Some(failed.last_answer)
    }

    /// A connection in this phase is no more.
    pub(super) fn gone(&mut self, remote: IpAddr, phase: &Phase) {
        match phase {
            Phase::Verifying => self.verifying = self.verifying.saturating_sub(1),
            Phase::Delayed { .. } => {
                if let Some(failed) = self.addresses.get_mut(&remote) {
                    failed.waiting = failed.waiting.saturating_sub(1);
                }
            }
            Phase::Waiting { .. } | Phase::Scram { .. } => {}
        }
    }
}

impl Server {
    /// A local call: the answer to [`Event::VerifyPassword`]. Ignored if the client has gone.
    pub fn verified(&mut self, now: Instant, conn: ConnId, right: bool) {
        if let Some(State::Auth(Phase::Verifying)) = self.conns.get(&conn).map(|conn| &conn.state) {
            self.failures.verifying = self.failures.verifying.saturating_sub(1);
            self.judged(now, conn, right);
            self.plan(conn);
        }
    }

    /// The one request of the connection; `None`: it is none of ours.
    pub(super) fn auth_message(&mut self, now: Instant, id: ConnId, message: Option<Message<'_>>) {
        let Some(State::Auth(phase)) = self.conns.get_mut(&id).map(|conn| &mut conn.state) else { return };
        match (phase, message) {
            (Phase::Waiting { .. }, Some(Message::Password(password))) => {
                if let Some(secrets) = &self.secrets {
                    let right = secrets.digest.matches(password.0);
                    self.judged(now, id, right);
                } else {
                    self.ask(now, id, password.0);
                }
            }
            (Phase::Waiting { until }, Some(Message::Scram(ScramStep::ClientFirst, text))) => {
                let until = *until;
                self.scram_first(now, id, text, until);
            }
            (Phase::Scram { .. }, Some(Message::Scram(ScramStep::ClientFinal, text))) => {
                self.scram_final(now, id, text);
            }
            // What comes after a request is not looked at.
            (Phase::Verifying | Phase::Delayed { .. }, _) => {}
            _ => self.send_away(now, id, DropReason::AuthRequest),
        }
    }

    pub(super) fn auth_timeout(&mut self, now: Instant, id: ConnId) {
        match self.conns.get(&id).map(|conn| &conn.state) {
            Some(&State::Auth(Phase::Delayed { right, .. })) => self.answer(now, id, right, true),
            _ => self.send_away(now, id, DropReason::AuthTimeout),
        }
    }

    fn ask(&mut self, now: Instant, id: ConnId, password: &[u8]) {
        if self.failures.verifying >= MAX_VERIFYING {
            return self.send_away(now, id, DropReason::AuthBusy);
        }
        self.failures.verifying += 1;
        self.set_phase(id, Phase::Verifying);
        self.event(Event::VerifyPassword { conn: id, password: Candidate(password.into()) });
    }

    /// It is known whether the password is right; the answer leaves now, or later if there were too many failures. A
    /// right one waits too: who sees no delay would know.
    fn judged(&mut self, now: Instant, id: ConnId, right: bool) {
        let Some(remote) = self.conns.get(&id).map(|conn| conn.remote) else { return };
        let (max, window) = (self.config.max_failures, self.config.failure_window);
        if !self.failures.is_limited(now, remote, max, window) {
            return self.answer(now, id, right, false);
        }
        match self.failures.slot(now, remote, self.config.answer_delay) {
            Some(at) => self.set_phase(id, Phase::Delayed { at, right }),
            None => {
                self.set_phase(id, Phase::Waiting { until: now });
                self.send_away(now, id, DropReason::AuthBusy);
            }
        }
    }

    fn answer(&mut self, now: Instant, id: ConnId, right: bool, delayed: bool) {
        let Some(remote) = self.conns.get(&id).map(|conn| conn.remote) else { return };
        if right {
            self.reply(id, &Message::Ready);
            self.succeeded(now, remote, false);
        } else {
            self.reply(id, &Message::AuthFailed(&[]));
            self.count_failure(now, remote, delayed);
        }
        self.close(now, id);
    }

    fn scram_first(&mut self, now: Instant, id: ConnId, text: &[u8], until: Instant) {
        let Some(remote) = self.conns.get(&id).map(|conn| conn.remote) else { return };
        let Some(secrets) = &self.secrets else {
            // Without the password there are no keys: as from a server that does not know SCRAM.
            return self.send_away(now, id, DropReason::AuthRequest);
        };
        let (max, window) = (self.config.max_failures, self.config.failure_window);
        if self.failures.is_limited(now, remote, max, window) {
            self.count_failure(now, remote, false);
            return self.refuse(now, id, RATE_LIMITED);
        }
        let nonce = scram::nonce(&self.rng.bytes::<18>());
        match ScramServer::begin(&secrets.keys, USER, text, &nonce) {
            Ok(exchange) => {
                self.reply(id, &Message::Scram(ScramStep::ServerFirst, exchange.first().as_bytes()));
                self.set_phase(id, Phase::Scram { until, exchange: Box::new(exchange) });
            }
            Err(_) => self.refuse(now, id, MALFORMED),
        }
    }

    fn scram_final(&mut self, now: Instant, id: ConnId, text: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let remote = conn.remote;
        let phase = core::mem::replace(&mut conn.state, State::Auth(Phase::Waiting { until: now }));
        let (State::Auth(Phase::Scram { exchange, .. }), Some(secrets)) = (phase, &self.secrets) else {
            return;
        };
        let token = Token(self.rng.bytes());
        let last: Result<String, ScramError> = exchange.finish(&secrets.keys, text, Some(token));
        match last {
            Ok(last) => {
                self.grants.issue(now, token);
                self.reply(id, &Message::Scram(ScramStep::ServerFinal, last.as_bytes()));
                self.reply(id, &Message::Ready);
                self.succeeded(now, remote, true);
                self.close(now, id);
            }
            Err(ScramError::Proof) => {
                self.count_failure(now, remote, false);
                self.refuse(now, id, BAD_PROOF);
            }
            Err(_) => self.refuse(now, id, MALFORMED),
        }
    }

    fn refuse(&mut self, now: Instant, id: ConnId, reason: u8) {
        self.reply(id, &Message::AuthFailed(&[reason]));
        self.close(now, id);
    }

    fn succeeded(&mut self, now: Instant, remote: IpAddr, scram: bool) {
        if self.failures.addresses.get(&remote).is_some_and(|failed| failed.waiting <= 1) {
            self.failures.addresses.remove(&remote);
        }
        self.event(Event::Authenticated { remote, scram });
        self.grant(now, remote);
    }

    fn count_failure(&mut self, now: Instant, remote: IpAddr, delayed: bool) {
        let (max, window) = (self.config.max_failures, self.config.failure_window);
        self.failures.failed(now, remote, max, window);
        self.event(Event::AuthFailed { remote, delayed });
    }

    fn set_phase(&mut self, id: ConnId, phase: Phase) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.state = State::Auth(phase);
        }
    }
}

/// Reasons after a SCRAM exchange (sheet §10).
const BAD_PROOF: u8 = 1;
const MALFORMED: u8 = 2;
const RATE_LIMITED: u8 = 3;
/// Delayed answers that may wait for one address.
const MAX_WAITING: u32 = 8;
/// Passwords that the program may be asked about at once: a good hash takes its time.
const MAX_VERIFYING: u32 = 32;
/// Addresses whose failures are remembered.
const MAX_ADDRESSES: usize = 4096;
