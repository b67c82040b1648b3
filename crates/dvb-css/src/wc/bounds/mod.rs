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
//!    lines that keep the last 64 bounds of either side, each widened by how far `θ` can have strayed since, form a
//!    polygon in offset and rate, and its extremes bound the offset now. The rate being known to a few millionths, old
//!    exchanges with fortunate delays keep their worth a hundred times longer than in the cone.
//! 3. **The middle.** The estimate is the line with the greatest distance from all bounds, each widened by what a clock
//!    is likely to stray.
//!
//! The reported dispersion is the distance from the estimate to the farther end of what the last nine exchanges alone
//! allow ([`RECENT`]), cone and corridor, or that of the best single exchange where that is less; the estimate is moved
//! just so far that this is still a bound of all that is certain. So a clock may jump by less than a network's delays
//! vary, where no algorithm can tell it for sure: nothing that was learnt before counts any more ten exchanges later.
//!
//! When no line is left one of the clocks has jumped, or runs less steadily than assumed; then all is begun anew with
//! the newest exchange, and for the next 64 of them the corridor is not relied upon. A jump that is smaller than the
//! messages' delays can leave lines that are all wrong; it is suspected when a message seems to have taken much less
//! time than any before the last ten exchanges, and then the corridor is not relied upon either, but the cone is kept.

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

/// Bounds that are kept of either side, not counting those that a younger one makes worthless.
pub const WINDOW: usize = 64;

/// The exchanges that the reported dispersion rests on.
pub const RECENT: usize = 9;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Bounds {
    local: LocalClock,
    steadiness: Option<Steadiness>,
    /// What a single exchange gives at best: the cap of our dispersion.
    single: LowestDispersion,
    cone: Option<Cone>,
    most: Window,
    least: Window,
    recent: VecDeque<Cone>,
    line: Option<Line>,
    /// The middles of the last exchanges and of the one before them, the oldest first.
    middles: VecDeque<Axis>,
    /// Exchanges until the corridor is relied upon again.
    doubt: usize,
    /// Exchanges since the windows were empty.
    since_reset: usize,
    corridor: Corridor,
}

/// What an exchange tells for certain.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// θ is at most so much.
    most: Fact,
    /// θ is at least so much.
    least: Fact,
}

/// A bound of θ at a local time, both in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fact {
    at: i64,
    height: i64,
}

/// Bounds that hold for ever after, opening with age.
#[derive(Clone, Copy, Debug)]
struct Cone {
    max_freq_error: MaxFreqError,
    most: Fact,
    least: Fact,
}

/// What the window told at its last exchange.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: i64,
    /// None while the corridor is not relied upon.
    feasible: Option<Feasible>,
    /// The same for the last exchanges alone.
    recent: Option<Feasible>,
    middle: Option<Axis>,
}

/// The line in the middle.
#[derive(Clone, Copy, Debug)]
struct Axis {
    at: i64,
    /// At `at`.
    offset: i64,
    /// In 2^-40.
    rate: i64,
    /// Distance from the nearest bounds: about the shortest time that a message takes.
    margin: i64,
}

impl Axis {
    fn offset_at(&self, local_ns: i64) -> i64 {
        let passed = i128::from(local_ns) - i128::from(self.at);
        saturate(i128::from(self.offset) + ((passed * i128::from(self.rate)) >> 40))
    }

