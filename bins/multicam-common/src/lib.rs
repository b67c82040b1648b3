//! What the MultiCam programs are made of, for programs that want to embed them.

pub mod avi;
pub mod controller;
pub mod device;
pub mod emulate;
pub mod frames;
#[cfg(feature = "mdns")]
pub mod mdns;
pub mod still;
