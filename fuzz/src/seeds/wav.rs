use super::Seeds;
use super::smpte::joined;

/// Files of every kind of sample, and of every kind of wrapping.
pub(super) fn add(seeds: &mut Seeds) {
    let data: Vec<u8> = (0..96).collect();
    for (name, tag, bits, channels) in [
        ("8 bits", 1, 8, 1),
        ("16 bits stereo", 1, 16, 2),
        ("24 bits", 1, 24, 1),
        ("32 bits", 1, 32, 1),
        ("32 bits floating point", 3, 32, 1),
        ("64 bits floating point", 3, 64, 2),
    ] {
        let format = format(tag, channels, bits);
        seeds.add("smpte_wav", name, file(1, b"RIFF", &[(b"fmt ", &format, 16), (b"data", &data, 96)]));
    }
    let format = format(1, 1, 16);
    let extensible = joined(&[&self::format(0xfffe, 1, 16), &[22, 0, 16, 0, 4, 0, 0, 0, 1, 0], &[0; 14]]);
    seeds.add(
        "smpte_wav",
        "extensible",
        file(1, b"RIFF", &[(b"fmt ", &extensible, 40), (b"data", &data, 96)]),
    );
    let long = joined(&[&[0; 8], &96_u64.to_le_bytes(), &[0; 12]]);
    let chunks: [Chunk<'_>; 3] = [(b"ds64", &long, 28), (b"fmt ", &format, 16), (b"data", &data, u32::MAX)];
    seeds.add("smpte_wav", "64-bit sizes", file(1, b"RF64", &chunks));
    let odd: [Chunk<'_>; 3] = [(b"LIST", b"abc\0", 3), (b"fmt ", &format, 16), (b"data", &data, 96)];
    seeds.add("smpte_wav", "odd chunk", file(1, b"RIFF", &odd));
    seeds.add("smpte_wav", "endless", file(1, b"RIFF", &[(b"fmt ", &format, 16), (b"data", &data, 0)]));
    seeds.add("smpte_wav", "cut short", file(1, b"RIFF", &[(b"fmt ", &format, 16), (b"data", &data, 2000)]));
    seeds.add(
        "smpte_wav",
        "no such channel",
        file(2, b"RIFF", &[(b"fmt ", &format, 16), (b"data", &data, 96)]),
    );
}

/// Name, body, and the size that is said.
type Chunk<'a> = (&'a [u8; 4], &'a [u8], u32);

/// With the channel and the size of the pieces before it.
fn file(channel: u8, riff: &[u8], chunks: &[Chunk<'_>]) -> Vec<u8> {
    let mut file = joined(&[&[channel, 5], riff, &0_u32.to_le_bytes(), b"WAVE"]);
    for (name, body, size) in chunks {
        file.extend(joined(&[*name, &size.to_le_bytes(), body]));
    }
    file
}

fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    let align = channels * bits / 8;
    let bytes_per_second = 8000 * u32::from(align);
    joined(&[
        &tag.to_le_bytes(),
        &channels.to_le_bytes(),
        &8000_u32.to_le_bytes(),
        &bytes_per_second.to_le_bytes(),
        &align.to_le_bytes(),
        &bits.to_le_bytes(),
    ])
}
