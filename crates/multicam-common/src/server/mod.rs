//! A device as a machine (sheet §7).
//!
//! ```text
//!        START now ─────────────────────────────▶ Recording ── STOP ──▶ Stopping ── file closed ──▶ Idle
//!  Idle ─ START later ─▶ Pending ── instant ─────▶    │
//!                          └── STOP ──▶ Idle          └── capture fails ──▶ Failed ── START ──▶ …
//! ```
//!
//! The machine answers commands, keeps the instant of a planned start and knows which files there are. Capturing,
//! closing, deleting and uploading are the program's: the machine says so in [`Event`]s and is told the outcome by the
//! methods of [`Device`]. Files leave by [`Output::SendFile`] and never pass through it.

mod commands;
mod conns;
mod event;
mod index;
#[cfg(feature = "record")]
mod record;
mod recording;
mod timekeeper;
mod uploads;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;

use bytes::{Bytes, BytesMut};
use machine::{
    Closing, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, SendTag, Service, SocketId,
};

pub use self::event::{DeleteFailed, Event, Snapshot, TakeId};
pub use self::index::{FileEntry, hex};
#[cfg(feature = "record")]
pub use self::record::DeviceCalls;
pub use self::timekeeper::ClockKind;

use self::conns::{Busy, Conns};
use self::index::Index;
use self::recording::Recording;
use self::timekeeper::Timekeeper;
use self::uploads::Uploads;
use crate::codec::{Form, Message, Style, prefixed};
use crate::config::DeviceConfig;
use crate::{DeviceStatus, UnixTime};

/// The device's door for connections.
pub const COMMANDS: Service = Service(0);
/// The socket through which it asks for the time.
pub const TIME_SOCKET: SocketId = SocketId(0);

/// A recording device. See the [module](self).
#[derive(Debug)]
pub struct Device {
    config: DeviceConfig,
    conns: Conns,
    index: Index,
    recording: Recording,
    time: Timekeeper,
    uploads: Uploads,
    battery: Option<u8>,
    camera: bool,
    out: VecDeque<Output<Event>>,
}

