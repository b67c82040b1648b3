//! The head of a message, checked in one pass; nothing is copied.

use crate::error::HeadError;
use crate::rtsp::{Method, StatusCode, find};

/// More headers than this in one head are refused. The longest seen from real clients has 12.
pub const MAX_HEADERS: usize = 40;

/// Where the parts of a head lie in its bytes. All methods that look something up take those bytes again.
#[derive(Clone, Debug)]
pub struct Head {
    start: Start,
    target: Span,
    headers: [HeaderSpan; MAX_HEADERS],
    count: u8,
    content_length: u32,
}

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `Method SP target SP version`.
    Request(Method, Version),
    /// `version SP code SP phrase`.
    Response(StatusCode, Version),
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `RTSP/1.0`.
    V1,
    /// Any other `RTSP/…`, to be answered with 505.
    Other,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u16,
    len: u16,
}

#[derive(Clone, Copy, Debug, Default)]
struct HeaderSpan {
    name: u16,
    name_len: u8,
    value: Span,
}

impl Head {
    /// Reads a head: `bytes` is all of it, its blank line included or not, at most 65 535 bytes.
    ///
    /// # Errors
    /// When it is not RTSP.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let first_end = find(b'\n', bytes).unwrap_or(bytes.len());
        let first = trim_end(bytes.get(..first_end).unwrap_or_default());
        let (start, target) = start_line(first).ok_or(HeadError::StartLine)?;
        let mut head = Self {
            start,
            target,
            headers: [HeaderSpan::default(); MAX_HEADERS],
            count: 0,
            content_length: 0,
        };
        let mut length = None;
        let mut at = first_end + 1;
        while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
            let end = find(b'\n', rest).unwrap_or(rest.len());
            let line = trim_end(rest.get(..end).unwrap_or_default());
            if line.is_empty() {
                break;
            }
            head.line(line, at)?;
            if let Some(value) = head.last_if(bytes, "content-length") {
                let value = value.ok_or(HeadError::ContentLength)?;
                if length.is_some_and(|before| before != value) {
                    return Err(HeadError::ContentLength);
                }
                length = Some(value);
            }
            at += end + 1;
        }
        head.content_length = length.unwrap_or(0);
        Ok(head)
    }

    /// What the first line says.
    pub const fn start(&self) -> Start {
        self.start
    }

    /// How long the body is.
    pub const fn content_length(&self) -> u32 {
        self.content_length
    }

    /// The target of a request; empty for a response, and if it is not UTF-8.
    pub fn target<'a>(&self, bytes: &'a [u8]) -> &'a str {
        text(bytes, self.target).unwrap_or_default()
    }

    /// The value of the first header of that name, without white space around it.
    pub fn header<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a str> {
        self.all(bytes, name).next()
    }

    /// The values of all headers of that name, in their order; one that is not UTF-8 is left out.
    pub fn all<'a>(&self, bytes: &'a [u8], name: &str) -> impl Iterator<Item = &'a str> {
        self.spans().filter(move |h| h.is_named(bytes, name)).filter_map(move |h| text(bytes, h.value))
    }

    /// All headers in their order.
    pub fn headers<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.spans().filter_map(move |h| {
            let name = Span { start: h.name, len: h.name_len.into() };
            Some((text(bytes, name)?, text(bytes, h.value)?))
        })
    }

    fn spans(&self) -> impl Iterator<Item = &HeaderSpan> {
        self.headers.iter().take(self.count.into())
    }

    fn line(&mut self, line: &[u8], at: usize) -> Result<(), HeadError> {
        let wrong = HeadError::Header { offset: u32::try_from(at).unwrap_or(u32::MAX) };
        if let [b' ' | b'\t', ..] = line {
            // The value of the header before goes on (RFC 2326 §4.2, as in HTTP).
            let count = usize::from(self.count);
            let last = count.checked_sub(1).and_then(|i| self.headers.get_mut(i)).ok_or(wrong)?;
            let end = u16::try_from(at + line.len()).map_err(|_| wrong)?;
            last.value.len = end.saturating_sub(last.value.start);
            return Ok(());
        }
        let colon = find(b':', line).filter(|i| *i > 0).ok_or(wrong)?;
        let (name, value) = line.split_at_checked(colon).ok_or(wrong)?;
        if !name.iter().all(|b| is_token(*b)) {
            return Err(wrong);
        }
        let value = value.get(1..).unwrap_or_default();
        let trimmed = value.trim_ascii_start();
        let entry = self
            .headers
            .get_mut(usize::from(self.count))
            .ok_or(HeadError::TooManyHeaders { limit: LIMIT })?;
        *entry = HeaderSpan {
            name: u16::try_from(at).map_err(|_| wrong)?,
            name_len: u8::try_from(colon).map_err(|_| wrong)?,
            value: Span {
                start: u16::try_from(at + colon + 1 + value.len() - trimmed.len()).map_err(|_| wrong)?,
                len: u16::try_from(trimmed.len()).map_err(|_| wrong)?,
            },
        };
        self.count += 1;
        Ok(())
    }

    /// The value of the header read last as a number, if it has that name.
    fn last_if(&self, bytes: &[u8], name: &str) -> Option<Option<u32>> {
        let last = self.headers.get(usize::from(self.count).checked_sub(1)?)?;
        if !last.is_named(bytes, name) {
            return None;
        }
        let digits = text(bytes, last.value)?;
        Some(if digits.starts_with('+') { None } else { digits.parse().ok() })
    }
}

