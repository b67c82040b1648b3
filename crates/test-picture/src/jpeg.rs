//! The picture as a JPEG file.

use alloc::vec::Vec;

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::Frame;

impl Frame {
    /// Writes the picture over what `out` held, as a JPEG file of this quality (1 to 100): baseline, 4:2:0 and the standard
    /// Huffman tables, so that RTP can carry it (RFC 2435 §4.1).
    pub fn encode_jpeg(&self, quality: u8, out: &mut Vec<u8>) {
        out.clear();
        let mut encoder = Encoder::new(&mut *out, quality.clamp(1, 100));
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.set_optimized_huffman_tables(false);
        // It refuses sizes that no picture has, and what it writes to fails, which memory does not.
        if encoder.encode_image(Planes(self)).is_err() {
            out.clear();
        }
    }
}

/// The planes as the encoder wants them: line by line, colour in full resolution.
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
        let (wide, y) = (self.0.picture().width(), usize::from(y));
        let (blue, red) = self.0.chroma();
        let [luma_out, blue_out, red_out, _] = buffers;
        luma_out.extend_from_slice(self.0.luma().get(y * wide..(y + 1) * wide).unwrap_or_default());
        for (plane, out) in [(blue, blue_out), (red, red_out)] {
            let line = plane.get(y / 2 * (wide / 2)..(y / 2 + 1) * (wide / 2)).unwrap_or_default();
            out.extend(line.iter().flat_map(|c| [*c, *c]));
        }
    }
}
