//! Requests and replies of the classroom dialect: RTSP as a well-known networking exercise has it, in all the forms in
//! which its public copies write it.
//!
//! ```text
//! A  SETUP movie.Mjpeg RTSP/1.0 LF CSeq: 1 LF Transport: RTP/UDP; client_port= 25000          no LF at the end
//!    PLAY movie.Mjpeg RTSP/1.0 LF CSeq: 2 LF Session: 123456
//! B  as A, but SEeq: 2
//! C  SETUP movie LF 1 LF  RTSP/1.0 RTP/UDP 25000        PLAY  LF 2
//! J  SETUP .\movie.Mjpeg RTSP/1.0 CRLF CSeq: 1 CRLF Transport: RTP/UDP; client_port= 25000 CRLF
//!    PLAY .\movie.Mjpeg RTSP/1.0 CRLF CSeq: 2 CRLF Session: 123456 LF
//!
//! reply   RTSP/1.0 200 OK CRLF CSeq: 1 CRLF Session: 123456 CRLF
//! ```
//!
//! A request has no end that could be seen: it is over when the client waits for the answer. The replies are read by
//! position, so there are exactly three lines in this order, and the session is a plain number.

use alloc::format;
use alloc::string::{String, ToString};

use bytes::Bytes;

use crate::rtsp::{Method, StatusCode};

/// A request of this dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabRequest {
    /// SETUP, PLAY, PAUSE, TEARDOWN or DESCRIBE.
    pub method: Method,
    /// The name of the file: what follows the last slash or backslash. Empty where the form has none.
    pub file: String,
    /// Number of the request.
    pub cseq: u32,
    /// Where SETUP wants the packets.
    pub port: Option<u16>,
    /// The request had a blank line at its end, so the reply has one too.
    pub blank_line: bool,
}

/// Longest request of this dialect, in bytes; the labs read 256 at a time.
pub const MAX_REQUEST: usize = 1024;

impl LabRequest {
    /// Reads all of a request. `None`: it is not of this dialect.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(text.get(..MAX_REQUEST.min(text.len()))?).ok()?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut lines = text.split('\n').map(|l| l.trim_end_matches('\r'));
        let first = lines.next()?;
        let (method, rest) = first.split_once(' ')?;
        let method = method_of(method)?;
        if let Some((target, _)) = rest.rsplit_once(' ').filter(|(_, version)| version.starts_with("RTSP/")) {
            Self::with_headers(method, target, lines)
        } else {
            Self::bare(method, rest, lines)
        }
    }

    /// Forms A, B and J.
    fn with_headers<'a>(method: Method, target: &str, lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (mut cseq, mut port, mut lab_transport, mut blank_line) = (None, None, false, false);
        for line in lines {
            if line.is_empty() {
                blank_line = true;
                continue;
            }
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            match name.trim() {
                name if name.eq_ignore_ascii_case("CSeq") => cseq = value.parse().ok(),
                // QUIRK(lab variant B): it misspells the name.
                "SEeq" => cseq = value.parse().ok(),
                name if name.eq_ignore_ascii_case("Transport") => {
                    lab_transport = is_lab_transport(value);
                    port = value.split_once("client_port=").and_then(|(_, p)| number(p));
                }
                _ => {}
            }
        }
        let plain = !target.contains("://") && target != "*";
        let here = plain || lab_transport;
        here.then_some(Self { method, file: file_name(target), cseq: cseq?, port, blank_line })
    }

    /// Form C.
    fn bare<'a>(method: Method, target: &str, mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let cseq = lines.next()?.trim().parse().ok()?;
        let third = lines.next().unwrap_or_default();
        let port = third.trim().strip_prefix("RTSP/1.0 RTP/UDP ").and_then(number);
        Some(Self { method, file: file_name(target.trim()), cseq, port, blank_line: false })
    }

    /// Whether these bytes may be a whole request of this dialect whose sender waits for the answer.
    pub fn may_be_whole(text: &[u8]) -> bool {
        text.len() <= MAX_REQUEST
            && Self::parse(text).is_some_and(|r| r.method != Method::Setup || r.port.is_some())
    }

    /// The request as form A has it: what any server of this dialect understands. At most 256 bytes if the name is
    /// not longer than 150.
    pub fn to_text(&self, session: u32) -> Bytes {
        let Self { method, file, cseq, port, .. } = self;
        Bytes::from(match port {
            Some(port) => {
                format!("{method} {file} RTSP/1.0\nCSeq: {cseq}\nTransport: RTP/UDP; client_port= {port}")
            }
            None => format!("{method} {file} RTSP/1.0\nCSeq: {cseq}\nSession: {session}"),
        })
    }

    /// The reply.
    pub fn reply(&self, status: StatusCode, session: u32) -> Bytes {
        let end = if self.blank_line { "\r\n" } else { "" };
        Bytes::from(format!("RTSP/1.0 {status}\r\nCSeq: {}\r\nSession: {session}\r\n{end}", self.cseq))
    }
}

