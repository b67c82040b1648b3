//! RTP and RTSP beside the crates `rtp-types` and `rtsp-types`.

mod common;

use benches::contests::rtp;

fn main() {
    common::bench("rtp", rtp());
}
