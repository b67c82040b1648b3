//! The client: one machine for the three connections to a camera server.
//!
//! The program connects, under [`DATA`], [`SETTINGS`] and [`AUTH`], whichever it wants, and calls. The machine keeps to
//! what the original server stands: one request at a time, each in one piece, with silence in between (sheet §4.3).

mod login;
mod requests;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use machine::{CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Output, Payload, Peer, Service};

use crate::codec::{Bounds, Decoder, DecoderConfig, Event as Decoded};
use crate::config::ClientConfig;
use crate::dialect::{OldSettings, RecordDecoder};
use crate::error::{ScramError, UsageError};
use crate::extension::{ExtendedSettings, ExtendedTelemetry, Subscribe};
use crate::message::{Message, Telemetry};
use crate::rng::Rng;
use crate::secret::Token;
pub use crate::server::{AUTH, DATA, SETTINGS};
use crate::settings::SettingsBlock;
use crate::stats::{StreamMeter, StreamStats};
use login::Login;
use requests::Requests;

/// What the client reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection stands.
    Opened(Service),
    /// A connection is gone.
    Closed(Service, CloseReason),
    /// Please connect this one anew: the server has gone quiet on it, or a login needs another try.
    Reconnect(Service),
    /// A value came.
    Telemetry(Telemetry, StreamStats),
    /// An extended item came.
    ExtendedTelemetry(ExtendedTelemetry, StreamStats),
    /// No value has come for a while ([`ClientConfig::stale_after`]); said once for each silence.
    Stale,
    /// The settings, as the server has them.
    Settings(SettingsBlock),
    /// The settings of a server of G3 or G4.
    OldSettings(OldSettings),
    /// Settings by the extended form: a reply or one of the two acknowledgements, see its flags.
    ExtendedSettings(ExtendedSettings),
    /// An update has been sent. There is no answer to it: query to see what was applied.
    UpdateSent,
    /// The password was right. With the access token, if it was SCRAM.
    LoggedIn(Option<Token>),
    /// It was not, or nobody can tell.
    LoginFailed(LoginFailure),
    /// The server has taken our token on this connection.
    Attached(Service),
    /// The server has refused our token on this connection.
    AttachRefused(Service),
}

/// Why a login came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginFailure {
    /// The server says no, with the reason byte it may give after SCRAM: 1 bad proof, 2 malformed, 3 too many failures.
    Refused(Option<u8>),
    /// The connection was closed without an answer.
    Closed,
    /// No answer came in time.
    Timeout,
    /// The server's side of SCRAM is wrong; it may not be the server at all.
    Scram(ScramError),
    /// The server closed on SCRAM without a word, and sending the password plain is not allowed
    /// ([`ClientConfig::allow_plaintext`]).
    Downgrade,
}

/// The machine. See the [module](self) documentation.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    data: Option<Data>,
    settings: Option<Link>,
    auth: Option<Link>,
    requests: Requests,
    login: Login,
    token: Option<Token>,
    wall_offset_ns: i64,
    out: VecDeque<Output<Event>>,
}

/// A connection that speaks in frames.
#[derive(Debug)]
struct Link {
    id: ConnId,
    decoder: Decoder,
}

#[derive(Debug)]
struct Data {
    link: Link,
    records: Option<RecordDecoder>,
    meter: StreamMeter,
    /// When what came last is stale; `None` once that was said.
    stale_at: Option<Instant>,
}

