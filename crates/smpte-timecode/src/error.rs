//! What can be wrong with rates, labels and the carriers' bytes.
//!
//! Values, never text: each names the field or the offset, what was found and what was allowed.

use core::fmt;

use thiserror::Error;

/// A rate that timecode cannot be counted at, or the text of one that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RateError {
    /// A term of the ratio is zero.
    #[error("rate has a zero term")]
    Zero,
    /// More frames a second than three digits can number.
    #[error("rate is above 1000 frames per second")]
    TooHigh,
    /// The ratio is not within 0.5 % of a whole number of frames a second.
    #[error("rate is not near a whole number of frames per second")]
    NotWhole,
    /// A decimal that is not within 0.005 of a rate in use.
    #[error("rate is not near a known one; write it as num/den")]
    Unknown,
    /// Dropped labels at a rate where they are not defined.
    #[error("drop-frame is not defined at {nominal} frames per second, only at 30, 60 and 120")]
    NoDrop {
        /// The rate's whole number of frames a second.
        nominal: u16,
    },
    /// Not a number, `num/den`, or either with `df`.
    #[error("rate cannot be read at character {}", offset + 1)]
    Syntax {
        /// First byte that does not fit.
        offset: u16,
    },
}

/// One of the four numbers of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// 0 to 23.
    Hours,
    /// 0 to 59.
    Minutes,
    /// 0 to 59.
    Seconds,
    /// 0 to N - 1.
    Frames,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hours => "hours",
            Self::Minutes => "minutes",
            Self::Seconds => "seconds",
            Self::Frames => "frames",
        })
    }
}

/// A label that does not exist at its rate, or text that is not a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A number above its range.
    #[error("{field} {value} out of range 0 to {max}")]
    OutOfRange {
        /// Which number.
        field: Field,
        /// What it is.
        value: u32,
        /// The most it can be.
        max: u32,
    },
    /// A label that drop-frame counting leaves out.
    #[error(
        "frames {frames:02} at second 00 of minute {minutes:02} is a dropped label, the first there is {first:02}"
    )]
    Dropped {
        /// Its minute.
        minutes: u8,
        /// Its frame number.
        frames: u16,
        /// The first frame number of that minute.
        first: u16,
    },
    /// More subframes than the frame is divided into.
    #[error("subframes {value} out of range 0 to {max}")]
    Subframes {
        /// What it is.
        value: u8,
        /// The most it can be.
        max: u8,
    },
    /// A separator that says drop-frame, at a rate that does not drop.
    #[error("drop-frame separator at a rate without drop-frame")]
    DropSeparator,
    /// Not a label in this notation.
    #[error("label cannot be read at character {}", offset + 1)]
    Syntax {
        /// First byte that does not fit.
        offset: u16,
    },
}

/// A [packed label](crate::Timecode::from_packed) that cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackedError {
    /// Above 60 frames a second.
    #[error("packed labels do not reach beyond 60 frames per second")]
    Rate,
    /// The drop flag says otherwise than the rate.
    #[error("drop-frame flag of the packed label is not as the rate has it")]
    DropFlag,
    /// A decimal digit above 9.
    #[error("packed label has a digit above 9")]
    Digit,
    /// Not a label of this rate.
    #[error(transparent)]
    Label(#[from] LabelError),
}

/// [MIDI timecode](crate::mtc) that cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MtcError {
    /// MIDI timecode has no code for this rate.
    #[error("MIDI timecode has only 24, 25, 29.97df and 30 frames per second")]
    Rate,
    /// Not a label of the rate that was sent with it.
    #[error(transparent)]
    Label(#[from] LabelError),
}

