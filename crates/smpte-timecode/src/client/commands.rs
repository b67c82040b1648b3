//! What the program can do with a client (sheet B8).

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use machine::{Closing, Instant};

use super::clock::ServerClock;
use super::following::Following;
use super::{Client, Event, Link, LocalMoment, Role, ShownLabel};
use crate::UsageError;
use crate::message::{ClientMessage, Extension, Extensions, SessionId};

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStatus<'a> {
    /// Whether a server has said welcome.
    pub connected: bool,
    /// What that server grants.
    pub extensions: Extensions,
    /// The session that we are in.
    pub session: Option<SessionStatus<'a>>,
    /// The shortest of the last round trips to the server, if it is asked for its clock.
    pub round_trip: Option<Duration>,
}

/// The session that a client is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its rate.
    pub framerate: &'a str,
    /// What we are in it.
    pub role: Role,
    /// Whether it runs.
    pub running: bool,
    /// The last label that the server told.
    pub label: ShownLabel,
}

impl Client {
    /// Makes a session and becomes its member. Without a label it begins at 00:00:00:00.
    ///
    /// # Errors
    ///
    /// If the server's welcome has not come; if the rate was not in it; if the label has not the form `HH:MM:SS:FF`
    /// (`;` before the frames and three digits of frames pass too).
    pub fn create(&mut self, framerate: &str, label: Option<&str>) -> Result<(), UsageError> {
        if !self.framerates()?.any(|name| name == framerate) {
            return Err(UsageError::Framerate);
        }
        let label = checked(label.unwrap_or(MIDNIGHT))?;
        // QUIRK(original): it does not leave the old session, and the updates of both arrive
        if !self.is_extended() && self.status().session.is_some() {
            self.send(&ClientMessage::LeaveSession);
        }
        self.send(&ClientMessage::CreateSession {
            framerate: framerate.into(),
            initial_timecode: label.into(),
        });
        Ok(())
    }

    /// Joins the session with this id, or the only one whose id begins so: where the server offers `list`, it is asked
    /// which sessions there are, and [`Event::Refused`] comes if none or several begin so; elsewhere those are looked
    /// through that this client was in since it connected.
    ///
    /// # Errors
    ///
    /// If the server's welcome has not come; if several of the sessions known without asking begin so.
    pub fn join(&mut self, id: &str) -> Result<(), UsageError> {
        self.welcomed()?;
        if id.len() < SessionId::TEXT_LEN && self.offers(Extension::List) {
            if let Some(link) = &mut self.link {
                link.joining = Some(id.into());
            }
            self.send(&ClientMessage::ListSessions);
            return Ok(());
        }
        match self.find(id) {
            Ok(known) => self.send_join(&known),
            Err(UsageError::NoSuchSession) => self.send_join(id),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Leaves the session.
    ///
    /// # Errors
    ///
    /// If we are in none.
    pub fn leave(&mut self) -> Result<(), UsageError> {
        let session =
            self.link.as_mut().and_then(|link| link.session.take()).ok_or_else(|| self.no_session())?;
        self.send(&ClientMessage::LeaveSession);
        self.event(Event::SessionLeft { id: session.id });
        Ok(())
    }

    /// Lets the timecode run.
    ///
    /// # Errors
    ///
    /// If we are in no session.
    pub fn start(&mut self) -> Result<(), UsageError> {
        self.in_session(&ClientMessage::StartTimecode)
    }

    /// Halts the timecode.
    ///
    /// # Errors
    ///
    /// If we are in no session.
    pub fn stop(&mut self) -> Result<(), UsageError> {
        self.in_session(&ClientMessage::StopTimecode)
    }

    /// Sets the label. Without one it becomes 00:00:00:00, with labels dropped if they are now.
    ///
    /// # Errors
    ///
    /// If we are in no session; if the label has not the form `HH:MM:SS:FF`.
    pub fn reset(&mut self, label: Option<&str>) -> Result<(), UsageError> {
        let session = self.status().session.ok_or_else(|| self.no_session())?;
        let label = match label {
            Some(label) => checked(label)?,
            None if session.label.contains(';') => MIDNIGHT_DROP,
            None => MIDNIGHT,
        };
        self.send(&ClientMessage::ResetTimecode { timecode: label.into() });
        Ok(())
    }

    /// Asks which sessions there are; [`Event::Sessions`] brings the answer.
    ///
    /// # Errors
    ///
    /// If the server's welcome has not come or it does not offer this.
    pub fn request_sessions(&mut self) -> Result<(), UsageError> {
        self.request(Extension::List, &ClientMessage::ListSessions)?;
        if let Some(link) = &mut self.link {
            link.list_wanted = true;
        }
        Ok(())
    }

    /// Asks how the server is; [`Event::Status`] brings the answer.
    ///
    /// # Errors
    ///
    /// If the server's welcome has not come or it does not offer this.
    pub fn request_status(&mut self) -> Result<(), UsageError> {
        self.request(Extension::Status, &ClientMessage::GetStatus)
    }

    /// Ends the connection when all that was asked is sent.
    pub fn close(&mut self) {
        self.drop_link(Closing::AfterFlush);
    }

    /// Where we stand.
    pub fn status(&self) -> ClientStatus<'_> {
        let link = self.link.as_ref();
        ClientStatus {
            connected: link.is_some_and(|link| link.welcomed),
            extensions: link.map(|link| link.granted).unwrap_or_default(),
            session: link.and_then(|link| link.session.as_ref()).map(status_of),
            round_trip: link.and_then(|link| link.clock.as_ref()?.round_trip()),
        }
    }

    /// The rates of the server's welcome.
    ///
    /// # Errors
    ///
    /// If it has not come.
    pub fn framerates(&self) -> Result<impl Iterator<Item = &str>, UsageError> {
        Ok(self.welcomed()?.framerates.iter().map(String::as_str))
    }

    /// The label to show at `now`, if we are in a session: on the server's clock where it tells positions and clock
    /// (for at most [`holdover`](crate::config::ClientConfig::holdover) after its last message), else the last that
    /// it told.
    pub fn display(&mut self, now: Instant) -> Option<ShownLabel> {
        let holdover = self.config.holdover;
        let linked = self.link.as_mut().and_then(|link| Some((link.session.as_mut()?, link.clock.as_ref())));
        if let (Some(flywheel), Some(span)) = (&mut self.flywheel, self.config.flywheel) {
            match &linked {
                Some((session, clock)) if session.moment(now, *clock, holdover).is_some() => {
                    self.flywheel = None
                }
                _ => {
                    let label = flywheel.session.display(now, Some(&flywheel.clock), span);
                    if let Some((session, _)) = linked {
                        session.shown = flywheel.session.shown;
                    }
                    return Some(label);
                }
            }
        }
        let (session, clock) = linked?;
        Some(session.display(now, clock, holdover))
    }

    /// The label in force at `now` and when, on our clock, its frame began. `None` if we are in no session or the
    /// server does not tell positions and clock.
    pub fn moment(&self, now: Instant) -> Option<LocalMoment> {
        let (session, clock, holdover) = self.shown(now)?;
        session.moment(now, clock, holdover)
    }

    /// When [`display`](Self::display) changes next by itself.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let (session, clock, holdover) = self.shown(now)?;
        session.next_change(now, clock, holdover)
    }

