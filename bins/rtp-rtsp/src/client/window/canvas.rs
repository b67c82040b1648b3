//! What is in the window, as pixels: 0xRRGGBB.

use super::Phase;
use super::buttons::{Button, LETTER, Layout, PADDING, Rect};

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Row by row from the top.
    pixels: Vec<u32>,
}

impl Picture {
    /// Of bytes in the order red, green, blue, anything; `None` if there are not as many as it has pixels.
    pub(super) fn from_rgba(width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let (fours, rest) = bytes.as_chunks::<4>();
        let fits = width > 0 && height > 0 && fours.len() == width.checked_mul(height)? && rest.is_empty();
        fits.then(|| Self {
            width,
            height,
            pixels: fours.iter().map(|p| u32::from_be_bytes(*p) >> 8).collect(),
        })
    }

    fn row(&self, y: usize) -> &[u32] {
        self.pixels.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }
}

/// What a window shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) picture: Option<&'a Picture>,
    pub(super) phase: Phase,
    /// The button that the mouse is on.
    pub(super) under_mouse: Option<Button>,
    /// How it goes.
    pub(super) line: &'a str,
    /// In the place of the picture, while there is none.
    pub(super) message: &'a str,
}

/// Pixels to be drawn on.
#[derive(Clone, Debug, Default)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u32>,
}

impl Canvas {
    /// Gives it this size, which empties it if it was another.
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        if (width, height) != (self.width, self.height) {
            (self.width, self.height) = (width, height);
            self.pixels = vec![BLACK; width * height];
        }
    }

    pub(super) fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    pub(super) fn draw(&mut self, layout: &Layout, scene: &Scene<'_>) {
        let all = Rect { x: 0, y: 0, width: self.width, height: self.height };
        let shown = scene.picture.map(|picture| layout.fit((picture.width, picture.height)));
        if shown != Some(layout.view) {
            self.fill(layout.view, BLACK);
        }
        let bar = layout.view.height;
        self.fill(Rect { y: bar, height: self.height.saturating_sub(bar), ..all }, GREY);
        match (scene.picture, shown) {
            (Some(picture), Some(rect)) => self.picture(rect, picture),
            _ => {
                let width = scene.message.len() * LETTER;
                let x = layout.view.width.saturating_sub(width) / 2;
                self.text((x, layout.view.height / 2), 2, WHITE, scene.message);
            }
        }
        for button in Button::ALL {
            let rect = layout.rect(button);
            let (ground, ink) = match (button.is_enabled(scene.phase), scene.under_mouse == Some(button)) {
                (false, _) => (DARK, FAINT),
                (true, false) => (BLUE, WHITE),
                (true, true) => (LIGHT, WHITE),
            };
            self.fill(rect, ground);
            self.text((rect.x + PADDING, rect.y + 8), 2, ink, button.label());
        }
        let (Rect { x, y, width, .. }, large) = (layout.line, scene.line.len() * LETTER);
        let dot = if large <= width { 2 } else { 1 };
        self.text((x, y + 2), dot, WHITE, scene.line);
    }

    fn fill(&mut self, rect: Rect, colour: u32) {
        for y in rect.y..rect.y + rect.height {
            self.span(rect.x, y, rect.width).fill(colour);
        }
    }

    /// Letters of 5 by 7 dots, each `dot` pixels wide and high. Capitals stand for all letters.
    fn text(&mut self, (x, y): (usize, usize), dot: usize, colour: u32, text: &str) {
        for (n, letter) in text.bytes().enumerate() {
            for (row, dots) in test_picture::glyph(letter.to_ascii_uppercase()).into_iter().enumerate() {
                for column in (0..5).filter(|column| dots >> (4 - column) & 1 == 1) {
                    let x = x + (n * 6 + column) * dot;
                    self.fill(Rect { x, y: y + row * dot, width: dot, height: dot }, colour);
                }
            }
        }
    }

    /// Scales a picture, between its pixels where they do not fit.
    fn picture(&mut self, rect: Rect, picture: &Picture) {
        let columns: Vec<_> = (0..rect.width).map(|x| between(x, rect.width, picture.width)).collect();
        for y in 0..rect.height {
            let (above, below, part) = between(y, rect.height, picture.height);
            let (above, below) = (picture.row(above), picture.row(below));
            let to = self.span(rect.x, rect.y + y, rect.width);
            if rect.width == picture.width && part == 0 && to.len() == above.len() {
                to.copy_from_slice(above);
                continue;
            }
            for (to, (left, right, across)) in to.iter_mut().zip(&columns) {
                let mixed = |row: &[u32]| mix(row[*left], row[*right], *across);
                *to = mix(mixed(above), mixed(below), part);
            }
        }
    }

    /// Part of a row, as far as there is one.
    fn span(&mut self, x: usize, y: usize, width: usize) -> &mut [u32] {
        let end = (x + width).min(self.width);
        if y >= self.height || x >= end {
            return &mut [];
        }
        let row = y * self.width;
        self.pixels.get_mut(row + x..row + end).unwrap_or_default()
    }
}

