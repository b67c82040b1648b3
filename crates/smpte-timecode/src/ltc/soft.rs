//! Bits out of noise: a phase-locked loop over matched filters.
//!
//! Every cell begins with a transition, so the difference of the mean levels of the half bits before and after a
//! boundary is twice the amplitude, up or down, whatever the bits are and whatever slow voltage the signal rides on.
//! Two boundaries in the same direction have a transition between them (a one), two in opposite directions none (a
//! zero):
//!
//! ```text
//!            __                    _____
//!        ___|  |___             __|     |___        the sum over a half bit is the filter matched to it;
//!           ^  . ^                ^  .  ^           the difference of two gains 3 dB more
//!           up . up: 1           up  .  down: 0
//! ```
//!
//! The step in the middle of the cell must agree with that: it is not needed to tell the bit, so it tells a good cell
//! from noise. The quarter bits either side of a boundary say how far it is from where it was expected, and steer.

use super::history::{Fixed, History, ONE};

/// A boundary is weak if its step is below this part of the usual one. Where the signal was gone for a bit or less,
/// steps are half of what they were.
const WEAK_STEP: f32 = 0.6;
/// A cell's middle is weak if its step is off by more than this part of those at the boundaries.
const WEAK_MIDDLE: f32 = 0.4;
/// The same for a cell that is bad: one that speaks against there being a signal.
const BAD_STEP: f32 = 0.4;
const BAD_MIDDLE: f32 = 0.55;
/// Of two neighbouring steps one below this part of the other is that of a signal that begins or ends.
const ONE_SIDED: f32 = 0.7;
/// In cells shorter than this the few samples alone make clean steps look weak: only what is bad counts.
const FEW_SAMPLES: Fixed = 5 * ONE;
/// A bad cell adds this to the trouble, a good one takes 1 away.
const BAD_CELL: u32 = 3;
/// At this much trouble the signal is lost.
const LOST: u32 = 24;
/// Cells after which the loop follows more slowly.
const SETTLING: u32 = 32;

/// A cell boundary seen through the half bits before and after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edge {
    /// Mean level of the half bit before.
    before: f32,
    /// Mean level of the half bit after.
    after: f32,
    /// How much later than expected the transition is.
    late: Fixed,
    /// Whether both half bits are in the stream.
    known: bool,
}

impl Edge {
    /// The boundary expected at `at`, with half bits `half` long. A half bit that lacks up to a quarter at the
    /// stream's ends counts as whole.
    fn at(history: &History, at: Fixed, half: Fixed) -> Self {
        let (tail, head) = (fixed(history.tail()), fixed(history.head()));
        if at - half < tail - half / 4 {
            return Self { after: history.mean(at.max(tail), (at + half).min(head)), ..Self::default() };
        } else if at + half > head + half / 4 {
            return Self { before: history.mean(at - half, at.min(head)), ..Self::default() };
        }
        let quarter = half / 2;
        let (near_before, near_after) = (history.mean(at - quarter, at), history.mean(at, at + quarter));
        let before = (history.mean((at - half).max(tail), at - quarter) + near_before) / 2.0;
        let after = (near_after + history.mean(at + quarter, (at + half).min(head))) / 2.0;
        let late = scale(half / 2, (before + after - near_before - near_after) / (after - before));
        Self { before, after, late, known: true }
    }

    fn step(&self) -> f32 {
        self.after - self.before
    }

    /// Whether the level after is the higher.
    pub(super) fn rises(&self) -> bool {
        self.step() > 0.0
    }

    /// The level half way.
    pub(super) fn centre(&self) -> f32 {
        (self.before + self.after) / 2.0
    }
}

/// A cell as decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) bit: bool,
    /// The transition at its start was hardly there.
    pub(super) weak_start: bool,
    /// Its middle did not agree with its boundaries.
    pub(super) weak_middle: bool,
    /// 100 for a perfect one, less the nearer it is to being misread.
    pub(super) quality: u8,
    pub(super) start: Fixed,
    pub(super) end: Fixed,
}

/// A signal found, or handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    /// A cell boundary.
    pub(super) boundary: Fixed,
    /// Length of a cell.
    pub(super) period: Fixed,
    /// Half of the step at a boundary.
    pub(super) amplitude: f32,
}

pub(super) enum Step {
    /// More samples are needed.
    Wait,
    Cell(Cell),
    /// The signal is gone, from the cell that started there.
    Lost(Fixed),
}

