//! Entries of the engine's store, as JSON.
//!
//! ```text
//! s.<session>         {"version": 1, "framerate": "29.97df", "timecode": "01:00:00;00", "day": 0,
//!                      "epoch_ns": 1795262400000000000, "running": true, "changes": 3, "created_ns": 1795262390000000000,
//!                      "nodes": ["a", "b"], "by": "a", "write": 17}
//! n.<node>            {"version": 1, "incarnation": 123, "since_ns": 1795262390000000000, "clients": 40}
//! m.<session>.<node>  40
//! ```
//!
//! `timecode` is the label at `epoch_ns`, on the `day`th day since the session's label 00:00:00:00. Fields that are not
//! known are passed over; a higher `version` is refused.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::{NodeName, SharedClock};
use crate::DecodeError;
use crate::codec::json::{ObjectWriter, Value, put_string};
use crate::message::SessionId;
use crate::session::{Label, SessionRate};

/// Bytes of the longest entry that is looked at: a session that all nodes hold has 9.2 KiB.
pub const MAX_ENTRY: usize = 16 << 10;
/// Nodes of one session.
pub(super) const MAX_NODES: usize = 256;

const VERSION: u64 = 1;
/// Days that a session can have run: more than 2000 years.
const MAX_DAY: i64 = 1_000_000;

/// Bytes that are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Longer than any entry.
    #[error("entry of {length} bytes, at most {MAX_ENTRY} belong")]
    TooLong {
        /// How many there are.
        length: u32,
    },
    /// Not a JSON object, or a field of the wrong kind.
    #[error(transparent)]
    Json(#[from] DecodeError),
    /// Written by a later version of this program.
    #[error("entry of version {found}, this program knows {VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// A field with a value that it cannot have.
    #[error("field {field} has a value that it cannot have")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// A key that is none of ours.
    #[error("key is not s.<session>, m.<session>.<node> or n.<node>")]
    Key,
    /// An epoch that no clock of this cluster can have read.
    #[error("epoch lies {seconds} s ahead")]
    Future {
        /// How far.
        seconds: u64,
    },
    /// More entries than a node holds.
    #[error("more entries than this node holds")]
    TooMany,
}

/// The entry of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// Its clock.
    pub clock: SharedClock,
    /// How many times its clock was changed.
    pub changes: u64,
    /// When it was made, nanoseconds since 1970-01-01T00:00:00Z.
    pub created_ns: i64,
    /// The nodes at which it has members, each once, in order.
    pub nodes: Vec<NodeName>,
    /// Who wrote this.
    pub by: NodeName,
    /// Which of his writes this is.
    pub write: u64,
}

impl SessionEntry {
    /// The entry as JSON.
    pub fn to_json(&self) -> Bytes {
        let mut out = BytesMut::new();
        let label = self.clock.label;
        let day = label.frame().div_euclid(i64::from(label.rate().frames_per_day()));
        ObjectWriter::new(&mut out)
            .unsigned("version", VERSION)
            .string("framerate", self.clock.framerate.name())
            .string("timecode", &label.to_string())
            .signed("day", day)
            .signed("epoch_ns", self.clock.epoch_ns)
            .bool("running", self.clock.running)
            .unsigned("changes", self.changes)
            .signed("created_ns", self.created_ns)
            .array("nodes", &self.nodes, |out, node| put_string(out, node.as_str()))
            .string("by", self.by.as_str())
            .unsigned("write", self.write)
            .end();
        out.freeze()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Whatever else it is.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let fields = Fields::parse(bytes)?;
        let framerate = fields.text("framerate")?;
        let rate = SessionRate::all().find(|rate| rate.name() == framerate);
        let framerate = rate.ok_or(EntryError::Field { field: "framerate" })?;
        let timecode = fields.text("timecode")?;
        let label = framerate.label(&timecode).map_err(|_| EntryError::Field { field: "timecode" })?;
        let day = fields.integer::<i64>("day")?;
        if !(-MAX_DAY..=MAX_DAY).contains(&day) {
            return Err(EntryError::Field { field: "day" });
        }
        let mut nodes: Vec<NodeName> = Vec::new();
        for node in fields.value("nodes")?.elements() {
            let node = node.text().and_then(|name| name.parse().ok());
            let node =
                node.filter(|_| nodes.len() < MAX_NODES).ok_or(EntryError::Field { field: "nodes" })?;
            nodes.push(node);
        }
        nodes.sort_unstable();
        nodes.dedup();
        Ok(Self {
            clock: SharedClock {
                framerate,
                label: on_day(label, day),
                epoch_ns: fields.integer("epoch_ns")?,
                running: fields.value("running")?.bool().ok_or(EntryError::Field { field: "running" })?,
            },
            changes: fields.integer("changes")?,
            created_ns: fields.integer("created_ns")?,
            nodes,
            by: fields.name("by")?,
            write: fields.integer("write")?,
        })
    }
}

