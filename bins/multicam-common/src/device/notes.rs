//! What a device knows of a file beside its bytes: when it began, and its hash. Kept in `.NAME.take` beside it, so that a
//! restart forgets nothing. A note holds for the size and the time of change that it names, and for nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use multicam_common::message::TakeTimes;
use multicam_common::server::{FileEntry, hex};
use multicam_common::{FileName, UnixTime};
use serde_json::{Value, json};

/// Notes what is known of a file. A note that cannot be written is none: it is not worth a recording.
pub(super) fn write(dir: &Path, entry: &FileEntry) {
    let ns = |t: Option<UnixTime>| t.map(UnixTime::as_nanos);
    let note = json!({
        "size": entry.size,
        "modifiedNs": entry.modified.as_nanos(),
        "sha256": entry.sha256.as_ref().map(hex),
        "targetStartNs": ns(entry.times.target_start),
        "actualStartNs": ns(entry.times.actual_start),
        "firstFrameNs": ns(entry.times.first_frame),
        "clockErrorNs": entry.times.clock_error_ns,
    });
    let path = path(dir, &entry.name);
    let new = path.with_extension("take-new");
    let written = fs::write(&new, note.to_string()).and_then(|()| fs::rename(&new, &path));
    if let Err(error) = written {
        tracing::warn!(name = %entry.name, %error, "what is known of a file could not be noted");
    }
}

/// Adds what was noted of a file.
pub(super) fn read(dir: &Path, entry: &mut FileEntry) {
    let Some(note) = fs::read(path(dir, &entry.name)).ok().and_then(|t| serde_json::from_slice(&t).ok())
    else {
        return;
    };
    let note: Value = note;
    if note["size"] != entry.size || note["modifiedNs"] != entry.modified.as_nanos() {
        return;
    }
    let time = |key: &str| note[key].as_i64().map(UnixTime::from_nanos);
    entry.times = TakeTimes {
        target_start: time("targetStartNs"),
        actual_start: time("actualStartNs"),
        first_frame: time("firstFrameNs"),
        clock_error_ns: note["clockErrorNs"].as_u64(),
    };
    entry.sha256 = note["sha256"].as_str().and_then(hash);
}

/// Forgets a file that is gone.
pub(super) fn remove(dir: &Path, name: &FileName) {
    let _ = fs::remove_file(path(dir, name));
}

fn path(dir: &Path, name: &FileName) -> PathBuf {
    dir.join(format!(".{name}.take"))
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (n, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(hash)
}
