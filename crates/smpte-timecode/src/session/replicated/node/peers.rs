//! Leases, and the clocks of the other nodes.

use alloc::vec::Vec;
use core::time::Duration;

use machine::Instant;

use super::{Action, Command, Lease, Link, Node};
use crate::message::SessionId;
use crate::session::replicated::entry::{Key, Probe, parse_count};
use crate::session::replicated::offset::{Offset, Offsets, from_median};
use crate::session::replicated::{EntryError, NodeEntry, NodeName};

/// Another node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) entry: NodeEntry,
    revision: u64,
    pub(super) heard: Instant,
    /// Since the last connection.
    pub(super) seen: bool,
    offsets: Offsets,
}

impl Node {
    /// Renews our lease five times before it runs out.
    pub(super) fn beat(&mut self, now: Instant) {
        let first = self.lease == Lease::Unwritten;
        if !(first || now >= self.beat_due) || self.duplicate_until.is_some_and(|until| now < until) {
            return;
        }
        let Some(entry) = self.lease_entry() else { return };
        // at the tick that is nearest
        self.beat_due = now + (self.config.lease / BEATS).saturating_sub(super::TICK / 2);
        let token = self.write(Key::Node(self.config.name), entry.to_json(), None);
        if first {
            self.lease = Lease::Asked(token);
        }
    }

    pub(super) fn node_entry(
        &mut self,
        now: Instant,
        name: NodeName,
        revision: u64,
        value: &[u8],
    ) -> Result<(), EntryError> {
        let entry = NodeEntry::parse(value)?;
        if name == self.config.name {
            self.own_entry(now, entry, revision);
            return Ok(());
        }
        if !self.peers.contains_key(&name) {
            if self.peers.len() >= MAX_PEERS {
                return Err(EntryError::TooMany);
            }
            self.out.push_back(Action::NodeFound(name));
            if self.link == Link::Synced {
                self.probe_due = Some(now);
            }
        }
        let offsets = Offsets::default();
        let peer =
            self.peers.entry(name).or_insert(Peer { entry, revision, heard: now, seen: true, offsets });
        if peer.entry.incarnation != entry.incarnation {
            peer.offsets = Offsets::default();
        }
        (peer.entry, peer.revision, peer.heard, peer.seen) = (entry, revision, now, true);
        Ok(())
    }

    /// An entry under our own name: one of another's, after ours, means that there are two of us. The younger yields.
    fn own_entry(&mut self, now: Instant, entry: NodeEntry, revision: u64) {
        let after_ours = matches!(self.lease, Lease::Written { revision: ours } if revision > ours);
        let Some(ours) = self.lease_entry() else { return };
        if after_ours
            && entry.incarnation != ours.incarnation
            && (entry.since_ns, entry.incarnation) < (ours.since_ns, ours.incarnation)
        {
            self.duplicate_until = Some(now + self.config.lease);
        }
    }

    pub(super) fn count_entry(
        &mut self,
        id: SessionId,
        name: NodeName,
        value: &[u8],
    ) -> Result<(), EntryError> {
        let count = parse_count(value)?;
        if name == self.config.name {
            // of an earlier life, or what we wrote
            self.told.insert(id, count);
            if self.sessions.get(&id).map_or(0, |session| session.local) != count {
                self.recount.insert(id);
            }
            return Ok(());
        }
        if self.counts.len() >= MAX_COUNTS && !self.counts.contains_key(&(id, name)) {
            return Err(EntryError::TooMany);
        }
        self.counts.insert((id, name), count);
        Ok(())
    }

    /// Writes how many members sessions have here, where that has changed.
    pub(super) fn write_counts(&mut self) {
        if self.link != Link::Synced {
            return;
        }
        for id in core::mem::take(&mut self.recount) {
            let key = Key::Members(id, self.config.name);
            let count = self.sessions.get(&id).map_or(0, |session| session.local);
            if self.told.get(&id).copied().unwrap_or_default() == count {
                continue;
            }
            match count {
                0 => {
                    self.told.remove(&id);
                    self.delete(key, None)
                }
                count => {
                    self.told.insert(id, count);
                    let mut value = bytes::BytesMut::new();
                    crate::codec::json::put_unsigned(&mut value, u64::from(count));
                    self.write(key, value.freeze(), None)
                }
            };
        }
    }

