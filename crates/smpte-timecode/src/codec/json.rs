//! Reading and writing JSON (RFC 8259) without a tree.
//!
//! `serde_json` says whether a text is JSON at all; walking over text that is known to be JSON is then a matter of
//! finding commas. Nothing here recurses, so nothing a peer nests can exhaust the stack.

use alloc::borrow::Cow;
use alloc::string::String;

use bytes::{BufMut, BytesMut};
use serde_json::value::RawValue;

use crate::DecodeError;
use crate::message::Ratio;

/// How many arrays and objects may stand in one another. The original gives up where Python's recursion limit of 1000
/// calls is reached, which its own callers have used a little of (CPython 3.11: 985 is read, 986 is not).
pub(crate) const MAX_DEPTH: u16 = 985;

/// One JSON value, as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// With its quotes and escapes.
    String(&'a str),
    /// A number.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    Null,
    /// An array with its brackets.
    Array(&'a str),
    /// An object with its braces.
    Object(&'a str),
}

impl<'a> Value<'a> {
    /// Checks that `text` is one JSON value.
    pub(crate) fn parse(text: &'a str) -> Result<Self, DecodeError> {
        let Some(deep) = first_too_deep(text.as_bytes()) else {
            return check(text).map(Self::of);
        };
        // What is wrong first in reading order counts.
        match text.get(..deep).map(check) {
            Some(Err(DecodeError::Syntax { offset })) if to_usize(offset) < deep => {
                Err(DecodeError::Syntax { offset })
            }
            _ => Err(DecodeError::TooDeep { offset: to_u32(deep), limit: MAX_DEPTH }),
        }
    }

    /// Sorts text that is known to be one value, and nothing around it.
    fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::String(text),
            Some(b'[') => Self::Array(text),
            Some(b'{') => Self::Object(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(text),
        }
    }

    /// The text of a string.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(quoted) => Some(unescape(quoted)),
            _ => None,
        }
    }

    /// An integer that fits.
    pub(crate) fn integer<T: core::str::FromStr>(self) -> Option<T> {
        match self {
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(crate) fn bool(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of an array; none of anything else.
    pub(crate) fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = match self {
            Self::Array(text) => inner(text),
            _ => "",
        };
        core::iter::from_fn(move || next_value(&mut rest))
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(self) -> Members<'a> {
        match self {
            Self::Object(text) => Members(inner(text)),
            _ => Members(""),
        }
    }
}

/// The members of an object that are still to come.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((next_value(&mut self.0)?.text()?, next_value(&mut self.0)?))
    }
}

/// One JSON value without the space around it, or the place of the first fault.
fn check(text: &str) -> Result<&str, DecodeError> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Ok(raw.get()),
        Err(error) => {
            let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
            let offset = lines_before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
            Err(DecodeError::Syntax { offset: to_u32(if error.is_eof() { text.len() } else { offset }) })
        }
    }
}

/// The place of the first bracket that is one too many.
fn first_too_deep(text: &[u8]) -> Option<usize> {
    if text.len() <= usize::from(MAX_DEPTH) {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    text.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > usize::from(MAX_DEPTH)
    })
}

/// Takes the next value off the front, with the comma or colon before it.
fn next_value<'a>(rest: &mut &'a str) -> Option<Value<'a>> {
    let between = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
    let begins = rest.bytes().position(|b| !between(&b))?;
    let text = rest.get(begins..)?;
    let (value, after) = text.split_at_checked(value_len(text.as_bytes()))?;
    *rest = after;
    Some(Value::of(value))
}

/// Bytes of the value that `text` begins with.
fn value_len(text: &[u8]) -> usize {
    let len = match text.first() {
        Some(b'"') => string_len(text),
        Some(b'[' | b'{') => bracketed_len(text),
        // a number or a word
        _ => text.iter().position(|b| matches!(b, b',' | b' ' | b'\t' | b'\n' | b'\r')),
    };
    len.unwrap_or(text.len())
}

/// Bytes of the string that `text` begins with.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let last = text.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    last.map(|at| at + 2)
}

/// Bytes of the array or object that `text` begins with.
fn bracketed_len(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let last = text.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    last.map(|at| at + 1)
}

/// What stands between the first and the last character.
fn inner(text: &str) -> &str {
    let end = text.len().saturating_sub(1);
    text.get(1..end).unwrap_or_default()
}

