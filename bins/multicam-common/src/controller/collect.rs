//! Everything from everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use multicam_common::client::{DeviceKey, DeviceView};
use multicam_common::codec::Reply;
use multicam_common::message::{CommandMessage, Secret, TakeTimes};
use multicam_common::{Style, UnixTime};
use serde_json::{Value, json};
use test_picture::Marks;

use super::fetch::{Progress, fetch};
use super::fleet::Fleet;
use super::state::{State, write_json};
use crate::still::Ends;

/// A file that was wanted, and what became of it.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Whose.
    pub device: String,
    /// Its name there; empty if the device did not say what it has.
    pub file: String,
    /// Where it is now, its size and its SHA-256, or why it is not.
    pub outcome: Result<(PathBuf, u64, String), String>,
    /// When it began.
    pub times: TakeTimes,
}

/// Fetches what the devices have and is not here yet into `DIR/<device id>/`, all devices at once and each file by file,
/// and writes `DIR/manifest.json`, where paths are absolute. `watch` is given the progress of each file as it begins.
///
/// # Errors
/// When the directory or its manifest cannot be written. Files that could not be had are in the result.
pub async fn collect_all(
    fleet: &Fleet,
    out: &Path,
    state: &Arc<Mutex<State>>,
    auth: Option<&Secret>,
    watch: impl Fn(&str, &str, &Arc<Progress>) + Clone + Send + Sync + 'static,
) -> Result<Vec<Collected>> {
    std::fs::create_dir_all(out).with_context(|| format!("--out: cannot make {}", out.display()))?;
    let out = &std::path::absolute(out)?;
    let manifest = Arc::new(Mutex::new(Manifest::load(out)));
    let folders = Arc::default();
    let mut tasks = Vec::new();
    for (key, _) in fleet.devices() {
        let job = Job {
            fleet: fleet.clone(),
            key,
            state: state.clone(),
            manifest: manifest.clone(),
            out: out.clone(),
            folders: Arc::clone(&folders),
            auth: auth.cloned(),
        };
        tasks.push(tokio::spawn(job.run(watch.clone())));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await?);
    }
    let mut manifest = lock(&manifest);
    all.iter().for_each(|c| manifest.add(c));
    manifest.save()?;
    Ok(all)
}

/// One device.
struct Job {
    fleet: Fleet,
    key: DeviceKey,
    state: Arc<Mutex<State>>,
    manifest: Arc<Mutex<Manifest>>,
    out: PathBuf,
    /// Those that are taken.
    folders: Arc<Mutex<BTreeSet<String>>>,
    auth: Option<Secret>,
}

impl Job {
    async fn run(self, watch: impl Fn(&str, &str, &Arc<Progress>)) -> Vec<Collected> {
        let files = wanted(&self.fleet, self.key, &self.state).await;
        let Some(view) = self.fleet.device(self.key) else {
            return vec![];
        };
        let device = &self.name(&view);
        let collected = |file: &str, times, outcome| Collected {
            device: device.clone(),
            file: file.into(),
            outcome,
            times,
        };
        let files = match files {
            Ok(files) => files,
            Err(why) => return vec![collected("", TakeTimes::default(), Err(why))],
        };
        let mut done = Vec::new();
        for (file, times) in files {
            let known = lock(&self.state).take(device, &file).and_then(|t| t.copy.clone());
            let here = |path: &Path, size| path.starts_with(&self.out) && is_here(path, size);
            if let Some(copy) = known.filter(|(path, size, _)| here(path, *size)) {
                done.push(collected(&file, times, Ok(copy)));
                continue;
            }
            let progress = Arc::new(Progress::default());
            watch(device, &file, &progress);
            let dir = self.out.join(folder(device));
            let (asked, auth, DeviceView { kind, address, .. }) =
                (file.clone(), self.auth.clone(), view.clone());
            let fetched = tokio::task::spawn_blocking(move || {
                fetch(address, kind, &asked, &dir, auth.as_ref(), &progress)
            });
            let outcome = match fetched.await {
                Ok(Ok(f)) => {
                    let mut state = lock(&self.state);
                    state.fetched(device, &file, &f.path, f.size, &f.sha256);
                    if let Err(error) = state.save() {
                        tracing::warn!("{error:#}");
                    }
                    Ok((f.path, f.size, f.sha256))
                }
                Ok(Err(error)) => Err(format!("{error:#}")),
                Err(_) => Err("the transfer was lost".into()),
            };
            let entry = collected(&file, times, outcome);
            let mut manifest = lock(&self.manifest);
            manifest.add(&entry);
            // Written after each file: whoever ends us leaves a manifest of what is here.
            if let Err(error) = manifest.save() {
                tracing::error!("{error:#}");
            }
            drop(manifest);
            done.push(entry);
        }
        done
    }

