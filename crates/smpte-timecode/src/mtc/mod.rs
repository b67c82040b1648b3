//! MIDI timecode (MIDI Time Code, MMA MTC).
//!
//! Running time goes as quarter frames, two bytes each, four to a frame; eight of them make a label, so it takes two
//! frames to say one. A locate goes as a full frame, user bits as a message of their own:
//!
//! ```text
//! quarter frame   F1 0ppp dddd                      ppp piece, dddd data
//! full frame      F0 7F dev 01 01 0rrhhhhh mm ss ff F7
//! user bits       F0 7F dev 01 02 0u 0u 0u 0u 0u 0u 0u 0u 0f F7
//! ```
//!
//! There are codes for 24, 25, 29.97 drop-frame and 30 only. 23.976 goes as 24 and 29.97 non-drop as 30, which the
//! receiver must be told ([`RateCode::rate_or`]); of rates from 48 on some programs send the
//! [pairs](crate::Timecode::pair).

mod message;
mod parser;
mod quarter;

use crate::Rate;

pub use message::{ALL_DEVICES, FullFrame, Message, UserBits};
pub use parser::Parser;
pub use quarter::{Assembled, Assembler, Direction, Generator, QuarterFrame, quarter_frames};

/// The two bits that stand for a rate, in MIDI timecode and in Art-Net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateCode {
    /// 0: 24 frames, film; also 23.976.
    Film,
    /// 1: 25 frames, EBU.
    Ebu,
    /// 2: 29.97 drop-frame.
    Drop,
    /// 3: 30 frames; also 29.97 without drop.
    Smpte,
}

impl RateCode {
    /// The code for a rate. `None`: there is none.
    pub const fn of(rate: Rate) -> Option<Self> {
        match (rate.nominal(), rate.is_drop()) {
            (24, _) => Some(Self::Film),
            (25, _) => Some(Self::Ebu),
            (30, true) => Some(Self::Drop),
            (30, false) => Some(Self::Smpte),
            _ => None,
        }
    }

    /// The code with this number. `None`: above 3.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Film),
            1 => Some(Self::Ebu),
            2 => Some(Self::Drop),
            3 => Some(Self::Smpte),
            _ => None,
        }
    }

    /// 0 to 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::Film => 0,
            Self::Ebu => 1,
            Self::Drop => 2,
            Self::Smpte => 3,
        }
    }

    /// The rate it is named for.
    pub const fn rate(self) -> Rate {
        match self {
            Self::Film => Rate::FPS_24,
            Self::Ebu => Rate::FPS_25,
            Self::Drop => Rate::FPS_29_97_DF,
            Self::Smpte => Rate::FPS_30,
        }
    }

    /// `hint` if it goes by this code, else the rate that the code is named for.
    pub fn rate_or(self, hint: Option<Rate>) -> Rate {
        hint.filter(|&hint| Self::of(hint) == Some(self)).unwrap_or(self.rate())
    }
}
