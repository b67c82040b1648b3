//! Films for servers that do not look at pictures: of the right form, with nothing to be seen in them.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

/// Frames a second.
pub const FPS: u16 = 25;
/// Ten seconds.
const FRAMES: usize = 250;

/// What a film is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Film {
    /// H.264 in Annex B, a key frame a second.
    H264,
    /// JPEG pictures one behind the other.
    Mjpeg,
}

impl Film {
    /// Writes a film whose frames have so many bytes; gives its name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(self, folder: &Path, frame: usize) -> Result<&'static str> {
        let (name, frames): (_, Vec<u8>) = match self {
            Self::H264 => ("film.h264", (0..FRAMES).flat_map(|n| access_unit(n, frame)).collect()),
            Self::Mjpeg => ("film.mjpeg", picture(frame).repeat(FRAMES)),
        };
        std::fs::write(folder.join(name), frames)?;
        Ok(name)
    }
}

fn access_unit(n: usize, length: usize) -> Vec<u8> {
    let mut unit = Vec::with_capacity(length);
    if n.is_multiple_of(usize::from(FPS)) {
        unit.extend([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]);
        unit.extend([0, 0, 0, 1, 0x65, 0x88]);
    } else {
        unit.extend([0, 0, 0, 1, 0x41, 0x9a]);
    }
    unit.resize(length, 0x55);
    unit
}

fn picture(length: usize) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([3; 64]);
    file.extend([0xff, 0xc0, 0, 17, 8, 1, 0xe0, 2, 0x80, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    file.resize(length - 2, 0x55);
    file.extend([0xff, 0xd9]);
    file
}
