//! The incremental decoder.

use bytes::{Buf, Bytes, BytesMut};

use super::Item;
use super::lab::{LabRequest, is_lab_transport};
use crate::error::{CodecError, HeadError};
use crate::message::{Request, Response};
use crate::rtsp::{Head, Method, Start, find};

/// What a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head with its blank line; at most 65 535.
    pub max_head: usize,
    /// Bytes of a body.
    pub max_body: usize,
}

/// Takes messages and frames off the front of a stream.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    /// Bytes of the unfinished head in which no line end is left to find.
    scanned: usize,
    /// Where its present line begins.
    line: usize,
    /// A head whose body is not all there.
    waiting: Option<(Head, Bytes)>,
}

/// How far a head goes.
enum End {
    /// So many bytes, its blank line among them.
    Blank(usize),
    /// So many bytes; a request of the classroom dialect, after which the next begins.
    Lab(usize),
    /// More is to come.
    Open,
}

impl Codec {
    /// At the start of a stream.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, scanned: 0, line: 0, waiting: None }
    }

    /// The next item, taken off the front of `buffer`; `None`: the rest of it is not there yet.
    ///
    /// # Errors
    /// When the stream cannot be followed any more; what else is in it means nothing.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, CodecError> {
        if self.waiting.is_some() {
            return Ok(self.take_body(buffer));
        }
        if self.scanned == 0 {
            while let Some(b'\r' | b'\n') = buffer.first() {
                buffer.advance(1);
            }
            if let [b'$', rest @ ..] = &buffer[..] {
                let [channel, high, low, packet @ ..] = rest else { return Ok(None) };
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if packet.len() < len {
                    return Ok(None);
                }
                let channel = *channel;
                buffer.advance(4);
                return Ok(Some(Item::Interleaved { channel, data: buffer.split_to(len).freeze() }));
            }
        }
        let (end, lab) = match self.find_end(buffer)? {
            End::Blank(end) => (end, false),
            End::Lab(end) => (end, true),
            End::Open => return Ok(None),
        };
        self.restart();
        let bytes = buffer.split_to(end).freeze();
        if lab || is_lab(&bytes) {
            let request = LabRequest::parse(&bytes);
            return request.map(|r| Some(Item::Lab(r))).ok_or(HeadError::StartLine.into());
        }
        let head = Head::parse(&bytes)?;
        let length = head.content_length();
        let limit = u32::try_from(self.limits.max_body).unwrap_or(u32::MAX);
        if length > limit {
            return Err(CodecError::BodyTooLong { length, limit });
        }
        self.waiting = Some((head, bytes));
        Ok(self.take_body(buffer))
    }

    /// Whether what is left in the buffer may be a whole request of the classroom dialect, to be taken with
    /// [`take_idle`](Self::take_idle) when nothing more comes for a while.
    pub fn may_be_idle(&self, buffer: &[u8]) -> bool {
        self.waiting.is_none() && !buffer.is_empty() && LabRequest::may_be_whole(buffer)
    }

    /// Nothing more has come for a while: takes the request that [`may_be_idle`](Self::may_be_idle) saw.
    pub fn take_idle(&mut self, buffer: &mut BytesMut) -> Option<LabRequest> {
        if !self.may_be_idle(buffer) {
            return None;
        }
        let request = LabRequest::parse(buffer)?;
        buffer.clear();
        self.restart();
        Some(request)
    }

    fn restart(&mut self) {
        self.scanned = 0;
        self.line = 0;
    }

    fn take_body(&mut self, buffer: &mut BytesMut) -> Option<Item> {
        let (head, _) = self.waiting.as_ref()?;
        let length = usize::try_from(head.content_length()).unwrap_or(usize::MAX);
        if buffer.len() < length {
            return None;
        }
        let (head, bytes) = self.waiting.take()?;
        let body = buffer.split_to(length).freeze();
        Some(match head.start() {
            Start::Request(..) => Item::Request(Request::new(head, bytes, body)),
            Start::Response(..) => Item::Response(Response::new(head, bytes, body)),
        })
    }

    /// Looks for the end of the head, each byte once.
    fn find_end(&mut self, buffer: &[u8]) -> Result<End, CodecError> {
        while let Some(found) = buffer.get(self.scanned..).and_then(|rest| find(b'\n', rest)) {
            let end = self.scanned + found;
            // However the stream was cut: a line that ends beyond the limit is not looked at.
            self.within(end + 1)?;
            let line = buffer.get(self.line..end).unwrap_or_default().trim_ascii_end();
            if line.is_empty() {
                return Ok(End::Blank(end + 1));
            }
            if self.line == 0 {
                check_first(line)?;
            } else if begins_request(line)
                && LabRequest::may_be_whole(buffer.get(..self.line).unwrap_or_default())
            {
                return Ok(End::Lab(self.line));
            }
            self.line = end + 1;
            self.scanned = end + 1;
        }
        self.scanned = buffer.len();
        self.within(buffer.len())?;
        Ok(End::Open)
    }

    fn within(&self, head: usize) -> Result<(), CodecError> {
        let limit = self.limits.max_head.min(usize::from(u16::MAX));
        if head <= limit {
            return Ok(());
        }
        Err(CodecError::HeadTooLong { limit: u32::try_from(limit).unwrap_or(u32::MAX) })
    }
}

