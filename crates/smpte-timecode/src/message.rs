//! The messages of the session protocol, as data (sheet B2, B3 and B7).
//!
//! One message is one JSON object. [`ClientMessage`] is what a client says, [`ServerMessage`] what a server says;
//! [`codec`](crate::codec) turns them into lines and back.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMessage<'a> {
    /// Make a session, stopped, and become its member; the session that the client is in is left first.
    CreateSession {
        /// One of the strings of `welcome`.
        framerate: StringField<'a>,
        /// `HH:MM:SS:FF`; absent means `00:00:00:00`.
        initial_timecode: StringField<'a>,
    },
    /// Become a member; the session that the client is in is left first.
    JoinSession {
        /// The whole id.
        session_id: StringField<'a>,
    },
    /// Be a member no more. Never answered.
    LeaveSession,
    /// Let the timecode run.
    StartTimecode,
    /// Halt the timecode.
    StopTimecode,
    /// Give the present frame another label; a running session goes on running.
    ResetTimecode {
        /// `HH:MM:SS:FF`; absent means `00:00:00:00`.
        timecode: StringField<'a>,
    },
    /// Ask for extensions; replaces what was granted before.
    Hello {
        /// The known ones among those asked for.
        extensions: Extensions,
    },
    /// Ask for the server's clock ([`Extension::Clock`]).
    Ping {
        /// A JSON number as written, which comes back as it is; `None` if there is none.
        t: Option<Cow<'a, str>>,
    },
    /// Ask which sessions there are ([`Extension::List`]).
    ListSessions,
    /// Ask how the server is ([`Extension::Status`]).
    GetStatus,
}

/// A field that should be a string, as it was found.
///
/// The original looks at a field only when it needs it and fails in another way for each kind, so the kinds are kept
/// apart until then (sheet B4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StringField<'a> {
    /// Not there.
    #[default]
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// A number, `true`, `false` or `null`.
    Scalar,
    /// An array or an object.
    Compound,
}

impl<'a> From<&'a str> for StringField<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerMessage<'a> {
    /// The first message on every connection.
    Welcome {
        /// For people.
        message: Cow<'a, str>,
        /// Every `framerate` that `create_session` takes.
        supported_framerates: Vec<Cow<'a, str>>,
    },
    /// To the creator.
    SessionCreated {
        /// The new session.
        session_id: Cow<'a, str>,
        /// As it was asked for.
        framerate: Cow<'a, str>,
        /// The label in its usual form.
        initial_timecode: Cow<'a, str>,
    },
    /// To the one who joins.
    SessionJoined {
        /// The session.
        session_id: Cow<'a, str>,
        /// As its creator gave it.
        framerate: Cow<'a, str>,
        /// The label in force.
        current_timecode: Cow<'a, str>,
        /// Whether updates follow.
        running: bool,
    },
    /// To all members.
    Timecode(TimecodeMessage<'a>),
    /// To the one whose message could not be obeyed.
    Error {
        /// For people, but the original's texts never change.
        message: Cow<'a, str>,
    },
    /// The answer to [`ClientMessage::Hello`].
    Hello {
        /// Those granted.
        extensions: Extensions,
        /// Name and version of the server.
        server: Cow<'a, str>,
    },
    /// The answer to [`ClientMessage::Ping`].
    Pong {
        /// The number of the ping, as written there.
        t: Cow<'a, str>,
        /// The server's monotonic clock, nanoseconds.
        server_ns: u64,
    },
    /// The answer to [`ClientMessage::ListSessions`].
    SessionList {
        /// In no promised order.
        sessions: Vec<SessionSummary<'a>>,
    },
    /// The answer to [`ClientMessage::GetStatus`].
    Status(StatusReport<'a>),
}

/// A message about a session's timecode. It carries no session id: it is about the session one is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimecodeMessage<'a> {
    /// What happened.
    pub kind: TimecodeKind,
    /// The label in force from now on.
    pub timecode: Cow<'a, str>,
    /// With [`Extension::Frame`]: the exact place of that label in time.
    pub position: Option<Position>,
}

/// What a [`TimecodeMessage`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimecodeKind {
    /// The session runs from this label on; its next update is one frame later.
    Started,
    /// The next frame has begun.
    Update,
    /// The session rests at this label.
    Stopped,
    /// The present frame has this label now.
    Reset,
}

/// A label's exact place in time ([`Extension::Frame`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Frames from the session's label 00:00:00:00 on, counted past midnight.
    pub frame: i64,
    /// Frames a second.
    pub rate: Ratio,
    /// Whether labels are dropped.
    pub drop: bool,
    /// When that frame began, nanoseconds of the server's monotonic clock.
    pub at_ns: u64,
}

