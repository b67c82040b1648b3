//! Streams in files: the two .Mjpeg formats, and Annex B (see [`crate::h264::AccessUnits`]).
//!
//! Readers are told bytes as they come and give whole frames; where the bytes come from is not their business.

mod mjpeg;

pub use mjpeg::{MAX_LAB_FRAME, MjpegFormat, MjpegReader, put_lab_frame};

use thiserror::Error;

use crate::jpeg::ImageError;

/// A file of frames that cannot be read or written further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileError {
    /// A frame beyond the limit.
    #[error("frame of more than {limit} bytes")]
    TooLong {
        /// The most it may have.
        limit: u32,
    },
    /// No five digits where a frame's length should be.
    #[error("no frame length of five digits at byte {offset}")]
    NoLength {
        /// Where.
        offset: u64,
    },
    /// The file does not begin with an image.
    #[error("not a file of JPEG frames: {0}")]
    NotMjpeg(ImageError),
}
