//! Messages to bytes and back.

mod wc;
