//! JSON to messages.
//!
//! Unknown fields are passed over, and of a key that comes twice the last counts, as in the original.

use alloc::borrow::Cow;
use core::num::NonZeroU32;

use super::json::{Members, Value};
use crate::DecodeError;
use crate::message::{
    ClientMessage, Extension, Extensions, Position, Ratio, ServerMessage, SessionSummary, StatusReport,
    StringField, TimecodeKind, TimecodeMessage,
};

impl<'a> ClientMessage<'a> {
    /// Reads one JSON object.
    ///
    /// # Errors
    ///
    /// [`DecodeError::server_reply`] is what the original answers to each.
    pub fn parse(text: &'a str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let kind = match object.string_field("type") {
            StringField::Text(kind) => kind,
            StringField::Compound => return Err(DecodeError::WrongKind { field: "type" }),
            StringField::Absent | StringField::Scalar => return Err(DecodeError::UnknownType),
        };
        Ok(match &*kind {
            "create_session" => Self::CreateSession {
                framerate: object.string_field("framerate"),
                initial_timecode: object.string_field("initial_timecode"),
            },
            "join_session" => Self::JoinSession { session_id: object.string_field("session_id") },
            "leave_session" => Self::LeaveSession,
            "start_timecode" => Self::StartTimecode,
            "stop_timecode" => Self::StopTimecode,
            "reset_timecode" => Self::ResetTimecode { timecode: object.string_field("timecode") },
            "hello" => Self::Hello { extensions: object.extensions() },
            "ping" => Self::Ping { t: object.number("t").ok() },
            "list_sessions" => Self::ListSessions,
            "get_status" => Self::GetStatus,
            _ => return Err(DecodeError::UnknownType),
        })
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads one JSON object. Fields of extensions that make no sense are taken as not there.
    ///
    /// # Errors
    ///
    /// If it is no object, has a type that is not known, or lacks a field that belongs to its type.
    pub fn parse(text: &'a str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let kind = object.value("type").and_then(Value::text).ok_or(DecodeError::UnknownType)?;
        let timecode = |kind| object.timecode(kind).map(Self::Timecode);
        Ok(match &*kind {
            "timecode_update" => timecode(TimecodeKind::Update)?,
            "timecode_started" => timecode(TimecodeKind::Started)?,
            "timecode_stopped" => timecode(TimecodeKind::Stopped)?,
            "timecode_reset" => timecode(TimecodeKind::Reset)?,
            "welcome" => Self::Welcome {
                message: object.text_or_empty("message"),
                supported_framerates: object
                    .elements("supported_framerates")
                    .filter_map(Value::text)
                    .collect(),
            },
            "session_created" => Self::SessionCreated {
                session_id: object.text("session_id")?,
                framerate: object.text_or_empty("framerate"),
                initial_timecode: object.text_or_empty("initial_timecode"),
            },
            "session_joined" => Self::SessionJoined {
                session_id: object.text("session_id")?,
                framerate: object.text_or_empty("framerate"),
                current_timecode: object.text_or_empty("current_timecode"),
                running: object.bool("running"),
            },
            "error" => Self::Error { message: object.text_or_empty("message") },
            "hello" => {
                Self::Hello { extensions: object.extensions(), server: object.text_or_empty("server") }
            }
            "pong" => Self::Pong { t: object.number("t")?, server_ns: object.integer("server_ns")? },
            "session_list" => Self::SessionList {
                sessions: object.elements("sessions").map(|one| summary(one, "session_id")).collect(),
            },
            "status" => Self::Status(StatusReport {
                host: object.text_or_empty("host"),
                port: object.integer("port").unwrap_or_default(),
                active_sessions: object.integer("active_sessions").unwrap_or_default(),
                connected_clients: object.integer("connected_clients").unwrap_or_default(),
                sessions: object.elements("sessions").map(|one| summary(one, "id")).collect(),
            }),
            _ => return Err(DecodeError::UnknownType),
        })
    }
}

impl DecodeError {
    /// What the original answers to a message that cannot be read (sheet B4); `None` if it closes the connection.
    pub const fn server_reply(self) -> Option<&'static str> {
        match self {
            Self::LineTooLong { .. } => None,
            Self::Syntax { .. } => Some("Invalid JSON message"),
            Self::UnknownType => Some("Unknown command"),
            Self::Utf8 { .. }
            | Self::TooDeep { .. }
            | Self::NotAnObject
            | Self::WrongKind { .. }
            | Self::Missing { .. } => Some("Internal server error"),
        }
    }
}

/// No message has more members.
const AT_HAND: usize = 8;

/// A JSON object. As messages have few members, they are looked up among those that came first, and what else a peer
/// sends is walked over.
struct Object<'a> {
    first: [(Cow<'a, str>, Value<'a>); AT_HAND],
    more: Members<'a>,
}

impl<'a> Object<'a> {
    fn parse(text: &'a str) -> Result<Self, DecodeError> {
        match Value::parse(text)? {
            object @ Value::Object(_) => Ok(Self::of(object)),
            _ => Err(DecodeError::NotAnObject),
        }
    }

    /// Of anything else it has no members.
    fn of(object: Value<'a>) -> Self {
        let mut more = object.members();
        let mut first = [const { (Cow::Borrowed(""), Value::Null) }; AT_HAND];
        for (place, member) in first.iter_mut().zip(more.by_ref()) {
            *place = member;
        }
        Self { first, more }
    }