/// The lease of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Drawn when the node started.
    pub incarnation: u64,
    /// When it did, nanoseconds since 1970-01-01T00:00:00Z.
    pub since_ns: i64,
    /// Its clients, members or not.
    pub clients: u64,
}

impl NodeEntry {
    /// The entry as JSON.
    pub fn to_json(&self) -> Bytes {
        let mut out = BytesMut::new();
        ObjectWriter::new(&mut out)
            .unsigned("version", VERSION)
            .unsigned("incarnation", self.incarnation)
            .signed("since_ns", self.since_ns)
            .unsigned("clients", self.clients)
            .end();
        out.freeze()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Whatever else it is.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let fields = Fields::parse(bytes)?;
        Ok(Self {
            incarnation: fields.integer("incarnation")?,
            since_ns: fields.integer("since_ns")?,
            clients: fields.integer("clients")?,
        })
    }
}

/// What nodes say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// What time is it? `sent` comes back as it is.
    Ask { from: NodeName, sent: u64 },
    /// So late is it.
    Reply { from: NodeName, sent: u64, wall_ns: i64 },
}

impl Probe {
    pub(super) fn to_json(self) -> Bytes {
        let mut out = BytesMut::new();
        let writer = ObjectWriter::new(&mut out).unsigned("version", VERSION);
        match self {
            Self::Ask { from, sent } => writer.string("from", from.as_str()).unsigned("sent", sent),
            Self::Reply { from, sent, wall_ns } => {
                writer.string("from", from.as_str()).unsigned("sent", sent).signed("wall_ns", wall_ns)
            }
        }
        .end();
        out.freeze()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let fields = Fields::parse(bytes)?;
        let (from, sent) = (fields.name("from")?, fields.integer("sent")?);
        Ok(match fields.integer("wall_ns") {
            Ok(wall_ns) => Self::Reply { from, sent, wall_ns },
            Err(EntryError::Json(DecodeError::Missing { .. })) => Self::Ask { from, sent },
            Err(error) => return Err(error),
        })
    }
}

/// What a key is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Session(SessionId),
    Members(SessionId, NodeName),
    Node(NodeName),
}

impl Key {
    pub(super) fn parse(key: &str) -> Option<Self> {
        match key.split_once('.')? {
            ("s", id) => SessionId::parse(id).map(Self::Session),
            ("n", name) => name.parse().ok().map(Self::Node),
            ("m", rest) => {
                let (id, name) = rest.split_once('.')?;
                Some(Self::Members(SessionId::parse(id)?, name.parse().ok()?))
            }
            _ => None,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Session(id) => format!("s.{id}"),
            Self::Members(id, name) => format!("m.{id}.{name}"),
            Self::Node(name) => format!("n.{name}"),
        }
    }
}

/// The number of members that an entry tells.
pub(super) fn parse_count(bytes: &[u8]) -> Result<u32, EntryError> {
    let text = core::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    text.ok_or(EntryError::Field { field: "members" })
}

fn on_day(label: Label, day: i64) -> Label {
    label.after(day.saturating_mul(i64::from(label.rate().frames_per_day())))
}

