//! DVB companion screen synchronisation (ETSI TS 103 286-2) as sans-IO machines.
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
#[cfg(test)]
extern crate std;

// domain
mod cii;
pub mod clock;
mod ratio;
pub mod timeline;
pub mod wc;

// protocol
pub mod client;
pub mod codec;
pub mod config;
mod error;
pub mod message;
pub mod server;

pub use error::{ClockError, DecodeError, UsageError};
pub use ratio::{NotDecimal, Ratio};

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
