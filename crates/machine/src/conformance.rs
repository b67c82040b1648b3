//! The checks that every machine has to pass, whatever its protocol.
//!
//! A [`Suite`] has a factory of machines and a script of what happens to one of them: connections open, bytes,
//! messages and datagrams come, time passes, the program calls. [`Suite::run`] does the script in many ways and holds
//! what the machine says against the rules of the contract (see the [crate] documentation); [`Suite::check_memory`]
//! floods it and watches the heap. The first rule broken is returned as a [`Violation`]. Everything follows from one
//! seed.
//!
//! The better the script, the better the check: let it hold every kind of message, with all that a good and a bad peer
//! may do in between.
//!
//! ```
//! # #[cfg(feature = "sim")] {
//! use core::time::Duration;
//! use machine::conformance::{Step, Suite};
//! use machine::toy::{ECHO, Toy};
//!
//! let suite = Suite::new(|| Toy::new(Duration::from_millis(40))).script([
//!     Step::stream(1, ECHO),
//!     Step::bytes(1, "hello\nsubscribe\n"),
//!     Step::Wait(Duration::from_secs(1)),
//!     Step::bytes(1, "quit\n"),
//! ]);
//! let report = suite.run()?;
//! assert!(report.cuts > 0 && report.late_wakes > 0);
//! # }
//! # Ok::<(), machine::conformance::Violation>(())
//! ```

mod memory;
mod noise;
mod record;
mod runner;
mod script;
mod streams;
mod timing;
mod violation;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt::Debug;
use core::time::Duration;

use record::Record;
use runner::{Mode, Runner, Shared};
use script::Script;
pub use script::{Call, Step};
pub use violation::{Property, Violation};

use crate::{Machine, SocketId};

/// A machine to be checked: how to make one, what to do to it, and what it may use.
pub struct Suite<M: Machine> {
    new: Box<dyn Fn() -> M>,
    script: Script<M>,
    bounds: Bounds,
    sockets: BTreeSet<SocketId>,
    late: Late,
    seed: u64,
    normalise: Option<Normalise<M::Event>>,
    /// Where the present run is.
    step: Cell<usize>,
    report: Cell<Report>,
}

type Normalise<E> = Box<dyn Fn(Vec<E>) -> Vec<E>>;

/// What a machine states about its use of memory and of its peers' time, and how hard it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes that it leaves unread in a connection's buffer at most: its longest incomplete message.
    pub unread: usize,
    /// What one input can cause to one peer, in bytes, 64 counted for each output besides its own.
    pub output_per_input: usize,
    /// What each byte given can cause besides.
    pub output_per_byte: usize,
    /// Heap bytes held under any of the floods, the unread bytes included.
    pub memory: usize,
    /// Heap bytes that may be kept when all peers are gone (spare capacity of queues).
    pub retained: usize,
    /// Outputs to one peer that a late wake may make more than one in time: the number of its timers, less one.
    pub late_outputs: usize,
    /// Stream inputs are cut at every size up to this one, and at some above.
    pub chunks: usize,
    /// Damaged scripts.
    pub mutations: u32,
    /// How long a machine is watched after the end of a script.
    pub linger: Duration,
    /// Bytes of a flood.
    pub flood: usize,
    /// Peers from which datagrams come, at most 2^24.
    pub peers: u32,
    /// Rounds after which no memory may be added any more; the script is done three times as often.
    pub rounds: u16,
    /// Time between two rounds, in which a machine may forget what it kept for peers that are gone.
    pub settle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            unread: 64 * 1024,
            output_per_input: 16 * 1024,
            output_per_byte: 256,
            memory: 1024 * 1024,
            retained: 4096,
            late_outputs: 0,
            chunks: 512,
            mutations: 400,
            linger: Duration::from_secs(2),
            flood: 4 * 1024 * 1024,
            peers: 20_000,
            rounds: 200,
            settle: Duration::ZERO,
        }
    }
}

/// What is asked of a machine after a late wake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// From then on it says the same at the same times as one that was always woken in time.
    #[default]
    SameOutputs,
    /// It is woken at the same times; what it says may differ (numbered messages of which some were left out).
    SameTimes,
    /// It does not burst. For machines whose deadlines follow from answers.
    NoBurst,
}

/// How much was done, so that a test can see that its script reaches what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Runs made.
    pub runs: u64,
    /// Inputs given.
    pub inputs: u64,
    /// Outputs taken.
    pub outputs: u64,
    /// Wakes in all.
    pub wakes: u64,
    /// Wakes before the deadline.
    pub early_wakes: u64,
    /// Late wakes compared.
    pub late_wakes: u64,
    /// Ways in which streams were cut.
    pub cuts: u64,
}

impl<M: Machine> Debug for Suite<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Suite")
            .field("script", &self.script)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl<M: Machine> Suite<M> {
    /// A suite for the machines that `new` makes, each the same, with nothing done to them yet.
    pub fn new(new: impl Fn() -> M + 'static) -> Self {
        Self {
            new: Box::new(new),
            script: Vec::new(),
            bounds: Bounds::default(),
            sockets: BTreeSet::new(),
            late: Late::default(),
            seed: 1,
            normalise: None,
            step: Cell::new(0),
            report: Cell::new(Report::default()),
        }
    }

    /// What is done to a machine.
    #[must_use]
    pub fn script(mut self, steps: impl IntoIterator<Item = Step<M>>) -> Self {
        self.script = steps.into_iter().collect();
        let sockets = self.script.iter().filter_map(|step| match step {
            Step::Datagram(peer, _) => Some(peer.socket),
            _ => None,
        });
        self.sockets.extend(sockets);
        self
    }

    /// What it may use.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Sockets that are there besides those that datagrams come to.
    #[must_use]
    pub fn sockets(mut self, sockets: impl IntoIterator<Item = SocketId>) -> Self {
        self.sockets.extend(sockets);
        self
    }

    /// What is asked of it after a late wake.
    #[must_use]
    pub fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }

    /// Another seed for the damage done.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// For a machine that hands on a long body as it comes, so that its events depend on how it was cut: puts such
    /// events together before they are compared.
    #[must_use]
    pub fn normalise(mut self, normalise: impl Fn(Vec<M::Event>) -> Vec<M::Event> + 'static) -> Self {
        self.normalise = Some(Box::new(normalise));
        self
    }
}

