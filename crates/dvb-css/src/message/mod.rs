//! Typed messages, data only.

mod wc;

pub use wc::{MaxFreqError, MessageType, Precision, TimeValue, WcMessage};
