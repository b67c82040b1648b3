//! Labels as text.
//!
//! | form | meaning | who writes it |
//! |---|---|---|
//! | `HH:MM:SS:FF` | not dropped | all |
//! | `HH:MM:SS;FF` | drop-frame | all |
//! | `HH;MM;SS;FF` | drop-frame | some editing programs |
//! | `HH:MM:SS.FF` | drop-frame, or not, or a fraction of a second | see [`Dot`] |
//! | `HH:MM:SS,FF` | drop-frame | GStreamer |
//! | `HH:MM:SS:FF.SS` | with subframes | see [`Subframes`](crate::Subframes) |
//! | `D HH:MM:SS:FF` | with days | Cubase |
//! | `HH:MM:SS:FFF` | rates above 100 | all that know them |
//!
//! [`Timecode::parse`](crate::Timecode::parse) is strict and fast. A [`Reader`] is told, point by point, what else to
//! take; none of it is guessed. [`Timecode::text_with`](crate::Timecode::text_with) writes the other forms.

mod reader;
mod strict;
mod text;

pub use reader::{Digits, Dot, Dropped, OutOfRange, Reader, Separators};
pub use text::{DropMark, LabelText};

pub(crate) use strict::parse_strict;
