//! What a controller remembers from run to run: takes by device and file, so that a file which a device does not list
//! (some list only what was fetched) is not forgotten.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use multicam_common::UnixTime;
use multicam_common::message::TakeTimes;
use serde_json::{Value, json};

/// A recording that a device said it had made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Take {
    /// When it began.
    pub times: TakeTimes,
    /// Where its copy is, its size, and its hash.
    pub copy: Option<(PathBuf, u64, String)>,
}

/// Known takes, kept in a file.
#[derive(Clone, Debug, Default)]
pub struct State {
    path: Option<PathBuf>,
    takes: BTreeMap<(String, String), Take>,
}

impl State {
    /// Reads a file; one that is missing is an empty one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let mut state = Self { path: Some(path.into()), takes: BTreeMap::new() };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(state),
            Err(e) => return Err(e).with_context(|| format!("--state: cannot read {}", path.display())),
        };
        let file: Value = serde_json::from_str(&text)
            .with_context(|| format!("--state: {} is not a state file", path.display()))?;
        for take in file["takes"].as_array().into_iter().flatten() {
            let text = |key: &str| take[key].as_str().map(String::from);
            let time = |key: &str| take[key].as_i64().map(UnixTime::from_nanos);
            let (Some(device), Some(file)) = (text("device"), text("file")) else {
                continue;
            };
            let times = TakeTimes {
                target_start: time("targetStartNs"),
                actual_start: time("actualStartNs"),
                first_frame: time("firstFrameNs"),
                clock_error_ns: take["clockErrorNs"].as_u64(),
            };
            let copy = text("path")
                .zip(text("sha256"))
                .map(|(path, sha256)| (PathBuf::from(path), take["size"].as_u64().unwrap_or(0), sha256));
            state.takes.insert((device, file), Take { times, copy });
        }
        Ok(state)
    }

    /// Notes a take.
    pub fn add(&mut self, device: &str, file: &str, times: TakeTimes) {
        let take = self.takes.entry((device.into(), file.into())).or_default();
        if times != TakeTimes::default() {
            take.times = times;
        }
    }

    /// Notes that a take has been fetched.
    pub fn fetched(&mut self, device: &str, file: &str, path: &Path, size: u64, sha256: &str) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let take = self.takes.entry((device.into(), file.into())).or_default();
        take.copy = Some((path, size, sha256.into()));
    }

    /// A take.
    pub fn take(&self, device: &str, file: &str) -> Option<&Take> {
        self.takes.get(&(device.into(), file.into()))
    }

    /// The takes of a device.
    pub fn takes_of<'a>(&'a self, device: &'a str) -> impl Iterator<Item = (&'a str, &'a Take)> {
        self.takes
            .iter()
            .filter(move |((d, _), _)| d == device)
            .map(|((_, file), take)| (file.as_str(), take))
    }

    /// Writes the file, at once or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let ns = |t: Option<UnixTime>| t.map(UnixTime::as_nanos);
        let entry = |((device, file), take): (&(String, String), &Take)| {
            json!({
                "device": device,
                "file": file,
                "targetStartNs": ns(take.times.target_start),
                "actualStartNs": ns(take.times.actual_start),
                "firstFrameNs": ns(take.times.first_frame),
                "clockErrorNs": take.times.clock_error_ns,
                "path": take.copy.as_ref().map(|(path, ..)| path.to_string_lossy()),
                "size": take.copy.as_ref().map(|(_, size, _)| size),
                "sha256": take.copy.as_ref().map(|(.., sha256)| sha256),
            })
        };
        let takes: Vec<Value> = self.takes.iter().map(entry).collect();
        write_json(path, &json!({ "takes": takes }))
    }
}

/// Writes JSON to a file, at once or not at all.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, format!("{value:#}\n"))
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
