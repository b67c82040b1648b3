//! The RTSP client as a machine.
