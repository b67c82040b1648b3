//! WAV files as a stream of samples of one channel, and the header of one that is being written.
//!
//! Reads RIFF, RF64 and BW64 files of 8, 16, 24 and 32 bits and of 32 and 64 bits floating point, from anything that
//! can be read, without seeking: also the endless ones that recorders write into pipes, whose sizes are 0 or -1.
//! (The crate `hound` reads neither those nor files beyond 4 GiB.)
//!
//! ```text
//! RIFF size WAVE | fmt  size tag channels rate bytes/s align bits .. | .. other chunks .. | data size samples ..
//! ```

use std::io::{self, Read, Write};

use smpte_timecode::ltc::Samples;
use thiserror::Error;

/// What is wrong with a WAV file: which chunk, which field, and what it says.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WavError {
    /// It could not be read at all.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin with RIFF, RF64 or BW64, and WAVE.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// It ends before its samples begin.
    #[error("it ends before its {0} chunk is complete")]
    Ends(&'static str),
    /// The samples come before their format.
    #[error("its data chunk comes before a fmt chunk")]
    NoFormat,
    /// A field that says something that cannot be or is not supported here.
    #[error("fmt chunk: {field} is {found}, supported: {supported}")]
    Format {
        /// Which.
        field: &'static str,
        /// What it says.
        found: u32,
        /// What it may say.
        supported: &'static str,
    },
    /// The file is shorter than its data chunk says.
    #[error("data chunk: cut short, it says {expected} bytes and has {found}")]
    CutShort {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// There is no such channel.
    #[error("there is no channel {channel}, it has {channels}")]
    Channel {
        /// Which was asked for, from 1.
        channel: u16,
        /// How many there are.
        channels: u16,
    },
}

/// Whether an error says that a file is no WAV file, or a broken one: then another file has to be given.
pub fn is_broken(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<WavError>().is_some_and(|error| !matches!(error, WavError::Io(_)))
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Encoding {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Reads the samples of one channel.
pub struct WavReader<R> {
    input: R,
    encoding: Encoding,
    channels: u16,
    sample_rate: u32,
    /// Bytes from one sample of the channel to the next.
    block: usize,
    /// Byte of the channel's sample in a block.
    offset: usize,
    /// Bytes of the data chunk; `None`: all there are.
    length: Option<u64>,
    read: u64,
    buffer: Vec<u8>,
    samples: Buffers,
}

/// Decoded samples, of whichever kind.
#[derive(Default)]
struct Buffers {
    i16: Vec<i16>,
    i32: Vec<i32>,
    f32: Vec<f32>,
}

/// Samples are read in pieces of about so many bytes. Small enough that words from a live source appear at once.
const PIECE: usize = 16 << 10;
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

impl<R: Read> WavReader<R> {
    /// Reads up to the first sample. `channel` counts from 1.
    ///
    /// # Errors
    /// If this is not a WAV file with samples of a kind that is supported, or has no such channel.
    pub fn open(mut input: R, channel: u16) -> Result<Self, WavError> {
        let [riff, _size, wave] = words(&mut input).map_err(|error| ends(error, WavError::NotWav))?;
        if !matches!(&riff, b"RIFF" | b"RF64" | b"BW64") || &wave != b"WAVE" {
            return Err(WavError::NotWav);
        }
        let (mut format, mut long_size) = (None, None);
        loop {
            let [id, size] = words(&mut input).map_err(|error| ends(error, WavError::Ends("data")))?;
            let size = u32::from_le_bytes(size);
            // chunks are padded to even sizes
            let padded = u64::from(size) + u64::from(size % 2);
            match &id {
                b"fmt " => {
                    let mut body = chunk(&mut input, padded, 40, "fmt")?;
                    body.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                    format = Some(parse_format(&body)?);
                }
                b"ds64" => {
                    let body = chunk(&mut input, padded, 28, "ds64")?;
                    long_size = body
                        .get(8..16)
                        .and_then(|field| field.first_chunk().copied())
                        .map(u64::from_le_bytes);
                }
                b"data" => {
                    let (encoding, channels, sample_rate) = format.ok_or(WavError::NoFormat)?;
                    if channel == 0 || channel > channels {
                        return Err(WavError::Channel { channel, channels });
                    }
                    let length = match (size, long_size) {
                        (u32::MAX, Some(long)) => Some(long),
                        _ if is_unknown(size) => None,
                        _ => Some(u64::from(size)),
                    };
                    let (channel, bytes) = (usize::from(channel), encoding.bytes());
                    return Ok(Self {
                        input,
                        encoding,
                        channels,
                        sample_rate,
                        block: bytes * usize::from(channels),
                        offset: bytes * (channel - 1),
                        length,
                        read: 0,
                        buffer: Vec::new(),
                        samples: Buffers::default(),
                    });
                }
                _ => skip(&mut input, padded)?,
            }
        }
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// How many channels the file has.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// The next samples of the channel; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read, or ends before it should.
    pub fn next_samples(&mut self) -> Result<Option<Samples<'_>>, WavError> {
        let piece = (PIECE / self.block).max(1) * self.block;
        let left = self.length.map_or(u64::MAX, |length| length - self.read);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece);
        self.buffer.resize(wanted, 0);
        let found = read_some(&mut self.input, &mut self.buffer, self.block)?;
        self.read += found as u64;
        if found < wanted && found < self.block {
            return match self.length {
                Some(expected) => Err(WavError::CutShort { expected, found: self.read }),
                None => Ok(None),
            };
        }
        // a block that the data chunk cuts short is no sample
        let whole = found - found % self.block;
        if whole == 0 {
            return Ok(None);
        }
        let (offset, bytes) = (self.offset, self.encoding.bytes());
        let fields =
            self.buffer[..whole].chunks_exact(self.block).map(|block| &block[offset..offset + bytes]);
        Ok(Some(self.samples.decode(self.encoding, fields)))
    }
}

impl Buffers {
    fn decode<'a, 'b>(
        &'a mut self,
        encoding: Encoding,
        fields: impl Iterator<Item = &'b [u8]>,
    ) -> Samples<'a> {
        match encoding {
            Encoding::U8 => {
                refill(&mut self.i16, fields, |[byte]: [u8; 1]| (i16::from(byte) - 128) << 8).into()
            }
            Encoding::I16 => refill(&mut self.i16, fields, i16::from_le_bytes).into(),
            Encoding::I24 => {
                let wide = |[low, middle, high]: [u8; 3]| i32::from_le_bytes([0, low, middle, high]) >> 8;
                Samples::I24(refill(&mut self.i32, fields, wide))
            }
            Encoding::I32 => Samples::I32(refill(&mut self.i32, fields, i32::from_le_bytes)),
            Encoding::F32 => refill(&mut self.f32, fields, f32::from_le_bytes).into(),
            Encoding::F64 => refill(&mut self.f32, fields, |bytes| f64::from_le_bytes(bytes) as f32).into(),
        }
    }
}

/// Each field is as long as `N`.
fn refill<'a, 'b, T, const N: usize>(
    samples: &'a mut Vec<T>,
    fields: impl Iterator<Item = &'b [u8]>,
    decode: impl Fn([u8; N]) -> T,
) -> &'a [T] {
    samples.clear();
    samples.extend(fields.filter_map(|field| field.first_chunk().copied()).map(decode));
    samples
}

