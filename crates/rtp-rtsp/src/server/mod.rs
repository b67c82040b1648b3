//! The RTSP server as a machine.
