//! Typed messages, data only.

mod cii;
mod ts;
mod wc;

pub use cii::{CiiMessage, CiiProperty, ContentIdStatus, Field, Private, TimelineOption};
pub use ts::{
    ControlTimestamp, Limit, PresentationTimestamp, PresentationTimestamps, SetupData, TimelineMoment,
};
pub use wc::{MaxFreqError, MessageType, Precision, TimeValue, WcMessage};
