//! What can be wrong with a message, and with a local call.

/// Why bytes or text are not a message of this protocol family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A wall clock datagram of less than 32 bytes.
    #[error("a wall clock message has 32 bytes, this one {found}")]
    Short {
        /// Its length.
        found: u32,
    },
    /// A wall clock message of another version than 0.
    #[error("wall clock message of version {found}, not 0")]
    Version {
        /// Its version.
        found: u8,
    },
    /// A wall clock message of a type above 3.
    #[error("wall clock message of unknown type {found}")]
    MessageType {
        /// Its type.
        found: u8,
    },
    /// Not JSON at all.
    #[error("not JSON from byte {offset} on")]
    Syntax {
        /// Where the fault is, in bytes from the start.
        offset: u32,
    },
    /// Arrays and objects in one another beyond the limit.
    #[error("nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The first bracket that is too much.
        offset: u32,
        /// How many are allowed.
        limit: u16,
    },
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A property that has to be there is not.
    #[error("property {property} is missing")]
    Missing {
        /// Its name.
        property: &'static str,
    },
    /// A property has a value that it must not have.
    #[error("property {property} has a wrong value")]
    Value {
        /// Its name.
        property: &'static str,
    },
    /// Of two properties only one is null.
    #[error("contentTime and timelineSpeedMultiplier are null together or not at all")]
    HalfAvailable,
}

/// Why a local call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no connection.
    #[error("not connected")]
    NotConnected,
    /// It was started already.
    #[error("started already")]
    AlreadyStarted,
    /// The server has not said yet what it shows.
    #[error("the timeline is not available")]
    NotAvailable,
    /// The timeline is not, or no longer, known to the server.
    #[error("no such timeline")]
    NoSuchTimeline,
    /// A text is longer than its limit, or there are too many of something.
    #[error("{what} beyond the limit of {limit}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u32,
    },
    /// A URL or another text has a value that it must not have.
    #[error("{what} has a wrong value")]
    Value {
        /// What.
        what: &'static str,
    },
}

/// Why a clock cannot be made, set or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The clock is not one of this tree.
    #[error("no such clock")]
    NoSuchClock,
    /// A tick rate has to be more than 0.
    #[error("a tick rate has to be more than 0")]
    TickRate,
    /// Two clocks have no clock in common above them.
    #[error("the clocks have no clock in common")]
    NoCommonClock,
    /// A paused clock shows one moment only, so this cannot be said of it.
    #[error("the clock is paused")]
    Paused,
    /// The clock has no such setting: a root has no parent, an offset clock no speed, and so on.
    #[error("this kind of clock has no such setting")]
    NotForThisKind,
    /// A clock cannot stand above itself.
    #[error("a clock cannot be its own ancestor")]
    Circle,
    /// The two points of a range have the same time.
    #[error("the two points of a range clock have the same time")]
    EmptyRange,
}