    /// The session of a connection that was lost, as long as it is shown on
    /// ([`flywheel`](crate::config::ClientConfig::flywheel)).
    pub fn flywheel(&self) -> Option<SessionStatus<'_>> {
        self.flywheel.as_ref().map(|flywheel| status_of(&flywheel.session))
    }

    /// Ends a [`flywheel`](Self::flywheel): the session will not be joined again.
    pub fn stop_flywheel(&mut self) {
        self.flywheel = None;
    }

    /// The session that is shown, with the clock it is shown by and for how long without a message.
    fn shown(&self, now: Instant) -> Option<(&Following, Option<&ServerClock>, Duration)> {
        let linked = self.link.as_ref();
        let linked =
            linked.and_then(|link| Some((link.session.as_ref()?, link.clock.as_ref(), self.config.holdover)));
        let flywheel = self.flywheel.as_ref().zip(self.config.flywheel);
        let flywheel = flywheel.map(|(flywheel, span)| (&flywheel.session, Some(&flywheel.clock), span));
        match linked {
            Some((session, clock, span)) if flywheel.is_some() => {
                session.moment(now, clock, span).map_or(flywheel, |_| linked)
            }
            Some(_) => linked,
            None => flywheel,
        }
    }

    /// An error in full words, as the original client puts it: with the rates that there are.
    pub fn explain(&self, error: UsageError) -> Explained<'_> {
        Explained {
            error,
            framerates: self.link.as_ref().map(|link| link.framerates.as_slice()).unwrap_or_default(),
        }
    }

    fn welcomed(&self) -> Result<&Link, UsageError> {
        self.link.as_ref().filter(|link| link.welcomed).ok_or(UsageError::NotConnected)
    }

    fn request(&mut self, extension: Extension, message: &ClientMessage<'_>) -> Result<(), UsageError> {
        self.welcomed()?;
        if !self.offers(extension) {
            return Err(UsageError::NotOffered(extension.name()));
        }
        self.send(message);
        Ok(())
    }

    fn in_session(&mut self, message: &ClientMessage<'_>) -> Result<(), UsageError> {
        if self.status().session.is_none() {
            return Err(self.no_session());
        }
        self.send(message);
        Ok(())
    }

    fn no_session(&self) -> UsageError {
        if self.status().connected { UsageError::NotInSession } else { UsageError::NotConnected }
    }

    fn offers(&self, extension: Extension) -> bool {
        self.status().extensions.contains(extension)
    }

    /// Whether the server is one that knows `hello`, so none of the original's kind.
    fn is_extended(&self) -> bool {
        !self.status().extensions.is_empty()
    }

    /// Asks to join, or, of a server that would destroy it, only says that we are in it.
    pub(super) fn send_join(&mut self, id: &str) {
        match self.status().session.filter(|session| session.id == id && !self.is_extended()) {
            // QUIRK(original): joining one's own session as its only member destroys it
            Some(session) => {
                let event = Event::SessionJoined {
                    id: session.id.into(),
                    framerate: session.framerate.into(),
                    label: session.label,
                    running: session.running,
                };
                self.event(event);
            }
            None => self.send(&ClientMessage::JoinSession { session_id: id.into() }),
        }
    }
}

fn status_of(session: &Following) -> SessionStatus<'_> {
    SessionStatus {
        id: &session.id,
        framerate: &session.framerate,
        role: session.role,
        running: session.running,
        label: session.label,
    }
}

/// A [`UsageError`] in full words; see [`Client::explain`].
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    error: UsageError,
    framerates: &'a [String],
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)?;
        if self.error == UsageError::Framerate {
            f.write_str(". Supported: ")?;
            for (at, name) in self.framerates.iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// A label that looks like one.
fn checked(label: &str) -> Result<&str, UsageError> {
    let looks_right = matches!(label.len(), 11 | 12)
        && label.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            8 => matches!(byte, b':' | b';'),
            _ => byte.is_ascii_digit(),
        });
    if looks_right { Ok(label) } else { Err(UsageError::LabelFormat) }
}

const MIDNIGHT: &str = "00:00:00:00";
const MIDNIGHT_DROP: &str = "00:00:00;00";
