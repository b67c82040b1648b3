//! The wall clock: a request read and answered.

mod common;

use benches::contests::wall_clock;

fn main() {
    common::bench("wall clock", wall_clock());
}
