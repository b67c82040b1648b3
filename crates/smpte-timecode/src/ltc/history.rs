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
