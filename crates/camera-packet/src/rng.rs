//! Random numbers from the seed that the driver drew: HMAC-SHA-256 of a counter under the seed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

#[derive(Clone)]
pub(crate) struct Rng {
    seed: [u8; 32],
    counter: u64,
    /// For values that guard nothing (the stand-in telemetry value), where a hash each would be waste.
    quick: u64,
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng")
    }
}

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut rng = Self { seed, counter: 0, quick: 0 };
        let [a, b, c, d, e, f, g, h, ..] = rng.block();
        rng.quick = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        rng
    }

    /// 32 bytes that nobody can foresee who does not know the seed.
    pub(crate) fn block(&mut self) -> [u8; 32] {
        let counter = self.counter.to_be_bytes();
        self.counter = self.counter.wrapping_add(1);
        hmac(&self.seed, &[&counter])
    }

    /// The first `N` (at most 32) bytes of a block.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for (to, from) in out.iter_mut().zip(self.block()) {
            *to = from;
        }
        out
    }

    /// 0 to `max`, evenly to within 2^-56, as a function of `n`; guards nothing (SplitMix64).
    pub(crate) fn at(&self, n: u64, max: u8) -> u8 {
        let z = self.quick.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(z ^ (z >> 31)) * (u128::from(max) + 1);
        u8::try_from(wide >> 64).unwrap_or(max)
    }
}

/// HMAC-SHA-256 of the parts one after the other.
#[expect(clippy::expect_used, reason = "an HMAC key may have any length (RFC 2104 section 2)")]
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_even_and_follow_from_the_seed() {
        let (mut a, b) = (Rng::new([1; 32]), Rng::new([1; 32]));
        let mut seen = [0_u32; 11];
        for n in 0..11_000 {
            let value = a.at(n, 10);
            assert_eq!(value, b.at(n, 10));
            seen[usize::from(value)] += 1;
        }
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
        assert_ne!(a.block(), a.block());
    }
}