/// Writes the header of a mono file of 16-bit samples, which are to follow as little-endian words.
///
/// # Errors
/// If it cannot be written; [`io::ErrorKind::FileTooLarge`] if that many samples do not fit into a WAV file.
pub fn write_header(out: &mut impl Write, sample_rate: u32, samples: u64) -> io::Result<()> {
    let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
    let data =
        u32::try_from(samples).ok().and_then(|samples| samples.checked_mul(2)).ok_or_else(too_large)?;
    let riff = data.checked_add(36).filter(|&size| !is_unknown(size)).ok_or_else(too_large)?;
    out.write_all(b"RIFF")?;
    out.write_all(&riff.to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16_u32.to_le_bytes())?;
    out.write_all(&PCM.to_le_bytes())?;
    out.write_all(&1_u16.to_le_bytes())?;
    out.write_all(&sample_rate.to_le_bytes())?;
    out.write_all(&sample_rate.saturating_mul(2).to_le_bytes())?;
    out.write_all(&2_u16.to_le_bytes())?;
    out.write_all(&16_u16.to_le_bytes())?;
    out.write_all(b"data")?;
    out.write_all(&data.to_le_bytes())
}

/// Whether a size is what programs write that do not know it: none, or near what an `i32` or `u32` can hold.
const fn is_unknown(size: u32) -> bool {
    matches!(size, 0 | 0x7fff_f000..=0x8000_0000 | 0xffff_f000..)
}

