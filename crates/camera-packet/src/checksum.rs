//! The frame's XOR and the extensions' CRC-32C.
//!
//! The XOR finds single-bit errors and little else: 960 of the 8128 possible 2-bit errors of a 16-byte frame pass, any
//! change of byte order passes, and so does 1 of 256 random frames. It proves neither origin nor framing.

/// XOR of all bytes, start value 0. Over a whole valid frame, checksum included, it is 0.
#[inline]
pub fn xor(bytes: &[u8]) -> u8 {
    // Wide first: a hostile stream can have a kilobyte summed for each header of six bytes.
    let mut word = 0_u64;
    let mut rest = bytes;
    if bytes.len() >= WIDE {
        let (blocks, tail) = bytes.as_chunks::<WIDE>();
        let mut sums = [0_u8; WIDE];
        for block in blocks {
            for (sum, byte) in sums.iter_mut().zip(block) {
                *sum ^= byte;
            }
        }
        for part in sums.as_chunks::<8>().0 {
            word ^= u64::from_ne_bytes(*part);
        }
        rest = tail;
    }
    let (words, tail) = rest.as_chunks::<8>();
    for part in words {
        word ^= u64::from_ne_bytes(*part);
    }
    tail.iter().fold(fold(word), |sum, byte| sum ^ byte)
}

/// XOR of the eight bytes of a word.
#[inline]
pub(crate) const fn fold(word: u64) -> u8 {
    let word = word ^ (word >> 32);
    let word = word ^ (word >> 16);
    let [low, ..] = (word ^ (word >> 8)).to_le_bytes();
    low
}

/// CRC-32C (Castagnoli): polynomial 0x1EDC6F41, reflected, start and final XOR all ones (RFC 3720 appendix B.4).
pub fn crc32c(bytes: &[u8]) -> u32 {
    // Bit by bit: extended messages have 34 bytes at most and are encoded once for all receivers.
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// Bytes taken at once.
const WIDE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn xor_is_the_plain_loop_at_every_length() {
        let bytes: Vec<u8> = (0..1100_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for len in 0..bytes.len() {
            let plain = bytes[..len].iter().fold(0, |a, b| a ^ b);
            assert_eq!(xor(&bytes[..len]), plain, "{len}");
        }
    }

    /// RFC 3720 appendix B.4, and the check value of the CRC catalogues.
    #[test]
    fn crc32c_of_the_rfc() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&rising), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The figures of this module's documentation.
    #[test]
    fn two_bit_errors_that_pass() {
        let frame: [u8; 16] = [7; 16];
        let bits = frame.len() * 8;
        let (mut passed, mut all) = (0, 0);
        for a in 0..bits {
            for b in a + 1..bits {
                let mut damaged = frame;
                damaged[a / 8] ^= 1 << (a % 8);
                damaged[b / 8] ^= 1 << (b % 8);
                all += 1;
                passed += u32::from(xor(&damaged) == xor(&frame));
            }
        }
        assert_eq!((passed, all), (960, 8128));
    }
}
