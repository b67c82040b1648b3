//! Frames of the test source: drawn, packed as JPEG, and read back.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use test_picture::{Frame, Marks, Picture};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::avi;

/// Draws frames into the same memory again and again.
#[derive(Debug)]
pub struct Stills {
    frame: Frame,
    jpeg: Vec<u8>,
}

impl Stills {
    /// Width and height of the test source.
    pub const SIZE: (u16, u16) = (640, 360);

    /// Memory for one frame.
    ///
    /// # Errors
    /// None for [`Stills::SIZE`].
    pub fn new() -> Result<Self> {
        let (width, height) = Self::SIZE;
        let picture = Picture::try_new(width.into(), height.into())?;
        Ok(Self { frame: Frame::new(picture), jpeg: Vec::new() })
    }

    /// The picture that `marks` make, as a JPEG file.
    pub fn draw(&mut self, marks: &Marks) -> &[u8] {
        self.frame.draw(marks);
        self.frame.encode_jpeg(75, &mut self.jpeg);
        &self.jpeg
    }
}

/// What a still of the test source says of itself.
///
/// # Errors
/// If it is no JPEG file, or its code strip cannot be read.
pub fn read(jpeg: &[u8]) -> Result<Marks> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let luma = decoder.decode().map_err(|e| anyhow!("not a JPEG file: {e}"))?;
    let (width, _) = decoder.dimensions().context("a JPEG file without a size")?;
    test_picture::read(&luma, width, width).marks().map_err(|e| anyhow!("not a test picture: {e:?}"))
}

/// Width and height of a JPEG file.
///
/// # Errors
/// If it is none.
pub fn size(jpeg: &[u8]) -> Result<(u16, u16)> {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    decoder.decode_headers().map_err(|e| anyhow!("not a JPEG file: {e}"))?;
    let (width, height) = decoder.dimensions().context("a JPEG file without a size")?;
    Ok((u16::try_from(width)?, u16::try_from(height)?))
}

/// What the first and the last picture of a recording of the test picture say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Of the first.
    pub first: Marks,
    /// Of the last.
    pub last: Marks,
}

impl Ends {
    /// Reads them from an AVI file with Motion JPEG.
    ///
    /// # Errors
    /// If it is no such file, holds no frame, or the frames are no test pictures.
    pub fn read(path: &Path) -> Result<Self> {
        let first = avi::frames(File::open(path)?)?.next().context("a recording without frames")??;
        let last = avi::last_frame(&mut File::open(path)?)?;
        Ok(Self { first: read(&first)?, last: read(&last)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read() {
        let marks = Marks { time_ns: 1_729_000_000_120_000_000, frame: 3, ..Marks::default() };
        let mut stills = Stills::new().unwrap();
        assert_eq!(read(stills.draw(&marks)).unwrap(), marks);
        assert_eq!(size(stills.draw(&marks)).unwrap(), Stills::SIZE);
        assert!(read(b"nonsense").is_err());
    }
}
