//! Messages to JSON.

use alloc::string::String;

use bytes::BytesMut;

use super::{Dialect, Form, Writer, to_text};
use crate::message::{
    ClockReport, CommandMessage, ErrorResponse, FileMetadata, FileResponse, ListFilesResponse,
    StatusResponse, StopRecordingResponse, TakeTimes, Upload, UploadItem, UploadStatusResponse,
};
use crate::{UnixTime, UploadState, stem};

macro_rules! to_text {
    ($($message:ty),*) => {$(
        impl $message {
            /// The message as text.
            pub fn to_text(&self, form: Form) -> String {
                to_text(|out| self.encode(form, out))
            }
        }
    )*};
}

to_text!(
    CommandMessage,
    StatusResponse,
    StopRecordingResponse,
    ErrorResponse,
    FileResponse,
    FileMetadata,
    ListFilesResponse,
    UploadItem,
    UploadStatusResponse
);

impl CommandMessage {
    /// Appends the command. Without a `timestamp` of its own, package dialects say 0.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let head = Writer::new(out, form).text("command", self.command.as_str());
        let head = match (self.timestamp, form.dialect) {
            (Some(t), _) => head.time("timestamp", t),
            (None, Dialect::V1 | Dialect::V2) => head.time("timestamp", UnixTime::default()),
            (None, Dialect::G0 | Dialect::Both) => head,
        };
        let head = head.text("deviceId", &self.device_id);
        let none = Upload::default();
        let upload = self.upload.as_deref().unwrap_or(&none);
        match form.dialect {
            Dialect::G0 => head.maybe(self.file_id.as_deref(), |w, id| w.text("fileId", id)),
            Dialect::V1 => head.text_or_null("fileId", self.file_id.as_deref()),
            Dialect::V2 => head
                .text_or_null("fileName", self.file_name.as_deref())
                .text_or_null("uploadUrl", upload.upload_url.as_deref())
                .text_or_null("s3Bucket", upload.s3_bucket.as_deref())
                .text_or_null("s3Key", upload.s3_key.as_deref())
                .text_or_null("awsAccessKeyId", upload.aws_access_key_id.as_deref())
                .text_or_null("awsSecretAccessKey", upload.aws_secret_access_key.as_deref())
                .text_or_null("awsSessionToken", upload.aws_session_token.as_deref())
                .text_or_null("awsRegion", upload.aws_region.as_deref()),
            Dialect::Both => {
                // Only what there is: first-generation devices read 1024 bytes.
                let head = some(head, "fileName", &self.file_name);
                let head = some(head, "fileId", &self.file_id);
                let head = some(head, "uploadUrl", &upload.upload_url);
                let head = some(head, "s3Bucket", &upload.s3_bucket);
                let head = some(head, "s3Key", &upload.s3_key);
                let head = some(head, "awsAccessKeyId", &upload.aws_access_key_id);
                let head = some(head, "awsSecretAccessKey", &upload.aws_secret_access_key);
                let head = some(head, "awsSessionToken", &upload.aws_session_token);
                let head = some(head, "awsRegion", &upload.aws_region);
                some(head, "sha256", &self.sha256)
                    .maybe(self.offset, |w, n| w.size("offset", n))
                    .maybe(self.length, |w, n| w.size("length", n))
                    .maybe(self.limit, |w, n| w.size("limit", n.into()))
                    .maybe(self.time_port, |w, n| w.size("timePort", n.into()))
                    .maybe(self.schedule, |w, s| w.text("schedule", s.as_str()))
                    .maybe(self.auth.as_ref(), |w, a| w.text("auth", &a.0))
            }
        }
        .end();
    }
}

fn some<'o>(writer: Writer<'o>, key: &'static str, text: &Option<String>) -> Writer<'o> {
    match text {
        Some(text) => writer.text(key, text),
        None => writer,
    }
}