/// The text of a string that stands in quotes and is known to be JSON. Half a surrogate pair, which Python lets pass
/// and no UTF-8 can hold, becomes U+FFFD.
fn unescape(quoted: &str) -> Cow<'_, str> {
    let mut rest = inner(quoted);
    if !rest.contains('\\') {
        return Cow::Borrowed(rest);
    }
    let mut text = String::with_capacity(rest.len());
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut after = escape.chars();
        text.push(match after.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (unit, tail) = code_unit(after.as_str());
                after = tail.chars();
                let pair = tail.strip_prefix("\\u").map(code_unit);
                let (c, tail) = match (unit, pair) {
                    (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, tail))) => {
                        (0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), tail)
                    }
                    _ => (unit, tail),
                };
                after = if tail.len() < after.as_str().len() { tail.chars() } else { after };
                char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(c) => c,
            None => break,
        });
        rest = after.as_str();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Four hexadecimal digits, and what follows.
fn code_unit(text: &str) -> (u32, &str) {
    let (digits, tail) = text.split_at_checked(4).unwrap_or((text, ""));
    (u32::from_str_radix(digits, 16).unwrap_or(0xfffd), tail)
}

/// Writes one object the way Python's `json.dumps` does: `, ` and `: ` between things, ASCII only.
pub(crate) struct ObjectWriter<'o> {
    out: &'o mut BytesMut,
    empty: bool,
}

impl<'o> ObjectWriter<'o> {
    pub(crate) fn new(out: &'o mut BytesMut) -> Self {
        out.put_u8(b'{');
        Self { out, empty: true }
    }

    fn key(&mut self, key: &'static str) -> &mut BytesMut {
        if !self.empty {
            self.out.put_slice(b", ");
        }
        self.empty = false;
        self.out.put_u8(b'"');
        self.out.put_slice(key.as_bytes());
        self.out.put_slice(b"\": ");
        self.out
    }

    pub(crate) fn string(mut self, key: &'static str, text: &str) -> Self {
        put_string(self.key(key), text);
        self
    }

    /// A string, or `null`.
    pub(crate) fn string_or_null(self, key: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.string(key, text),
            None => self.raw(key, "null"),
        }
    }

    /// Something that is JSON already.
    pub(crate) fn raw(mut self, key: &'static str, json: &str) -> Self {
        self.key(key).put_slice(json.as_bytes());
        self
    }

    pub(crate) fn bool(self, key: &'static str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(crate) fn unsigned(mut self, key: &'static str, value: u64) -> Self {
        put_unsigned(self.key(key), value);
        self
    }

    pub(crate) fn signed(mut self, key: &'static str, value: i64) -> Self {
        let out = self.key(key);
        if value < 0 {
            out.put_u8(b'-');
        }
        put_unsigned(out, value.unsigned_abs());
        self
    }

    /// `num/den` in quotes.
    pub(crate) fn ratio(mut self, key: &'static str, rate: Ratio) -> Self {
        let out = self.key(key);
        out.put_u8(b'"');
        put_unsigned(out, u64::from(rate.num.get()));
        out.put_u8(b'/');
        put_unsigned(out, u64::from(rate.den.get()));
        out.put_u8(b'"');
        self
    }

    /// An array, each element written by `put`.
    pub(crate) fn array<T>(
        mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut put: impl FnMut(&mut BytesMut, T),
    ) -> Self {
        let out = self.key(key);
        out.put_u8(b'[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                out.put_slice(b", ");
            }
            put(out, item);
        }
        out.put_u8(b']');
        self
    }

    pub(crate) fn end(self) {
        self.out.put_u8(b'}');
    }
}

/// A string with its quotes.
pub(crate) fn put_string(out: &mut BytesMut, text: &str) {
    out.put_u8(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| !matches!(b, b' '..=b'~') || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.put_slice(plain.as_bytes());
        let mut chars = special.chars();
        if let Some(c) = chars.next() {
            put_escape(out, c);
        }
        rest = chars.as_str();
    }
    out.put_slice(rest.as_bytes());
    out.put_u8(b'"');
}

