//! Messages to bytes and back.

mod cii;
mod json;
mod ts;
mod wc;
mod wc_json;
