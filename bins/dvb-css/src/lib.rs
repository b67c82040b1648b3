//! What the companion screen programs wire up: the machines of `dvb-css` on sockets, and the shows that the
//! demonstration servers put on. Studio and tests run these in-process.

pub mod cii_client;
pub mod cluster;
pub mod logging;
pub mod options;
pub mod plot;
pub mod program;
pub mod serve;
pub mod show;
pub mod smpte;
pub mod state_file;
pub mod ts_client;
pub mod wc_client;
