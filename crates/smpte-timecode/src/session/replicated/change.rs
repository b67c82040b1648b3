//! What members want done with a shared session, and why it may not be done.

use core::fmt;

use thiserror::Error;

use super::SharedClock;
use crate::UsageError;
use crate::session::Label;

/// A change of a shared session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Make it, with one member here.
    Create(SharedClock),
    /// One more member here.
    Join,
    /// Let it run.
    Start,
    /// Halt it.
    Stop,
    /// Give the present frame this label, which is one of the session's rate.
    Reset(Label),
}

/// Why a change was refused. Displayed, it is the text of the error message to the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// As a single server would.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The engine cannot be reached.
    #[error("Cluster unavailable: no connection to its engine")]
    Away,
    /// The node does not know all sessions yet, or not how right its clock is.
    #[error("Cluster unavailable: this server is still joining it")]
    Joining,
    /// The node's wall clock is wrong.
    #[error("Cluster unavailable: the clock of this server is {} off", Millis(*offset_ns))]
    ClockOff {
        /// By how much it is ahead.
        offset_ns: i64,
    },
    /// Another node has the same name.
    #[error("Cluster unavailable: another server has the name of this one")]
    Duplicate,
    /// The engine did not decide in time. The change may still come.
    #[error("Cluster unavailable: its engine does not answer")]
    TimedOut,
    /// Too many changes of this session wait already.
    #[error("Too many requests")]
    Busy,
    /// There are as many sessions as there may be.
    #[error("Too many sessions")]
    Full,
}

/// Nanoseconds, displayed in milliseconds.
struct Millis(i64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.unsigned_abs() / 1000;
        write!(f, "{}.{:01} ms", micros / 1000, micros % 1000 / 100)
    }
}