impl StatusResponse {
    /// Appends the reply.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let battery = self.battery_level;
        if form.dialect == Dialect::G0 {
            Writer::new(out, form)
                .text("status", self.status.as_str())
                .maybe(self.is_recording, |w, r| w.bool("isRecording", r))
                .maybe(self.file_id.as_deref(), |w, id| w.text("fileId", id))
                .maybe(self.device_id.as_deref(), |w, id| w.text("deviceId", id))
                .maybe(self.timestamp, |w, t| w.time("timestamp", t))
                .end();
            return;
        }
        let head = Writer::new(out, form)
            .text_or_null("deviceId", self.device_id.as_deref())
            .text("status", self.status.as_str())
            .time_or_null("timestamp", self.timestamp);
        match form.dialect {
            Dialect::G0 | Dialect::V1 => head
                .bool("isRecording", self.recording())
                .text_or_null("message", self.message.as_deref())
                .text_or_null("fileId", self.file_id.as_deref())
                .size_or_null("fileSize", self.file_size),
            Dialect::V2 => head
                .number_or_null("batteryLevel", battery)
                .text_or_null("deviceType", self.device_type.as_deref())
                .array("uploadQueue", &self.upload_queue, UploadItem::encode)
                .array("failedUploadQueue", &self.failed_upload_queue, UploadItem::encode),
            // QUIRK(G2 Python controller): a key `message` makes it an error, `fileName` and `fileSize` a stop.
            Dialect::Both => head
                .bool("isRecording", self.recording())
                .number_or_null("batteryLevel", battery)
                .text_or_null("deviceType", self.device_type.as_deref())
                .array("uploadQueue", &self.upload_queue, UploadItem::encode)
                .array("failedUploadQueue", &self.failed_upload_queue, UploadItem::encode)
                .null_always("fileId")
                .null_always("fileSize")
                .maybe(self.clock.as_ref(), |w, c| w.object("clock", |form, out| clock(c, form, out))),
        }
        .end();
    }
}

fn clock(clock: &ClockReport, form: Form, out: &mut BytesMut) {
    Writer::new(out, form)
        .text("source", &clock.source)
        .time("offset", UnixTime::from_nanos(clock.offset_ns))
        .time_or_null("error", clock.error_ns.map(seconds))
        .text("schedulesOn", clock.schedules_on.as_str())
        .end();
}

/// A span as the same kind of number as an instant.
fn seconds(ns: u64) -> UnixTime {
    UnixTime::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

impl StopRecordingResponse {
    /// Appends the reply.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let id = self.file_id.as_deref().or(self.file_name.as_deref().map(stem));
        if form.dialect == Dialect::G0 {
            Writer::new(out, form)
                .text("status", self.status.as_str())
                .maybe(self.is_recording, |w, r| w.bool("isRecording", r))
                .maybe(id, |w, id| w.text("fileId", id))
                .end();
            return;
        }
        let head = Writer::new(out, form)
            .text_or_null("deviceId", self.device_id.as_deref())
            .text("status", self.status.as_str())
            .time_or_null("timestamp", self.timestamp);
        match form.dialect {
            Dialect::G0 | Dialect::V1 => head
                .bool("isRecording", self.is_recording.unwrap_or(false))
                .text_or_null("message", None)
                .text_or_null("fileId", id)
                .size_or_null("fileSize", self.file_size),
            Dialect::V2 => head
                .text_or_null("fileName", self.file_name.as_deref())
                .size_or_null("fileSize", self.file_size),
            Dialect::Both => times(
                head.bool("isRecording", self.is_recording.unwrap_or(false))
                    .text_or_null("fileId", id)
                    .text_or_null("fileName", self.file_name.as_deref())
                    .size_or_null("fileSize", self.file_size),
                &self.times,
            ),
        }
        .end();
    }
}

fn times<'o>(writer: Writer<'o>, times: &TakeTimes) -> Writer<'o> {
    writer
        .maybe(times.actual_start, |w, t| w.time("actualStart", t))
        .maybe(times.target_start, |w, t| w.time("targetStart", t))
        .maybe(times.first_frame, |w, t| w.time("firstFrame", t))
        .maybe(times.clock_error_ns, |w, ns| w.time("clockError", seconds(ns)))
}

impl ErrorResponse {
    /// Appends the reply.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        if form.dialect == Dialect::G0 {
            Writer::new(out, form)
                .text("status", self.status.as_str())
                .maybe(self.is_recording, |w, r| w.bool("isRecording", r))
                .end();
            return;
        }
        let head = Writer::new(out, form)
            .text_or_null("deviceId", self.device_id.as_deref())
            .text("status", self.status.as_str())
            .time_or_null("timestamp", self.timestamp);
        let recording = self.is_recording.unwrap_or(false);
        match form.dialect {
            Dialect::G0 | Dialect::V1 => head
                .bool("isRecording", recording)
                .text("message", &self.message)
                .text_or_null("fileId", None)
                .size_or_null("fileSize", None),
            Dialect::V2 => head.text("message", &self.message),
            Dialect::Both => head.text("message", &self.message).bool("isRecording", recording),
        }
        .end();
    }
}

