//! A moving test picture that carries its own time.
//!
//! Every synthetic source of the family draws this picture. A person sees colour bars, a moving block and large text;
//! a program reads the code strip at the top left, three rows of 80 square cells:
//!
//! ```text
//!   8 cells      64 cells, most significant bit first          8 cells
//! +----------+----------------------------------------------+---------+
//! | 10110010 | u64  capture time, Unix nanoseconds          |  CRC-8  |  row 0
//! | 10110010 | u32  frame number · u32 timecode, BCD        |  CRC-8  |  row 1
//! | 10110010 | 6 bytes of settings · u16 frames/s times 100 |  CRC-8  |  row 2
//! +----------+----------------------------------------------+---------+
//! ```
//!
//! A cell is white (luma 235) for 1 and black (16) for 0, `8 * max(1, width / 640)` pixels wide and high, so that cells
//! fall on the 8x8 blocks of lossy coders. The CRC-8 has polynomial 0x07, start 0, no reflection, no final XOR.
//!
//! ```
//! use test_picture::{Frame, Marks, Picture, read};
//!
//! let picture = Picture::try_new(640, 480)?;
//! let marks = Marks { time_ns: 1_735_689_600_000_000_000, frame: 7, ..Marks::default() };
//! let mut frame = Frame::new(picture);
//! frame.draw(&marks);
//! assert_eq!(read(frame.luma(), 640, 640).marks(), Ok(marks));
//! # Ok::<(), test_picture::SizeError>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

extern crate alloc;

mod draw;
mod font;
#[cfg(feature = "jpeg")]
mod jpeg;
mod strip;
mod text;

use core::fmt;

pub use draw::Frame;
pub use font::glyph;
pub use strip::{Reading, RowError, crc8, read};

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marks {
    /// When it was captured, in Unix nanoseconds of the clock that the source is disciplined to.
    pub time_ns: u64,
    /// Its number, from 0.
    pub frame: u32,
    /// The label in force at capture: BCD HH MM SS FF, bit 31 set for drop-frame; all ones where the source has none.
    pub timecode: u32,
    /// The camera settings as applied to it; zero where there are none.
    pub settings: [u8; 6],
    /// Frames a second times 100, rounded.
    pub rate_hundredths: u16,
}

impl Marks {
    /// [`timecode`](Self::timecode) of a source that has none.
    pub const NO_TIMECODE: u32 = u32::MAX;
}

impl Default for Marks {
    fn default() -> Self {
        Self { time_ns: 0, frame: 0, timecode: Self::NO_TIMECODE, settings: [0; 6], rate_hundredths: 2400 }
    }
}

/// The size of a picture that can hold the code strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    width: usize,
    height: usize,
}

impl Picture {
    /// At least 640 by 96 pixels, both even, at most 16 384, and high enough for three rows of cells.
    ///
    /// # Errors
    /// [`SizeError`] for any other size.
    pub const fn try_new(width: usize, height: usize) -> Result<Self, SizeError> {
        let fits = width >= 640
            && height >= 96
            && width <= MAX_SIDE
            && height <= MAX_SIDE
            && width.is_multiple_of(2)
            && height.is_multiple_of(2)
            && height >= 3 * cell_side(width);
        if fits { Ok(Self { width, height }) } else { Err(SizeError { width, height }) }
    }

    /// Pixels in a row.
    pub const fn width(self) -> usize {
        self.width
    }

    /// Rows.
    pub const fn height(self) -> usize {
        self.height
    }
}

/// A size that the picture cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeError {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a test picture of {} by {} pixels: at least 640 by 96, both even", self.width, self.height)
    }
}

impl core::error::Error for SizeError {}

/// Pixels of a side of a cell.
const fn cell_side(width: usize) -> usize {
    let times = width / 640;
    if times == 0 { 8 } else { 8 * times }
}

const MAX_SIDE: usize = 16_384;

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
