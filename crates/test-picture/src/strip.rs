//! The code strip: what is in its cells, and reading them back.

use crate::{Marks, cell_side};

/// Cells in a row.
pub(crate) const CELLS: usize = 80;
/// Rows of cells.
pub(crate) const ROWS: usize = 3;
/// Luma of a cell that is 1.
pub(crate) const WHITE: u8 = 235;
/// Luma of a cell that is 0.
pub(crate) const BLACK: u8 = 16;

/// Why a row says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// The picture does not reach there.
    Missing,
    /// The row does not begin as a row does: no test picture, or badly damaged.
    Preamble,
    /// Its CRC is wrong.
    Crc,
}

/// What each row of a code strip says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Capture time, Unix nanoseconds.
    pub time_ns: Result<u64, RowError>,
    /// Frame number and timecode.
    pub label: Result<(u32, u32), RowError>,
    /// Settings, and frames a second times 100.
    pub settings: Result<([u8; 6], u16), RowError>,
}

impl Reading {
    /// All of it.
    ///
    /// # Errors
    /// That of the first row that says nothing.
    pub fn marks(&self) -> Result<Marks, RowError> {
        let ((frame, timecode), (settings, rate_hundredths)) = (self.label?, self.settings?);
        Ok(Marks { time_ns: self.time_ns?, frame, timecode, settings, rate_hundredths })
    }
}

/// Reads the code strip of a picture from its luma, `stride` bytes from row to row.
pub fn read(luma: &[u8], width: usize, stride: usize) -> Reading {
    let row = |row| read_row(luma, width, stride, row);
    Reading {
        time_ns: row(0).map(u64::from_be_bytes),
        label: row(1).map(|[a, b, c, d, e, f, g, h]| {
            (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
        }),
        settings: row(2).map(|[a, b, c, d, e, f, g, h]| ([a, b, c, d, e, f], u16::from_be_bytes([g, h]))),
    }
}

/// CRC-8 with polynomial 0x07, start 0, no reflection, no final XOR.
pub fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| (crc << 1) ^ if crc & 0x80 == 0 { 0 } else { 0x07 })
    })
}

/// The cells of a row, first cell in the highest of 80 bits.
pub(crate) fn row_bits(marks: &Marks, row: usize) -> u128 {
    let payload = match row {
        0 => marks.time_ns,
        1 => u64::from(marks.frame) << 32 | u64::from(marks.timecode),
        _ => {
            let [a, b, c, d, e, f] = marks.settings;
            let [g, h] = marks.rate_hundredths.to_be_bytes();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        }
    };
    PREAMBLE << 72 | u128::from(payload) << 8 | u128::from(crc8(&payload.to_be_bytes()))
}

fn read_row(luma: &[u8], width: usize, stride: usize, row: usize) -> Result<[u8; 8], RowError> {
    let mut bits = 0_u128;
    for cell in 0..CELLS {
        let mean = cell_mean(luma, width, stride, row, cell).ok_or(RowError::Missing)?;
        bits = bits << 1 | u128::from(mean >= 128);
    }
    let [.., preamble, a, b, c, d, e, f, g, h, crc] = bits.to_be_bytes();
    let payload = [a, b, c, d, e, f, g, h];
    match (u128::from(preamble) == PREAMBLE, crc8(&payload) == crc) {
        (false, _) => Err(RowError::Preamble),
        (_, false) => Err(RowError::Crc),
        _ => Ok(payload),
    }
}

/// Mean luma of the inner half of a cell, which coders disturb least.
fn cell_mean(luma: &[u8], width: usize, stride: usize, row: usize, cell: usize) -> Option<u32> {
    let side = cell_side(width);
    let (inner, from) = (side / 2, side / 4);
    let x = cell * side + from;
    if x + inner > width.min(stride) {
        return None;
    }
    let mut sum = 0_u32;
    for y in row * side + from..row * side + from + inner {
        let start = y.checked_mul(stride)?.checked_add(x)?;
        sum += luma.get(start..start + inner)?.iter().map(|v| u32::from(*v)).sum::<u32>();
    }
    Some(sum / u32::try_from(inner * inner).ok()?)
}

const PREAMBLE: u128 = 0b1011_0010;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_and_the_catalogue() {
        assert_eq!(crc8(&[1, 2, 3, 4, 5, 6, 7, 8]), 0x3e);
        assert_eq!(crc8(b"123456789"), 0xf4);
    }

    #[test]
    fn what_is_no_strip() {
        let nothing = read(&[], 640, 640);
        assert_eq!(nothing.marks(), Err(RowError::Missing));
        let grey = [128; 640 * 24];
        assert_eq!(read(&grey, 640, 640).time_ns, Err(RowError::Preamble));
        assert_eq!(read(&grey, 640, usize::MAX).time_ns, Err(RowError::Missing));
        assert_eq!(read(&grey, 320, 320).time_ns, Err(RowError::Missing));
    }
}
