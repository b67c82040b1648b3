//! What is measured, beside whom.

mod labels;
mod ltc;
mod session;

pub use labels::labels;
pub use ltc::ltc;
pub use session::session;

/// The entrant that every contest begins with.
const OURS: &str = "genlock";
