//! The server: three doors, one machine.
//!
//! | Door | What happens |
//! |---|---|
//! | [`DATA`] (5000) | telemetry on exact grids, one encoding for all clients of each; subscriptions |
//! | [`SETTINGS`] (5001) | queries answered in order, updates applied at once and reported |
//! | [`AUTH`] (5002) | one password or one SCRAM exchange, answered, then closed |
//!
//! Give the driver one listener for each door. A WebSocket carries the same bytes in binary messages, cut anywhere; each
//! of ours is one frame. What has to do with the camera is the program's: it hears
//! [`Event::SettingsChanged`], does what is needed and calls [`Server::settings_live`].

mod access;
mod auth;
#[cfg(feature = "record")]
mod record;
mod requests;
mod ticks;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::fmt;
use core::net::IpAddr;

use bytes::{Bytes, BytesMut};
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Service,
    Transport,
};

#[cfg(feature = "record")]
pub use self::record::ServerCalls;

use crate::codec::{Bounds, Decoder, DecoderConfig, Event as Decoded, Stats};
use crate::config::{Access, Password, ServerConfig};
use crate::extension::{ExtendedSettings, PipelineState};
use crate::message::Message;
use crate::rng::Rng;
use crate::scram::Keys;
use crate::secret::PasswordDigest;
use crate::settings::SettingsBlock;
use access::Grants;
use auth::{Failures, Phase};
use ticks::{Form, Group, Ticks};

/// Port 5000.
pub const DATA: Service = Service(0);
/// Port 5001.
pub const SETTINGS: Service = Service(1);
/// Port 5002.
pub const AUTH: Service = Service(2);

/// What the server reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client has come.
    Opened {
        /// Its connection.
        conn: ConnId,
        /// The door.
        service: Service,
        /// Its address.
        remote: IpAddr,
    },
    /// A client was turned away: too many at this door.
    Full {
        /// The door.
        service: Service,
        /// Its address.
        remote: IpAddr,
    },
    /// A client was sent away.
    Dropped {
        /// Its connection.
        conn: ConnId,
        /// Why.
        why: DropReason,
    },
    /// A client has gone.
    Closed {
        /// Its connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// A client has shown that it knows the password.
    Authenticated {
        /// Its address.
        remote: IpAddr,
        /// By SCRAM, not by sending it.
        scram: bool,
    },
    /// A client has shown that it doesn't.
    AuthFailed {
        /// Its address.
        remote: IpAddr,
        /// Its answer was delayed, as there were too many failures.
        delayed: bool,
    },
    /// The settings are others now; they are in the replies already.
    SettingsChanged {
        /// What is to be applied.
        block: SettingsBlock,
        /// Counts the changes.
        revision: u32,
    },
    /// Is this the password? Answer by [`Server::verified`] ([`Password::External`] only).
    VerifyPassword {
        /// Who wants to know.
        conn: ConnId,
        /// What it sent.
        password: Candidate,
    },
}

/// Why a client was sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// Authentication took too long.
    AuthTimeout,
    /// What came to the authentication port was no request of its.
    AuthRequest,
    /// Too many wait for an answer to their password.
    AuthBusy,
    /// Too much that was no frame.
    Noise,
    /// It did not authorise itself in time.
    Unauthorised,
    /// It presented a token that is not valid.
    Token,
}

/// Bytes that may be the password; not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate(pub Box<[u8]>);

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({} bytes)", self.0.len())
    }
}

/// The machine. See the [module](self) documentation.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    secrets: Option<Secrets>,
    rng: Rng,
    /// Open connections. One that we close is forgotten at once, so that nothing can be sent to it.
    conns: BTreeMap<ConnId, Conn>,
    /// When connections want to be looked at; one entry each at most.
    timers: BTreeSet<(Instant, ConnId)>,
    open: [u32; 3],
    ticks: Ticks,
    grants: Grants,
    failures: Failures,
    settings: SettingsBlock,
    revision: u32,
    live_revision: u32,
    pipeline: PipelineState,
    /// Wall clock minus monotonic time, in nanoseconds.
    wall_offset_ns: i64,
    out: VecDeque<Output<Event>>,
}

/// What is kept of a password that the machine knows.
#[derive(Debug)]
struct Secrets {
    digest: PasswordDigest,
    keys: Keys,
}

