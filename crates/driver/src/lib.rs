//! Runs protocol machines on tokio: the only place of the workspace with sockets, clocks and threads.
//!
//! A [`Driver`] owns one [`machine::Machine`] and feeds it from any number of TCP listeners, WebSocket routes, UDP
//! sockets and outgoing connections at once:
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use driver::{Driver, Limits};
//! use machine::{Service, toy::Toy};
//!
//! let (driver, mut events) = Driver::start(Toy::new(std::time::Duration::from_millis(40)), Limits::default());
//! driver.serve_tcp(tokio::net::TcpListener::bind("127.0.0.1:0").await?, Service(0));
//! while let Some(event) = events.next().await {
//!     println!("{event:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! How it runs: connections are read by one small task each; the machine is called under a lock that is held only
//! for the call itself; what it says is queued per connection and written, without blocking, by whoever called it.
//! Deadlines are kept by a thread of their own, because the runtime's timer counts in milliseconds.

mod clock;
mod conn;
mod core;
mod events;
mod file;
mod frame;
mod gate;
mod head;
mod limits;
mod tcp;
mod timer;
mod udp;
mod wire;
mod ws;

pub mod cli;
pub mod record;
pub mod shutdown;

pub use clock::{both, now, unix_at, unix_now};
pub use core::Driver;
pub use events::Events;
pub use file::OpenFile;
pub use gate::{Gate, Refusal};
pub use limits::Limits;
pub use udp::UdpOptions;
pub use ws::{ConnectError, Route, accept_key};

/// 32 bytes from the operating system's random generator, to seed a machine with.
///
/// # Panics
/// If the system has no randomness to give; nothing that guards anything could be trusted then.
#[expect(clippy::expect_used, reason = "no safe way to go on without randomness")]
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives no randomness");
    seed
}

/// The README's program is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
