//! CII messages to JSON and back.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::json::{self, Object, Writer};
use crate::DecodeError;
use crate::config::MAX_TIMELINES;
use crate::message::{CiiMessage, CiiProperty, ContentIdStatus, Field, Private, TimelineOption};

impl CiiMessage {
    /// Reads a message. Properties that are not known are ignored.
    ///
    /// # Errors
    /// See [`DecodeError`]; [`DecodeError::Value`] for a version that is not `1.x` (the original takes `1.1` only), an
    /// unknown content identifier status, an empty presentation status or one with two spaces in a row, a URL of more
    /// than 2048 bytes, more than 256 timelines, a private object without `type`.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let version = |raw| json::string(raw).filter(|v| v.starts_with("1.") && v.len() < 16);
        let url = |property: CiiProperty| object.field(property.name(), json::url);
        Ok(Self {
            protocol_version: object.field("protocolVersion", version)?,
            mrs_url: url(CiiProperty::MrsUrl)?,
            content_id: url(CiiProperty::ContentId)?,
            content_id_status: object.field("contentIdStatus", |raw| match json::string(raw)?.as_str() {
                "partial" => Some(ContentIdStatus::Partial),
                "final" => Some(ContentIdStatus::Final),
                _ => None,
            })?,
            presentation_status: object.field("presentationStatus", presentation_status)?,
            wc_url: url(CiiProperty::WcUrl)?,
            ts_url: url(CiiProperty::TsUrl)?,
            te_url: url(CiiProperty::TeUrl)?,
            timelines: timelines(&object)?,
            private: object.field("private", json::privates)?,
        })
    }

    /// The message as JSON, its properties in the standard's order.
    pub fn to_json(&self) -> String {
        let mut w = Writer::new();
        let mut text = |property: CiiProperty, field: &Field<String>| match field {
            Field::Absent => {}
            Field::Null => w.raw(property.name(), "null"),
            Field::Value(value) => w.string(property.name(), value),
        };
        text(CiiProperty::ProtocolVersion, &self.protocol_version);
        text(CiiProperty::MrsUrl, &self.mrs_url);
        text(CiiProperty::ContentId, &self.content_id);
        let status = match &self.content_id_status {
            Field::Absent => Field::Absent,
            Field::Null => Field::Null,
            Field::Value(ContentIdStatus::Partial) => Field::from("partial"),
            Field::Value(ContentIdStatus::Final) => Field::from("final"),
        };
        text(CiiProperty::ContentIdStatus, &status);
        let terms = match &self.presentation_status {
            Field::Absent => Field::Absent,
            Field::Null => Field::Null,
            Field::Value(terms) => Field::Value(terms.join(" ")),
        };
        text(CiiProperty::PresentationStatus, &terms);
        text(CiiProperty::WcUrl, &self.wc_url);
        text(CiiProperty::TsUrl, &self.ts_url);
        text(CiiProperty::TeUrl, &self.te_url);
        match &self.timelines {
            Field::Absent => {}
            Field::Null => w.raw("timelines", "null"),
            Field::Value(all) => {
                let all: Vec<String> = all.iter().map(timeline_json).collect();
                w.raw("timelines", &json::array(all.iter().map(String::as_str)));
            }
        }
        match &self.private {
            Field::Absent => {}
            Field::Null => w.raw("private", "null"),
            Field::Value(all) => w.raw("private", &privates_json(all)),
        }
        w.finish()
    }
}

impl Private {
    /// An object with a string `type`, as JSON.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let kind = object.required("type")?;
        json::string(kind).ok_or(DecodeError::Value { property: "type" })?;
        Ok(Self(text.trim().into()))
    }
}

pub(super) fn privates_json(all: &[Private]) -> String {
    json::array(all.iter().map(Private::json))
}

/// Terms with single spaces between. QUIRK(CCMA): its emulator sends an array of terms.
fn presentation_status(raw: &str) -> Option<Vec<String>> {
    let terms: Vec<String> = match json::string(raw) {
        Some(text) => text.split(' ').map(String::from).collect(),
        None => json::elements(raw)?.into_iter().map(json::string).collect::<Option<_>>()?,
    };
    let good = !terms.is_empty() && terms.iter().all(|term| !term.is_empty() && !term.contains(' '));
    good.then_some(terms)
}

fn timelines(object: &Object<'_>) -> Result<Field<Vec<TimelineOption>>, DecodeError> {
    const NAME: &str = "timelines";
    match object.field(NAME, json::elements)? {
        Field::Absent => Ok(Field::Absent),
        Field::Null => Ok(Field::Null),
        Field::Value(all) if all.len() > MAX_TIMELINES => Err(DecodeError::Value { property: NAME }),
        Field::Value(all) => all.into_iter().map(timeline).collect::<Result<_, _>>().map(Field::Value),
    }
}

fn timeline(raw: &str) -> Result<TimelineOption, DecodeError> {
    let object = json::element_object(raw, "timelines")?;
    // QUIRK(dvbcss-protocols): it takes the numbers beside the selector as well.
    let properties = match object.raw("timelineProperties") {
        Some(_) => object.object("timelineProperties")?,
        None => json::element_object(raw, "timelines")?,
    };
    let number =
        |property| json::positive(properties.required(property)?).ok_or(DecodeError::Value { property });
    let selector = object.required("timelineSelector")?;
    let accuracy = properties.field("accuracy", |raw| json::number(raw).filter(|a| a.signum() >= 0))?;
    Ok(TimelineOption {
        selector: json::url(selector).ok_or(DecodeError::Value { property: "timelineSelector" })?,
        units_per_tick: number("unitsPerTick")?,
        units_per_second: number("unitsPerSecond")?,
        accuracy: accuracy.value().copied(),
        private: object.field("private", json::privates)?.value().cloned().unwrap_or_default(),
    })
}

fn timeline_json(timeline: &TimelineOption) -> String {
    let mut properties = Writer::new();
    properties.raw("unitsPerTick", &timeline.units_per_tick.to_string());
    properties.raw("unitsPerSecond", &timeline.units_per_second.to_string());
    if let Some(accuracy) = timeline.accuracy {
        properties.raw("accuracy", &accuracy.to_string());
    }
    let mut w = Writer::new();
    w.string("timelineSelector", &timeline.selector);
    w.raw("timelineProperties", &properties.finish());
    if !timeline.private.is_empty() {
        w.raw("private", &privates_json(&timeline.private));
    }
    w.finish()
}