/// The fields of an object; of two with one name the last counts.
struct Fields<'a>(Vec<(alloc::borrow::Cow<'a, str>, Value<'a>)>);

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLong { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) });
        }
        let text = core::str::from_utf8(bytes)
            .map_err(|e| DecodeError::Utf8 { offset: u32::try_from(e.valid_up_to()).unwrap_or(u32::MAX) })?;
        let value = Value::parse(text)?;
        if !matches!(value, Value::Object(_)) {
            return Err(DecodeError::NotAnObject.into());
        }
        let fields = Self(value.members().collect());
        match fields.integer("version")? {
            VERSION => Ok(fields),
            found => Err(EntryError::Version { found }),
        }
    }

    fn value(&self, name: &'static str) -> Result<Value<'a>, EntryError> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        Ok(found.ok_or(DecodeError::Missing { field: name })?.1)
    }

    fn integer<T: core::str::FromStr>(&self, name: &'static str) -> Result<T, EntryError> {
        self.value(name)?.integer().ok_or(EntryError::Field { field: name })
    }

    fn text(&self, name: &'static str) -> Result<alloc::borrow::Cow<'a, str>, EntryError> {
        self.value(name)?.text().ok_or(EntryError::Field { field: name })
    }

    fn name(&self, name: &'static str) -> Result<NodeName, EntryError> {
        self.text(name)?.parse().map_err(|_| EntryError::Field { field: name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn entry(framerate: &str, label: &str, day: i64) -> SessionEntry {
        let framerate = SessionRate::all().find(|rate| rate.name() == framerate).unwrap();
        SessionEntry {
            clock: SharedClock {
                framerate,
                label: on_day(framerate.label(label).unwrap(), day),
                epoch_ns: 1_795_262_400_000_000_000,
                running: true,
            },
            changes: 3,
            created_ns: -5,
            nodes: alloc::vec![name("a"), name("b")],
            by: name("a"),
            write: 17,
        }
    }

    const TEXT: &str = r#"{"version": 1, "framerate": "29.97", "timecode": "01:00:00;02", "day": 0, "epoch_ns": 1795262400000000000, "running": true, "changes": 3, "created_ns": -5, "nodes": ["a", "b"], "by": "a", "write": 17}"#;

    #[test]
    fn entries_are_written_as_documented_and_read_back() {
        let session = entry("29.97", "01:00:00;02", 0);
        assert_eq!(session.to_json(), TEXT);
        for session in [session, entry("120", "23:59:59:119", -1), entry("25", "00:00:00:00", MAX_DAY)] {
            assert_eq!(SessionEntry::parse(&session.to_json()), Ok(session));
        }
        let node = NodeEntry { incarnation: u64::MAX, since_ns: i64::MIN, clients: 40 };
        assert_eq!(NodeEntry::parse(&node.to_json()), Ok(node));
        for probe in [
            Probe::Ask { from: name("a"), sent: 5 },
            Probe::Reply { from: name("b"), sent: u64::MAX, wall_ns: -1 },
        ] {
            assert_eq!(Probe::parse(&probe.to_json()), Ok(probe));
        }
    }

    #[test]
    fn garbage_is_refused_with_what_is_wrong() {
        let with =
            |from: &str, to: &str| SessionEntry::parse(TEXT.replacen(from, to, 1).as_bytes()).unwrap_err();
        let field = |field| EntryError::Field { field };
        assert_eq!(with("1", "2"), EntryError::Version { found: 2 });
        assert_eq!(with("29.97", "29.98"), field("framerate"));
        assert_eq!(with("01:00", "25:00"), field("timecode"));
        assert_eq!(with("\"day\": 0", "\"day\": 1000001"), field("day"));
        assert_eq!(with("1795262400000000000", "1795262400000000000000"), field("epoch_ns"));
        assert_eq!(with("true", "\"true\""), field("running"));
        assert_eq!(with("\"b\"]", "5]"), field("nodes"));
        assert_eq!(with("\"by\": \"a\"", "\"by\": \"a.b\""), field("by"));
        assert_eq!(with("\"write\"", "\"wrote\""), DecodeError::Missing { field: "write" }.into());
        assert_eq!(SessionEntry::parse(b"\xff"), Err(DecodeError::Utf8 { offset: 0 }.into()));
        assert_eq!(SessionEntry::parse(b"[]"), Err(DecodeError::NotAnObject.into()));
        assert_eq!(SessionEntry::parse(b"{"), Err(DecodeError::Syntax { offset: 1 }.into()));
        let long = alloc::vec![b' '; MAX_ENTRY + 1];
        assert_eq!(SessionEntry::parse(&long), Err(EntryError::TooLong { length: 16_385 }));
        let crowd = alloc::vec!["\"a\""; MAX_NODES + 1].join(",");
        assert_eq!(with("\"a\", \"b\"", &crowd), field("nodes"));
        assert_eq!(parse_count(b"4x"), Err(field("members")));
        assert!(size_of::<EntryError>() <= 32);
    }

    #[test]
    fn the_entry_of_the_most_nodes_fits() {
        let mut session = entry("29.97", "01:00:00;02", 0);
        let nodes = (0..MAX_NODES).map(|k| name(&format!("{k:032}")));
        session.nodes = nodes.collect();
        let json = session.to_json();
        assert!(json.len() <= MAX_ENTRY);
        assert_eq!(SessionEntry::parse(&json), Ok(session));
    }

    #[test]
    fn keys_are_read_back_only_as_written() {
        let id = SessionId::from_random([7; 16]);
        for key in [Key::Session(id), Key::Members(id, name("a-b")), Key::Node(name("_"))] {
            assert_eq!(Key::parse(&key.text()), Some(key));
        }
        for wrong in
            ["", "s", "s.", "s.1", "x.a", "n.", "n.a.b", "m.a.b", "m.07070707-0707-4707-8707-070707070707"]
        {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..220) {
            let _ = (SessionEntry::parse(&bytes), NodeEntry::parse(&bytes), Probe::parse(&bytes));
            // and entries with damage
            let mut text = TEXT.as_bytes().to_vec();
            let end = (at + bytes.len().min(4)).min(text.len());
            text.splice(at.min(end)..end, bytes.iter().copied().take(4));
            let _ = SessionEntry::parse(&text);
        }
    }
}
