//! The headers of a JPEG payload (RFC 2435 §3.1).

use super::PayloadError;

/// The main header, in every packet (RFC 2435 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainHeader {
    /// 0: progressively scanned; 1, 2: odd and even fields; 3: a single field, to be shown as a whole frame.
    pub type_specific: u8,
    /// Where this fragment begins in the scan's data, below 2^24.
    pub offset: u32,
    /// 0: 4:2:2, 1: 4:2:0; 64 more: with restart markers.
    pub kind: u8,
    /// 1 to 99: computed tables; 128 and up: tables in band.
    pub q: u8,
    /// In units of 8 pixels; 0: said elsewhere.
    pub width_8: u8,
    /// In units of 8 pixels; 0: said elsewhere.
    pub height_8: u8,
}

impl MainHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Reads it off the front.
    pub fn parse(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[type_specific, o0, o1, o2, kind, q, width_8, height_8], rest) = data.split_first_chunk()?;
        let offset = u32::from_be_bytes([0, o0, o1, o2]);
        Some((Self { type_specific, offset, kind, q, width_8, height_8 }, rest))
    }

    /// Its bytes; of the offset the lower 24 bits.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [_, o0, o1, o2] = self.offset.to_be_bytes();
        [self.type_specific, o0, o1, o2, self.kind, self.q, self.width_8, self.height_8]
    }

    /// Whether a [`RestartHeader`] follows.
    pub const fn has_restart(self) -> bool {
        matches!(self.kind, 64..=127)
    }

    /// Whether a [`TableHeader`] follows.
    pub const fn has_tables(self) -> bool {
        self.q >= 128 && self.offset == 0
    }
}

/// Follows the main header of types 64 to 127 (RFC 2435 §3.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartHeader {
    /// MCUs between restart markers.
    pub interval: u16,
    /// The packet begins with a restart interval (F).
    pub first: bool,
    /// The packet ends with one (L).
    pub last: bool,
    /// Which interval it begins with, 14 bits; `0x3fff` with F and L: a frame is to be put together whole.
    pub count: u16,
}

impl RestartHeader {
    /// Length in bytes.
    pub const LEN: usize = 4;

    /// For packets that begin and end anywhere.
    pub const fn whole_frames(interval: u16) -> Self {
        Self { interval, first: true, last: true, count: 0x3fff }
    }

    /// Reads it off the front.
    pub fn parse(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[i0, i1, c0, c1], rest) = data.split_first_chunk()?;
        let header = Self {
            interval: u16::from_be_bytes([i0, i1]),
            first: c0 & 0x80 != 0,
            last: c0 & 0x40 != 0,
            count: u16::from_be_bytes([c0 & 0x3f, c1]),
        };
        Some((header, rest))
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [i0, i1] = self.interval.to_be_bytes();
        let [c0, c1] = (self.count & 0x3fff).to_be_bytes();
        let flags = (if self.first { 0x80 } else { 0 }) | if self.last { 0x40 } else { 0 };
        [i0, i1, flags | c0, c1]
    }
}

/// Precedes the tables in the first packet of a frame whose Q is 128 or more (RFC 2435 §3.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableHeader {
    /// Bit n: values of table n have 16 bits.
    pub precision: u8,
    /// Bytes of tables that follow.
    pub length: u16,
}

impl TableHeader {
    /// Length in bytes.
    pub const LEN: usize = 4;

    /// Reads it and the tables off the front.
    ///
    /// # Errors
    /// [`PayloadError::TooShort`].
    pub fn parse(data: &[u8]) -> Result<(Self, &[u8], &[u8]), PayloadError> {
        let short = PayloadError::TooShort { length: u32::try_from(data.len()).unwrap_or(u32::MAX) };
        let (&[_, precision, l0, l1], rest) = data.split_first_chunk().ok_or(short)?;
        let length = u16::from_be_bytes([l0, l1]);
        let (tables, rest) = rest.split_at_checked(usize::from(length)).ok_or(short)?;
        Ok((Self { precision, length }, tables, rest))
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [l0, l1] = self.length.to_be_bytes();
        [0, self.precision, l0, l1]
    }
}