/// A frame rate on the wire: `30000/1001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// Frames in `den` seconds.
    pub num: NonZeroU32,
    /// Seconds.
    pub den: NonZeroU32,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// One session in a [`ServerMessage::SessionList`] or a [`StatusReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSummary<'a> {
    /// `session_id` in a list, `id` in a status.
    pub session_id: Cow<'a, str>,
    /// As its creator gave it.
    pub framerate: Cow<'a, str>,
    /// The label now.
    pub timecode: Cow<'a, str>,
    /// Whether it runs.
    pub running: bool,
    /// How many members it has.
    pub client_count: u64,
    /// ISO 8601, UTC; `None` if the server knows no date.
    pub created_at: Option<Cow<'a, str>>,
    /// What the server's program called it; in lists only.
    pub name: Option<Cow<'a, str>>,
}

impl SessionSummary<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> SessionSummary<'static> {
        SessionSummary {
            session_id: owned(self.session_id),
            framerate: owned(self.framerate),
            timecode: owned(self.timecode),
            running: self.running,
            client_count: self.client_count,
            created_at: self.created_at.map(owned),
            name: self.name.map(owned),
        }
    }
}

/// How a server is (sheet B8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusReport<'a> {
    /// As configured.
    pub host: Cow<'a, str>,
    /// The first TCP port.
    pub port: u16,
    /// How many sessions there are.
    pub active_sessions: u64,
    /// How many clients there are, members or not.
    pub connected_clients: u64,
    /// The sessions.
    pub sessions: Vec<SessionSummary<'a>>,
}

impl StatusReport<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> StatusReport<'static> {
        StatusReport {
            host: owned(self.host),
            port: self.port,
            active_sessions: self.active_sessions,
            connected_clients: self.connected_clients,
            sessions: self.sessions.into_iter().map(SessionSummary::into_owned).collect(),
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// An addition to the protocol that a client has to ask for, so that clients that know nothing of it never see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Extension {
    /// `ping` is answered with the server's clock.
    Clock,
    /// Timecode messages carry a [`Position`].
    Frame,
    /// `list_sessions` is answered.
    List,
    /// `get_status` is answered.
    Status,
}

impl Extension {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Frame, Self::Clock, Self::List, Self::Status];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Frame => "frame",
            Self::List => "list",
            Self::Status => "status",
        }
    }

    /// The extension of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.name() == name)
    }
}

/// A set of [`Extension`]s, which remembers the order in which they were named.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Extensions([Option<Extension>; 4]);

impl Extensions {
    /// None.
    pub const NONE: Self = Self([None; 4]);
    /// All there are.
    pub const ALL: Self = Self([
        Some(Extension::Frame),
        Some(Extension::Clock),
        Some(Extension::List),
        Some(Extension::Status),
    ]);

    /// Whether `extension` is among them.
    pub fn contains(self, extension: Extension) -> bool {
        self.0.contains(&Some(extension))
    }

    /// Adds one, at the end; nothing happens if it is there.
    pub fn insert(&mut self, extension: Extension) {
        if self.contains(extension) {
            return;
        }
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(extension);
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// In the order in which they were named.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        self.0.into_iter().flatten()
    }
}

impl FromIterator<Extension> for Extensions {
    fn from_iter<I: IntoIterator<Item = Extension>>(extensions: I) -> Self {
        let mut set = Self::NONE;
        for extension in extensions {
            set.insert(extension);
        }
        set
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The id of a session: a random UUID (RFC 9562 §5.4), written in lower case with hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Bytes of the text form.
    pub const TEXT_LEN: usize = 36;

    /// The UUID with these bits, of which six are overwritten with version 4 and the variant.
    pub const fn from_random(mut bits: [u8; 16]) -> Self {
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bits;
        *version = *version & 0x0f | 0x40;
        *variant = *variant & 0x3f | 0x80;
        Self(bits)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the text form and no other: `join_session` compares letter by letter.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let mut digits = text.bytes().enumerate().filter_map(|(at, byte)| match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => None,
            (8 | 13 | 18 | 23, _) => Some(None),
            (_, b'0'..=b'9') => Some(Some(byte - b'0')),
            (_, b'a'..=b'f') => Some(Some(byte - b'a' + 10)),
            _ => Some(None),
        });
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = digits.next()?? << 4 | digits.next()??;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_are_version_4_and_read_back_only_as_written() {
        let id = SessionId::from_random([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::from_random([0; 16]).to_string(), "00000000-0000-4000-8000-000000000000");
        for wrong in [
            "FFFFFFFF-ffff-4fff-bfff-ffffffffffff",
            "ffffffff-ffff-4fff-bfff-fffffffffff",
            "ffffffff-ffff-4fff-bfff-ffffffffffff ",
            "fffffffffffff-4fff-bfff-ffffffffffff",
            "ffffffff-ffff-4fff-bfffffffffffff-ff",
            "ffffffff-ffff-4fff-bfff-fffffffffffg",
            "{fffffff-ffff-4fff-bfff-ffffffffffff",
            "ffffffff",
            "",
        ] {
            assert_eq!(SessionId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn extensions_keep_their_order_and_come_once() {
        let set: Extensions = [Extension::List, Extension::Frame, Extension::List].into_iter().collect();
        assert!(set.iter().eq([Extension::List, Extension::Frame]));
        assert!(!set.contains(Extension::Clock));
        assert_eq!(Extension::ALL.into_iter().collect::<Extensions>(), Extensions::ALL);
    }
}
