//! The estimate with the tightest bound that exchanges allow.
//!
//! As a function of local time the server's lead `θ` is a curve of which each exchange tells two certain things: it is
//! at most `t2 - t1` at `t1`, and at least `t3 - t4` at `t4`. Three layers are made of them, each inside the one
//! before:
//!
//! 1. **The cone.** `θ` cannot rise or fall faster than the two clocks' maximum frequency errors allow. Of all upper
//!    bounds, each lifted by its age times that rate, the lowest counts, and of two the older and lower stays below for
//!    ever or is overtaken for ever: one number for each side is enough. It is never wider than the best single
//!    exchange, because that exchange is among them.
//! 2. **The corridor.** Over a minute or so `θ` is nearly straight ([`Steadiness`] says how nearly). All straight
//!    lines that keep the last 64 exchanges' bounds, each widened by how far `θ` can have strayed since, form a polygon
//!    in offset and rate, and its extremes bound the offset now. The rate being known to a few millionths, old
//!    exchanges with fortunate delays keep their worth a hundred times longer than in the cone.
//! 3. **The middle.** The estimate is the line with the greatest distance from all bounds, each widened by what a clock
//!    is likely to stray. It is moved just so far that the reported dispersion, the distance to the farther end of the
//!    corridor, does not exceed that of the best single exchange.
//!
//! When no line is left one of the clocks has jumped, or runs less steadily than assumed; then all is begun anew with
//! the newest exchange, and for the next 64 of them the corridor is not relied upon.

mod fit;
mod hull;
mod steadiness;

use alloc::collections::VecDeque;

pub use self::steadiness::Steadiness;

use self::fit::{Corridor, Feasible};
use self::hull::{Point, Slope};
use super::exchange::{GrowthRate, saturate};
use super::{Dispersion, Estimate, Exchange, Heard, LocalClock, LowestDispersion, Verdict};
use crate::message::MaxFreqError;

/// Exchanges that are kept.
pub const WINDOW: usize = 64;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Bounds {
    local: LocalClock,
    steadiness: Option<Steadiness>,
    /// What a single exchange gives at best: the cap of our dispersion.
    single: LowestDispersion,
    cone: Option<Cone>,
    window: VecDeque<Kept>,
    line: Option<Line>,
    /// Exchanges until the corridor is relied upon again.
    doubt: usize,
    corridor: Corridor,
}

/// What is kept of an exchange.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// θ is at most `most` at `asked`.
    asked: i64,
    most: i64,
    /// θ is at least `least` at `answered`.
    answered: i64,
    least: i64,
}

/// Bounds that hold for ever after, opening with age.
#[derive(Clone, Copy, Debug)]
struct Cone {
    max_freq_error: MaxFreqError,
    /// At most so much, at that time.
    most: (i64, i64),
    /// At least so much, at that time.
    least: (i64, i64),
}

/// What the window told at its last exchange.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: i64,
    /// None while the corridor is not relied upon.
    feasible: Option<Feasible>,
    /// Offset at `at`, and the slope, in 2^-40.
    middle: Option<(i64, i64)>,
}