/// An [`ArtTimeCode`](crate::artnet::ArtTimeCode) that cannot be made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArtNetError {
    /// Art-Net has no type for this rate.
    #[error("Art-Net timecode has only 24, 25, 29.97df and 30 frames per second")]
    Rate,
    /// Fewer bytes than the packet has.
    #[error("datagram of {length} bytes, Art-Net timecode has 19")]
    TooShort {
        /// How many there are.
        length: u8,
    },
    /// It does not begin with `Art-Net` and a zero.
    #[error("datagram is not Art-Net")]
    NotArtNet,
    /// Another kind of Art-Net packet.
    #[error("Art-Net opcode {found:#06x}, timecode is 0x9700")]
    OpCode {
        /// Its opcode.
        found: u16,
    },
    /// An older protocol.
    #[error("Art-Net protocol version {found}, at least 14 is wanted")]
    Version {
        /// Its version.
        found: u16,
    },
    /// A type of timecode that is not defined.
    #[error("Art-Net timecode type {found} out of range 0 to 3")]
    Type {
        /// Its type.
        found: u8,
    },
    /// Not a label of the rate that its type says.
    #[error(transparent)]
    Label(#[from] LabelError),
}

/// [Metadata of a file](crate::files) that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The chunk or entry ends before the field.
    #[error("{length} bytes where at least {expected} belong")]
    TooShort {
        /// How many there are.
        length: u32,
        /// How many are needed.
        expected: u32,
    },
    /// A sample entry of another kind.
    #[error("sample entry is not tmcd")]
    NotTimecode,
    /// The number of frames in a second does not go with the frame duration.
    #[error("number of frames {found} where the frame duration makes it {expected}")]
    FrameCount {
        /// What the entry says.
        found: u8,
        /// What it should say.
        expected: u16,
    },
    /// Not a rate that timecode is counted at.
    #[error(transparent)]
    Rate(#[from] RateError),
}

/// Bytes that are not a message of the session protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No line end within the limit. The stream cannot be followed any more.
    #[error("line is longer than {limit} bytes")]
    LineTooLong {
        /// The most bytes before the LF.
        limit: u32,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {}", offset + 1)]
    Utf8 {
        /// First byte that does not fit.
        offset: u32,
    },
    /// Not JSON.
    #[error("not JSON at byte {}", offset + 1)]
    Syntax {
        /// First byte that does not fit.
        offset: u32,
    },
    /// Arrays or objects in one another without end.
    #[error("more than {limit} arrays or objects in one another at byte {}", offset + 1)]
    TooDeep {
        /// The bracket that is one too many.
        offset: u32,
        /// How many there may be.
        limit: u16,
    },
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A field of a kind that makes no sense there.
    #[error("field {field} is of the wrong kind")]
    WrongKind {
        /// Its name.
        field: &'static str,
    },
    /// A field that has to be there is not.
    #[error("field {field} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// No `type`, or one that this protocol does not have.
    #[error("unknown type of message")]
    UnknownType,
}

/// Something that a program asked of a session client or server and that cannot be done. The texts of the first four
/// are the original client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The server does not have that rate.
    #[error("Invalid framerate")]
    Framerate,
    /// Not a label.
    #[error("Invalid timecode format. Use HH:MM:SS:FF")]
    LabelFormat,
    /// One has to be a member of a session for this.
    #[error("Not in a session")]
    NotInSession,
    /// No session has that id, or one that begins so.
    #[error("Session not found")]
    NoSuchSession,
    /// There is no connection, or its `welcome` has not come yet.
    #[error("Not connected")]
    NotConnected,
    /// Several sessions have an id that begins so.
    #[error("{matches} sessions begin so, give more of the id")]
    Ambiguous {
        /// How many.
        matches: u32,
    },
    /// The server does not offer this.
    #[error("The server does not offer `{0}`")]
    NotOffered(&'static str),
    /// A label that the session's rate does not have.
    #[error("Invalid timecode format: {0}")]
    Label(#[from] LabelError),
    /// The session runs already.
    #[error("Timecode already running")]
    Running,
    /// The session does not run.
    #[error("Timecode not running")]
    NotRunning,
    /// The session belongs to all servers of a cluster; only its members change it.
    #[error("Session belongs to a cluster")]
    Shared,
    /// The server holds as many sessions as it may.
    #[error("more than {limit} sessions")]
    TooManySessions {
        /// How many it may hold.
        limit: u32,
    },
}
