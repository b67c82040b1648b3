//! The clock model: clocks that follow clocks (sheet §6).
//!
//! ```text
//! system clock ──▶ wall clock ──▶ timeline PTS (90 kHz, correlated)
//!                            └──▶ timeline TEMI (1 kHz) ──▶ shown 40 ms later (offset)
//! ```
//!
//! A [`ClockTree`] is plain data that is told the time with each question. Readings are exact fractions of a tick
//! ([`Ratio`](crate::Ratio)), so that what is converted up and down a tree comes back as it was. Whoever changes a clock
//! is told which clocks follow it and change with it.
//!
//! | kind | ticks at parent time `x` | own error at parent time `x`, in seconds |
//! |---|---|---|
//! | system | monotonic time * rate, rounded down | its precision |
//! | correlated | `c0 + (x - p0) * F * s / P` | `initial + abs(x - p0) / P * growth` |
//! | tunable | the same; setting rate or speed moves the correlation to now first, so the clock does not jump | the same |
//! | range | `k1 + (x - p1) * (k2 - k1) / (p2 - p1)` | the lesser one of both points |
//! | offset | `x + offset * F * effective speed` | none |
//!
//! `P` and `F` are the ticks per second of parent and clock, `s` its speed, `(p0, c0)` its correlation.

mod change;
mod convert;
mod correlation;
mod mapping;
mod node;
mod timers;
mod tree;

pub use correlation::{Correlation, Significance};
pub use mapping::Linear;
pub use node::ClockKind;
pub use timers::{ClockTimers, TimerId};
pub use tree::{ClockId, ClockTree};