/// Follows a signal cell by cell.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    boundary: Fixed,
    period: Fixed,
    /// At `boundary`.
    edge: Edge,
    amplitude: f32,
    cells: u32,
    trouble: u32,
    trouble_since: Fixed,
    clean: u32,
    /// Whether a whole step was seen: at the first transition of a signal there is only half of one.
    begun: bool,
    ended: bool,
}

impl Tracker {
    /// Follows forwards from the boundary of the lock.
    pub(super) fn new(history: &History, lock: Lock) -> Self {
        let Lock { boundary, period, amplitude } = lock;
        Self {
            boundary,
            period,
            edge: Edge::at(history, boundary, period / 2),
            amplitude,
            cells: 0,
            trouble: 0,
            trouble_since: boundary,
            clean: 0,
            begun: false,
            ended: false,
        }
    }

    /// The same signal a little later, with boundary and period as the loop has corrected them.
    pub(super) fn settle(history: &History, lock: Lock) -> Lock {
        let mut tracker = Self::new(history, lock);
        for _ in 0..SETTLING {
            let before = tracker.clone();
            if !matches!(tracker.step(history), Step::Cell(_)) || tracker.ended || tracker.trouble > 0 {
                tracker = before;
                break;
            }
        }
        Lock { boundary: tracker.boundary, period: tracker.period, amplitude: tracker.amplitude }
    }

    /// The earliest boundary from which the cells up to that of the lock are good, not before `floor`.
    pub(super) fn backtrack(history: &History, lock: Lock, floor: Fixed) -> Lock {
        let Lock { mut boundary, mut period, amplitude } = lock;
        let floor = floor.max(fixed(history.tail()));
        let mut edge = Edge::at(history, boundary, period / 2);
        loop {
            let start = boundary - period;
            if start < floor - period / 8 {
                break;
            }
            let before = Edge::at(history, start, period / 2);
            let judged = Judgement::of(&before, &edge, amplitude);
            if judged.is_bad || is_below(BAD_STEP, &edge, amplitude) {
                break;
            }
            if !before.known || is_below(BAD_STEP, &before, amplitude) {
                // where the signal begins there is only half a step
                boundary = start;
                break;
            }
            let late = before.late.clamp(-period / 8, period / 8);
            let (phase_gain, period_gain) = gains(period, true);
            boundary = start + late / phase_gain;
            period -= late / period_gain;
            edge = before;
        }
        // may be up to an eighth of a cell before the stream: moved, it would be out of step with the rest
        Lock { boundary, period, amplitude }
    }

    /// The next cell.
    pub(super) fn step(&mut self, history: &History) -> Step {
        let half = self.period / 2;
        let (start, end) = (self.boundary, self.boundary + self.period);
        let head = fixed(history.head());
        let is_last = history.has_ended() && end + half > head;
        let is_awaited = !history.has_ended() && end + half + ONE > head;
        if self.ended || is_awaited || is_last && end > head + half / 2 {
            return Step::Wait;
        }
        let edge = Edge::at(history, end, half);
        let judged = Judgement::of(&self.edge, &edge, self.amplitude);
        let is_short = self.period < FEW_SAMPLES;
        let weak_step = if is_short { BAD_STEP } else { WEAK_STEP };
        let weak_start = self.edge.known && is_below(weak_step, &self.edge, self.amplitude);
        let bad_start = self.edge.known && is_below(BAD_STEP, &self.edge, self.amplitude);
        let bad_end = edge.known && is_below(BAD_STEP, &edge, self.amplitude);
        self.begun |= self.edge.known && !is_below(WEAK_STEP, &self.edge, self.amplitude);
        let bad = judged.is_bad || bad_end;
        if bad {
            if self.trouble == 0 {
                self.trouble_since = start;
            }
            self.trouble += BAD_CELL;
            if self.trouble >= LOST {
                return Step::Lost(self.trouble_since);
            }
        } else {
            self.trouble = self.trouble.saturating_sub(1);
        }
        let late = if bad_end { 0 } else { edge.late.clamp(-self.period / 8, self.period / 8) };
        let is_clean =
            !bad && edge.step().abs() > 1.4 * self.amplitude && late.abs() < self.period / 16 + ONE / 2;
        self.clean = if is_clean { self.clean + 1 } else { 0 };
        if !bad && edge.known {
            self.amplitude += (edge.step().abs() / 2.0 - self.amplitude) / 8.0;
        }
        let (phase_gain, period_gain) = gains(self.period, self.cells < SETTLING);
        self.boundary = end + late / phase_gain;
        self.period += late / period_gain;
        self.edge = edge;
        self.cells = self.cells.saturating_add(1);
        self.ended = is_last;
        Step::Cell(Cell {
            bit: judged.one,
            weak_start,
            // a start that does not even tell up from down speaks against the bit itself
            weak_middle: bad_start && self.begun || if is_short { judged.is_bad } else { judged.weak_middle },
            quality: judged.quality,
            start: start.max(0),
            end: self.boundary,
        })
    }

