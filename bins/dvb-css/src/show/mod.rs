//! What the demonstration servers pretend to show.

mod channels;
mod clocks;
mod television;
mod timelines;

pub use channels::{CHANNELS, ChannelShow};
pub use clocks::Clocks;
pub use television::{TvShow, television_cii};
pub use timelines::{PTS, SPORADIC, TEMI, TimelineShow};
