//! Waking early, waking late, and asking when.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::time::Duration;

use super::record::{Mark, Record, differs, short};
use super::runner::{Mode, Runner};
use super::{Compare, Late, Property, Suite, Violation};
use crate::{Instant, Machine, Peer};

/// How many periods late the machine is woken.
const LATE_PERIODS: [u32; 4] = [1, 2, 10, 100];
/// How many periods are compared afterwards.
const PERIODS_AFTER: u32 = 4;
/// The period of a machine that wants to be woken once.
const ONE_SHOT: Duration = Duration::from_secs(1);
/// Wakes in time that are compared at most.
const MAX_WAKES: usize = 5_000;

/// A wake and what was said then.
struct Wake<E> {
    at: Instant,
    said: Record<E>,
}

impl<M: Machine> Suite<M>
where
    M::Event: PartialEq + Debug,
{
    /// Property [`PureTimeout`](Property::PureTimeout).
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_pure_timeout(&self) -> Result<(), Violation> {
        let mode = Mode { extra_reads: 20, ..Mode::default() };
        let (expected, _) = self.reference()?;
        self.same_as(&expected, Property::PureTimeout, "deadline read 20 times", mode, Compare::Exactly)
    }

    /// Property [`EarlyWake`](Property::EarlyWake): a machine that is woken at any time before its deadline does the
    /// same as one that is not.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_early_wakes(&self) -> Result<(), Violation> {
        let mode = Mode { wake_early: true, ..Mode::default() };
        let (expected, _) = self.reference()?;
        self.same_as(&expected, Property::EarlyWake, "woken early", mode, Compare::Exactly)
    }

    /// Properties [`LateBurst`](Property::LateBurst) and [`LateTime`](Property::LateTime): after every step that leaves
    /// a deadline the machine is woken 1, 2, 10 and 100 periods late, on the beat and off it, and compared with one
    /// that was always woken in time.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_late_wakes(&self) -> Result<(), Violation> {
        for steps in 1..=self.script.len() {
            for periods in LATE_PERIODS {
                for off_beat in [false, true] {
                    let name = format!("woken {periods} periods late");
                    self.guarded(&name, || self.check_late_wake(&name, steps, periods, off_beat))?;
                }
            }
        }
        Ok(())
    }

    fn check_late_wake(
        &self,
        name: &str,
        steps: usize,
        periods: u32,
        off_beat: bool,
    ) -> Result<(), Violation> {
        let script = self.script.get(..steps).unwrap_or_default();
        let mut punctual = self.runner(Mode::default(), name)?;
        punctual.run(0, script)?;
        let Some(first) = punctual.deadline()? else {
            return Ok(());
        };
        let open = punctual.open_conns();
        let mut on_time = Vec::from([wake(&mut punctual, first)?]);
        let second = punctual.deadline()?;
        let period = second.map_or(ONE_SHOT, |second| second.saturating_since(first));
        let late_by = period.saturating_mul(periods) + if off_beat { period / 3 } else { Duration::ZERO };
        let at = first + late_by;
        let until = at + period.saturating_mul(PERIODS_AFTER);
        run_on(&mut punctual, until, &mut on_time)?;

        let mut late = self.runner(Mode::default(), name)?;
        late.run(0, script)?;
        let woken = wake(&mut late, at)?;
        let mut after = Vec::new();
        run_on(&mut late, until, &mut after)?;
        self.count_late_wake();

        self.check_burst(&late, &on_time, &woken, open)?;
        if on_time.len() >= MAX_WAKES {
            return Ok(()); // the two lists may end at different times
        }
        self.check_times(&late, &on_time, &after, at)?;
        self.check_values(&late, &on_time, &woken, &after, at)
    }

    /// The late wake says no more than the most that one in time has said, and what other timers may add.
    fn check_burst(
        &self,
        runner: &Runner<'_, M>,
        on_time: &[Wake<M::Event>],
        woken: &Wake<M::Event>,
        open: usize,
    ) -> Result<(), Violation> {
        let mut most: BTreeMap<Option<Peer>, usize> = BTreeMap::new();
        for wake in on_time {
            for (peer, count) in counts(&wake.said) {
                let most = most.entry(peer).or_default();
                *most = count.max(*most);
            }
        }
        for (peer, count) in counts(&woken.said) {
            let mut allowed = most.get(&peer).copied().unwrap_or(0) + self.bounds.late_outputs;
            if peer.is_none() {
                allowed += open; // each connection may have its own deadline, and reports it
            }
            if count > allowed {
                let to = peer.map_or_else(|| "the program".into(), |p| format!("{p:?}"));
                let what = format!("{count} outputs to {to} in one late wake, {allowed} are right");
                return Err(runner.violation(Property::LateBurst, what));
            }
        }
        Ok(())
    }

    /// Later wakes come when they would have come anyway.
    fn check_times(
        &self,
        runner: &Runner<'_, M>,
        on_time: &[Wake<M::Event>],
        after: &[Wake<M::Event>],
        at: Instant,
    ) -> Result<(), Violation> {
        if self.late == Late::NoBurst {
            return Ok(());
        }
        let expected: Vec<Instant> = on_time.iter().map(|w| w.at).filter(|t| *t > at).collect();
        let found: Vec<Instant> = after.iter().map(|w| w.at).collect();
        match differs("wakes after it", &expected, &found) {
            Some(what) => Err(runner.violation(Property::LateTime, what)),
            None => Ok(()),
        }
    }

    /// What is said late is what was said last in time, and what is said later is the same.
    fn check_values(
        &self,
        runner: &Runner<'_, M>,
        on_time: &[Wake<M::Event>],
        woken: &Wake<M::Event>,
        after: &[Wake<M::Event>],
        at: Instant,
    ) -> Result<(), Violation> {
        if self.late != Late::SameOutputs {
            return Ok(());
        }
        let in_time = on_time.iter().filter(|w| w.at <= at);
        for (conn, parts) in &woken.said.conns {
            let last = in_time.clone().rev().find_map(|w| w.said.conns.get(conn)?.last());
            let found = parts.last();
            if last.is_some() && found != last {
                return Err(runner.violation(Property::LateTime, stale(conn, &last, &found)));
            }
        }
        for (peer, datagrams) in &woken.said.udp {
            let last = in_time.clone().rev().find_map(|w| w.said.udp.get(peer)?.last());
            let found = datagrams.last();
            if last.is_some() && found != last {
                return Err(runner.violation(Property::LateTime, stale(peer, &last, &found)));
            }
        }
        for (expected, found) in on_time.iter().filter(|w| w.at > at).zip(after) {
            if let Some(what) = expected.said.difference(&found.said) {
                let what = format!("at {:?}: {what}", found.at);
                return Err(runner.violation(Property::LateTime, what));
            }
        }
        Ok(())
    }
}

