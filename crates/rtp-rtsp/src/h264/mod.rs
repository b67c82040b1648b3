//! H.264 in RTP (RFC 6184), both ways.
