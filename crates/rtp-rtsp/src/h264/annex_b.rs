//! The byte stream format (ITU-T H.264 Annex B): start codes before NAL units.

use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Nal;

/// The NAL units of a byte stream that is here whole, without their start codes and trailing zeros. Bytes before the
/// first start code are passed over; without any there are no units.
pub fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = find_start_code(data, 0).and_then(|(_, after)| data.get(after..));
    core::iter::from_fn(move || {
        loop {
            let current = rest?;
            let (unit, next) = match find_start_code(current, 0) {
                Some((start, after)) => (current.get(..start)?, current.get(after..)),
                None => (current, None),
            };
            rest = next;
            let unit = trim_zeros(unit);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// Appends a NAL unit behind a start code of four bytes.
pub fn put_nal_unit(unit: &[u8], out: &mut BytesMut) {
    out.put_slice(&START_CODE);
    out.put_slice(unit);
}

/// Cuts a byte stream that comes piece by piece into access units (ITU-T H.264 §7.4.1.2.3).
///
/// A unit ends where the next begins: at a delimiter, parameter set or SEI behind a slice, or at a slice whose first
/// macroblock is 0. So a unit is known to be whole when the next has begun, or at the end.
#[derive(Debug)]
pub struct AccessUnits {
    limit: usize,
    /// How far the bytes were looked through.
    scanned: usize,
    /// Where the NAL unit began (its start code) that is being looked for the end of.
    unit: Option<Unit>,
    has_slice: bool,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    /// First byte behind its start code.
    content: usize,
    /// Whether it was asked if it begins an access unit.
    checked: bool,
}

impl AccessUnits {
    /// A cutter that refuses access units of more than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, scanned: 0, unit: None, has_slice: false }
    }

    /// Takes the next whole access unit off the front, start codes included; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`TooLong`](crate::files::FileError::TooLong) for a unit beyond the limit; so many bytes were thrown away, and
    /// the next call goes on behind them.
    pub fn next(&mut self, data: &mut BytesMut) -> Result<Option<Bytes>, crate::files::FileError> {
        loop {
            // Never more than the limit, so that it does not matter how the bytes come.
            let view = data.get(..self.limit).unwrap_or(data);
            if let Some(unit) = self.unit.filter(|u| !u.checked) {
                // Type and the first bit of a slice header are needed.
                let Some(head) = view.get(unit.content..unit.content + 2) else { break };
                let begins = begins_access_unit(head);
                let is_slice = Nal::of(head).is_some_and(Nal::is_slice);
                if begins && self.has_slice {
                    let start = start_of_code(data, unit.content);
                    let access_unit = data.split_to(start).freeze();
                    *self = Self::new(self.limit);
                    return Ok(Some(access_unit));
                }
                self.has_slice |= is_slice;
                self.unit = Some(Unit { checked: true, ..unit });
            }
            match find_start_code(view, self.scanned) {
                Some((_, after)) => {
                    self.unit = Some(Unit { content: after, checked: false });
                    self.scanned = after;
                }
                None => {
                    // The last bytes may be the front of a start code.
                    self.scanned = self.scanned.max(view.len().saturating_sub(2));
                    break;
                }
            }
        }
        if data.len() > self.limit {
            data.advance(self.limit);
            *self = Self::new(self.limit);
            return Err(crate::files::FileError::TooLong {
                limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
            });
        }
        Ok(None)
    }

    /// What is left at the end of the stream: the last access unit, `None` if it has no slice.
    pub fn finish(&mut self, data: &mut BytesMut) -> Option<Bytes> {
        let rest = data.split().freeze();
        *self = Self::new(self.limit);
        let has_slice = nal_units(&rest).any(|n| Nal::of(n).is_some_and(Nal::is_slice));
        has_slice.then_some(rest)
    }
}

/// Whether a NAL unit (its first two bytes) begins an access unit when it follows a slice.
fn begins_access_unit(head: &[u8]) -> bool {
    match Nal::of(head) {
        // first_mb_in_slice is 0 when the first bit is set (ue(v)).
        Some(Nal::SLICE | Nal::IDR | Nal(2)) => head.get(1).is_some_and(|b| b & 0x80 != 0),
        Some(n) => matches!(n.0, 6..=9 | 14..=18),
        None => false,
    }
}

/// The next start code at `from` or behind: where its three bytes begin (with the zero before them, if one is there),
/// and what follows it.
fn find_start_code(data: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        // The 1 is looked for: it is rarer than zeros.
        at += find_zero_pair(data.get(at..)?)?;
        match data.get(at + 2) {
            Some(1) => {
                let start = if at > 0 && data.get(at - 1) == Some(&0) { at - 1 } else { at };
                return Some((start, at + 3));
            }
            Some(_) => at += 1,
            None => return None,
        }
    }
}

/// Where the start code begins that ends at `content`.
fn start_of_code(data: &[u8], content: usize) -> usize {
    let three = content.saturating_sub(3);
    if three > 0 && data.get(three - 1) == Some(&0) { three - 1 } else { three }
}

/// The first two zeros in a row. By blocks, which the compiler compares at once.
fn find_zero_pair(data: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let mut at = 0;
    loop {
        let rest = data.get(at..)?;
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            return rest.windows(2).position(|w| w == [0, 0]).map(|n| at + n);
        };
        if block.iter().fold(false, |any, b| any | (*b == 0)) {
            // One more byte, for a pair over the border.
            let block = rest.get(..BLOCK + 1).unwrap_or(rest);
            if let Some(n) = block.windows(2).position(|w| w == [0, 0]) {
                return Some(at + n);
            }
        }
        at += BLOCK;
    }
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1);
    unit.get(..end).unwrap_or(unit)
}

