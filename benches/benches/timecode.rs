//! Labels beside the crates `smpte-timecode` and `vtc`: microseconds a pass of 1000 are nanoseconds a label.

mod common;

use benches::contests::labels;

fn main() {
    common::bench("timecode", labels());
}
