//! A controller on sockets and disk.

mod collect;
mod command;
mod fetch;
mod fleet;
mod run;
mod shell;
mod show;
mod state;

pub use collect::{Collected, collect_all};
pub use command::{Action, Global, Line};
pub use fetch::{Fetched, Progress, fetch};
pub use fleet::{Fleet, serve_time};
pub use run::run;
pub use state::{State, Take};