/// Refuses a stream whose first line can be neither RTSP nor the classroom dialect, before more of it is read.
fn check_first(line: &[u8]) -> Result<(), HeadError> {
    let lab_without_version = || line.split(|b| *b == b' ').next().is_some_and(is_lab_method);
    if Head::parse(line).is_ok() || lab_without_version() { Ok(()) } else { Err(HeadError::StartLine) }
}

/// Whether a head that has its blank line is of the classroom dialect.
fn is_lab(bytes: &[u8]) -> bool {
    let Ok(head) = Head::parse(bytes) else {
        // Form C, or a misspelt header that is no header.
        return LabRequest::parse(bytes).is_some();
    };
    let Start::Request(method, _) = head.start() else { return false };
    let target = head.target(bytes);
    let lab_transport = head.header(bytes, "Transport").is_some_and(is_lab_transport);
    let lab_method =
        matches!(method, Method::Setup | Method::Play | Method::Pause | Method::Teardown | Method::Describe);
    let plain = !target.contains("://") && !target.starts_with('/') && target != "*";
    lab_method && (lab_transport || plain) && LabRequest::parse(bytes).is_some()
}

fn is_lab_method(word: &[u8]) -> bool {
    matches!(word, b"SETUP" | b"PLAY" | b"PAUSE" | b"TEARDOWN" | b"DESCRIBE")
}

/// A line that is a request's first; a header has a colon after its first word.
fn begins_request(line: &[u8]) -> bool {
    line.split(|b| *b == b' ').next().is_some_and(is_lab_method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    const LIMITS: Limits = Limits { max_head: 300, max_body: 20 };

    fn show(item: Item) -> String {
        match item {
            Item::Request(r) => format!("{} {} {:?} {:?}", r.method(), r.target(), r.cseq(), r.body),
            Item::Response(r) => format!("{} {:?} {:?}", r.status(), r.cseq(), r.body),
            Item::Interleaved { channel, data } => format!("${channel} {data:?}"),
            Item::Lab(r) => format!("lab {} {} {} {:?} {}", r.method, r.file, r.cseq, r.port, r.blank_line),
        }
    }

    fn decode(text: &[u8], chunk: usize) -> (Vec<String>, Result<usize, CodecError>) {
        let mut codec = Codec::new(LIMITS);
        let mut buffer = BytesMut::new();
        let mut items = Vec::new();
        for part in text.chunks(chunk) {
            buffer.extend_from_slice(part);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(item)) => items.push(show(item)),
                    Ok(None) => break,
                    Err(error) => return (items, Err(error)),
                }
            }
        }
        if codec.may_be_idle(&buffer) {
            items.extend(codec.take_idle(&mut buffer).map(|r| show(Item::Lab(r))));
        }
        (items, Ok(buffer.len()))
    }

    #[test]
    fn a_mixed_stream_cut_anywhere() {
        let text = b"\r\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x01\0\x03abc$\0\0\0RTSP/1.0 200 OK\nCSeq: 7\nContent-Length: 4\n\nbody\
            SETUP m RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\nPLAY m RTSP/1.0\nCSeq: 2\nSession: 1\n\n\
            $\x02\0\x01xPLAY \n2";
        let expected = [
            "OPTIONS * Some(1) b\"\"",
            "$1 b\"abc\"",
            "$0 b\"\"",
            "200 OK Some(7) b\"body\"",
            "lab SETUP m 1 Some(25000) false",
            "lab PLAY m 2 None true",
            "$2 b\"x\"",
            "lab PLAY  2 None false",
        ];
        for chunk in 1..=text.len() {
            let (items, rest) = decode(text, chunk);
            assert_eq!(items, expected, "in pieces of {chunk}");
            assert_eq!(rest, Ok(0));
        }
    }

    #[test]
    fn limits_hold_before_memory_is_taken() {
        let long = [b"PLAY * RTSP/1.0\r\n".to_vec(), b"A: b\r\n".repeat(60)].concat();
        for chunk in [1, 7, 1000] {
            assert_eq!(decode(&long, chunk).1, Err(CodecError::HeadTooLong { limit: 300 }));
            assert_eq!(decode(&[b'x'; 400], chunk).1, Err(CodecError::HeadTooLong { limit: 300 }));
        }
        // a request of the classroom dialect whose end is seen too late
        let crossing =
            [&b"PLAY m RTSP/1.0\nCSeq: 1\n"[..], &b"A: b\n".repeat(54), b"PLAY m RTSP/1.0\nCSeq: 2\n"]
                .concat();
        assert!((290..300).contains(&crossing.windows(5).rposition(|w| w == b"PLAY ").unwrap()));
        for chunk in 1..=crossing.len() {
            let too_long = (Vec::new(), Err(CodecError::HeadTooLong { limit: 300 }));
            assert_eq!(decode(&crossing, chunk), too_long, "in pieces of {chunk}");
        }
        let body = b"PLAY * RTSP/1.0\r\nContent-Length: 21\r\n\r\n";
        assert_eq!(decode(body, 1).1, Err(CodecError::BodyTooLong { length: 21, limit: 20 }));
        assert_eq!(decode(b"GET / HTTP/1.1\r\n", 1).1, Err(HeadError::StartLine.into()));
    }

    #[test]
    fn an_open_head_waits() {
        for text in [
            &b"SETUP rtsp://h/m RTSP/1.0\nCSeq: 1\nTransport: RTP/AVP"[..],
            b"SETUP m RTSP/1.0\nCSe",
            b"$\0\0\x05abcd",
        ] {
            let (items, rest) = decode(text, 3);
            assert_eq!((items.len(), rest), (0, Ok(text.len())));
        }
    }
}
