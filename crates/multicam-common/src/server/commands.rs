//! What a device says to each command.

use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

use bytes::BytesMut;
use machine::{Closing, ConnId, Instant, Output};

use super::conns::Busy;
use super::index::hex;
use super::{DeleteFailed, Device, Event, FileEntry};
use crate::codec::{Dialect, MAX_REPLY, Message, encode_file_header};
use crate::message::{
    ClockReport, CommandMessage, FileResponse, ListFilesResponse, SchedulesOn, StatusResponse,
    UploadStatusResponse,
};
use crate::{CommandType, DecodeError, DeviceStatus, FileName};

pub(super) fn handle(device: &mut Device, now: Instant, conn: ConnId, message: &Message) {
    let framed = message.prefixed;
    let command = match CommandMessage::parse(&message.text) {
        Ok(command) => command,
        Err(error) => {
            let text = complaint(&message.text, error);
            return device.refuse(now, conn, framed, DeviceStatus::Error, text);
        }
    };
    if let Some(word) = &device.config.auth
        && !command.auth.as_ref().is_some_and(|a| same(a.0.as_bytes(), word.as_bytes()))
    {
        device.refuse(now, conn, framed, DeviceStatus::Error, "This device asks for a key: auth");
        return device.close(conn, Closing::AfterFlush);
    }
    if let Some((port, remote)) = command.time_port.zip(device.conns.remote(conn)) {
        device.time.offer(now, SocketAddr::new(remote.ip(), port));
        device.ask_the_time(now);
    }
    match command.command {
        CommandType::StartRecording => device.start_command(now, conn, framed, &command),
        CommandType::StopRecording => device.stop_command(now, conn, framed),
        CommandType::DeviceStatus => device.say_status(now, conn, framed, None),
        CommandType::Heartbeat => device.say_status(now, conn, framed, Some(DeviceStatus::CommandReceived)),
        CommandType::ListFiles => device.list_command(now, conn, framed, &command),
        CommandType::GetVideo => device.get_command(now, conn, framed, &command),
        CommandType::UploadToCloud => device.upload_command(now, conn, framed, &command),
        CommandType::UploadStatus => device.upload_status(now, conn, framed),
        CommandType::DeleteFile => device.delete_command(now, conn, framed, &command),
    }
}

/// The words of the original OAK device where it has any.
fn complaint(text: &[u8], error: DecodeError) -> String {
    match error {
        DecodeError::Missing { field } => format!("'{field}'"),
        DecodeError::UnknownCommand => {
            let name: String = CommandMessage::name_of(text).unwrap_or_default().chars().take(64).collect();
            format!("'{name}' is not a valid CommandType")
        }
        error => format!("{error}"),
    }
}

impl Device {
    pub(super) fn say_status(
        &mut self,
        now: Instant,
        conn: ConnId,
        framed: bool,
        status: Option<DeviceStatus>,
    ) {
        let status = status.unwrap_or_else(|| self.status());
        let mut reply = StatusResponse::new(&self.config.device_id, status, self.time.raw(now));
        reply.is_recording = Some(self.recording.is_recording());
        reply.battery_level = self.battery.map(f64::from);
        reply.device_type = Some(self.config.device_type.clone());
        reply.upload_queue = self.uploads.waiting();
        reply.failed_upload_queue = self.uploads.failed();
        let (kind, offset_ns, error_ns) = self.time.report(now);
        let schedules_on = self.time.schedules_on(now).unwrap_or(SchedulesOn::Raw);
        reply.clock = Some(ClockReport { source: kind.as_str().into(), offset_ns, error_ns, schedules_on });
        // QUIRK(G0 controllers): they read 4096 bytes.
        let mut text = BytesMut::new();
        loop {
            text.clear();
            reply.encode(self.form(), &mut text);
            let shorter = reply.failed_upload_queue.pop().is_some() || reply.upload_queue.pop().is_some();
            if text.len() <= 4096 || !shorter {
                break;
            }
        }
        self.send(conn, framed, |_, out| out.extend_from_slice(&text));
    }

