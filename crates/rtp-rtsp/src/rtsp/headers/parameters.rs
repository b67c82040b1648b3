//! `name=value, name="quoted value"` lists, as several headers have them.

use alloc::borrow::Cow;
use alloc::string::String;

/// The pieces of `text` between `separator`s that do not stand in quotes, without white space around them.
pub(crate) fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|b| {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b if b == separator && !quoted => return true,
                _ => {}
            }
            false
        });
        let (piece, after) = match end {
            Some(end) => (text.get(..end)?, text.get(end + 1..)),
            None => (text, None),
        };
        rest = after;
        Some(piece.trim())
    })
}

/// `name=value` pairs; a piece without `=` is a name with an empty value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'a> {
    text: &'a str,
    separator: u8,
}

impl<'a> Parameters<'a> {
    pub(crate) const fn new(text: &'a str, separator: u8) -> Self {
        Self { text, separator }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        split_outside_quotes(self.text, self.separator).filter(|p| !p.is_empty()).map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (name.trim_end(), unquote(value.trim_start()))
        })
    }
}

/// What stands between quotes, `\x` for `x`; text without quotes as it is.
fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"') else {
        return Cow::Borrowed(text);
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    Cow::Owned(out)
}

/// Appends `text` in quotes.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        // A line end would begin another header.
        if c.is_control() {
            continue;
        }
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn quotes_hold_separators() {
        let all: Vec<_> = Parameters::new(r#"a="x, \"y\"",b = c , d"#, b',').iter().collect();
        let expected = [("a", "x, \"y\""), ("b", "c"), ("d", "")];
        assert_eq!(all.iter().map(|(n, v)| (*n, v.as_ref())).collect::<Vec<_>>(), expected);
        let mut out = String::new();
        quote("a\"b\\\r\nc", &mut out);
        assert_eq!(out, r#""a\"b\\c""#);
    }
}
