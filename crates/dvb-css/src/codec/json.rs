//! Reading and writing JSON (RFC 8259) property by property, so that one bad property is named, numbers of any length are
//! kept, and private objects are passed on as they came.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::config::{MAX_DEPTH, MAX_TIMELINES, MAX_URL};
use crate::message::{Field, Private};
use crate::{DecodeError, Ratio};

/// The members of a JSON object. Of two with the same name the last counts.
pub(super) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads text that has to be one object.
    pub(super) fn parse(text: &'a str) -> Result<Self, DecodeError> {
        check_depth(text)?;
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if !raw.get().starts_with('{') => Err(DecodeError::NotAnObject),
            Ok(raw) => serde_json::from_str(raw.get()).map(Self).map_err(|e| syntax(text, &e)),
            Err(error) => Err(syntax(text, &error)),
        }
    }

    /// An object inside another, whose text is known to be JSON.
    fn nested(text: &'a str, property: &'static str) -> Result<Self, DecodeError> {
        serde_json::from_str(text).map(Self).map_err(|_| DecodeError::Value { property })
    }

    /// A member as its text; `null` counts as one.
    pub(super) fn raw(&self, property: &str) -> Option<&'a str> {
        self.0.get(property).map(|raw| raw.get())
    }

    /// Whether a member is there and not null.
    pub(super) fn some(&self, property: &str) -> Option<&'a str> {
        self.raw(property).filter(|raw| *raw != "null")
    }

    /// A member that may be absent or null, read by `read`, which gets its text.
    pub(super) fn field<T>(
        &self,
        property: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Field<T>, DecodeError> {
        match self.raw(property) {
            None => Ok(Field::Absent),
            Some("null") => Ok(Field::Null),
            Some(raw) => read(raw).map(Field::Value).ok_or(DecodeError::Value { property }),
        }
    }

    /// A member that has to be there.
    pub(super) fn required(&self, property: &'static str) -> Result<&'a str, DecodeError> {
        self.raw(property).ok_or(DecodeError::Missing { property })
    }

    /// A member that has to be an object.
    pub(super) fn object(&self, property: &'static str) -> Result<Object<'a>, DecodeError> {
        Object::nested(self.required(property)?, property)
    }
}

/// A string.
pub(super) fn string(raw: &str) -> Option<String> {
    if raw.starts_with('"') { serde_json::from_str(raw).ok() } else { None }
}

/// A string no longer than a URL may be.
pub(super) fn url(raw: &str) -> Option<String> {
    string(raw).filter(|s| s.len() <= MAX_URL)
}

/// The elements of an array.
pub(super) fn elements(raw: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw).ok().filter(|_| raw.starts_with('['))?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The members of an element that has to be an object.
pub(super) fn element_object<'a>(raw: &'a str, property: &'static str) -> Result<Object<'a>, DecodeError> {
    Object::nested(raw, property)
}

/// Objects with a `type`.
pub(super) fn privates(raw: &str) -> Option<Vec<Private>> {
    let elements = elements(raw).filter(|all| all.len() <= MAX_TIMELINES)?;
    elements.into_iter().map(private).collect()
}

fn private(raw: &str) -> Option<Private> {
    let object = Object::nested(raw, "private").ok()?;
    object.raw("type").and_then(string).map(|_| Private(raw.into()))
}

/// A whole number that is at least 1.
pub(super) fn positive(raw: &str) -> Option<u64> {
    raw.parse().ok().filter(|n| *n > 0)
}

/// A number, exactly.
pub(super) fn number(raw: &str) -> Option<Ratio> {
    raw.parse().ok()
}

/// A whole number as a decimal string: `0`, or an optional minus and digits of which the first is not 0.
///
/// QUIRK(CCMA): its programs write JSON numbers instead, as do parts of ORB; those are read too.
pub(super) fn integer(raw: &str) -> Option<i128> {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = quoted.unwrap_or(raw);
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let canonical = digits == "0" || (!unsigned.is_empty() && !unsigned.starts_with('0'));
    if !canonical || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Finds arrays and objects nested too deep before anything else looks at the text.
fn check_depth(text: &str) -> Result<(), DecodeError> {
    let (mut depth, mut in_string, mut escaped) = (0_u16, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                    return Err(DecodeError::TooDeep { offset, limit: MAX_DEPTH });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn syntax(text: &str, error: &serde_json::Error) -> DecodeError {
    let before = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let offset = if error.is_eof() { text.len() } else { before + error.column().saturating_sub(1) };
    DecodeError::Syntax { offset: u32::try_from(offset).unwrap_or(u32::MAX) }
}

/// Writes one JSON object, member by member.
pub(super) struct Writer {
    text: String,
    is_first: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { text: String::from("{"), is_first: true }
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        if !core::mem::replace(&mut self.is_first, false) {
            self.text.push(',');
        }
        push_string(&mut self.text, name);
        self.text.push(':');
        self.text.push_str(json);
    }

    /// A member whose value is text.
    pub(super) fn string(&mut self, name: &str, value: &str) {
        let mut json = String::with_capacity(value.len() + 2);
        push_string(&mut json, value);
        self.raw(name, &json);
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// Several values as an array.
pub(super) fn array<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("[");
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(value);
    }
    text.push(']');
    text
}

fn push_string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let code = u32::from(c);
                out.push_str("\\u00");
                for digit in [code >> 4, code & 15] {
                    out.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_placed() {
        let fault = |text: &str| Object::parse(text).err();
        assert_eq!(fault("{\"a\":1}"), None);
        assert_eq!(fault(""), Some(DecodeError::Syntax { offset: 0 }));
        assert_eq!(fault("{\"a\":x}"), Some(DecodeError::Syntax { offset: 5 }));
        assert_eq!(fault("{\"a\":\n x}"), Some(DecodeError::Syntax { offset: 7 }));
        assert_eq!(fault("{\"a\":1"), Some(DecodeError::Syntax { offset: 6 }));
        assert_eq!(fault("[]"), Some(DecodeError::NotAnObject));
        assert_eq!(fault("5"), Some(DecodeError::NotAnObject));
        assert_eq!(fault("{} x"), Some(DecodeError::Syntax { offset: 3 }));
        let deep = |n: usize| "{\"a\":".repeat(n) + "1" + &"}".repeat(n);
        assert_eq!(fault(&deep(32)), None);
        assert_eq!(fault(&deep(33)), Some(DecodeError::TooDeep { offset: 160, limit: 32 }));
        assert_eq!(fault("{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\":1}"), None, "in a string");
        let many = "[".repeat(60_000);
        assert_eq!(fault(&many), Some(DecodeError::TooDeep { offset: 32, limit: 32 }));
    }

    #[test]
    fn strings_are_escaped_as_json_wants_it() {
        let mut w = Writer::new();
        let odd = "\" \\ \u{1}\n\u{7f} \u{1f600}";
        w.string(odd, odd);
        let text = w.finish();
        assert_eq!(Object::parse(&text).unwrap().raw(odd).and_then(string).as_deref(), Some(odd));
    }
}
