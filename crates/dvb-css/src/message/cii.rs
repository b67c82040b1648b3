//! Content identification and other information: JSON over WebSocket (ETSI TS 103 286-2 clauses 5.6.7 and 6).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Ratio;

/// A property of a message: not there, there and null, or there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The message says nothing of it.
    #[default]
    Absent,
    /// It has no value.
    Null,
    /// It has this value.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the message does not mention it.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Field<String> {
    fn from(value: &str) -> Self {
        Self::Value(value.into())
    }
}

/// A message of CSS-CII; also the state that messages add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CiiMessage {
    /// `1.1`.
    pub protocol_version: Field<String>,
    /// Where material is resolved (CSS-MRS).
    pub mrs_url: Field<String>,
    /// What is shown: a URI, such as `dvb://233a.1004.1044;363a~20130218T0915Z--PT00H45M`.
    pub content_id: Field<String>,
    /// Whether that is all that will be known of it.
    pub content_id_status: Field<ContentIdStatus>,
    /// `okay`, `transitioning`, `fault` or another term, then any number of further ones. Never empty, none of them with
    /// a space.
    pub presentation_status: Field<Vec<String>>,
    /// Where the wall clock is served: `udp://host:port`.
    pub wc_url: Field<String>,
    /// Where timelines are served.
    pub ts_url: Field<String>,
    /// Where trigger events are served.
    pub te_url: Field<String>,
    /// The timelines on offer.
    pub timelines: Field<Vec<TimelineOption>>,
    /// Anything else.
    pub private: Field<Vec<Private>>,
}

/// Whether more will be known of a content identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentIdStatus {
    /// Some of it may still be missing.
    Partial,
    /// It is complete.
    Final,
}

/// A timeline on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineOption {
    /// Its name in CSS-TS, such as `urn:dvb:css:timeline:pts`.
    pub selector: String,
    /// A tick has so many units; at least 1.
    pub units_per_tick: u64,
    /// A second has so many units; at least 1.
    pub units_per_second: u64,
    /// How exact it is, in seconds.
    pub accuracy: Option<Ratio>,
    /// Anything else.
    pub private: Vec<Private>,
}

impl TimelineOption {
    /// A timeline of so many units in a second, one of them a tick.
    pub fn new(selector: impl Into<String>, units_per_tick: u64, units_per_second: u64) -> Self {
        Self {
            selector: selector.into(),
            units_per_tick,
            units_per_second,
            accuracy: None,
            private: Vec::new(),
        }
    }

    /// Ticks in a second. (The documentation of pydvbcss has it the other way round.)
    pub fn tick_rate(&self) -> Ratio {
        Ratio::new(i128::from(self.units_per_second), i128::from(self.units_per_tick))
    }
}

/// An object that only those who know its `type` understand: JSON as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Private(pub(crate) String);

impl Private {
    /// The JSON text.
    pub fn json(&self) -> &str {
        &self.0
    }
}

/// The properties of a [`CiiMessage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CiiProperty {
    /// [`CiiMessage::protocol_version`]
    ProtocolVersion,
    /// [`CiiMessage::mrs_url`]
    MrsUrl,
    /// [`CiiMessage::content_id`]
    ContentId,
    /// [`CiiMessage::content_id_status`]
    ContentIdStatus,
    /// [`CiiMessage::presentation_status`]
    PresentationStatus,
    /// [`CiiMessage::wc_url`]
    WcUrl,
    /// [`CiiMessage::ts_url`]
    TsUrl,
    /// [`CiiMessage::te_url`]
    TeUrl,
    /// [`CiiMessage::timelines`]
    Timelines,
    /// [`CiiMessage::private`]
    Private,
}

impl CiiProperty {
    /// All of them, in the standard's order.
    pub const ALL: [Self; 10] = [
        Self::ProtocolVersion,
        Self::MrsUrl,
        Self::ContentId,
        Self::ContentIdStatus,
        Self::PresentationStatus,
        Self::WcUrl,
        Self::TsUrl,
        Self::TeUrl,
        Self::Timelines,
        Self::Private,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "protocolVersion",
            Self::MrsUrl => "mrsUrl",
            Self::ContentId => "contentId",
            Self::ContentIdStatus => "contentIdStatus",
            Self::PresentationStatus => "presentationStatus",
            Self::WcUrl => "wcUrl",
            Self::TsUrl => "tsUrl",
            Self::TeUrl => "teUrl",
            Self::Timelines => "timelines",
            Self::Private => "private",
        }
    }
}

impl fmt::Display for CiiProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
