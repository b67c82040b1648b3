//! Motion JPEG in an AVI file: what the test source writes. Every player reads it, frames are appended as they come,
//! and a file that was cut short is made whole again from what is there.
//!
//! ```text
//! RIFF "AVI "
//!   LIST "hdrl": avih (frames), LIST "strl": strh (MJPG, rate), strf (size)      fixed size, patched at the end
//!   LIST "movi": "00dc" length JPEG, …                                           appended
//!   idx1: one entry a frame                                                      written at the end
//! ```

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// Writes frames one after the other.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    size: (u16, u16),
    /// Frames in so many seconds.
    rate: (u32, u32),
    index: Vec<(u32, u32)>,
    at: u32,
}

impl Writer {
    /// Begins a file for frames of `size` (width, height), `rate` of them a second.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(file: File, size: (u16, u16), rate: u32) -> io::Result<Self> {
        let mut writer = Self { file: BufWriter::new(file), size, rate: (rate, 1), index: Vec::new(), at: 4 };
        writer.file.write_all(&header(size, (rate, 1), &[], 4))?;
        Ok(writer)
    }

    /// Frames so far.
    pub fn frames(&self) -> usize {
        self.index.len()
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// Those of writing; [`io::ErrorKind::FileTooLarge`] where the file would pass what its 32-bit sizes can say.
    pub fn frame(&mut self, jpeg: &[u8]) -> io::Result<()> {
        let length = u32::try_from(jpeg.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let next = self.at.checked_add(8).and_then(|at| at.checked_add(length.next_multiple_of(2)));
        let next = next.filter(|at| *at <= MAX_MOVIE).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all(FRAME)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(jpeg)?;
        if !length.is_multiple_of(2) {
            self.file.write_all(&[0])?;
        }
        self.index.push((self.at, length));
        self.at = next;
        Ok(())
    }

    /// Hands what is written so far to the system, so that it outlives this process.
    ///
    /// # Errors
    /// Those of writing.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// The same for frames that came at another rate than was thought, in thousandths of a frame a second.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish_at(mut self, millihertz: u32) -> io::Result<()> {
        self.rate = (millihertz.max(1), 1000);
        self.finish()
    }

    /// Writes the index and the final header, and waits for the disk.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        let mut file = self.file.into_inner().map_err(|e| e.into_error())?;
        finish(&mut file, self.size, self.rate, &self.index, self.at)
    }
}

fn finish(
    file: &mut File,
    size: (u16, u16),
    rate: (u32, u32),
    index: &[(u32, u32)],
    movie: u32,
) -> io::Result<()> {
    let end = u64::from(movie) + HEADER - 4;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    let mut out = Vec::with_capacity(index.len() * 16 + 8);
    out.extend_from_slice(b"idx1");
    out.extend_from_slice(&u32::try_from(index.len() * 16).unwrap_or(u32::MAX).to_le_bytes());
    for (at, length) in index {
        out.extend_from_slice(FRAME);
        for word in [0x10, *at, *length] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
    }
    file.write_all(&out)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(size, rate, index, movie))?;
    file.sync_all()
}

