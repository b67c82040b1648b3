//! Recordings of servers, played back.

mod file;
mod machines;
mod report;

pub use file::{Failure, Summary, replay};
pub use report::{difference, hex_context};