impl Client {
    /// A client with no connections.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            rng: Rng::new(config.rng_seed),
            config,
            data: None,
            settings: None,
            auth: None,
            requests: Requests::default(),
            login: Login::default(),
            token: None,
            wall_offset_ns: 0,
            out: VecDeque::new(),
        }
    }

    /// The token of the last SCRAM login, presented on every connection that opens from then on.
    pub fn token(&self) -> Option<Token> {
        self.token
    }

    /// A local call: presents a token that was got elsewhere.
    pub fn set_token(&mut self, token: Option<Token>) {
        self.token = token;
    }

    /// A local call: asks for extended telemetry, or another rate. The original ignores it.
    ///
    /// # Errors
    /// [`UsageError::NotConnected`] without a data connection, [`UsageError::NotInDialect`] where there are no frames.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), UsageError> {
        let data = self.data.as_ref().ok_or(UsageError::NotConnected)?;
        if data.records.is_some() {
            return Err(UsageError::NotInDialect);
        }
        let id = data.link.id;
        self.send(id, &Message::Subscribe(subscribe));
        Ok(())
    }

    fn opened(&mut self, now: Instant, id: ConnId, service: Service) {
        let resync = self.config.resync;
        let link =
            |bounds| Link { id, decoder: Decoder::new(DecoderConfig::new(bounds).with_resync(resync)) };
        self.event(Event::Opened(service));
        let replaced = match service {
            DATA => {
                let stale_at = Some(now + self.config.stale_after);
                let records = RecordDecoder::new(self.config.dialect);
                let meter = StreamMeter::new();
                let data = Data { link: link(Bounds::DATA_CLIENT), records, meter, stale_at };
                self.data.replace(data).map(|data| data.link)
            }
            SETTINGS => self.settings.replace(link(Bounds::SETTINGS_CLIENT)),
            AUTH => self.auth.replace(link(Bounds::AUTH)),
            _ => Some(link(Bounds::ANY)),
        };
        if let Some(replaced) = replaced {
            self.out.push_back(Output::Close { conn: replaced.id, how: Closing::Now });
        }
        if let (Some(token), DATA | SETTINGS) = (self.token, service) {
            self.send(id, &Message::Attach(token));
        }
        match service {
            SETTINGS => {
                self.requests.connected(now);
                self.next_request(now);
            }
            AUTH => self.begin_login(now),
            _ => {}
        }
    }

    fn service_of(&self, id: ConnId) -> Option<Service> {
        let data = self.data.as_ref().map(|data| &data.link);
        let links = [(DATA, data), (SETTINGS, self.settings.as_ref()), (AUTH, self.auth.as_ref())];
        links.into_iter().find(|(_, link)| link.is_some_and(|link| link.id == id)).map(|(service, _)| service)
    }

    fn link_mut(&mut self, service: Service) -> Option<&mut Link> {
        match service {
            DATA => self.data.as_mut().map(|data| &mut data.link),
            SETTINGS => self.settings.as_mut(),
            _ => self.auth.as_mut(),
        }
    }

    /// A connection has gone that was not ours to close.
    fn lost(&mut self, now: Instant, service: Service) {
        match service {
            SETTINGS => self.requests.lost(),
            AUTH => self.login_lost(now),
            _ => {}
        }
    }

    fn decode(&mut self, now: Instant, service: Service, bytes: &[u8], ended: bool) {
        if service == DATA && self.records(now, bytes) {
            return;
        }
        let Some(link) = self.link_mut(service) else { return };
        let id = link.id;
        // Taken out, so that what it finds can be acted on meanwhile.
        let idle = Decoder::new(DecoderConfig::new(Bounds::ANY));
        let mut decoder = core::mem::replace(&mut link.decoder, idle);
        let mut feed = decoder.feed(now, bytes);
        let mut rounds = 0;
        loop {
            let Some(found) = feed.next() else {
                rounds += 1;
                if rounds > 1 || !ended {
                    break;
                }
                feed = decoder.end(now);
                continue;
            };
            if let Decoded::Frame(frame) = &found
                && let Ok(message) = Message::parse(frame)
            {
                self.heard(now, service, message);
            }
            if self.service_of(id) != Some(service) {
                return;
            }
        }
        if let Some(link) = self.link_mut(service) {
            link.decoder = decoder;
        }
    }

    /// Telemetry of the generations that have no frames; false: this one has.
    fn records(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Some(decoder) = self.data.as_mut().and_then(|data| data.records.as_mut()) else { return false };
        let found: Vec<Telemetry> = bytes.iter().filter_map(|byte| decoder.push(*byte)).collect();
        for telemetry in found {
            self.telemetry(now, telemetry);
        }
        true
    }

    fn heard(&mut self, now: Instant, service: Service, message: Message<'_>) {
        match (service, message) {
            (DATA, Message::Telemetry(telemetry)) => self.telemetry(now, telemetry),
            (DATA, Message::ExtendedTelemetry(telemetry)) => {
                let stats = self.arrived(now, telemetry.wall_ns / 1_000_000);
                self.out.extend(stats.map(|s| Output::Event(Event::ExtendedTelemetry(telemetry, s))));
            }
            (SETTINGS, Message::SettingsReply(block)) => self.settings_reply(now, block),
            (SETTINGS, Message::ExtendedReply(settings)) => self.extended_reply(now, settings),
            (AUTH, message) => self.login_message(now, message),
            (_, Message::Attached) => self.event(Event::Attached(service)),
            (_, Message::AttachRefused) => self.event(Event::AttachRefused(service)),
            _ => {}
        }
    }

    fn telemetry(&mut self, now: Instant, telemetry: Telemetry) {
        let stats = self.arrived(now, telemetry.timestamp_ms);
        self.out.extend(stats.map(|stats| Output::Event(Event::Telemetry(telemetry, stats))));
    }

    fn arrived(&mut self, now: Instant, timestamp_ms: u64) -> Option<StreamStats> {
        let data = self.data.as_mut()?;
        data.stale_at = Some(now + self.config.stale_after);
        let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let wall_ns = now_ns.saturating_add(self.wall_offset_ns);
        Some(data.meter.arrived(now, wall_ns, timestamp_ms))
    }

    fn close(&mut self, service: Service) {
        let link = match service {
            DATA => self.data.take().map(|data| data.link),
            SETTINGS => self.settings.take(),
            _ => self.auth.take(),
        };
        let how = Closing::AfterFlush;
        self.out.extend(link.map(|link| Output::Close { conn: link.id, how }));
    }

    fn send(&mut self, to: ConnId, message: &Message<'_>) {
        let mut frame = BytesMut::with_capacity(message.payload_len() + crate::packet::OVERHEAD);
        // Lengths are checked before a message is made.
        if message.encode(&mut frame).is_ok() {
            self.send_frame(to, frame.freeze());
        }
    }

    /// In one piece: the original drops what comes in several.
    fn send_frame(&mut self, to: ConnId, frame: Bytes) {
        self.out.push_back(Output::Send { to, data: Payload::Bytes(frame), keep: Keep::Always });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

impl Machine for Client {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(id) = from else { return };
        if let Input::Opened(opened) = input {
            return self.opened(now, id, opened.service);
        }
        let service = self.service_of(id);
        match (input, service) {
            (Input::Bytes(buf), service) => {
                if let Some(service) = service {
                    self.decode(now, service, buf, false);
                }
                buf.clear();
            }
            (Input::End(buf), service) => {
                if let Some(service) = service {
                    self.decode(now, service, buf, true);
                    if self.service_of(id) == Some(service) {
                        self.close(service);
                        self.lost(now, service);
                        self.event(Event::Closed(service, CloseReason::Remote));
                    }
                }
                buf.clear();
            }
            (Input::Closed(reason), Some(service)) => {
                match service {
                    DATA => self.data = None,
                    SETTINGS => self.settings = None,
                    _ => self.auth = None,
                }
                self.lost(now, service);
                self.event(Event::Closed(service, reason));
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        for service in [DATA, SETTINGS, AUTH] {
            let due = self.link_mut(service).and_then(|link| link.decoder.poll_timeout());
            if due.is_some_and(|at| at <= now) {
                self.decode(now, service, &[], false);
            }
        }
        if let Some(data) = &mut self.data
            && data.stale_at.is_some_and(|at| at <= now)
        {
            data.stale_at = None;
            data.meter.restart();
            self.event(Event::Stale);
        }
        self.requests_timeout(now);
        self.login_timeout(now);
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall_offset_ns = unix_ns.saturating_sub(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let data = self.data.as_ref();
        let links = [data.map(|data| &data.link), self.settings.as_ref(), self.auth.as_ref()];
        let decoders = links.into_iter().flatten().filter_map(|link| link.decoder.poll_timeout());
        let own = [
            data.and_then(|data| data.stale_at),
            self.settings.as_ref().and_then(|_| self.requests.deadline()),
            self.auth.as_ref().and_then(|_| self.login.deadline()),
        ];
        decoders.chain(own.into_iter().flatten()).min()
    }
}
