//! Where a message ends, found as its bytes come in.

use bytes::{Buf, Bytes, BytesMut};

use super::MAX_DEPTH;
use crate::DecodeError;

/// Finds the end of a JSON object by its syntax: the brace that closes the first. Each byte is looked at once, however
/// the text is cut. Whether the text is JSON in every detail is for the parser to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonScanner {
    depth: u16,
    text: Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escape,
}

impl JsonScanner {
    /// A scanner that waits for the first `{`.
    pub const fn new() -> Self {
        Self { depth: 0, text: Text::Outside }
    }

    /// Looks at more bytes. `Some(n)`: the object ends with the first `n` of them.
    ///
    /// # Errors
    /// [`DecodeError::NoMessage`] if the first byte of all is no `{`, [`DecodeError::TooDeep`] beyond
    /// [`MAX_DEPTH`] brackets.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.depth == 0 && byte != b'{' {
                return Err(DecodeError::NoMessage { found: byte });
            }
            match (self.text, byte) {
                (Text::Escape, _) => self.text = Text::Inside,
                (Text::Inside, b'\\') => self.text = Text::Escape,
                (Text::Inside, b'"') => self.text = Text::Outside,
                (Text::Inside, _) => {}
                (Text::Outside, b'"') => self.text = Text::Inside,
                (Text::Outside, b'{' | b'[') if self.depth == MAX_DEPTH => {
                    return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
                }
                (Text::Outside, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                (Text::Outside, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        *self = Self::new();
                        return Ok(Some(at.saturating_add(1)));
                    }
                }
                (Text::Outside, _) => {}
            }
        }
        Ok(None)
    }
}

/// One message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The JSON text.
    pub text: Bytes,
    /// A length stood before it, so the answer wants one too (sheet §2.3).
    pub prefixed: bool,
}

/// Takes messages off a stream.
///
/// A stream whose first byte is `{` carries bare objects; white space and NULs between them are passed over. A stream
/// whose first byte is NUL carries objects behind a big-endian length (sheet §2.3):
///
/// ```text
///  0               4
///  +---------------+---------------------+
///  | length, u32   | JSON, length bytes  |     2 <= length <= 1 000 000
///  +---------------+---------------------+
/// ```
#[derive(Clone, Debug)]
pub struct MessageDecoder {
    mode: Mode,
    scanner: JsonScanner,
    /// Bytes at the front that the scanner has seen.
    scanned: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Undecided,
    Bare,
    Prefixed,
}

