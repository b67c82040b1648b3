//! What happened lately, over all parts: shown on the page, and on stdout with `--json`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// The log; clones are the same one.
#[derive(Clone)]
pub(crate) struct Log {
    entries: Arc<Mutex<Entries>>,
    json: bool,
}

#[derive(Default)]
struct Entries {
    told: u64,
    last: VecDeque<Value>,
}

/// How many entries a page that was away finds when it comes back.
const KEPT: usize = 100;

impl Log {
    /// With `json`, each entry is a line on stdout too.
    pub(crate) fn new(json: bool) -> Self {
        Self { entries: Arc::default(), json }
    }

    /// Something happened.
    pub(crate) fn say(&self, part: &str, text: impl Into<String>) {
        self.add(part, text.into(), false);
    }

    /// Something went wrong.
    pub(crate) fn bad(&self, part: &str, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!("{part}: {text}");
        self.add(part, text, true);
    }

    /// What is remembered, oldest first; `seq` counts up from 1, so that a reader knows what is new.
    pub(crate) fn entries(&self) -> Vec<Value> {
        self.lock().last.iter().cloned().collect()
    }

    /// One object on stdout, if `--json` asks for them.
    pub(crate) fn emit(&self, object: &Value) {
        if self.json {
            print_line(object);
        }
    }

    fn add(&self, part: &str, text: String, bad: bool) {
        let unix_ms = driver::unix_now() / 1_000_000;
        let mut entries = self.lock();
        entries.told += 1;
        let entry = json!({"event": "log", "seq": entries.told, "unix_ms": unix_ms, "part": part, "text": text, "bad": bad});
        self.emit(&entry);
        if entries.last.len() == KEPT {
            entries.last.pop_front();
        }
        entries.last.push_back(entry);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn print_line(object: &Value) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A closed stdout is no reason to stop serving.
    let _ = writeln!(out, "{object}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_are_remembered_and_numbered() {
        let log = Log::new(false);
        for n in 0..150 {
            log.say("smpte", format!("entry {n}"));
        }
        let entries = log.entries();
        assert_eq!(entries.len(), KEPT);
        assert_eq!(entries[0]["seq"], 51);
        assert_eq!(
            (entries[99]["seq"].as_u64(), entries[99]["text"].as_str()),
            (Some(150), Some("entry 149"))
        );
    }
}
