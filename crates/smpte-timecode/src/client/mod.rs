//! The session client as a machine (sheet B8).
//!
//! ```text
//! connection  ── Opened ──▶ hello sent ── welcome ──▶ commands possible ── Closed ──▶ none
//! session     none ── session_created, session_joined ──▶ in one ── leave ──▶ none
//! ```
//!
//! It speaks to any server of this protocol, the original included. Of a server that offers the extensions it asks the
//! position of each label and, from time to time, the clock, and [`display`](Client::display) then runs on the server's
//! clock between messages; elsewhere it is the last label that came. It holds one connection: a new one takes the
//! place of the old.

mod clock;
mod commands;
mod event;
mod following;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use machine::{
    CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Opened, Output, Payload, Peer, Transport,
};

pub use self::commands::{ClientStatus, Explained, SessionStatus};
pub use self::event::{Event, ShownLabel};
pub use self::following::{LocalMoment, Role};

use self::clock::ServerClock;
use self::following::Following;
use crate::codec::{LineDecoder, line_text, trimmed};
use crate::config::ClientConfig;
use crate::message::{
    ClientMessage, Extension, Extensions, ServerMessage, SessionSummary, TimecodeKind, TimecodeMessage,
};
use crate::{DecodeError, UsageError};

/// The session client. See the [module](self).
///
/// ```
/// use smpte_timecode::UsageError;
/// use smpte_timecode::client::Client;
/// use smpte_timecode::config::ClientConfig;
///
/// let mut client = Client::new(ClientConfig::new());
/// assert_eq!(client.start(), Err(UsageError::NotConnected));
/// ```
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    link: Option<Link>,
    /// The session of a connection that was lost, until it is joined again.
    flywheel: Option<Flywheel>,
    out: VecDeque<Output<Event>>,
}

/// A connection and all that was learnt over it.
#[derive(Debug)]
struct Link {
    conn: ConnId,
    transport: Transport,
    lines: LineDecoder,
    welcomed: bool,
    framerates: Vec<String>,
    hello: Hello,
    granted: Extensions,
    clock: Option<ServerClock>,
    session: Option<Following>,
    /// Sessions of the last list, and those we were in.
    known: Vec<String>,
    /// The program waits for a list.
    list_wanted: bool,
    /// We wait for a list to find the session to join whose id begins so.
    joining: Option<String>,
}

#[derive(Debug)]
struct Flywheel {
    session: Following,
    clock: ServerClock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    /// Not sent, or not answered and never to be.
    Done,
    /// Sent: the first `Unknown command` is the answer to it.
    Asked,
}

impl Client {
    /// A client without a connection.
    pub fn new(config: ClientConfig) -> Self {
        Self { config, link: None, flywheel: None, out: VecDeque::new() }
    }

    fn opened(&mut self, conn: ConnId, opened: Opened) {
        if let Some(conn) = self.unlink() {
            self.out.push_back(Output::Close { conn, how: Closing::AfterFlush });
            self.out.push_back(Output::Event(Event::Disconnected(CloseReason::Local)));
        }
        let asks = !self.config.extensions.is_empty();
        self.link = Some(Link {
            conn,
            transport: opened.transport,
            lines: LineDecoder::new(self.config.max_line),
            welcomed: false,
            framerates: Vec::new(),
            hello: if asks { Hello::Asked } else { Hello::Done },
            granted: Extensions::NONE,
            clock: None,
            session: None,
            known: Vec::new(),
            list_wanted: false,
            joining: None,
        });
        self.out.push_back(Output::Event(Event::Connected { remote: opened.remote }));
        if asks {
            self.send(&ClientMessage::Hello { extensions: self.config.extensions });
        }
    }

