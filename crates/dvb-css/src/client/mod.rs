//! The client machines: wall clock, content identification, timelines.

mod cii;
mod ts;
mod wc;

pub use cii::{CiiClient, CiiClientEvent};
pub use ts::{TsClient, TsClientEvent};
pub use wc::{WcClient, WcClientEvent, WcClientStats};
