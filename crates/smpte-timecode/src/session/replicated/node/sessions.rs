//! The entries of sessions: what members and the life of nodes want changed, one compare-and-set after the other.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use machine::Instant;

use super::{Action, Link, Node, RequestId, WriteError, WriteToken};
use crate::UsageError;
use crate::message::SessionId;
use crate::session::replicated::entry::{Key, MAX_NODES};
use crate::session::replicated::{Change, EntryError, NodeName, Refusal, SessionEntry, SharedClock};

/// What is known of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) known: Option<Known>,
    /// The entry before the session was found to be gone, if there are members here: it comes back.
    lost: Option<SessionEntry>,
    /// Since the last connection.
    pub(super) seen: bool,
    /// Members here.
    pub(super) local: u32,
    /// There have been members here: when there are none any more, that has to be told at once.
    had_members: bool,
    pub(super) op: Option<Op>,
    /// What the watch told while a write of ours was under way, which may have come before it: revision and entry.
    deferred: Option<(u64, Option<SessionEntry>)>,
    pub(super) queue: VecDeque<Pending>,
    /// Nothing is tried before: the entry that beat ours is on its way.
    retry_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) revision: u64,
    pub(super) entry: SessionEntry,
}

/// A compare-and-set that is under way.
#[derive(Debug)]
pub(super) struct Op {
    token: WriteToken,
    /// The entry as it will be; `None`: deleted.
    next: Option<SessionEntry>,
    /// It is for the first request of the queue.
    for_request: bool,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: RequestId,
    change: Change,
    asked: Instant,
    deadline: Instant,
}

/// What is to be done next with a session.
enum Step {
    Nothing,
    /// The first request is decided.
    Answer(Result<SharedClock, Refusal>),
    Put {
        entry: SessionEntry,
        revision: u64,
        for_request: bool,
    },
    Delete {
        revision: u64,
    },
}

impl Node {
    pub(super) fn known(&self) -> usize {
        self.sessions.values().filter(|session| session.known.is_some()).count()
    }

    pub(super) fn knows(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(super) fn queue(&mut self, now: Instant, id: SessionId, request: RequestId, change: Change) {
        let deadline = now + self.config.patience;
        let session = self.sessions.entry(id).or_default();
        if session.queue.len() >= MAX_QUEUE {
            return self.out.push_back(Action::Answer { request, id, result: Err(Refusal::Busy) });
        }
        session.queue.push_back(Pending { request, change, asked: now, deadline });
        self.busy.insert(id);
        self.pump(now, id);
    }

    /// Refuses what has waited for too long.
    pub(super) fn expire_requests(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        while session.queue.front().is_some_and(|pending| pending.deadline <= now) {
            let Some(pending) = session.queue.pop_front() else { return };
            if let Some(op) = &mut session.op {
                op.for_request = false;
            }
            let (request, result) = (pending.request, Err(Refusal::TimedOut));
            self.out.push_back(Action::Answer { request, id, result });
        }
    }

    pub(super) fn op_of(&self, token: WriteToken) -> Option<SessionId> {
        // few are under way at once
        let has = |id: &&SessionId| {
            let op = self.sessions.get(id).and_then(|session| session.op.as_ref());
            op.is_some_and(|op| op.token == token)
        };
        self.busy.iter().find(has).copied()
    }

    /// What became of the write that was under way.
    pub(super) fn op_done(&mut self, now: Instant, id: SessionId, outcome: Result<u64, WriteError>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(op) = session.op.take() else { return };
        match outcome {
            Ok(revision) => self.op_succeeded(id, op, revision),
            Err(error) => {
                // the entry that was quicker may be here already
                session.retry_at = session.deferred.is_none().then(|| now + RETRY);
                if error == WriteError::Failed
                    && op.for_request
                    && let Some(pending) = session.queue.pop_front()
                {
                    let (request, result) = (pending.request, Err(Refusal::TimedOut));
                    self.out.push_back(Action::Answer { request, id, result });
                }
            }
        }
        self.take_deferred(id);
        self.pump(now, id);
    }

    /// What came after a write of ours, or instead of it.
    fn take_deferred(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some((revision, entry)) = session.deferred.take() else { return };
        if session.known.as_ref().is_some_and(|known| known.revision >= revision) {
            return;
        }
        match entry {
            Some(entry) => self.take_over(id, revision, entry, None),
            None => self.forget_entry(id),
        }
    }

    /// Nothing that was under way on a connection counts on the next.
    pub(super) fn abandon(&mut self) {
        for session in self.sessions.values_mut() {
            (session.op, session.deferred) = (None, None);
        }
    }

    fn op_succeeded(&mut self, id: SessionId, op: Op, revision: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let pending = if op.for_request { session.queue.pop_front() } else { None };
        let by = pending.as_ref().map(|pending| pending.request);
        match op.next {
            None => self.forget_entry(id),
            Some(entry) => {
                let clock = entry.clock;
                self.take_over(id, revision, entry, by);
                if let Some(pending) = pending {
                    self.granted(id, &pending, clock);
                }
            }
        }
    }

    /// A request is done.
    fn granted(&mut self, id: SessionId, pending: &Pending, clock: SharedClock) {
        if matches!(pending.change, Change::Create(_) | Change::Join)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.local = session.local.saturating_add(1);
            session.had_members = true;
            self.recount.insert(id);
        }
        self.out.push_back(Action::Answer { request: pending.request, id, result: Ok(clock) });
    }

