//! Reading and writing JSON objects (RFC 8259) key by key.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};
use serde_json::value::RawValue;

use super::{Form, JsonScanner, Style};
use crate::number::float_text;
use crate::{DecodeError, UnixTime};

/// The members of one object, values as text. Of a key that comes twice the last counts.
#[derive(Debug)]
pub(crate) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads an object and nothing else but white space around it.
    pub(crate) fn parse_bytes(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = core::str::from_utf8(bytes)
            .map_err(|e| DecodeError::Utf8 { offset: u32::try_from(e.valid_up_to()).unwrap_or(u32::MAX) })?;
        Self::parse(text)
    }

    /// The same from text.
    pub(crate) fn parse(text: &'a str) -> Result<Self, DecodeError> {
        let trimmed = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\r' | '\n'));
        let before = text.len().saturating_sub(text.trim_start().len());
        // Depth first: the parser below has its own limit, which is not ours.
        match JsonScanner::new().scan(trimmed.as_bytes()) {
            Ok(Some(end)) if end == trimmed.len() => {}
            Err(error @ DecodeError::TooDeep { .. }) => return Err(error),
            Ok(Some(end)) => return Err(syntax(before.saturating_add(end))),
            Ok(None) => return Err(syntax(text.len())),
            Err(_) => return Err(syntax(before)),
        }
        serde_json::from_str(trimmed).map(Self).map_err(|error| {
            let lines = trimmed.split_inclusive('\n').take(error.line().saturating_sub(1));
            let at = lines.map(str::len).sum::<usize>().saturating_add(error.column().saturating_sub(1));
            syntax(before.saturating_add(at))
        })
    }

    /// The text of a value that is there and not null.
    fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|v| v.get()).filter(|text| *text != "null")
    }

    /// Whether the key is there, null or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn has_value(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    pub(crate) fn text(&self, key: &'static str) -> Result<Option<String>, DecodeError> {
        self.value(key, |raw| serde_json::from_str(raw).ok())
    }

    pub(crate) fn time(&self, key: &'static str) -> Result<Option<UnixTime>, DecodeError> {
        self.value(key, UnixTime::parse)
    }

    /// A whole number from 0 to 2^63 - 1.
    pub(crate) fn size(&self, key: &'static str) -> Result<Option<u64>, DecodeError> {
        self.value(key, |raw| raw.parse().ok().filter(|n| i64::try_from(*n).is_ok()))
    }

    pub(crate) fn number(&self, key: &'static str) -> Result<Option<f64>, DecodeError> {
        self.value(key, |raw| raw.parse().ok().filter(|n: &f64| n.is_finite()))
    }

    pub(crate) fn bool(&self, key: &'static str) -> Result<Option<bool>, DecodeError> {
        self.value(key, |raw| raw.parse().ok())
    }

    /// A member that is an object itself.
    pub(crate) fn object(&self, key: &str) -> Option<Object<'a>> {
        Object::parse(self.raw(key)?).ok()
    }

    /// The objects of an array; what is there beside objects is passed over. `None`: no array.
    pub(crate) fn objects(&self, key: &str) -> Option<Vec<Object<'a>>> {
        let values: Vec<&RawValue> = serde_json::from_str(self.raw(key)?).ok()?;
        Some(values.into_iter().filter_map(|v| Object::parse(v.get()).ok()).collect())
    }

    fn value<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        self.raw(key).map(|raw| read(raw).ok_or(DecodeError::BadField { field: key })).transpose()
    }
}

fn syntax(offset: usize) -> DecodeError {
    DecodeError::Syntax { offset: u32::try_from(offset).unwrap_or(u32::MAX) }
}