#[derive(Debug)]
struct Conn {
    service: Service,
    transport: Transport,
    remote: IpAddr,
    decoder: Decoder,
    state: State,
    timer: Option<Instant>,
    trouble: Trouble,
    /// What its authorisation rests on, to be given back.
    held: access::Held,
    /// The last extended update that has not been reported live.
    awaits_live: Option<u32>,
}

#[derive(Debug)]
enum State {
    /// Not authorised: hears nothing, and only a token is listened to. Closed at that time.
    Pending { until: Instant },
    /// Served, on the settings port.
    Settings,
    /// Served, on the data port, as a member of this group.
    Data(Group),
    /// On the authentication port.
    Auth(Phase),
}

/// What was wrong on a connection lately: the counters when this window began, and when last looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    since: Instant,
    before: Stats,
    last: Stats,
}

impl Server {
    /// A server with nobody connected. Derives the keys for SCRAM, which takes some milliseconds.
    pub fn new(mut config: ServerConfig) -> Self {
        let mut rng = Rng::new(config.rng_seed);
        let iterations =
            config.scram_iterations.clamp(crate::scram::MIN_ITERATIONS, crate::scram::MAX_ITERATIONS);
        let secrets = match core::mem::replace(&mut config.password, Password::External) {
            Password::Plain(password) => Some(Secrets {
                digest: PasswordDigest::of(&password),
                keys: Keys::derive(&password, &rng.bytes::<16>(), iterations),
            }),
            Password::External => None,
        };
        let settings = config.clamp.apply(config.settings);
        Self {
            ticks: Ticks::new(config.rate_hz),
            grants: Grants::new(config.grace),
            failures: Failures::default(),
            secrets,
            rng,
            conns: BTreeMap::new(),
            timers: BTreeSet::new(),
            open: [0; 3],
            settings,
            revision: 0,
            live_revision: 0,
            pipeline: PipelineState::Stopped,
            wall_offset_ns: 0,
            out: VecDeque::new(),
            config,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> SettingsBlock {
        self.settings
    }

    /// How often they were changed.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// How many clients are connected at a door.
    pub fn clients(&self, service: Service) -> u32 {
        self.open.get(usize::from(service.0)).copied().unwrap_or(0)
    }

    /// A local call: changes the settings as a client's update does. Returns the revision.
    pub fn apply_settings(&mut self, block: SettingsBlock) -> u32 {
        self.settings = self.config.clamp.apply(block);
        self.revision = self.revision.wrapping_add(1);
        let (block, revision) = (self.settings, self.revision);
        self.event(Event::SettingsChanged { block, revision });
        revision
    }

    /// A local call: the picture shows the settings of `revision` now. Who sent them by an extended update is told.
    pub fn settings_live(&mut self, revision: u32) {
        self.live_revision = revision;
        let mut waiting = VecDeque::new();
        for (id, conn) in &mut self.conns {
            // Wrapping: a revision is reached by its successors too.
            if conn.awaits_live.is_some_and(|wanted| revision.wrapping_sub(wanted) < 1 << 31) {
                waiting.extend(conn.awaits_live.take().map(|wanted| (*id, wanted)));
            }
        }
        for (id, wanted) in waiting {
            let flags = ExtendedSettings::ACCEPTED | ExtendedSettings::LIVE;
            let settings = ExtendedSettings::from_block(self.settings, wanted, flags);
            self.reply(id, &Message::ExtendedReply(settings));
        }
    }

    /// A local call: what the pipeline does, for extended telemetry.
    pub fn set_pipeline(&mut self, state: PipelineState) {
        self.pipeline = state;
    }

    /// A local call: the value from now on ([`ValueSource::Constant`](crate::config::ValueSource::Constant) only).
    pub fn set_value(&mut self, value: u8) {
        if let crate::config::ValueSource::Constant(constant) = &mut self.config.source {
            *constant = value;
        }
    }

    fn opened(&mut self, now: Instant, id: ConnId, opened: Opened) {
        let (service, remote) = (opened.service, opened.remote.ip().to_canonical());
        let Some(open) = self.open.get_mut(usize::from(service.0)) else {
            return self.out.push_back(Output::Close { conn: id, how: Closing::Now });
        };
        if *open >= self.config.max_clients {
            self.event(Event::Full { service, remote });
            return self.out.push_back(Output::Close { conn: id, how: Closing::Now });
        }
        *open += 1;
        let bounds = match service {
            DATA => Bounds::DATA_SERVER,
            SETTINGS => Bounds::SETTINGS_SERVER,
            _ => Bounds::AUTH,
        };
        let mut decoder = DecoderConfig::new(bounds).with_resync(self.config.resync);
        match service {
            SETTINGS => decoder = decoder.with_checksum(self.config.checksum),
            // One deadline for all of it, in pieces of any size.
            AUTH => decoder.frame_timeout = self.config.auth_deadline,
            _ => {}
        }
        let state = match service {
            AUTH => State::Auth(Phase::Waiting { until: now + self.config.auth_deadline }),
            _ => State::Pending { until: now + self.config.unauthorised_timeout },
        };
        let conn = Conn {
            service,
            transport: opened.transport,
            remote,
            decoder: Decoder::new(decoder),
            state,
            timer: None,
            trouble: Trouble::default(),
            held: access::Held::default(),
            awaits_live: None,
        };
        self.conns.insert(id, conn);
        self.event(Event::Opened { conn: id, service, remote });
        let admitted = match self.config.access {
            Access::Open => service != AUTH,
            Access::Ip => service != AUTH && self.grants.is_granted(now, remote),
            Access::Token => false,
        };
        if admitted {
            self.admit(now, id);
        }
        self.plan(id);
    }

    /// From now on the connection is served.
    fn admit(&mut self, now: Instant, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !matches!(conn.state, State::Pending { .. }) {
            return;
        }
        if self.config.access == Access::Ip && !conn.held.address {
            conn.held.address = true;
            self.grants.hold(conn.remote);
        }
        if conn.service == DATA {
            let form = Form { rate_hz: self.ticks.rate_hz(), extended: false };
            let group = self.ticks.join(now, id, form);
            conn.state = State::Data(group);
            // The first at once, as from the original; the rest on the grid.
            self.send_telemetry(now, id, group);
        } else {
            conn.state = State::Settings;
        }
    }

    /// Stream bytes came, or the stream has ended, or time has passed.
    fn decode(&mut self, now: Instant, id: ConnId, bytes: &[u8], ended: bool) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        // Taken out, so that what it finds can be answered meanwhile; a copy of a few words.
        let idle = Decoder::new(DecoderConfig::new(Bounds::ANY));
        let mut decoder = core::mem::replace(&mut conn.decoder, idle);
        let mut feeds = 0;
        let mut feed = decoder.feed(now, bytes);
        loop {
            let Some(found) = feed.next() else {
                feeds += 1;
                if feeds > 1 || !ended {
                    break;
                }
                feed = decoder.end(now);
                continue;
            };
            let message = match &found {
                Decoded::Frame(frame) => Message::parse(frame).ok(),
                _ => None,
            };
            self.found(now, id, message);
            if self.noisy(now, id, feed.stats()) || !self.conns.contains_key(&id) {
                return;
            }
        }
        let stats = feed.stats();
        if self.noisy(now, id, stats) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.decoder = decoder;
        }
    }

