//! Linear timecode: the 80-bit word as an audio signal (ST 12-1 clauses 8 and 9; ITU-R BT.1366-3 part 1; IEC 60461).
//!
//! ```text
//! bit cell        |   0   |   1   |   1   |   0   |     a transition at the start of every cell,
//!               __|       |___|   |___|   |       |__   another in the middle of a cell that is a one
//! level           |_______|   |___|   |___|_______|
//!                                                       (biphase mark: polarity does not matter)
//! ```
//!
//! 80 cells make a [`Word`], one word a frame (a pair of frames at 48, 50 and 60), so there are 80 R bits a second.
//! The word sent during a frame carries that frame's label; a receiver knows it only at the word's end, when the next
//! frame begins.
//!
//! [`Encoder`] makes samples of labels, [`Decoder`] finds words in samples, [`RateEstimator`] tells from the words
//! which rate they are counted at. None allocates but when it is made.
//!
//! # Positions
//!
//! A position p in a stream is the instant between sample p - 1 and sample p: sample i lasts from i to i + 1.
//! A word's start is the first transition of its first cell; a word that starts at position p has sample
//! floor(p + 1/2) as the first on the new side of that transition.

mod decode;
mod encode;
mod estimate;
mod framer;
mod history;
mod run;
mod samples;
mod search;
mod sequence;
mod soft;
mod steps;
mod word;

pub use decode::{Decoder, DecoderError};
pub use encode::{EncodeError, Encoder, EncoderConfig, Level};
pub use estimate::{RateEstimate, RateEstimator};
pub use samples::Samples;
pub use sequence::{Continuity, DecodedWord, Position};
pub use word::{Word, WordError};
