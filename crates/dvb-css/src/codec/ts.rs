//! TS messages to JSON and back.

use alloc::string::{String, ToString};

use super::cii::privates_json;
use super::json::{self, Object, Writer};
use crate::DecodeError;
use crate::message::{
    ControlTimestamp, Limit, PresentationTimestamp, PresentationTimestamps, SetupData, TimelineMoment,
};

impl SetupData {
    /// Reads the first message of a client.
    ///
    /// # Errors
    /// See [`DecodeError`]. QUIRK(CCMA): its app leaves the stem out, which counts as an empty one.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let text = |property, raw| json::url(raw).ok_or(DecodeError::Value { property });
        let private = object
            .raw("private")
            .map(|raw| json::privates(raw).ok_or(DecodeError::Value { property: "private" }));
        Ok(Self {
            content_id_stem: match object.raw("contentIdStem") {
                None => String::new(),
                Some(raw) => text("contentIdStem", raw)?,
            },
            timeline_selector: text("timelineSelector", object.required("timelineSelector")?)?,
            private: private.transpose()?.unwrap_or_default(),
        })
    }

    /// The message as JSON.
    pub fn to_json(&self) -> String {
        let mut w = Writer::new();
        w.string("contentIdStem", &self.content_id_stem);
        w.string("timelineSelector", &self.timeline_selector);
        if !self.private.is_empty() {
            w.raw("private", &privates_json(&self.private));
        }
        w.finish()
    }
}

impl ControlTimestamp {
    /// Reads a message of a server.
    ///
    /// # Errors
    /// See [`DecodeError`]; [`DecodeError::HalfAvailable`] if only one of content time and speed is null. QUIRK(CCMA):
    /// for an unknown timeline its emulator sends nothing but a null speed, so what is missing counts as null.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let named = ["contentTime", "timelineSpeedMultiplier"].into_iter().any(|p| object.raw(p).is_some());
        if !named {
            return Err(DecodeError::Missing { property: "contentTime" });
        }
        let content_time = object.field("contentTime", json::integer)?;
        // the original takes a number in quotes as well
        let speed = object.field("timelineSpeedMultiplier", |raw| match json::string(raw) {
            Some(text) => json::number(&text),
            None => json::number(raw),
        })?;
        let timeline = match (content_time.value(), speed.value()) {
            (Some(content_time), Some(speed)) => {
                Some(TimelineMoment { content_time: *content_time, speed: *speed })
            }
            (None, None) => None,
            _ => return Err(DecodeError::HalfAvailable),
        };
        const WALL: &str = "wallClockTime";
        let wall_clock_time = match (object.raw(WALL), timeline) {
            (None, None) => 0,
            (None, Some(_)) => return Err(DecodeError::Missing { property: WALL }),
            (Some(raw), _) => json::integer(raw).ok_or(DecodeError::Value { property: WALL })?,
        };
        Ok(Self { wall_clock_time, timeline })
    }

    /// The message as JSON: times as strings, the speed as a number with a point.
    pub fn to_json(&self) -> String {
        let mut w = Writer::new();
        match self.timeline {
            None => w.raw("contentTime", "null"),
            Some(moment) => w.string("contentTime", &moment.content_time.to_string()),
        }
        w.string("wallClockTime", &self.wall_clock_time.to_string());
        match self.timeline {
            None => w.raw("timelineSpeedMultiplier", "null"),
            Some(moment) => {
                let mut speed = moment.speed.to_string();
                if !speed.contains('.') {
                    speed.push_str(".0");
                }
                w.raw("timelineSpeedMultiplier", &speed);
            }
        }
        w.finish()
    }
}

impl PresentationTimestamps {
    /// Reads a message of a client after its first.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let read = |property: &'static str, open: Option<Limit>| {
            presentation(&object.object(property)?, property, open)
        };
        Ok(Self {
            actual: object.some("actual").map(|_| read("actual", None)).transpose()?,
            earliest: read("earliest", Some(Limit::MinusInfinity))?,
            latest: read("latest", Some(Limit::PlusInfinity))?,
        })
    }

    /// The message as JSON.
    pub fn to_json(&self) -> String {
        let mut w = Writer::new();
        if let Some(actual) = &self.actual {
            w.raw("actual", &presentation_json(actual));
        }
        w.raw("earliest", &presentation_json(&self.earliest));
        w.raw("latest", &presentation_json(&self.latest));
        w.finish()
    }
}

/// `open` is the infinity that is allowed there.
fn presentation(
    object: &Object<'_>,
    property: &'static str,
    open: Option<Limit>,
) -> Result<PresentationTimestamp, DecodeError> {
    let content_time = json::integer(object.required("contentTime")?);
    let raw = object.required("wallClockTime")?;
    let limit = match json::string(raw).as_deref() {
        // QUIRK(ORB): it writes -inf and +inf.
        Some("minusinfinity" | "-inf") => Some(Limit::MinusInfinity).filter(|l| open == Some(*l)),
        Some("plusinfinity" | "+inf") => Some(Limit::PlusInfinity).filter(|l| open == Some(*l)),
        _ => json::integer(raw).map(Limit::At),
    };
    match (content_time, limit) {
        (Some(content_time), Some(wall_clock_time)) => {
            Ok(PresentationTimestamp { content_time, wall_clock_time })
        }
        _ => Err(DecodeError::Value { property }),
    }
}

fn presentation_json(timestamp: &PresentationTimestamp) -> String {
    let mut w = Writer::new();
    w.string("contentTime", &timestamp.content_time.to_string());
    match timestamp.wall_clock_time {
        Limit::MinusInfinity => w.string("wallClockTime", "minusinfinity"),
        Limit::At(ns) => w.string("wallClockTime", &ns.to_string()),
        Limit::PlusInfinity => w.string("wallClockTime", "plusinfinity"),
    }
    w.finish()
}
