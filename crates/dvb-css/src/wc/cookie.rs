//! Originate values that nobody can guess: SipHash-2-4 (Aumasson, Bernstein 2012) of a counter.
//!
//! A server gives back the 64 bits of a request unread, so they can show that an answer belongs to a request of ours
//! without anything of it on the wire: who has not seen the request cannot answer it.

/// A sequence of cookies under one key.
#[derive(Clone)]
pub(crate) struct Cookies {
    key: [u64; 2],
    counter: u64,
}

/// Without the key.
impl core::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cookies").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Cookies {
    /// Keyed with the halves of a seed, folded.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut words = [0_u64; 4];
        for (word, bytes) in words.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |all, b| all << 8 | u64::from(*b));
        }
        let [a, b, c, d] = words;
        Self { key: [a ^ c.rotate_left(17), b ^ d.rotate_left(41)], counter: 0 }
    }

    /// The next cookie, different from all before with all but no doubt.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        hash(self.key, self.counter)
    }

    /// A keyed hash of something else, in another domain than the cookies.
    pub(crate) fn hash(&self, value: u64) -> u64 {
        let [a, b] = self.key;
        hash([!a, b], value)
    }
}

/// SipHash-2-4 of the eight bytes of `value`, little-endian.
fn hash([k0, k1]: [u64; 2], value: u64) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    for word in [value, 8 << 56] {
        v[3] ^= word;
        v = round(round(v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    let [a, b, c, d] = round(round(round(round(v))));
    a ^ b ^ c ^ d
}

fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32).wrapping_add(d);
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    [a, b, c.rotate_left(32), d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_gives_the_published_value() {
        // The authors' test vectors: key 00..0f, input 00..07.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(hash(key, 0x0706_0504_0302_0100), 0x93f5_f579_9a93_2462);
    }
}
