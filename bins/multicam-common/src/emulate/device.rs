//! Original devices.
//!
//! Each reads as its model does, which is the point: none of them puts a message together that came in pieces.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use multicam_common::codec::{Dialect, Form, Style, encode_file_header, prefixed};
use multicam_common::message::{
    CommandMessage, ErrorResponse, FileMetadata, FileResponse, ListFilesResponse, StatusResponse,
    StopRecordingResponse,
};
use multicam_common::{CommandType, DeviceStatus, UnixTime, file_id};

/// Which device is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The OAK server of generation G2.
    OakG2,
    /// The same of generation G0.
    OakG0,
    /// The iOS application, G2.
    Ios,
    /// The Android application, G2.
    Android,
}

/// A device that is played.
#[derive(Debug)]
pub struct Emulated {
    peer: Peer,
    id: String,
    /// Its clock minus the real one, in nanoseconds.
    clock_offset_ns: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    recording: Option<String>,
    /// Name, size, and whether it has been made (OAK makes files when they are fetched first).
    files: BTreeMap<String, usize>,
    /// Instants on the real clock at which recordings began.
    started: Vec<i64>,
}

/// How a device takes a message in.
enum Heard {
    Command(Box<CommandMessage>, bool),
    /// Not understood; go on.
    Nothing,
    /// Not understood, and that is an error reply.
    Complain(String),
    /// Hang up.
    End,
}

impl Emulated {
    /// A device whose clock is off by so much.
    pub fn new(peer: Peer, id: &str, clock_offset_ns: i64) -> Self {
        Self { peer, id: id.into(), clock_offset_ns, state: Mutex::default() }
    }

    /// The instants at which recordings began, in Unix nanoseconds of the real clock.
    pub fn started(&self) -> Vec<i64> {
        self.lock().started.clone()
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_nanos(driver::unix_now() + self.clock_offset_ns)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn form(&self) -> Form {
        let (dialect, style) = match self.peer {
            Peer::OakG2 => (Dialect::V2, Style::Python),
            Peer::OakG0 => (Dialect::G0, Style::Python),
            Peer::Ios => (Dialect::V2, Style::Swift),
            Peer::Android => (Dialect::V2, Style::Gson),
        };
        Form { dialect, style }
    }

    fn hear(&self, stream: &mut TcpStream) -> io::Result<Heard> {
        let mut buffer = vec![0; 8192];
        let text = match self.peer {
            Peer::OakG2 | Peer::OakG0 => {
                let mut head = [0; 4];
                stream.read_exact(&mut head)?;
                if head[0] != b'{' && self.peer == Peer::OakG2 {
                    let length = u32::from_be_bytes(head) as usize;
                    if length > 1_000_000 {
                        return Ok(Heard::End);
                    }
                    let mut text = vec![0; length];
                    stream.read_exact(&mut text)?;
                    return Ok(self.understand(&text, true));
                }
                let most = if self.peer == Peer::OakG2 { 8192 } else { 1024 };
                let n = stream.read(&mut buffer[..most])?;
                [&head[..], &buffer[..n]].concat()
            }
            Peer::Ios | Peer::Android => {
                let most = if self.peer == Peer::Ios { 8192 } else { 4096 };
                let n = stream.read(&mut buffer[..most])?;
                if n == 0 {
                    return Ok(Heard::End);
                }
                buffer[..n].to_vec()
            }
        };
        Ok(self.understand(&text, false))
    }

    fn understand(&self, text: &[u8], framed: bool) -> Heard {
        let text = text.trim_ascii_end();
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text);
        match (CommandMessage::parse(text), object, self.peer) {
            // The iOS application decodes strictly: without a sender or a time there is no command.
            (Ok(_), Ok(object), Peer::Ios)
                if !object.contains_key("deviceId") || !object.contains_key("timestamp") =>
            {
                Heard::Nothing
            }
            (Ok(command), ..) => Heard::Command(Box::new(command), framed),
            (Err(_), _, Peer::Ios) => Heard::Nothing,
            (Err(_), _, Peer::Android) => Heard::Complain("status".into()),
            (Err(error), Ok(_), _) => Heard::Complain(format!("{error}")),
            (Err(_), Err(_), _) => Heard::End,
        }
    }

