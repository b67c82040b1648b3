//! Where in a stretch of sound cells can begin: says quickly of most speeds that none of their phases can be.
//!
//! Every cell begins with a step, so where the level does not change there is no boundary. The places where it changes
//! enough are a row of bits. The boundaries of one speed and phase are some places of that row, and all phases of one
//! speed are looked at together: the row, moved by a period, by two and so on, has a bit left in common only where
//! every boundary has its step. Noise alone seldom has, and is done with after a few moves.
//!
//! ```text
//! row          . # # . . # # # . . # . . # #
//! moved 5      # # . . # . . # # .
//! moved 10     # . . # # .
//! in common    . . . . .                        no phase of period 5 fits
//! ```

use super::run::signs;

/// Values looked at, at most.
pub(super) const STRETCH: usize = 72;
/// Bits of a row.
const PLACES: usize = 192;
const WORDS: usize = PLACES / 64;
/// A step at a boundary is at least this part of the largest of all.
const LEAST: f32 = 0.42;

/// A row of places.
pub(super) struct Steps {
    row: [u64; WORDS],
    per_value: u32,
}

impl Steps {
    /// Of these values, with the levels `half` values before and after a place compared and so many places a value,
    /// 2 or 4.
    pub(super) fn new(values: &[f32; STRETCH], count: usize, half: usize, per_value: u32) -> Self {
        let mut steps = [0.0; STRETCH];
        compare(values, &mut steps, half);
        // nothing is known of the ends, and what is beyond them
        let known = half..(count + 1).saturating_sub(half);
        for (at, step) in steps.iter_mut().enumerate() {
            if !known.contains(&at) {
                *step = 0.0;
            }
        }
        let mut places = [[0.0_f32; 64]; WORDS];
        let flat = places.as_flattened_mut();
        let pairs = steps.iter().zip(steps.iter().skip(1));
        if per_value == 4 {
            for (four, (a, b)) in flat.as_chunks_mut::<4>().0.iter_mut().zip(pairs) {
                let quarter = (b - a) * 0.25;
                *four = [a.abs(), (a + quarter).abs(), (a + 2.0 * quarter).abs(), (b - quarter).abs()];
            }
        } else {
            for (two, (a, b)) in flat.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
                *two = [a.abs(), ((a + b) * 0.5).abs()];
            }
        }
        let mut largest = [0.0_f32; 8];
        for eight in flat.as_chunks::<8>().0 {
            largest.iter_mut().zip(eight).for_each(|(a, &b)| *a = if b > *a { b } else { *a });
        }
        let largest = largest.into_iter().fold(0.0, f32::max);
        Self { row: places.each_ref().map(|places| signs(places, LEAST * largest)), per_value }
    }

    /// Whether cells of this many values can be here: whether for some phase the first `boundaries` have their steps.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "below 2^16"
    )]
    pub(super) fn may_be(&self, period: f32, boundaries: u32) -> bool {
        // places with 8 fractional bits
        let period = (period * (self.per_value * 256) as f32) as u32;
        let mut left = (2_u64 << (period >> 8)) - 1;
        let mut at = period + period / 8 + 128;
        for _ in 0..boundaries {
            left &= self.from(at >> 8);
            if left == 0 {
                return false;
            }
            at += period;
        }
        true
    }

    /// The 64 places from `place` on.
    #[inline(always)]
    fn from(&self, place: u32) -> u64 {
        let shift = place % 64;
        let word = |at: usize| self.row.get(at).copied().unwrap_or(0);
        let (now, next) = (word((place / 64) as usize), word((place / 64) as usize + 1));
        now >> shift | next << 1 << (63 - shift)
    }
}

/// Levels after places less levels before them.
#[inline]
fn compare(values: &[f32; STRETCH], steps: &mut [f32; STRETCH], half: usize) {
    match half {
        1 => {
            for (step, window) in steps.iter_mut().skip(1).zip(values.windows(2)) {
                if let [a, b] = window {
                    *step = b - a;
                }
            }
        }
        2 => {
            for (step, window) in steps.iter_mut().skip(2).zip(values.windows(4)) {
                if let [a, b, c, d] = window {
                    *step = (c + d) - (a + b);
                }
            }
        }
        _ => {
            for (step, window) in steps.iter_mut().skip(3).zip(values.windows(6)) {
                if let [a, b, c, d, e, f] = window {
                    *step = ((d + e) + f) - ((a + b) + c);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_fit_their_own_period_and_half_of_none() {
        // a level that changes every five values
        let values = core::array::from_fn(|at| if at / 5 % 2 == 0 { 1.0 } else { -1.0 });
        let steps = Steps::new(&values, 51, 2, 2);
        assert!(steps.may_be(5.0, 7) && steps.may_be(4.95, 7));
        assert!(!steps.may_be(4.2, 7) && !steps.may_be(5.6, 7));
    }

    #[test]
    fn nothing_is_in_silence() {
        let steps = Steps::new(&[0.0; STRETCH], 72, 3, 2);
        assert!((57..80).all(|tenths| !steps.may_be(tenths as f32 / 10.0, 7)));
    }
}
