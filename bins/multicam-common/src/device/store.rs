//! The files of a device on disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use machine::FileToken;
use multicam_common::message::TakeTimes;
use multicam_common::server::{DeleteFailed, FileEntry, hex};
use multicam_common::{FileName, UnixTime};
use sha2::{Digest, Sha256};

use super::notes;
use crate::avi;

/// A directory of recordings.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    tokens: Mutex<Tokens>,
}

#[derive(Debug, Default)]
struct Tokens {
    next: u64,
    names: HashMap<FileToken, FileName>,
}

impl Store {
    /// Opens a directory, made if it is missing. Recordings of ours that a sudden end has cut short are made whole.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(dir: &Path) -> Result<(Self, Vec<FileEntry>)> {
        fs::create_dir_all(dir).with_context(|| format!("--dir: cannot make {}", dir.display()))?;
        let store = Self { dir: dir.into(), tokens: Mutex::default() };
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("--dir: cannot read {}", dir.display()))? {
            let entry = entry?;
            let Ok(Ok(name)) = entry.file_name().into_string().map(|n| FileName::parse(&n)) else {
                continue;
            };
            if !entry.file_type()?.is_file() {
                continue;
            }
            if let Some(wanted) = name.as_str().strip_prefix('.').and_then(|n| n.strip_suffix(PART)) {
                if let Some(file) = store.recover(&entry.path(), wanted) {
                    found.push(file);
                }
            } else if !name.as_str().starts_with('.') && !name.as_str().ends_with(".part") {
                let mut file = store.entry(&name)?;
                notes::read(dir, &mut file);
                found.push(file);
            }
        }
        Ok((store, found))
    }

    /// Where a finished file is.
    pub fn path(&self, name: &FileName) -> PathBuf {
        self.dir.join(name.as_str())
    }

    /// A name that is free, and where to write the file until it is finished.
    ///
    /// # Errors
    /// When the id makes no name.
    pub(super) fn reserve(&self, stem: &str, extension: &str) -> Result<(FileName, PathBuf)> {
        for n in 1..=1000 {
            let suffix = if n == 1 { String::new() } else { format!("-{n}") };
            let name = FileName::parse(&format!("{stem}{suffix}.{extension}"))?;
            let part = self.dir.join(format!(".{name}{PART}"));
            if !self.path(&name).exists() && !part.exists() {
                return Ok((name, part));
            }
        }
        anyhow::bail!("a thousand files are called {stem}")
    }

    /// Gives a file its final name and takes it into account.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn publish(&self, part: &Path, name: &FileName, times: TakeTimes) -> io::Result<FileEntry> {
        fs::rename(part, self.path(name))?;
        // The name is on the disk when the directory is.
        if let Ok(dir) = File::open(&self.dir) {
            let _ = dir.sync_all();
        }
        let mut entry = self.entry(name)?;
        entry.times = times;
        notes::write(&self.dir, &entry);
        Ok(entry)
    }

    /// Notes the hash of a finished file.
    pub(super) fn note_hash(&self, entry: &FileEntry, sha256: [u8; 32]) {
        notes::write(&self.dir, &FileEntry { sha256: Some(sha256), ..entry.clone() });
    }

    /// Opens a file for the driver.
    ///
    /// # Errors
    /// When it is gone.
    pub fn open_token(&self, token: FileToken) -> io::Result<File> {
        let name = self.lock().names.get(&token).cloned().ok_or(io::ErrorKind::NotFound)?;
        File::open(self.path(&name))
    }

    /// Deletes a file whose hash is this.
    pub(super) fn delete(&self, token: FileToken, name: &FileName, sha256: &str) -> Result<(), DeleteFailed> {
        let path = self.path(name);
        let hash = hash_file(&path).map_err(|_| DeleteFailed::System)?;
        if hex(&hash) != sha256 {
            return Err(DeleteFailed::OtherHash);
        }
        fs::remove_file(&path).map_err(|_| DeleteFailed::System)?;
        self.lock().names.remove(&token);
        notes::remove(&self.dir, name);
        Ok(())
    }

    fn entry(&self, name: &FileName) -> io::Result<FileEntry> {
        let meta = fs::metadata(self.path(name))?;
        let modified = meta.modified().map_or(UnixTime::default(), unix);
        let mut tokens = self.lock();
        tokens.next += 1;
        let token = FileToken(tokens.next);
        tokens.names.insert(token, name.clone());
        Ok(FileEntry {
            token,
            name: name.clone(),
            size: meta.len(),
            created: meta.created().map_or(modified, unix),
            modified,
            sha256: None,
            times: TakeTimes::default(),
        })
    }

    fn recover(&self, part: &Path, wanted: &str) -> Option<FileEntry> {
        let name = FileName::parse(wanted).ok()?;
        if self.path(&name).exists() {
            return None;
        }
        if wanted.ends_with(".h264") && fs::metadata(part).is_ok_and(|m| m.len() > 0) {
            tracing::warn!(%name, "a recording that was cut short is kept as far as it goes");
            return self.publish(part, &name, TakeTimes::default()).ok();
        }
        if !wanted.ends_with(".avi") {
            return None;
        }
        let mut file = File::options().read(true).write(true).open(part).ok()?;
        let frames = avi::repair(&mut file).ok()?;
        tracing::warn!(%name, frames, "a recording that was cut short is made whole");
        self.publish(part, &name, TakeTimes::default()).ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256 of a file.
///
/// # Errors
/// Those of reading.
pub fn hash_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn unix(time: SystemTime) -> UnixTime {
    let ns = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    UnixTime::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// The end of the name of a file that is not finished. It begins with a dot.
const PART: &str = ".recording";