    /// Whether one of the messages seems to have taken much less time than ever before.
    fn is_odd(&self, facts: &Facts) -> bool {
        let there = facts.most.height.saturating_sub(self.offset_at(facts.most.at));
        let back = self.offset_at(facts.least.at).saturating_sub(facts.least.height);
        let quicker = self.margin.saturating_sub(there.min(back));
        quicker > MIN_ODD_NS.max(self.margin / 2) && facts.least.at.saturating_sub(self.at) < MAX_AGE_NS
    }
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
            most: Window::default(),
            least: Window::default(),
            recent: VecDeque::with_capacity(RECENT + 1),
            line: None,
            middles: VecDeque::with_capacity(RECENT + 2),
            doubt: 0,
            since_reset: 0,
            corridor: Corridor::default(),
        }
    }

    /// Takes in an exchange, at its end.
    pub fn hear(&mut self, exchange: &Exchange) -> Heard {
        let now = exchange.arrived;
        let before = self.estimate(now);
        self.doubt = self.doubt.saturating_sub(1);
        let alone = self.single.hear(exchange).alone;
        let facts = self.facts(exchange);
        let odd = self.is_odd(&facts);
        if odd {
            self.distrust();
        }
        let fits = self.insert(facts, exchange.max_freq_error, now);
        if !fits {
            self.reset();
            self.doubt = WINDOW;
            self.single.hear(exchange);
            self.insert(facts, exchange.max_freq_error, now);
        }
        let after = self.estimate(now);
        let offset = |e: Option<Estimate>| e.map_or(0, |e| e.offset_ns);
        let dispersion = |e: Option<Estimate>| e.map_or(Dispersion::UNKNOWN, |e| e.dispersion);
        let verdict = if odd && fits {
            Verdict::Odd
        } else if fits {
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
            Some(Line { middle: Some(axis), .. }) => (axis.offset_at(local_ns), axis.rate),
            _ => (half, 0),
        };
        let (recent_least, recent_most) = self.recent_range(local_ns)?;
        let offset = offset.clamp(recent_least, recent_most.max(recent_least));
        let reach = |offset: i64| recent_most.saturating_sub(offset).max(offset.saturating_sub(recent_least));
        // After a jump, or what looks like one, the last exchanges alone are to be believed, as far as there is room.
        let offset = if self.doubt > 0 && reach(offset) > cap {
            recent_least.saturating_add(recent_most.saturating_sub(recent_least) / 2)
        } else {
            offset
        };
        let (low, high) = (most.saturating_sub(cap), least.saturating_add(cap));
        let offset = if low <= high { offset.clamp(low, high) } else { half };
        let dispersion = Dispersion::from_nanos(u64::try_from(reach(offset).min(cap)).unwrap_or(0));
        Some(Estimate { offset_ns: offset, dispersion, rate })
    }

    /// The bounds of the server's lead at a local time, at least and at most, in nanoseconds, if no clock has jumped
    /// during the last minutes.
    pub fn range(&self, local_ns: i64) -> Option<(i64, i64)> {
        let cone = self.cone?.at(&self.local, local_ns);
        Some(self.narrow(cone, self.line.and_then(|line| line.feasible), local_ns))
    }

    /// The same by the last [`RECENT`] exchanges alone, if no clock has jumped since the first of them.
    pub fn recent_range(&self, local_ns: i64) -> Option<(i64, i64)> {
        let max_freq_error = self.recent.iter().map(|cone| cone.max_freq_error).max()?;
        let all = self.recent.iter().map(|cone| Cone { max_freq_error, ..*cone }.at(&self.local, local_ns));
        let cone = all.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))?;
        Some(self.narrow(cone, self.line.and_then(|line| line.recent), local_ns))
    }

    /// What a corridor leaves of a cone.
    fn narrow(&self, cone: (i64, i64), corridor: Option<Feasible>, local_ns: i64) -> (i64, i64) {
        let (Some(line), Some(feasible), Some(steadiness)) = (self.line, corridor, self.steadiness) else {
            return cone;
        };
        let passed = local_ns.saturating_sub(line.at).max(0);
        let stray = i128::from(steadiness.stray_ns(passed.unsigned_abs()));
        let highest = i128::from(feasible.highest) + feasible.steepest.times_up(passed) + stray;
        let falling = Slope { num: -feasible.flattest.num, den: feasible.flattest.den };
        let lowest = i128::from(feasible.lowest) - falling.times_up(passed) - stray;
        (cone.0.max(saturate(lowest)), cone.1.min(saturate(highest)))
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.single.reset();
        self.cone = None;
        self.most.clear();
        self.least.clear();
        self.recent.clear();
        self.line = None;
        self.middles.clear();
        self.doubt = 0;
        self.since_reset = 0;
    }

    /// The two bounds of an exchange, widened by what the clocks' readings can be off.
    fn facts(&self, exchange: &Exchange) -> Facts {
        let slack = exchange.precision.dispersion() + self.local.precision;
        let slack = i128::from(slack.as_nanos().unwrap_or(u64::MAX));
        let difference = |server: i64, local: i64| i128::from(server) - i128::from(local);
        let most = saturate(difference(exchange.received, exchange.sent) + slack);
        let least = saturate(difference(exchange.answered, exchange.arrived) - slack);
        Facts {
            most: Fact { at: exchange.sent, height: most },
            least: Fact { at: exchange.arrived, height: least },
        }
    }

    /// Adds an exchange; false if it contradicts those before.
    fn insert(&mut self, facts: Facts, error: MaxFreqError, now: i64) -> bool {
        let cone = match self.cone {
            None => Cone { max_freq_error: error, most: facts.most, least: facts.least },
            Some(cone) => cone.narrowed(&self.local, facts, error, now),
        };
        let (least, most) = cone.at(&self.local, now);
        if least > most {
            return false;
        }
        self.cone = Some(cone);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Cone { max_freq_error: error, most: facts.most, least: facts.least });
        self.since_reset = self.since_reset.saturating_add(1);
        let drift = drift(&self.local, error);
        self.most.insert(facts.most, drift);
        let reversed = Fact { at: facts.least.at, height: facts.least.height.saturating_neg() };
        self.least.insert(reversed, drift);
        self.fit(drift, now)
    }

    /// Draws the line anew; false if there is none.
    fn fit(&mut self, limit: Slope, now: i64) -> bool {
        let mut line = Line { at: now, feasible: None, recent: None, middle: None };
        if let Some(steadiness) = self.steadiness {
            match self.feasible(steadiness, limit, now, (i64::MIN, i64::MIN)) {
                None if self.doubt > 0 => {
                    self.distrust();
                    return true;
                }
                None => return false,
                feasible if self.doubt == 0 => {
                    line.feasible = feasible;
                    let oldest = |at: fn(&Cone) -> i64| self.recent.iter().map(at).min().unwrap_or(now);
                    let since = (oldest(|cone| cone.most.at), oldest(|cone| cone.least.at));
                    line.recent = self.feasible(steadiness, limit, now, since);
                }
                Some(_) => {}
            }
        }
        if self.most.span_ns(now) >= MIN_SPAN_NS {
            let base = self.fill(Steadiness::LIKELY, now, (i64::MIN, i64::MIN));
            line.middle = self.corridor.middle(limit).map(|m| Axis {
                at: now,
                offset: m.offset.saturating_add(base),
                rate: m.slope.fixed(),
                margin: m.margin,
            });
        }
        self.line = Some(line);
        if let Some(middle) = line.middle {
            if self.middles.len() > RECENT {
                self.middles.pop_front();
            }
            self.middles.push_back(middle);
        }
        true
    }

    /// Whether an exchange lies as after a jump that is too small to contradict what is certain.
    fn is_odd(&self, facts: &Facts) -> bool {
        let known = self.doubt == 0 && self.since_reset >= WINDOW;
        known && self.middles.front().is_some_and(|axis| axis.is_odd(facts))
    }

    /// For a while the cone alone counts; what is kept is too crooked for a line.
    fn distrust(&mut self) {
        self.most.clear();
        self.least.clear();
        self.line = None;
        self.middles.clear();
        self.doubt = WINDOW;
        self.since_reset = 0;
    }

    /// The lines that keep the windows' bounds, upper and lower ones since then.
    fn feasible(
        &mut self,
        steadiness: Steadiness,
        limit: Slope,
        now: i64,
        since: (i64, i64),
    ) -> Option<Feasible> {
        let base = self.fill(steadiness, now, since);
        let mut feasible = self.corridor.feasible(limit)?;
        feasible.highest = feasible.highest.saturating_add(base);
        feasible.lowest = feasible.lowest.saturating_add(base);
        Some(feasible)
    }

    /// Fills the corridor with the windows' bounds, upper and lower ones since then, widened by their ages; returns what
    /// heights are counted from.
    fn fill(&mut self, steadiness: Steadiness, now: i64, since: (i64, i64)) -> i64 {
        let base = self.most.newest().map_or(0, |fact| fact.height);
        let point = |at: i64, height: i64| {
            let age = now.saturating_sub(at).clamp(0, FAR);
            let stray = i64::try_from(steadiness.stray_ns(age.unsigned_abs())).unwrap_or(i64::MAX);
            Point { x: age, y: height.saturating_add(stray).clamp(-FAR, FAR) }
        };
        let upper = self.most.iter().filter(|f| f.at >= since.0);
        self.corridor.upper.build(upper.map(|f| point(f.at, f.height.saturating_sub(base))));
        let lower = self.least.iter().filter(|f| f.at >= since.1);
        self.corridor.lower.build(lower.map(|f| point(f.at, f.height.saturating_add(base))));
        base
    }
}

