//! JSON to messages: any key order, unknown keys, absent or null optionals, of twins the last (sheet §6).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Object;
use crate::constants::CONTROLLER_ID;
use crate::message::{
    ClockReport, CommandMessage, ErrorResponse, FileMetadata, FileResponse, ListFilesResponse, SchedulesOn,
    Secret, StatusResponse, StopRecordingResponse, TakeTimes, Upload, UploadItem, UploadStatusResponse,
};
use crate::{CommandType, DecodeError, DeviceStatus, UploadState};

/// Any reply that is not a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// How the device is.
    Status(StatusResponse),
    /// A recording has ended.
    Stopped(StopRecordingResponse),
    /// It failed.
    Error(ErrorResponse),
    /// The device's files.
    Files(ListFilesResponse),
    /// G1.1: its uploads.
    Uploads(UploadStatusResponse),
}

impl Reply {
    /// Reads a reply of any generation.
    ///
    /// # Errors
    /// If it is no JSON object, or has no `status`, or is a command: some devices have those to send.
    pub fn parse(text: &[u8]) -> Result<Self, DecodeError> {
        let object = Object::parse_bytes(text)?;
        // QUIRK(iOS): holds an unused sender of commands towards the controller.
        if object.has("command") {
            return Err(DecodeError::BadField { field: "command" });
        }
        if object.has_value("files") {
            return files(&object).map(Self::Files);
        }
        if object.has("currentUpload") {
            return uploads(&object).map(Self::Uploads);
        }
        let status = optional_status(&object);
        let known = status.as_ref().map(|s| s.normalised().into_owned());
        let named = || ["fileName", "fileId"].into_iter().any(|key| lenient(object.text(key)).is_some());
        // By what can be read of it, so that it is of the same kind when it is passed on.
        let has_file = lenient(object.size("fileSize")).is_some() && named();
        match known {
            Some(s) if s.is_error() => error(&object).map(Self::Error),
            Some(DeviceStatus::RecordingStopped) => stopped(&object).map(Self::Stopped),
            _ if has_file => stopped(&object).map(Self::Stopped),
            Some(s) if !s.is_success() && object.has_value("message") => error(&object).map(Self::Error),
            _ => status_response(&object).map(Self::Status),
        }
    }

    /// What it says in a word.
    pub fn status(&self) -> &DeviceStatus {
        match self {
            Self::Status(r) => &r.status,
            Self::Stopped(r) => &r.status,
            Self::Error(r) => &r.status,
            Self::Files(r) => &r.status,
            Self::Uploads(r) => &r.status,
        }
    }

    /// Who says it.
    pub fn device_id(&self) -> Option<&str> {
        match self {
            Self::Status(r) => r.device_id.as_deref(),
            Self::Stopped(r) => r.device_id.as_deref(),
            Self::Error(r) => r.device_id.as_deref(),
            Self::Files(r) => r.device_id.as_deref(),
            Self::Uploads(r) => r.device_id.as_deref(),
        }
    }

    /// The device's clock as it answered.
    pub fn timestamp(&self) -> Option<crate::UnixTime> {
        match self {
            Self::Status(r) => r.timestamp,
            Self::Stopped(r) => r.timestamp,
            Self::Error(r) => r.timestamp,
            Self::Files(r) => r.timestamp,
            Self::Uploads(r) => r.timestamp,
        }
    }
}

