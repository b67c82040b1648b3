//! What a device says (sheet §5.2 to §5.9, §10).

use alloc::string::String;
use alloc::vec::Vec;

use crate::{DeviceStatus, UnixTime, UploadState};

/// How a device is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StatusResponse {
    /// Who says so. Missing in G0 of OAK.
    pub device_id: Option<String>,
    /// In a word.
    pub status: DeviceStatus,
    /// The device's clock as it answered.
    pub timestamp: Option<UnixTime>,
    /// G0, G1: whether a recording runs.
    pub is_recording: Option<bool>,
    /// G1: more about it.
    pub message: Option<String>,
    /// G1: the file of a recording that ended.
    pub file_id: Option<String>,
    /// G1: its size, in bytes.
    pub file_size: Option<u64>,
    /// G2: percent, 0 to 100.
    pub battery_level: Option<f64>,
    /// G2.2: what it is.
    pub device_type: Option<String>,
    /// G2: uploads that wait or run.
    pub upload_queue: Vec<UploadItem>,
    /// G2: uploads that failed.
    pub failed_upload_queue: Vec<UploadItem>,
    /// Extension: how well the device knows the time.
    pub clock: Option<ClockReport>,
}

impl StatusResponse {
    /// A status with nothing but that.
    pub fn new(device_id: &str, status: DeviceStatus, timestamp: UnixTime) -> Self {
        Self {
            device_id: Some(device_id.into()),
            status,
            timestamp: Some(timestamp),
            is_recording: None,
            message: None,
            file_id: None,
            file_size: None,
            battery_level: None,
            device_type: None,
            upload_queue: Vec::new(),
            failed_upload_queue: Vec::new(),
            clock: None,
        }
    }

    /// Whether a recording runs, whichever way this generation says so.
    pub fn recording(&self) -> bool {
        self.is_recording.unwrap_or_else(|| *self.status.normalised() == DeviceStatus::Recording)
    }
}

/// Extension: a device's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockReport {
    /// Where it has the time from: `ntp`, `controller` or `system`.
    pub source: String,
    /// Synchronised time minus the system's, in nanoseconds.
    pub offset_ns: i64,
    /// It is not further off than this, in nanoseconds; `None`: not known.
    pub error_ns: Option<u64>,
    /// On which clock a start is planned.
    pub schedules_on: SchedulesOn,
}

/// The clock on which a device keeps the instant of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulesOn {
    /// The system's own, right or wrong, which also stamps its replies: a controller compensates for it.
    Raw,
    /// Synchronised time.
    Synced,
}

impl SchedulesOn {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Synced => "synced",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Raw, Self::Synced].into_iter().find(|s| s.as_str() == name)
    }
}

/// G2: the answer to STOP_RECORDING. (G1 answers with a [`StatusResponse`] that has `fileId` and `fileSize`.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRecordingResponse {
    /// Who says so.
    pub device_id: Option<String>,
    /// `recording_stopped`.
    pub status: DeviceStatus,
    /// The device's clock as it answered.
    pub timestamp: Option<UnixTime>,
    /// G0 of OAK.
    pub is_recording: Option<bool>,
    /// The file, in G0 and G1.
    pub file_id: Option<String>,
    /// The file, in G2.
    pub file_name: Option<String>,
    /// In bytes. OAK says 0 while the file is not made yet.
    pub file_size: Option<u64>,
    /// Extension: when it began.
    pub times: TakeTimes,
}

impl StopRecordingResponse {
    /// A recording has ended in this file.
    pub fn new(device_id: &str, timestamp: UnixTime, file_name: &str, file_size: u64) -> Self {
        Self {
            device_id: Some(device_id.into()),
            status: DeviceStatus::RecordingStopped,
            timestamp: Some(timestamp),
            is_recording: Some(false),
            file_id: Some(crate::stem(file_name).into()),
            file_name: Some(file_name.into()),
            file_size: Some(file_size),
            times: TakeTimes::default(),
        }
    }

    /// The file, by name if there is one, else by id.
    pub fn file(&self) -> Option<&str> {
        self.file_name.as_deref().or(self.file_id.as_deref())
    }
}

/// Extension: when a recording began, on the device's synchronised clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakeTimes {
    /// The instant that was asked for.
    pub target_start: Option<UnixTime>,
    /// The instant at which capture was let go.
    pub actual_start: Option<UnixTime>,
    /// Capture time of the first recorded frame.
    pub first_frame: Option<UnixTime>,
    /// The clock was not further off than this, in nanoseconds.
    pub clock_error_ns: Option<u64>,
}

/// A command could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorResponse {
    /// Who says so.
    pub device_id: Option<String>,
    /// `error`, `file_not_found`, `time_not_synchronized`, …
    pub status: DeviceStatus,
    /// The device's clock as it answered.
    pub timestamp: Option<UnixTime>,
    /// Why; empty where the device does not say.
    pub message: String,
    /// G1: whether a recording runs.
    pub is_recording: Option<bool>,
}