impl<M: Machine> Suite<M>
where
    M::Event: PartialEq + Debug,
{
    /// All checks but that of memory, the plainest first.
    ///
    /// # Errors
    /// The first [`Violation`]. A panic is one too; without feature `std` it cannot be caught.
    pub fn run(&self) -> Result<Report, Violation> {
        self.check_script()?;
        self.check_determinism()?;
        self.check_pure_timeout()?;
        self.check_chunking()?;
        self.check_batching()?;
        self.check_prefixes()?;
        self.check_sudden_ends()?;
        self.check_early_wakes()?;
        self.check_late_wakes()?;
        self.check_arbitrary_bytes()?;
        Ok(self.report.get())
    }

    /// The script as it stands, with all that is checked at every turn.
    ///
    /// # Errors
    /// The first [`Violation`]; [`Property::Script`] if the machine has nothing to say to it.
    pub fn check_script(&self) -> Result<(), Violation> {
        let (record, _) = self.reference()?;
        if record.is_empty() {
            let what = "the machine says nothing at all".into();
            return Err(self.violation(Property::Script, REFERENCE, 0, what));
        }
        Ok(())
    }

    /// Property [`Determinism`](Property::Determinism). Three runs, as a hash table can fall out the same twice.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_determinism(&self) -> Result<(), Violation> {
        let (expected, _) = self.reference()?;
        for _ in 0..3 {
            self.same_as(&expected, Property::Determinism, "once more", Mode::default(), Compare::Exactly)?;
        }
        Ok(())
    }

    /// Does the script in another way; the same has to be said as in the plain run.
    fn same_as(
        &self,
        expected: &Record<M::Event>,
        property: Property,
        name: &str,
        mode: Mode,
        compare: Compare,
    ) -> Result<(), Violation> {
        let difference = |expected: &Record<M::Event>, found: &Record<M::Event>| match compare {
            Compare::Exactly => expected.exact_difference(found),
            Compare::ByListener => expected.difference(found),
        };
        let (found, _) = self.run_script(name, mode, &self.script)?;
        let Some(what) = difference(expected, &found) else {
            return Ok(());
        };
        // Where it begins; a machine that is not deterministic may not show it again.
        for steps in 1..=self.script.len() {
            let script = self.script.get(..steps).unwrap_or_default();
            let (expected, _) = self.run_script(REFERENCE, Mode::default(), script)?;
            let (found, _) = self.run_script(name, mode, script)?;
            if let Some(what) = difference(&expected, &found) {
                return Err(self.violation(property, name, steps - 1, what));
            }
        }
        Err(self.violation(property, name, self.script.len().saturating_sub(1), what))
    }

    /// The plain run, and whether the driver had to answer anything in it.
    fn reference(&self) -> Result<(Record<M::Event>, bool), Violation> {
        self.run_script(REFERENCE, Mode::default(), &self.script)
    }

    fn run_script(
        &self,
        name: &str,
        mode: Mode,
        script: &[Step<M>],
    ) -> Result<(Record<M::Event>, bool), Violation> {
        self.guarded(name, || {
            let mut runner = self.runner(mode, name)?;
            runner.run(0, script)?;
            let mut record = runner.record;
            if let Some(normalise) = &self.normalise {
                record.events = normalise(record.events);
            }
            Ok((record, runner.replied))
        })
    }

    fn runner<'a>(&'a self, mode: Mode, name: &'a str) -> Result<Runner<'a, M>, Violation> {
        let Self { bounds, sockets, step, report, .. } = self;
        Runner::new((self.new)(), Shared { bounds, sockets, step, report }, mode, name)
    }

    /// Turns a panic into a violation.
    fn guarded<R>(&self, name: &str, run: impl FnOnce() -> Result<R, Violation>) -> Result<R, Violation> {
        catch(run).unwrap_or_else(|what| Err(self.violation(Property::NoPanic, name, self.step.get(), what)))
    }

    fn violation(&self, property: Property, name: &str, step: usize, what: String) -> Violation {
        Violation { property, run: name.into(), step, what }
    }

    fn count_cut(&self) {
        let report = self.report.get();
        self.report.set(Report { cuts: report.cuts + 1, ..report });
    }

    fn count_late_wake(&self) {
        let report = self.report.get();
        self.report.set(Report { late_wakes: report.late_wakes + 1, ..report });
    }
}

#[cfg(feature = "std")]
fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    // What a panicking run has touched is thrown away with its machine.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|s| String::from(*s));
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
    })
}

#[cfg(not(feature = "std"))]
fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    Ok(run())
}

/// What two runs have in common that are right.
#[derive(Clone, Copy, Debug)]
enum Compare {
    /// All that was said, in its order, and all deadlines.
    Exactly,
    /// What each connection, each remote and the program was told.
    ByListener,
}

const REFERENCE: &str = "plain";
