//! RTP, RTCP, JPEG and H.264 payloads, SDP, and RTSP 1.0 clients and servers.
//!
//! Three layers, each usable without the next:
//!
//! * **media domain**: [`rtp`] and [`rtcp`] packets, the payload formats [`jpeg`], [`h264`] and [`h265`], the [`lab`]
//!   dialect's packets, [`files`], [`media`], which joins them, and the [`receiver`] of a stream (no_std);
//! * **descriptions and messages**: [`sdp`], [`rtsp`] (no_std);
//! * **machines**: [`client`] and [`server`].
//!
//! # From a source to a hundred readers
//!
//! A source is packetized **once**: [`media::Packetizer`] turns an access unit into [`media::Packets`], which is one
//! reference-counted buffer holding finished RTP packets back to back. All readers of a mount share sequence numbers,
//! timestamps and the SSRC (each is an RTP session of its own, so none can tell), and what differs between them is
//! only how the same bytes leave:
//!
//! * over UDP, [`Packets::runs`](media::Packets::runs) gives stretches of equal packets, each of which is one
//!   [`machine::Datagram`] with a segment size: one system call for up to 64 packets, no copy for any reader;
//! * over TCP, [`Packets::interleaved`](media::Packets::interleaved) makes one buffer with the `$` framing of a
//!   channel; the machine makes it once for each channel number in use (in practice once) and queues a clone for each
//!   reader as one item that may be left out whole ([`machine::Keep::IfRoom`]). A reader that lost one sees a gap in
//!   the sequence numbers, as it should, and goes on with the next [key frame](media::Packets::is_key);
//! * a reader that needs numbers of its own (the lab dialect counts frames from 1) gets
//!   [`Packets::renumbered`](media::Packets::renumbered), a copy with patched headers.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation, clippy::cast_sign_loss))]

extern crate alloc;

// media domain
pub mod files;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod lab;
pub mod media;
pub mod receiver;
pub mod rtcp;
pub mod rtp;

// descriptions and messages
pub mod auth;
pub mod codec;
pub mod message;
pub mod rtsp;
pub mod sdp;

// machines
pub mod client;
pub mod config;
pub mod error;
pub mod server;

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
