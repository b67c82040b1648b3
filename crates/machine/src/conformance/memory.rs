//! Heap memory under floods, and whether it is given back.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

use super::noise::Noise;
use super::runner::{Mode, Runner};
use super::{Property, Step, Suite, Violation};
use crate::{ConnId, Machine, Transport, UdpPeer};

/// Bytes that a driver reads at once.
const READ: usize = 64 * 1024;

impl<M: Machine> Suite<M>
where
    M::Event: PartialEq + core::fmt::Debug,
{
    /// Property [`Memory`](Property::Memory) and [`Leak`](Property::Leak): floods a machine and sees what it holds.
    ///
    /// `allocated` says how many bytes of heap are in use; a test binary has it from a counting global allocator.
    /// Nothing else may allocate meanwhile, so such a binary has one test.
    ///
    /// - A peer sends no end of bytes without sense, after every beginning that the script has.
    /// - A peer repeats what the script has, over and over on the same connection.
    /// - Datagrams come from no end of peers.
    /// - The script is repeated on ever new connections.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_memory(&self, allocated: &dyn Fn() -> usize) -> Result<(), Violation> {
        self.flood_with_garbage(allocated)?;
        self.flood_with_sense(allocated)?;
        self.flood_from_many_peers(allocated)?;
        self.open_and_close(allocated)
    }

    fn flood_with_garbage(&self, allocated: &dyn Fn() -> usize) -> Result<(), Violation> {
        let mut noise = Noise::new(self.seed);
        let noise = Bytes::from(noise.bytes(READ));
        let mut patterns: Vec<(&str, Bytes)> = Vec::from([("noise", noise)]);
        for (name, byte) in
            [("zeros", 0), ("0xff", 0xff), ("letters", b'a'), ("spaces", b' '), ("brackets", b'[')]
        {
            patterns.push((name, Bytes::from(alloc::vec![byte; READ])));
        }
        for (i, step) in self.script.iter().enumerate() {
            let Some(conn) = step.conn() else {
                continue;
            };
            // After the opening, and in the middle of what is said.
            let begun = match step {
                Step::Open(..) => None,
                Step::Bytes(_, bytes) => Some(bytes.slice(..bytes.len() - bytes.len().min(1))),
                _ => continue,
            };
            for (name, pattern) in &patterns {
                let name = format!("flood of {name}");
                let mode = Mode { lenient: true, forget: true, ..Mode::default() };
                self.guarded(&name, || {
                    let before = allocated();
                    let mut runner = self.runner(mode, &name)?;
                    runner.run(0, self.script.get(..i).unwrap_or_default())?;
                    runner.apply(
                        &begun.as_ref().map_or_else(|| step.clone(), |b| Step::Bytes(conn, b.clone())),
                    )?;
                    let flood = self.flood_step(conn, pattern);
                    self.flood(&mut runner, &[flood], before, allocated)
                })?;
            }
        }
        Ok(())
    }

    /// Garbage in the form that the connection carries.
    fn flood_step(&self, conn: ConnId, pattern: &Bytes) -> Step<M> {
        let web_socket = self
            .script
            .iter()
            .any(|s| matches!(s, Step::Open(c, o) if *c == conn && o.transport == Transport::WebSocket));
        match core::str::from_utf8(pattern) {
            Ok(text) if web_socket => Step::Text(conn, text.into()),
            Err(_) if web_socket => Step::Binary(conn, pattern.clone()),
            _ => Step::Bytes(conn, pattern.clone()),
        }
    }

    fn flood_with_sense(&self, allocated: &dyn Fn() -> usize) -> Result<(), Violation> {
        let mode = Mode { lenient: true, forget: true, ..Mode::default() };
        let says = |s: &&Step<M>| {
            matches!(s, Step::Bytes(..) | Step::Text(..) | Step::Binary(..) | Step::Datagram(..))
        };
        let all: Vec<Step<M>> = self.script.iter().filter(says).cloned().collect();
        let alone = all.iter().map(core::slice::from_ref);
        for steps in alone.chain([all.as_slice()]).filter(|steps| !steps.is_empty()) {
            self.guarded("flood of repetitions", || {
                let before = allocated();
                let mut runner = self.runner(mode, "flood of repetitions")?;
                // All connections open, nothing said yet.
                let opens = self.script.iter().filter(|s| matches!(s, Step::Open(..)));
                runner.run(0, &opens.cloned().collect::<Vec<_>>())?;
                self.flood(&mut runner, steps, before, allocated)
            })?;
        }
        Ok(())
    }

    /// Repeats steps until the flood is over, and watches the heap.
    fn flood(
        &self,
        runner: &mut Runner<'_, M>,
        steps: &[Step<M>],
        before: usize,
        allocated: &dyn Fn() -> usize,
    ) -> Result<(), Violation> {
        let round: usize = steps.iter().map(|s| s.len() + 16).sum();
        for _ in 0..self.bounds.flood / round.max(1) {
            for step in steps {
                runner.apply(step)?;
                self.check_heap(runner, before, allocated)?;
            }
        }
        Ok(())
    }

    fn flood_from_many_peers(&self, allocated: &dyn Fn() -> usize) -> Result<(), Violation> {
        let mode = Mode { lenient: true, forget: true, ..Mode::default() };
        self.guarded("datagrams from many peers", || {
            let before = allocated();
            let mut runner = self.runner(mode, "datagrams from many peers")?;
            for round in 1..=self.bounds.peers {
                for step in &self.script {
                    let Step::Datagram(peer, data) = step else {
                        continue;
                    };
                    let [_, a, b, c] = round.to_be_bytes();
                    let mut remote = peer.remote;
                    remote.set_ip([10, a, b, c].into());
                    runner.apply(&Step::Datagram(UdpPeer { remote, ..*peer }, data.clone()))?;
                }
                self.check_heap(&runner, before, allocated)?;
            }
            Ok(())
        })
    }

    fn open_and_close(&self, allocated: &dyn Fn() -> usize) -> Result<(), Violation> {
        let mode = Mode { lenient: true, forget: true, ..Mode::default() };
        self.guarded("open and close", || {
            let before = allocated();
            let mut runner = self.runner(mode, "open and close")?;
            let mut settled = 0;
            for round in 1..=self.bounds.rounds.saturating_mul(3) {
                let script: Vec<Step<M>> = self.script.iter().map(|s| s.for_round(round)).collect();
                runner.run(0, &script)?;
                runner.close_all()?;
                runner.advance(runner.now + self.bounds.settle)?;
                drop(script);
                self.check_heap(&runner, before, allocated)?;
                if round == self.bounds.rounds {
                    settled = allocated();
                }
            }
            let kept = allocated().saturating_sub(settled);
            if kept > self.bounds.retained {
                let (rounds, bound) = (self.bounds.rounds * 2, self.bounds.retained);
                let what = format!("{kept} bytes are kept after {rounds} rounds, the bound is {bound}");
                return Err(runner.violation(Property::Leak, what));
            }
            Ok(())
        })
    }

    fn check_heap(
        &self,
        runner: &Runner<'_, M>,
        before: usize,
        allocated: &dyn Fn() -> usize,
    ) -> Result<(), Violation> {
        let (held, bound) = (allocated().saturating_sub(before), self.bounds.memory);
        if held > bound {
            let what = format!("{held} bytes of heap are held, the bound is {bound}");
            return Err(runner.violation(Property::Memory, what));
        }
        Ok(())
    }
}
