//! Everything that a television offers over WebSocket: content identification, timelines, and the wall clock for
//! browsers (sheet §§2.5, 3, 4, 5).
//!
//! ```text
//! door CII   open ──▶ all that is known ──▶ each change
//! door TS    open ──▶ (waits for Setup-Data, at most 30 s) ──▶ Control Timestamp ──▶ each change of it
//! door WC    request ──▶ response, binary or JSON as it was asked
//! ```
//!
//! What a client sends that cannot be understood is counted, reported and otherwise ignored. A slow reader of CII misses
//! changes and is then told everything at once; one of TS gets the newest timestamp.

mod cii;
#[cfg(feature = "record")]
mod record;
mod registry;
mod ts;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Service,
};

#[cfg(feature = "record")]
pub use self::record::{TvCalls, UpdateCii};
pub use self::registry::TimelineId;

use self::registry::Registry;
use self::ts::TsClientState;
use super::WallClock;
use crate::DecodeError;
use crate::config::TvServerConfig;
use crate::message::{CiiMessage, MessageType, PresentationTimestamps, SetupData, WcMessage};

/// The door of content identification, `/cii` in all examples.
pub const CII: Service = Service(1);
/// The door of timelines, `/ts` in all examples.
pub const TS: Service = Service(2);
/// The door of the wall clock over WebSocket, `/wc`.
pub const WC: Service = Service(3);

/// The television's WebSocket side. See the [module](self).
#[derive(Debug)]
pub struct TvServer {
    config: TvServerConfig,
    wall: WallClock,
    cii: CiiMessage,
    timelines: Registry,
    clients: BTreeMap<ConnId, Client>,
    /// Clients that something is planned for.
    deadlines: BTreeSet<(Instant, ConnId)>,
    disabled: BTreeSet<Service>,
    out: VecDeque<Output<TvServerEvent>>,
    stats: TvServerStats,
}

#[derive(Debug)]
struct Client {
    service: Service,
    local: SocketAddr,
    deadline: Option<Instant>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// It knows what we have published.
    CiiUpToDate,
    /// It missed something, and is told everything as soon as there is room.
    CiiBehind,
    Ts(TsClientState),
    Wc,
}

/// What a television reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TvServerEvent {
    /// A client has come.
    Connected {
        /// It.
        conn: ConnId,
        /// Through which door.
        service: Service,
        /// From there.
        remote: SocketAddr,
    },
    /// A client has gone.
    Disconnected {
        /// It.
        conn: ConnId,
        /// The door it came through.
        service: Service,
        /// How.
        reason: CloseReason,
    },
    /// A client has said what it wants to follow.
    Setup {
        /// It.
        conn: ConnId,
        /// What.
        setup: SetupData,
    },
    /// The first client wants this selector.
    TimelineWanted {
        /// Which.
        selector: String,
    },
    /// No client wants this selector any more.
    TimelineUnwanted {
        /// Which.
        selector: String,
    },
    /// A client says when it shows what.
    Presentation {
        /// It.
        conn: ConnId,
        /// When.
        timestamps: PresentationTimestamps,
    },
    /// A client said something that cannot be understood.
    Unreadable {
        /// It.
        conn: ConnId,
        /// Why not.
        error: DecodeError,
    },
}

/// What a television has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TvServerStats {
    /// CII messages sent.
    pub cii_messages: u64,
    /// Control Timestamps sent.
    pub timestamps: u64,
    /// Wall clock requests answered.
    pub wc_answers: u64,
    /// Messages that were not understood.
    pub unreadable: u64,
    /// Messages where none is expected: all that a CII client sends, and Setup-Data after the first.
    pub ignored: u64,
    /// TS clients closed because they never said what they want.
    pub without_setup: u64,
}

impl TvServer {
    /// A television that shows nothing and offers no timelines.
    pub fn new(config: TvServerConfig) -> Self {
        Self {
            wall: WallClock::new(config.wall_offset_ns),
            cii: CiiMessage { protocol_version: "1.1".into(), ..CiiMessage::default() },
            timelines: Registry::default(),
            clients: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            disabled: BTreeSet::new(),
            out: VecDeque::new(),
            stats: TvServerStats::default(),
            config,
        }
    }

    /// The clock that is served.
    pub const fn wall_clock(&self) -> WallClock {
        self.wall
    }

    /// What was counted so far.
    pub const fn stats(&self) -> TvServerStats {
        self.stats
    }

    /// How many clients have come through a door and are there.
    pub fn clients(&self, service: Service) -> usize {
        self.clients.values().filter(|client| client.service == service).count()
    }

