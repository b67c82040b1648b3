//! Finds a signal of unknown speed: tries periods and phases on short stretches of sound.
//!
//! A stretch of 16 cells fits a period and a phase if every boundary has its transition and every middle agrees with
//! its boundaries, which chance does for less than one in a million. Speeds are tried half an octave at a time on
//! sums of as many samples as leave 4 to 8 a cell, so that slow ones cost little:
//!
//! ```text
//! band          0        1       2        3        4        5        6       ...
//! cell       1.9-2.7  2.7-4    4-5.7    5.7-8    8-11     11-16    16-23     samples
//! summed        1        1       1        1        2        2        4       samples
//! ```
//!
//! Ones at one speed look like zeros at twice it, so a stretch must have both; the sync word does.

use super::history::{Fixed, History, ONE};
use super::soft::{Lock, fixed};
use super::steps::{STRETCH, Steps};

/// Cells that must fit, and how many of them are looked at first.
const CELLS: usize = 16;
const FIRST_CELLS: usize = 8;
const FIRST_BOUNDARIES: u32 = 7;
/// Sums in a window: 16 cells, one to shift by and a half, of the longest of a band, 8.2 sums with some for the grid.
const WINDOW: usize = 144;
/// Ones and zeros that a stretch must have at least.
const OF_EACH: u32 = 1;
/// Bands at most: the longest cells of the last are far beyond the slowest signal.
const MAX_BANDS: usize = 32;
/// Phases tried at once: first all of a cell, then those about one that fits.
const PHASES: usize = 8;
const COARSE_PHASES: [f32; PHASES] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
const FINE_PHASES: [f32; PHASES] = [-0.105, -0.075, -0.045, -0.015, 0.015, 0.045, 0.075, 0.105];
/// From one period to the next that is tried first, and those tried about one that fits.
const COARSE_STEP: f32 = 1.025;
const FINE_PERIODS: [f32; 7] = [0.985, 0.99, 0.995, 1.0, 1.005, 1.01, 1.015];
/// A step or middle may be off by this part of the mean step.
const MARGIN: f32 = 0.55;

/// Looks for a signal band by band.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Where each band's next window begins.
    next: [u64; MAX_BANDS],
    bands: usize,
    /// Nothing before this is looked at again.
    floor: Fixed,
}

impl Search {
    /// For cells of up to `longest` samples.
    pub(super) fn new(longest: u32) -> Self {
        // band 3 + 2n ends at 8 * 2^n
        let above_8 = longest.max(8).div_ceil(8).next_power_of_two().ilog2() as usize;
        Self { next: [0; MAX_BANDS], bands: (4 + 2 * above_8).min(MAX_BANDS), floor: 0 }
    }

    /// Begins a new stream.
    pub(super) fn clear(&mut self) {
        (self.next, self.floor) = ([0; MAX_BANDS], 0);
    }

    /// Looks only from `position` on, where a signal that had been found went away.
    pub(super) fn restart(&mut self, position: Fixed) {
        let from = u64::try_from(position >> 16).unwrap_or(0);
        self.next = self.next.map(|next| next.max(from));
        self.floor = self.floor.max(position);
    }

    /// The earliest that a signal found may begin.
    pub(super) fn floor(&self) -> Fixed {
        self.floor
    }

    /// A signal, if one can be found in what has come.
    pub(super) fn find(&mut self, history: &History) -> Option<Lock> {
        let (tail, head) = (history.tail(), history.head());
        let floor = u64::try_from(self.floor >> 16).unwrap_or(0).max(tail);
        for (band, next) in self.next.iter_mut().enumerate().take(self.bands) {
            let band = Band::new(band);
            let align = |position: u64| position.next_multiple_of(band.summed.into());
            *next = align((*next).max(tail));
            while *next + band.window() <= head {
                let (start, step) = (*next, band.window());
                *next += step;
                let mut found = best(history, start, band);
                if matches!(found, Best::Alike) {
                    // the sync word of an only word with all bits alike may lie across two windows
                    *next = align(start + step / 2);
                    if let Some(before) =
                        start.checked_sub(step / 2).map(align).filter(|&before| before >= floor)
                    {
                        found = best(history, before, band);
                    }
                }
                if let Best::Lock(lock) = found {
                    return Some(lock);
                }
            }
            if history.has_ended() && *next < head {
                // the last stretch, as far back as a whole window reaches
                let last = head.saturating_sub(band.window());
                let start = (last - last % u64::from(band.summed)).max(align(floor));
                *next = head;
                if start + band.window() <= head
                    && let Best::Lock(lock) = best(history, start, band)
                {
                    return Some(lock);
                }
            }
        }
        None
    }
}

/// Periods from `shortest` to the square root of two times that, in sums of `summed` samples.
#[derive(Clone, Copy)]
struct Band {
    shortest: f32,
    summed: u32,
    sums: usize,
    /// How [`Steps`] looks at it: values first looked at, values compared and places a value.
    first: usize,
    half: usize,
    places: u32,
}