impl CommandMessage {
    /// Reads a command. `timestamp` may be missing or null: the originals differ in what they make of that.
    ///
    /// # Errors
    /// If it is no JSON object, has no command or one that is unknown, or a field of the wrong kind.
    pub fn parse(text: &[u8]) -> Result<Self, DecodeError> {
        let object = Object::parse_bytes(text)?;
        let name = object.text("command")?.ok_or(DecodeError::Missing { field: "command" })?;
        let command = CommandType::parse(&name).ok_or(DecodeError::UnknownCommand)?;
        let upload = Upload {
            upload_url: object.text("uploadUrl")?,
            s3_bucket: object.text("s3Bucket")?,
            s3_key: object.text("s3Key")?,
            aws_access_key_id: object.text("awsAccessKeyId")?,
            aws_secret_access_key: object.text("awsSecretAccessKey")?,
            aws_session_token: object.text("awsSessionToken")?,
            aws_region: object.text("awsRegion")?,
        };
        let narrow = |field: &'static str| -> Result<_, DecodeError> {
            let limit = object.size(field)?.map(u32::try_from).transpose();
            limit.map_err(|_| DecodeError::BadField { field })
        };
        let time_port = narrow("timePort")?.map(u16::try_from).transpose();
        Ok(Self {
            command,
            timestamp: object.time("timestamp")?,
            device_id: object.text("deviceId")?.unwrap_or_else(|| CONTROLLER_ID.into()),
            file_id: object.text("fileId")?,
            file_name: object.text("fileName")?,
            upload: (upload != Upload::default()).then(|| Box::new(upload)),
            offset: object.size("offset")?,
            length: object.size("length")?,
            sha256: object.text("sha256")?,
            limit: narrow("limit")?,
            time_port: time_port.map_err(|_| DecodeError::BadField { field: "timePort" })?,
            schedule: object.text("schedule")?.as_deref().and_then(SchedulesOn::parse),
            auth: object.text("auth")?.map(Secret),
        })
    }

    /// The name of the command, known or not, of a text that [`parse`](Self::parse) refuses for it.
    pub fn name_of(text: &[u8]) -> Option<String> {
        Object::parse_bytes(text).ok()?.text("command").ok()?
    }
}

macro_rules! parse {
    ($($message:ident: $read:ident),*) => {$(
        impl $message {
            /// Reads the message.
            ///
            /// # Errors
            /// If it is no JSON object or lacks what belongs to it.
            pub fn parse(text: &str) -> Result<Self, DecodeError> {
                $read(&Object::parse(text)?)
            }
        }
    )*};
}

parse!(
    StatusResponse: status_response, StopRecordingResponse: stopped, ErrorResponse: error, FileResponse: header,
    ListFilesResponse: files, UploadStatusResponse: uploads
);

impl FileResponse {
    pub(crate) fn parse_bytes(text: &[u8]) -> Result<Self, DecodeError> {
        header(&Object::parse_bytes(text)?)
    }
}

/// Of a field that is not needed: what makes no sense is as good as missing.
fn lenient<T>(field: Result<Option<T>, DecodeError>) -> Option<T> {
    field.ok().flatten()
}

fn optional_status(object: &Object<'_>) -> Option<DeviceStatus> {
    lenient(object.text("status")).map(|text| DeviceStatus::parse(&text))
}

fn status_of(object: &Object<'_>) -> Result<DeviceStatus, DecodeError> {
    let text = object.text("status")?.ok_or(DecodeError::Missing { field: "status" })?;
    Ok(DeviceStatus::parse(&text))
}

fn status_response(object: &Object<'_>) -> Result<StatusResponse, DecodeError> {
    let items = |key| object.objects(key).unwrap_or_default().iter().filter_map(upload_item).collect();
    Ok(StatusResponse {
        device_id: lenient(object.text("deviceId")),
        status: status_of(object)?,
        timestamp: lenient(object.time("timestamp")),
        is_recording: lenient(object.bool("isRecording")),
        message: lenient(object.text("message")),
        file_id: lenient(object.text("fileId")),
        file_size: lenient(object.size("fileSize")),
        // QUIRK(Android): -1.0 where it does not know.
        battery_level: lenient(object.number("batteryLevel")).filter(|b| *b >= 0.0),
        device_type: lenient(object.text("deviceType")),
        upload_queue: items("uploadQueue"),
        failed_upload_queue: items("failedUploadQueue"),
        clock: object.object("clock").as_ref().and_then(clock),
    })
}

fn clock(object: &Object<'_>) -> Option<ClockReport> {
    Some(ClockReport {
        source: lenient(object.text("source"))?,
        offset_ns: lenient(object.time("offset"))?.as_nanos(),
        error_ns: lenient(object.time("error")).and_then(|t| u64::try_from(t.as_nanos()).ok()),
        schedules_on: SchedulesOn::parse(&lenient(object.text("schedulesOn"))?)?,
    })
}

