//! Lines and JSON objects to messages and back (sheet B1 to B4).
//!
//! ```text
//! stream     {"type": "start_timecode"} LF {"type": "stop_timecode"} CR LF LF {"ty
//!            └──────── a line ────────┘    └──────── a line ───────┘     │  └ not yet whole
//! WebSocket  one object a message, no LF                               blank: passed over
//! ```
//!
//! A line is UTF-8 and ends with LF; white space around the object is allowed, so CR LF is too. Output is what
//! Python's `json.dumps` writes: `, ` and `: ` between things, ASCII only, keys in a fixed order.

mod decode;
mod encode;
pub(crate) mod json;
pub(crate) mod python;

use bytes::BytesMut;

use crate::DecodeError;

/// Takes whole lines off the front of a stream, and remembers how far it has looked for the end of the next, so that
/// a line that comes byte by byte costs no more than one that comes at once.
#[derive(Clone, Debug)]
pub struct LineDecoder {
    limit: usize,
    /// Bytes at the front of the buffer in which there is no LF.
    scanned: usize,
}

impl LineDecoder {
    /// A decoder for lines of at most `limit` bytes, LF not counted.
    pub const fn new(limit: usize) -> Self {
        Self { limit, scanned: 0 }
    }

    /// The next line, without its LF; `None` until it is whole. `buffer` is always the rest of the same stream.
    ///
    /// # Errors
    ///
    /// [`DecodeError::LineTooLong`], from which there is no way on.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, DecodeError> {
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        let line_len = unseen.iter().position(|&byte| byte == b'\n').map(|at| self.scanned + at);
        if line_len.unwrap_or(buffer.len()) > self.limit {
            return Err(self.too_long());
        }
        let Some(len) = line_len else {
            self.scanned = buffer.len();
            return Ok(None);
        };
        self.scanned = 0;
        let mut line = buffer.split_to(len + 1);
        line.truncate(len);
        Ok(Some(line))
    }

    /// What is left when the stream has ended: a line that lacks its LF, or nothing.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_end(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, DecodeError> {
        if let Some(line) = self.decode(buffer)? {
            return Ok(Some(line));
        }
        self.scanned = 0;
        Ok((!buffer.is_empty()).then(|| buffer.split()))
    }

    fn too_long(&self) -> DecodeError {
        DecodeError::LineTooLong { limit: u32::try_from(self.limit).unwrap_or(u32::MAX) }
    }
}

/// The text of a line or of a binary WebSocket message without the white space around it; `None` if that is all
/// there is.
///
/// # Errors
///
/// [`DecodeError::Utf8`].
pub fn line_text(line: &[u8]) -> Result<Option<&str>, DecodeError> {
    let text = core::str::from_utf8(line)
        .map_err(|e| DecodeError::Utf8 { offset: u32::try_from(e.valid_up_to()).unwrap_or(u32::MAX) })?;
    Ok(trimmed(text))
}

/// `text` without the white space around it; `None` if that is all there is.
pub fn trimmed(text: &str) -> Option<&str> {
    Some(python::strip(text)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn lines(decoder: &mut LineDecoder, buffer: &mut BytesMut) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| decoder.decode(buffer).unwrap()).map(|line| line.to_vec()).collect()
    }

    #[test]
    fn lines_come_out_whole_in_every_split() {
        let stream = b"one\r\n\n \ntwo\nthree";
        for size in 1..=stream.len() {
            let (mut decoder, mut buffer, mut found) = (LineDecoder::new(10), BytesMut::new(), Vec::new());
            for chunk in stream.chunks(size) {
                buffer.extend_from_slice(chunk);
                found.extend(lines(&mut decoder, &mut buffer));
            }
            assert_eq!(found, [&b"one\r"[..], b"", b" ", b"two"], "{size}");
            assert_eq!(decoder.decode_end(&mut buffer).unwrap().unwrap(), "three");
            assert_eq!(decoder.decode_end(&mut buffer), Ok(None));
        }
    }

    #[test]
    fn the_limit_does_not_count_the_line_end() {
        let mut decoder = LineDecoder::new(4);
        assert_eq!(lines(&mut decoder, &mut BytesMut::from(&b"1234\n"[..])), [b"1234"]);
        assert_eq!(decoder.decode(&mut BytesMut::from(&b"1234"[..])), Ok(None));
        let too_long = Err(DecodeError::LineTooLong { limit: 4 });
        assert_eq!(LineDecoder::new(4).decode(&mut BytesMut::from(&b"12345\n"[..])), too_long);
        assert_eq!(LineDecoder::new(4).decode(&mut BytesMut::from(&b"12345"[..])), too_long);
        assert_eq!(LineDecoder::new(4).decode_end(&mut BytesMut::from(&b"12345"[..])), too_long);
    }

    #[test]
    fn a_byte_is_looked_at_once() {
        let (mut decoder, mut buffer) = (LineDecoder::new(1 << 16), BytesMut::new());
        for _ in 0..1 << 16 {
            buffer.extend_from_slice(b"x");
            assert_eq!(decoder.decode(&mut buffer), Ok(None));
            assert_eq!(decoder.scanned, buffer.len());
        }
    }

    #[test]
    fn white_space_is_what_the_original_takes_for_it() {
        assert_eq!(line_text(b" \t{}\r"), Ok(Some("{}")));
        assert_eq!(line_text("\u{a0}\u{1c}".as_bytes()), Ok(None));
        assert_eq!(line_text(b""), Ok(None));
        assert_eq!(line_text(b"ab\xff"), Err(DecodeError::Utf8 { offset: 2 }));
    }
}