/// Where the `at`th of `shown` pixels lies among `of`: between which two, and how far from the first, in 256ths.
fn between(at: usize, shown: usize, of: usize) -> (usize, usize, u32) {
    let centre = ((2 * at + 1) * of * 128 / shown).saturating_sub(128);
    let first = (centre / 256).min(of - 1);
    (first, (first + 1).min(of - 1), (centre % 256) as u32)
}

/// A colour between two, `part` 256ths from the first.
fn mix(a: u32, b: u32, part: u32) -> u32 {
    let of = |mask: u32| (((a & mask) * (256 - part) + (b & mask) * part) >> 8) & mask;
    if part == 0 { a } else { of(0x00ff_00ff) | of(0x0000_ff00) }
}

const BLACK: u32 = 0;
const WHITE: u32 = 0x00f0_f0f0;
const GREY: u32 = 0x0030_3030;
const DARK: u32 = 0x0040_4040;
const FAINT: u32 = 0x0078_7878;
const BLUE: u32 = 0x0028_5a96;
const LIGHT: u32 = 0x0040_7cc4;

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let rgba = (0..width * height).flat_map(|n| {
            let [r, g, b] = colour(n % width, n / width);
            [r, g, b, 255]
        });
        Picture::from_rgba(width, height, &rgba.collect::<Vec<u8>>()).unwrap()
    }

    fn canvas(width: usize, height: usize) -> Canvas {
        let mut canvas = Canvas::default();
        canvas.resize(width, height);
        canvas
    }

    #[test]
    fn pictures_have_as_many_pixels_as_they_say() {
        assert!(Picture::from_rgba(2, 1, &[0; 8]).is_some());
        for (width, height, bytes) in [(2, 1, 9), (2, 1, 4), (0, 0, 0), (usize::MAX, 2, 8)] {
            assert_eq!(Picture::from_rgba(width, height, &vec![0; bytes]), None);
        }
    }

    #[test]
    fn a_picture_in_its_own_size_is_not_touched() {
        let shown = picture(20, 10, |x, y| [x as u8, y as u8, 7]);
        let mut canvas = canvas(20, 10);
        canvas.picture(Rect { x: 0, y: 0, width: 20, height: 10 }, &shown);
        assert_eq!(canvas.pixels, shown.pixels);
    }

    #[test]
    fn scaling_mixes_neighbours_and_stays_inside() {
        let shown = picture(16, 8, |x, _| if x < 8 { [200, 0, 0] } else { [0, 100, 50] });
        for (width, height) in [(64, 40), (5, 3), (1, 1), (33, 8)] {
            let mut canvas = canvas(width + 2, height + 2);
            canvas.picture(Rect { x: 1, y: 1, width, height }, &shown);
            let at = |x: usize, y: usize| canvas.pixels[y * (width + 2) + x];
            assert_eq!((at(0, 0), at(width + 1, height + 1), at(0, 1)), (BLACK, BLACK, BLACK));
            if width > 1 {
                assert_eq!((at(1, 1), at(width, height)), (0x00c8_0000, 0x0000_6432), "{width}");
            }
        }
        assert_eq!(mix(0x00ff_0000, 0x0000_ff00, 128), 0x007f_7f00);
        // Nothing is drawn where there is nothing to draw on.
        canvas(3, 3).picture(Rect { x: 2, y: 2, width: 9, height: 9 }, &shown);
    }

    #[test]
    fn a_scene_has_its_picture_and_its_buttons() {
        let shown = picture(64, 48, |_, _| [1, 2, 3]);
        let layout = Layout::new(500, 300);
        let mut canvas = canvas(500, 300);
        let colour = |canvas: &Canvas, button| {
            let Rect { x, y, .. } = layout.rect(button);
            canvas.pixels[y * 500 + x]
        };
        let mut scene = Scene {
            picture: None,
            phase: Phase::Ready,
            under_mouse: Some(Button::Play),
            line: "0 LOST",
            message: "WAIT",
        };
        canvas.draw(&layout, &scene);
        assert_eq!(colour(&canvas, Button::Play), LIGHT);
        assert_eq!(colour(&canvas, Button::Pause), DARK);
        assert_eq!(colour(&canvas, Button::Teardown), BLUE);
        let drawn = |canvas: &Canvas| canvas.pixels[..500 * layout.view.height].to_vec();
        assert!(drawn(&canvas).contains(&WHITE), "the message");
        scene.picture = Some(&shown);
        canvas.draw(&layout, &scene);
        let rect = layout.fit((64, 48));
        let colours = drawn(&canvas);
        assert_eq!(colours.iter().filter(|c| **c == 0x0001_0203).count(), rect.width * rect.height);
        assert!(!colours.contains(&WHITE));
    }
}