impl Bounds {
    /// Without any exchange. Without `steadiness` the bound is the cone alone: then it rests on nothing but the
    /// frequency errors that server and client state.
    pub fn new(local: LocalClock, steadiness: Option<Steadiness>) -> Self {
        Self {
            local,
            steadiness,
            single: LowestDispersion::new(local),
            cone: None,
            window: VecDeque::with_capacity(WINDOW),
            line: None,
            doubt: 0,
            corridor: Corridor::default(),
        }
    }

    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        let now = exchange.arrived;
        let before = self.estimate(now);
        self.doubt = self.doubt.saturating_sub(1);
        let alone = self.single.hear(exchange).alone;
        let kept = self.kept(exchange);
        let fits = self.insert(kept, exchange.max_freq_error, now);
        if !fits {
            self.reset();
            self.doubt = WINDOW;
            self.single.hear(exchange);
            self.insert(kept, exchange.max_freq_error, now);
        }
        let after = self.estimate(now);
        let offset = |e: Option<Estimate>| e.map_or(0, |e| e.offset_ns);
        let dispersion = |e: Option<Estimate>| e.map_or(Dispersion::UNKNOWN, |e| e.dispersion);
        let verdict = if fits {
            Verdict::Used
        } else {
            Verdict::Stepped { by_ns: offset(after).saturating_sub(offset(before)) }
        };
        Heard { before: dispersion(before), alone, after: dispersion(after), verdict }
    }

    /// The estimate at a local time.
    pub fn estimate(&self, local_ns: i64) -> Option<Estimate> {
        let (least, most) = self.range(local_ns)?;
        let cap = self.single.dispersion_at(local_ns).as_picos() / 1000;
        let cap = i64::try_from(cap).unwrap_or(i64::MAX);
        let half = least.saturating_add(most.saturating_sub(least) / 2);
        let (offset, rate) = match self.line {
            Some(Line { at, middle: Some((offset, rate)), .. }) => {
                let passed = i128::from(local_ns) - i128::from(at);
                (saturate(i128::from(offset) + ((passed * i128::from(rate)) >> 40)), rate)
            }
            _ => (half, 0),
        };
        let (low, high) = (most.saturating_sub(cap), least.saturating_add(cap));
        let offset = if low <= high { offset.clamp(low, high) } else { half };
        let reach = most.saturating_sub(offset).max(offset.saturating_sub(least));
        let dispersion = Dispersion::from_nanos(u64::try_from(reach).unwrap_or(0));
        Some(Estimate { offset_ns: offset, dispersion, rate })
    }

    /// The certain bounds of the server's lead at a local time: at least and at most, in nanoseconds.
    pub fn range(&self, local_ns: i64) -> Option<(i64, i64)> {
        let (mut least, mut most) = self.cone?.at(&self.local, local_ns);
        if let (Some(Line { at, feasible: Some(feasible), .. }), Some(steadiness)) = (self.line, self.steadiness)
        {
            let passed = local_ns.saturating_sub(at).max(0);
            let stray = i128::from(steadiness.stray_ns(passed.unsigned_abs()));
            let highest = i128::from(feasible.highest) + feasible.steepest.times_up(passed) + stray;
            let falling = Slope { num: -feasible.flattest.num, den: feasible.flattest.den };
            let lowest = i128::from(feasible.lowest) - falling.times_up(passed) - stray;
            (least, most) = (least.max(saturate(lowest)), most.min(saturate(highest)));
        }
        Some((least, most))
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.single.reset();
        self.cone = None;
        self.window.clear();
        self.line = None;
        self.doubt = 0;
    }

    /// The two bounds of an exchange, widened by what the clocks' readings can be off.
    fn kept(&self, exchange: &Exchange) -> Kept {
        let slack = exchange.precision.dispersion() + self.local.precision;
        let slack = i128::from(slack.as_nanos().unwrap_or(u64::MAX));
        let difference = |server: i64, local: i64| i128::from(server) - i128::from(local);
        Kept {
            asked: exchange.sent,
            most: saturate(difference(exchange.received, exchange.sent) + slack),
            answered: exchange.arrived,
            least: saturate(difference(exchange.answered, exchange.arrived) - slack),
        }
    }

    /// Adds an exchange; false if it contradicts those before.
    fn insert(&mut self, kept: Kept, error: MaxFreqError, now: i64) -> bool {
        let cone = match self.cone {
            None => Cone { max_freq_error: error, most: (kept.asked, kept.most), least: (kept.answered, kept.least) },
            Some(cone) => cone.narrowed(&self.local, kept, error, now),
        };
        let (least, most) = cone.at(&self.local, now);
        if least > most {
            return false;
        }
        self.cone = Some(cone);
        // answers that overtook one another have their places among those before
        let place = self.window.iter().rposition(|k| k.answered <= kept.answered).map_or(0, |i| i + 1);
        self.window.insert(place, kept);
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        self.fit(error, now)
    }

    /// Draws the line anew; false if there is none.
    fn fit(&mut self, error: MaxFreqError, now: i64) -> bool {
        let limit = drift(&self.local, error);
        let span = self.window.front().map_or(0, |oldest| now.saturating_sub(oldest.asked));
        let mut line = Line { at: now, feasible: None, middle: None };
        if let Some(steadiness) = self.steadiness {
            let base = self.fill(steadiness, now);
            match self.corridor.feasible(limit) {
                None => return self.doubt > 0 && self.doubtful(line),
                Some(mut feasible) if self.doubt == 0 => {
                    feasible.highest = feasible.highest.saturating_add(base);
                    feasible.lowest = feasible.lowest.saturating_add(base);
                    line.feasible = Some(feasible);
                }
                Some(_) => {}
            }
        }
        if span >= MIN_SPAN_NS {
            let base = self.fill(Steadiness::LIKELY, now);
            line.middle = self.corridor.middle(limit).map(|m| (m.offset.saturating_add(base), m.slope.fixed()));
        }
        self.line = Some(line);
        true
    }

    /// Less steady than assumed, and known to be: the cone alone holds, and what is kept is too crooked for a line.
    fn doubtful(&mut self, line: Line) -> bool {
        let newest = self.window.pop_back();
        self.window.clear();
        self.window.extend(newest);
        self.line = Some(line);
        self.doubt = WINDOW;
        true
    }

    /// Fills the corridor with the window's bounds, widened by their ages; returns what heights are counted from.
    fn fill(&mut self, steadiness: Steadiness, now: i64) -> i64 {
        let base = self.window.back().map_or(0, |k| k.least);
        let point = |at: i64, height: i64| {
            let age = now.saturating_sub(at).clamp(0, FAR);
            let stray = i64::try_from(steadiness.stray_ns(age.unsigned_abs())).unwrap_or(i64::MAX);
            Point { x: age, y: height.saturating_add(stray).clamp(-FAR, FAR) }
        };
        let most = self.window.iter().map(|k| point(k.asked, k.most.saturating_sub(base)));
        self.corridor.upper.build(most);
        let least = self.window.iter().map(|k| point(k.answered, base.saturating_sub(k.least)));
        self.corridor.lower.build(least);
        base
    }
}

