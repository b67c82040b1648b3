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
        let (hours, minutes, seconds) =
            (digits(fields.hours), digits(fields.minutes), digits(fields.seconds));
        let first = hours | between << 16 | minutes << 24 | between << 40 | seconds << 48;
        #[expect(clippy::cast_possible_truncation, reason = "frames <= 999")]
        let (hundreds, frames) = ((fields.frames / 100) as u8, digits((fields.frames % 100) as u8));
        let second = if rate.frame_digits() == 3 {
            before_frames | ((b'0' + hundreds) as u64) << 8 | frames << 16 | 12 << 56
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

/// Two decimal digits of a number below 100, the tens in the low byte.
#[inline]
const fn digits(number: u8) -> u64 {
    let (tens, units) = (number / 10, number % 10);
    0x3030 | tens as u64 | (units as u64) << 8
}