    /// Ids are chosen by devices, and two may have chosen the same: their files shall not meet.
    fn name(&self, view: &DeviceView) -> String {
        let name = name_of(view);
        let mut folders = lock(&self.folders);
        if folders.insert(folder(&name)) {
            return name;
        }
        let name = format!("{name}@{}", view.address);
        folders.insert(folder(&name));
        name
    }
}

/// What a device lists, and what it said at STOP and does not list.
async fn wanted(
    fleet: &Fleet,
    key: DeviceKey,
    state: &Mutex<State>,
) -> Result<Vec<(String, TakeTimes)>, String> {
    // QUIRK(G0 OAK): says its id only when it is asked how it is, and takes are known by it.
    if fleet.device(key).is_some_and(|view| view.device_id.is_none()) {
        let _ = fleet.ask(key, CommandMessage::device_status()).await;
    }
    let reply = fleet.ask(key, CommandMessage::list_files().with_limit(100_000)).await;
    let device = fleet.device(key).map(|view| name_of(&view)).unwrap_or_default();
    let mut files: BTreeMap<String, TakeTimes> = BTreeMap::new();
    let listed = match reply {
        Ok(Reply::Files(list)) => {
            files.extend(list.files.into_iter().map(|file| (file.file_name, file.times)));
            Ok(())
        }
        // QUIRK(G0 OAK): has no list.
        Ok(reply) => Err(format!("the device has no list: {}", reply.status())),
        Err(why) => Err(why.to_string()),
    };
    let state = lock(state);
    for (file, take) in state.takes_of(&device) {
        // The id of a file that is listed by its name is the same file.
        let listed = files.keys().any(|name| name == file || multicam_common::stem(name) == file);
        if !listed && take.copy.is_none() {
            files.insert(file.into(), take.times);
        }
    }
    for (file, times) in &mut files {
        if let Some(take) = state.take(&device, file).filter(|_| *times == TakeTimes::default()) {
            *times = take.times;
        }
    }
    match listed {
        Err(why) if files.is_empty() => Err(why),
        _ => Ok(files.into_iter().collect()),
    }
}

/// How a device is called where it has not said its id.
pub(super) fn name_of(view: &DeviceView) -> String {
    view.device_id.clone().unwrap_or_else(|| view.address.to_string())
}

/// A directory for a device whose id is a stranger's text.
pub(super) fn folder(device: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let safe: String = device.chars().map(plain).take(60).collect();
    if safe.trim_matches('.').is_empty() { format!("device{safe}") } else { safe }
}

fn is_here(path: &Path, size: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.len() == size)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `DIR/manifest.json`: an array of objects, one a file.
struct Manifest {
    path: PathBuf,
    entries: BTreeMap<(String, String), Value>,
}

impl Manifest {
    fn load(out: &Path) -> Self {
        let path = out.join("manifest.json");
        let old =
            std::fs::read_to_string(&path).ok().and_then(|t| serde_json::from_str::<Vec<Value>>(&t).ok());
        let entries = old.into_iter().flatten().filter_map(|entry| {
            let key = (entry["device"].as_str()?.to_owned(), entry["fileName"].as_str()?.to_owned());
            Some((key, entry))
        });
        Self { entries: entries.collect(), path }
    }

    fn add(&mut self, collected: &Collected) {
        if collected.file.is_empty() {
            return;
        }
        let seconds = |t: Option<UnixTime>| -> Value {
            t.and_then(|t| serde_json::from_str(&t.to_text(Style::Python)).ok()).unwrap_or(Value::Null)
        };
        let times = &collected.times;
        let error = times.clock_error_ns.and_then(|ns| i64::try_from(ns).ok()).map(UnixTime::from_nanos);
        let copy = collected.outcome.as_ref().ok();
        // What the pictures say, where they are test pictures.
        let ends = copy.and_then(|(path, ..)| Ends::read(path).ok());
        let marks = |marks: Option<Marks>| {
            marks.map(|m| json!({"frame": m.frame, "timecode": m.label(), "unixNanos": m.time_ns}))
        };
        let entry = json!({
            "device": collected.device,
            "fileName": collected.file,
            "path": copy.map(|(path, ..)| path.to_string_lossy()),
            "size": copy.map(|(_, size, _)| size),
            "sha256": copy.map(|(.., sha256)| sha256),
            "targetStart": seconds(times.target_start),
            "actualStart": seconds(times.actual_start),
            "firstFrame": seconds(times.first_frame),
            "clockError": seconds(error),
            "firstPicture": marks(ends.map(|ends| ends.first)),
            "lastPicture": marks(ends.map(|ends| ends.last)),
            "complete": copy.is_some(),
        });
        self.entries.insert((collected.device.clone(), collected.file.clone()), entry);
    }

    fn save(&self) -> Result<()> {
        write_json(&self.path, &Value::Array(self.entries.values().cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_are_plain() {
        for (id, folder) in [("Tiger-1", "Tiger-1"), ("../x", ".._x"), ("..", "device.."), ("", "device")] {
            assert_eq!(super::folder(id), folder);
        }
    }
}
