//! What a session client tells the program it runs in.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;

use machine::CloseReason;

use crate::message::{Extensions, Position, SessionSummary, StatusReport, TimecodeKind};
use crate::{DecodeError, UsageError};

/// Something happened at the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection stands.
    Connected {
        /// Where the server is.
        remote: SocketAddr,
    },
    /// The server's first words. Commands can be given from now on.
    Welcome {
        /// For people.
        message: String,
    },
    /// The server has said which extensions it has. It may have none.
    Extensions {
        /// Those granted.
        granted: Extensions,
        /// Its name; empty if it gives none.
        server: String,
    },
    /// We made a session and are its member.
    SessionCreated {
        /// Its id.
        id: String,
        /// Its rate.
        framerate: String,
        /// Its label.
        label: ShownLabel,
    },
    /// We are a member of a session.
    SessionJoined {
        /// Its id.
        id: String,
        /// Its rate.
        framerate: String,
        /// The label in force.
        label: ShownLabel,
        /// Whether it runs.
        running: bool,
    },
    /// We left our session.
    SessionLeft {
        /// Its id.
        id: String,
    },
    /// Our session has started, ticked, stopped or been reset.
    Timecode {
        /// Which of them.
        kind: TimecodeKind,
        /// The label in force.
        label: ShownLabel,
        /// Its place in time, where the server tells.
        position: Option<Position>,
    },
    /// The server could not do what we asked.
    ServerError {
        /// Why.
        message: String,
    },
    /// What we asked turned out, later, not to be possible.
    Refused(UsageError),
    /// The sessions of the server.
    Sessions(Vec<SessionSummary<'static>>),
    /// How the server is.
    Status(StatusReport<'static>),
    /// A message of a type that we do not know: the JSON text.
    Received(String),
    /// A message that we could not read.
    Unreadable(DecodeError),
    /// The connection is gone.
    Disconnected(CloseReason),
}

/// A label as a server wrote it, whatever it is; of a longer one the first 31 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShownLabel {
    bytes: [u8; 31],
    len: u8,
}

impl ShownLabel {
    /// The beginning of `text`.
    pub fn new(text: &str) -> Self {
        let mut shown = Self { bytes: [0; 31], len: 0 };
        let mut len = 0;
        for c in text.chars() {
            let Some(room) = shown.bytes.get_mut(len..len + c.len_utf8()) else { break };
            len += c.encode_utf8(room).len();
        }
        shown.len = u8::try_from(len).unwrap_or_default();
        shown
    }
}

impl Deref for ShownLabel {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for ShownLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for ShownLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_cut_between_characters() {
        assert_eq!(&*ShownLabel::new("01:00:00;02"), "01:00:00;02");
        assert_eq!(&*ShownLabel::new(&"x".repeat(40)), "x".repeat(31));
        assert_eq!(&*ShownLabel::new(&"é".repeat(40)), "é".repeat(15));
        // what comes after one that does not fit is left out too
        assert_eq!(&*ShownLabel::new(&("x".repeat(30) + "éy")), "x".repeat(30));
    }
}
