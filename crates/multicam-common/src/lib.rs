//! The MultiCam protocol: start many cameras at one instant, and collect every file.
//!
//! JSON over TCP without delimiters, a four-byte length before files, discovery as `_multicam._tcp.local.`, and a start
//! at an instant of synchronised time. The protocol has no version field and several generations of it are in use; this
//! crate reads all of them and writes each (see [`Dialect`]).
//!
//! * **domain**: [`UnixTime`], [`DeviceStatus`], [`FileName`], [`discovery`], the clock: [`ntp`] and [`clock`] (no_std);
//! * **protocol**: [`message`] and [`codec`] (no_std);
//! * **machines**: [`server`] is a device, [`client`] is a controller of many.
//!
//! ```
//! use multicam_common::message::{CommandMessage, StatusResponse};
//! use multicam_common::{Form, UnixTime};
//!
//! let start = CommandMessage::start_recording(UnixTime::from_nanos(1_729_000_003_500_000_000));
//! let text = start.to_text(Form::V1);
//! assert_eq!(
//!     text,
//!     r#"{"command": "START_RECORDING", "timestamp": 1729000003.5, "deviceId": "controller", "fileId": null}"#
//! );
//! let reply = r#"{"deviceId": "device-123", "status": "ready", "timestamp": 1729000000.456, "isRecording": false}"#;
//! let status = StatusResponse::parse(reply)?;
//! assert!(status.status.is_success() && status.is_recording == Some(false));
//! # Ok::<(), multicam_common::DecodeError>(())
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
pub mod clock;
pub mod constants;
pub mod discovery;
mod file;
pub mod ntp;
mod number;
mod status;
mod time;

pub use file::{FileName, FileNameError, file_id, stem};
pub use status::{CommandType, DeviceStatus, UploadState};
pub use time::UnixTime;

// protocol
pub mod client;
pub mod codec;
pub mod config;
pub mod error;
pub mod message;
pub mod server;

pub use codec::{Dialect, Form, Style};
pub use error::DecodeError;

/// The README's examples are tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
