//! RTSP 1.0 (RFC 2326): heads, methods, status codes and typed headers.
//!
//! ```text
//! SETUP rtsp://host/movie/stream=0 RTSP/1.0 CRLF      RTSP/1.0 200 OK CRLF
//! CSeq: 3 CRLF                                        CSeq: 3 CRLF
//! Transport: RTP/AVP;unicast;client_port=5000-5001    Session: 12345678;timeout=60 CRLF
//! CRLF                                                CRLF
//! ```
//!
//! Lines may end in LF alone. Header names do not mind case.

mod head;
pub mod headers;
mod method;
mod scan;
mod status;
mod url;

pub use head::{Head, MAX_HEADERS, Start, Version};
pub use method::Method;
pub use scan::find;
pub use status::StatusCode;
pub use url::Url;
pub(crate) use url::percent_decode;
