//! From frames to pictures, on a thread of its own.

use anyhow::{Result, bail};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::canvas::Picture;
use super::film::Film;
use super::shared::Shared;

/// Pixels of the largest picture that is decoded: twice 4K.
pub(super) const MAX_PIXELS: usize = 7680 * 4320;

/// What makes pictures.
#[derive(Debug)]
pub(super) enum Decoder {
    Jpeg,
    H264(Film),
}

impl Decoder {
    /// Decodes what comes until it is over.
    pub(super) fn run(mut self, shared: &Shared) {
        let mut told = false;
        while let Some(coded) = shared.next_coded() {
            match &mut self {
                Self::Jpeg if shared.is_late(driver::now(), &coded) => {}
                Self::Jpeg => match jpeg(&coded.data) {
                    Ok(picture) => {
                        shared.put(coded.due, picture);
                    }
                    Err(error) => {
                        shared.left_out();
                        // Once is enough: the others are counted.
                        if !std::mem::replace(&mut told, true) {
                            tracing::warn!("a picture is left out: {error:#}");
                        }
                    }
                },
                Self::H264(film) => {
                    if let Err(error) = film.feed(&coded) {
                        return shared.fail(error);
                    }
                }
            }
        }
    }
}

fn jpeg(data: &[u8]) -> Result<Picture> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    decoder.decode_headers()?;
    let Some((width, height)) = decoder.dimensions() else { bail!("it has no size") };
    // Before there is memory for it.
    if width.saturating_mul(height) > MAX_PIXELS {
        bail!("{width}x{height} is too large");
    }
    let pixels = decoder.decode()?;
    match Picture::from_rgba(width, height, &pixels) {
        Some(picture) => Ok(picture),
        None => bail!("its pixels are not as many as it says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder};

    #[test]
    fn pictures_are_decoded_in_colour_and_in_grey() {
        for (colours, bytes) in [(ColorType::Rgb, 3), (ColorType::Luma, 1)] {
            let mut data = Vec::new();
            let encoder = Encoder::new(&mut data, 90);
            encoder.encode(&vec![128; 48 * 32 * bytes], 48, 32, colours).unwrap();
            let picture = jpeg(&data).unwrap();
            assert_eq!((picture.width, picture.height), (48, 32));
            assert_eq!(picture, Picture::from_rgba(48, 32, &[128; 48 * 32 * 4]).unwrap());
            assert!(jpeg(&data[..200]).is_err());
        }
        assert!(jpeg(b"no picture").is_err());
    }
}
