//! Writing.

use alloc::string::String;
use core::fmt::Write;

use super::{Attribute, Description, Media};

impl Description {
    /// The description as text, with CRLF; line ends within values are left out, so that no value makes a line.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(256 + self.media.len() * 256);
        line(&mut out, 'v', "0");
        line(&mut out, 'o', if self.origin.is_empty() { "- 0 0 IN IP4 0.0.0.0" } else { &self.origin });
        line(&mut out, 's', if self.name.is_empty() { "-" } else { &self.name });
        for (letter, value) in &self.lines {
            line(&mut out, *letter, value);
        }
        if !self.lines.iter().any(|(letter, _)| *letter == 't') {
            line(&mut out, 't', "0 0");
        }
        for attribute in &self.attributes {
            attribute.write(&mut out);
        }
        for media in &self.media {
            media.write(&mut out);
        }
        out
    }
}

impl Media {
    fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "m={} {} {}", clean(&self.kind), self.port, clean(&self.protocol));
        for format in &self.formats {
            out.push(' ');
            out.push_str(&clean(format));
        }
        out.push_str("\r\n");
        for (letter, value) in &self.lines {
            line(out, *letter, value);
        }
        for attribute in &self.attributes {
            attribute.write(out);
        }
    }
}

impl Attribute {
    fn write(&self, out: &mut String) {
        out.push_str("a=");
        out.push_str(&clean(&self.name));
        if let Some(value) = &self.value {
            out.push(':');
            out.push_str(&clean(value));
        }
        out.push_str("\r\n");
    }
}

fn line(out: &mut String, letter: char, value: &str) {
    out.push(letter);
    out.push('=');
    out.push_str(&clean(value));
    out.push_str("\r\n");
}

fn clean(text: &str) -> alloc::borrow::Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        alloc::borrow::Cow::Owned(text.replace(['\r', '\n'], ""))
    } else {
        alloc::borrow::Cow::Borrowed(text)
    }
}
