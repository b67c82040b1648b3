//! What `rtsp-server` and `rtsp-client` are made of, to be embedded: a streaming server on sockets.

pub mod serve;
