//! What several tests need.
#![allow(dead_code, reason = "each test uses a part")]

use machine::FileToken;
use multicam_common::config::DeviceConfig;
use multicam_common::message::TakeTimes;
use multicam_common::server::FileEntry;
use multicam_common::{FileName, UnixTime};

/// 2024-10-15T13:46:40Z.
pub(crate) const UNIX: i64 = 1_729_000_000_000_000_000;

pub(crate) fn config() -> DeviceConfig {
    DeviceConfig::new([3; 32], "Mountain-A1B2C3D4")
}

pub(crate) fn file_name(name: &str) -> FileName {
    FileName::parse(name).unwrap()
}

pub(crate) fn entry(name: &str, size: u64, token: u64) -> FileEntry {
    let time = UnixTime::from_nanos(UNIX + i64::try_from(token).unwrap() * 1_000_000_000);
    FileEntry {
        token: FileToken(token),
        name: file_name(name),
        size,
        created: time,
        modified: time,
        sha256: None,
        times: TakeTimes::default(),
    }
}
