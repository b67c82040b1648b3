//! Drawing a frame.

use alloc::vec;
use alloc::vec::Vec;

use crate::strip::{BLACK, CELLS, ROWS, WHITE, row_bits};
use crate::{Marks, Picture, cell_side, font, text};

/// One picture in three planes, 4:2:0, luma 16 to 235 (ITU-R BT.601 ranges).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    picture: Picture,
    /// Luma, then blue and red difference, without gaps: as `yuv420p`.
    planes: Vec<u8>,
}

impl Frame {
    /// A black frame. Draw into it as often as wanted: nothing is allocated then but the text.
    pub fn new(picture: Picture) -> Self {
        let luma = picture.width * picture.height;
        let mut planes = vec![BLACK; luma + luma / 2];
        planes.get_mut(luma..).into_iter().for_each(|chroma| chroma.fill(NEUTRAL));
        Self { picture, planes }
    }

    /// Its size.
    pub fn picture(&self) -> Picture {
        self.picture
    }

    /// All three planes, as raw `yuv420p` video has them.
    pub fn planes(&self) -> &[u8] {
        &self.planes
    }

    /// The luma plane, width bytes a row.
    pub fn luma(&self) -> &[u8] {
        self.planes.get(..self.luma_len()).unwrap_or_default()
    }

    /// The blue and the red difference plane, half as wide and high.
    pub fn chroma(&self) -> (&[u8], &[u8]) {
        let rest = self.planes.get(self.luma_len()..).unwrap_or_default();
        rest.split_at(rest.len() / 2)
    }

    /// Draws the picture that `marks` make: nothing else has a part in it.
    pub fn draw(&mut self, marks: &Marks) {
        let look = Look::of(marks.settings);
        self.background(marks.frame, look);
        self.block(marks.frame);
        self.mark(marks);
    }