    /// An entry of the store.
    pub(super) fn session_entry(
        &mut self,
        now: Instant,
        id: SessionId,
        revision: u64,
        value: &[u8],
    ) -> Result<(), EntryError> {
        let parsed = SessionEntry::parse(value).and_then(|entry| self.check(now, entry));
        if !self.sessions.contains_key(&id) {
            parsed.as_ref().map_err(|error| *error)?;
            if self.sessions.len() >= self.config.max_sessions.saturating_add(MAX_UNKNOWN) {
                return Err(EntryError::TooMany);
            }
        }
        let session = self.sessions.entry(id).or_default();
        let is_old = session.seen && session.known.as_ref().is_some_and(|known| known.revision >= revision);
        if is_old {
            return Ok(());
        }
        session.seen = true;
        session.retry_at = None;
        let entry = match parsed {
            Ok(entry) => entry,
            Err(error) => {
                // what we know is what holds; the next change writes over the garbage
                if let Some(known) = &mut session.known {
                    known.revision = revision;
                }
                return Err(error);
            }
        };
        let is_ours =
            |op: &Op| op.next.as_ref().is_some_and(|next| (next.by, next.write) == (entry.by, entry.write));
        match session.op.take_if(|op| is_ours(op)) {
            // the watch was quicker than the answer
            Some(op) => {
                session.deferred = None;
                self.op_succeeded(id, op, revision);
            }
            None if session.op.is_some() => session.deferred = Some((revision, Some(entry))),
            None => self.take_over(id, revision, entry, None),
        }
        self.pump(now, id);
        Ok(())
    }

    fn check(&self, now: Instant, entry: SessionEntry) -> Result<SessionEntry, EntryError> {
        let ahead = i128::from(entry.clock.epoch_ns) - i128::from(self.unix_ns(now));
        match u64::try_from(ahead / 1_000_000_000) {
            Ok(seconds) if seconds >= MAX_AHEAD_S && self.shown_offset.is_some() => {
                Err(EntryError::Future { seconds })
            }
            _ => Ok(entry),
        }
    }

