//! Camera frames: decoding in pieces, encoding, and what hostile streams cost.

mod common;

use benches::contests::{camera, hostile};

fn main() {
    common::bench("camera", camera().into_iter().chain(hostile()).collect());
}
