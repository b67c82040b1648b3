//! Bits out of a clean signal, fast: the lengths of the runs of samples on one side of the middle.
//!
//! Samples become one bit each, above the middle or not, 64 to a word; the next transition is then a count of
//! trailing zeros away. A cell is one run of a cell's length, or two of half of it. The first run that is neither
//! ends it: the tracker of `soft` goes on from there.

use alloc::vec;
use alloc::vec::Vec;

use super::framer::{Found, Framer};
use super::history::{BLOCK, Fixed, History, ONE};
use super::soft::{Tracker, fixed};

/// Below this the lengths of runs in whole samples say too little.
const MIN_PERIOD: Fixed = 8 * ONE;
/// Up to this a cell, and what it may be longer, is seen in 64 samples at once.
const MAX_SHORT_PERIOD: Fixed = 48 * ONE;
/// The middle is set anew after this many blocks at least: at 48 kHz every 5 ms, often enough to follow hum.
const MIN_BLOCKS: u64 = 4;

pub(super) enum RunStep {
    /// More samples are needed.
    Wait,
    /// These 80 cells may be a word.
    Word(Found),
    /// The next cell is not clean.
    Irregular,
}

/// Follows a clean signal cell by cell.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Of each block that the history keeps, which samples are above the middle; the first is the lowest bit.
    signs: Vec<u64>,
    middle: f32,
    amplitude: f32,
    /// Whether the level is high at the start of the cell.
    high: bool,
    /// The first sample of the cell.
    at: u64,
    /// The start of the cell less `at`.
    offset: Fixed,
    period: Fixed,
    /// Highest and lowest samples of the latest blocks, how many blocks those are, and how many are wanted.
    range: Range,
    blocks: u64,
    blocks_wanted: u64,
    /// What a transition loses of 100 for being off by one, times 2^32.
    lost_quality: i64,
}

impl Run {
    /// For a history of this many blocks.
    pub(super) fn new(blocks: usize) -> Self {
        Self {
            signs: vec![0; blocks],
            middle: 0.0,
            amplitude: 0.0,
            high: false,
            at: 0,
            offset: 0,
            period: 0,
            range: Range::EMPTY,
            blocks: 0,
            blocks_wanted: 0,
            lost_quality: 0,
        }
    }

    /// Goes on from a boundary that the tracker reached. Returns whether the signal is of a kind to do so.
    pub(super) fn begin(&mut self, history: &History, tracker: &Tracker) -> bool {
        let nearest = (tracker.boundary() + ONE / 2) >> 16;
        let Ok(nearest) = u64::try_from(nearest) else { return false };
        if tracker.period() < MIN_PERIOD
            || nearest < history.tail() + 2 * BLOCK as u64
            || nearest >= history.head()
        {
            return false;
        }
        self.middle = tracker.edge().centre();
        self.amplitude = tracker.amplitude();
        self.high = tracker.edge().rises();
        self.period = tracker.period();
        self.want_blocks();
        let first_block = (nearest - nearest % BLOCK as u64).saturating_sub(BLOCK as u64);
        for position in (first_block..history.head()).step_by(BLOCK) {
            self.add_block(history, position);
        }
        let is_high = |position: u64| history.sample(position) > self.middle;
        let Some(at) = (nearest.saturating_sub(3)..nearest + 3)
            .find(|&at| at > 0 && is_high(at) == self.high && is_high(at - 1) != self.high)
        else {
            return false;
        };
        (self.at, self.offset) = (at, tracker.boundary() - fixed(at));
        true
    }

    /// Takes the block that begins with sample `position`.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the number of blocks")]
    pub(super) fn add_block(&mut self, history: &History, position: u64) {
        let block = history.block(position);
        self.signs[history.block_index(position)] = signs(block, self.middle);
        self.range.add(block);
        self.blocks += 1;
        if self.blocks >= self.blocks_wanted {
            let (low, high) = (self.range.lowest(), self.range.highest());
            self.middle += ((low + high) / 2.0 - self.middle) / 2.0;
            self.amplitude = (high - low) / 2.0;
            self.want_blocks();
        }
    }