impl Band {
    /// From the shortest to the longest, and a little, for what lies on the border.
    const WIDTH: f32 = core::f32::consts::SQRT_2 * 1.02;

    fn new(band: usize) -> Self {
        let summed = if band < 2 { 1 } else { 1 << (band / 2 - 1) };
        match band {
            0 => Self { shortest: 1.9, summed, sums: 50, first: 25, half: 1, places: 4 },
            1 => Self { shortest: 2.7, summed, sums: 72, first: 35, half: 1, places: 4 },
            _ if band.is_multiple_of(2) => {
                Self { shortest: 4.0, summed, sums: 102, first: 51, half: 2, places: 2 }
            }
            _ => Self { shortest: 5.657, summed, sums: WINDOW, first: 72, half: 3, places: 2 },
        }
    }

    /// Samples in a window, and from one to the next.
    fn window(self) -> u64 {
        self.sums as u64 * u64::from(self.summed)
    }
}

/// The period and phase that fit a window best, if any does.
fn best(history: &History, start: u64, band: Band) -> Best {
    let mut values = [0.0; STRETCH];
    history.means(start, band.summed, values.get_mut(..band.first).unwrap_or_default());
    let steps = Steps::new(&values, band.first, band.half, band.places);
    let (mut window, mut best, mut is_alike) = (None, None::<Fit>, false);
    let mut period = band.shortest;
    while period < band.shortest * Band::WIDTH {
        if steps.may_be(period, FIRST_BOUNDARIES) {
            let window = window.get_or_insert_with(|| Window::new(history, start, band));
            if !window.is_lively {
                return Best::None;
            }
            window.try_near(period, &mut best, &mut is_alike);
        }
        period *= COARSE_STEP;
    }
    match (best, &window) {
        (Some(fit), Some(window)) => Best::Lock(window.lock(&fit)),
        _ if is_alike => Best::Alike,
        _ => Best::None,
    }
}

/// What a window has.
enum Best {
    None,
    /// Cells that fit, but only ones or only zeros.
    Alike,
    Lock(Lock),
}

/// A window's running sum.
struct Window {
    /// `sums[n]` is the sum of the first n, less their mean.
    sums: [f32; WINDOW + 2],
    band: Band,
    start: u64,
    /// Whether cells as short as the band's are possible.
    is_lively: bool,
}

impl Window {
    #[expect(clippy::cast_precision_loss, reason = "at most 144")]
    fn new(history: &History, start: u64, band: Band) -> Self {
        let mut values = [0.0; WINDOW];
        history.means(start, band.summed, values.get_mut(..band.sums).unwrap_or_default());
        let values = values.get(..band.sums).unwrap_or_default();
        let mean = values.iter().sum::<f32>() / band.sums as f32;
        let mut sums = [0.0; WINDOW + 2];
        let mut sum = 0.0;
        for (place, value) in sums.iter_mut().skip(1).zip(values) {
            sum += value - mean;
            *place = sum;
        }
        Self { sums, band, start, is_lively: is_lively(values) }
    }

    /// Tries one period, all phases of it, and where it fits those about it. Says whether any was all ones or zeros.
    fn try_near(&self, period: f32, best: &mut Option<Fit>, is_alike: &mut bool) {
        // later than the window's start, so that a finer phase can be earlier
        let starts = COARSE_PHASES.map(|phase| period * (0.125 + phase));
        for coarse in self.fits(starts, period, FIRST_CELLS).iter().flat_map(peaks) {
            let fine = FINE_PERIODS.into_iter().filter_map(|factor| {
                let starts = FINE_PHASES.map(|phase| coarse.start + period * phase);
                self.fits(starts, period * factor, CELLS)
            });
            let fine = fine.flatten().flatten().inspect(|_| *is_alike = true).filter(Fit::has_both);
            *best = fine.chain(*best).max_by(|a, b| a.quality.total_cmp(&b.quality));
        }
    }

    /// The fits of so many cells of this period from these starts, if there are any.
    #[inline]
    fn fits(&self, starts: [f32; PHASES], period: f32, cells: usize) -> Option<[Option<Fit>; PHASES]> {
        let half = period / 2.0;
        let mut boundaries = starts.map(|start| start + period);
        // sums over half bits: the first of the cell, the second of the one before
        let mut sums = boundaries.map(|at| self.sum_to(at));
        let mut seconds = [0.0; PHASES];
        for ((second, at), sum) in seconds.iter_mut().zip(boundaries).zip(sums) {
            *second = sum - self.sum_to(at - half);
        }
        let mut phases = [Phase::NEW; PHASES];
        for cell in 0..cells - 1 {
            let mut is_any_left = false;
            let levels = boundaries.iter_mut().zip(&mut sums).zip(&mut seconds);
            for (phase, ((boundary, sum), second)) in phases.iter_mut().zip(levels) {
                let sum_middle = self.sum_to(*boundary + half);
                let after = sum_middle - *sum;
                is_any_left |= phase.add(cell, after - *second, *second, after);
                *boundary += period;
                *sum = self.sum_to(*boundary);
                *second = *sum - sum_middle;
            }
            if !is_any_left {
                return None;
            }
        }
        let mut fits = [None; PHASES];
        for (fit, (phase, start)) in fits.iter_mut().zip(phases.iter().zip(starts)) {
            *fit = phase.fit(start, period, cells);
        }
        Some(fits)
    }

