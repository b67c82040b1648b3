//! What the timecode programs are made of, for programs that want to embed them.

mod artnet;
pub mod chase;
pub mod client;
pub mod cluster;
pub mod feed;
pub mod serve;
pub mod tool;
pub mod wav;
