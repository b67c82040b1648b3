//! What a controller says (sheet §5.1, §10).

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::SchedulesOn;
use crate::constants::CONTROLLER_ID;
use crate::{CommandType, UnixTime};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandMessage {
    /// What is asked for.
    pub command: CommandType,
    /// When it was sent; of START_RECORDING the instant at which to start, `None` for at once.
    pub timestamp: Option<UnixTime>,
    /// Who asks.
    pub device_id: String,
    /// Which file, as G0 and G1 name it.
    pub file_id: Option<String>,
    /// Which file, as G2 names it.
    pub file_name: Option<String>,
    /// Where to upload it.
    pub upload: Option<Box<Upload>>,
    /// Extension: first byte wanted of the file.
    pub offset: Option<u64>,
    /// Extension: bytes wanted of it.
    pub length: Option<u64>,
    /// Extension of DELETE_FILE: the SHA-256 of the whole file in hexadecimal, as proof that it has been fetched.
    pub sha256: Option<String>,
    /// Extension of LIST_FILES: so many files at most, in a reply as long as that takes (up to 1 MiB).
    pub limit: Option<u32>,
    /// Extension: UDP port on which the sender serves time (NTP).
    pub time_port: Option<u16>,
    /// Extension of START_RECORDING: the clock on which `timestamp` is an instant; without it synchronised time.
    pub schedule: Option<SchedulesOn>,
    /// Extension: a word that the device wants to hear, where it was told to ask for one.
    pub auth: Option<Secret>,
}

impl CommandMessage {
    /// A command with nothing but its kind.
    pub fn new(command: CommandType) -> Self {
        Self {
            command,
            timestamp: None,
            device_id: CONTROLLER_ID.into(),
            file_id: None,
            file_name: None,
            upload: None,
            offset: None,
            length: None,
            sha256: None,
            limit: None,
            time_port: None,
            schedule: None,
            auth: None,
        }
    }

    /// Start at `at`, in synchronised time.
    pub fn start_recording(at: UnixTime) -> Self {
        Self::new(CommandType::StartRecording).sent_at(at)
    }

    /// End the recording.
    pub fn stop_recording() -> Self {
        Self::new(CommandType::StopRecording)
    }

    /// How is the device?
    pub fn device_status() -> Self {
        Self::new(CommandType::DeviceStatus)
    }

    /// Send a file. `id` is what the device gave: a name or an id; each generation is told what it looks for.
    pub fn get_video(id: &str) -> Self {
        Self::new(CommandType::GetVideo).with_file(id)
    }

    /// Which files are there?
    pub fn list_files() -> Self {
        Self::new(CommandType::ListFiles)
    }

    /// Are you there?
    pub fn heartbeat() -> Self {
        Self::new(CommandType::Heartbeat)
    }

    /// Send a file to a store.
    pub fn upload_to_cloud(id: &str, upload: Upload) -> Self {
        Self { upload: Some(Box::new(upload)), ..Self::new(CommandType::UploadToCloud).with_file(id) }
    }

    /// Extension: delete a file of which the sender has a copy with this SHA-256.
    pub fn delete_file(name: &str, sha256: &str) -> Self {
        Self { sha256: Some(sha256.into()), ..Self::new(CommandType::DeleteFile).with_file(name) }
    }

    /// With this `timestamp`.
    #[must_use]
    pub fn sent_at(self, at: UnixTime) -> Self {
        Self { timestamp: Some(at), ..self }
    }

    /// Asking for this part of the file (extension; devices that do not know it send all of it).
    #[must_use]
    pub fn with_range(self, offset: u64, length: Option<u64>) -> Self {
        Self { offset: Some(offset), length, ..self }
    }

    /// START_RECORDING: at an instant of this clock of the device (extension).
    #[must_use]
    pub fn on_clock(self, clock: SchedulesOn) -> Self {
        Self { schedule: Some(clock), ..self }
    }

    /// LIST_FILES: so many files at most, in a reply of up to 1 MiB (extension).
    #[must_use]
    pub fn with_limit(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// With the word that a device asks for (extension).
    #[must_use]
    pub fn with_auth(self, word: Option<Secret>) -> Self {
        Self { auth: word, ..self }
    }

    /// Naming a file. The id of a name is the name without its extension (sheet §9).
    #[must_use]
    pub fn with_file(self, name: &str) -> Self {
        Self { file_name: Some(name.into()), file_id: Some(crate::stem(name).into()), ..self }
    }

    /// The file that is meant, as a name if there is one.
    pub fn file(&self) -> Option<&str> {
        self.file_name.as_deref().or(self.file_id.as_deref())
    }
}

/// Where a file is to be uploaded to. Holds credentials: `Debug` shows none, and nothing of it is sent back.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Upload {
    /// An address that takes a PUT and holds its own authority.
    pub upload_url: Option<String>,
    /// S3: the bucket.
    pub s3_bucket: Option<String>,
    /// S3: the key.
    pub s3_key: Option<String>,
    /// AWS access key id.
    pub aws_access_key_id: Option<String>,
    /// AWS secret access key.
    pub aws_secret_access_key: Option<String>,
    /// AWS session token.
    pub aws_session_token: Option<String>,
    /// AWS region.
    pub aws_region: Option<String>,
}

impl Upload {
    /// A presigned address.
    pub fn to_url(url: &str) -> Self {
        Self { upload_url: Some(url.into()), ..Self::default() }
    }

    /// Whether there is enough to upload with: an address, or all six of the S3 values.
    pub fn is_complete(&self) -> bool {
        self.upload_url.is_some() || self.has_credentials()
    }

    /// Whether all six of the S3 values are there.
    pub fn has_credentials(&self) -> bool {
        let all = [
            &self.s3_bucket,
            &self.s3_key,
            &self.aws_access_key_id,
            &self.aws_secret_access_key,
            &self.aws_session_token,
            &self.aws_region,
        ];
        all.into_iter().all(Option::is_some)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("url", &self.upload_url.is_some())
            .field("credentials", &self.has_credentials())
            .finish_non_exhaustive()
    }
}

/// A word that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
