//! The finished files of a device.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

use machine::FileToken;

use crate::message::{FileMetadata, TakeTimes};
use crate::{FileName, UnixTime};

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// By what the program opens it.
    pub token: FileToken,
    /// Its name.
    pub name: FileName,
    /// In bytes.
    pub size: u64,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last written.
    pub modified: UnixTime,
    /// SHA-256, if that is known.
    pub sha256: Option<[u8; 32]>,
    /// When the recording began.
    pub times: TakeTimes,
}

impl FileEntry {
    pub(super) fn metadata(&self) -> FileMetadata {
        let mut entry = FileMetadata::new(self.name.as_str(), self.size, self.created, self.modified);
        entry.sha256 = self.sha256.as_ref().map(hex);
        entry.times = self.times;
        entry
    }
}

/// Files by name.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeMap<FileName, FileEntry>);

impl Index {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, entry: FileEntry) {
        self.0.insert(entry.name.clone(), entry);
    }

    pub(super) fn remove(&mut self, name: &FileName) -> Option<FileEntry> {
        self.0.remove(name)
    }

    pub(super) fn get_mut(&mut self, name: &FileName) -> Option<&mut FileEntry> {
        self.0.get_mut(name)
    }

    /// A file by its name, or by an id that is a name or the stem of one. What is no plain name finds nothing.
    pub(super) fn find(&self, name: Option<&str>, id: Option<&str>) -> Option<&FileEntry> {
        // Whoever tries a path does not get a file by its id either.
        if name.is_some_and(|name| FileName::parse(name).is_err()) {
            return None;
        }
        let by_name = |text: &str| self.0.get(&FileName::parse(text).ok()?);
        let by_stem = |text: &str| self.0.values().find(|e| e.name.stem() == text);
        name.and_then(by_name)
            .or_else(|| id.and_then(by_name))
            .or_else(|| id.and_then(by_stem))
            // QUIRK(G2): some hand in an id where a name belongs.
            .or_else(|| name.and_then(by_stem))
    }

    /// All, the newest first.
    pub(super) fn newest_first(&self) -> alloc::vec::Vec<&FileEntry> {
        let mut all: alloc::vec::Vec<_> = self.0.values().collect();
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| b.name.cmp(&a.name)));
        all
    }
}

/// A hash in lower-case hexadecimal.
pub fn hex(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
