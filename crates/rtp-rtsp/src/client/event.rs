//! What a client tells its program.

use alloc::string::String;
use alloc::vec::Vec;

use machine::CloseReason;
use thiserror::Error;

use crate::error::{CodecError, SdpError};
use crate::media::Codec;
use crate::receiver::ReceivedFrame;
use crate::rtsp::{Method, StatusCode};
use crate::sdp::Media;

/// Something that the program may want to know, or has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// What there is.
    Described {
        /// The tracks.
        tracks: Vec<Track>,
    },
    /// Answer with [`Client::udp_ready`](super::Client::udp_ready): so many pairs of UDP ports.
    UdpWanted {
        /// One for each track.
        pairs: usize,
    },
    /// It is agreed on how tracks travel, or a stream is paused.
    Ready,
    /// Playing, or recording, has begun.
    Playing {
        /// Packets travel on the connection.
        over_tcp: bool,
    },
    /// Nothing came over UDP: it is tried over TCP.
    FellBack,
    /// A frame is whole.
    Frame {
        /// Of which track.
        track: usize,
        /// The frame.
        frame: ReceivedFrame,
    },
    /// The server has come to the end of a track.
    Bye {
        /// Which.
        track: usize,
    },
    /// The session and the connection are over, as was wanted.
    Ended,
    /// They are over otherwise.
    Failed(Failure),
}

/// One stream of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// How it is described.
    pub media: Media,
    /// What it is, as far as this crate knows it.
    pub codec: Codec,
    /// Name of its encoding.
    pub encoding: String,
    /// Ticks of its timestamps a second.
    pub clock_rate: u32,
}

/// Why it did not work out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server refuses the name and password given, or wants some where none are given.
    #[error("the server does not accept the credentials")]
    Unauthorized,
    /// The server refuses a request.
    #[error("{method}: {status}")]
    Refused {
        /// Which request.
        method: Method,
        /// With what.
        status: StatusCode,
    },
    /// No answer in time.
    #[error("the server does not answer")]
    Timeout,
    /// What comes is not RTSP.
    #[error("not an RTSP server: {0}")]
    NotRtsp(CodecError),
    /// The description cannot be read.
    #[error("the server's description: {0}")]
    Description(SdpError),
    /// There is nothing that could be played.
    #[error("the server describes no stream")]
    NoTracks,
    /// The transport in a reply makes no sense.
    #[error("the server's Transport cannot be used")]
    Transport,
    /// No UDP ports, and TCP is not wanted.
    #[error("no UDP ports can be had")]
    NoUdp,
    /// Nothing came, and no other way is wanted.
    #[error("no packets arrive over UDP")]
    NoPackets,
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed(CloseReason),
}