    /// Begins to look for highest and lowest samples. Two cells and a half have both levels in them.
    fn want_blocks(&mut self) {
        let samples = u64::try_from(self.period * 5 / 2 / ONE).unwrap_or(0);
        (self.range, self.blocks) = (Range::EMPTY, 0);
        self.blocks_wanted = samples.div_ceil(BLOCK as u64).max(MIN_BLOCKS);
        self.lost_quality = (50 << 32) / self.tolerance();
    }

    /// Follows the cells up to the end of a word, or as far as there are samples.
    pub(super) fn step(&mut self, history: &History, framer: &mut Framer) -> RunStep {
        while self.period <= MAX_SHORT_PERIOD {
            if self.at + 2 * BLOCK as u64 > history.head() {
                return RunStep::Wait;
            }
            let (first, second) = self.short_cell(history);
            match self.take_cell(first, second, framer) {
                None => return RunStep::Irregular,
                Some(None) => {}
                Some(Some(found)) => return RunStep::Word(found),
            }
        }
        loop {
            let limit = self.at.saturating_add_signed((self.period + 2 * self.tolerance()) >> 16);
            if limit >= history.head() {
                return RunStep::Wait;
            }
            let (first, second) = self.long_cell(history, limit);
            match self.take_cell(first, second, framer) {
                None => return RunStep::Irregular,
                Some(None) => {}
                Some(Some(found)) => return RunStep::Word(found),
            }
        }
    }

    /// A cell that begins with runs of these many samples: `None` if it is not one, else the word it completes.
    #[inline(always)]
    fn take_cell(&mut self, first: u64, second: u64, framer: &mut Framer) -> Option<Option<Found>> {
        let tolerance = self.tolerance();
        let one = fixed(first) * 4 < self.period * 3;
        // no branches on the bit: half of them would be mispredicted
        let length = first + second * u64::from(one);
        // both against where the cell should have begun
        let late = fixed(length) - self.offset - self.period;
        let middle_late = (fixed(first) - self.offset - self.period / 2) * i64::from(one);
        let worst = late.abs().max(middle_late.abs());
        if worst > tolerance {
            return None;
        }
        // 50 at the tolerance, which is still no misreading
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50")]
        let lost = ((worst * self.lost_quality) >> 32).min(50) as u8;
        let start = fixed(self.at);
        self.at += length;
        self.offset = -late / 2;
        self.period += late / 8;
        self.high ^= !one;
        Some(framer.push_clean(one, 100 - lost, start, fixed(self.at)))
    }

    /// How far a transition may be off, a sample of it for rounding; a quarter of a cell would be misread.
    #[inline(always)]
    fn tolerance(&self) -> Fixed {
        self.period / 16 + ONE + ONE / 4
    }

    /// The sample-exact boundary that is between the samples before and at `position`, by interpolation.
    #[expect(clippy::cast_possible_truncation, reason = "-1 to 1 sample")]
    pub(super) fn refine(&self, history: &History, position: Fixed) -> Fixed {
        let Ok(at) = u64::try_from(position >> 16) else { return position };
        if at <= history.tail() || at >= history.head() {
            return position;
        }
        let (before, after) = (history.sample(at - 1), history.sample(at));
        // samples stand for their middles, which are half a sample either side of the position
        let part = (self.middle - before) / (after - before) - 0.5;
        fixed(at) + (part.clamp(-0.5, 0.5) * ONE as f32) as Fixed
    }

    /// The start of the next cell, as the cells before it make it expected.
    pub(super) fn expected(&self) -> Fixed {
        fixed(self.at) + self.offset
    }

    /// The start of the next cell, to a sample.
    pub(super) fn boundary(&self) -> Fixed {
        fixed(self.at)
    }

    pub(super) fn period(&self) -> Fixed {
        self.period
    }

    pub(super) fn amplitude(&self) -> f32 {
        self.amplitude
    }

