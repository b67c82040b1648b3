//! The server in recordings ([`machine::record`]).

use alloc::borrow::Cow;
use alloc::string::String;

use machine::Instant;
use machine::record::{Field, Fields, Line, Unreadable, Written, write_word};

use super::{Server, SessionSpec};
use crate::UsageError;
use crate::config::ServerConfig;
use crate::message::SessionId;
use crate::session::replicated::{Heard, NodeConfig, NodeName, WriteError, WriteToken};

machine::recordable! {
    /// What programs do with a [`Server`] that is recorded.
    pub trait ServerCalls for Server = "smpte-sessions" of ServerConfig {
        /// See [`Server::create_session`].
        fn create_session[now](spec: SessionSpec<'_> as KeptSpec => spec.spec()) -> Result<SessionId, UsageError>;
        /// See [`Server::start`].
        fn start[now](id: SessionId) -> Result<(), UsageError>;
        /// See [`Server::stop`].
        fn stop[now](id: SessionId) -> Result<(), UsageError>;
        /// See [`Server::reset`].
        fn reset[now](id: SessionId, label: &str as String => &label) -> Result<(), UsageError>;
        /// See [`Server::remove`].
        fn remove[now](id: SessionId) -> Result<(), UsageError>;
        /// See [`Server::steer`].
        fn steer[now](
            id: SessionId,
            label: &str as String => &label,
            at: Instant,
        ) -> Result<(), UsageError>;
        /// See [`Server::set_address`].
        fn set_address(host: Cow<'static, str>, port: u16) -> ();
        /// See [`Server::hear`].
        fn hear[now](heard: Heard) -> ();
    }
}

machine::record_struct!(ServerConfig {
    rng_seed,
    max_clients,
    max_sessions,
    max_line,
    announcement_burst,
    announcements_per_second,
    truncated_labels,
    server_name,
    host,
    port,
    cluster,
});
machine::record_struct!(NodeConfig { name, incarnation, max_sessions, lease, max_offset, patience });
machine::record_enum!(Heard {
    Connected,
    Disconnected,
    Entry { key, revision, value },
    Synced,
    Written { token, outcome },
    Message(data),
});
machine::record_tuple!(WriteToken(number));
machine::record_enum!(WriteError { Conflict, Failed });

/// A [`SessionSpec`] that was read back.
#[derive(Debug)]
struct KeptSpec {
    framerate: String,
    initial_timecode: String,
    name: Option<String>,
    pinned: bool,
}

machine::record_struct!(KeptSpec { framerate, initial_timecode, name, pinned });

impl KeptSpec {
    fn spec(&self) -> SessionSpec<'_> {
        SessionSpec {
            framerate: &self.framerate,
            initial_timecode: &self.initial_timecode,
            name: self.name.as_deref(),
            pinned: self.pinned,
        }
    }
}

impl Written for SessionSpec<'_> {
    fn write(&self, line: &mut Line) {
        self.framerate.write(line);
        self.initial_timecode.write(line);
        self.name.write(line);
        self.pinned.write(line);
    }
}

impl Written for SessionId {
    fn write(&self, line: &mut Line) {
        write_word(line, self);
    }
}

impl Field for SessionId {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Self::parse(fields.word()?).ok_or(Unreadable::Word)
    }
}

impl Written for NodeName {
    fn write(&self, line: &mut Line) {
        write_word(line, self);
    }
}

impl Field for NodeName {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Debug;

    fn comes_back<T: Field + Debug>(value: &T) {
        let mut line = Line::new();
        value.write(&mut line);
        let mut fields = Fields::new(&line);
        let read = T::read(&mut fields).unwrap();
        assert_eq!((alloc::format!("{read:?}"), fields.end()), (alloc::format!("{value:?}"), Ok(())));
    }

    #[test]
    fn what_a_cluster_says_comes_back() {
        let node = NodeConfig::new("a-1".parse().unwrap(), 7);
        comes_back(&ServerConfig::new([9; 32]).with_server_name("two words").with_cluster(node));
        let key = String::from("session.1");
        for heard in [
            Heard::Connected,
            Heard::Disconnected,
            Heard::Entry { key: key.clone(), revision: 3, value: Some("{\"a\": 1}".into()) },
            Heard::Entry { key, revision: 4, value: None },
            Heard::Synced,
            Heard::Written { token: WriteToken(5), outcome: Ok(6) },
            Heard::Written { token: WriteToken(5), outcome: Err(WriteError::Conflict) },
            Heard::Message(b"\0\xff"[..].into()),
        ] {
            comes_back(&heard);
        }
    }
}
