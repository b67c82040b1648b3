//! Timecode over Art-Net: the ArtTimeCode packet of Art-Net 4, UDP port 6454.
//!
//! ```text
//!  0       8    10   12  13     14     15      16      17    18
//! +---------+----+----+---+------+------+-------+-------+-----+----+
//! |Art-Net 0| op |vers| 0 |stream|frames|seconds|minutes|hours|type|
//! +---------+----+----+---+------+------+-------+-------+-----+----+
//! ```
//!
//! The opcode 0x9700 is little-endian, the version 14 big-endian. The type is a [`RateCode`]. A packet is sent at the
//! beginning of each frame, with that frame's label.

use crate::mtc::RateCode;
use crate::{ArtNetError, Fields, Rate, Timecode};

/// The UDP port.
pub const PORT: u16 = 6454;

const ID: [u8; 8] = *b"Art-Net\0";
const OP_TIME_CODE: u16 = 0x9700;
const VERSION: u16 = 14;

/// One label on its way.
///
/// ```
/// use smpte_timecode::artnet::ArtTimeCode;
/// use smpte_timecode::{Rate, Timecode};
///
/// let packet = ArtTimeCode::try_new(Timecode::parse("01:02:03:04", Rate::FPS_25)?)?;
/// assert_eq!(&packet.encode()[12..], [0, 0, 4, 3, 2, 1, 1]);
/// assert_eq!(ArtTimeCode::parse(&packet.encode(), None)?, packet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtTimeCode {
    stream: u8,
    timecode: Timecode,
}

impl ArtTimeCode {
    /// Bytes of the packet.
    pub const LEN: usize = 19;

    /// The packet for the main stream, 0. Older receivers take the stream for a filler that is 0.
    ///
    /// # Errors
    ///
    /// [`ArtNetError::Rate`] if there is no type for the rate.
    pub fn try_new(timecode: Timecode) -> Result<Self, ArtNetError> {
        match RateCode::of(timecode.rate()) {
            Some(_) => Ok(Self { stream: 0, timecode }),
            None => Err(ArtNetError::Rate),
        }
    }

    /// The same packet for another stream.
    #[must_use]
    pub const fn for_stream(self, stream: u8) -> Self {
        Self { stream, ..self }
    }

    /// Which of several timecodes this is; 0 is the main one.
    pub const fn stream(self) -> u8 {
        self.stream
    }

    /// The label.
    pub const fn timecode(self) -> Timecode {
        self.timecode
    }

    /// The packet.
    pub fn encode(self) -> [u8; Self::LEN] {
        let Fields { hours, minutes, seconds, frames } = self.timecode.fields();
        // both are there since it was made: the rate has a code and so at most 30 frames
        let code = RateCode::of(self.timecode.rate()).map_or(0, RateCode::number);
        let frames = u8::try_from(frames).unwrap_or_default();
        let [a, r, t, dash, n, e, t2, zero] = ID;
        let ([op_low, op_high], [version_high, version_low]) =
            (OP_TIME_CODE.to_le_bytes(), VERSION.to_be_bytes());
        let head = [a, r, t, dash, n, e, t2, zero, op_low, op_high, version_high, version_low];
        let tail = [0, self.stream, frames, seconds, minutes, hours, code];
        let mut packet = [0; Self::LEN];
        for (to, from) in packet.iter_mut().zip(head.into_iter().chain(tail)) {
            *to = from;
        }
        packet
    }

    /// Reads a packet; bytes after it are passed over. `hint` tells 23.976 from 24 and 29.97 from 30, and is used
    /// where it fits.
    ///
    /// # Errors
    ///
    /// If it is too short, not Art-Net, of another kind or an older version, or if type or label do not exist.
    pub fn parse(datagram: &[u8], hint: Option<Rate>) -> Result<Self, ArtNetError> {
        let short = ArtNetError::TooShort { length: u8::try_from(datagram.len()).unwrap_or(u8::MAX) };
        let (&id, rest) = datagram.split_first_chunk::<8>().ok_or(short)?;
        if id != ID {
            return Err(ArtNetError::NotArtNet);
        }
        let (&op, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
        let found = u16::from_le_bytes(op);
        if found != OP_TIME_CODE {
            return Err(ArtNetError::OpCode { found });
        }
        let (&version, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
        let found = u16::from_be_bytes(version);
        if found < VERSION {
            return Err(ArtNetError::Version { found });
        }
        let &[_, stream, frames, seconds, minutes, hours, kind] = rest.first_chunk::<7>().ok_or(short)?;
        let code = RateCode::from_number(kind).ok_or(ArtNetError::Type { found: kind })?;
        let fields = Fields { hours, minutes, seconds, frames: u16::from(frames) };
        Ok(Self { stream, timecode: Timecode::from_fields(code.rate_or(hint), fields)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, LabelError};

    fn packet() -> [u8; 19] {
        ArtTimeCode::try_new(Timecode::try_new(Rate::FPS_25, 1, 2, 3, 4).unwrap()).unwrap().encode()
    }

    fn changed(at: usize, to: u8) -> Result<ArtTimeCode, ArtNetError> {
        let mut packet = packet();
        packet[at] = to;
        ArtTimeCode::parse(&packet, None)
    }

    #[test]
    fn what_is_not_timecode() {
        assert_eq!(ArtTimeCode::parse(&[], None), Err(ArtNetError::TooShort { length: 0 }));
        assert_eq!(ArtTimeCode::parse(&packet()[..18], None), Err(ArtNetError::TooShort { length: 18 }));
        assert_eq!(changed(0, b'a'), Err(ArtNetError::NotArtNet));
        assert_eq!(changed(9, 0x50), Err(ArtNetError::OpCode { found: 0x5000 }));
        assert_eq!(changed(11, 13), Err(ArtNetError::Version { found: 13 }));
        assert_eq!(changed(18, 4), Err(ArtNetError::Type { found: 4 }));
        let error = LabelError::OutOfRange { field: Field::Hours, value: 24, max: 23 };
        assert_eq!(changed(17, 24), Err(ArtNetError::Label(error)));
    }

    #[test]
    fn newer_versions_longer_packets_and_fillers_are_taken() {
        let mut longer = packet().to_vec();
        longer.push(0);
        assert!(ArtTimeCode::parse(&longer, None).is_ok());
        assert!(changed(11, 15).is_ok());
        assert!(changed(12, 0xff).is_ok());
        assert_eq!(changed(13, 7).map(ArtTimeCode::stream), Ok(7));
    }

    #[test]
    fn rates_and_hints() {
        let midnight = |rate| ArtTimeCode::try_new(Timecode::midnight(rate));
        assert_eq!(midnight(Rate::FPS_50), Err(ArtNetError::Rate));
        let film = midnight(Rate::FPS_23_976).unwrap().encode();
        assert_eq!(film[18], 0);
        let hinted = ArtTimeCode::parse(&film, Some(Rate::FPS_23_976)).unwrap();
        assert_eq!(hinted.timecode().rate(), Rate::FPS_23_976);
        assert_eq!(ArtTimeCode::parse(&film, None).unwrap().timecode().rate(), Rate::FPS_24);
    }
}
