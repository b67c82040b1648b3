//! MD5 (RFC 1321): what Digest wants; it guards nothing else here.

/// The hash of the parts one after the other.
pub(super) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut block = [0_u8; 64];
    let (mut filled, mut length) = (0_usize, 0_u64);
    let mut feed = |bytes: &mut dyn Iterator<Item = u8>, counted: bool| {
        for byte in bytes {
            if let Some(place) = block.get_mut(filled) {
                *place = byte;
            }
            filled += 1;
            length += u64::from(counted) * 8;
            if filled == 64 {
                compress(&mut state, &block);
                filled = 0;
            }
        }
        (filled, length)
    };
    let mut end = (0, 0);
    for part in parts {
        end = feed(&mut part.iter().copied(), true);
    }
    let (filled, length) = end;
    let zeros = (119 - filled) % 64;
    feed(&mut core::iter::once(0x80).chain(core::iter::repeat_n(0, zeros)), false);
    feed(&mut length.to_le_bytes().into_iter(), false);
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(state.iter().flat_map(|w| w.to_le_bytes())) {
        *to = from;
    }
    out
}

/// RFC 1321 §3.4, rounds 1 to 4.
fn compress(state: &mut [u32; 4], block: &[u8; 64]) {
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
    }
    let [mut a, mut b, mut c, mut d] = *state;
    for (i, constant) in SINES.iter().enumerate() {
        let (mixed, word) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let shift = SHIFTS.get(i / 16).and_then(|row| row.get(i % 4)).copied().unwrap_or(0);
        let word = words.get(word % 16).copied().unwrap_or(0);
        let sum = a.wrapping_add(mixed).wrapping_add(*constant).wrapping_add(word);
        (a, d, c) = (d, c, b);
        b = b.wrapping_add(sum.rotate_left(shift));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// floor(2^32 * |sin(i + 1)|).
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::digest::hex;

    #[test]
    fn rfc_1321_vectors() {
        for (text, hash) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex(&md5(&[text.as_bytes()])), hash);
            let (a, b) = text.split_at(text.len() / 2);
            assert_eq!(hex(&md5(&[a.as_bytes(), b.as_bytes()])), hash);
        }
        for len in 0..200 {
            let text = alloc::vec![b'x'; len];
            assert_eq!(md5(&[&text]), md5(&[&text[..len / 3], &text[len / 3..]]), "{len}");
        }
    }
}
