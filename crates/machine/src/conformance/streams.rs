//! Bytes cut anywhere, damaged in any way, and connections that end at any moment.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Debug;

use bytes::{Bytes, BytesMut};

use super::noise::Noise;
use super::runner::{Cut, Drain, Mode};
use super::script::Script;
use super::{Compare, Property, Step, Suite, Violation};
use crate::{CloseReason, ConnId, Machine};

/// Random ways of cutting.
const RANDOM_CUTS: u64 = 32;
/// Prefixes looked at in a script.
const MAX_PREFIXES: usize = 4096;
/// Longest piece of pure noise.
const MAX_NOISE: usize = 5_000;

impl<M: Machine> Suite<M>
where
    M::Event: PartialEq + Debug,
{
    /// Property [`Chunking`](Property::Chunking): every stream input cut at every chunk size up to
    /// [`Bounds::chunks`](super::Bounds::chunks), at some above, and at random, gives what the whole gives; so do
    /// neighbouring inputs that come joined.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_chunking(&self) -> Result<(), Violation> {
        let streams = self.script.iter().filter(|s| matches!(s, Step::Bytes(..)));
        let longest = streams.map(Step::len).max().unwrap_or(0);
        let (expected, _) = self.reference()?;
        let same = |name: &str, cut| {
            let mode = Mode { cut, ..Mode::default() };
            self.count_cut();
            self.same_as(&expected, Property::Chunking, name, mode, Compare::ByListener)
        };
        let mut size = 1;
        while size < longest {
            same(&format!("chunks of {size}"), Cut::Every(size))?;
            size += 1 + if size > self.bounds.chunks { size / 4 } else { 0 };
        }
        for i in 0..if longest > 1 { RANDOM_CUTS } else { 0 } {
            same(&format!("random chunks {i}"), Cut::Random(self.seed.wrapping_add(i)))?;
        }
        self.check_joined()
    }

    fn check_joined(&self) -> Result<(), Violation> {
        let mut joined: Script<M> = Vec::new();
        for step in &self.script {
            match (joined.last_mut(), step) {
                (Some(Step::Bytes(last, before)), Step::Bytes(conn, bytes)) if last == conn => {
                    let mut both = BytesMut::from(before.as_ref());
                    both.extend_from_slice(bytes);
                    *before = both.freeze();
                }
                _ => joined.push(step.clone()),
            }
        }
        let (whole, replied) = self.reference()?;
        // What a driver answers in between comes at another time then, and may change what follows.
        if replied || joined.len() == self.script.len() {
            return Ok(());
        }
        let (record, _) = self.run_script("writes joined", Mode::default(), &joined)?;
        match whole.difference(&record) {
            Some(what) => Err(self.violation(Property::Chunking, "writes joined", 0, what)),
            None => Ok(()),
        }
    }

    /// Property [`Batching`](Property::Batching): a stream that comes byte by byte, drained at the end only.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_batching(&self) -> Result<(), Violation> {
        let (expected, _) = self.reference()?;
        for size in [1, 7] {
            let mode = Mode { cut: Cut::Every(size), drain: Drain::EachStep, ..Mode::default() };
            let name = format!("chunks of {size}, drained at the end of each step");
            self.same_as(&expected, Property::Batching, &name, mode, Compare::ByListener)?;
        }
        Ok(())
    }

    /// Property [`Prefix`](Property::Prefix): every prefix of every stream input, then the end of the stream, or of the
    /// connection.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_prefixes(&self) -> Result<(), Violation> {
        let total: usize = self.script.iter().map(Step::len).sum();
        let stride = 1 + total / MAX_PREFIXES;
        for (i, step) in self.script.iter().enumerate() {
            let Step::Bytes(conn, bytes) = step else {
                continue;
            };
            for len in (0..bytes.len()).step_by(stride) {
                let name = format!("first {len} bytes");
                self.guarded(&name, || self.check_prefix(&name, i, *conn, bytes, len))?;
            }
        }
        Ok(())
    }

    fn check_prefix(
        &self,
        name: &str,
        step: usize,
        conn: ConnId,
        bytes: &Bytes,
        len: usize,
    ) -> Result<(), Violation> {
        let before = self.script.get(..step).unwrap_or_default();
        let mut whole = self.runner(Mode::default(), name)?;
        whole.run(0, before)?;
        whole.give(&Step::Bytes(conn, bytes.clone()))?;
        for ending in [Step::End(conn), Step::Closed(conn, CloseReason::Failed)] {
            let mut part = self.runner(Mode { lenient: true, ..Mode::default() }, name)?;
            part.run(0, before)?;
            part.give(&Step::Bytes(conn, bytes.slice(..len)))?;
            // Events may be put together (see `normalise`), then their beginnings cannot be compared.
            let events = self.normalise.is_none();
            if let Some(what) = whole.record.not_begun_by(&part.record, events) {
                return Err(self.violation(Property::Prefix, name, step, what));
            }
            part.answer()?;
            part.run(step, &[ending, Step::Wait(self.bounds.linger)])?;
        }
        Ok(())
    }

    /// Property [`NothingAfterClose`](Property::NothingAfterClose): each connection breaks before each step.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_sudden_ends(&self) -> Result<(), Violation> {
        let opened = self.script.iter().filter(|s| matches!(s, Step::Open(..)));
        for conn in opened.filter_map(Step::conn) {
            for at in 0..=self.script.len() {
                let (before, after) = self.script.split_at(at);
                let end = Step::Closed(conn, CloseReason::Failed);
                let rest = [end].into_iter().chain(after.iter().cloned());
                let mut script: Script<M> = before.iter().cloned().chain(rest).collect();
                script.push(Step::Wait(self.bounds.linger));
                let mode = Mode { lenient: true, ..Mode::default() };
                self.run_script("a connection breaks", mode, &script)?;
            }
        }
        Ok(())
    }

    /// Property [`NoPanic`](Property::NoPanic), and all that is checked at every turn: the script with its bytes
    /// damaged, its steps doubled, left out and exchanged, and noise.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_arbitrary_bytes(&self) -> Result<(), Violation> {
        let mut noise = Noise::new(self.seed);
        for round in 0..self.bounds.mutations {
            let script = match round % 4 {
                0 => self.noisy(&mut noise),
                _ => self.damaged(&mut noise),
            };
            let cut = match round % 3 {
                0 => Cut::Whole,
                _ => Cut::Random(u64::from(round)),
            };
            let mode = Mode { cut, lenient: true, ..Mode::default() };
            self.run_script(&format!("damage {round}"), mode, &script)?;
        }
        Ok(())
    }

    fn damaged(&self, noise: &mut Noise) -> Script<M> {
        let mut script: Script<M> = Vec::new();
        for step in &self.script {
            match noise.below(24) {
                0 if !matches!(step, Step::Open(..)) => continue,
                1 => script.push(step.clone()),
                2 => {
                    let at = noise.below(script.len());
                    script.insert(at, step.clone());
                }
                _ => {}
            }
            let damage = noise.below(3) == 0;
            script.push(match step {
                Step::Bytes(conn, bytes) if damage => Step::Bytes(*conn, noise.mutate(bytes)),
                Step::Binary(conn, bytes) if damage => Step::Binary(*conn, noise.mutate(bytes)),
                Step::Text(conn, text) if damage => Step::Text(*conn, noise.mutate_text(text)),
                Step::Datagram(peer, data) if damage => Step::Datagram(*peer, noise.mutate(data)),
                _ => step.clone(),
            });
        }
        script.push(Step::Wait(self.bounds.linger));
        script
    }

    fn noisy(&self, noise: &mut Noise) -> Script<M> {
        let pure = |noise: &mut Noise| {
            let len = noise.below(MAX_NOISE);
            let len = 1 + noise.below(len + 1);
            Bytes::from(noise.bytes(len))
        };
        let all = self.script.iter().map(|step| match step {
            Step::Bytes(conn, _) => Step::Bytes(*conn, pure(noise)),
            Step::Binary(conn, _) => Step::Binary(*conn, pure(noise)),
            Step::Text(conn, _) => {
                Step::Text(*conn, alloc::string::String::from_utf8_lossy(&pure(noise)).into_owned())
            }
            Step::Datagram(peer, _) => Step::Datagram(*peer, pure(noise)),
            _ => step.clone(),
        });
        all.collect()
    }
}
