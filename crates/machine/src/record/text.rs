//! The words that lines are made of.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str::FromStr;

/// Why a line of a recording cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// It ends before all is said.
    Ends,
    /// It goes on after all is said.
    TooLong,
    /// A number, an address or a word is not what should stand there.
    Word,
    /// Data is neither in quotes nor hexadecimal.
    Data,
    /// It is of no kind that is known.
    Kind,
    /// No machine of this name is known.
    Machine,
    /// The machine has no such local call.
    Call,
    /// The program had a part in what the machine did that is not in the recording.
    NotRecorded,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ends => "the line ends too early",
            Self::TooLong => "the line goes on too long",
            Self::Word => "a number or word is not what should stand there",
            Self::Data => "data is neither in quotes nor hexadecimal",
            Self::Kind => "the line is of no known kind",
            Self::Machine => "no machine of this name is known",
            Self::Call => "the machine has no such local call",
            Self::NotRecorded => "the program had a part in this that is not recorded",
        })
    }
}

impl core::error::Error for Unreadable {}

/// What is left of a line: words, each after one space.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// The words of a line; it begins with a space, or is empty.
    pub const fn new(line: &'a str) -> Self {
        Self(line)
    }

    /// The next word. What is in quotes is one, with its quotes.
    ///
    /// # Errors
    /// [`Unreadable::Ends`] if there is none.
    pub fn word(&mut self) -> Result<&'a str, Unreadable> {
        let rest = self.0.strip_prefix(' ').ok_or(Unreadable::Ends)?;
        let end = if rest.starts_with('"') { quoted(rest)? } else { rest.find(' ').unwrap_or(rest.len()) };
        let (word, rest) = rest.split_at_checked(end).ok_or(Unreadable::Word)?;
        self.0 = rest;
        Ok(word)
    }

    /// The next word as what [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    /// [`Unreadable::Ends`] and [`Unreadable::Word`].
    pub fn parse<T: FromStr>(&mut self) -> Result<T, Unreadable> {
        self.word()?.parse().map_err(|_| Unreadable::Word)
    }

    /// The next word as [`write_data`] wrote it.
    ///
    /// # Errors
    /// [`Unreadable::Ends`] and [`Unreadable::Data`].
    pub fn data(&mut self) -> Result<Vec<u8>, Unreadable> {
        data(self.word()?)
    }

    /// Nothing is left.
    ///
    /// # Errors
    /// [`Unreadable::TooLong`] if something is.
    pub fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(Unreadable::TooLong) }
    }
}

/// How long the quoted word at the start is.
fn quoted(text: &str) -> Result<usize, Unreadable> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(Unreadable::Ends)
}

/// Writes a word that holds neither spaces nor quotes.
pub fn write_word(line: &mut String, word: impl fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(line, " {word}");
}

/// Writes any bytes as a word: text in quotes, `"so\n"`, if it is ASCII that can be printed, and else `x` with two
/// hexadecimal digits a byte.
pub fn write_data(line: &mut String, data: &[u8]) {
    if data.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')) {
        line.reserve(data.len() + 3);
        line.push_str(" \"");
        for byte in data {
            match byte {
                b'\n' => line.push_str("\\n"),
                b'\r' => line.push_str("\\r"),
                b'\t' => line.push_str("\\t"),
                b'"' | b'\\' => line.extend(['\\', char::from(*byte)]),
                _ => line.push(char::from(*byte)),
            }
        }
        line.push('"');
    } else {
        line.reserve(2 * data.len() + 2);
        line.push_str(" x");
        for byte in data {
            line.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })
                    .map(char::from),
            );
        }
    }
}

/// The bytes of a word that [`write_data`] wrote.
///
/// # Errors
/// [`Unreadable::Data`].
pub fn data(word: &str) -> Result<Vec<u8>, Unreadable> {
    if let Some(text) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let mut data = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            data.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(mark @ (b'"' | b'\\')) => mark,
                    _ => return Err(Unreadable::Data),
                },
                byte => byte,
            });
        }
        return Ok(data);
    }
    let digits = word.strip_prefix('x').ok_or(Unreadable::Data)?.as_bytes();
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<_>>().ok_or(Unreadable::Data)
}

/// FNV-1a with 128 bits: no secret, but no two contents that anybody meets have the same.
pub(super) fn hash(data: &[u8]) -> u128 {
    data.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn any_bytes_are_one_word() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in
            [&b""[..], b"plain", b"a \"b\"\\\r\n\tc", b"\x7f", b"x00", &all, "\u{e9}".as_bytes(), b"\\\\\""]
        {
            let mut line = String::new();
            write_data(&mut line, bytes);
            write_word(&mut line, 17);
            assert!(line.is_ascii() && !line.contains('\n'), "{line}");
            let mut fields = Fields::new(&line);
            assert_eq!(fields.data().as_deref(), Ok(bytes), "{line}");
            assert_eq!(fields.parse(), Ok(17));
            assert_eq!(fields.end(), Ok(()));
        }
    }

    #[test]
    fn what_is_no_word_is_refused() {
        assert_eq!(Fields::new("").word(), Err(Unreadable::Ends));
        assert_eq!(Fields::new(" \"open").word(), Err(Unreadable::Ends));
        assert_eq!(Fields::new(" \"open\\\"").word(), Err(Unreadable::Ends));
        assert_eq!(Fields::new(" 1x").parse::<u8>(), Err(Unreadable::Word));
        for bad in ["", "y00", "x0", "x0g", "xé", "\"", "\"\\q\""] {
            assert_eq!(data(bad), Err(Unreadable::Data), "{bad}");
        }
        assert_eq!(Fields::new(" a").end(), Err(Unreadable::TooLong));
        assert!(!Unreadable::Kind.to_string().is_empty());
    }

    /// From the reference (draft-eastlake-fnv).
    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(b""), OFFSET_BASIS);
        assert_eq!(hash(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(hash(b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