    fn send(&mut self, message: &ClientMessage<'_>) {
        let Some(link) = &self.link else { return };
        let line = message.to_line();
        self.out.push_back(Output::Send {
            to: link.conn,
            data: payload(link.transport, line),
            keep: Keep::Always,
        });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn is_link(&self, conn: ConnId) -> bool {
        self.link.as_ref().is_some_and(|link| link.conn == conn)
    }

    /// Reads the lines at the front of `buffer`; `end`: what is left is a line too.
    fn lines(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut, end: bool) {
        while let Some(link) = self.link.as_mut().filter(|link| link.conn == conn) {
            let line = if end { link.lines.decode_end(buffer) } else { link.lines.decode(buffer) };
            match line {
                Ok(None) => return,
                Ok(Some(line)) => self.message(now, line_text(&line)),
                Err(error) => {
                    // from here on nobody knows where a line begins
                    self.event(Event::Unreadable(error));
                    self.drop_link(Closing::Now);
                }
            }
        }
        buffer.clear();
    }

    /// Gives up the connection; a session that runs may go on without it.
    fn unlink(&mut self) -> Option<ConnId> {
        let link = self.link.take()?;
        if self.config.flywheel.is_some()
            && let (Some(session), Some(clock)) = (link.session.filter(|session| session.running), link.clock)
        {
            self.flywheel = Some(Flywheel { session, clock });
        }
        Some(link.conn)
    }

    fn drop_link(&mut self, how: Closing) {
        if let Some(conn) = self.unlink() {
            self.out.push_back(Output::Close { conn, how });
            self.event(Event::Disconnected(CloseReason::Local));
        }
    }

    fn message(&mut self, now: Instant, text: Result<Option<&str>, DecodeError>) {
        let text = match text {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(error) => return self.event(Event::Unreadable(error)),
        };
        let message = match ServerMessage::parse(text) {
            Ok(message) => message,
            Err(DecodeError::UnknownType) => return self.event(Event::Received(text.into())),
            Err(error) => return self.event(Event::Unreadable(error)),
        };
        match message {
            ServerMessage::Timecode(message) => self.timecode(now, &message),
            ServerMessage::Welcome { message, supported_framerates } => {
                let Some(link) = &mut self.link else { return };
                link.welcomed = true;
                let names = supported_framerates.into_iter().filter(|name| name.len() <= MAX_NAME);
                link.framerates = names.take(MAX_FRAMERATES).map(Into::into).collect();
                self.event(Event::Welcome { message: message.into() });
            }
            ServerMessage::SessionCreated { session_id, framerate, initial_timecode } => {
                let session =
                    Following::new(&session_id, &framerate, Role::Creator, &initial_timecode, false, now);
                self.event(Event::SessionCreated {
                    id: session_id.into(),
                    framerate: framerate.into(),
                    label: session.label,
                });
                self.enter(session);
            }
            ServerMessage::SessionJoined { session_id, framerate, current_timecode, running } => {
                let session = Following::new(
                    &session_id,
                    &framerate,
                    Role::Participant,
                    &current_timecode,
                    running,
                    now,
                );
                self.event(Event::SessionJoined {
                    id: session_id.into(),
                    framerate: framerate.into(),
                    label: session.label,
                    running,
                });
                self.enter(session);
            }
            ServerMessage::Error { message } => self.error(&message),
            ServerMessage::Hello { extensions, server } => self.granted(now, extensions, &server),
            ServerMessage::Pong { t, server_ns } => {
                let clock = self.link.as_mut().and_then(|link| link.clock.as_mut());
                if let (Some(clock), Ok(t)) = (clock, t.parse()) {
                    clock.pong(now, t, server_ns);
                }
            }
            ServerMessage::SessionList { sessions } => self.list(sessions),
            ServerMessage::Status(report) => self.event(Event::Status(report.into_owned())),
        }
    }

    fn timecode(&mut self, now: Instant, message: &TimecodeMessage<'_>) {
        let session = self.link.as_mut().and_then(|link| link.session.as_mut());
        // what was on its way when we left is nobody's
        let Some(session) = session else { return };
        session.hear(now, message);
        let event = Event::Timecode { kind: message.kind, label: session.label, position: message.position };
        if message.kind != TimecodeKind::Update {
            self.flywheel = None;
        }
        self.event(event);
    }

    fn enter(&mut self, mut session: Following) {
        // it goes on until the new server's clock is known
        self.flywheel.take_if(|old| old.session.id != session.id || !session.running);
        session.shown = self.flywheel.as_ref().and_then(|old| old.session.shown);
        let Some(link) = &mut self.link else { return };
        if session.id.len() <= MAX_NAME && !link.known.contains(&session.id) {
            if link.known.len() >= self.config.max_known_sessions {
                link.known.pop();
            }
            link.known.push(session.id.clone());
        }
        link.session = Some(session);
    }

    fn error(&mut self, message: &str) {
        let Some(link) = &mut self.link else { return };
        if link.hello == Hello::Asked && message == "Unknown command" {
            // a server without extensions, such as the original
            link.hello = Hello::Done;
            return self.event(Event::Extensions { granted: Extensions::NONE, server: String::new() });
        }
        if message == "Too many requests" {
            link.joining = None;
        }
        self.event(Event::ServerError { message: message.into() });
    }

    fn granted(&mut self, now: Instant, extensions: Extensions, server: &str) {
        let Some(link) = &mut self.link else { return };
        link.hello = Hello::Done;
        link.granted = extensions;
        let offers_clock = extensions.contains(Extension::Clock);
        link.clock = offers_clock.then(|| ServerClock::new(now, self.config.ping_interval));
        self.event(Event::Extensions { granted: extensions, server: server.into() });
        self.ping(now);
    }

    fn ping(&mut self, now: Instant) {
        let clock = self.link.as_mut().and_then(|link| link.clock.as_mut());
        if let Some(t) = clock.and_then(|clock| clock.ping(now)) {
            let mut digits = BytesMut::new();
            crate::codec::json::put_unsigned(&mut digits, t);
            let t = core::str::from_utf8(&digits).unwrap_or_default();
            self.send(&ClientMessage::Ping { t: Some(t.into()) });
        }
    }

    fn list(&mut self, sessions: Vec<SessionSummary<'_>>) {
        let Some(link) = &mut self.link else { return };
        let ids = sessions.iter().map(|session| &*session.session_id).filter(|id| id.len() <= MAX_NAME);
        link.known = ids.take(self.config.max_known_sessions).map(Into::into).collect();
        let joining = link.joining.take();
        let wanted = core::mem::take(&mut link.list_wanted);
        if let Some(prefix) = joining {
            match self.find(&prefix) {
                Ok(id) => self.send_join(&id),
                Err(error) => self.event(Event::Refused(error)),
            }
        }
        if wanted {
            self.event(Event::Sessions(sessions.into_iter().map(SessionSummary::into_owned).collect()));
        }
    }

    /// The one session that we know of whose id begins so.
    fn find(&self, prefix: &str) -> Result<String, UsageError> {
        let known = self.link.iter().flat_map(|link| &link.known);
        let mut matches = known.filter(|id| id.starts_with(prefix));
        let first = matches.next().ok_or(UsageError::NoSuchSession)?;
        match matches.count() {
            0 => Ok(first.clone()),
            others => Err(UsageError::Ambiguous {
                matches: u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1),
            }),
        }
    }
}

