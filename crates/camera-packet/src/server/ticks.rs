//! Port 5000: telemetry on a grid that does not drift.
//!
//! Tick n of a rate r is due n / r seconds after the first client came, in integers and from the start each time. One
//! that was missed is left out. All clients of a group get clones of one encoding.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use machine::{ConnId, Instant, Keep};

use super::{Server, State};
use crate::config::ValueSource;
use crate::extension::{ExtendedTelemetry, Subscribe};
use crate::message::{Message, Telemetry};

/// What a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) rate_hz: u16,
    pub(super) extended: bool,
}

#[derive(Debug)]
pub(super) struct Ticks {
    rate_hz: u16,
    start: Option<Instant>,
    groups: BTreeMap<Group, Members>,
    /// When the next tick of each group is due.
    due: BTreeSet<(Instant, Group)>,
}

#[derive(Debug)]
struct Members {
    conns: BTreeSet<ConnId>,
    due: Instant,
}

impl Ticks {
    pub(super) fn new(rate_hz: u16) -> Self {
        let rate_hz = rate_hz.clamp(1, MAX_RATE);
        Self { rate_hz, start: None, groups: BTreeMap::new(), due: BTreeSet::new() }
    }

    pub(super) fn rate_hz(&self) -> u16 {
        self.rate_hz
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn join(&mut self, now: Instant, id: ConnId, group: Group) {
        let start = *self.start.get_or_insert(now);
        let members = self.groups.entry(group).or_insert_with(|| {
            let due = due(start, group.rate_hz, tick_at(start, group.rate_hz, now) + 1);
            self.due.insert((due, group));
            Members { conns: BTreeSet::new(), due }
        });
        members.conns.insert(id);
    }

    pub(super) fn leave(&mut self, id: ConnId, group: Group) {
        let Some(members) = self.groups.get_mut(&group) else { return };
        members.conns.remove(&id);
        if members.conns.is_empty() {
            self.due.remove(&(members.due, group));
            self.groups.remove(&group);
        }
    }

    /// A group whose tick is due, with the tick's number; the next one is planned.
    fn take_due(&mut self, now: Instant) -> Option<(Group, u64)> {
        let &(at, group) = self.due.first()?;
        let start = self.start?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, group));
        let tick = tick_at(start, group.rate_hz, now);
        if let Some(members) = self.groups.get_mut(&group) {
            members.due = due(start, group.rate_hz, tick + 1);
            self.due.insert((members.due, group));
        }
        Some((group, tick))
    }
}

/// When tick `n` is due: the first nanosecond not before n / rate.
fn due(start: Instant, rate_hz: u16, n: u64) -> Instant {
    let nanos = (u128::from(n) * 1_000_000_000).div_ceil(rate_hz.max(1).into());
    Instant::from_nanos(start.as_nanos().saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// The last tick that is due at `now`.
fn tick_at(start: Instant, rate_hz: u16, now: Instant) -> u64 {
    let since = now.saturating_since(start).as_nanos();
    u64::try_from(since * u128::from(rate_hz) / 1_000_000_000).unwrap_or(u64::MAX - 1)
}

impl Server {
    /// Sends what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((group, tick)) = self.ticks.take_due(now) {
            let frame = self.telemetry(now, group, tick);
            let members: Vec<ConnId> =
                self.ticks.groups.get(&group).map(|m| m.conns.iter().copied().collect()).unwrap_or_default();
            for id in members {
                self.send(id, frame.clone(), Keep::Latest);
            }
        }
    }

    /// Sends one item out of turn.
    pub(super) fn send_telemetry(&mut self, now: Instant, id: ConnId, group: Group) {
        let tick = self.ticks.start.map_or(0, |start| tick_at(start, group.rate_hz, now));
        let frame = self.telemetry(now, group, tick);
        self.send(id, frame, Keep::Latest);
    }

    /// A client wants another rate or form.
    pub(super) fn subscribe(&mut self, now: Instant, id: ConnId, wanted: Subscribe) {
        let rate_hz = match wanted.rate_hz {
            0 => self.ticks.rate_hz,
            rate => rate.min(MAX_RATE),
        };
        let group = Group { rate_hz, extended: wanted.fields & Subscribe::EXTENDED != 0 };
        let Some(State::Data(old)) = self.conns.get_mut(&id).map(|conn| &mut conn.state) else { return };
        let old = core::mem::replace(old, group);
        if old != group {
            self.ticks.leave(id, old);
            self.ticks.join(now, id, group);
        }
        self.send_telemetry(now, id, group);
    }

    fn telemetry(&mut self, now: Instant, group: Group, tick: u64) -> Bytes {
        let wall_ns = self.wall_ns(now);
        let value = match &mut self.config.source {
            // A function of the tick, so that one that was left out changes nothing of the rest.
            ValueSource::Random { max } => self.rng.at(tick, *max),
            ValueSource::Constant(value) => *value,
            ValueSource::Counter => low_byte(tick),
            ValueSource::Custom(source) => source(tick),
        };
        if !group.extended {
            let telemetry = Telemetry { value, timestamp_ms: wall_ns / 1_000_000 };
            return Bytes::copy_from_slice(&telemetry.to_frame());
        }
        let telemetry = ExtendedTelemetry {
            sequence: low_word(tick),
            wall_ns,
            monotonic_ns: now.as_nanos(),
            value,
            pipeline: self.pipeline as u8,
            revision: self.revision,
        };
        let mut out = BytesMut::new();
        // 30 bytes fit a frame.
        let _ = Message::ExtendedTelemetry(telemetry).encode(&mut out);
        out.freeze()
    }
}

fn low_byte(n: u64) -> u8 {
    let [low, ..] = n.to_le_bytes();
    low
}

fn low_word(n: u64) -> u32 {
    let [a, b, c, d, ..] = n.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Items a second at most.
const MAX_RATE: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_at_24_hz_ends_on_the_second() {
        let start = Instant::from_nanos(12_345);
        for n in [0, 1, 23, 24, 25, 24 * 86_400] {
            let at = due(start, 24, n);
            assert_eq!(tick_at(start, 24, at), n);
            if n > 0 {
                assert_eq!(tick_at(start, 24, Instant::from_nanos(at.as_nanos() - 1)), n - 1);
            }
        }
        assert_eq!(due(start, 24, 24 * 86_400).as_nanos() - 12_345, 86_400_000_000_000);
        assert_eq!(due(start, 24, 1).as_nanos() - 12_345, 41_666_667);
    }
}
