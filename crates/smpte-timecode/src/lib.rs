//! SMPTE timecode: exact arithmetic, its binary carriers, and the JSON-lines session protocol.
//!
//! Three layers, each usable without the next:
//!
//! * **domain**: rates as exact rationals, drop-frame labels, counts, real time, feet+frames (no_std);
//! * **carriers**: LTC, VITC, ATC, MTC, Art-Net, file metadata (no_std);
//! * **session protocol**: [`message`], [`codec`], and the [`client`] and [`server`] machines.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

extern crate alloc;

// domain
mod count;
mod drop_frame;
mod error;
mod feet;
pub mod notation;
mod packed;
mod rate;
mod real_time;
mod subframes;
mod timecode;

pub use count::{FrameCount, WithDays};
pub use drop_frame::Fields;
pub use error::{ArtNetError, Field, FileError, LabelError, MtcError, PackedError, RateError};
pub use feet::{FeetFrames, FilmGauge};
pub use notation::LabelText;
pub use rate::Rate;
pub use real_time::{PREMIERE_TICKS_PER_SECOND, RealTime, Rounding};
pub use subframes::{SubframeBase, Subframes};
pub use timecode::Timecode;

// carriers
pub mod address;
pub mod artnet;
pub mod atc;
pub mod files;
pub mod ltc;
pub mod mtc;
pub mod vitc;

// session protocol
pub mod client;
pub mod codec;
pub mod config;
pub mod message;
pub mod server;
pub mod session;

pub use error::{DecodeError, UsageError};

/// The README's examples are tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