    fn list_command(&mut self, now: Instant, conn: ConnId, framed: bool, command: &CommandMessage) {
        // QUIRK(G2 controller): it reads 65536 bytes. Whoever gives a limit can read more.
        let (most, bytes) = match command.limit {
            Some(limit) => (usize::try_from(limit).unwrap_or(usize::MAX), MAX_REPLY),
            None => (usize::MAX, 65_536),
        };
        let mut reply = ListFilesResponse::new(&self.config.device_id, self.time.raw(now), alloc::vec![]);
        let mut left = bytes.saturating_sub(1024);
        for entry in self.index.newest_first().into_iter().take(most) {
            let entry = entry.metadata();
            let mut text = BytesMut::new();
            entry.encode(self.form(), &mut text);
            let Some(rest) = left.checked_sub(text.len().saturating_add(2)) else {
                break;
            };
            left = rest;
            reply.files.push(entry);
        }
        self.send(conn, framed, |form, out| reply.encode(form, out));
    }

    fn get_command(&mut self, now: Instant, conn: ConnId, framed: bool, command: &CommandMessage) {
        let Some(asked) = command.file() else {
            return self.no_file(
                now,
                conn,
                framed,
                DeviceStatus::Error,
                "fileName required for GET_VIDEO".into(),
            );
        };
        let found = self.index.find(command.file_name.as_deref(), command.file_id.as_deref());
        let Some(entry) = found.cloned() else {
            let asked: String = asked.chars().take(255).collect();
            let text = format!("File not found: {asked}");
            return self.no_file(now, conn, framed, DeviceStatus::FileNotFound, text);
        };
        let ranged = command.offset.is_some() || command.length.is_some();
        let (offset, length) = match (self.config.dialect, ranged) {
            (Dialect::Both, true) => {
                let offset = command.offset.unwrap_or(0);
                let Some(rest) = entry.size.checked_sub(offset) else {
                    let text = format!("Offset is beyond the end of the file, {} bytes", entry.size);
                    return self.no_file(now, conn, framed, DeviceStatus::Error, text);
                };
                (offset, command.length.map_or(rest, |l| l.min(rest)))
            }
            // Who does not echo the range sends everything.
            _ => (0, entry.size),
        };
        let mut header = FileResponse::new(&self.config.device_id, entry.name.as_str(), length);
        header.sha256 = entry.sha256.as_ref().map(hex);
        header.mtime = Some(entry.modified);
        if ranged {
            header.offset = Some(offset);
            header.length = Some(length);
            header.total_size = Some(entry.size);
        }
        let mut out = BytesMut::new();
        encode_file_header(&header, self.form(), &mut out);
        self.send_bytes(conn, out.freeze());
        self.conns.set_busy(conn, Busy::Sending(entry.token));
        self.out.push_back(Output::SendFile { to: conn, file: entry.token, offset, len: length });
    }

    /// QUIRK(G2 controllers): after a failure they wait for a file for ever, unless the connection ends.
    fn no_file(&mut self, now: Instant, conn: ConnId, framed: bool, status: DeviceStatus, message: String) {
        self.refuse(now, conn, framed, status, message);
        if !framed {
            self.close(conn, Closing::AfterFlush);
        }
    }

    fn delete_command(&mut self, now: Instant, conn: ConnId, framed: bool, command: &CommandMessage) {
        let name = command.file_name.as_deref();
        let Some(entry) = self.index.find(name, None).filter(|e| Some(e.name.as_str()) == name) else {
            let text = "DELETE_FILE needs the fileName of a file that is here";
            return self.refuse(now, conn, framed, DeviceStatus::FileNotFound, text);
        };
        let proof = command.sha256.as_deref().unwrap_or_default().to_ascii_lowercase();
        if proof.len() != 64 || !proof.bytes().all(|b| b.is_ascii_hexdigit()) {
            let text = "DELETE_FILE needs sha256, the hash of the copy, as proof";
            return self.refuse(now, conn, framed, DeviceStatus::Error, text);
        }
        let event =
            Event::Delete { request: conn, file: entry.token, name: entry.name.clone(), sha256: proof };
        self.conns.set_busy(conn, Busy::Deleting { framed });
        self.event(event);
    }

