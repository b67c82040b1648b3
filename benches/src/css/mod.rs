//! Loads on the companion screen programs: what `css-load` does.

mod accuracy;
mod companion;
mod day;
mod minimal;
mod networks;
mod push;
#[path = "../../../crates/dvb-css/tests/wc_support/mod.rs"]
mod simulation;
mod soak;
mod wall_clock;

pub use accuracy::accuracy;
pub use companion::Door;
pub use day::day;
pub use minimal::{burn, minimal_server};
pub use networks::{NetworkName, networks, steps};
pub use push::{idle, minimal_television, push, serve_television};
pub use soak::soak;
pub use wall_clock::wall_clock;
