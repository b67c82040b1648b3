//! Frames of the test source: drawn, packed as JPEG, and read back.

use anyhow::{Context, Result, anyhow};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use test_picture::{Frame, Marks, Picture};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

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
    ///
    /// # Errors
    /// When the encoder refuses.
    pub fn draw(&mut self, marks: &Marks) -> Result<&[u8]> {
        self.frame.draw(marks);
        self.jpeg.clear();
        let mut encoder = Encoder::new(&mut self.jpeg, 75);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.encode_image(Planes(&self.frame)).map_err(|e| anyhow!("a frame cannot be packed: {e}"))?;
        Ok(&self.jpeg)
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

/// The drawn planes as the encoder takes them.
struct Planes<'a>(&'a Frame);

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        u16::try_from(self.0.picture().width()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.0.picture().height()).unwrap_or(u16::MAX)
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let width = self.0.picture().width();
        let row = usize::from(y);
        let (blue, red) = self.0.chroma();
        let [luma, cb, cr, _] = buffers;
        luma.extend_from_slice(&self.0.luma()[row * width..][..width]);
        let half = width / 2;
        for (out, plane) in [(cb, blue), (cr, red)] {
            let line = &plane[row / 2 * half..][..half];
            out.extend(line.iter().flat_map(|c| [*c, *c]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read() {
        let marks = Marks { time_ns: 1_729_000_000_120_000_000, frame: 3, ..Marks::default() };
        let mut stills = Stills::new().unwrap();
        assert_eq!(read(stills.draw(&marks).unwrap()).unwrap(), marks);
        assert!(read(b"nonsense").is_err());
    }
}