    /// The last member of that name.
    fn value(&self, key: &str) -> Option<Value<'a>> {
        let later = self.more.clone().filter(|(name, _)| name == key).last().map(|(_, value)| value);
        later.or_else(|| self.first.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value))
    }

    fn string_field(&self, key: &str) -> StringField<'a> {
        match self.value(key) {
            None => StringField::Absent,
            Some(Value::Array(_) | Value::Object(_)) => StringField::Compound,
            Some(value) => value.text().map_or(StringField::Scalar, StringField::Text),
        }
    }

    fn text(&self, key: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        self.required(key)?.text().ok_or(DecodeError::WrongKind { field: key })
    }

    fn text_or_empty(&self, key: &str) -> Cow<'a, str> {
        self.value(key).and_then(Value::text).unwrap_or_default()
    }

    fn bool(&self, key: &str) -> bool {
        self.value(key).and_then(Value::bool).unwrap_or_default()
    }

    fn integer<T: core::str::FromStr>(&self, key: &'static str) -> Result<T, DecodeError> {
        self.required(key)?.integer().ok_or(DecodeError::WrongKind { field: key })
    }

    /// A number as it is written.
    fn number(&self, key: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        match self.required(key)? {
            Value::Number(digits) => Ok(Cow::Borrowed(digits)),
            _ => Err(DecodeError::WrongKind { field: key }),
        }
    }

    fn required(&self, key: &'static str) -> Result<Value<'a>, DecodeError> {
        self.value(key).ok_or(DecodeError::Missing { field: key })
    }

    fn elements(&self, key: &str) -> impl Iterator<Item = Value<'a>> {
        self.value(key).unwrap_or(Value::Null).elements()
    }

    fn extensions(&self) -> Extensions {
        self.elements("extensions").filter_map(|name| Extension::from_name(&name.text()?)).collect()
    }

    fn timecode(&self, kind: TimecodeKind) -> Result<TimecodeMessage<'a>, DecodeError> {
        Ok(TimecodeMessage { kind, timecode: self.text("timecode")?, position: self.position() })
    }

    fn position(&self) -> Option<Position> {
        let rate = self.value("rate")?.text()?;
        let (num, den) = rate.split_once('/')?;
        let term = |digits: &str| digits.parse::<NonZeroU32>().ok();
        Some(Position {
            frame: self.value("frame")?.integer()?,
            rate: Ratio { num: term(num)?, den: term(den)? },
            drop: self.value("drop")?.bool()?,
            at_ns: self.value("at_ns")?.integer()?,
        })
    }
}

fn summary<'a>(session: Value<'a>, id: &str) -> SessionSummary<'a> {
    let object = Object::of(session);
    SessionSummary {
        session_id: object.text_or_empty(id),
        framerate: object.text_or_empty("framerate"),
        timecode: object.text_or_empty("timecode"),
        running: object.bool("running"),
        client_count: object.integer("client_count").unwrap_or_default(),
        created_at: object.value("created_at").and_then(Value::text),
        name: object.value("name").and_then(Value::text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    #[test]
    fn kinds_of_fields_are_kept_apart() {
        let create = |json: &'static str| match ClientMessage::parse(json) {
            Ok(ClientMessage::CreateSession { framerate, .. }) => framerate,
            other => panic!("{other:?}"),
        };
        assert_eq!(create(r#"{"type":"create_session"}"#), StringField::Absent);
        assert_eq!(create(r#"{"type":"create_session","framerate":24}"#), StringField::Scalar);
        assert_eq!(create(r#"{"type":"create_session","framerate":null}"#), StringField::Scalar);
        assert_eq!(create(r#"{"type":"create_session","framerate":{}}"#), StringField::Compound);
        assert_eq!(create(r#"{"framerate":[],"type":"create_session","framerate":"\u00324"}"#), "24".into());
        assert_eq!(
            create(r#"{"type":{},"\u0074ype":"create_session","x":[{"type":1}]}"#),
            StringField::Absent
        );
    }

    #[test]
    fn client_messages_read_back_as_written() {
        for message in [
            ClientMessage::CreateSession { framerate: "29.97".into(), initial_timecode: "é\"".into() },
            ClientMessage::CreateSession {
                framerate: StringField::Scalar,
                initial_timecode: StringField::Compound,
            },
            ClientMessage::JoinSession { session_id: StringField::Absent },
            ClientMessage::LeaveSession,
            ClientMessage::StartTimecode,
            ClientMessage::StopTimecode,
            ClientMessage::ResetTimecode { timecode: "x".into() },
            ClientMessage::Hello { extensions: Extensions::ALL },
            ClientMessage::Ping { t: Some("-1.50e3".into()) },
            ClientMessage::Ping { t: None },
            ClientMessage::ListSessions,
            ClientMessage::GetStatus,
        ] {
            let mut out = BytesMut::new();
            message.encode(&mut out);
            assert_eq!(ClientMessage::parse(core::str::from_utf8(&out).unwrap()), Ok(message));
        }
    }

    #[test]
    fn positions_are_read_whole_or_not_at_all() {
        let position = |json: &'static str| match ServerMessage::parse(json) {
            Ok(ServerMessage::Timecode(message)) => message.position,
            other => panic!("{other:?}"),
        };
        assert!(
            position(
                r#"{"type":"timecode_update","timecode":"x","frame":-1,"rate":"25/1","drop":false,"at_ns":5}"#
            )
            .is_some()
        );
        for json in [
            r#"{"type":"timecode_update","timecode":"x"}"#,
            r#"{"type":"timecode_update","timecode":"x","frame":1,"rate":"25/0","drop":false,"at_ns":5}"#,
            r#"{"type":"timecode_update","timecode":"x","frame":1,"rate":25,"drop":false,"at_ns":5}"#,
            r#"{"type":"timecode_update","timecode":"x","frame":1.5,"rate":"25/1","drop":false,"at_ns":5}"#,
            r#"{"type":"timecode_update","timecode":"x","frame":1,"rate":"25/1","drop":false,"at_ns":-5}"#,
        ] {
            assert_eq!(position(json), None);
        }
    }
}