    /// How many of the latest cells were clean without a break.
    pub(super) fn clean_cells(&self) -> u32 {
        self.clean
    }

    /// The edge at the boundary reached.
    pub(super) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(super) fn amplitude(&self) -> f32 {
        self.amplitude
    }

    pub(super) fn boundary(&self) -> Fixed {
        self.boundary
    }

    pub(super) fn period(&self) -> Fixed {
        self.period
    }
}

/// What part of the time that a boundary is late the next is moved by, and the period. Few samples say little about
/// where between them an edge is, and near a whole number of them in a cell it is the same little for many cells.
fn gains(period: Fixed, settles: bool) -> (Fixed, Fixed) {
    match (period < 13 * ONE / 4, settles) {
        (false, true) => (4, 32),
        (false, false) => (8, 64),
        (true, true) => (6, 96),
        (true, false) => (12, 256),
    }
}

/// What two boundaries say of the cell between them.
struct Judgement {
    one: bool,
    weak_middle: bool,
    is_bad: bool,
    quality: u8,
}

impl Judgement {
    fn of(start: &Edge, end: &Edge, amplitude: f32) -> Self {
        let middle = end.before - start.after;
        let (one, step) = match (start.known, end.known) {
            (true, true) => (start.rises() == end.rises(), both(start.step().abs(), end.step().abs())),
            (true, false) => (middle.abs() > start.step().abs() / 2.0, start.step().abs()),
            (false, true) => (middle.abs() > end.step().abs() / 2.0, end.step().abs()),
            (false, false) => (middle.abs() > amplitude, 2.0 * amplitude),
        };
        let expected = match (one, start.known, start.rises()) {
            (false, _, _) => 0.0,
            (true, true, rises) => {
                if rises {
                    -step
                } else {
                    step
                }
            }
            (true, false, _) => step.copysign(middle),
        };
        // a middle step larger than expected speaks less against it: in few samples a transition beside it is blurred
        let is_beyond = middle.abs() > expected.abs() && (middle > 0.0) == (expected > 0.0) && one;
        let error = (middle - expected).abs() * if is_beyond { 0.5 } else { 1.0 };
        let weakest_step = start.known_step(amplitude).min(end.known_step(amplitude));
        let margin = (1.0 - error / step.max(f32::MIN_POSITIVE)).min(weakest_step / (2.0 * amplitude));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let quality = (100.0 * margin).clamp(0.0, 100.0) as u8;
        // not `error > ...`: a step that is no number is weak too
        let agrees = |part: f32| error <= part * step;
        Self { one, weak_middle: !agrees(WEAK_MIDDLE), is_bad: !agrees(BAD_MIDDLE), quality }
    }
}

/// What two steps say the usual one is: their mean, but where one is so small that the signal begins or ends there,
/// the other.
fn both(a: f32, b: f32) -> f32 {
    let larger = a.max(b);
    if a.min(b) < ONE_SIDED * larger { larger } else { (a + b) / 2.0 }
}

impl Edge {
    /// The step, or what it should be at the stream's ends.
    fn known_step(&self, amplitude: f32) -> f32 {
        if self.known { self.step().abs() } else { 2.0 * amplitude }
    }
}

/// Whether the step is below this part of what it should be, or no number.
fn is_below(part: f32, edge: &Edge, amplitude: f32) -> bool {
    let reaches = edge.step().abs() >= part * 2.0 * amplitude;
    !reaches
}

#[expect(clippy::cast_possible_wrap, reason = "2^47 samples are 90 years at 48 kHz")]
pub(super) fn fixed(position: u64) -> Fixed {
    (position << 16) as Fixed
}

/// `length * factor`, at most `length` either way.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "below 2^24 samples; a NaN gives 0"
)]
fn scale(length: Fixed, factor: f32) -> Fixed {
    (length as f32 * factor.clamp(-1.0, 1.0)) as Fixed
}