    /// The program has deleted a file that [`Event::Delete`] named, or has not.
    pub fn deleted(
        &mut self,
        now: Instant,
        request: ConnId,
        name: &FileName,
        outcome: Result<(), DeleteFailed>,
    ) {
        if outcome.is_ok() {
            self.index.remove(name);
        }
        let Some(Busy::Deleting { framed }) = self.conns.busy(request) else {
            return;
        };
        match outcome {
            Ok(()) => self.say_status(now, request, framed, Some(DeviceStatus::Ready)),
            Err(DeleteFailed::OtherHash) => {
                let text = "The file here has another hash than the proof: not deleted";
                self.refuse(now, request, framed, DeviceStatus::Error, text);
            }
            Err(DeleteFailed::System) => {
                self.refuse(now, request, framed, DeviceStatus::Error, "The file could not be deleted");
            }
        }
        self.free(now, request);
    }

    fn upload_command(&mut self, now: Instant, conn: ConnId, framed: bool, command: &CommandMessage) {
        let Some(asked) = command.file() else {
            return self.refuse(
                now,
                conn,
                framed,
                DeviceStatus::Error,
                "fileName required for UPLOAD_TO_CLOUD",
            );
        };
        let Some(to) = command.upload.clone().filter(|u| u.is_complete()) else {
            let text =
                "Missing authentication credentials (uploadUrl or IAM credentials) for UPLOAD_TO_CLOUD";
            return self.refuse(now, conn, framed, DeviceStatus::Error, text);
        };
        let found = self.index.find(command.file_name.as_deref(), command.file_id.as_deref());
        let Some((token, name, size)) = found.map(|e| (e.token, e.name.clone(), e.size)) else {
            let asked: String = asked.chars().take(255).collect();
            return self.refuse(
                now,
                conn,
                framed,
                DeviceStatus::FileNotFound,
                format!("File not found: {asked}"),
            );
        };
        match self.uploads.add(&name, size) {
            Ok(()) => {
                self.event(Event::Upload { file: token, name, to });
                self.say_status(now, conn, framed, Some(DeviceStatus::UploadQueued));
            }
            Err(text) => self.refuse(now, conn, framed, DeviceStatus::Error, text),
        }
    }

    fn upload_status(&mut self, now: Instant, conn: ConnId, framed: bool) {
        let mut items = self.uploads.all();
        let running = items.iter().position(|u| u.status == Some(crate::UploadState::Uploading));
        let reply = UploadStatusResponse {
            device_id: Some(self.config.device_id.clone()),
            status: DeviceStatus::Ready,
            timestamp: Some(self.time.raw(now)),
            current_upload: running.map(|at| items.remove(at)),
            upload_queue: items,
        };
        self.send(conn, framed, |form, out| reply.encode(form, out));
    }

    /// How far an upload is: bytes that are there, and bytes a second.
    pub fn upload_progress(&mut self, name: &FileName, bytes: u64, speed: u64) {
        self.uploads.progress(name.as_str(), bytes, speed);
    }

    /// An upload has ended; if badly, with a line that says why and holds no address.
    pub fn upload_done(&mut self, name: &FileName, outcome: Result<(), &str>) {
        self.uploads.done(name.as_str(), outcome);
    }

    /// Adds a finished file, or replaces one of the same name.
    pub fn add_file(&mut self, entry: FileEntry) {
        self.index.add(entry);
    }

    /// A file has gone.
    pub fn remove_file(&mut self, name: &FileName) {
        self.index.remove(name);
    }

    /// The hash of a file is known now.
    pub fn set_hash(&mut self, name: &FileName, sha256: [u8; 32]) {
        if let Some(entry) = self.index.get_mut(name) {
            entry.sha256 = Some(sha256);
        }
    }

    /// The files, the newest first.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.index.newest_first().into_iter()
    }
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}