    /// The sum up to `position`, parts of sums counted in part.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0 to 148"
    )]
    #[expect(clippy::indexing_slicing, reason = "at most the window's length")]
    fn sum_to(&self, position: f32) -> f32 {
        let whole = (position as usize).min(WINDOW);
        let part = position - whole as f32;
        let (low, high) = (self.sums[whole], self.sums[whole + 1]);
        low + part * (high - low)
    }

    /// The fit in samples, at the boundary in its middle.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "below 2^24 samples")]
    fn lock(&self, fit: &Fit) -> Lock {
        let samples = |sums: f32| (sums * self.band.summed as f32 * ONE as f32) as Fixed;
        let middle = fit.start + fit.period * (CELLS / 2) as f32;
        Lock {
            boundary: fixed(self.start) + samples(middle),
            period: samples(fit.period),
            amplitude: fit.amplitude,
        }
    }
}

/// Those that fit no worse than the phases on either side.
fn peaks(fits: &[Option<Fit>; PHASES]) -> impl Iterator<Item = Fit> {
    let quality = |at: usize| fits.get(at % PHASES).copied().flatten().map_or(0.0, |fit| fit.quality);
    let is_peak = move |at: usize| quality(at) >= quality(at + 1) && quality(at) >= quality(at + PHASES - 1);
    fits.iter().enumerate().filter_map(move |(at, fit)| fit.filter(|_| is_peak(at)))
}

/// A period and phase, in sums.
#[derive(Clone, Copy)]
struct Fit {
    quality: f32,
    amplitude: f32,
    start: f32,
    period: f32,
    ones: u32,
    zeros: u32,
}

impl Fit {
    /// Whether there are ones and zeros enough to know the speed.
    fn has_both(&self) -> bool {
        self.ones >= OF_EACH && self.zeros >= OF_EACH
    }
}

/// How cells of one phase fit so far. Levels are sums over a half bit.
#[derive(Clone, Copy)]
struct Phase {
    /// The last step at a boundary, and the sum of all.
    step: f32,
    total: f32,
    /// The level after that step.
    first: f32,
    /// The least margin of all checks, as a part of the mean step; not above 0 once a check failed.
    worst: f32,
    ones: u32,
}

impl Phase {
    const NEW: Self = Self { step: 0.0, total: 0.0, first: 0.0, worst: 1.0, ones: 0 };

    /// Adds the step at the boundary that ends a cell whose second half has level `second`, and the level after it.
    /// Returns whether all fits so far.
    #[inline(always)]
    fn add(&mut self, cell: usize, step: f32, second: f32, after: f32) -> bool {
        self.total += step.abs();
        #[expect(clippy::cast_precision_loss, reason = "below 16")]
        let mean = self.total / (cell + 1) as f32;
        let mut margin = step.abs() - (1.0 - MARGIN) * mean;
        if cell > 0 {
            let one = (self.step > 0.0) == (step > 0.0);
            let expected = if one { -mean.copysign(step) } else { 0.0 };
            margin = margin.min(MARGIN * mean - (second - self.first - expected).abs());
            self.ones += u32::from(one);
        }
        // not `min`: no number does not fit
        let margin = margin / mean;
        self.worst = if margin < self.worst {
            margin
        } else if margin >= self.worst {
            self.worst
        } else {
            0.0
        };
        (self.step, self.first) = (step, after);
        self.worst > 0.0
    }

    /// The result after so many cells.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "16 at most")]
    fn fit(&self, start: f32, period: f32, cells: usize) -> Option<Fit> {
        let amplitude = self.total / (cells - 1) as f32 / period;
        let zeros = cells as u32 - 2 - self.ones;
        (self.worst > 0.0).then_some(Fit {
            quality: self.worst,
            amplitude,
            start,
            period,
            ones: self.ones,
            zeros,
        })
    }
}

/// Whether there is a step at least once in 8 values, as there is at the start of each cell: none in a row of 9 that
/// is more than a quarter of the largest, and there is no signal with cells this short.
fn is_lively(values: &[f32]) -> bool {
    let mut largest = 0.0_f32;
    let mut least_of_nine = f32::INFINITY;
    let mut steps = values.windows(3).filter_map(|three| match three {
        [a, _, c] => Some((c - a).abs()),
        _ => None,
    });
    loop {
        let mut count = 0;
        let largest_of_nine = steps.by_ref().take(9).inspect(|_| count += 1).fold(0.0_f32, f32::max);
        if count < 9 {
            break;
        }
        largest = largest.max(largest_of_nine);
        least_of_nine = least_of_nine.min(largest_of_nine);
    }
    largest > 0.0 && least_of_nine >= 0.25 * largest
}
