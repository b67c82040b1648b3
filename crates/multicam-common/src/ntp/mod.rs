//! The time, from a server on the network (RFC 5905, RFC 4330; sheet §8).
//!
//! ```text
//!   device  T1 ──────▶ T2  server        offset = ((T2 - T1) + (T3 - T4)) / 2
//!           T4 ◀────── T3                delay  =  (T4 - T1) - (T3 - T2)
//! ```
//!
//! [`Packet`] is the datagram, [`NtpClient`] asks and keeps the best answers, [`respond`] is a server's answer.
//! Local time is the machine's monotonic one, so a step of the system clock disturbs nothing.

mod client;
mod filter;
mod packet;
mod service;

pub use client::{NtpClient, NtpConfig, NtpReject, Query};
pub use filter::{ClockEstimate, ClockFilter, FilterConfig, Sample};
pub use packet::{NtpTimestamp, Packet, PacketError, respond};
pub use service::{Never, TimeService};
