//! When to ask for which part of a file, and what to make of the answer (sheet §2.4, §7.5, §10).

use alloc::string::String;
use core::time::Duration;

use thiserror::Error;

use super::DeviceKind;
use crate::message::{CommandMessage, FileResponse};
use crate::{DeviceStatus, FileName, FileNameError};

/// The fetching of one file, over as many connections as it takes.
#[derive(Clone, Debug)]
pub struct Fetch {
    file: String,
    kind: DeviceKind,
    have: u64,
    tried: u32,
    max_tries: u32,
}

/// What to do with the body that follows a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The name under which it may be stored here.
    pub name: FileName,
    /// So many bytes come.
    pub body: u64,
    /// The first of them are here already: pass over so many.
    pub skip: u64,
    /// The next belongs there. Less than what is here: the partial file is cut off to it.
    pub write_at: u64,
    /// Bytes of the whole file.
    pub total: u64,
    /// Its SHA-256, if the device says.
    pub sha256: Option<String>,
}

/// An answer from which no file can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Its name is no plain name.
    #[error("the device names the file unsafely: {0}")]
    Name(#[from] FileNameError),
    /// The header does not agree with itself, or not with what was asked.
    #[error("the header makes no sense: field {field}")]
    Header {
        /// Where.
        field: &'static str,
    },
}

/// What to do after a try that did not bring the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// Ask again after this.
    After(Duration),
    /// It will not come.
    GiveUp,
}

impl Fetch {
    /// Fetches `file` (name or id as the device gave it) from a device, of which `have` bytes are here already.
    pub fn new(file: &str, kind: DeviceKind, have: u64) -> Self {
        Self { file: file.into(), kind, have, tried: 0, max_tries: 4 }
    }

    /// The command to send next.
    pub fn command(&self) -> CommandMessage {
        let command = CommandMessage::get_video(&self.file);
        // Devices that know no ranges send everything; that is told from their header.
        if self.have > 0 { command.with_range(self.have, None) } else { command }
    }

    /// Judges a header.
    ///
    /// # Errors
    /// If nothing safe or sensible can be made of it; asking again would not help.
    pub fn plan(&self, header: &FileResponse) -> Result<Plan, FetchError> {
        let name = FileName::parse(&header.file_name)?;
        let body = header.file_size;
        let (skip, write_at, total) = match header.offset {
            Some(offset) => {
                if offset != self.have {
                    return Err(FetchError::Header { field: "offset" });
                }
                let end = offset.checked_add(body).ok_or(FetchError::Header { field: "fileSize" })?;
                if header.total_size.is_some_and(|total| total != end) {
                    return Err(FetchError::Header { field: "totalSize" });
                }
                (0, offset, end)
            }
            // All of it comes. If that is less than what is here, what is here is of another file.
            None if body >= self.have => (self.have, self.have, body),
            None => (0, 0, body),
        };
        let sha256 = header.sha256.as_ref().map(|s| s.to_ascii_lowercase());
        if sha256.as_ref().is_some_and(|s| s.len() != 64 || !s.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(FetchError::Header { field: "sha256" });
        }
        Ok(Plan { name, body, skip, write_at, total, sha256 })
    }

    /// So many bytes are here now and safe.
    pub fn progress(&mut self, have: u64) {
        if have > self.have {
            self.tried = 0;
        }
        self.have = have;
    }

    /// What is here is of no use: the hash is another.
    pub fn start_over(&mut self) {
        self.have = 0;
    }

    /// A connection failed or ended too early.
    pub fn failed(&mut self) -> NextTry {
        self.tried = self.tried.saturating_add(1);
        if self.tried >= self.max_tries {
            return NextTry::GiveUp;
        }
        NextTry::After(BACK_OFF.saturating_mul(1 << self.tried.saturating_sub(1).min(8)).min(MAX_BACK_OFF))
    }

    /// The device refused.
    pub fn refused(&mut self, status: &DeviceStatus) -> NextTry {
        match *status.normalised() {
            DeviceStatus::FileNotFound => NextTry::GiveUp,
            // QUIRK(OAK): says `error` also for a file that it does not have.
            _ if self.kind == DeviceKind::Oak => NextTry::GiveUp,
            // The part that was asked for is beyond the end: begin again, once.
            DeviceStatus::Error if self.have > 0 => {
                self.have = 0;
                NextTry::After(Duration::ZERO)
            }
            _ => NextTry::GiveUp,
        }
    }
}

const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: u64, offset: Option<u64>) -> FileResponse {
        FileResponse { offset, ..FileResponse::new("d", "a.avi", size) }
    }

    #[test]
    fn resuming() {
        let fetch = Fetch::new("a.avi", DeviceKind::Genlock, 30);
        assert_eq!(fetch.command().offset, Some(30));
        let plan = fetch.plan(&header(70, Some(30))).unwrap();
        assert_eq!((plan.skip, plan.write_at, plan.total, plan.body), (0, 30, 100, 70));
        let old = fetch.plan(&header(100, None)).unwrap();
        assert_eq!((old.skip, old.write_at, old.total, old.body), (30, 30, 100, 100));
        let other = fetch.plan(&header(20, None)).unwrap();
        assert_eq!((other.skip, other.write_at, other.total), (0, 0, 20));
        assert!(fetch.plan(&header(70, Some(10))).is_err());
        let lying = FileResponse { total_size: Some(99), ..header(70, Some(30)) };
        assert_eq!(fetch.plan(&lying), Err(FetchError::Header { field: "totalSize" }));
        assert_eq!(Fetch::new("a", DeviceKind::Oak, 0).command().offset, None);
    }

    #[test]
    fn names_from_a_device_are_checked() {
        let fetch = Fetch::new("a", DeviceKind::Oak, 0);
        for name in ["../a", "/a", "a\0", "a\nb", ""] {
            let header = FileResponse { file_name: name.into(), ..header(5, None) };
            assert!(matches!(fetch.plan(&header), Err(FetchError::Name(_))));
        }
    }

    #[test]
    fn tries() {
        let mut fetch = Fetch::new("a", DeviceKind::Genlock, 0);
        let pauses: alloc::vec::Vec<_> = (0..4).map(|_| fetch.failed()).collect();
        let after = |s| NextTry::After(Duration::from_secs(s));
        assert_eq!(pauses, [after(1), after(2), after(4), NextTry::GiveUp]);
        fetch.progress(5);
        assert_eq!(fetch.failed(), after(1));
        assert_eq!(fetch.refused(&DeviceStatus::FileNotFound), NextTry::GiveUp);
        assert_eq!(fetch.refused(&DeviceStatus::Error), NextTry::After(Duration::ZERO));
        assert_eq!(fetch.refused(&DeviceStatus::Error), NextTry::GiveUp);
    }
}
