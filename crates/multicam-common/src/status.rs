//! The closed sets of words (sheet §4).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// What a controller asks for. Exact and upper case on the wire (sheet §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CommandType {
    /// Start a recording, now or at an instant.
    StartRecording,
    /// End it.
    StopRecording,
    /// How is the device?
    DeviceStatus,
    /// Send a file.
    GetVideo,
    /// Is it there?
    Heartbeat,
    /// Which files does it have?
    ListFiles,
    /// Send a file to a store (G1.1 and later).
    UploadToCloud,
    /// How far is that? (Only in the text of G1.1; no original accepts it.)
    UploadStatus,
    /// Delete a file (our extension, sheet §10).
    DeleteFile,
}

impl CommandType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::StartRecording,
        Self::StopRecording,
        Self::DeviceStatus,
        Self::GetVideo,
        Self::Heartbeat,
        Self::ListFiles,
        Self::UploadToCloud,
        Self::UploadStatus,
        Self::DeleteFile,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartRecording => "START_RECORDING",
            Self::StopRecording => "STOP_RECORDING",
            Self::DeviceStatus => "DEVICE_STATUS",
            Self::GetVideo => "GET_VIDEO",
            Self::Heartbeat => "HEARTBEAT",
            Self::ListFiles => "LIST_FILES",
            Self::UploadToCloud => "UPLOAD_TO_CLOUD",
            Self::UploadStatus => "UPLOAD_STATUS",
            Self::DeleteFile => "DELETE_FILE",
        }
    }

    /// Reads a name; lower case is not one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

impl fmt::Display for CommandType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a device says of itself or of a command (sheet §4.2).
///
/// Any text may come; what is not exactly one of the words is kept as it came in [`Unknown`](Self::Unknown), whose
/// meaning [`normalised`](Self::normalised) tells where there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeviceStatus {
    /// Idle.
    Ready,
    /// A recording runs.
    Recording,
    /// It is being ended.
    Stopping,
    /// Something went wrong.
    Error,
    /// A start is planned.
    ScheduledRecordingAccepted,
    /// A recording has ended and its file is closed.
    RecordingStopped,
    /// The command was understood.
    CommandReceived,
    /// The device does not know the time well enough for a planned start.
    TimeNotSynchronized,
    /// No such file.
    FileNotFound,
    /// G1.1: a file is on its way to the store.
    Uploading,
    /// G1.1: it waits for that.
    UploadQueued,
    /// G1.1: it is there.
    UploadCompleted,
    /// G1.1: it is not.
    UploadFailed,
    /// G2.3: the camera is gone.
    CameraDisconnected,
    /// Anything else, as it came.
    Unknown(Box<str>),
}

impl DeviceStatus {
    /// All that have a name.
    pub const KNOWN: [Self; 14] = [
        Self::Ready,
        Self::Recording,
        Self::Stopping,
        Self::Error,
        Self::ScheduledRecordingAccepted,
        Self::RecordingStopped,
        Self::CommandReceived,
        Self::TimeNotSynchronized,
        Self::FileNotFound,
        Self::Uploading,
        Self::UploadQueued,
        Self::UploadCompleted,
        Self::UploadFailed,
        Self::CameraDisconnected,
    ];

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::Recording => "recording",
            Self::Stopping => "stopping",
            Self::Error => "error",
            Self::ScheduledRecordingAccepted => "scheduled_recording_accepted",
            Self::RecordingStopped => "recording_stopped",
            Self::CommandReceived => "command_received",
            Self::TimeNotSynchronized => "time_not_synchronized",
            Self::FileNotFound => "file_not_found",
            Self::Uploading => "uploading",
            Self::UploadQueued => "upload_queued",
            Self::UploadCompleted => "upload_completed",
            Self::UploadFailed => "upload_failed",
            Self::CameraDisconnected => "camera_disconnected",
            Self::Unknown(text) => text,
        }
    }

    /// Reads a status exactly.
    pub fn parse(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| Self::Unknown(text.into()))
    }

    /// What the text means, in whatever case and generation: `Recording stopped` is
    /// [`RecordingStopped`](Self::RecordingStopped).
    pub fn normalised(&self) -> Cow<'_, Self> {
        let Self::Unknown(text) = self else {
            return Cow::Borrowed(self);
        };
        let word: String = text
            .trim()
            .chars()
            .take(64)
            .map(|c| if c == ' ' { '_' } else { c.to_ascii_lowercase() })
            .collect();
        Self::known(&word).or_else(|| Self::old_phrase(&word)).map_or(Cow::Borrowed(self), Cow::Owned)
    }

    /// Whether it says that all is well. Not the contrary of [`is_error`](Self::is_error): what is unknown is neither.
    pub fn is_success(&self) -> bool {
        matches!(
            *self.normalised(),
            Self::Ready
                | Self::Recording
                | Self::Stopping
                | Self::ScheduledRecordingAccepted
                | Self::RecordingStopped
                | Self::CommandReceived
                | Self::Uploading
                | Self::UploadQueued
                | Self::UploadCompleted
        )
    }

    /// Whether it says that something failed.
    pub fn is_error(&self) -> bool {
        matches!(
            *self.normalised(),
            Self::Error
                | Self::TimeNotSynchronized
                | Self::FileNotFound
                | Self::UploadFailed
                | Self::CameraDisconnected
        )
    }

    fn known(word: &str) -> Option<Self> {
        Self::KNOWN.into_iter().find(|s| s.as_str() == word)
    }

    // QUIRK(G0): phrases of the first iOS and Android applications, in lower case with underscores.
    fn old_phrase(word: &str) -> Option<Self> {
        Some(match word {
            "files_listed_successfully" | "ok" | "200" | "success" => Self::Ready,
            "immediate_recording_started" => Self::Recording,
            "preparing" | "waiting" => Self::ScheduledRecordingAccepted,
            _ if word.starts_with("error_") || word.starts_with("error:") => Self::Error,
            _ => return None,
        })
    }
}

impl fmt::Display for DeviceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an upload is (sheet §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UploadState {
    /// It waits.
    Queued,
    /// Under way.
    Uploading,
    /// Done.
    Completed,
    /// Given up.
    Failed,
}

impl UploadState {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Uploading => "uploading",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Queued, Self::Uploading, Self::Completed, Self::Failed]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_success() {
        for good in ["ready", "READY", "Ready", "recording", "uploading", "Recording stopped", "OK", "200"] {
            let status = DeviceStatus::parse(good);
            assert!(status.is_success() && !status.is_error(), "{good}");
            assert_eq!(status.as_str(), good);
        }
        for bad in ["error", "File not found", "camera_disconnected", "Error reading file: x"] {
            let status = DeviceStatus::parse(bad);
            assert!(!status.is_success() && status.is_error(), "{bad}");
        }
        for neither in ["", "something else"] {
            let status = DeviceStatus::parse(neither);
            assert!(!status.is_success() && !status.is_error(), "{neither}");
        }
    }

    #[test]
    fn commands_are_exact() {
        assert_eq!(CommandType::parse("HEARTBEAT"), Some(CommandType::Heartbeat));
        assert_eq!(CommandType::parse("heartbeat"), None);
        for c in CommandType::ALL {
            assert_eq!(CommandType::parse(c.as_str()), Some(c));
        }
    }
}
