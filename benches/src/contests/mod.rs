//! What is measured, beside whom.

mod camera;
mod labels;
mod ltc;
mod rtp;
mod session;
mod wall_clock;

pub use camera::{camera, hostile};
pub use labels::labels;
pub use ltc::ltc;
pub use rtp::rtp;
pub use session::session;
pub use wall_clock::wall_clock;

use crate::contest::Contest;

/// All contests, in the order of the report.
pub fn all() -> Vec<Contest> {
    labels()
        .into_iter()
        .chain(ltc())
        .chain(session())
        .chain(camera())
        .chain(hostile())
        .chain(rtp())
        .chain(wall_clock())
        .collect()
}

/// The entrant that every contest begins with.
const OURS: &str = "genlock";
