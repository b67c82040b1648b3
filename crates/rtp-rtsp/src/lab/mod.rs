//! RTP as the classroom labs have it: whole JPEG files cut into packets without a payload header.