    /// A frame was found; `None` if it says nothing that we understand, or its checksum is wrong.
    fn found(&mut self, now: Instant, id: ConnId, message: Option<Message<'_>>) {
        let Some(conn) = self.conns.get(&id) else { return };
        match (&conn.state, message) {
            (State::Auth(_), message) => self.auth_message(now, id, message),
            (State::Pending { .. } | State::Data(_) | State::Settings, Some(Message::Attach(token))) => {
                self.attach(now, id, token);
            }
            (State::Data(_), Some(Message::Subscribe(subscribe))) => self.subscribe(now, id, subscribe),
            (State::Settings, Some(message)) => self.settings_message(id, message),
            _ => {}
        }
    }

    /// Sends a client away that sends too much that is no frame. On the authentication port a single such byte is.
    fn noisy(&mut self, now: Instant, id: ConnId, stats: Stats) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return true };
        match conn.state {
            State::Auth(Phase::Waiting { .. } | Phase::Scram { .. }) if stats.skipped + stats.bad > 0 => {
                self.send_away(now, id, DropReason::AuthRequest);
                true
            }
            State::Settings => {
                let trouble = &mut conn.trouble;
                if now.saturating_since(trouble.since) >= TROUBLE_WINDOW {
                    *trouble = Trouble { since: now, before: trouble.last, last: trouble.last };
                }
                trouble.last = stats;
                let bad = stats.bad - trouble.before.bad;
                let skipped = stats.skipped - trouble.before.skipped;
                let noisy =
                    bad >= self.config.max_bad_frames.into() || skipped >= self.config.max_skipped.into();
                if noisy {
                    self.send_away(now, id, DropReason::Noise);
                }
                noisy
            }
            _ => false,
        }
    }

    fn send_away(&mut self, now: Instant, id: ConnId, why: DropReason) {
        self.event(Event::Dropped { conn: id, why });
        self.close(now, id);
    }

    fn close(&mut self, now: Instant, id: ConnId) {
        if self.forget(now, id) {
            self.out.push_back(Output::Close { conn: id, how: Closing::AfterFlush });
        }
    }

    /// Gives back all that a connection holds.
    fn forget(&mut self, now: Instant, id: ConnId) -> bool {
        let Some(conn) = self.conns.remove(&id) else { return false };
        if let Some(timer) = conn.timer {
            self.timers.remove(&(timer, id));
        }
        if let Some(open) = self.open.get_mut(usize::from(conn.service.0)) {
            *open = open.saturating_sub(1);
        }
        if let State::Data(group) = conn.state {
            self.ticks.leave(id, group);
        }
        if let State::Auth(phase) = &conn.state {
            self.failures.gone(conn.remote, phase);
        }
        self.grants.give_back(now, conn.remote, conn.held);
        true
    }

    /// Notes when the connection wants to be looked at.
    fn plan(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let own = match &conn.state {
            State::Pending { until } => Some(*until),
            State::Auth(phase) => phase.deadline(),
            State::Settings | State::Data(_) => None,
        };
        let wanted = [own, conn.decoder.poll_timeout()].into_iter().flatten().min();
        if wanted != conn.timer {
            if let Some(timer) = conn.timer {
                self.timers.remove(&(timer, id));
            }
            conn.timer = wanted;
            self.timers.extend(wanted.map(|at| (at, id)));
        }
    }

    fn reply(&mut self, to: ConnId, message: &Message<'_>) {
        let mut out = BytesMut::with_capacity(message.payload_len() + crate::packet::OVERHEAD);
        // Our own messages fit a frame.
        if message.encode(&mut out).is_ok() {
            self.send(to, out.freeze(), Keep::Always);
        }
    }

    fn send(&mut self, to: ConnId, frame: Bytes, keep: Keep) {
        let data = match self.conns.get(&to).map(|conn| conn.transport) {
            Some(Transport::WebSocket) => Payload::Binary(frame),
            _ => Payload::Bytes(frame),
        };
        self.out.push_back(Output::Send { to, data, keep });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn wall_ns(&self, now: Instant) -> u64 {
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        u64::try_from(now.saturating_add(self.wall_offset_ns)).unwrap_or(0)
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(id) = from else { return };
        match input {
            Input::Opened(opened) => self.opened(now, id, opened),
            Input::Bytes(buf) => {
                self.decode(now, id, buf, false);
                buf.clear();
                self.plan(id);
            }
            Input::Binary(data) => {
                self.decode(now, id, data, false);
                self.plan(id);
            }
            Input::End(buf) => {
                self.decode(now, id, buf, true);
                buf.clear();
                match self.conns.get(&id).map(|conn| &conn.state) {
                    // The original never reads here: who only listens may have ended its side.
                    Some(State::Data(_)) => {}
                    Some(State::Auth(phase)) if phase.is_answering() => {}
                    _ => self.close(now, id),
                }
                self.plan(id);
            }
            Input::Closed(reason) => {
                self.forget(now, id);
                self.event(Event::Closed { conn: id, reason });
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.remove(&(at, id));
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.timer = None;
            match &conn.state {
                State::Pending { until } if *until <= now => {
                    self.send_away(now, id, DropReason::Unauthorised);
                }
                State::Auth(phase) if phase.deadline().is_some_and(|at| at <= now) => {
                    self.auth_timeout(now, id)
                }
                _ => self.decode(now, id, &[], false),
            }
            self.plan(id);
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall_offset_ns = unix_ns.saturating_sub(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let conn = self.timers.first().map(|(at, _)| *at);
        [conn, self.ticks.next()].into_iter().flatten().min()
    }
}

/// See [`ServerConfig::max_bad_frames`].
const TROUBLE_WINDOW: core::time::Duration = core::time::Duration::from_secs(10);
