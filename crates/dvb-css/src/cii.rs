//! The state that CII messages add up to (sheet §3).
//!
//! A client begins with nothing known. A property that a message holds replaces what was known, null too; one that it
//! does not hold stays. A server sends all that is known at first, then what changes.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::message::{CiiMessage, CiiProperty, Field};

/// Calls a macro with each field of a message and its property.
macro_rules! each_field {
    ($do:ident) => {
        $do!(protocol_version, ProtocolVersion);
        $do!(mrs_url, MrsUrl);
        $do!(content_id, ContentId);
        $do!(content_id_status, ContentIdStatus);
        $do!(presentation_status, PresentationStatus);
        $do!(wc_url, WcUrl);
        $do!(ts_url, TsUrl);
        $do!(te_url, TeUrl);
        $do!(timelines, Timelines);
        $do!(private, Private);
    };
}

impl CiiMessage {
    /// Takes in a message; returns the properties that have changed by it. Null and never mentioned count as the same
    /// here: both say that nothing is known.
    pub fn apply(&mut self, message: &Self) -> Vec<CiiProperty> {
        let mut changed = Vec::new();
        macro_rules! apply {
            ($field:ident, $property:ident) => {
                if !message.$field.is_absent() {
                    if self.$field.value() != message.$field.value() {
                        changed.push(CiiProperty::$property);
                    }
                    self.$field = message.$field.clone();
                }
            };
        }
        each_field!(apply);
        changed
    }

    /// What a client has to be told that knows `old`: every property that is different now, and with the content
    /// identifier always its status. A property that is no longer mentioned is not told; to clear it, set it to null.
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Self {
        let mut changes = Self::default();
        macro_rules! differ {
            ($field:ident, $property:ident) => {
                if self.$field != old.$field {
                    changes.$field = self.$field.clone();
                }
            };
        }
        each_field!(differ);
        if !changes.content_id.is_absent() {
            changes.content_id_status = self.content_id_status.clone();
        }
        changes
    }

    /// Whether it mentions no property.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// With `{{host}}` and `{{port}}` in URLs replaced by the address that a client has connected to. Properties that
    /// are null stay so.
    #[must_use]
    pub fn for_address(&self, local: SocketAddr) -> Self {
        let mut message = self.clone();
        let urls = [&mut message.mrs_url, &mut message.wc_url, &mut message.ts_url, &mut message.te_url];
        for url in urls {
            if let Field::Value(url) = url
                && url.contains("{{")
            {
                *url =
                    url.replace("{{host}}", &host(local.ip())).replace("{{port}}", &local.port().to_string());
            }
        }
        message
    }

    /// Whether any URL depends on the address that a client has connected to.
    pub fn depends_on_address(&self) -> bool {
        let urls = [&self.mrs_url, &self.wc_url, &self.ts_url, &self.te_url];
        urls.into_iter().filter_map(Field::value).any(|url| url.contains("{{"))
    }

    /// The content identifier, if there is one.
    pub fn known_content_id(&self) -> Option<&str> {
        self.content_id.value().map(String::as_str)
    }

    /// A property as text for people: `None` if nothing is known.
    pub fn describe(&self, property: CiiProperty) -> Option<String> {
        let text = |field: &Field<String>| field.value().cloned();
        match property {
            CiiProperty::ProtocolVersion => text(&self.protocol_version),
            CiiProperty::MrsUrl => text(&self.mrs_url),
            CiiProperty::ContentId => text(&self.content_id),
            CiiProperty::ContentIdStatus => self.content_id_status.value().map(|status| {
                match status {
                    crate::message::ContentIdStatus::Partial => "partial",
                    crate::message::ContentIdStatus::Final => "final",
                }
                .to_owned()
            }),
            CiiProperty::PresentationStatus => self.presentation_status.value().map(|terms| terms.join(" ")),
            CiiProperty::WcUrl => text(&self.wc_url),
            CiiProperty::TsUrl => text(&self.ts_url),
            CiiProperty::TeUrl => text(&self.te_url),
            CiiProperty::Timelines | CiiProperty::Private => {
                // as JSON, without the object around it
                let mut alone = Self::default();
                if property == CiiProperty::Timelines {
                    alone.timelines = self.timelines.clone();
                } else {
                    alone.private = self.private.clone();
                }
                let json = alone.to_json();
                let (_, value) = json.strip_suffix('}')?.split_once(':')?;
                (value != "null").then(|| value.to_owned())
            }
        }
    }
}

/// An address as it stands in a URL.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => alloc::format!("[{v6}]"),
        },
    }
}
