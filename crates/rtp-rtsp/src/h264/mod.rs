//! H.264 in RTP (RFC 6184), both ways, and as much of the stream itself as that needs: NAL units, Annex B, access
//! units, parameter sets.
//!
//! ```text
//! NAL unit header  |F|NRI|  type   |      1 to 23: one NAL unit is the payload
//! STAP-A  24       |hdr| size (16) | NAL unit | size (16) | NAL unit ...
//! FU-A    28       |hdr| S E R type | part of a NAL unit without its header
//! ```

mod annex_b;
mod depacketizer;
mod nal;
mod packetize;
mod parameter_sets;
mod sps;

pub use annex_b::{AccessUnits, nal_units, put_nal_unit};
pub use depacketizer::{Depacketizer, PayloadError};
pub use nal::{Nal, is_key_payload};
pub use packetize::packetize;
pub use parameter_sets::ParameterSets;
pub use sps::{Sps, SpsError};

/// Ticks of its timestamps a second.
pub const CLOCK_RATE: u32 = 90_000;
