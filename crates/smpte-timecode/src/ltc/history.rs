//! The latest samples, kept so that a signal can be looked at again once its speed is known.

use alloc::vec;
use alloc::vec::Vec;

/// Samples are taken in blocks of this many, whatever pieces they arrive in: what is found cannot depend on them.
pub(super) const BLOCK: usize = 64;

/// Positions and lengths in samples with 16 fractional bits.
pub(super) type Fixed = i64;

/// One sample.
pub(super) const ONE: Fixed = 1 << 16;

/// A ring of samples; a sample is found by its number in the stream.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// A power of two of them.
    blocks: Vec<[f32; BLOCK]>,
    /// Samples of the stream so far, whole blocks.
    head: u64,
    /// Samples of the last block that are not of the stream, once it has ended.
    padding: Option<u64>,
}

impl History {
    /// Keeps at least `capacity` samples.
    pub(super) fn new(capacity: usize) -> Self {
        let blocks = capacity.div_ceil(BLOCK).max(2).next_power_of_two();
        Self { blocks: vec![[0.0; BLOCK]; blocks], head: 0, padding: None }
    }

    /// Begins a new stream.
    pub(super) fn clear(&mut self) {
        (self.head, self.padding) = (0, None);
    }

    /// The number of the first sample that has not come.
    #[inline]
    pub(super) fn head(&self) -> u64 {
        self.head - self.padding.unwrap_or(0)
    }

    /// The number of the first sample that is still kept.
    #[inline]
    pub(super) fn tail(&self) -> u64 {
        self.head.saturating_sub(self.blocks.as_flattened().len() as u64)
    }

    /// Whether no more samples will come.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.padding.is_some()
    }

    /// Says that the stream ended, and with how many samples of the last block.
    pub(super) fn end(&mut self, of_last_block: usize) {
        self.padding = Some(if of_last_block == 0 { 0 } else { (BLOCK - of_last_block.min(BLOCK)) as u64 });
    }

    /// The place for the next block; [`commit`](Self::commit) says that it is filled.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the number of blocks")]
    pub(super) fn next_block(&mut self) -> &mut [f32; BLOCK] {
        let at = self.block_index(self.head);
        &mut self.blocks[at]
    }

    #[inline]
    pub(super) fn commit(&mut self) {
        self.head += BLOCK as u64;
    }

    /// The block that has sample `position`.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the number of blocks")]
    pub(super) fn block(&self, position: u64) -> &[f32; BLOCK] {
        &self.blocks[self.block_index(position)]
    }

    /// The number of the block that has sample `position`, modulo the number of blocks kept.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves an index")]
    pub(super) fn block_index(&self, position: u64) -> usize {
        (position / BLOCK as u64) as usize & (self.blocks.len() - 1)
    }

    /// How many blocks are kept.
    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The sample at `position`, which is kept.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the number of samples")]
    pub(super) fn sample(&self, position: u64) -> f32 {
        self.blocks.as_flattened()[self.index(position)]
    }

    /// The mean level from `from` to `to`, each sample lasting from its number to the next. Both are kept and not
    /// beyond the head, and `from < to`.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "lengths are below 2^24 samples")]
    pub(super) fn mean(&self, from: Fixed, to: Fixed) -> f32 {
        self.integral(from, to) * ONE as f32 / (to - from) as f32
    }

    /// The sum of the samples from `from` to `to`, parts of samples counted in part.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "16 bits; positions are not negative"
    )]
    fn integral(&self, from: Fixed, to: Fixed) -> f32 {
        let (first, last) = ((from >> 16) as u64, (to >> 16) as u64);
        let part = |position: Fixed| (position & (ONE - 1)) as f32 / ONE as f32;
        self.sum(first, last) - part(from) * self.sample(first) + part(to) * self.sample(last)
    }

    /// Means of `each` samples from number `start` on, one after the other; `each` is a power of two of which `start`
    /// is a multiple.
    pub(super) fn means(&self, start: u64, each: u32, means: &mut [f32]) {
        let each = each as usize;
        let (early, late) = self.blocks.as_flattened().split_at(self.index(start));
        let (first, second) = means.split_at_mut(means.len().min(late.len() / each));
        means_of(late, each, first);
        means_of(early, each, second);
    }

    /// The sum of the samples from number `first` to before `last`.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "less than the ring holds")]
    pub(super) fn sum(&self, first: u64, last: u64) -> f32 {
        let samples = self.blocks.as_flattened();
        let start = self.index(first);
        let length = (last.saturating_sub(first) as usize).min(samples.len());
        let end = start + length;
        match samples.get(start..end) {
            Some(samples) => samples.iter().sum(),
            None => {
                let (early, late) = samples.split_at(start);
                let wrapped = early.get(..end - samples.len()).unwrap_or_default();
                late.iter().sum::<f32>() + wrapped.iter().sum::<f32>()
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves an index")]
    fn index(&self, position: u64) -> usize {
        position as usize & (self.blocks.as_flattened().len() - 1)
    }
}

/// Means of `each` samples, one after the other.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "at most 2^15")]
fn means_of(samples: &[f32], each: usize, means: &mut [f32]) {
    let part = 1.0 / each as f32;
    match each {
        1 => means.iter_mut().zip(samples).for_each(|(mean, &sample)| *mean = sample),
        2 => {
            let pairs = samples.as_chunks::<2>().0;
            means.iter_mut().zip(pairs).for_each(|(mean, [a, b])| *mean = (a + b) * part);
        }
        4 => {
            let fours = samples.as_chunks::<4>().0;
            means.iter_mut().zip(fours).for_each(|(mean, [a, b, c, d])| *mean = ((a + b) + (c + d)) * part);
        }
        _ => {
            means.iter_mut().zip(samples.chunks_exact(each)).for_each(|(mean, some)| *mean = sum(some) * part)
        }
    }
}

/// The sum of a multiple of eight samples, eight sums side by side.
#[inline]
fn sum(samples: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for eight in samples.as_chunks::<8>().0 {
        sums.iter_mut().zip(eight).for_each(|(sum, sample)| *sum += sample);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ring after the samples 0, 1, 2 ... before `count`.
    fn counting(count: u64) -> History {
        let mut history = History::new(256);
        let mut next = 0.0;
        for _ in 0..count / BLOCK as u64 {
            for sample in history.next_block() {
                *sample = next;
                next += 1.0;
            }
            history.commit();
        }
        history
    }

    #[test]
    fn means_count_parts_of_samples() {
        let history = counting(256);
        assert_eq!(history.mean(10 * ONE, 12 * ONE), 10.5);
        assert_eq!(history.mean(10 * ONE + ONE / 2, 12 * ONE - ONE / 2), 10.5);
        assert_eq!(history.mean(10 * ONE + ONE / 4, 10 * ONE + ONE / 2), 10.0);
    }

    #[test]
    fn sums_go_round_the_end_of_the_ring() {
        let history = counting(384);
        assert_eq!((history.tail(), history.head()), (128, 384));
        assert_eq!(history.sum(250, 260), (250..260).sum::<i32>() as f32);
        assert_eq!(history.sample(300), 300.0);
    }

    #[test]
    fn the_end_is_within_the_last_block() {
        let mut history = counting(128);
        history.end(10);
        assert_eq!((history.head(), history.has_ended()), (74, true));
        history.clear();
        assert_eq!((history.head(), history.has_ended()), (0, false));
    }
}