impl MessageDecoder {
    /// For messages of at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { mode: Mode::Undecided, scanner: JsonScanner::new(), scanned: 0, limit }
    }

    /// The next whole message; `None`: more bytes are needed. An error is final: where the next message begins is not
    /// known any more.
    ///
    /// # Errors
    /// [`DecodeError::NoMessage`], [`DecodeError::TooDeep`], [`DecodeError::TooLong`], [`DecodeError::Length`].
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        if self.scanned == 0 {
            self.skip_padding(buffer);
        }
        let Some(&first) = buffer.first() else {
            return Ok(None);
        };
        if self.mode == Mode::Undecided {
            self.mode = if first == 0 { Mode::Prefixed } else { Mode::Bare };
        }
        match self.mode {
            Mode::Prefixed => self.decode_prefixed(buffer),
            Mode::Bare | Mode::Undecided => self.decode_bare(buffer),
        }
    }

    /// Whether the beginning of a message waits in `buffer` for its end.
    pub fn is_within(&self, buffer: &BytesMut) -> bool {
        !buffer.is_empty()
    }

    fn skip_padding(&self, buffer: &mut BytesMut) {
        let blank = |b: &u8| match b {
            b' ' | b'\t' | b'\r' | b'\n' => true,
            // Trailing, after the first message; before it a NUL begins a length.
            0 => self.mode == Mode::Bare,
            _ => false,
        };
        if self.mode != Mode::Prefixed {
            let n = buffer.iter().take_while(|b| blank(b)).count();
            buffer.advance(n);
        }
    }

    fn decode_bare(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        let too_long = DecodeError::TooLong { limit: u32::try_from(self.limit).unwrap_or(u32::MAX) };
        // No further than the limit, so that the verdict does not depend on how much came at once.
        let end = buffer.len().min(self.limit);
        let new = buffer.get(self.scanned..end).unwrap_or_default();
        match self.scanner.scan(new)? {
            Some(n) => {
                let text = buffer.split_to(self.scanned.saturating_add(n)).freeze();
                self.scanned = 0;
                Ok(Some(Message { text, prefixed: false }))
            }
            None if buffer.len() > self.limit => Err(too_long),
            None => {
                self.scanned = end;
                Ok(None)
            }
        }
    }

    fn decode_prefixed(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        let Some((length, _)) = buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let found = u32::from_be_bytes(*length);
        let limit = u32::try_from(self.limit).unwrap_or(u32::MAX).min(MAX_PREFIX);
        if !(2..=limit).contains(&found) {
            return Err(DecodeError::Length { found, limit });
        }
        let length = usize::try_from(found).unwrap_or(usize::MAX);
        if buffer.len() < length.saturating_add(4) {
            return Ok(None);
        }
        buffer.advance(4);
        Ok(Some(Message { text: buffer.split_to(length).freeze(), prefixed: true }))
    }
}

/// QUIRK(OAK): closes when told of more.
const MAX_PREFIX: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn all(input: &[u8], cut: usize, limit: usize) -> (Vec<Message>, Option<DecodeError>) {
        let (mut decoder, mut buffer) = (MessageDecoder::new(limit), BytesMut::new());
        let mut messages = Vec::new();
        for piece in input.chunks(cut) {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error)),
                }
            }
        }
        (messages, None)
    }

    #[test]
    fn ends_are_found_however_it_is_cut() {
        let input = b" \n{\"a\": \"}\\\"{\", \"b\": [{}, {\"c\": 1}]}\r\n\0{} {\"x\": 2}{";
        for cut in 1..=input.len() {
            let (messages, error) = all(input, cut, 100);
            let texts: Vec<_> = messages.iter().map(|m| &m.text[..]).collect();
            assert_eq!(texts, [&input[2..36], b"{}", b"{\"x\": 2}"], "cut at {cut}");
            assert_eq!(error, None);
        }
    }

    #[test]
    fn lengths_before_messages() {
        let input = b"\0\0\0\x02{}\0\0\0\x08{\"x\": 2}\0\0\0";
        for cut in 1..=input.len() {
            let (messages, error) = all(input, cut, 100);
            assert!(messages.iter().all(|m| m.prefixed));
            assert_eq!((messages.len(), error), (2, None));
        }
        for length in [0_u32, 1, 101, 0x00ff_ffff] {
            let (_, error) = all(&length.to_be_bytes(), 1, 100);
            assert_eq!(error, Some(DecodeError::Length { found: length, limit: 100 }));
        }
    }

    #[test]
    fn what_is_refused() {
        let long = [b"{\"".as_slice(), &[b'x'; 100], b"\"}"].concat();
        let deep = [b'['; 20];
        for cut in [1, 2, 7, 200] {
            assert_eq!(all(b"GET / HTTP", cut, 50).1, Some(DecodeError::NoMessage { found: b'G' }));
            assert_eq!(all(&long, cut, 50).1, Some(DecodeError::TooLong { limit: 50 }));
            assert_eq!(
                all(&[b"{\"a\":", deep.as_slice()].concat(), cut, 50).1,
                Some(DecodeError::TooDeep { limit: 16 })
            );
            assert_eq!(all(b"{}x", cut, 50).1, Some(DecodeError::NoMessage { found: b'x' }));
        }
    }
}
