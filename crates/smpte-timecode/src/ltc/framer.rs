//! Cells to words: looks for the sync word in either direction.

use super::history::Fixed;
use super::soft::Cell;
use super::word::Word;

/// More than this of 160 checks failed, and it is no word. Noise alone fails three of four.
const MAX_WEAK: u32 = 20;
/// Cells remembered: a power of two above those of a word.
const KEPT: usize = 128;

/// 80 bits that end with the sync word, or begin with it backwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The time address.
    pub(super) bits: u64,
    pub(super) reverse: bool,
    /// Checks that failed.
    pub(super) weak: u32,
    /// That of the worst cell.
    pub(super) quality: u8,
    pub(super) start: Fixed,
    pub(super) end: Fixed,
    /// Cells up to its end since the signal was found.
    pub(super) cells: u64,
}

/// The latest 80 cells, in registers: the newest is the highest bit.
#[derive(Clone, Debug)]
pub(super) struct Framer {
    bits: Register,
    weak_starts: Register,
    weak_middles: Register,
    starts: [Fixed; KEPT],
    qualities: [u8; KEPT],
    cells: u64,
}

impl Framer {
    pub(super) const fn new() -> Self {
        Self {
            bits: Register::ZERO,
            weak_starts: Register::ZERO,
            weak_middles: Register::ZERO,
            starts: [0; KEPT],
            qualities: [0; KEPT],
            cells: 0,
        }
    }

    /// The next cell does not follow on the last one.
    pub(super) fn restart(&mut self) {
        (self.bits, self.cells) = (Register::ZERO, 0);
    }

    /// Cells since the signal was found.
    pub(super) fn cells(&self) -> u64 {
        self.cells
    }

    /// Takes a cell; the word that it completes.
    pub(super) fn push(&mut self, cell: Cell) -> Option<Found> {
        self.weak_starts.push(cell.weak_start);
        self.weak_middles.push(cell.weak_middle);
        self.push_bit(cell.bit, cell.quality, cell.start, cell.end)
    }

    /// Takes a cell in which nothing is weak.
    #[inline(always)]
    pub(super) fn push_clean(&mut self, bit: bool, quality: u8, start: Fixed, end: Fixed) -> Option<Found> {
        self.weak_starts.push(false);
        self.weak_middles.push(false);
        self.push_bit(bit, quality, start, end)
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "modulo the array's length"
    )]
    fn push_bit(&mut self, bit: bool, quality: u8, start: Fixed, end: Fixed) -> Option<Found> {
        let at = self.cells as usize % KEPT;
        self.starts[at] = start;
        self.qualities[at] = quality;
        self.cells += 1;
        self.bits.push(bit);
        let is_word = self.bits.high == Word::SYNC || self.bits.first_sixteen() == Word::SYNC.reverse_bits();
        if is_word { self.complete(end) } else { None }
    }

    /// Whether so many of the latest 160 checks failed that the speed cannot be right.
    pub(super) fn is_all_weak(&self) -> bool {
        self.weak_starts.count() + self.weak_middles.count() > 2 * MAX_WEAK
    }

    #[cold]
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "modulo the array's length"
    )]
    fn complete(&self, end: Fixed) -> Option<Found> {
        let first = self.cells.checked_sub(Word::BITS.into())?;
        let reverse = self.bits.high != Word::SYNC;
        let bits = if reverse { self.bits.last_sixty_four().reverse_bits() } else { self.bits.low };
        // the transition at the start of the first cell may be weak where the signal begins
        let first_start = u32::from(self.weak_starts.low & 1 != 0);
        let weak = self.weak_starts.count() - first_start + self.weak_middles.count();
        let quality = (first..self.cells).map(|cell| self.qualities[cell as usize % KEPT]).min().unwrap_or(0);
        let start = self.starts[first as usize % KEPT];
        (weak <= MAX_WEAK).then_some(Found { bits, reverse, weak, quality, start, end, cells: self.cells })
    }
}

/// 80 bits.
#[derive(Clone, Copy, Debug)]
struct Register {
    low: u64,
    high: u16,
}

impl Register {
    const ZERO: Self = Self { low: 0, high: 0 };

    #[inline(always)]
    fn push(&mut self, bit: bool) {
        self.low = self.low >> 1 | u64::from(self.high & 1) << 63;
        self.high = self.high >> 1 | u16::from(bit) << 15;
    }

    fn count(self) -> u32 {
        self.low.count_ones() + self.high.count_ones()
    }

    /// The oldest sixteen.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "meant")]
    fn first_sixteen(self) -> u16 {
        self.low as u16
    }

    fn last_sixty_four(self) -> u64 {
        self.low >> 16 | u64::from(self.high) << 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn cell(bit: bool, at: u32) -> Cell {
        let start = Fixed::from(at) << 16;
        Cell { bit, weak_start: false, weak_middle: false, quality: 90, start, end: start + (1 << 16) }
    }

    #[test]
    fn a_word_is_found_in_either_direction() {
        let word = Word::new(Address::from_bits(0x0123_4567_89ab_cdef));
        for reverse in [false, true] {
            let mut framer = Framer::new();
            let mut found = Vec::new();
            for at in 0..84 {
                let bit = if reverse { 79 - i64::from(at) + 2 } else { i64::from(at) - 2 };
                let bit = u32::try_from(bit).is_ok_and(|bit| word.bit(bit));
                found.extend(framer.push(cell(bit, at)).map(|word| (at, word)));
            }
            assert_eq!(found.len(), 1);
            let (at, found) = found[0];
            assert_eq!((at, found.bits, found.reverse), (81, word.address().bits(), reverse));
            assert_eq!((found.start >> 16, found.end >> 16, found.weak, found.quality), (2, 82, 0, 90));
        }
    }

    #[test]
    fn weak_cells_are_counted_but_the_first_boundary() {
        let word = Word::new(Address::default());
        let weak = |weak: fn(u32) -> bool| {
            let mut framer = Framer::new();
            let cells = (0..80).map(|at| Cell { weak_start: weak(at), ..cell(word.bit(at), at) });
            cells.filter_map(|cell| framer.push(cell)).next().map(|found| found.weak)
        };
        assert_eq!(weak(|at| at == 0), Some(0));
        assert_eq!(weak(|at| at <= MAX_WEAK), Some(MAX_WEAK));
        assert_eq!(weak(|at| at <= MAX_WEAK + 1), None);
    }

    #[test]
    fn eighty_cells_are_needed() {
        let mut framer = Framer::new();
        let word = Word::new(Address::default());
        assert!((1..80).all(|at| framer.push(cell(word.bit(at), at)).is_none()));
        framer.restart();
        assert!((40..80).all(|at| framer.push(cell(word.bit(at), at)).is_none()));
    }
}