/// What a `fmt ` chunk says: encoding, channels, samples a second.
fn parse_format(body: &[u8]) -> Result<(Encoding, u16, u32), WavError> {
    let short = WavError::Ends("fmt");
    let Some(&[t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, a0, a1, b0, b1]) = body.first_chunk() else {
        return Err(short);
    };
    let [tag, channels, align, bits] = [[t0, t1], [c0, c1], [a0, a1], [b0, b1]].map(u16::from_le_bytes);
    let sample_rate = u32::from_le_bytes([r0, r1, r2, r3]);
    // the first two bytes of the sub-format's GUID are the tag
    let tag = match (tag, body.get(24..26)) {
        (EXTENSIBLE, Some(&[low, high])) => u16::from_le_bytes([low, high]),
        (EXTENSIBLE, _) => return Err(short),
        _ => tag,
    };
    let wrong = |field, found: u32, supported| Err(WavError::Format { field, found, supported });
    if channels == 0 {
        return wrong("number of channels", 0, "1 and up");
    }
    if sample_rate == 0 {
        return wrong("sample rate", 0, "4800 and up");
    }
    let encoding = match (tag, bits) {
        (PCM, 8) => Encoding::U8,
        (PCM, 16) => Encoding::I16,
        (PCM, 24) => Encoding::I24,
        (PCM, 32) => Encoding::I32,
        (FLOAT, 32) => Encoding::F32,
        (FLOAT, 64) => Encoding::F64,
        (PCM, _) => return wrong("bits per sample", bits.into(), "8, 16, 24, 32"),
        (FLOAT, _) => return wrong("bits per sample", bits.into(), "32, 64"),
        _ => return wrong("format tag", tag.into(), "1 (integer), 3 (floating point)"),
    };
    if usize::from(align) != encoding.bytes() * usize::from(channels) {
        return wrong("block align", align.into(), "channels times bytes per sample");
    }
    Ok((encoding, channels, sample_rate))
}

/// Reads so many words of four bytes.
fn words<const N: usize>(input: &mut impl Read) -> io::Result<[[u8; 4]; N]> {
    let mut words = [[0; 4]; N];
    input.read_exact(words.as_flattened_mut())?;
    Ok(words)
}

/// Reads a chunk's body: at most the first `keep` bytes of it, the rest is skipped.
fn chunk(input: &mut impl Read, size: u64, keep: usize, name: &'static str) -> Result<Vec<u8>, WavError> {
    let kept = usize::try_from(size).unwrap_or(usize::MAX).min(keep);
    let mut body = vec![0; kept];
    input.read_exact(&mut body).map_err(|error| ends(error, WavError::Ends(name)))?;
    skip(input, size - kept as u64)?;
    Ok(body)
}

fn skip(input: &mut impl Read, size: u64) -> Result<(), WavError> {
    let skipped = io::copy(&mut input.take(size), &mut io::sink())?;
    if skipped < size { Err(WavError::Ends("data")) } else { Ok(()) }
}

