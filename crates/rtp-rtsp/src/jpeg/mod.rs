//! JPEG in RTP (RFC 2435), both ways.
