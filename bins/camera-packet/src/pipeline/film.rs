//! Pictures of one's own in the place of the built-in pattern.

use bytes::Bytes;
use test_picture::{Frame, Marks, Picture, SizeError};
use thiserror::Error;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// JPEG files of one size, shown one after the other, round and round.
#[derive(Clone, Debug)]
pub struct Film {
    picture: Picture,
    frames: Vec<Bytes>,
}

/// Why there is nothing to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilmError {
    /// No pictures.
    #[error("there is no picture in it")]
    Empty,
    /// The first picture is none.
    #[error("its first picture cannot be read as JPEG")]
    Unreadable,
    /// There is no room for the marks.
    #[error("{0}")]
    Size(SizeError),
}

impl Film {
    /// Pictures as JPEG files. The first says how large they all are; others of another size are left out as they come.
    ///
    /// # Errors
    /// When the first cannot be shown.
    pub fn new(frames: Vec<Bytes>) -> Result<Self, FilmError> {
        let (_, width, height) =
            decode(frames.first().ok_or(FilmError::Empty)?).ok_or(FilmError::Unreadable)?;
        // What is odd loses its last row or column.
        let picture = Picture::try_new(width & !1, height & !1).map_err(FilmError::Size)?;
        Ok(Self { picture, frames })
    }

    /// Pixels across and down.
    pub fn size(&self) -> (u32, u32) {
        let pixels = |n| u32::try_from(n).unwrap_or(u32::MAX);
        (pixels(self.picture.width()), pixels(self.picture.height()))
    }

    pub(super) fn picture(&self) -> Picture {
        self.picture
    }

    /// Draws one of them, with marks. One that cannot be read leaves the one before.
    pub(super) fn draw(&self, number: u32, marks: &Marks, frame: &mut Frame) {
        let jpeg = self.frames.get(number as usize % self.frames.len());
        if let Some((pixels, width, height)) = jpeg.and_then(|jpeg| decode(jpeg))
            && (width & !1, height & !1) == (self.picture.width(), self.picture.height())
        {
            frame.load(&pixels, width);
        }
        frame.mark(marks);
    }
}

/// Luma and colour differences of each pixel, width and height.
fn decode(jpeg: &[u8]) -> Option<(Vec<u8>, usize, usize)> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    (pixels.len() == width * height * 3).then_some((pixels, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_what_they_show_and_get_marks() {
        let picture = Picture::try_new(640, 480).unwrap();
        let mut drawn = Frame::new(picture);
        drawn.draw(&Marks { frame: 99, ..Marks::default() });
        let mut jpeg = Vec::new();
        drawn.encode_jpeg(95, &mut jpeg);
        let film = Film::new(vec![jpeg.into(), Bytes::from_static(b"spoilt")]).unwrap();
        let mut frame = Frame::new(picture);
        for number in [4, 5] {
            let marks = Marks { frame: number, timecode: 0x0102_0304, ..Marks::default() };
            film.draw(number, &marks, &mut frame);
            assert_eq!(test_picture::read(frame.luma(), 640, 640).marks(), Ok(marks));
            // Colour bars below the text.
            let at = 640 * 300;
            let apart = drawn.luma()[at..].iter().zip(&frame.luma()[at..]).map(|(a, b)| a.abs_diff(*b));
            assert!(apart.map(u64::from).sum::<u64>() / (640 * 180) < 3);
        }
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        assert_eq!(Film::new(vec![]).unwrap_err(), FilmError::Empty);
        assert_eq!(Film::new(vec![Bytes::from_static(b"no")]).unwrap_err(), FilmError::Unreadable);
    }
}
