//! What a receiver has to know, and its limits.

use bytes::Bytes;

use crate::media::Codec;
use crate::rtp::Bounds;

/// What a receiver has to know, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The payload format.
    pub codec: Codec,
    /// Ticks of its timestamps a second.
    pub clock_rate: u32,
    /// Packets of other types are refused; `None`: all are taken.
    pub payload_type: Option<u8>,
    /// The sender's identifier where a SETUP reply said it; `None`: the first that is heard.
    pub ssrc: Option<u32>,
    /// Packets of the lab dialect: whole JPEG files in pieces, no RTCP.
    pub lab: bool,
    /// Dimensions of JPEG frames above 2040 pixels, where the description says them.
    pub dimensions: Option<(u16, u16)>,
    /// Most bytes of a frame.
    pub max_frame: usize,
    /// Bounds of the reorder buffer.
    pub reorder: Bounds,
    /// Whether receiver reports are sent.
    pub reports: bool,
    /// Our identifier in reports.
    pub own_ssrc: u32,
    /// Our name in reports.
    pub cname: Bytes,
    /// Seed of the random spacing of reports.
    pub seed: u64,
}

impl Config {
    /// A receiver of `codec` at `clock_rate` ticks a second, with frames up to 8 MiB (a 4K JPEG has 2 to 4) and the
    /// default [`Bounds`].
    pub fn new(codec: Codec, clock_rate: u32) -> Self {
        Self {
            codec,
            clock_rate,
            payload_type: None,
            ssrc: None,
            lab: false,
            dimensions: None,
            max_frame: 8 << 20,
            reorder: Bounds::default(),
            reports: true,
            own_ssrc: 0,
            cname: Bytes::from_static(b"genlock"),
            seed: 0,
        }
    }
}