/// Joins NAL units to a byte stream.
pub(super) fn join<'a>(units: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let mut out = Vec::with_capacity(units.clone().map(|u| u.len() + START_CODE.len()).sum());
    for unit in units {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(unit);
    }
    out
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn start_codes_of_both_lengths() {
        let data = [7, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0x65, 3, 0, 0];
        let units: Vec<_> = nal_units(&data).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
    }

    /// Three access units: parameter sets and IDR, two slices of one picture, one slice.
    fn stream() -> (Vec<u8>, Vec<Vec<u8>>) {
        let units: [&[&[u8]]; 3] = [
            &[&[0x67, 1, 2], &[0x68, 3], &[0x06, 5, 0x80], &[0x65, 0x88, 9]],
            &[&[0x41, 0x9a, 1], &[0x41, 0x40, 1]],
            &[&[0x09, 0xf0], &[0x41, 0x9a, 7]],
        ];
        let joined: Vec<Vec<u8>> = units.iter().map(|u| join(u.iter().copied())).collect();
        (joined.concat(), joined)
    }

    #[test]
    fn access_units_however_they_come() {
        let (stream, expected) = stream();
        for chunk in 1..=stream.len() {
            let mut cutter = AccessUnits::new(1000);
            let (mut data, mut found) = (BytesMut::new(), Vec::new());
            for piece in stream.chunks(chunk) {
                data.extend_from_slice(piece);
                while let Some(unit) = cutter.next(&mut data).unwrap() {
                    found.push(unit.to_vec());
                }
            }
            found.extend(cutter.finish(&mut data).map(|u| u.to_vec()));
            assert_eq!(found, expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_unit_is_bounded() {
        let mut cutter = AccessUnits::new(50);
        let mut data = BytesMut::from(&[&[0, 0, 1, 0x65, 0x88][..], &[7; 60]].concat()[..]);
        assert!(cutter.next(&mut data).is_err());
        assert_eq!(data.len(), 15);
        assert_eq!(cutter.next(&mut data), Ok(None));
    }

    proptest! {
        #[test]
        fn units_are_found_as_a_plain_search_finds_them(data in proptest::collection::vec(0..3_u8, 0..200)) {
            // The plain search.
            let mut expected: Vec<Vec<u8>> = Vec::new();
            let mut current: Option<Vec<u8>> = None;
            let mut i = 0;
            while i < data.len() {
                if data[i..].starts_with(&[0, 0, 1]) {
                    expected.extend(current.replace(vec![]));
                    i += 3;
                } else {
                    current.iter_mut().for_each(|c| c.push(data[i]));
                    i += 1;
                }
            }
            expected.extend(current);
            let expected: Vec<_> = expected.iter().map(|u| trim_zeros(u)).filter(|u| !u.is_empty()).collect();
            prop_assert_eq!(nal_units(&data).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn zero_pairs_at_any_place(at in 0..200_usize) {
            let mut data = vec![9; 200];
            data.extend([0, 0, 1]);
            data[at] = 0;
            let expected = if at == 199 { 199 } else { 200 };
            prop_assert_eq!(find_zero_pair(&data), Some(expected));
        }
    }
}
