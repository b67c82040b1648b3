use std::io::{self, Read};

use smpte_timecode::ltc::Samples;

use self::reader::{WavReader, write_header};
use crate::input::Input;

// The file of the package smpte-programs itself: a dependency on that package would bring tokio along.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../bins/smpte-timecode/src/wav.rs"]
mod reader;

/// `channel, piece, file`: WAV files, read in pieces of so many bytes and at once, and written and read again.
pub fn wav(data: &[u8]) {
    let mut input = Input::new(data);
    let (channel, piece) = (u16::from(input.byte() % 8), usize::from(input.byte()));
    let file = input.rest();
    let whole = read(file, channel);
    assert_eq!(read(Pieces { rest: file, size: piece.max(1) }, channel), whole, "pieces of {piece}");
    if let Ok(samples) = &whole {
        // each takes at least a byte
        assert!(samples.len() <= file.len());
    }
    let samples: Vec<i16> = file.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    written(&samples, 1 + u32::from(channel) * 12_000);
}

/// The samples, as floating point times two for each bit; or the error as it is told.
fn read(file: impl Read, channel: u16) -> Result<Vec<i64>, String> {
    let mut reader = WavReader::open(file, channel).map_err(|error| error.to_string())?;
    assert!(reader.sample_rate() > 0 && channel <= reader.channels());
    let mut all = Vec::new();
    while let Some(samples) = reader.next_samples().map_err(|error| error.to_string())? {
        assert!(!samples.is_empty());
        match samples {
            Samples::I16(samples) => all.extend(samples.iter().map(|&sample| i64::from(sample))),
            Samples::I24(samples) => {
                assert!(samples.iter().all(|sample| (-0x80_0000..0x80_0000).contains(sample)));
                all.extend(samples.iter().map(|&sample| i64::from(sample)));
            }
            Samples::I32(samples) => all.extend(samples.iter().map(|&sample| i64::from(sample))),
            Samples::F32(samples) => all.extend(samples.iter().map(|sample| i64::from(sample.to_bits()))),
            other => panic!("{other:?}"),
        }
    }
    Ok(all)
}

fn written(samples: &[i16], sample_rate: u32) {
    let mut file = Vec::new();
    write_header(&mut file, sample_rate, samples.len() as u64).expect("a Vec takes all");
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    let expected = samples.iter().map(|&sample| i64::from(sample)).collect();
    assert_eq!(read(&file[..], 1), Ok(expected));
    assert_eq!(WavReader::open(&file[..], 1).map(|reader| reader.sample_rate()).ok(), Some(sample_rate));
}

/// Gives at most so many bytes at once, and now and then is interrupted.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.size.min(out.len()).min(self.rest.len());
        let (now, rest) = self.rest.split_at(count);
        out[..count].copy_from_slice(now);
        self.rest = rest;
        Ok(count)
    }
}