fn put_escape(out: &mut BytesMut, c: char) {
    match c {
        '"' => out.put_slice(b"\\\""),
        '\\' => out.put_slice(b"\\\\"),
        '\n' => out.put_slice(b"\\n"),
        '\r' => out.put_slice(b"\\r"),
        '\t' => out.put_slice(b"\\t"),
        '\u{8}' => out.put_slice(b"\\b"),
        '\u{c}' => out.put_slice(b"\\f"),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.put_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = char::from_digit(u32::from(*unit) >> shift & 0xf, 16).unwrap_or('0');
                    out.put_slice(digit.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }
}

pub(crate) fn put_unsigned(out: &mut BytesMut, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.put_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn strings_are_written_as_python_writes_them() {
        let mut out = BytesMut::new();
        put_string(&mut out, "a\"\\/\n\r\t\u{8}\u{c}\u{1}\u{7f}é\u{1f600}\u{2028}");
        assert_eq!(out, r#""a\"\\/\n\r\t\b\f\u0001\u007f\u00e9\ud83d\ude00\u2028""#);
        let mut out = BytesMut::new();
        put_unsigned(&mut out, u64::MAX);
        put_unsigned(&mut out, 0);
        ObjectWriter::new(&mut out).signed("a", i64::MIN).string_or_null("b", None).end();
        assert_eq!(out, r#"184467440737095516150{"a": -9223372036854775808, "b": null}"#);
    }

    #[test]
    fn strings_are_read_with_every_escape() {
        for (json, text) in [
            (r#""""#, ""),
            (r#""plain é""#, "plain é"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9x\ud83d\ude00y""#, "éx\u{1f600}y"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(Value::parse(json).unwrap().text().as_deref(), Some(text), "{json}");
        }
    }

    #[test]
    fn values_are_walked_over() {
        let json = r#" { "a" : [1, -2.5e3 ,"x,]\"" , {"b":[ ]} , null,true ] ,"c":{"}":"{"},"\u0064":false , "e":7} "#;
        let object = Value::parse(json).unwrap();
        let members: Vec<_> = object.members().collect();
        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["a", "c", "d", "e"]);
        let elements: Vec<_> = members[0].1.elements().collect();
        assert_eq!(
            elements,
            [
                Value::Number("1"),
                Value::Number("-2.5e3"),
                Value::String(r#""x,]\"""#),
                Value::Object(r#"{"b":[ ]}"#),
                Value::Null,
                Value::Bool(true)
            ]
        );
        assert_eq!(members[1].1, Value::Object(r#"{"}":"{"}"#));
        assert_eq!(members[2].1.bool(), Some(false));
        assert_eq!(members[3].1.integer(), Some(7_u8));
        assert_eq!(members[3].1.elements().count(), 0);
        assert_eq!(Value::parse("[]").unwrap().elements().count(), 0);
        assert_eq!(Value::parse("{ }").unwrap().members().count(), 0);
    }

    #[test]
    fn the_first_fault_in_reading_order_counts() {
        let limit = usize::from(MAX_DEPTH);
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(matches!(Value::parse(&nested(limit)), Ok(Value::Array(_))));
        let too_deep = Err(DecodeError::TooDeep { offset: 985, limit: MAX_DEPTH });
        assert_eq!(Value::parse(&nested(limit + 1)), too_deep);
        assert_eq!(Value::parse(&"[".repeat(60_000)), too_deep);
        assert_eq!(Value::parse(&"[".repeat(500)), Err(DecodeError::Syntax { offset: 500 }));
        assert_eq!(
            Value::parse(&("[,".repeat(2) + &"[".repeat(2000))),
            Err(DecodeError::Syntax { offset: 1 })
        );
        assert!(matches!(Value::parse(&alloc::format!("\"{}\"", "[".repeat(60_000))), Ok(Value::String(_))));
        assert!(matches!(
            Value::parse(&alloc::format!("[{}]", "[],".repeat(9_000) + "1")),
            Ok(Value::Array(_))
        ));
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        for wrong in [
            "",
            " ",
            "NaN",
            "-Infinity",
            "{'a': 1}",
            "{\"a\": NaN}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1 2",
            "tru",
            "\u{feff}{}",
            "\"\u{1}\"",
        ] {
            assert!(matches!(Value::parse(wrong), Err(DecodeError::Syntax { .. })), "{wrong:?}");
        }
    }

    /// Any JSON, as a tree.
    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(".{0,4}", inner, 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn same(found: Value<'_>, tree: &serde_json::Value) -> bool {
        match (found, tree) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == *b,
            (Value::Number(_), serde_json::Value::Number(b)) => found.integer() == b.as_i64(),
            (Value::String(_), serde_json::Value::String(b)) => found.text().as_deref() == Some(b),
            (Value::Array(_), serde_json::Value::Array(b)) => {
                found.elements().count() == b.len() && found.elements().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(_), serde_json::Value::Object(b)) => {
                let alike = |((k, v), (key, value)): ((Cow<'_, str>, Value<'_>), (&String, _))| {
                    k == *key && same(v, value)
                };
                found.members().count() == b.len() && found.members().zip(b).all(alike)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_another_writer_writes_is_read_alike(tree in tree(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
            prop_assert!(same(Value::parse(&json).unwrap(), &tree), "{json}");
        }

        #[test]
        fn what_we_write_is_read_alike_by_another(text in ".{0,40}", value: i64) {
            let mut out = BytesMut::new();
            ObjectWriter::new(&mut out).string("text", &text).signed("value", value).end();
            prop_assert!(out.is_ascii());
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, serde_json::json!({ "text": text, "value": value }));
        }

        #[test]
        fn no_text_does_harm(text in ".{0,200}") {
            if let Ok(value) = Value::parse(&text) {
                value.members().for_each(drop);
                value.elements().for_each(drop);
            }
        }
    }
}
