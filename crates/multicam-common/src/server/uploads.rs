//! Uploads that wait, run or have failed (sheet §7.6). Addresses and credentials go to the program and nowhere else.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::message::UploadItem;
use crate::{FileName, UploadState};

#[derive(Debug, Default)]
pub(super) struct Uploads {
    waiting: VecDeque<UploadItem>,
    failed: VecDeque<UploadItem>,
}

impl Uploads {
    /// Puts a file in the queue.
    ///
    /// # Errors
    /// With what the device says to it.
    pub(super) fn add(&mut self, name: &FileName, size: u64) -> Result<(), String> {
        match self.waiting.iter().find(|u| u.file_name == name.as_str()).map(|u| u.status) {
            Some(Some(UploadState::Uploading)) => {
                return Err(alloc::format!("Upload already in progress for {name}"));
            }
            Some(_) => return Err(alloc::format!("File already in upload queue: {name}")),
            None => {}
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err("Upload queue is full".into());
        }
        self.failed.retain(|u| u.file_name != name.as_str());
        self.waiting.push_back(UploadItem::new(name.as_str(), size));
        Ok(())
    }

    pub(super) fn progress(&mut self, name: &str, bytes: u64, speed: u64) {
        if let Some(item) = self.waiting.iter_mut().find(|u| u.file_name == name) {
            item.status = Some(UploadState::Uploading);
            item.bytes_uploaded = bytes.min(item.file_size);
            item.upload_speed = speed;
            let hundredths = u128::from(item.bytes_uploaded) * 10_000 / u128::from(item.file_size.max(1));
            item.upload_progress = f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0;
        }
    }

    pub(super) fn done(&mut self, name: &str, outcome: Result<(), &str>) {
        let Some(at) = self.waiting.iter().position(|u| u.file_name == name) else {
            return;
        };
        let Some(mut item) = self.waiting.remove(at) else {
            return;
        };
        if let Err(why) = outcome {
            item.status = Some(UploadState::Failed);
            item.error = Some(why.chars().take(120).collect());
            if self.failed.len() >= MAX_FAILED {
                self.failed.pop_front();
            }
            self.failed.push_back(item);
        }
    }

    pub(super) fn waiting(&self) -> Vec<UploadItem> {
        self.waiting.iter().take(SHOWN).cloned().collect()
    }

    pub(super) fn failed(&self) -> Vec<UploadItem> {
        self.failed.iter().rev().take(SHOWN).cloned().collect()
    }

    pub(super) fn all(&self) -> Vec<UploadItem> {
        self.waiting.iter().cloned().collect()
    }
}

const MAX_WAITING: usize = 100;
const MAX_FAILED: usize = 16;
/// In a status, which has to fit in 4096 bytes.
const SHOWN: usize = 6;
