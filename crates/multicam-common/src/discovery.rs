//! Names under which devices announce themselves (sheet §11).

use alloc::format;
use alloc::string::String;

use crate::constants::SERVICE_TYPE;

/// The instance label of a device, cut to the 63 bytes that DNS allows.
pub fn instance_label(device_id: &str) -> String {
    let mut label = format!("{PREFIX}{device_id}");
    let mut end = label.len().min(63);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.truncate(end);
    label
}

/// What an instance name says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The device's id, if the name holds one.
    pub device_id: String,
    /// An OAK camera, which has quirks of its own.
    pub oak: bool,
}

impl Instance {
    /// Reads `multiCam-<deviceId>._multicam._tcp.local.`, in whole or the label alone. A number in brackets that
    /// Bonjour added after a conflict is taken off.
    pub fn parse(name: &str) -> Self {
        let label = name.strip_suffix(SERVICE_TYPE).unwrap_or(name).trim_end_matches('.');
        let label = without_counter(label);
        let id = label.strip_prefix(PREFIX).unwrap_or(label);
        // QUIRK(OAK): the only sign of it before the first reply.
        let oak = id.to_ascii_lowercase().contains("oak");
        Self { device_id: id.strip_prefix("oak-").unwrap_or(id).into(), oak }
    }
}

/// The keys of our TXT record (sheet §10), in this order. None is needed to work with a device.
pub fn txt_record(device_id: &str) -> [(&'static str, String); 3] {
    [("deviceId", device_id.into()), ("v", "3".into()), ("caps", CAPABILITIES.into())]
}

/// What our devices can do beside the originals.
pub const CAPABILITIES: &str = "range,sha256,delete,clock";

fn without_counter(label: &str) -> &str {
    let Some((name, counter)) = label.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) else {
        return label;
    };
    if !counter.is_empty() && counter.bytes().all(|b| b.is_ascii_digit()) { name } else { label }
}

const PREFIX: &str = "multiCam-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let read = |name| {
            let Instance { device_id, oak } = Instance::parse(name);
            (device_id, oak)
        };
        assert_eq!(read("multiCam-Tiger-383D6B9F._multicam._tcp.local."), ("Tiger-383D6B9F".into(), false));
        assert_eq!(read("multiCam-oak-1234._multicam._tcp.local."), ("1234".into(), true));
        assert_eq!(read("multiCam-Tiger (2)"), ("Tiger".into(), false));
        assert_eq!(read("something"), ("something".into(), false));
        assert_eq!(instance_label(&"ü".repeat(60)).len(), 63);
    }
}