    fn status(&self, status: DeviceStatus) -> Vec<u8> {
        let state = self.lock();
        let mut reply = StatusResponse::new(&self.id, status, self.now());
        match self.peer {
            Peer::OakG0 => {
                reply.device_id = None;
                reply.timestamp = None;
                if *reply.status.as_str() == *"ready" {
                    reply.device_id = Some(self.id.clone());
                    reply.timestamp = Some(self.now());
                    reply.is_recording = Some(state.recording.is_some());
                }
            }
            Peer::OakG2 => reply.device_type = Some("Oak".into()),
            Peer::Ios => reply.device_type = Some("iOS:iPhone".into()),
            Peer::Android => {
                reply.device_type = Some("Android:Quest".into());
                reply.battery_level = Some(-1.0);
            }
        }
        reply.to_text(self.form()).into()
    }

    fn error(&self, message: &str) -> Vec<u8> {
        let error = |status| ErrorResponse::new(&self.id, status, self.now(), message);
        match self.peer {
            Peer::Android => self.status(DeviceStatus::Error),
            _ => error(DeviceStatus::Error).to_text(self.form()).into(),
        }
    }

    /// What is said to a command; `None`: nothing at all.
    fn answer(self: &Arc<Self>, command: &CommandMessage, framed: bool) -> Option<Vec<u8>> {
        let oak = matches!(self.peer, Peer::OakG2 | Peer::OakG0);
        Some(match command.command {
            CommandType::StartRecording => self.start(command),
            CommandType::StopRecording => return self.stop(),
            CommandType::DeviceStatus => {
                // A planned start of OAK's does not show.
                let recording = self.lock().recording.is_some();
                let recording = recording && self.peer != Peer::OakG0;
                self.status(if recording { DeviceStatus::Recording } else { DeviceStatus::Ready })
            }
            CommandType::Heartbeat if self.peer == Peer::Ios => {
                let recording = self.lock().recording.is_some();
                self.status(if recording { DeviceStatus::Recording } else { DeviceStatus::Ready })
            }
            CommandType::Heartbeat => self.status(DeviceStatus::CommandReceived),
            CommandType::ListFiles if self.peer == Peer::OakG0 => self.error(""),
            CommandType::ListFiles => {
                let files = self.lock().files.clone();
                // OAK lists what has been packed, which is done when a file is fetched, which deletes it.
                let files = if oak { BTreeMap::new() } else { files };
                let entry = |(name, size): (&String, &usize)| {
                    FileMetadata::new(name, *size as u64, self.now(), self.now())
                };
                let files = files.iter().map(entry).collect();
                ListFilesResponse::new(&self.id, self.now(), files).to_text(self.form()).into()
            }
            CommandType::GetVideo => self.file(command, framed),
            other => self.error(&format!("'{other}' is not a valid CommandType")),
        })
    }

    fn start(self: &Arc<Self>, command: &CommandMessage) -> Vec<u8> {
        let oak = matches!(self.peer, Peer::OakG2 | Peer::OakG0);
        if self.peer == Peer::Android && self.lock().recording.is_some() {
            return self.status(DeviceStatus::Recording);
        }
        let now = self.now();
        let target = command.timestamp.unwrap_or(now);
        let name = match self.peer {
            Peer::OakG2 | Peer::OakG0 => format!("video_{}.zip", now.as_millis() / 1000),
            Peer::Ios => format!("{}.mov", file_id(&self.id, target)),
            Peer::Android => format!("{}.mp4", file_id(&self.id, now)),
        };
        let lead = target.saturating_since(now);
        let begin = |device: &Self| {
            let mut state = device.lock();
            state.recording = Some(name.clone());
            state.started.push(driver::unix_now());
        };
        // iOS and Android begin at once, whatever they were told, and trim later or not at all.
        if oak && lead > Duration::from_millis(10) {
            let device = self.clone();
            let name = name.clone();
            let _ = std::thread::Builder::new().name("start".into()).spawn(move || {
                std::thread::sleep(target.saturating_since(device.now()));
                let mut state = device.lock();
                state.recording = Some(name);
                state.started.push(driver::unix_now());
            });
            return self.status(DeviceStatus::ScheduledRecordingAccepted);
        }
        begin(self);
        self.status(if oak {
            DeviceStatus::CommandReceived
        } else {
            DeviceStatus::ScheduledRecordingAccepted
        })
    }