    /// From now on the session is as `entry` says.
    fn take_over(&mut self, id: SessionId, revision: u64, entry: SessionEntry, by: Option<RequestId>) {
        let session = self.sessions.entry(id).or_default();
        let clock = entry.clock;
        let before = session.known.as_ref().map(|known| &known.entry).or(session.lost.as_ref());
        let changed = before.is_some_and(|old| (old.clock, old.changes) != (clock, entry.changes));
        session.known = Some(Known { revision, entry });
        session.lost = None;
        session.seen = true;
        if changed && session.local > 0 {
            self.out.push_back(Action::Changed { id, clock, by });
        }
    }

    pub(super) fn session_deleted(&mut self, now: Instant, id: SessionId, revision: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let is_old = session.known.as_ref().is_some_and(|known| known.revision > revision);
        if session.seen && is_old {
            return;
        }
        // the watch was quicker than the answer
        session.op.take_if(|op| op.next.is_none());
        session.retry_at = None;
        if session.op.is_some() {
            session.deferred = Some((revision, None));
            return;
        }
        self.forget_entry(id);
        self.pump(now, id);
    }

    /// A session has no entry.
    pub(super) fn forget_entry(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = session.known.take();
        session.seen = true;
        if session.local > 0 {
            session.lost = known.map(|known| known.entry).or(session.lost.take());
            self.busy.insert(id);
        } else if session.queue.is_empty() && session.op.is_none() {
            self.sessions.remove(&id);
            self.busy.remove(&id);
        }
    }

    /// Forgets sessions that only requests knew of.
    pub(super) fn forget_empty(&mut self) {
        self.sessions.retain(|_, session| session.known.is_some() || session.local > 0);
    }

    /// Does what there is to do with a session, unless something is under way.
    pub(super) fn pump(&mut self, now: Instant, id: SessionId) {
        while let Some(session) = self.sessions.get(&id) {
            let step = if session.op.is_some() { Step::Nothing } else { self.next_step(now, session) };
            match step {
                Step::Nothing => break,
                Step::Answer(result) => {
                    let session = self.sessions.get_mut(&id);
                    let Some(pending) = session.and_then(|session| session.queue.pop_front()) else { break };
                    match result {
                        Ok(clock) => self.granted(id, &pending, clock),
                        Err(_) => {
                            self.out.push_back(Action::Answer { request: pending.request, id, result });
                        }
                    }
                }
                Step::Put { mut entry, revision, for_request } => {
                    let token = self.new_token();
                    (entry.by, entry.write) = (self.config.name, token.0);
                    let (key, value) = (Key::Session(id).text(), entry.to_json());
                    let command = super::Command::Write { token, key, value, expected: Some(revision) };
                    self.out.push_back(Action::Command(command));
                    self.begin(id, Op { token, next: Some(entry), for_request });
                }
                Step::Delete { revision } => {
                    let token = self.delete(Key::Session(id), Some(revision));
                    self.begin(id, Op { token, next: None, for_request: false });
                }
            }
        }
        self.note_busy(now, id);
    }

