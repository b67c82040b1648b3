//! Port 5000: telemetry on a grid that does not drift.
//!
//! Tick n of a rate r is due n / r seconds after the first client came, in integers and from the start each time. One
//! that was missed is left out.
//!
//! Sending to a thousand clients takes milliseconds, in which a busy machine will interrupt the sender. So clients
//! beyond the first few are on grids of their own, each a fraction of a period behind the last: many short errands
//! instead of a long one. The clients of one grid get clones of one encoding.

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
pub(super) struct Form {
    pub(super) rate_hz: u16,
    pub(super) extended: bool,
}

/// Clients that are sent the same at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    form: Form,
    /// How many grids it is behind the first one, of [`grids`] in a period.
    grid: u16,
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

    /// Takes a client into the group that it belongs to from now on.
    pub(super) fn join(&mut self, now: Instant, id: ConnId, form: Form) -> Group {
        let start = *self.start.get_or_insert(now);
        let group = Group { form, grid: self.grid_with_room(form) };
        let members = self.groups.entry(group).or_insert_with(|| {
            let due = group.due(start, group.tick_at(start, now).map_or(0, |tick| tick + 1));
            self.due.insert((due, group));
            Members { conns: BTreeSet::new(), due }
        });
        members.conns.insert(id);
        group
    }

    pub(super) fn leave(&mut self, id: ConnId, group: Group) {
        let Some(members) = self.groups.get_mut(&group) else { return };
        members.conns.remove(&id);
        if members.conns.is_empty() {
            self.due.remove(&(members.due, group));
            self.groups.remove(&group);
        }
    }

    /// The first grid that is not full; if all are, the emptiest.
    fn grid_with_room(&self, form: Form) -> u16 {
        let taken = |grid: &u16| self.groups.get(&Group { form, grid: *grid }).map_or(0, |m| m.conns.len());
        let grids = grids(form.rate_hz);
        // The middle of the period comes second, then the quarters: those in use are always far apart.
        let far_apart = move |n: u16| n.reverse_bits().checked_shr(u16::BITS - grids.ilog2()).unwrap_or(0);
        let all = (0..grids).map(far_apart);
        let room = all.clone().find(|grid| taken(grid) < FILL);
        room.or_else(|| all.min_by_key(taken)).unwrap_or(0)
    }

    /// A group whose tick is due, with the tick's number; the next one is planned.
    fn take_due(&mut self, now: Instant) -> Option<(Group, u64)> {
        let &(at, group) = self.due.first()?;
        let start = self.start?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, group));
        let tick = group.tick_at(start, now).unwrap_or(0);
        if let Some(members) = self.groups.get_mut(&group) {
            members.due = group.due(start, tick + 1);
            self.due.insert((members.due, group));
        }
        Some((group, tick))
    }
}

impl Group {
    /// When tick `n` is due: the first nanosecond not before n / rate and what the grid is behind.
    fn due(self, start: Instant, n: u64) -> Instant {
        let (grids, rate) = (u128::from(grids(self.form.rate_hz)), u128::from(self.form.rate_hz.max(1)));
        let steps = u128::from(n) * grids + u128::from(self.grid);
        let nanos = (steps * 1_000_000_000).div_ceil(rate * grids);
        Instant::from_nanos(start.as_nanos().saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// The last tick that is due at `now`; `None` before the first.
    fn tick_at(self, start: Instant, now: Instant) -> Option<u64> {
        let (grids, rate) = (u128::from(grids(self.form.rate_hz)), u128::from(self.form.rate_hz));
        let steps = now.saturating_since(start).as_nanos() * rate * grids / 1_000_000_000;
        let since = steps.checked_sub(self.grid.into())?;
        Some(u64::try_from(since / grids).unwrap_or(u64::MAX - 1))
    }
}

/// How many grids a period has: a power of two, no more than milliseconds.
fn grids(rate_hz: u16) -> u16 {
    1 << (1000 / rate_hz.max(1)).clamp(1, MAX_GRIDS).ilog2()
}

impl Server {
    /// Sends what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((group, tick)) = self.ticks.take_due(now) {
            let frame = self.telemetry(now, group.form, tick);
            let members: Vec<ConnId> =
                self.ticks.groups.get(&group).map(|m| m.conns.iter().copied().collect()).unwrap_or_default();
            for id in members {
                self.send(id, frame.clone(), Keep::Latest);
            }
        }
    }

