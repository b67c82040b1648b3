//! Messages to JSON.

use bytes::{BufMut, Bytes, BytesMut};

use super::json::{ObjectWriter, put_string};
use crate::message::{
    ClientMessage, Extensions, Position, ServerMessage, SessionSummary, StatusReport, StringField,
    TimecodeKind, TimecodeMessage,
};

impl ClientMessage<'_> {
    /// Appends the JSON object, without a line end.
    pub fn encode(&self, out: &mut BytesMut) {
        let object = ObjectWriter::new(out);
        match self {
            Self::CreateSession { framerate, initial_timecode } => {
                let object = field(object.string("type", "create_session"), "framerate", framerate);
                field(object, "initial_timecode", initial_timecode)
            }
            Self::JoinSession { session_id } => {
                field(object.string("type", "join_session"), "session_id", session_id)
            }
            Self::LeaveSession => object.string("type", "leave_session"),
            Self::StartTimecode => object.string("type", "start_timecode"),
            Self::StopTimecode => object.string("type", "stop_timecode"),
            Self::ResetTimecode { timecode } => {
                field(object.string("type", "reset_timecode"), "timecode", timecode)
            }
            Self::Hello { extensions } => names(object.string("type", "hello"), *extensions),
            Self::Ping { t: None } => object.string("type", "ping"),
            Self::Ping { t: Some(t) } => object.string("type", "ping").raw("t", t),
            Self::ListSessions => object.string("type", "list_sessions"),
            Self::GetStatus => object.string("type", "get_status"),
        }
        .end();
    }

    /// The JSON object with the line end that a stream needs.
    pub fn to_line(&self) -> Bytes {
        line(LINE_CAPACITY, |out| self.encode(out))
    }
}

impl ServerMessage<'_> {
    /// Appends the JSON object, without a line end.
    pub fn encode(&self, out: &mut BytesMut) {
        let object = ObjectWriter::new(out);
        match self {
            Self::Welcome { message, supported_framerates } => object
                .string("type", "welcome")
                .string("message", message)
                .array("supported_framerates", supported_framerates, |out, rate| put_string(out, rate)),
            Self::SessionCreated { session_id, framerate, initial_timecode } => object
                .string("type", "session_created")
                .string("session_id", session_id)
                .string("framerate", framerate)
                .string("initial_timecode", initial_timecode),
            Self::SessionJoined { session_id, framerate, current_timecode, running } => object
                .string("type", "session_joined")
                .string("session_id", session_id)
                .string("framerate", framerate)
                .string("current_timecode", current_timecode)
                .bool("running", *running),
            Self::Timecode(message) => timecode(object, message),
            Self::Error { message } => object.string("type", "error").string("message", message),
            Self::Hello { extensions, server } => {
                names(object.string("type", "hello"), *extensions).string("server", server)
            }
            Self::Pong { t, server_ns } => {
                object.string("type", "pong").raw("t", t).unsigned("server_ns", *server_ns)
            }
            Self::SessionList { sessions } => {
                object
                    .string("type", "session_list")
                    .array("sessions", sessions, |out, session| listed(ObjectWriter::new(out), session))
            }
            Self::Status(report) => status(object, report),
        }
        .end();
    }

    /// The JSON object with the line end that a stream needs.
    pub fn to_line(&self) -> Bytes {
        // answers to nonsense come in great numbers
        let capacity = match self {
            Self::Error { message } => ERROR_LEN + message.len(),
            _ => LINE_CAPACITY,
        };
        line(capacity, |out| self.encode(out))
    }
}

impl TimecodeKind {
    /// Its `type` on the wire.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Started => "timecode_started",
            Self::Update => "timecode_update",
            Self::Stopped => "timecode_stopped",
            Self::Reset => "timecode_reset",
        }
    }
}

/// As many bytes as a timecode message with its position takes, with some to spare.
const LINE_CAPACITY: usize = 192;

/// Bytes of an error message beside its text.
const ERROR_LEN: usize = r#"{"type": "error", "message": ""}"#.len() + 1;

fn line(capacity: usize, encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(capacity);
    encode(&mut out);
    out.put_u8(b'\n');
    out.freeze()
}

fn timecode<'o>(object: ObjectWriter<'o>, message: &TimecodeMessage<'_>) -> ObjectWriter<'o> {
    let object = object.string("type", message.kind.type_name()).string("timecode", &message.timecode);
    let Some(Position { frame, rate, drop, at_ns }) = message.position else {
        return object;
    };
    object.signed("frame", frame).ratio("rate", rate).bool("drop", drop).unsigned("at_ns", at_ns)
}

fn listed(object: ObjectWriter<'_>, session: &SessionSummary<'_>) {
    object
        .string("session_id", &session.session_id)
        .string("framerate", &session.framerate)
        .string("timecode", &session.timecode)
        .bool("running", session.running)
        .unsigned("client_count", session.client_count)
        .string_or_null("created_at", session.created_at.as_deref())
        .string_or_null("name", session.name.as_deref())
        .end();
}

fn status<'o>(object: ObjectWriter<'o>, report: &StatusReport<'_>) -> ObjectWriter<'o> {
    object
        .string("type", "status")
        .string("host", &report.host)
        .unsigned("port", u64::from(report.port))
        .unsigned("active_sessions", report.active_sessions)
        .unsigned("connected_clients", report.connected_clients)
        .array("sessions", &report.sessions, |out, session| {
            ObjectWriter::new(out)
                .string("id", &session.session_id)
                .string("framerate", &session.framerate)
                .string("timecode", &session.timecode)
                .bool("running", session.running)
                .unsigned("client_count", session.client_count)
                .string_or_null("created_at", session.created_at.as_deref())
                .end();
        })
}

fn names(object: ObjectWriter<'_>, extensions: Extensions) -> ObjectWriter<'_> {
    object.array("extensions", extensions.iter(), |out, extension| put_string(out, extension.name()))
}

fn field<'o>(object: ObjectWriter<'o>, key: &'static str, value: &StringField<'_>) -> ObjectWriter<'o> {
    match value {
        StringField::Absent => object,
        StringField::Text(text) => object.string(key, text),
        StringField::Scalar => object.raw(key, "null"),
        StringField::Compound => object.raw(key, "[]"),
    }
}
