//! Repeatable randomness: xoshiro256++ (Blackman, Vigna 2019), seeded through splitmix64.

use core::time::Duration;

/// A small generator whose numbers depend on its seed alone. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator for a seed; any seed is good.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| splitmix64(&mut state)))
    }

    /// A generator for one of several independent uses of the same seed.
    pub(crate) fn for_use(seed: u64, a: u64, b: u64) -> Self {
        let mut state = seed ^ a.rotate_left(32) ^ b.rotate_left(48) ^ (a ^ b);
        Self::new(splitmix64(&mut state) ^ a.wrapping_mul(GOLDEN) ^ b)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// A number in `0..=max`.
    pub fn up_to(&mut self, max: u64) -> u64 {
        // Multiply-shift; its bias of at most (max + 1) / 2^64 means nothing here.
        let wide = u128::from(self.next_u64()) * (u128::from(max) + 1);
        u64::try_from(wide >> 64).unwrap_or(max)
    }

    /// A number in `0..=max`.
    pub fn size_up_to(&mut self, max: usize) -> usize {
        usize::try_from(self.up_to(max as u64)).unwrap_or(max)
    }

    /// A span of time in `0..=max`.
    pub fn duration_up_to(&mut self, max: Duration) -> Duration {
        Duration::from_nanos(self.up_to(super::nanos(max)))
    }

    /// `true` in `ppm` of a million cases.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.up_to(999_999) < u64::from(ppm)
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next_u64().to_le_bytes()) {
                *to = from;
            }
        }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The next number of the splitmix64 sequence (Steele, Lea, Flood 2014).
pub(crate) fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_the_published_sequence() {
        // Seed 1234567, as in the test of the Rosetta Code task and of several libraries.
        let mut state = 1_234_567;
        let first = [(); 3].map(|()| splitmix64(&mut state));
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn xoshiro_gives_the_published_sequence() {
        // State 1, 2, 3, 4, as in the test of rand_xoshiro.
        let mut rng = Rng([1, 2, 3, 4]);
        let first = [(); 4].map(|()| rng.next_u64());
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn chances_are_as_stated() {
        let mut rng = Rng::new(7);
        let hits = (0..1_000_000).filter(|_| rng.chance(20_000)).count();
        assert!((19_500..20_500).contains(&hits), "{hits}");
        assert_eq!((0..1000).filter(|_| rng.chance(0)).count(), 0);
        assert_eq!((0..1000).filter(|_| rng.chance(1_000_000)).count(), 1000);
        assert!((0..1000).all(|_| rng.up_to(3) <= 3));
        assert_eq!(rng.up_to(0), 0);
    }
}
