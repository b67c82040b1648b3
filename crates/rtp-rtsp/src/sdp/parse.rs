//! Reading.

use alloc::string::{String, ToString};

use super::{Attribute, Description, Media};
use crate::error::SdpError;

/// Longer descriptions are refused, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// More media are refused.
pub const MAX_MEDIA: usize = 16;

impl Description {
    /// Reads a description; lines may end in LF alone.
    ///
    /// # Errors
    /// When it does not begin with `v=0`, when a line is not `x=value`, and beyond [`MAX_BYTES`] or [`MAX_MEDIA`].
    /// Values that are not UTF-8 (RFC 8866 allows other character sets) are read with replacement characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > MAX_BYTES {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return Err(SdpError::TooLong { length, limit: u32::try_from(MAX_BYTES).unwrap_or(u32::MAX) });
        }
        let text = String::from_utf8_lossy(bytes);
        let mut out = Self::default();
        let mut versioned = false;
        for (line, number) in text.lines().map(|l| l.trim_end_matches('\r')).zip(1..) {
            if line.is_empty() {
                continue;
            }
            let wrong = SdpError::Line { line: number };
            let Some((letter, value)) = split(line) else {
                return Err(if versioned { wrong } else { SdpError::Version });
            };
            if !versioned {
                if (letter, value.trim()) != ('v', "0") {
                    return Err(SdpError::Version);
                }
                versioned = true;
                continue;
            }
            match (letter, out.media.last_mut()) {
                ('m', _) => {
                    if out.media.len() >= MAX_MEDIA {
                        let limit = u16::try_from(MAX_MEDIA).unwrap_or(u16::MAX);
                        return Err(SdpError::TooManyMedia { limit });
                    }
                    out.media.push(media(value).ok_or(wrong)?);
                }
                ('a', Some(media)) => media.attributes.push(attribute(value)),
                ('a', None) => out.attributes.push(attribute(value)),
                (letter, Some(media)) => media.lines.push((letter, value.to_string())),
                ('o', None) => out.origin = value.to_string(),
                ('s', None) => out.name = value.to_string(),
                (letter, None) => out.lines.push((letter, value.to_string())),
            }
        }
        if versioned { Ok(out) } else { Err(SdpError::Version) }
    }
}

fn split(line: &str) -> Option<(char, &str)> {
    let (letter, value) = line.split_once('=')?;
    let mut chars = letter.chars();
    let letter = chars.next().filter(char::is_ascii_lowercase)?;
    chars.next().is_none().then_some((letter, value))
}

fn attribute(text: &str) -> Attribute {
    match text.split_once(':') {
        Some((name, value)) => Attribute::new(name, value),
        None => Attribute::flag(text),
    }
}

/// `video 0 RTP/AVP 96 97`; `0/2` is a port and how many of them.
fn media(text: &str) -> Option<Media> {
    let mut words = text.split_ascii_whitespace();
    let kind = words.next()?.to_string();
    let port = words.next()?.split('/').next()?.parse().ok()?;
    let protocol = words.next()?.to_string();
    let formats: alloc::vec::Vec<String> = words.map(ToString::to_string).collect();
    (!formats.is_empty()).then_some(Media { kind, port, protocol, formats, ..Media::default() })
}
