//! Sums of overlapping stretches, each byte summed once.

use alloc::boxed::Box;

/// XOR of all bytes from some point of the stream to each of the last [`SIZE`] places, so that the XOR of any stretch
/// between two of them takes two look-ups.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Indexed by place modulo its size; taken when first needed.
    ring: Option<Box<[u8; SIZE]>>,
    /// First and last place whose sum is known.
    from: u64,
    to: u64,
}

impl Sums {
    pub(super) const fn new() -> Self {
        Self { ring: None, from: 0, to: 0 }
    }

    /// XOR of `bytes`, which begin at `offset` in the stream. At most [`SIZE`] - 1 bytes.
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the array's size")]
    pub(super) fn xor(&mut self, offset: u64, bytes: &[u8]) -> u8 {
        let place = |offset: u64| usize::try_from(offset % SIZE as u64).unwrap_or(0) % SIZE;
        let ring = self.ring.get_or_insert_with(|| Box::new([0; SIZE]));
        if offset < self.from || offset > self.to {
            (self.from, self.to) = (offset, offset);
            ring[place(offset)] = 0;
        }
        let end = offset + bytes.len() as u64;
        let known = usize::try_from(self.to - offset).unwrap_or(usize::MAX);
        let mut sum = ring[place(self.to)];
        let mut at = place(self.to);
        for byte in bytes.get(known..).unwrap_or_default() {
            sum ^= byte;
            at = (at + 1) % SIZE;
            ring[at] = sum;
        }
        self.to = self.to.max(end);
        self.from = self.from.max((self.to + 1).saturating_sub(SIZE as u64));
        ring[place(offset)] ^ ring[place(end)]
    }
}

/// A power of two above the longest frame.
const SIZE: usize = 2048;

const _: () = assert!(SIZE.is_power_of_two() && SIZE > super::MAX_HELD);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum;

    #[test]
    fn any_stretch_in_any_order_forward() {
        let bytes: alloc::vec::Vec<u8> = (0..20_000_u32).map(|i| ((i * i) >> 3).to_le_bytes()[0]).collect();
        let mut sums = Sums::new();
        let mut at = 0;
        for i in 0..3000_usize {
            at += [0, 1, 4, 6, 2, 17, 1][i % 7];
            let len = [1031, 7, 262, 600, 1, 0, 900][i * i % 7];
            let Some(stretch) = bytes.get(at..at + len) else { break };
            assert_eq!(sums.xor(at as u64, stretch), checksum::xor(stretch), "{at} {len}");
        }
        let far = 1 << 40;
        assert_eq!(sums.xor(far, &bytes[5..99]), checksum::xor(&bytes[5..99]));
    }
}
