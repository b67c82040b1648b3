//! JPEG in RTP (RFC 2435), both ways, and the images above 2040 pixels that it leaves out (ONVIF Streaming
//! Specification §5.1.4, and `a=x-dimensions` as GStreamer has it).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | type-specific |              fragment offset                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      type     |       Q       |   width / 8   |   height / 8  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  types 64 to 127: restart interval    |F|L|  restart count    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  offset 0, Q >= 128: 0  |  precision  |        length         | tables
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The format has no room for what differs from baseline JPEG with standard Huffman tables, three components and 4:2:2
//! or 4:2:0 sampling. [`Image::parse`] walks a file's marker segments and refuses the rest with the reason.

mod depacketizer;
mod error;
mod header;
mod image;
mod packetize;
mod rebuild;
mod splitter;
mod tables;

pub use depacketizer::Depacketizer;
pub use error::{ImageError, PayloadError};
pub use header::{MainHeader, RestartHeader, TableHeader};
pub use image::{Image, Sampling, Tables};
pub use packetize::packetize;
pub use splitter::Splitter;
pub use tables::quantization;

/// The static payload type (RFC 3551 §6).
pub const PAYLOAD_TYPE: u8 = 26;
/// Ticks of its timestamps a second.
pub const CLOCK_RATE: u32 = 90_000;
/// Most pixels across or down that the main header can say.
pub const MAX_HEADER_SIZE: u16 = 2040;