impl Cone {
    /// At least and at most, at a time.
    fn at(&self, local: &LocalClock, now: i64) -> (i64, i64) {
        let drift = drift(local, self.max_freq_error);
        let opened = |at: i64| drift.times_up(now.saturating_sub(at).max(0));
        let least = i128::from(self.least.1) - opened(self.least.0);
        let most = i128::from(self.most.1) + opened(self.most.0);
        (saturate(least), saturate(most))
    }

    /// With the bounds of one more exchange.
    fn narrowed(self, local: &LocalClock, kept: Kept, error: MaxFreqError, now: i64) -> Self {
        let mut cone = self;
        if error != self.max_freq_error {
            // what was known opens with the old rate until now, with the new one from now on
            let (least, most) = self.at(local, now);
            cone = Self { max_freq_error: error, most: (now, most), least: (now, least) };
        }
        let drift = drift(local, error);
        // Lifted to the same moment before all of them. The part below a nanosecond decides too.
        let lifted = |(at, height): (i64, i64)| i128::from(height) * drift.den - drift.num * i128::from(at);
        let sunk = |(at, height): (i64, i64)| i128::from(height) * drift.den + drift.num * i128::from(at);
        let (most, least) = ((kept.asked, kept.most), (kept.answered, kept.least));
        if lifted(most) < lifted(cone.most) {
            cone.most = most;
        }
        if sunk(least) > sunk(cone.least) {
            cone.least = least;
        }
        cone
    }
}

/// How fast the server's lead can change, in local time: `(1 + S) / (1 - C) - 1` of the two frequency errors.
fn drift(local: &LocalClock, server: MaxFreqError) -> Slope {
    let one = i128::from(GrowthRate::ONE);
    let client = i128::from(local.max_freq_error.0).min(one / 2);
    Slope { num: i128::from(server.0) + client, den: one - client }
}

/// Below this span of time a slope says nothing: the delays' variation would be taken for drift.
const MIN_SPAN_NS: i64 = 8_000_000_000;

/// Nine years: ages and heights stay below, so that products of four of them fit.
const FAR: i64 = 1 << 58;

#[cfg(test)]
mod tests;
