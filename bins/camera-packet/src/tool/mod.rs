//! What camera-tool does: frames of captures, and the original server's behaviour.

pub mod decode;
pub mod emulate;
pub mod pcap;