/// Makes a file whole that was not finished, up to its last whole frame; says how many there are.
///
/// # Errors
/// Those of reading and writing; [`io::ErrorKind::InvalidData`] if it is no file of ours.
pub fn repair(file: &mut File) -> io::Result<usize> {
    let mut head = [0; HEADER as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if &head[..4] != b"RIFF" || &head[112..116] != b"MJPG" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let narrow = |n: u32| u16::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    let (size, rate) = ((narrow(word(64))?, narrow(word(68))?), (word(132), word(128)));
    let length = file.metadata()?.len();
    let (mut index, mut at) = (Vec::new(), 4_u32);
    let mut reader = BufReader::new(&mut *file);
    loop {
        let mut chunk = [0; 8];
        reader.seek(SeekFrom::Start(u64::from(at) + HEADER - 4))?;
        if reader.read_exact(&mut chunk).is_err() || &chunk[..4] != FRAME {
            break;
        }
        let n = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let next = u64::from(at) + 8 + u64::from(n.next_multiple_of(2));
        if next + HEADER - 4 > length || next > u64::from(MAX_MOVIE) {
            break;
        }
        index.push((at, n));
        at = u32::try_from(next).unwrap_or(MAX_MOVIE);
    }
    drop(reader);
    finish(file, size, rate, &index, at)?;
    Ok(index.len())
}

/// The frames of a file, in their order, whole ones only.
///
/// # Errors
/// Those of opening, and [`io::ErrorKind::InvalidData`] if it is no file of ours.
pub fn frames(file: File) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut reader = BufReader::new(file);
    let mut head = [0; HEADER as usize];
    reader.read_exact(&mut head)?;
    if &head[..4] != b"RIFF" || &head[112..116] != b"MJPG" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(std::iter::from_fn(move || {
        let mut chunk = [0; 8];
        reader.read_exact(&mut chunk).ok()?;
        if &chunk[..4] != FRAME {
            return None;
        }
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        // Grows with what is really there.
        let mut jpeg = Vec::new();
        let read = reader.by_ref().take(length.into()).read_to_end(&mut jpeg);
        if !length.is_multiple_of(2) {
            let _ = reader.read(&mut [0]);
        }
        match read {
            Ok(n) if n as u64 == u64::from(length) => Some(Ok(jpeg)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }))
}

/// The last frame of a file that was finished, found by its index, however long the file is.
///
/// # Errors
/// Those of reading, and [`io::ErrorKind::InvalidData`] if it is no file of ours, or has no frames.
pub fn last_frame(file: &mut File) -> io::Result<Vec<u8>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = [0; HEADER as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    if &head[..4] != b"RIFF" || &head[112..116] != b"MJPG" {
        return Err(wrong());
    }
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    // Behind the frames: "idx1", its length, 16 bytes a frame.
    let movie = HEADER - 4;
    let index = movie + u64::from(word(&head, 216));
    let mut start = [0; 8];
    file.seek(SeekFrom::Start(index))?;
    file.read_exact(&mut start)?;
    let last =
        u64::from(word(&start, 4)).checked_sub(16).filter(|_| &start[..4] == b"idx1").ok_or_else(wrong)?;
    let mut entry = [0; 16];
    file.seek(SeekFrom::Start(index + 8 + last))?;
    file.read_exact(&mut entry)?;
    file.seek(SeekFrom::Start(movie + u64::from(word(&entry, 8)) + 8))?;
    let mut jpeg = Vec::new();
    let length = u64::from(word(&entry, 12));
    // Grows with what is really there.
    let read = file.take(length).read_to_end(&mut jpeg)?;
    if read as u64 == length { Ok(jpeg) } else { Err(wrong()) }
}

/// All before the first frame, 224 bytes. `movie`: bytes from the word `movi` to the end of the last frame.
fn header(size: (u16, u16), rate: (u32, u32), index: &[(u32, u32)], movie: u32) -> Vec<u8> {
    let frames = u32::try_from(index.len()).unwrap_or(u32::MAX);
    let largest = index.iter().map(|(_, n)| *n).max().unwrap_or(0);
    let (width, height) = (u32::from(size.0), u32::from(size.1));
    let (frames_in, seconds) = rate;
    let micros = u64::from(seconds) * 1_000_000 / u64::from(frames_in.max(1));
    let micros = u32::try_from(micros).unwrap_or(u32::MAX);
    let all = movie + HEADER as u32 - 12 + 8 + frames * 16;
    let mut out = Vec::with_capacity(HEADER as usize);
    let mut put = |tag: &[u8; 4], words: &[u32]| {
        out.extend_from_slice(tag);
        words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
    };
    put(b"RIFF", &[all]);
    put(b"AVI ", &[]);
    put(b"LIST", &[192]);
    put(b"hdrl", &[]);
    put(b"avih", &[56, micros, 0, 0, 0x10, frames, 0, 1, largest, width, height, 0, 0, 0, 0]);
    put(b"LIST", &[116]);
    put(b"strl", &[]);
    put(b"strh", &[56]);
    put(b"vids", &[]);
    put(b"MJPG", &[0, 0, 0, seconds, frames_in, 0, frames, largest, u32::MAX, 0, 0, height << 16 | width]);
    put(b"strf", &[40, 40, width, height, 1 | 24 << 16]);
    put(b"MJPG", &[width * height * 3, 0, 0, 0, 0]);
    put(b"LIST", &[movie]);
    put(b"movi", &[]);
    out
}

const FRAME: &[u8; 4] = b"00dc";
/// Bytes before the first frame.
const HEADER: u64 = 224;
/// Room is left for header and index in the 32 bits of the size of it all.
const MAX_MOVIE: u32 = 3_900_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frames: &[&[u8]]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.avi");
        let mut writer = Writer::new(File::create(&path).unwrap(), (640, 360), 25).unwrap();
        frames.iter().for_each(|f| writer.frame(f).unwrap());
        writer.finish().unwrap();
        (dir, path)
    }

    fn read(path: &std::path::Path) -> Vec<Vec<u8>> {
        frames(File::open(path).unwrap()).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn frames_come_back() {
        let (_dir, path) = written(&[b"abc", b"", b"defg"]);
        assert_eq!(read(&path), [&b"abc"[..], b"", b"defg"]);
        assert_eq!(header((640, 360), (25, 1), &[], 4).len() as u64, HEADER);
        assert_eq!(last_frame(&mut File::open(&path).unwrap()).unwrap(), b"defg");
        let (_dir, none) = written(&[]);
        assert!(last_frame(&mut File::open(&none).unwrap()).is_err());
        let bytes = std::fs::read(&path).unwrap();
        let said = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
        assert_eq!(said as usize + 8, bytes.len());
    }

    #[test]
    fn what_was_cut_short_is_made_whole() {
        let (_dir, path) = written(&[b"abc", b"defg"]);
        let whole = std::fs::read(&path).unwrap();
        for cut in 224..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut file = File::options().read(true).write(true).open(&path).unwrap();
            let n = repair(&mut file).unwrap();
            let left = read(&path);
            assert_eq!(left.len(), n);
            assert_eq!(n, usize::from(cut >= 236) + usize::from(cut >= 248));
        }
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        repair(&mut file).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "and what is whole stays as it is");
    }
}
