//! Files that exist only as a function of the offset.

use alloc::boxed::Box;

use bytes::Bytes;

use super::rng::splitmix64;

/// A file that a node can send. Gigabytes of it take no memory.
pub struct SimFile {
    len: u64,
    content: Content,
}

enum Content {
    Pattern(u64),
    Bytes(Bytes),
    Function(Box<dyn Fn(u64) -> u8>),
}

impl core::fmt::Debug for SimFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SimFile").field("len", &self.len).finish_non_exhaustive()
    }
}

impl SimFile {
    /// `len` bytes that look random and differ from seed to seed.
    pub fn pattern(len: u64, seed: u64) -> Self {
        let content = Content::Pattern(seed);
        Self { len, content }
    }

    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { len: bytes.len() as u64, content: Content::Bytes(bytes) }
    }

    /// `len` bytes, each a function of its offset.
    pub fn function(len: u64, byte: impl Fn(u64) -> u8 + 'static) -> Self {
        let content = Content::Function(Box::new(byte));
        Self { len, content }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `out` with the bytes from `offset` on; those past the end are 0.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        match &self.content {
            Content::Pattern(seed) => read_pattern(*seed, offset, out),
            Content::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(start..).unwrap_or_default();
                let zeros = core::iter::repeat(&0);
                for (to, from) in out.iter_mut().zip(rest.iter().chain(zeros)) {
                    *to = *from;
                }
            }
            Content::Function(byte) => {
                for (to, at) in out.iter_mut().zip(offset..) {
                    *to = byte(at);
                }
            }
        }
    }
}

/// Word w of the pattern is the first number of splitmix64 for seed + w.
fn read_pattern(seed: u64, offset: u64, out: &mut [u8]) {
    let word = |at: u64| splitmix64(&mut seed.wrapping_add(at / 8)).to_le_bytes();
    let head = usize::try_from(offset.wrapping_neg() % 8).unwrap_or(0);
    let (first, rest) = out.split_at_mut(head.min(out.len()));
    let skipped = usize::try_from(offset % 8).unwrap_or(0);
    for (to, from) in first.iter_mut().zip(word(offset).into_iter().skip(skipped)) {
        *to = from;
    }
    let mut at = offset.saturating_add(head as u64);
    for chunk in rest.chunks_mut(8) {
        for (to, from) in chunk.iter_mut().zip(word(at)) {
            *to = from;
        }
        at = at.saturating_add(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_file_is_the_same_bytes() {
        for file in [
            SimFile::pattern(100, 3),
            SimFile::bytes((0..100).collect::<alloc::vec::Vec<u8>>()),
            SimFile::function(100, |at| u8::try_from(at * 7 % 251).unwrap()),
        ] {
            let mut whole = [0; 100];
            file.read(0, &mut whole);
            for start in 0..100 {
                for end in start..100 {
                    let mut part = [0; 100];
                    file.read(start as u64, &mut part[start..end]);
                    assert_eq!(part[start..end], whole[start..end], "{start}..{end}");
                }
            }
            assert_eq!(file.len(), 100);
        }
        let (mut a, mut b) = ([0; 64], [0; 64]);
        SimFile::pattern(64, 1).read(0, &mut a);
        SimFile::pattern(64, 2).read(64, &mut b);
        assert_ne!(a, b);
    }
}
