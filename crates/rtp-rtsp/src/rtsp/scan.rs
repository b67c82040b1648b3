//! Finding a byte, eight at a time.

/// Where `byte` first is in `bytes`.
pub fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let pattern = LOW.wrapping_mul(u64::from(byte));
    let mut at = 0;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        // A byte of the difference is zero where it is the one looked for; the lowest such bit is right.
        let difference = u64::from_le_bytes(*chunk) ^ pattern;
        let zeros = difference.wrapping_sub(LOW) & !difference & HIGH;
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
        rest = after;
    }
    rest.iter().position(|b| *b == byte).map(|i| at + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_a_plain_search_finds() {
        let text: alloc::vec::Vec<u8> = (0..64_u8).map(|i| i.wrapping_mul(37) | 0x80).collect();
        for start in 0..text.len() {
            for byte in 0..=255 {
                let plain = text[start..].iter().position(|b| *b == byte);
                assert_eq!(find(byte, &text[start..]), plain);
            }
        }
    }
}
