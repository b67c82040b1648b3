//! The contract between a protocol and the world: what a protocol machine is told and what it says.
//!
//! A [`Machine`] is **told** that bytes arrived, that a peer opened or closed, what time it is. It **says**: send
//! these bytes, close that peer, this happened, wake me at T. It never opens a socket, reads a clock, draws
//! randomness, spawns, sleeps or locks, so the same machine runs under tokio, under a blocking loop, in a simulator
//! and under a fuzzer, and does the same thing in each.
//!
//! ```text
//!            handle_input(now, peer, input)          poll_output() -> Send, SendFile, Datagram, Close, Event
//!   driver ────────────────────────────────▶ machine ────────────────────────────────▶ driver
//!            handle_timeout(now)                     poll_timeout() -> wake me then
//!            handle_wall_clock(now, unix)
//! ```
//!
//! Rules that every machine keeps, checked by the module `conformance` (feature of that name):
//!
//! 1. `handle_*` cannot fail. Bad input becomes the protocol's own error reply, a close, or an event.
//! 2. Outputs are queued: any number of inputs may be given before draining. After [`Output::Close`] nothing more is
//!    sent to that connection.
//! 3. [`Machine::poll_timeout`] is a pure getter; after `handle_timeout(now)` it is `None` or later than `now`.
//!    Waking early does nothing; waking late sends one update with the right value, not a burst of stale ones.
//! 4. Outputs depend on the bytes of a stream, never on how they were cut.
//! 5. No input may cause work or memory beyond its own size times a stated constant.
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

mod input;
mod output;
mod peer;
mod queue;
mod time;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "record")]
pub mod record;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod toy;

pub use input::{CloseReason, Input, Opened, Transport};
pub use output::{Closing, Datagram, FileToken, Keep, Output, Payload, SendTag};
pub use peer::{ConnId, Peer, Service, SocketId, UdpPeer};
pub use queue::{Item, Pushed, QueueLimits, SendQueue};
pub use time::{Instant, Stamp, StampSource};

/// A protocol as a state machine without I/O. See the [crate] documentation for the rules.
pub trait Machine {
    /// What the machine reports to the program it runs in.
    type Event;

    /// Something arrived from `from` at `now`. `now` never goes backwards from call to call.
    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>);

    /// The time that [`poll_timeout`](Self::poll_timeout) asked for has come (or the driver woke early, or late).
    fn handle_timeout(&mut self, now: Instant);

    /// The wall clock read `unix_ns` (nanoseconds since 1970-01-01T00:00:00Z) at `now`. The driver says so once at
    /// the start and again whenever the clock was stepped. Machines without dates ignore it.
    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        let _ = (now, unix_ns);
    }

    /// The next thing the machine says; `None` when it has said all.
    fn poll_output(&mut self) -> Option<Output<Self::Event>>;

    /// When `handle_timeout` should be called next; `None`: nothing is scheduled.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
