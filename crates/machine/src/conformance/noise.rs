//! Repeatable randomness for the checks: splitmix64 (Steele, Lea, Flood 2014).

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`; 0 if `n` is.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * n as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    pub(super) fn byte(&mut self) -> u8 {
        let [first, ..] = self.next().to_le_bytes();
        first
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// Damages bytes in one to four ways.
    pub(super) fn mutate(&mut self, bytes: &[u8]) -> Bytes {
        let mut data = bytes.to_vec();
        for _ in 0..=self.below(4) {
            self.mutate_once(&mut data);
        }
        data.into()
    }

    /// Damages text, which stays UTF-8.
    pub(super) fn mutate_text(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&self.mutate(text.as_bytes())).into_owned()
    }

    fn mutate_once(&mut self, data: &mut Vec<u8>) {
        let (a, b) = (self.below(data.len() + 1), self.below(data.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        match self.below(9) {
            // One byte becomes another, often one of those that mean something.
            0 | 1 => {
                let byte = self.telling_byte();
                if let Some(at) = data.get_mut(a) {
                    *at = byte;
                }
            }
            2 => {
                let bit = self.below(8);
                if let Some(at) = data.get_mut(a) {
                    *at ^= 1 << bit;
                }
            }
            3 => {
                let byte = self.telling_byte();
                data.insert(a, byte);
            }
            4 => {
                data.drain(start..end.min(start + 8));
            }
            5 => {
                let part: Vec<u8> = data.get(start..end).unwrap_or_default().to_vec();
                data.extend(part);
            }
            6 => data.truncate(a),
            7 => {
                let len = self.below(32);
                let noise = self.bytes(len);
                data.splice(start..end.min(start + len), noise);
            }
            _ => {
                let len = 1 + self.below(300);
                let byte = self.telling_byte();
                data.splice(a..a, vec![byte; len]);
            }
        }
    }

    fn telling_byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\xfe\n\r\t \"'\\{}[]():;,.-+0189eE/<>&%$@=";
        match self.below(3) {
            0 => self.byte(),
            _ => TELLING.get(self.below(TELLING.len())).copied().unwrap_or(0),
        }
    }
}