impl ErrorResponse {
    /// An error with its reason.
    pub fn new(
        device_id: &str,
        status: DeviceStatus,
        timestamp: UnixTime,
        message: impl Into<String>,
    ) -> Self {
        Self {
            device_id: Some(device_id.into()),
            status,
            timestamp: Some(timestamp),
            message: message.into(),
            is_recording: None,
        }
    }
}

/// The header before a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileResponse {
    /// Who sends it.
    pub device_id: Option<String>,
    /// Its id, in G0 and G1.
    pub file_id: Option<String>,
    /// Its name as the device has it: a stranger's text, to be checked before it names anything here.
    pub file_name: String,
    /// Bytes that follow.
    pub file_size: u64,
    /// `ready`; missing in G0 of OAK.
    pub status: Option<DeviceStatus>,
    /// Extension: which byte of the file comes first. Only a device that knows ranges says it.
    pub offset: Option<u64>,
    /// Extension: how many come.
    pub length: Option<u64>,
    /// Extension: how many the whole file has.
    pub total_size: Option<u64>,
    /// Extension: SHA-256 of the whole file, in hexadecimal.
    pub sha256: Option<String>,
    /// Extension: when it was last written.
    pub mtime: Option<UnixTime>,
}

impl FileResponse {
    /// The header of a whole file.
    pub fn new(device_id: &str, file_name: &str, file_size: u64) -> Self {
        Self {
            device_id: Some(device_id.into()),
            file_id: Some(crate::stem(file_name).into()),
            file_name: file_name.into(),
            file_size,
            status: Some(DeviceStatus::Ready),
            offset: None,
            length: None,
            total_size: None,
            sha256: None,
            mtime: None,
        }
    }
}

/// A file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMetadata {
    /// Its id, in G0 and G1.
    pub file_id: Option<String>,
    /// Its name.
    pub file_name: String,
    /// In bytes.
    pub file_size: u64,
    /// When it was made.
    pub creation_date: Option<UnixTime>,
    /// When it was last written.
    pub modification_date: Option<UnixTime>,
    /// Extension: SHA-256, where it is known.
    pub sha256: Option<String>,
    /// Extension: when the recording began.
    pub times: TakeTimes,
}

impl FileMetadata {
    /// A file.
    pub fn new(file_name: &str, file_size: u64, created: UnixTime, modified: UnixTime) -> Self {
        Self {
            file_id: Some(crate::stem(file_name).into()),
            file_name: file_name.into(),
            file_size,
            creation_date: Some(created),
            modification_date: Some(modified),
            sha256: None,
            times: TakeTimes::default(),
        }
    }
}

/// The files of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListFilesResponse {
    /// Whose.
    pub device_id: Option<String>,
    /// `ready`.
    pub status: DeviceStatus,
    /// The device's clock as it answered.
    pub timestamp: Option<UnixTime>,
    /// The newest first, if the device is one of ours.
    pub files: Vec<FileMetadata>,
}

impl ListFilesResponse {
    /// A list.
    pub fn new(device_id: &str, timestamp: UnixTime, files: Vec<FileMetadata>) -> Self {
        Self {
            device_id: Some(device_id.into()),
            status: DeviceStatus::Ready,
            timestamp: Some(timestamp),
            files,
        }
    }
}

/// An upload that waits, runs or has failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UploadItem {
    /// G1.1: the file's id.
    pub file_id: Option<String>,
    /// The file.
    pub file_name: String,
    /// In bytes.
    pub file_size: u64,
    /// Bytes that are there.
    pub bytes_uploaded: u64,
    /// The same in percent, 0 to 100.
    pub upload_progress: f64,
    /// Bytes a second.
    pub upload_speed: u64,
    /// How it is.
    pub status: Option<UploadState>,
    /// Where to; a secret, which we never send.
    pub upload_url: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

impl UploadItem {
    /// An upload that waits.
    pub fn new(file_name: &str, file_size: u64) -> Self {
        Self {
            file_id: None,
            file_name: file_name.into(),
            file_size,
            bytes_uploaded: 0,
            upload_progress: 0.0,
            upload_speed: 0,
            status: Some(UploadState::Queued),
            upload_url: None,
            error: None,
        }
    }
}

/// G1.1: how far the uploads are (only in the text of that version).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UploadStatusResponse {
    /// Who says so.
    pub device_id: Option<String>,
    /// In a word.
    pub status: DeviceStatus,
    /// The device's clock as it answered.
    pub timestamp: Option<UnixTime>,
    /// The one that runs.
    pub current_upload: Option<UploadItem>,
    /// Those that wait.
    pub upload_queue: Vec<UploadItem>,
}
