//! Camera telemetry, settings and authentication over one small checked frame.
//!
//! A camera server listens on three TCP ports and speaks one frame on all of them (specification/camera-packet.md):
//!
//! ```text
//!   0     1     2     3     4     5     6          6+LEN
//! +-----+-----+-----+-----+-----+-----+----------+-----+
//! | 00  | FF  | ID  |TYPE | LEN, BE   | payload  | XOR |
//! +-----+-----+-----+-----+-----+-----+----------+-----+
//! ```
//!
//! * **domain**: [`packet`] (the frame), [`checksum`], [`settings`] (six bytes that are the authority), [`dialect`]
//!   (earlier generations of the protocol), [`scram`] (SCRAM-SHA-256), [`stats`] (rate, offset and jitter);
//! * **messages**: [`message`] and [`extension`], typed; [`codec`], the streaming decoder;
//! * **machines**: [`server`] serves all three ports, [`client`] uses them.
//!
//! ```
//! use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event};
//! use camera_packet::message::{Message, Telemetry};
//! use machine::Instant;
//!
//! let frame = Telemetry { value: 5, timestamp_ms: 0x18b_2345_6789 }.to_frame();
//! let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
//! let mut feed = decoder.feed(Instant::default(), &frame);
//! let Some(Event::Frame(frame)) = feed.next() else { panic!("a whole frame") };
//! assert_eq!(Message::parse(&frame)?, Message::Telemetry(Telemetry { value: 5, timestamp_ms: 0x18b_2345_6789 }));
//! # Ok::<(), camera_packet::MessageError>(())
//! ```
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
mod base64;
pub mod checksum;
pub mod dialect;
mod error;
pub mod packet;
mod rng;
pub mod scram;
pub mod secret;
pub mod settings;
pub mod stats;

pub use error::{EncodeError, MessageError, ScramError, UsageError};

// messages
pub mod codec;
pub mod extension;
pub mod message;

// machines
pub mod client;
pub mod config;
pub mod server;

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
