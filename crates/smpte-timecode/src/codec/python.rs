//! What the original, a Python program, takes for white space and for an integer, and how it quotes text in errors.
//!
//! Its label errors are Python's own texts, sent to the client (sheet B4), so they have to be made here letter by
//! letter: CPython's `str.strip`, `int(text)` and `repr(text)`.

use core::fmt;

/// `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.isspace()`: Unicode's white space and four control characters.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `int(text)`: digits of any script, with a sign, with white space around, with single underscores between digits.
/// `None` where Python raises an error. Numbers beyond 64 bits saturate.
pub(crate) fn int(text: &str) -> Option<i64> {
    // not `strip`: of the ASCII characters, those count here that C takes for white space
    let is_space = |c: char| if c.is_ascii() { matches!(c, '\t'..='\r' | ' ') } else { c.is_whitespace() };
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value = 0_i64;
    let mut after_digit = false;
    for c in digits.chars() {
        match digit(c) {
            Some(digit) => value = value.saturating_mul(10).saturating_add(digit),
            None if c == '_' && after_digit => {}
            None => return None,
        }
        after_digit = c != '_';
    }
    after_digit.then_some(if negative { -value } else { value })
}

/// The value of a decimal digit (Unicode category Nd).
fn digit(c: char) -> Option<i64> {
    if let Some(digit) = c.to_digit(10) {
        return Some(i64::from(digit));
    }
    let c = u32::from(c);
    let at = DECIMAL_ZEROS.partition_point(|&zero| zero <= c).checked_sub(1)?;
    let digit = c - DECIMAL_ZEROS.get(at)?;
    Some(i64::from(digit)).filter(|&digit| digit < 10)
}

/// Code points of the digit zero in the scripts beyond ASCII; the other nine follow each (Unicode 14, as in CPython
/// 3.11).
const DECIMAL_ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0,
    0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
    0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140,
    0x1e2f0, 0x1e950, 0x1fbf0,
];

/// `'%.200R' % text`: the text in quotes, of which at most 200 characters are shown.
pub(crate) struct Repr<'a>(pub(crate) &'a str);

/// How many characters Python shows of the text that is not an integer.
const REPR_LIMIT: usize = 200;

impl fmt::Display for Repr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        let mut out = Limited { f, room: REPR_LIMIT };
        out.put(quote)?;
        for c in self.0.chars() {
            let code = u32::from(c);
            match c {
                '\\' => out.put_all("\\\\")?,
                '\n' => out.put_all("\\n")?,
                '\r' => out.put_all("\\r")?,
                '\t' => out.put_all("\\t")?,
                _ if c == quote => {
                    out.put('\\')?;
                    out.put(c)?;
                }
                _ if is_printable(c) => out.put(c)?,
                _ if code < 0x100 => fmt::write(&mut out, format_args!("\\x{code:02x}"))?,
                _ if code < 0x1_0000 => fmt::write(&mut out, format_args!("\\u{code:04x}"))?,
                _ => fmt::write(&mut out, format_args!("\\U{code:08x}"))?,
            }
            if out.room == 0 {
                return Ok(());
            }
        }
        out.put(quote)
    }
}

/// `str.isprintable()` of one character, but that code points without a character count as printable: they change
/// from one version of Unicode to the next.
fn is_printable(c: char) -> bool {
    let unseen = c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(u32::from(c),
            0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b..=0x200f
            | 0x202a..=0x202e | 0x2060..=0x2064 | 0x2066..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff9..=0xfffb
            | 0x110bd | 0x110cd | 0x13430..=0x13438 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0001
            | 0xe0020..=0xe007f | 0xf_0000..=0x10_ffff);
    !unseen
}

/// Lets so many characters pass.
struct Limited<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    room: usize,
}

impl Limited<'_, '_> {
    fn put(&mut self, c: char) -> fmt::Result {
        if self.room == 0 {
            return Ok(());
        }
        self.room -= 1;
        fmt::Write::write_char(self.f, c)
    }

    fn put_all(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.put(c))
    }
}

impl fmt::Write for Limited<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put_all(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    // every expectation below was taken from CPython 3.11

    #[test]
    fn integers_are_what_python_takes_for_them() {
        for (text, value) in [
            ("0", 0),
            ("007", 7),
            (" 12\t\u{b}", 12),
            ("\u{a0}+5\u{85}", 5),
            ("-1", -1),
            ("1_0", 10),
            ("1_0_0", 100),
            ("\u{661}\u{662}", 12),
            ("\u{ff19}", 9),
            ("\u{1d7ff}", 9),
            ("9".repeat(30).as_str(), i64::MAX),
            ("-99999999999", -99_999_999_999),
        ] {
            assert_eq!(int(text), Some(value), "{text:?}");
        }
        for text in [
            "",
            " ",
            "aa",
            "1.5",
            "_1",
            "1_",
            "1__0",
            "+",
            "--1",
            "+ 1",
            "1 0",
            "0x1",
            "\u{b2}",
            "\u{2160}",
            "1\0",
            "\u{66a}",
            "1\u{1c}",
            "\u{661}\u{1f}",
        ] {
            assert_eq!(int(text), None, "{text:?}");
        }
    }

    #[test]
    fn text_is_quoted_as_python_quotes_it() {
        for (text, repr) in [
            ("aa", "'aa'"),
            ("", "''"),
            ("a'b", "\"a'b\""),
            ("a'b\"", "'a\\'b\"'"),
            ("a\\b", "'a\\\\b'"),
            ("\t\n\r\0\u{7f}", "'\\t\\n\\r\\x00\\x7f'"),
            ("\u{ad}\u{a0}é", "'\\xad\\xa0é'"),
            ("\u{2028}\u{e000}", "'\\u2028\\ue000'"),
            ("\u{e0001}\u{1f600}", "'\\U000e0001\u{1f600}'"),
        ] {
            assert_eq!(Repr(text).to_string(), repr);
        }
        assert_eq!(Repr(&"x".repeat(198)).to_string().len(), 200);
        assert_eq!(Repr(&"x".repeat(5000)).to_string(), "'".to_string() + &"x".repeat(199));
    }
}