impl FileResponse {
    /// Appends the header, without its length.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let id = self.file_id.as_deref().unwrap_or_else(|| stem(&self.file_name));
        let head = Writer::new(out, form);
        let status = self.status.as_ref().map(|s| s.as_str());
        match form.dialect {
            Dialect::G0 => {
                head.text("fileId", id).text("fileName", &self.file_name).size("fileSize", self.file_size)
            }
            Dialect::V1 => head
                .text_or_null("deviceId", self.device_id.as_deref())
                .text("fileId", id)
                .text("fileName", &self.file_name)
                .size("fileSize", self.file_size)
                .text_or_null("status", status),
            Dialect::V2 => head
                .text_or_null("deviceId", self.device_id.as_deref())
                .text("fileName", &self.file_name)
                .size("fileSize", self.file_size)
                .text_or_null("status", status),
            Dialect::Both => head
                .text_or_null("deviceId", self.device_id.as_deref())
                .text("fileId", id)
                .text("fileName", &self.file_name)
                .size("fileSize", self.file_size)
                .text_or_null("status", status)
                .maybe(self.offset, |w, n| w.size("offset", n))
                .maybe(self.length, |w, n| w.size("length", n))
                .maybe(self.total_size, |w, n| w.size("totalSize", n))
                .maybe(self.sha256.as_deref(), |w, s| w.text("sha256", s))
                .maybe(self.mtime, |w, t| w.time("mtime", t)),
        }
        .end();
    }
}

impl FileMetadata {
    /// Appends the entry.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let id = self.file_id.as_deref().unwrap_or_else(|| stem(&self.file_name));
        let head = Writer::new(out, form);
        let head = if form.dialect == Dialect::V2 { head } else { head.text("fileId", id) };
        let all = head
            .text("fileName", &self.file_name)
            .size("fileSize", self.file_size)
            .time_or_null("creationDate", self.creation_date)
            .time_or_null("modificationDate", self.modification_date);
        if form.dialect == Dialect::Both {
            times(all, &self.times).maybe(self.sha256.as_deref(), |w, s| w.text("sha256", s)).end();
        } else {
            all.end();
        }
    }
}

impl ListFilesResponse {
    /// Appends the reply.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        Writer::new(out, form)
            .text_or_null("deviceId", self.device_id.as_deref())
            .text("status", self.status.as_str())
            .time_or_null("timestamp", self.timestamp)
            .array("files", &self.files, FileMetadata::encode)
            .end();
    }
}

impl UploadItem {
    /// Appends the item. In [`Dialect::Both`] its address is left out: who asks need not be who may write there.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let head = Writer::new(out, form);
        let id = self.file_id.as_deref();
        let head = if form.dialect == Dialect::V1 { head.text_or_null("fileId", id) } else { head };
        let url = if form.dialect == Dialect::Both { None } else { self.upload_url.as_deref() };
        head.text("fileName", &self.file_name)
            .size("fileSize", self.file_size)
            .size("bytesUploaded", self.bytes_uploaded)
            .number("uploadProgress", self.upload_progress)
            .size("uploadSpeed", self.upload_speed)
            .text_or_null("status", self.status.map(UploadState::as_str))
            .text_or_null("uploadUrl", url)
            .text_or_null("error", self.error.as_deref())
            .end();
    }
}

impl UploadStatusResponse {
    /// Appends the reply.
    pub fn encode(&self, form: Form, out: &mut BytesMut) {
        let head = Writer::new(out, form)
            .text_or_null("deviceId", self.device_id.as_deref())
            .text("status", self.status.as_str())
            .time_or_null("timestamp", self.timestamp);
        match &self.current_upload {
            Some(item) => head.object("currentUpload", |form, out| item.encode(form, out)),
            None => head.null_always("currentUpload"),
        }
        .array("uploadQueue", &self.upload_queue, UploadItem::encode)
        .end();
    }
}
