//! Whole messages: received ones, which keep the bytes they came in, and those to be sent.

use core::fmt::{Display, Write};

use bytes::{BufMut, Bytes, BytesMut};

use crate::rtsp::{Head, Method, Start, StatusCode, Version};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    head: Head,
    bytes: Bytes,
    /// Its body; empty where there is none.
    pub body: Bytes,
}

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    head: Head,
    bytes: Bytes,
    /// Its body; empty where there is none.
    pub body: Bytes,
}

macro_rules! received {
    ($name:ident) => {
        impl $name {
            pub(crate) const fn new(head: Head, bytes: Bytes, body: Bytes) -> Self {
                Self { head, bytes, body }
            }

            /// The first header of that name.
            pub fn header(&self, name: &str) -> Option<&str> {
                self.head.header(&self.bytes, name)
            }

            /// All headers of that name.
            pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
                self.head.all(&self.bytes, name)
            }

            /// All headers, in their order.
            pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
                self.head.headers(&self.bytes)
            }

            /// `CSeq` (RFC 2326 §12.17); `None` if there is none that is a number.
            pub fn cseq(&self) -> Option<u32> {
                self.header("CSeq")?.parse().ok()
            }

            /// What the first line says of the version.
            pub fn version(&self) -> Version {
                match self.head.start() {
                    Start::Request(_, version) | Start::Response(_, version) => version,
                }
            }
        }
    };
}

received!(Request);
received!(Response);

impl Request {
    /// What it asks for.
    pub fn method(&self) -> Method {
        match self.head.start() {
            Start::Request(method, _) => method,
            Start::Response(..) => Method::Unknown,
        }
    }

    /// The name of the method as it is on the wire.
    pub fn method_name(&self) -> &str {
        let name = self.bytes.split(|b| *b == b' ').next().unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }

    /// What it is about: an address, `*`, or what the client took for one.
    pub fn target(&self) -> &str {
        self.head.target(&self.bytes)
    }
}

impl Response {
    /// The outcome.
    pub fn status(&self) -> StatusCode {
        match self.head.start() {
            Start::Response(status, _) => status,
            Start::Request(..) => StatusCode::INTERNAL_ERROR,
        }
    }
}

/// Puts a message together; line ends in values are left out, so that no value makes a header.
#[derive(Debug)]
pub struct Writer(BytesMut);

impl Writer {
    /// A request.
    pub fn request(method: Method, target: &str, cseq: u32) -> Self {
        let mut out = Self(BytesMut::with_capacity(256));
        out.put(method.as_str());
        out.put(" ");
        out.put(target);
        out.put(" RTSP/1.0\r\n");
        out.header("CSeq", cseq)
    }

    /// A response; without `CSeq` where the request's could not be read.
    pub fn response(status: StatusCode, cseq: Option<u32>) -> Self {
        let mut out = Self(BytesMut::with_capacity(256));
        // Writing to a buffer cannot fail.
        let _ = write!(out.0, "RTSP/1.0 {status}\r\n");
        match cseq {
            Some(cseq) => out.header("CSeq", cseq),
            None => out,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        self.put(name);
        self.put(": ");
        let _ = write!(Clean(&mut self.0), "{value}");
        self.put("\r\n");
        self
    }

    /// Adds a header, if there is something to add.
    #[must_use]
    pub fn header_if(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Ends the head.
    pub fn finish(mut self) -> Bytes {
        self.put("\r\n");
        self.0.freeze()
    }

    /// Ends the head and adds a body with its type and length.
    pub fn body(self, kind: &str, body: &str) -> Bytes {
        let mut out = self.header("Content-Type", kind).header("Content-Length", body.len());
        out.put("\r\n");
        out.0.put_slice(body.as_bytes());
        out.0.freeze()
    }

    fn put(&mut self, text: &str) {
        self.0.put_slice(text.as_bytes());
    }
}

/// Leaves out what would end a line.
struct Clean<'a>(&'a mut BytesMut);

impl Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for part in text.split(['\r', '\n']) {
            self.0.put_slice(part.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written() {
        let text = Writer::request(Method::Setup, "rtsp://h/m", 3).header("Transport", "a\r\nb").finish();
        assert_eq!(text, "SETUP rtsp://h/m RTSP/1.0\r\nCSeq: 3\r\nTransport: ab\r\n\r\n");
        let text = Writer::response(StatusCode::OK, Some(1)).body("application/sdp", "v=0");
        let expected =
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
        assert_eq!(text, expected);
    }
}
