//! Pictures that RTP cannot carry, made anew: progressive, 4:4:4, 4:4:0, grey, with Huffman tables of their own.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The picture as baseline JPEG, 4:2:0, with the standard Huffman tables. `None`: it cannot be read.
pub fn picture(jpeg: &[u8]) -> Option<Bytes> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let mut out = Vec::with_capacity(jpeg.len());
    let mut encoder = Encoder::new(&mut out, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(false);
    encoder.encode(&pixels, width, height, ColorType::Rgb).ok()?;
    Some(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rtsp::jpeg::Image;

    #[test]
    fn what_cannot_be_carried_is_made_anew() {
        let pixels: Vec<u8> = (0..64 * 48 * 3).map(|i| (i % 251) as u8).collect();
        type Change = fn(&mut Encoder<&mut Vec<u8>>);
        let changes: [(Change, ColorType, usize); 5] = [
            (|e| e.set_sampling_factor(SamplingFactor::F_1_1), ColorType::Rgb, 3),
            (|e| e.set_sampling_factor(SamplingFactor::F_1_2), ColorType::Rgb, 3),
            (|e| e.set_progressive(true), ColorType::Rgb, 3),
            (|e| e.set_optimized_huffman_tables(true), ColorType::Rgb, 3),
            (|_| {}, ColorType::Luma, 1),
        ];
        for (change, colours, bytes) in changes {
            let mut odd = Vec::new();
            let mut encoder = Encoder::new(&mut odd, 90);
            change(&mut encoder);
            encoder.encode(&pixels[..64 * 48 * bytes], 64, 48, colours).unwrap();
            assert!(Image::parse(&odd).is_err());
            let mended = picture(&odd).unwrap();
            let image = Image::parse(&mended).unwrap();
            assert_eq!((image.width, image.height), (64, 48));
        }
        assert_eq!(picture(b"no picture"), None);
    }
}
