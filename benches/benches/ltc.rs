//! LTC beside libltc and the crate `ltc`, in samples a second.

mod common;

use benches::contests::ltc;

fn main() {
    common::bench("ltc", ltc());
}