    /// Lengths in samples of the first two runs.
    #[inline(always)]
    fn short_cell(&self, history: &History) -> (u64, u64) {
        let crossed = self.crossed(history, self.at);
        let first = crossed.trailing_zeros();
        let second = (!(crossed >> (first & 63))).trailing_zeros();
        (u64::from(first), u64::from(second))
    }

    /// The same for cells of more than 64 samples; runs are not followed beyond `limit`.
    fn long_cell(&self, history: &History, limit: u64) -> (u64, u64) {
        let run = |from: u64, flip: u64| {
            (from..limit)
                .step_by(BLOCK)
                .map(|at| (at, self.crossed(history, at) ^ flip))
                .find(|&(_, crossed)| crossed != 0)
                .map_or(limit, |(at, crossed)| (at + u64::from(crossed.trailing_zeros())).min(limit))
        };
        let first = run(self.at, 0);
        let second = run(first, u64::MAX);
        (first - self.at, second - first)
    }

    /// Which of the 64 samples from `at` are on the other side than the cell began on.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "masked by the number of blocks")]
    fn crossed(&self, history: &History, at: u64) -> u64 {
        let flip = if self.high { u64::MAX } else { 0 };
        let (now, next) =
            (self.signs[history.block_index(at)], self.signs[history.block_index(at + BLOCK as u64)]);
        let shift = at % BLOCK as u64;
        ((now ^ flip) >> shift) | ((next ^ flip) << 1 << (63 - shift))
    }
}

/// Which samples are above `middle`; the first is the lowest bit.
#[inline]
pub(super) fn signs(block: &[f32; BLOCK], middle: f32) -> u64 {
    // one byte a sample first: a form that compilers turn into vector compares
    let mut bytes = [0_u8; BLOCK];
    for (byte, &sample) in bytes.iter_mut().zip(block) {
        *byte = u8::from(sample > middle);
    }
    let (eights, _) = bytes.as_chunks::<8>();
    // the product has bit i of the top byte from byte i, which is 0 or 1
    let gather = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().zip(0..).fold(0, |signs, (eight, at)| signs | gather(eight) << (8 * at))
}

/// Lowest and highest samples, several of each, so that many can be compared at once.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: [f32; 8],
    high: [f32; 8],
}

impl Range {
    const EMPTY: Self = Self { low: [f32::INFINITY; 8], high: [f32::NEG_INFINITY; 8] };

    #[inline]
    fn add(&mut self, block: &[f32; BLOCK]) {
        let (eights, _) = block.as_chunks::<8>();
        let (mut low, mut high) = (self.low, self.high);
        for eight in eights {
            low.iter_mut().zip(eight).for_each(|(low, &sample)| *low = lower(sample, *low));
            high.iter_mut().zip(eight).for_each(|(high, &sample)| *high = higher(sample, *high));
        }
        *self = Self { low, high };
    }

    fn lowest(&self) -> f32 {
        of_eight(self.low, lower)
    }

    fn highest(&self) -> f32 {
        of_eight(self.high, higher)
    }
}

/// The lower and the higher of two: single instructions, unlike `min` and `max`, as no sample is no number.
#[inline(always)]
fn lower(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Two and two, so that none waits for all before it.
#[inline(always)]
fn of_eight([a, b, c, d, e, f, g, h]: [f32; 8], choose: fn(f32, f32) -> f32) -> f32 {
    choose(choose(choose(a, b), choose(c, d)), choose(choose(e, f), choose(g, h)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_have_the_first_sample_lowest() {
        let mut block = [-1.0; BLOCK];
        for at in [0, 5, 8, 31, 62] {
            block[at] = 0.75;
            block[at + 1] = 0.25;
        }
        let expected = [0, 5, 8, 31, 62].iter().map(|at| 1_u64 << at).sum::<u64>();
        assert_eq!(signs(&block, 0.5), expected);
        assert_eq!(signs(&block, 0.0), expected | expected << 1);
        let mut range = Range::EMPTY;
        range.add(&block);
        assert_eq!((range.lowest(), range.highest()), (-1.0, 0.75));
    }
}