/// Writes one object in the manner of a style.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut BytesMut,
    form: Form,
    empty: bool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut BytesMut, form: Form) -> Self {
        out.put_u8(b'{');
        Self { out, form, empty: true }
    }

    fn key(&mut self, key: &'static str) -> &mut BytesMut {
        let compact = self.form.style != Style::Python;
        if !self.empty {
            self.out.put_slice(if compact { b"," } else { b", " });
        }
        self.empty = false;
        self.out.put_u8(b'"');
        self.out.put_slice(key.as_bytes());
        self.out.put_slice(if compact { b"\":" } else { b"\": " });
        self.out
    }

    /// A key that one manner writes as null and the others leave out.
    fn null(mut self, key: &'static str) -> Self {
        if self.form.style == Style::Python {
            self.key(key).put_slice(b"null");
        }
        self
    }

    fn raw(mut self, key: &'static str, json: &str) -> Self {
        self.key(key).put_slice(json.as_bytes());
        self
    }

    pub(crate) fn text(mut self, key: &'static str, text: &str) -> Self {
        let style = self.form.style;
        put_string(self.key(key), text, style);
        self
    }

    pub(crate) fn text_or_null(self, key: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    pub(crate) fn time(self, key: &'static str, time: UnixTime) -> Self {
        let text = time.to_text(self.form.style);
        self.raw(key, &text)
    }

    pub(crate) fn time_or_null(self, key: &'static str, time: Option<UnixTime>) -> Self {
        match time {
            Some(time) => self.time(key, time),
            None => self.null(key),
        }
    }

    pub(crate) fn size(self, key: &'static str, size: u64) -> Self {
        let text = alloc::format!("{size}");
        self.raw(key, &text)
    }

    pub(crate) fn size_or_null(self, key: &'static str, size: Option<u64>) -> Self {
        match size {
            Some(size) => self.size(key, size),
            None => self.null(key),
        }
    }

    pub(crate) fn number(self, key: &'static str, number: f64) -> Self {
        let text = float_text(number, self.form.style);
        self.raw(key, &text)
    }

    pub(crate) fn number_or_null(self, key: &'static str, number: Option<f64>) -> Self {
        match number {
            Some(number) => self.number(key, number),
            None => self.null(key),
        }
    }

    pub(crate) fn bool(self, key: &'static str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(crate) fn null_always(self, key: &'static str) -> Self {
        self.null(key)
    }

    /// An array of objects.
    pub(crate) fn array<T>(
        mut self,
        key: &'static str,
        items: &[T],
        mut put: impl FnMut(&T, Form, &mut BytesMut),
    ) -> Self {
        let form = self.form;
        let out = self.key(key);
        out.put_u8(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.put_slice(if form.style == Style::Python { b", " } else { b"," });
            }
            put(item, form, out);
        }
        out.put_u8(b']');
        self
    }

    /// An object in the object.
    pub(crate) fn object(mut self, key: &'static str, put: impl FnOnce(Form, &mut BytesMut)) -> Self {
        let form = self.form;
        put(form, self.key(key));
        self
    }

    /// More members if there is something to write them from.
    pub(crate) fn maybe<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self,
        }
    }

    pub(crate) fn end(self) {
        self.out.put_u8(b'}');
    }
}

/// A string with its quotes.
fn put_string(out: &mut BytesMut, text: &str, style: Style) {
    out.put_u8(b'"');
    let mut utf8 = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.put_slice(b"\\\""),
            '\\' => out.put_slice(b"\\\\"),
            '\n' => out.put_slice(b"\\n"),
            '\r' => out.put_slice(b"\\r"),
            '\t' => out.put_slice(b"\\t"),
            '\u{8}' => out.put_slice(b"\\b"),
            '\u{c}' => out.put_slice(b"\\f"),
            '/' if style == Style::Swift => out.put_slice(b"\\/"),
            c if escaped(c, style) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.put_slice(alloc::format!("\\u{unit:04x}").as_bytes());
                }
            }
            c => out.put_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    out.put_u8(b'"');
}

fn escaped(c: char, style: Style) -> bool {
    match style {
        Style::Python => !matches!(c, ' '..='~'),
        Style::Gson => c < ' ' || matches!(c, '<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}'),
        Style::Swift => c < ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, style: Style) -> String {
        let mut out = BytesMut::new();
        put_string(&mut out, text, style);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn strings() {
        let name = "vidéo \"1\"\\\n/ü😀.mp4";
        let python = r#""vid\u00e9o \"1\"\\\n/\u00fc\ud83d\ude00.mp4""#;
        assert_eq!(written(name, Style::Python), python);
        assert_eq!(
            written("a<b>&=' \u{7f}/", Style::Gson),
            "\"a\\u003cb\\u003e\\u0026\\u003d\\u0027 \u{7f}/\""
        );
        assert_eq!(written("é/", Style::Swift), "\"é\\/\"");
        assert_eq!(written("\u{7f}\u{1}", Style::Python), "\"\\u007f\\u0001\"");
    }

    #[test]
    fn what_is_not_an_object() {
        for text in ["", "[]", "1", "{", "{}x", "{} {}", "{\"a\": NaN}", "{\"a\" 1}", "{\"a\": 1]", "nullx{}"]
        {
            assert!(Object::parse(text).is_err(), "{text}");
        }
        let deep = alloc::format!("{{\"a\": {}{}}}", "[".repeat(15), "]".repeat(15));
        assert!(Object::parse(&deep).is_ok());
        let deeper = alloc::format!("{{\"a\": {}{}}}", "[".repeat(16), "]".repeat(16));
        assert_eq!(Object::parse(&deeper).err(), Some(DecodeError::TooDeep { limit: 16 }));
        assert_eq!(Object::parse("{\"a\": x}").err(), Some(DecodeError::Syntax { offset: 6 }));
        assert!(Object::parse("{\"a\": 1, \"a\": 2}").is_ok_and(|o| o.size("a") == Ok(Some(2))));
    }
}