    /// Takes over a picture from elsewhere: luma, blue and red difference of each pixel, `width` pixels a row. What it
    /// has too little of stays as it was; what it has too much of is left out.
    pub fn load(&mut self, pixels: &[u8], width: usize) {
        let Picture { width: wide, height } = self.picture;
        let (luma, chroma) = self.planes.split_at_mut(wide * height);
        let (blue, red) = chroma.split_at_mut(wide * height / 4);
        for (y, row) in pixels.chunks_exact(width.saturating_mul(3).max(3)).take(height).enumerate() {
            let own = luma.get_mut(y * wide..(y + 1) * wide).unwrap_or_default();
            own.iter_mut().zip(row.iter().step_by(3)).for_each(|(to, from)| *to = *from);
            if y % 2 == 1 {
                continue;
            }
            for (plane, channel) in [(&mut *blue, 1), (&mut *red, 2)] {
                let own = plane.get_mut(y / 2 * (wide / 2)..(y / 2 + 1) * (wide / 2)).unwrap_or_default();
                let from = row.iter().skip(channel).step_by(6);
                own.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Writes text and code strip over the picture that is there.
    pub fn mark(&mut self, marks: &Marks) {
        let scale = (self.picture.width / 160).min((self.picture.height - 3 * self.side()) / 30).max(1);
        let [timecode, frame, date] = text::lines(marks);
        let top = 3 * self.side() + scale;
        self.text(&timecode, top, scale * 2);
        self.text(&frame, top + 17 * scale, scale);
        self.text(&date, top + 26 * scale, scale);
        self.strip(marks);
    }

    fn luma_len(&self) -> usize {
        self.picture.width * self.picture.height
    }

    fn side(&self) -> usize {
        cell_side(self.picture.width)
    }

    /// Colour bars that move to the left, one turn in 256 frames.
    fn background(&mut self, number: u32, look: Look) {
        let Picture { width, height } = self.picture;
        let shift = usize::from(low_byte(number)) * width / 256;
        let bar = |x: usize| BARS.get((x + shift) % width * BARS.len() / width).copied().unwrap_or_default();
        let mut row = vec![0; width];
        for (x, y) in row.iter_mut().enumerate() {
            *y = look.luma(bar(x)[0]);
        }
        let (luma, chroma) = self.planes.split_at_mut(width * height);
        luma.chunks_exact_mut(width).for_each(|line| line.copy_from_slice(&row));
        let (blue, red) = chroma.split_at_mut(width * height / 4);
        let row = row.get_mut(..width / 2).unwrap_or_default();
        for (plane, channel, gain) in [(blue, 1, look.blue), (red, 2, look.red)] {
            for (x, c) in row.iter_mut().enumerate() {
                *c = bar(2 * x).get(channel).map_or(NEUTRAL, |c| tenths(*c, NEUTRAL, gain));
            }
            plane.chunks_exact_mut(width / 2).for_each(|line| line.copy_from_slice(row));
        }
    }

    /// A white block that crosses the lower part once in 128 frames, so that a frozen picture is seen to be frozen.
    fn block(&mut self, number: u32) {
        let Picture { width, height } = self.picture;
        let size = height / 8;
        let x = usize::from(low_byte(number) % 128) * (width - size) / 127;
        self.fill(x, height - size - 2, size, size, WHITE);
    }

    /// A line of text in white on black, in the middle.
    fn text(&mut self, line: &str, top: usize, scale: usize) {
        let wide = line.len() * 6 * scale;
        let left = self.picture.width.saturating_sub(wide) / 2;
        self.fill(left, top, wide, 8 * scale, BLACK);
        for (i, c) in line.bytes().enumerate() {
            for (y, dots) in font::glyph(c).into_iter().enumerate() {
                for x in (0..5).filter(|x| dots >> (4 - x) & 1 == 1) {
                    let x = left + (i * 6 + x) * scale;
                    self.fill(x, top + y * scale, scale, scale, WHITE);
                }
            }
        }
    }

    fn strip(&mut self, marks: &Marks) {
        let side = self.side();
        for row in 0..ROWS {
            let bits = row_bits(marks, row);
            for cell in 0..CELLS {
                let luma = if bits >> (CELLS - 1 - cell) & 1 == 1 { WHITE } else { BLACK };
                self.fill(cell * side, row * side, side, side, luma);
            }
        }
    }

    /// A rectangle without colour; what lies outside the picture is left out.
    fn fill(&mut self, x: usize, y: usize, wide: usize, high: usize, luma: u8) {
        let Picture { width, height } = self.picture;
        let (right, bottom) = ((x + wide).min(width), (y + high).min(height));
        let (lumas, chroma) = self.planes.split_at_mut(width * height);
        for line in lumas.chunks_exact_mut(width).take(bottom).skip(y) {
            line.get_mut(x..right).into_iter().for_each(|part| part.fill(luma));
        }
        // Colour has half the resolution: rounded outwards, so that nothing of it shows at the edges.
        let (x, right, y, bottom) = (x / 2, right.div_ceil(2), y / 2, bottom.div_ceil(2));
        let (blue, red) = chroma.split_at_mut(width * height / 4);
        for plane in [blue, red] {
            for line in plane.chunks_exact_mut(width / 2).take(bottom).skip(y) {
                line.get_mut(x..right).into_iter().for_each(|part| part.fill(NEUTRAL));
            }
        }
    }
}

/// How the camera's settings change what a person sees.
#[derive(Clone, Copy, Debug)]
struct Look {
    contrast: u8,
    brightness: u8,
    red: u8,
    blue: u8,
}

impl Look {
    fn of(settings: [u8; 6]) -> Self {
        match settings {
            // A source without settings: neutral.
            [0, 0, 0, 0, 0, 0] => Self { contrast: 10, brightness: 127, red: 10, blue: 10 },
            [_, _, red, blue, contrast, brightness] => Self { contrast, brightness, red, blue },
        }
    }

    fn luma(self, luma: u8) -> u8 {
        let [low, high] = [i32::from(BLACK), i32::from(WHITE)];
        let luma = i32::from(tenths(luma, 128, self.contrast)) + i32::from(self.brightness) - 127;
        u8::try_from(luma.clamp(low, high)).unwrap_or(BLACK)
    }
}

/// The distance of a value from the middle, times tenths.
fn tenths(value: u8, middle: u8, tenths: u8) -> u8 {
    let distance = (i32::from(value) - i32::from(middle)) * i32::from(tenths) / 10;
    u8::try_from((i32::from(middle) + distance).clamp(16, 240)).unwrap_or(middle)
}

fn low_byte(n: u32) -> u8 {
    let [low, ..] = n.to_le_bytes();
    low
}

/// Luma, blue and red difference of the 75 % bars: white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];
/// Chroma without colour.
const NEUTRAL: u8 = 128;
