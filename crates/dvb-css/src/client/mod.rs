//! The client machines: wall clock, content identification, timelines.

pub mod cii;
pub mod ts;
pub mod wc;

pub use cii::{CiiClient, CiiClientEvent};
pub use ts::{TsClient, TsClientEvent};
pub use wc::{WcClient, WcClientEvent, WcClientStats};