    fn begin(&mut self, id: SessionId, op: Op) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.op = Some(op);
            self.busy.insert(id);
        }
    }

    fn note_busy(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            self.busy.remove(&id);
            return;
        };
        let is_idle = session.op.is_none() && session.queue.is_empty();
        if is_idle && session.known.is_none() && session.local == 0 {
            self.sessions.remove(&id);
            self.busy.remove(&id);
        } else if is_idle && session.retry_at.is_none_or(|at| at <= now) {
            self.busy.remove(&id);
        } else {
            self.busy.insert(id);
        }
    }

    fn next_step(&self, now: Instant, session: &Session) -> Step {
        let me = self.config.name;
        let held = session.known.as_ref().is_some_and(|known| known.entry.nodes.contains(&me));
        if let (Some(pending), Some(known)) = (session.queue.front(), &session.known)
            && pending.change == Change::Join
            && held
            && (session.local > 0 || self.link == Link::Synced)
        {
            return Step::Answer(Ok(known.entry.clock));
        }
        if self.link != Link::Synced || session.retry_at.is_some_and(|at| now < at) {
            return Step::Nothing;
        }
        let Some(known) = &session.known else { return self.step_without_entry(now, session) };
        let (revision, entry) = (known.revision, &known.entry);
        if let Some(pending) = session.queue.front() {
            return match pending.change {
                Change::Join => self.with_us(entry, revision, true),
                // an id that was drawn twice
                Change::Create(_) => Step::Answer(Err(Refusal::Busy)),
                change => match entry.clock.changed(&change, self.unix_ns(now)) {
                    Err(error) => Step::Answer(Err(error.into())),
                    Ok(clock) => {
                        let changes = entry.changes.wrapping_add(1);
                        let entry = SessionEntry { clock, changes, ..entry.clone() };
                        Step::Put { entry, revision, for_request: true }
                    }
                },
            };
        }
        if session.local > 0 && !held {
            return self.with_us(entry, revision, false);
        }
        // whoever was a member in our last life has as long to come back as a lease lasts
        let leaves = |node: &NodeName| match *node == me {
            true => session.local == 0 && (session.had_members || now >= self.settled_at),
            false => now >= self.settled_at && self.is_first() && !self.peers.contains_key(node),
        };
        match entry.nodes.iter().any(leaves) || (entry.nodes.is_empty() && self.is_first()) {
            true => without(entry, revision, |node| !leaves(node)),
            false => Step::Nothing,
        }
    }

    fn step_without_entry(&self, now: Instant, session: &Session) -> Step {
        let me = self.config.name;
        match (&session.lost, session.queue.front()) {
            // It ended while nobody could know of its members here.
            (Some(lost), _) if session.local > 0 => {
                let entry = SessionEntry { nodes: [me].into(), ..lost.clone() };
                Step::Put { entry, revision: 0, for_request: false }
            }
            (_, Some(Pending { change: Change::Create(clock), .. })) => {
                let entry = SessionEntry {
                    clock: *clock,
                    changes: 0,
                    created_ns: clock.epoch_ns,
                    nodes: [me].into(),
                    by: me,
                    write: 0,
                };
                Step::Put { entry, revision: 0, for_request: true }
            }
            (_, Some(pending)) if pending.change == Change::Join && now < pending.asked + NEWS => {
                Step::Nothing
            }
            (_, Some(_)) => Step::Answer(Err(UsageError::NoSuchSession.into())),
            (_, None) => Step::Nothing,
        }
    }

    fn with_us(&self, entry: &SessionEntry, revision: u64, for_request: bool) -> Step {
        let mut entry = entry.clone();
        if entry.nodes.len() >= MAX_NODES {
            return if for_request { Step::Answer(Err(Refusal::Full)) } else { Step::Nothing };
        }
        entry.nodes.push(self.config.name);
        entry.nodes.sort_unstable();
        Step::Put { entry, revision, for_request }
    }
}

/// The entry with those nodes alone that stay; without any it is deleted.
fn without(entry: &SessionEntry, revision: u64, stays: impl Fn(&NodeName) -> bool) -> Step {
    let nodes: Vec<_> = entry.nodes.iter().copied().filter(stays).collect();
    match nodes.is_empty() {
        true => Step::Delete { revision },
        false => Step::Put { entry: SessionEntry { nodes, ..entry.clone() }, revision, for_request: false },
    }
}

/// Changes of one session that wait.
const MAX_QUEUE: usize = 1024;
/// A session that nobody here knows is waited for: whoever made it may have been quicker than the engine.
const NEWS: Duration = Duration::from_millis(250);
/// Sessions that are waited for, at most about one for each client.
const MAX_UNKNOWN: usize = 16_384;
/// How long to wait for the entry that was quicker than ours.
const RETRY: Duration = Duration::from_millis(250);
/// An epoch further ahead than this is garbage: the clocks of nodes that may write agree far better.
const MAX_AHEAD_S: u64 = 60;
