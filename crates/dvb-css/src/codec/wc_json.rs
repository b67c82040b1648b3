//! Wall clock messages as JSON, as dvbcss-protocols sends them over WebSocket (sheet §2.5).

use alloc::format;
use alloc::string::{String, ToString};

use super::json::{self, Object, Writer};
use crate::message::{MaxFreqError, MessageType, Precision, TimeValue, WcMessage};
use crate::{DecodeError, Ratio};

impl WcMessage {
    /// Reads a message in its JSON form.
    ///
    /// QUIRK(dvbcss-protocols): `rt` and `tt` are seconds, but its own server writes nanoseconds there; from 10^12 on
    /// they are taken for those.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn parse_json(text: &str) -> Result<Self, DecodeError> {
        let object = Object::parse(text)?;
        let number = |property: &'static str| {
            json::number(object.required(property)?).ok_or(DecodeError::Value { property })
        };
        let word = |property: &'static str| {
            let value = number(property)?;
            u32::try_from(value.floor())
                .ok()
                .filter(|_| value.is_whole())
                .ok_or(DecodeError::Value { property })
        };
        let time = |property: &'static str| match object.some(property) {
            None => Ok(TimeValue::ZERO),
            Some(raw) => {
                let value = json::number(raw).ok_or(DecodeError::Value { property })?;
                let is_nanos = value >= Ratio::from(1_000_000_000_000_i64);
                let nanos = if is_nanos { value } else { value * Ratio::from(1_000_000_000) };
                let nanos = u64::try_from(nanos.round()).map_err(|_| DecodeError::Value { property })?;
                Ok(TimeValue::from_nanos(nanos))
            }
        };
        let version = number("v")?;
        if version != Ratio::ZERO {
            return Err(DecodeError::Version { found: u8::try_from(version.floor()).unwrap_or(u8::MAX) });
        }
        let message_type = match number("t")?.floor() {
            0 => MessageType::Request,
            1 => MessageType::Response,
            2 => MessageType::ResponseBeforeFollowUp,
            3 => MessageType::FollowUp,
            found => return Err(DecodeError::MessageType { found: u8::try_from(found).unwrap_or(u8::MAX) }),
        };
        let optional = |property| object.some(property).and_then(json::number);
        Ok(Self {
            message_type,
            precision: optional("p").map_or(Precision(0), Precision::from_seconds),
            max_freq_error: optional("mfe").map_or(MaxFreqError(0), MaxFreqError::from_ppm),
            originate: TimeValue { seconds: word("otvs")?, nanoseconds: word("otvn")? },
            receive: time("rt")?,
            transmit: time("tt")?,
        })
    }

    /// The JSON form: precision and times in seconds, the frequency error in ppm.
    pub fn to_json(&self) -> String {
        let kind = match self.message_type {
            MessageType::Request => "0",
            MessageType::Response => "1",
            MessageType::ResponseBeforeFollowUp => "2",
            MessageType::FollowUp => "3",
        };
        let seconds = |t: TimeValue| format!("{}", Ratio::new(i128::from(t.as_nanos()), 1_000_000_000));
        let mut w = Writer::new();
        w.raw("v", "0");
        w.raw("t", kind);
        let precision = format!("{:.29}", self.precision.seconds());
        w.raw("p", precision.trim_end_matches('0').trim_end_matches('.'));
        w.raw("mfe", &self.max_freq_error.ppm().to_string());
        w.raw("otvs", &self.originate.seconds.to_string());
        w.raw("otvn", &self.originate.nanoseconds.to_string());
        w.raw("rt", &seconds(self.receive));
        w.raw("tt", &seconds(self.transmit));
        w.finish()
    }
}