    /// Closes a door: its clients are sent away with code 1001, and so is who comes later; or opens it again.
    pub fn set_enabled(&mut self, service: Service, enabled: bool) {
        if enabled {
            self.disabled.remove(&service);
        } else if self.disabled.insert(service) {
            let all = self.clients.iter().filter(|(_, client)| client.service == service);
            let all: alloc::vec::Vec<ConnId> = all.map(|(conn, _)| *conn).collect();
            for conn in all {
                self.close(conn, GOING_AWAY);
            }
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, opened: Opened) {
        let Opened { service, local, remote, .. } = opened;
        if self.disabled.contains(&service) {
            let how = Closing::Code(GOING_AWAY);
            return self.out.push_back(Output::Close { conn, how });
        }
        let kind = match service {
            CII => Kind::CiiUpToDate,
            TS => Kind::Ts(TsClientState::Silent),
            WC => Kind::Wc,
            _ => return self.out.push_back(Output::Close { conn, how: Closing::Code(POLICY) }),
        };
        self.clients.insert(conn, Client { service, local, deadline: None, kind });
        self.event(TvServerEvent::Connected { conn, service, remote });
        match service {
            CII => self.tell_all(conn),
            TS => self.plan(conn, Some(now + self.config.setup_wait)),
            _ => {}
        }
    }

    fn message(
        &mut self,
        conn: ConnId,
        now: Instant,
        text: Result<&str, DecodeError>,
        binary: Option<&[u8]>,
    ) {
        let Some(client) = self.clients.get(&conn) else { return };
        let result = match (&client.kind, binary) {
            (Kind::CiiUpToDate | Kind::CiiBehind, _) => {
                self.stats.ignored += 1;
                Ok(())
            }
            (Kind::Ts(_), _) => text.and_then(|text| self.ts_message(conn, now, text)),
            (Kind::Wc, Some(data)) => WcMessage::parse(data).map(|request| {
                if let Some(answer) = self.wc_answer(now, request) {
                    self.send(conn, Payload::Binary(Bytes::copy_from_slice(&answer.encode())), Keep::IfRoom);
                }
            }),
            (Kind::Wc, None) => text.and_then(WcMessage::parse_json).map(|request| {
                if let Some(answer) = self.wc_answer(now, request) {
                    self.send(conn, Payload::Text(answer.to_json().into()), Keep::IfRoom);
                }
            }),
        };
        if let Err(error) = result {
            self.stats.unreadable += 1;
            self.event(TvServerEvent::Unreadable { conn, error });
        }
    }

    /// The answer to a wall clock request.
    fn wc_answer(&mut self, now: Instant, request: WcMessage) -> Option<WcMessage> {
        if request.message_type != MessageType::Request {
            self.stats.ignored += 1;
            return None;
        }
        self.stats.wc_answers += 1;
        let time = self.wall.time_value(now);
        Some(WcMessage {
            message_type: MessageType::Response,
            precision: self.config.precision,
            max_freq_error: self.config.max_freq_error,
            originate: request.originate,
            receive: time,
            transmit: time,
        })
    }

    fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        self.plan(conn, None);
        let Some(client) = self.clients.remove(&conn) else { return };
        if let Kind::Ts(TsClientState::Following { setup, .. }) = &client.kind {
            self.unwant(&setup.timeline_selector);
        }
        self.event(TvServerEvent::Disconnected { conn, service: client.service, reason });
    }

    /// Ends a connection of ours; the driver's `Closed` for it will find nothing.
    fn close(&mut self, conn: ConnId, code: u16) {
        self.out.push_back(Output::Close { conn, how: Closing::Code(code) });
        self.closed(conn, CloseReason::Local);
    }

    /// Says when something has to be done for a client.
    fn plan(&mut self, conn: ConnId, deadline: Option<Instant>) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        if let Some(before) = client.deadline {
            self.deadlines.remove(&(before, conn));
        }
        client.deadline = deadline;
        self.deadlines.extend(deadline.map(|at| (at, conn)));
    }

    fn send(&mut self, to: ConnId, data: Payload, keep: Keep) {
        self.out.push_back(Output::Send { to, data, keep });
    }

    fn event(&mut self, event: TvServerEvent) {
        self.out.push_back(Output::Event(event));
    }
}

impl Machine for TvServer {
    type Event = TvServerEvent;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Opened(opened) => self.opened(now, conn, opened),
            Input::Text(text) => self.message(conn, now, Ok(text), None),
            Input::Binary(data) => {
                let valid = core::str::from_utf8(data);
                let text = valid.map_err(|e| DecodeError::Syntax {
                    offset: u32::try_from(e.valid_up_to()).unwrap_or(u32::MAX),
                });
                self.message(conn, now, text, Some(data));
            }
            Input::Dropped(_) => self.fell_behind(now, conn),
            Input::Closed(reason) => self.closed(conn, reason),
            // WebSockets have no streams
            Input::Bytes(buffer) | Input::End(buffer) => {
                buffer.clear();
                if self.clients.contains_key(&conn) {
                    self.close(conn, POLICY);
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, conn)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.plan(conn, None);
            match self.clients.get(&conn).map(|client| &client.kind) {
                Some(Kind::CiiBehind) => self.tell_all(conn),
                Some(Kind::Ts(TsClientState::Silent)) => {
                    self.stats.without_setup += 1;
                    self.close(conn, POLICY);
                }
                _ => {}
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<TvServerEvent>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// WebSocket close codes (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
/// How long a slow reader is left alone before it is told everything.
const CATCH_UP: Duration = Duration::from_secs(1);