fn stale<K: Debug, T: Debug>(key: &K, expected: &T, found: &T) -> String {
    format!("{key:?} in the late wake: expected {}, found {}", short(expected), short(found))
}

/// Wakes the machine and takes what it says.
fn wake<M: Machine>(runner: &mut Runner<'_, M>, at: Instant) -> Result<Wake<M::Event>, Violation> {
    let at = at.max(runner.now);
    runner.record = Record::new();
    runner.wake(at)?;
    let said = core::mem::replace(&mut runner.record, Record::new());
    Ok(Wake { at, said })
}

/// Wakes the machine in time until `until`.
fn run_on<M: Machine>(
    runner: &mut Runner<'_, M>,
    until: Instant,
    wakes: &mut Vec<Wake<M::Event>>,
) -> Result<(), Violation> {
    while let Some(deadline) = runner.deadline()?.filter(|d| *d <= until) {
        if wakes.len() >= MAX_WAKES {
            break;
        }
        wakes.push(wake(runner, deadline)?);
    }
    Ok(())
}

/// How much was said, by listener; `None` is the program.
fn counts<E>(said: &Record<E>) -> Vec<(Option<Peer>, usize)> {
    let mut counts: BTreeMap<Option<Peer>, usize> = BTreeMap::new();
    for mark in &said.order {
        let peer = match *mark {
            Mark::Conn(conn, _) => Some(Peer::Conn(conn)),
            Mark::Udp(peer, _) => Some(Peer::Udp(peer)),
            Mark::Event => None,
            Mark::Deadline(_) => continue,
        };
        *counts.entry(peer).or_default() += 1;
    }
    counts.into_iter().collect()
}