    /// Sends one item out of turn.
    pub(super) fn send_telemetry(&mut self, now: Instant, id: ConnId, group: Group) {
        let tick = self.ticks.start.and_then(|start| group.tick_at(start, now)).unwrap_or(0);
        let frame = self.telemetry(now, group.form, tick);
        self.send(id, frame, Keep::Latest);
    }

    /// A client wants another rate or form.
    pub(super) fn subscribe(&mut self, now: Instant, id: ConnId, wanted: Subscribe) {
        let rate_hz = match wanted.rate_hz {
            0 => self.ticks.rate_hz,
            rate => rate.min(MAX_RATE),
        };
        let form = Form { rate_hz, extended: wanted.fields & Subscribe::EXTENDED != 0 };
        let Some(State::Data(group)) = self.conns.get_mut(&id).map(|conn| &mut conn.state) else { return };
        if group.form != form {
            self.ticks.leave(id, *group);
            *group = self.ticks.join(now, id, form);
        }
        let group = *group;
        self.send_telemetry(now, id, group);
    }

    fn telemetry(&mut self, now: Instant, form: Form, tick: u64) -> Bytes {
        let wall_ns = self.wall_ns(now);
        let value = match &mut self.config.source {
            // A function of the tick, so that one that was left out changes nothing of the rest.
            ValueSource::Random { max } => self.rng.at(tick, *max),
            ValueSource::Constant(value) => *value,
            ValueSource::Counter => low_byte(tick),
            ValueSource::Custom(source) => source(tick),
        };
        if !form.extended {
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
/// Grids in a period at most.
const MAX_GRIDS: u16 = 32;
/// So many clients of a grid before the next one is begun: a third of a millisecond of sending. Fewer would cost more
/// of the processor, which wakes for each grid.
const FILL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Form = Form { rate_hz: 24, extended: false };

    #[test]
    fn a_day_at_24_hz_ends_on_the_second() {
        let start = Instant::from_nanos(12_345);
        for grid in [0, 1, 17, 31] {
            let group = Group { form: PLAIN, grid };
            for n in [0, 1, 23, 24, 25, 24 * 86_400] {
                let at = group.due(start, n);
                assert_eq!(group.tick_at(start, at), Some(n));
                let before = Instant::from_nanos(at.as_nanos() - 1);
                assert!(at == start || group.tick_at(start, before) == n.checked_sub(1));
            }
            let first = group.due(start, 0);
            let day = group.due(start, 24 * 86_400).saturating_since(first);
            assert_eq!(day.as_nanos(), 86_400_000_000_000);
        }
        let first = Group { form: PLAIN, grid: 0 };
        assert_eq!(first.due(start, 1).as_nanos() - 12_345, 41_666_667);
    }

    #[test]
    fn a_thousand_clients_are_spread_and_a_few_are_not() {
        let mut ticks = Ticks::new(24);
        let groups: Vec<Group> =
            (0..1000).map(|n| ticks.join(Instant::from_nanos(n), ConnId(n), PLAIN)).collect();
        let grid = |n: usize| groups.get(n).map(|group| group.grid);
        assert_eq!([0, 63, 64, 128, 192, 256].map(grid), [0, 0, 16, 8, 24, 4].map(Some));
        assert_eq!((ticks.groups.len(), grids(24), grids(1000), grids(1)), (16, 32, 1, 32));
        // Beyond what fills all of them the emptiest is taken.
        for n in 1000..4000 {
            ticks.join(Instant::from_nanos(n), ConnId(n), PLAIN);
        }
        let sizes = || ticks.groups.values().map(|members| members.conns.len());
        assert_eq!((sizes().len(), sizes().min(), sizes().max()), (32, Some(125), Some(125)));
        // Groups without members are gone, and who comes fills the gap.
        let emptied = Group { form: PLAIN, grid: 8 };
        for n in 0..4000 {
            ticks.leave(ConnId(n), emptied);
        }
        assert_eq!((ticks.groups.len(), ticks.due.len()), (31, 31));
        assert_eq!(ticks.join(Instant::from_nanos(1), ConnId(5000), PLAIN), emptied);
    }
}
