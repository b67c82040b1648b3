//! One thing done by several programs, in turns, so that whatever else the machine does meets them all alike.

use std::fmt;
use std::time::{Duration, Instant};

use crate::{percentile, processor_time};

/// The same work, done by each entrant in its own way. The first entrant is ours.
pub struct Contest {
    /// What is done.
    pub what: String,
    /// How results are told.
    pub unit: Unit,
    /// Items in a pass: labels, samples, messages.
    pub items: u64,
    /// Who does it.
    pub entrants: Vec<Entrant>,
}

/// One of those that do it.
pub struct Entrant {
    /// Name and version.
    pub name: String,
    /// What else there is to say of its result.
    pub note: Option<String>,
    run: Run,
}

/// Does so many passes and says how much processor time they took.
type Run = Box<dyn FnMut(u64) -> Duration>;

/// How a result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds an item.
    Nanoseconds,
    /// Millions of items a second.
    MillionsPerSecond,
}

/// What a series of measurements came to: the middle, and the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// As many are above as below.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// A contest's outcome: ours, and each peer beside it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Ours, in the contest's unit.
    pub ours: Spread,
    /// Each peer, in the contest's unit, and how many times faster ours is.
    pub peers: Vec<(Spread, Spread)>,
}

impl Contest {
    /// A contest without entrants.
    pub fn new(what: impl Into<String>, unit: Unit, items: usize) -> Self {
        Self { what: what.into(), unit, items: items as u64, entrants: Vec::new() }
    }

    /// Adds an entrant, of which one call of `pass` does all items.
    #[must_use]
    pub fn entrant(self, name: &str, mut pass: impl FnMut() + 'static) -> Self {
        self.timed_entrant(name, move |passes| {
            let begin = processor_time();
            for _ in 0..passes {
                pass();
            }
            processor_time() - begin
        })
    }

    /// Adds an entrant that measures itself, as one in another process.
    #[must_use]
    pub fn timed_entrant(mut self, name: &str, run: impl FnMut(u64) -> Duration + 'static) -> Self {
        self.entrants.push(Entrant { name: name.into(), note: None, run: Box::new(run) });
        self
    }

    /// Says something about the entrant added last.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        if let Some(entrant) = self.entrants.last_mut() {
            entrant.note = Some(note.into());
        }
        self
    }

    /// Lets the entrants do it in turns, for about `time` in all. They are told apart by the processor time they use, on
    /// one core (on Linux; elsewhere by the clock).
    pub fn hold(&mut self, time: Duration) -> Outcome {
        const SLICE: Duration = Duration::from_millis(8);
        let passes: Vec<u64> = self.entrants.iter_mut().map(|entrant| entrant.passes_in(SLICE)).collect();
        let (mut rounds, begin) = (Vec::new(), Instant::now());
        while rounds.len() < MIN_ROUNDS || (begin.elapsed() < time && rounds.len() < MAX_ROUNDS) {
            let turn = self.entrants.iter_mut().zip(&passes);
            rounds.push(turn.map(|(entrant, &passes)| entrant.seconds_per_pass(passes)).collect());
        }
        self.outcome(&rounds)
    }

    fn outcome(&self, rounds: &[Vec<f64>]) -> Outcome {
        let items = self.items as f64;
        let told = |seconds: f64| match self.unit {
            Unit::Nanoseconds => seconds * 1e9 / items,
            Unit::MillionsPerSecond => items / seconds / 1e6,
        };
        let of = |entrant: usize| Spread::of(rounds.iter().map(|round| told(round[entrant])));
        let ratio = |entrant: usize| Spread::of(rounds.iter().map(|round| round[entrant] / round[0]));
        Outcome { ours: of(0), peers: (1..self.entrants.len()).map(|peer| (of(peer), ratio(peer))).collect() }
    }
}

impl Entrant {
    /// Does so many passes; the processor time that they took.
    pub fn run(&mut self, passes: u64) -> Duration {
        (self.run)(passes)
    }

    /// How many passes take about so long; warms up on the way.
    fn passes_in(&mut self, time: Duration) -> u64 {
        let mut passes = 1;
        loop {
            let taken = self.run(passes);
            if taken >= time / 2 || passes >= MAX_PASSES {
                return ((passes as f64 * time.as_secs_f64() / taken.as_secs_f64().max(1e-9)) as u64).max(1);
            }
            passes *= 2;
        }
    }

    fn seconds_per_pass(&mut self, passes: u64) -> f64 {
        self.run(passes).as_secs_f64() / passes as f64
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part| percentile(&values, part);
        Self { median: at(0.5), min: at(0.0), max: at(1.0) }
    }
}

/// As `median (min to max)`, with three significant digits.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |value: f64| match value {
            _ if value >= 100.0 => 0,
            _ if value >= 10.0 => 1,
            _ => 2,
        };
        let Self { median, min, max } = *self;
        let (a, b, c) = (digits(median), digits(min), digits(max));
        write!(f, "{median:.a$} ({min:.b$} to {max:.c$})")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nanoseconds => "ns",
            Self::MillionsPerSecond => "M/s",
        })
    }
}

const MIN_ROUNDS: usize = 7;
const MAX_ROUNDS: usize = 101;
const MAX_PASSES: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// An entrant that says it takes so long for each pass.
    fn says(contest: Contest, times: &'static [u64]) -> Contest {
        let mut times = times.iter().cycle();
        contest.timed_entrant("", move |passes| {
            Duration::from_micros(times.next().copied().unwrap_or(1)) * u32::try_from(passes).unwrap_or(1)
        })
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // the machine is twice as slow in every second round
        let contest = says(Contest::new("", Unit::Nanoseconds, 1000), &[10_000, 20_000]);
        let mut contest = says(contest, &[30_000, 60_000]);
        let outcome = contest.hold(Duration::ZERO);
        assert_eq!((outcome.ours.min, outcome.ours.max), (10_000.0, 20_000.0));
        let (peer, ratio) = outcome.peers[0];
        assert_eq!((peer.min, peer.max), (30_000.0, 60_000.0));
        assert_eq!((ratio.min, ratio.median, ratio.max), (3.0, 3.0, 3.0));
    }

    #[test]
    fn throughput_is_items_by_time() {
        let mut contest = says(Contest::new("", Unit::MillionsPerSecond, 3_000_000), &[6_000]);
        assert_eq!(contest.hold(Duration::ZERO).ours.median, 500.0);
    }

    #[test]
    fn three_digits() {
        let spread = Spread { median: 123.4, min: 1.234, max: 12.34 };
        assert_eq!(spread.to_string(), "123 (1.23 to 12.3)");
    }
}