fn stopped(object: &Object<'_>) -> Result<StopRecordingResponse, DecodeError> {
    Ok(StopRecordingResponse {
        device_id: lenient(object.text("deviceId")),
        // QUIRK(G0 OAK): file headers have none.
        status: optional_status(object).unwrap_or(DeviceStatus::Ready),
        timestamp: lenient(object.time("timestamp")),
        is_recording: lenient(object.bool("isRecording")),
        file_id: lenient(object.text("fileId")),
        file_name: lenient(object.text("fileName")),
        file_size: lenient(object.size("fileSize")),
        times: times(object),
    })
}

fn times(object: &Object<'_>) -> TakeTimes {
    TakeTimes {
        target_start: lenient(object.time("targetStart")),
        actual_start: lenient(object.time("actualStart")),
        first_frame: lenient(object.time("firstFrame")),
        clock_error_ns: lenient(object.time("clockError")).and_then(|t| u64::try_from(t.as_nanos()).ok()),
    }
}

fn error(object: &Object<'_>) -> Result<ErrorResponse, DecodeError> {
    Ok(ErrorResponse {
        device_id: lenient(object.text("deviceId")),
        status: status_of(object)?,
        timestamp: lenient(object.time("timestamp")),
        message: lenient(object.text("message")).unwrap_or_default(),
        is_recording: lenient(object.bool("isRecording")),
    })
}

fn header(object: &Object<'_>) -> Result<FileResponse, DecodeError> {
    let file_id = lenient(object.text("fileId"));
    let file_name = object.text("fileName")?.ok_or(DecodeError::Missing { field: "fileName" })?;
    Ok(FileResponse {
        device_id: lenient(object.text("deviceId")),
        file_id,
        file_name,
        file_size: object.size("fileSize")?.ok_or(DecodeError::Missing { field: "fileSize" })?,
        status: optional_status(object),
        offset: object.size("offset")?,
        length: object.size("length")?,
        total_size: object.size("totalSize")?,
        sha256: lenient(object.text("sha256")),
        mtime: lenient(object.time("mtime")),
    })
}

fn files(object: &Object<'_>) -> Result<ListFilesResponse, DecodeError> {
    Ok(ListFilesResponse {
        device_id: lenient(object.text("deviceId")),
        status: status_of(object)?,
        timestamp: lenient(object.time("timestamp")),
        // One entry that cannot be read does not hide the others.
        files: object.objects("files").unwrap_or_default().iter().filter_map(metadata).collect::<Vec<_>>(),
    })
}

fn metadata(object: &Object<'_>) -> Option<FileMetadata> {
    let file_id = lenient(object.text("fileId"));
    Some(FileMetadata {
        // QUIRK(G0 iOS): some entries have only an id.
        file_name: lenient(object.text("fileName")).or_else(|| file_id.clone())?,
        file_id,
        file_size: lenient(object.size("fileSize")).unwrap_or(0),
        creation_date: lenient(object.time("creationDate")),
        modification_date: lenient(object.time("modificationDate")),
        sha256: lenient(object.text("sha256")),
        times: times(object),
    })
}

fn uploads(object: &Object<'_>) -> Result<UploadStatusResponse, DecodeError> {
    Ok(UploadStatusResponse {
        device_id: lenient(object.text("deviceId")),
        status: status_of(object)?,
        timestamp: lenient(object.time("timestamp")),
        current_upload: object.object("currentUpload").as_ref().and_then(upload_item),
        upload_queue: object
            .objects("uploadQueue")
            .unwrap_or_default()
            .iter()
            .filter_map(upload_item)
            .collect(),
    })
}

fn upload_item(object: &Object<'_>) -> Option<UploadItem> {
    Some(UploadItem {
        file_id: lenient(object.text("fileId")),
        file_name: lenient(object.text("fileName"))?,
        file_size: lenient(object.size("fileSize")).unwrap_or(0),
        bytes_uploaded: lenient(object.size("bytesUploaded")).unwrap_or(0),
        upload_progress: lenient(object.number("uploadProgress")).unwrap_or(0.0),
        upload_speed: lenient(object.size("uploadSpeed")).unwrap_or(0),
        status: lenient(object.text("status")).as_deref().and_then(UploadState::parse),
        upload_url: lenient(object.text("uploadUrl")),
        error: lenient(object.text("error")),
    })
}
