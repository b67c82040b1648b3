//! H.265 in RTP (RFC 7798), as much as relaying needs.
