//! The two formats that go by the name of .Mjpeg: with lengths, as the labs have it, and without.
//!
//! ```text
//! lab:  | 5 ASCII digits: length in bytes | JPEG | 5 digits | JPEG | ...
//! raw:  | JPEG | JPEG | ...
//! ```
//!
//! A file that begins with five digits is the first, any other the second. (One description says that the length is
//! in bits. It is not.)

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::FileError;
use crate::jpeg::Splitter;

/// The longest frame that five digits can say.
pub const MAX_LAB_FRAME: usize = 99_999;

/// How frames follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MjpegFormat {
    /// Each behind its length.
    Lab,
    /// One behind the other.
    Raw,
}

/// Reads either format as its bytes come.
#[derive(Debug)]
pub struct MjpegReader {
    limit: usize,
    format: Option<MjpegFormat>,
    splitter: Splitter,
    /// Bytes taken so far.
    offset: u64,
    frames: u64,
    /// Between images: what comes until the next SOI is passed over.
    seeking: bool,
}

impl MjpegReader {
    /// A reader that refuses frames of more than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, format: None, splitter: Splitter::new(), offset: 0, frames: 0, seeking: false }
    }

    /// The format; `None` before five bytes were seen.
    pub const fn format(&self) -> Option<MjpegFormat> {
        self.format
    }

    /// Takes the next whole frame off the front; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`FileError`]. After an error in the lab format the rest of the file is lost; in the raw format the reader goes
    /// on at the next SOI.
    pub fn next(&mut self, data: &mut BytesMut) -> Result<Option<Bytes>, FileError> {
        let format = match (self.format, data.first_chunk::<LENGTH>()) {
            (Some(format), _) => format,
            (None, Some(first)) if first.iter().all(u8::is_ascii_digit) => MjpegFormat::Lab,
            (None, Some(_)) => MjpegFormat::Raw,
            (None, None) => return Ok(None),
        };
        self.format = Some(format);
        match format {
            MjpegFormat::Lab => self.next_lab(data),
            MjpegFormat::Raw => self.next_raw(data),
        }
    }

    fn next_lab(&mut self, data: &mut BytesMut) -> Result<Option<Bytes>, FileError> {
        loop {
            let Some(digits) = data.first_chunk::<LENGTH>() else { return Ok(None) };
            let no_length = FileError::NoLength { offset: self.offset };
            let mut len = 0;
            for digit in digits {
                len = 10 * len
                    + digit.checked_sub(b'0').filter(|d| *d <= 9).map(usize::from).ok_or(no_length)?;
            }
            if len > self.limit {
                return Err(too_long(self.limit));
            }
            if data.len() < LENGTH + len {
                return Ok(None);
            }
            data.advance(LENGTH);
            self.advanced(LENGTH + len);
            // An empty frame says nothing.
            if len > 0 {
                self.frames += 1;
                return Ok(Some(data.split_to(len).freeze()));
            }
        }
    }

    fn next_raw(&mut self, data: &mut BytesMut) -> Result<Option<Bytes>, FileError> {
        loop {
            if self.seeking {
                // Padding, or the rest of a damaged image.
                match data.windows(2).position(|w| w == SOI) {
                    Some(at) => {
                        data.advance(at);
                        self.advanced(at);
                        self.seeking = false;
                    }
                    None => {
                        let passed = data.len().saturating_sub(1);
                        data.advance(passed);
                        self.advanced(passed);
                        return Ok(None);
                    }
                }
            }
            // Never more than the limit, so that it does not matter how the bytes come.
            let view = data.get(..self.limit).unwrap_or(data);
            match self.splitter.find_end(view) {
                Ok(Some(end)) => {
                    self.advanced(end);
                    self.frames += 1;
                    self.seeking = true;
                    return Ok(Some(data.split_to(end).freeze()));
                }
                Ok(None) if data.len() > self.limit => {
                    data.advance(self.limit);
                    self.advanced(self.limit);
                    self.splitter = Splitter::new();
                    self.seeking = true;
                    return Err(too_long(self.limit));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    if self.frames == 0 && self.offset == 0 {
                        self.splitter = Splitter::new();
                        return Err(FileError::NotMjpeg(error));
                    }
                    data.advance(data.len().min(1));
                    self.advanced(1);
                    self.splitter = Splitter::new();
                    self.seeking = true;
                }
            }
        }
    }

    fn advanced(&mut self, bytes: usize) {
        self.offset += u64::try_from(bytes).unwrap_or(0);
    }
}

