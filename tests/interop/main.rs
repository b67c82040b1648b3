//! Our programs with other people's: real tools, and emulations of those that do not run any more.
//!
//! One program, so that some tests wait while others work.

mod cluster;
mod css;
mod css_cluster;
mod ltc;
mod multicam;
mod rtp;
mod rtsp;
mod vitc;
