//! Loads on the companion screen programs: what `css-load` does.

mod accuracy;
mod minimal;
mod push;
mod wall_clock;

pub use accuracy::accuracy;
pub use minimal::{burn, minimal_server};
pub use push::{Door, idle, push, serve_television};
pub use wall_clock::wall_clock;