    /// Finds out which leases have run out. What they leave behind is for the first of the nodes that live to take
    /// away.
    pub(super) fn expire_peers(&mut self, now: Instant) {
        if self.link != Link::Synced {
            return;
        }
        let lease = self.config.lease;
        let dead: Vec<_> =
            self.peers.iter().filter(|(_, peer)| now.saturating_since(peer.heard) >= lease).collect();
        let dead: Vec<_> = dead.into_iter().map(|(name, peer)| (*name, peer.revision)).collect();
        for (name, _) in &dead {
            self.peers.remove(name);
            self.out.push_back(Action::NodeLost(*name));
        }
        if self.is_first() {
            for (name, revision) in &dead {
                self.delete(Key::Node(*name), Some(*revision));
            }
        }
        let settles = !core::mem::replace(&mut self.settled, self.settled_at <= now) && self.settled;
        if !dead.is_empty() || settles {
            self.clear_dead_counts();
            let all: Vec<_> = self.sessions.keys().copied().collect();
            for id in all {
                self.pump(now, id);
            }
        }
    }

    fn clear_dead_counts(&mut self) {
        if !self.is_first() {
            return;
        }
        let dead: Vec<_> =
            self.counts.keys().filter(|(_, node)| !self.peers.contains_key(node)).copied().collect();
        for (id, node) in dead {
            self.delete(Key::Members(id, node), None);
        }
    }

    /// Whether no other node that lives has a name before ours.
    pub(super) fn is_first(&self) -> bool {
        self.peers.first_key_value().is_none_or(|(name, _)| *name > self.config.name)
    }

    /// Asks one of the other nodes what time it is: each in turn, those first that have never answered.
    pub(super) fn probe(&mut self, now: Instant) {
        let unmeasured = |peer: &Peer| peer.offsets.best(now).is_none();
        let any_unmeasured = self.peers.values().any(unmeasured);
        let wanted = |(_, peer): &(&NodeName, &Peer)| !any_unmeasured || unmeasured(peer);
        let after = self.last_probed.unwrap_or(self.config.name);
        let next = self.peers.iter().filter(wanted).find(|(name, _)| **name > after);
        let next = next.or_else(|| self.peers.iter().find(wanted)).map(|(name, _)| *name);
        let interval = match u32::try_from(self.peers.len()).unwrap_or(u32::MAX) {
            0 => None,
            _ if any_unmeasured => Some(FIRST_PROBES),
            peers => Some((Duration::from_secs(1) / peers).max(LEAST_INTERVAL)),
        };
        self.probe_due = interval.map(|interval| now + interval);
        if let Some(to) = next {
            self.last_probed = Some(to);
            let ask = Probe::Ask { from: self.config.name, sent: now.as_nanos() };
            self.out.push_back(Action::Command(Command::Send { to, data: ask.to_json() }));
        }
    }

    pub(super) fn message(&mut self, now: Instant, data: &[u8]) {
        match Probe::parse(data) {
            Ok(Probe::Ask { from, sent }) => {
                let Some(offset) = self.wall_offset else { return };
                let wall_ns = i64::try_from(i128::from(now.as_nanos()) + offset).unwrap_or(i64::MAX);
                let reply = Probe::Reply { from: self.config.name, sent, wall_ns };
                self.out.push_back(Action::Command(Command::Send { to: from, data: reply.to_json() }));
            }
            Ok(Probe::Reply { from, sent, wall_ns }) => {
                let sent = Instant::from_nanos(sent);
                // nothing takes longer and means anything
                let fresh = sent <= now && now.saturating_since(sent) < Duration::from_secs(10);
                if let Some(peer) = self.peers.get_mut(&from).filter(|_| fresh) {
                    peer.offsets.reply(sent, now, wall_ns);
                }
            }
            Err(error) => self.out.push_back(Action::Garbage { key: "a message".into(), error }),
        }
    }

    /// Whether we know the clocks of enough other nodes.
    pub(super) fn is_measured(&self, now: Instant) -> bool {
        let known = self.peers.values().filter(|peer| peer.offsets.best(now).is_some()).count();
        known >= self.peers.len().min(ENOUGH_PEERS)
    }

    /// How far our wall clock is ahead of the median of all that are known; `None` as long as we have none.
    pub(super) fn deviation(&self, now: Instant) -> Option<Offset> {
        let ours = self.wall_offset?;
        let offsets = self.peers.values().filter_map(|peer| peer.offsets.best(now));
        Some(from_median(offsets.map(|offset| Offset { ahead_ns: offset.ahead_ns - ours, ..offset })))
    }
}

/// How often a lease is written before it runs out.
const BEATS: u32 = 5;
/// A node that joins serves when it knows the clocks of so many.
const ENOUGH_PEERS: usize = 3;
const FIRST_PROBES: Duration = Duration::from_millis(10);
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
const MAX_PEERS: usize = 1024;
const MAX_COUNTS: usize = 65_536;