impl Device {
    /// An idle device without files.
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            time: Timekeeper::new(&config),
            conns: Conns::new(&config),
            index: Index::default(),
            recording: Recording::default(),
            uploads: Uploads::default(),
            battery: None,
            camera: true,
            out: VecDeque::new(),
            config,
        }
    }

    /// Its id.
    pub fn device_id(&self) -> &str {
        &self.config.device_id
    }

    /// Asks this NTP server from now on.
    pub fn set_ntp_server(&mut self, now: Instant, server: core::net::SocketAddr) {
        self.time.set_ntp_server(now, server);
        self.ask_the_time(now);
    }

    /// Percent of the battery; `None`: there is none, or it is not known.
    pub fn set_battery(&mut self, percent: Option<u8>) {
        self.battery = percent.map(|p| p.min(100));
    }

    /// Whether there is a camera to record with. Default yes. Without one no start is accepted, and the status says so; a
    /// start that is planned stays so, and a recording goes on.
    pub fn set_camera(&mut self, connected: bool) {
        self.camera = connected;
    }

    fn status(&self) -> DeviceStatus {
        match self.recording.status() {
            DeviceStatus::Ready | DeviceStatus::ScheduledRecordingAccepted | DeviceStatus::Recording
                if !self.camera =>
            {
                DeviceStatus::CameraDisconnected
            }
            status => status,
        }
    }

    /// The system's clock.
    pub fn raw_time(&self, now: Instant) -> UnixTime {
        self.time.raw(now)
    }

    /// Synchronised time, as good as it is known.
    pub fn time(&self, now: Instant) -> UnixTime {
        self.time.unix(now)
    }

    /// The local instant of a synchronised time.
    pub fn instant_of(&self, now: Instant, time: UnixTime) -> Instant {
        self.time.local(now, time)
    }

    /// How it is, for a program to show.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let (clock, offset_ns, error_ns) = self.time.report(now);
        Snapshot {
            status: self.status(),
            clock,
            offset_ns,
            error_ns,
            files: self.index.len(),
            connections: self.conns.len(),
            take: self.recording.take(),
            target: self.recording.target(),
            starts_at: self.recording.starts_at(),
        }
    }

    fn form(&self) -> Form {
        Form { dialect: self.config.dialect, style: Style::Python }
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Sends a reply in one piece, behind a length if the command had one.
    fn send(&mut self, conn: ConnId, framed: bool, encode: impl FnOnce(Form, &mut BytesMut)) {
        let mut text = BytesMut::with_capacity(256);
        encode(self.form(), &mut text);
        let data = if framed { prefixed(&text) } else { text.freeze() };
        self.send_bytes(conn, data);
    }

    fn send_bytes(&mut self, to: ConnId, data: Bytes) {
        self.out.push_back(Output::Send { to, data: Payload::Bytes(data), keep: Keep::Always });
    }

    fn close(&mut self, conn: ConnId, how: Closing) {
        if self.conns.remove(conn) {
            self.out.push_back(Output::Close { conn, how });
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, opened: Opened) {
        if let Some(evicted) = self.conns.make_room() {
            self.close(evicted, Closing::Now);
        }
        if !self.conns.open(now, conn, opened.remote) {
            self.out.push_back(Output::Close { conn, how: Closing::Now });
        }
    }

    /// Does what waits on a connection until it is busy, or needs more.
    fn work(&mut self, now: Instant, conn: ConnId) {
        loop {
            match self.conns.next_message(now, conn) {
                conns::Next::Message(message) => self.command(now, conn, &message),
                conns::Next::Wait => return,
                conns::Next::Bad(error) => {
                    // Whoever speaks JSON is told; whoever speaks something else would not understand.
                    if !matches!(error, crate::DecodeError::NoMessage { .. }) {
                        self.refuse(now, conn, false, DeviceStatus::Error, alloc::format!("{error}"));
                    }
                    self.close(conn, Closing::AfterFlush);
                    return;
                }
                conns::Next::Overflow => {
                    self.close(conn, Closing::Now);
                    return;
                }
                conns::Next::Ended => {
                    self.close(conn, Closing::AfterFlush);
                    return;
                }
            }
        }
    }

    /// An answer that was waited for has gone out: the connection is free again.
    fn free(&mut self, now: Instant, conn: ConnId) {
        self.conns.free(now, conn);
        self.work(now, conn);
    }

    fn command(&mut self, now: Instant, conn: ConnId, message: &Message) {
        commands::handle(self, now, conn, message);
    }

    fn refuse(
        &mut self,
        now: Instant,
        conn: ConnId,
        framed: bool,
        status: DeviceStatus,
        message: impl Into<String>,
    ) {
        let mut reply =
            crate::message::ErrorResponse::new(&self.config.device_id, status, self.time.raw(now), message);
        reply.is_recording = Some(self.recording.is_recording());
        self.send(conn, framed, |form, out| reply.encode(form, out));
    }

    /// Sends the questions about the time that are due.
    fn ask_the_time(&mut self, now: Instant) {
        while let Some((query, tag)) = self.time.poll(now) {
            let to = machine::UdpPeer { socket: TIME_SOCKET, remote: query.to, local: None };
            let data = Bytes::copy_from_slice(&query.data);
            let datagram = machine::Datagram { to, data, segment: None, stamp: Some(SendTag(tag)) };
            self.out.push_back(Output::Datagram(datagram));
        }
    }
}

impl Machine for Device {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match (from, input) {
            (Peer::Conn(conn), Input::Opened(opened)) => self.opened(now, conn, opened),
            (Peer::Conn(conn), Input::Bytes(bytes)) => {
                self.conns.received(now, conn, bytes);
                self.work(now, conn);
            }
            (Peer::Conn(conn), Input::End(bytes)) => {
                self.conns.received(now, conn, bytes);
                self.conns.ended(conn);
                self.work(now, conn);
            }
            (Peer::Conn(conn), Input::FileSent(token))
                if self.conns.busy(conn) == Some(Busy::Sending(token)) =>
            {
                self.free(now, conn);
            }
            (Peer::Conn(conn), Input::Closed(_)) => {
                self.conns.remove(conn);
            }
            (Peer::Udp(peer), Input::Datagram { data, received })
                if self.time.handle(received.at, peer.remote, data) =>
            {
                self.clock_changed(now);
            }
            (Peer::Udp(_), Input::DatagramSent { tag, left }) => self.time.sent(tag.0, left.at),
            // Commands come over streams; there is no door for anything else.
            (Peer::Conn(conn), Input::Text(_) | Input::Binary(_)) => self.close(conn, Closing::Now),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        // The start first: everything else may wait for it.
        self.start_if_due(now);
        while let Some(conn) = self.conns.expired(now) {
            self.close(conn, Closing::Now);
        }
        self.ask_the_time(now);
        if self.time.lapsed(now) {
            self.clock_changed(now);
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.time.set_wall(now, unix_ns);
        self.clock_changed(now);
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        let next = self.out.pop_front();
        if next.is_none() && self.out.capacity() > KEPT_CAPACITY {
            self.out = VecDeque::new();
        }
        next
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.recording.next_deadline(), self.conns.next_deadline(), self.time.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// An entry of the queue that is boxed where it is large.
pub(crate) type Boxed<T> = Box<T>;

/// Room for so many outputs is kept.
const KEPT_CAPACITY: usize = 64;
