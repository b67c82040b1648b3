use core::fmt;
use core::ops::Deref;

use crate::{Fields, Rate};

/// How a label shows that it is drop-frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropMark {
    /// `HH:MM:SS;FF`, the usual form.
    Semicolon,
    /// `HH;MM;SS;FF`.
    Semicolons,
    /// `HH:MM:SS.FF`, as ltcdump.
    Dot,
    /// `HH:MM:SS,FF`, as GStreamer.
    Comma,
    /// `HH:MM:SS:FF`: not at all.
    Colon,
}

/// A label's text, made without allocating. 16 bytes.
// Sixteen bytes are proven to be text in two steps instead of eleven, if they were stored as two words (bytes stored
// one by one would have to reach the cache before they can be read as words). The last byte is the length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(align(8))]
pub struct LabelText([[u8; 8]; 2]);

impl LabelText {
    #[inline]
    pub(crate) const fn new(fields: Fields, rate: Rate, mark: DropMark) -> Self {
        const COLON: u8 = b':';
        let (between, before_frames) = match mark {
            _ if !rate.is_drop() => (COLON, COLON),
            DropMark::Semicolon => (COLON, b';'),
            DropMark::Semicolons => (b';', b';'),
            DropMark::Dot => (COLON, b'.'),
            DropMark::Comma => (COLON, b','),
            DropMark::Colon => (COLON, COLON),
        };
        let (between, before_frames) = (between as u64, before_frames as u64);
        let (hundreds, frames) = (fields.frames / 100, fields.frames % 100);
        let [hours, minutes, seconds, frames] =
            digits([fields.hours as u16, fields.minutes as u16, fields.seconds as u16, frames]);
        let first = hours | between << 16 | minutes << 24 | between << 40 | seconds << 48;
        let second = if rate.frame_digits() == 3 {
            before_frames | (0x30 | hundreds as u64) << 8 | frames << 16 | 12 << 56
        } else {
            before_frames | frames << 8 | 11 << 56
        };
        Self([first.to_le_bytes(), second.to_le_bytes()])
    }

    /// The text as ASCII.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened().get(..self.length()).unwrap_or_default()
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.0.as_flattened())
            .ok()
            .and_then(|text| text.get(..self.length()))
            .unwrap_or_default()
    }

    #[inline]
    const fn length(&self) -> usize {
        let [_, [.., length]] = self.0;
        length as usize
    }
}

impl Deref for LabelText {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for LabelText {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for LabelText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for LabelText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Two decimal digits of each of four numbers below 100, the tens in the low byte.
// All at once, 16 bits for each: n * 103 / 1024 is n / 10 for n up to 178, and no product reaches into the next.
#[inline]
const fn digits([a, b, c, d]: [u16; 4]) -> [u64; 4] {
    let numbers = a as u64 | (b as u64) << 16 | (c as u64) << 32 | (d as u64) << 48;
    let tens = (numbers * 103) >> 10 & 0x000f_000f_000f_000f;
    let units = numbers - tens * 10;
    let digits = 0x3030_3030_3030_3030 | tens | units << 8;
    [digits & 0xffff, digits >> 16 & 0xffff, digits >> 32 & 0xffff, digits >> 48]
}
