//! Messages and interleaved frames from a stream that is cut anywhere (RFC 2326 §4, §10.12).
//!
//! ```text
//! '$' | channel u8 | length u16 | packet          or a message: head, blank line, body of Content-Length
//! ```
//!
//! Requests of the classroom dialect come on the same stream; see [`lab`].

mod decode;
pub mod lab;

use bytes::Bytes;

pub use decode::{Codec, Limits};
pub use lab::LabRequest;

use crate::message::{Request, Response};

/// What a stream holds.
#[derive(Clone, Debug)]
pub enum Item {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
    /// A packet of a channel.
    Interleaved {
        /// Which channel: even RTP, odd RTCP.
        channel: u8,
        /// The packet.
        data: Bytes,
    },
    /// A request of the classroom dialect.
    Lab(LabRequest),
}
