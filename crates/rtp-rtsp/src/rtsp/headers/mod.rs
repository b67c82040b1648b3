//! Typed headers, one file each.

mod authenticate;
mod authorization;
mod parameters;
mod public;
mod range;
mod rtp_info;
mod session;
mod transport;

pub use authenticate::{Algorithm, Challenge};
pub use authorization::Authorization;
pub use public::Public;
pub use range::{Npt, Range, Scale};
pub use rtp_info::{RtpInfo, RtpInfoEntry};
pub use session::Session;
pub use transport::{Lower, Mode, Transport};

pub(crate) use parameters::{Parameters, split_outside_quotes};