    fn stop(&self) -> Option<Vec<u8>> {
        let name = self.lock().recording.take();
        let Some(name) = name else {
            return match self.peer {
                Peer::Ios => None,
                Peer::Android => {
                    let mut reply = StopRecordingResponse::new(&self.id, self.now(), "", 0);
                    reply.status = DeviceStatus::Error;
                    reply.file_name = None;
                    Some(reply.to_text(self.form()).into())
                }
                _ => Some(self.error("Not currently recording")),
            };
        };
        let size = content(&name).len();
        self.lock().files.insert(name.clone(), size);
        // OAK packs the file when it is fetched.
        let told = if self.peer == Peer::OakG2 { 0 } else { size as u64 };
        Some(StopRecordingResponse::new(&self.id, self.now(), &name, told).to_text(self.form()).into())
    }

    fn file(&self, command: &CommandMessage, framed: bool) -> Vec<u8> {
        let asked = command.file().unwrap_or_default();
        let mut state = self.lock();
        let found = state.files.keys().find(|n| *n == asked || multicam_common::stem(n) == asked).cloned();
        let Some(name) = found else {
            drop(state);
            let not_found = || {
                let status = DeviceStatus::FileNotFound;
                ErrorResponse::new(&self.id, status, self.now(), "").to_text(self.form()).into_bytes()
            };
            return match self.peer {
                Peer::OakG2 if framed => {
                    prefixed(&self.error(&format!("Failed to finalize video: {asked}"))).into()
                }
                Peer::OakG2 => self.error(&format!("Failed to finalize video: {asked}")),
                Peer::OakG0 => not_found(),
                Peer::Ios => self.error(&format!("Requested file not found: {asked}")),
                Peer::Android => self.status(DeviceStatus::FileNotFound),
            };
        };
        let body = content(&name);
        let header = FileResponse::new(&self.id, &name, body.len() as u64);
        let mut out = BytesMut::new();
        encode_file_header(&header, self.form(), &mut out);
        out.extend_from_slice(&body);
        if matches!(self.peer, Peer::OakG2 | Peer::OakG0) {
            // As soon as the bytes are with the kernel.
            state.files.remove(&name);
        }
        out.into()
    }

    fn converse(self: &Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            match self.hear(&mut stream)? {
                Heard::Command(command, framed) => {
                    let reply = self.answer(&command, framed);
                    let own_frame = command.command == CommandType::GetVideo;
                    match reply {
                        Some(reply) if framed && !own_frame => stream.write_all(&prefixed(&reply))?,
                        Some(reply) => stream.write_all(&reply)?,
                        None => {}
                    }
                }
                Heard::Complain(text) => stream.write_all(&self.error(&text))?,
                Heard::Nothing => {}
                Heard::End => return Ok(()),
            }
        }
    }
}

/// Serves connections until the process ends.
///
/// # Errors
/// When nothing can be accepted any more.
pub fn serve(device: &Arc<Emulated>, listener: &TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let (device, stream) = (device.clone(), stream?);
        std::thread::Builder::new().name("peer".into()).spawn(move || {
            let _ = device.converse(stream);
        })?;
    }
    Ok(())
}

/// The bytes of a file of this name: no two files are alike.
pub fn content(name: &str) -> Vec<u8> {
    let mut x = name.bytes().fold(0x9e37_79b9_u32, |x, b| x.rotate_left(5) ^ u32::from(b)) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x.to_le_bytes()[0]
    };
    (0..100_000).map(|_| next()).collect()
}