/// A reply of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabReply {
    /// The outcome.
    pub status: StatusCode,
    /// The number of the request it answers.
    pub cseq: u32,
    /// The session, from the first reply on.
    pub session: u32,
}

impl LabReply {
    /// Reads a reply from the front of `text`: three lines, the last of which may have no end, and a blank line if
    /// there is one. `None`: there is none yet.
    pub fn parse(text: &str) -> Option<(Self, usize)> {
        let mut at = 0;
        let mut line = || {
            let rest = text.get(at..).filter(|r| !r.is_empty())?;
            let end = rest.find('\n').map_or(rest.len(), |i| i + 1);
            at += end;
            rest.get(..end).map(str::trim_end)
        };
        let status = line()?.strip_prefix("RTSP/")?.split_once(' ')?.1.split(' ').next()?.parse().ok()?;
        let cseq = line()?.split_once(':')?.1.trim().parse().ok()?;
        let session = line()?.split_once(':')?.1.split(';').next()?.trim().parse().ok()?;
        let blank = text.get(at..)?;
        let blank = blank.len() - blank.trim_start_matches(['\r', '\n']).len();
        Some((Self { status: StatusCode(status), cseq, session }, at + blank))
    }
}

/// Whether a `Transport` is of this dialect: it has no profile.
pub(crate) fn is_lab_transport(value: &str) -> bool {
    value.get(..7).is_some_and(|p| p.eq_ignore_ascii_case("RTP/UDP"))
}

fn method_of(name: &str) -> Option<Method> {
    let method = Method::from_token(name.as_bytes());
    let known =
        matches!(method, Method::Setup | Method::Play | Method::Pause | Method::Teardown | Method::Describe);
    known.then_some(method)
}

/// QUIRK(lab variant J): it asks for `.\movie.Mjpeg`.
fn file_name(target: &str) -> String {
    target.rsplit(['/', '\\']).next().unwrap_or_default().to_string()
}

/// The number at the front, after white space.
fn number(text: &str) -> Option<u16> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok().filter(|p| *p != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> LabRequest {
        LabRequest::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn every_form_is_read() {
        let setup = LabRequest {
            method: Method::Setup,
            file: "movie.Mjpeg".into(),
            cseq: 1,
            port: Some(25_000),
            blank_line: false,
        };
        for text in [
            "SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000",
            "SETUP movie.Mjpeg RTSP/2.0\nCSeq: 1\nTransport: RTP/UDP;client_port=25000",
            "SETUP movie.Mjpeg\n1\n RTSP/1.0 RTP/UDP 25000",
            "SETUP movie.Mjpeg\r\n1\r\n RTSP/1.0 RTP/UDP 25000\r\n",
        ] {
            assert_eq!(request(text), setup);
        }
        let j = "SETUP .\\movie.Mjpeg RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/UDP; client_port= 25000\r\n";
        assert_eq!(request(j).file, "movie.Mjpeg");
        for text in [
            "PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 1",
            "PLAY m RTSP/1.0\nSEeq: 2\nSession: 1",
            "PLAY \n2",
        ] {
            let r = request(text);
            assert_eq!((r.method, r.cseq, r.port), (Method::Play, 2, None));
        }
        for text in [
            "SETUP rtsp://h/m RTSP/1.0\nCSeq: 1\nTransport: RTP/AVP;unicast;client_port=1-2",
            "GET / HTTP/1.1\n",
            "OPTIONS * RTSP/1.0\nCSeq: 1\n",
            "PLAY m RTSP/1.0\nSession: 1",
        ] {
            assert_eq!(LabRequest::parse(text.as_bytes()), None, "{text}");
        }
        assert!(!LabRequest::may_be_whole(b"SETUP m RTSP/1.0\nCSeq: 1"));
    }

    #[test]
    fn both_ways() {
        let r = request("SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000");
        assert_eq!(
            r.to_text(0),
            "SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"
        );
        let reply = r.reply(StatusCode::OK, 267_478);
        assert_eq!(reply, "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 267478\r\n");
        let read = |text| LabReply::parse(text);
        let expected = LabReply { status: StatusCode::OK, cseq: 1, session: 267_478 };
        assert_eq!(read("RTSP/1.0 200 OK\nCSeq: 1\nSession: 267478"), Some((expected, 39)));
        assert_eq!(read("RTSP/1.0 200 OK\nCSeq: 1\r\nSession: 267478\r\n\r\n"), Some((expected, 44)));
        assert_eq!(read("RTSP/1.0 200 OK\nCSeq: 1"), None);
    }
}
