//! What `rtsp-server` and `rtsp-client` are made of, to be embedded: a streaming server on sockets, the test picture as
//! a live source, files as mounts; and a client.

pub mod client;
pub mod files;
pub mod live;
pub mod options;
pub mod pattern;
pub mod reencode;
pub mod serve;
#[cfg(feature = "tls")]
pub mod tls;