/// Appends a frame in the lab format.
///
/// # Errors
/// [`FileError::TooLong`] above [`MAX_LAB_FRAME`] bytes.
pub fn put_lab_frame(frame: &[u8], out: &mut BytesMut) -> Result<(), FileError> {
    if frame.len() > MAX_LAB_FRAME {
        return Err(too_long(MAX_LAB_FRAME));
    }
    let mut rest = u32::try_from(frame.len()).unwrap_or(0);
    let mut digits = [b'0'; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.put_slice(&digits);
    out.put_slice(frame);
    Ok(())
}

fn too_long(limit: usize) -> FileError {
    FileError::TooLong { limit: u32::try_from(limit).unwrap_or(u32::MAX) }
}

/// Digits before a frame.
const LENGTH: usize = 5;
const SOI: [u8; 2] = [0xff, 0xd8];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn image(len: u8) -> Vec<u8> {
        let thumbnail = [0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        let scan: Vec<u8> = (0..len).collect();
        [&SOI[..], &thumbnail, &[0xff, 0xda, 0, 2], &scan, &[0xff, 0xd9]].concat()
    }

    fn read_all(file: &[u8], chunk: usize) -> (Vec<Vec<u8>>, Option<MjpegFormat>) {
        let mut reader = MjpegReader::new(1000);
        let (mut data, mut frames) = (BytesMut::new(), Vec::new());
        for piece in file.chunks(chunk) {
            data.extend_from_slice(piece);
            while let Some(frame) = reader.next(&mut data).unwrap() {
                frames.push(frame.to_vec());
            }
        }
        (frames, reader.format())
    }

    #[test]
    fn both_formats_however_they_come() {
        let images = [image(10), image(200), image(0)];
        let mut lab = BytesMut::new();
        for i in &images {
            put_lab_frame(i, &mut lab).unwrap();
        }
        assert_eq!(lab[..5], *b"00026");
        let padded = [&images[0][..], &[0, 0, 0], &images[1], &images[2], &[0]].concat();
        for chunk in 1..60 {
            assert_eq!(read_all(&lab, chunk), (images.to_vec(), Some(MjpegFormat::Lab)), "{chunk}");
            assert_eq!(read_all(&padded, chunk), (images.to_vec(), Some(MjpegFormat::Raw)), "{chunk}");
        }
    }

    #[test]
    fn a_damaged_image_costs_itself_alone() {
        let file = [&image(9)[..], &SOI, b"damage", &image(8)].concat();
        assert_eq!(read_all(&file, 7).0, [image(9), image(8)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let next = |file: &[u8]| MjpegReader::new(100).next(&mut BytesMut::from(file));
        assert!(matches!(next(b"GIF89a"), Err(FileError::NotMjpeg(_))));
        assert_eq!(next(b"00101"), Err(FileError::TooLong { limit: 100 }));
        assert_eq!(next(&[&SOI[..], &[0xff; 99]].concat()), Err(FileError::TooLong { limit: 100 }));
        let mut reader = MjpegReader::new(100);
        let mut data = BytesMut::from(&b"00001ax0001b"[..]);
        assert_eq!(reader.next(&mut data).unwrap().unwrap(), "a");
        assert_eq!(reader.next(&mut data), Err(FileError::NoLength { offset: 6 }));
        assert!(put_lab_frame(&[0; 100_000], &mut data).is_err());
    }
}