impl Machine for Client {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        match input {
            Input::Opened(opened) => self.opened(conn, opened),
            Input::Bytes(buffer) => self.lines(now, conn, buffer, false),
            Input::End(buffer) => {
                self.lines(now, conn, buffer, true);
                if self.is_link(conn) {
                    let how = Closing::AfterFlush;
                    self.unlink();
                    self.out.push_back(Output::Close { conn, how });
                    self.event(Event::Disconnected(CloseReason::Remote));
                }
            }
            Input::Text(text) if self.is_link(conn) => self.message(now, Ok(trimmed(text))),
            Input::Binary(bytes) if self.is_link(conn) => self.message(now, line_text(bytes)),
            Input::Closed(reason) if self.is_link(conn) => {
                self.unlink();
                self.event(Event::Disconnected(reason));
            }
            // of a connection that is given up already, or nothing that was asked for
            Input::Text(_)
            | Input::Binary(_)
            | Input::Closed(_)
            | Input::Datagram { .. }
            | Input::DatagramSent { .. }
            | Input::FileSent(_)
            | Input::Dropped(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.ping(now);
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.link.as_ref()?.clock.as_ref()?.due())
    }
}

fn payload(transport: Transport, line: Bytes) -> Payload {
    match transport {
        Transport::Stream => Payload::Bytes(line),
        Transport::WebSocket => Payload::Text(line.slice(..line.len().saturating_sub(1))),
    }
}

/// Rates of a welcome that are remembered, and bytes of a rate's name or of an id.
const MAX_FRAMERATES: usize = 256;
const MAX_NAME: usize = 128;
