//! The client machines: wall clock, content identification, timelines.

mod wc;

pub use wc::{WcClient, WcClientEvent, WcClientStats};