/// Upper bounds, the oldest first; lower bounds are kept with their heights reversed.
#[derive(Clone, Debug)]
struct Window(VecDeque<Fact>);

impl Default for Window {
    fn default() -> Self {
        Self(VecDeque::with_capacity(WINDOW + 1))
    }
}

impl Window {
    /// Adds a bound and drops the older ones that it makes worthless: so high that θ would have to fall faster than it
    /// can to come from there. What is left reaches the further back the more the delays vary.
    fn insert(&mut self, fact: Fact, drift: Slope) {
        // answers that overtook one another have their places among those before
        let place = self.0.iter().rposition(|f| f.at <= fact.at).map_or(0, |i| i + 1);
        let bound = i128::from(fact.height);
        let worthless = |f: &Fact| {
            let fall = drift.times_up(fact.at.saturating_sub(f.at).max(0));
            f.at < fact.at && i128::from(f.height) >= bound + fall
        };
        let older = self.0.len().min(place);
        self.0.insert(place, fact);
        let mut index = 0;
        self.0.retain(|f| {
            index += 1;
            index > older || !worthless(f)
        });
        if self.0.len() > WINDOW {
            self.0.pop_front();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter()
    }

    fn newest(&self) -> Option<&Fact> {
        self.0.back()
    }

    fn span_ns(&self, now: i64) -> i64 {
        self.0.front().map_or(0, |oldest| now.saturating_sub(oldest.at))
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Cone {
    /// At least and at most, at a time.
    fn at(&self, local: &LocalClock, now: i64) -> (i64, i64) {
        let drift = drift(local, self.max_freq_error);
        let opened = |fact: Fact| drift.times_up(now.saturating_sub(fact.at).max(0));
        let least = i128::from(self.least.height) - opened(self.least);
        let most = i128::from(self.most.height) + opened(self.most);
        (saturate(least), saturate(most))
    }

    /// With the bounds of one more exchange.
    fn narrowed(self, local: &LocalClock, facts: Facts, error: MaxFreqError, now: i64) -> Self {
        let mut cone = self;
        if error != self.max_freq_error {
            // what was known opens with the old rate until now, with the new one from now on
            let (least, most) = self.at(local, now);
            let (most, least) = (Fact { at: now, height: most }, Fact { at: now, height: least });
            cone = Self { max_freq_error: error, most, least };
        }
        let drift = drift(local, error);
        // Lifted to the same moment before all of them. The part below a nanosecond decides too.
        let lifted = |f: Fact| i128::from(f.height) * drift.den - drift.num * i128::from(f.at);
        let sunk = |f: Fact| i128::from(f.height) * drift.den + drift.num * i128::from(f.at);
        if lifted(facts.most) < lifted(cone.most) {
            cone.most = facts.most;
        }
        if sunk(facts.least) > sunk(cone.least) {
            cone.least = facts.least;
        }
        cone
    }
}

/// How fast the server's lead can change: by the sum of the two frequency errors, as the standard has it. (Two clocks
/// that are off by as much in opposite ways part faster by the product of their errors, 0.25 ns a second at 500 ppm.)
fn drift(local: &LocalClock, server: MaxFreqError) -> Slope {
    let sum = i128::from(server.0) + i128::from(local.max_freq_error.0);
    Slope { num: sum, den: i128::from(GrowthRate::ONE) }
}

/// Below this span of time a slope says nothing: the delays' variation would be taken for drift.
const MIN_SPAN_NS: i64 = 8_000_000_000;

/// A line is not drawn further than this.
const MAX_AGE_NS: i64 = 30_000_000_000;

/// Delays are known to no better than this.
const MIN_ODD_NS: i64 = 500_000;

/// Nine years: ages and heights stay below, so that products of four of them fit.
const FAR: i64 = 1 << 58;

#[cfg(test)]
mod tests;