/// `end` if the input ended, else the error that it had.
fn ends(error: io::Error, end: WavError) -> WavError {
    if error.kind() == io::ErrorKind::UnexpectedEof { end } else { error.into() }
}

/// Reads at least `least` bytes if there are as many, and no more than are there without waiting.
fn read_some(input: &mut impl Read, buffer: &mut [u8], least: usize) -> io::Result<usize> {
    let mut found = 0;
    // whole blocks only, so that none is torn apart
    while found < buffer.len() && (found < least || !found.is_multiple_of(least)) {
        match input.read(&mut buffer[found..]) {
            Ok(0) => break,
            Ok(n) => found += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};
    use io::Cursor;

    /// A file as `hound` writes it, whose samples are `channel + 10 * index`, scaled.
    fn written<S: hound::Sample>(
        bits: u16,
        format: SampleFormat,
        channels: u16,
        sample: impl Fn(i32) -> S,
    ) -> Vec<u8> {
        let spec = WavSpec { channels, sample_rate: 44_100, bits_per_sample: bits, sample_format: format };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        for index in 0..10_000 {
            for channel in 0..channels {
                writer.write_sample(sample(index % 10 * 10 + i32::from(channel))).unwrap();
            }
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    /// All samples of a channel, times 100 of full scale of 16 bits.
    fn read(file: &[u8], channel: u16) -> Result<Vec<f64>, WavError> {
        let mut reader = WavReader::open(file, channel)?;
        let mut all = Vec::new();
        while let Some(samples) = reader.next_samples()? {
            match samples {
                Samples::I16(samples) => all.extend(samples.iter().map(|&s| f64::from(s) / 256.0)),
                Samples::I24(samples) => all.extend(samples.iter().map(|&s| f64::from(s) / 65_536.0)),
                Samples::I32(samples) => all.extend(samples.iter().map(|&s| f64::from(s) / 16_777_216.0)),
                Samples::F32(samples) => all.extend(samples.iter().map(|&s| f64::from(s) * 128.0)),
                other => panic!("{other:?}"),
            }
        }
        Ok(all)
    }

    #[test]
    fn every_kind_that_hound_writes() {
        for channels in [1, 2, 5] {
            let files = [
                written(8, SampleFormat::Int, channels, |n| n),
                written(16, SampleFormat::Int, channels, |n| n << 8),
                written(24, SampleFormat::Int, channels, |n| n << 16),
                written(32, SampleFormat::Int, channels, |n| n << 24),
                written(32, SampleFormat::Float, channels, |n| n as f32 / 128.0),
            ];
            for (file, channel) in files.iter().zip([1, channels].into_iter().cycle()) {
                let samples = read(file, channel).unwrap();
                let expected: Vec<_> =
                    (0..10_000).map(|n| f64::from(n % 10 * 10) + f64::from(channel - 1)).collect();
                assert_eq!(samples, expected, "{channels} channels");
            }
        }
    }

    #[test]
    fn our_header_is_read_by_hound() {
        let mut file = Vec::new();
        write_header(&mut file, 48_000, 3).unwrap();
        assert_eq!(file.len(), 44);
        file.extend([1, 0, 2, 0, 255, 255]);
        let mut reader = hound::WavReader::new(&file[..]).unwrap();
        assert_eq!(reader.spec().sample_rate, 48_000);
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, -1]);
        let too_large = write_header(&mut io::sink(), 48_000, 1 << 31).unwrap_err();
        assert_eq!(too_large.kind(), io::ErrorKind::FileTooLarge);
    }

    /// RIFF, WAVE and these chunks.
    fn riff(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        for (id, size, body) in chunks {
            file.extend(*id);
            file.extend(size.to_le_bytes());
            file.extend(*body);
        }
        file
    }

    fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
        let align = channels * (bits / 8);
        let fields = [[tag, channels], [48_000, 0], [0, 0], [align, bits]];
        fields.as_flattened().iter().flat_map(|field| field.to_le_bytes()).collect()
    }

    #[test]
    fn sizes_that_nobody_knew() {
        let mono = format(1, 1, 16);
        for size in [0, u32::MAX, 0x7fff_ffff, 0x8000_0000, u32::MAX - 36] {
            let file = riff(&[(b"fmt ", 16, &mono), (b"data", size, &[0, 1, 0, 2, 9])]);
            assert_eq!(read(&file, 1).unwrap(), [1.0, 2.0], "{size:#x}");
        }
    }

    #[test]
    fn sizes_beyond_32_bits() {
        let mut long = [0; 28];
        long[8] = 4;
        let mono = format(1, 1, 16);
        let chunks: [(&[u8; 4], u32, &[u8]); 3] =
            [(b"ds64", 28, &long), (b"fmt ", 16, &mono), (b"data", u32::MAX, &[0, 1, 0, 2, 0, 3])];
        let mut file = riff(&chunks);
        file[..4].copy_from_slice(b"RF64");
        assert_eq!(read(&file, 1).unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn chunks_before_and_after_are_passed_over() {
        let stereo = format(1, 2, 16);
        let file = riff(&[
            (b"junk", 3, &[1, 2, 3, 0]),
            (b"fmt ", 16, &stereo),
            (b"bext", 2, &[1, 2]),
            (b"data", 8, &[0, 1, 0, 2, 0, 3, 0, 4]),
            (b"LIST", 4, b"INFO"),
        ]);
        assert_eq!(read(&file, 1).unwrap(), [1.0, 3.0]);
        assert_eq!(read(&file, 2).unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn broken_files_say_where() {
        let error = |file: &[u8]| read(file, 1).unwrap_err().to_string();
        assert_eq!(error(b""), "not a WAV file: it does not begin with RIFF and WAVE");
        assert_eq!(error(b"RIFX\0\0\0\0WAVE"), "not a WAV file: it does not begin with RIFF and WAVE");
        assert_eq!(error(b"RIFF\0\0\0\0WAVE"), "it ends before its data chunk is complete");
        assert_eq!(error(&riff(&[(b"data", 4, &[0; 4])])), "its data chunk comes before a fmt chunk");
        assert_eq!(error(&riff(&[(b"fmt ", 16, &[0; 9])])), "it ends before its fmt chunk is complete");
        assert_eq!(error(&riff(&[(b"fmt ", 8, &[0; 8])])), "it ends before its fmt chunk is complete");
        let with = |format: &[u8]| error(&riff(&[(b"fmt ", 16, format), (b"data", 2, &[0, 0])]));
        assert_eq!(with(&format(1, 1, 12)), "fmt chunk: bits per sample is 12, supported: 8, 16, 24, 32");
        assert_eq!(with(&format(3, 1, 16)), "fmt chunk: bits per sample is 16, supported: 32, 64");
        assert_eq!(
            with(&format(2, 1, 16)),
            "fmt chunk: format tag is 2, supported: 1 (integer), 3 (floating point)"
        );
        assert_eq!(with(&format(1, 0, 16)), "fmt chunk: number of channels is 0, supported: 1 and up");
        let mut align = format(1, 1, 16);
        align[12] = 7;
        assert_eq!(with(&align), "fmt chunk: block align is 7, supported: channels times bytes per sample");
        let short = riff(&[(b"fmt ", 16, &format(1, 1, 16)), (b"data", 8, &[0; 5])]);
        assert_eq!(error(&short), "data chunk: cut short, it says 8 bytes and has 5");
        let mono = riff(&[(b"fmt ", 16, &format(1, 1, 16)), (b"data", 2, &[0; 2])]);
        assert_eq!(read(&mono, 2).unwrap_err().to_string(), "there is no channel 2, it has 1");
    }

    #[test]
    fn any_beginning_of_a_file_is_an_error_or_fewer_samples() {
        let file = written(24, SampleFormat::Int, 2, |n| n << 16);
        for length in (0..200).chain([file.len() - 1]) {
            assert!(read(&file[..length], 1).is_err());
        }
    }
}
