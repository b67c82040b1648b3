//! What a machine can do wrong.

use alloc::string::String;
use core::fmt;

/// A rule of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// No rule of the machine's: the script does not fit it (a step for a connection that is not open, a wait for a
    /// timeout that is not set, nothing said at all).
    Script,
    /// What is said does not depend on how a stream was cut.
    Chunking,
    /// What is said to the beginning of a stream is the beginning of what is said to all of it.
    Prefix,
    /// Inputs may be given in any number before outputs are drained.
    Batching,
    /// Equal machines with equal inputs say equal things.
    Determinism,
    /// No input makes the machine panic.
    NoPanic,
    /// Nothing is sent to a connection after `Close`, and it is closed once.
    NothingAfterClose,
    /// Things are sent only to connections that are open and sockets that are there.
    KnownPeers,
    /// Streams get bytes, WebSockets messages, texts are UTF-8, datagrams have a length.
    Payload,
    /// `poll_timeout` always answers the same, and being asked changes nothing.
    PureTimeout,
    /// After `handle_timeout(now)` the deadline is none or later than `now`.
    DeadlineMovesOn,
    /// Waking before the deadline does nothing.
    EarlyWake,
    /// Waking late says no more than waking once.
    LateBurst,
    /// After a late wake, and in it, what is said is right, and the deadlines are those of before.
    LateTime,
    /// The bytes left unread stay under the stated bound.
    Unread,
    /// What is said to one peer at one input stays under the stated bound.
    Amplification,
    /// Heap memory stays under the stated bound.
    Memory,
    /// Heap memory of connections and peers that are gone is given back.
    Leak,
}

/// A rule that a machine broke, and how to see it again: everything is repeatable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub property: Property,
    /// In what kind of run, such as `chunks of 3`.
    pub run: String,
    /// At which step of the script, counted from 0.
    pub step: usize,
    /// What was wrong, or what differed.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, run, step, what } = self;
        write!(f, "{property:?} broken ({run}, step {step}): {what}")
    }
}

impl core::error::Error for Violation {}