impl HeaderSpan {
    fn is_named(&self, bytes: &[u8], name: &str) -> bool {
        usize::from(self.name_len) == name.len()
            && bytes
                .get(usize::from(self.name)..)
                .and_then(|b| b.get(..name.len()))
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    }
}

fn start_line(line: &[u8]) -> Option<(Start, Span)> {
    if let Some(rest) = line.strip_prefix(b"RTSP/") {
        let space = find(b' ', rest)?;
        let (version, rest) = rest.split_at_checked(space)?;
        let code = rest.get(1..4)?;
        let ends = rest.get(4).is_none_or(|b| *b == b' ');
        let code = core::str::from_utf8(code).ok()?.parse().ok().filter(|c| (100..1000).contains(c));
        return Some((
            Start::Response(StatusCode(code.filter(|_| ends)?), version_of(version)),
            Span::default(),
        ));
    }
    let first = find(b' ', line)?;
    let last = line.iter().rposition(|b| *b == b' ').filter(|l| *l > first)?;
    let method = line.get(..first).filter(|m| !m.is_empty() && m.iter().all(|b| is_token(*b)))?;
    let version = line.get(last + 1..)?.strip_prefix(b"RTSP/")?;
    let target = line.get(first + 1..last)?;
    if target.iter().any(u8::is_ascii_control) {
        return None;
    }
    let span = Span { start: u16::try_from(first + 1).ok()?, len: u16::try_from(target.len()).ok()? };
    Some((Start::Request(Method::from_token(method), version_of(version)), span))
}

fn version_of(text: &[u8]) -> Version {
    if text == b"1.0" { Version::V1 } else { Version::Other }
}

fn text(bytes: &[u8], span: Span) -> Option<&str> {
    let bytes = bytes.get(usize::from(span.start)..)?.get(..usize::from(span.len))?;
    core::str::from_utf8(bytes).ok()
}

fn trim_end(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

/// RFC 2326 §15.1, `token`.
const fn is_token(b: u8) -> bool {
    b.is_ascii_graphic()
        && !matches!(
            b,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
                | b'{'
                | b'}'
        )
}

const LIMIT: u16 = 40;
const _: () = assert!(LIMIT as usize == MAX_HEADERS);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SETUP: &[u8] = b"SETUP rtsp://h:8554/m/stream=0 RTSP/1.0\r\nTransport: RTP/AVP/UDP;unicast;client_port=1-2\r\nCSeq: 3\r\nuser-AGENT: a\r\nUser-Agent:b \r\n\r\n";

    #[test]
    fn a_request_and_its_headers() {
        let head = Head::parse(SETUP).unwrap();
        assert_eq!(head.start(), Start::Request(Method::Setup, Version::V1));
        assert_eq!(head.target(SETUP), "rtsp://h:8554/m/stream=0");
        assert_eq!(head.header(SETUP, "cseq"), Some("3"));
        assert_eq!(head.all(SETUP, "User-Agent").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(head.header(SETUP, "Session"), None);
    }

    #[test]
    fn responses_line_ends_and_folds() {
        let text = b"RTSP/1.0 454 Session Not Found\nCSeq: 9\nPublic: A,\n\tB\nContent-Length: 5\n\n";
        let head = Head::parse(text).unwrap();
        assert_eq!(head.start(), Start::Response(StatusCode::SESSION_NOT_FOUND, Version::V1));
        assert_eq!(head.content_length(), 5);
        assert_eq!(head.header(text, "public"), Some("A,\n\tB"));
        let text = b"RTSP/2.0 200\r\n\r\n";
        assert_eq!(Head::parse(text).unwrap().start(), Start::Response(StatusCode::OK, Version::Other));
    }

    #[test]
    fn what_is_not_rtsp_is_refused() {
        for text in
            ["", "GET / HTTP/1.1\r\n", "PLAY RTSP/1.0\r\n", "RTSP/1.0 20 OK", "RTSP/1.0 2000", " x RTSP/1.0"]
        {
            assert_eq!(Head::parse(text.as_bytes()).unwrap_err(), HeadError::StartLine, "{text}");
        }
        let bad = |text: &[u8]| Head::parse(text).unwrap_err();
        assert_eq!(bad(b"PLAY * RTSP/1.0\nno header\n"), HeadError::Header { offset: 16 });
        assert_eq!(bad(b"PLAY * RTSP/1.0\n folded\n"), HeadError::Header { offset: 16 });
        assert_eq!(bad(b"PLAY * RTSP/1.0\nContent-Length: -1\n"), HeadError::ContentLength);
        assert_eq!(bad(b"PLAY * RTSP/1.0\nContent-Length: 1\nContent-Length: 2\n"), HeadError::ContentLength);
        let many = [b"PLAY * RTSP/1.0\n".to_vec(), b"A: b\n".repeat(41)].concat();
        assert_eq!(bad(&many), HeadError::TooManyHeaders { limit: 40 });
    }
}
