//! What is measured, beside whom.

mod camera;
mod labels;
mod ltc;
mod rtp;
mod session;

pub use camera::{camera, hostile};
pub use labels::labels;
pub use ltc::ltc;
pub use rtp::rtp;
pub use session::session;

use crate::contest::Contest;

/// All contests, in the order of the report.
pub fn all() -> Vec<Contest> {
    labels().into_iter().chain(ltc()).chain(session()).chain(camera()).chain(hostile()).chain(rtp()).collect()
}

/// The entrant that every contest begins with.
const OURS: &str = "genlock";
