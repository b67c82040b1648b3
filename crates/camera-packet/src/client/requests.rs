//! Port 5001 as the original server stands it (sheet §4.3): one request under way, each in one piece, silence after an
//! answer and more of it after an update, a query repeated when it was lost.

use alloc::collections::VecDeque;

use bytes::BytesMut;
use machine::Instant;

use super::{Client, Event, SETTINGS};
use crate::dialect::{OldSettings, SettingsForm};
use crate::error::UsageError;
use crate::extension::ExtendedSettings;
use crate::message::Message;
use crate::packet::{self, Kind};
use crate::settings::SettingsBlock;

#[derive(Debug, Default)]
pub(super) struct Requests {
    queue: VecDeque<Request>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Query,
    Update(SettingsBlock),
    UpdateOld(OldSettings),
    ExtendedQuery,
    ExtendedUpdate(ExtendedSettings),
}

impl Request {
    fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::ExtendedQuery)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next request may leave then.
    Quiet { until: Instant },
    /// A query was sent so many times; it is taken for lost then.
    Waiting { query: Request, tries: u32, until: Instant },
}

impl Default for State {
    fn default() -> Self {
        Self::Quiet { until: Instant::default() }
    }
}

impl Requests {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Quiet { until } => (!self.queue.is_empty()).then_some(until),
        }
    }

    /// A fresh connection: nothing is under way on it.
    pub(super) fn connected(&mut self, now: Instant) {
        self.state = State::Quiet { until: now };
    }

    /// What was under way is asked again on the next connection.
    pub(super) fn lost(&mut self) {
        if let State::Waiting { query, .. } = self.state {
            self.queue.push_front(query);
            self.state = State::default();
        }
    }
}

impl Client {
    /// A local call: asks for the settings.
    ///
    /// # Errors
    /// [`UsageError::NotInDialect`], [`UsageError::QueueFull`].
    pub fn query(&mut self, now: Instant) -> Result<(), UsageError> {
        match self.config.dialect.settings() {
            SettingsForm::None => Err(UsageError::NotInDialect),
            _ => self.request(now, Request::Query),
        }
    }

    /// A local call: changes the settings. There is no answer to it; query to see what was applied.
    ///
    /// # Errors
    /// [`UsageError::NotInDialect`], [`UsageError::QueueFull`].
    pub fn update(&mut self, now: Instant, block: SettingsBlock) -> Result<(), UsageError> {
        match self.config.dialect.settings() {
            SettingsForm::Six => self.request(now, Request::Update(block)),
            _ => Err(UsageError::NotInDialect),
        }
    }

    /// A local call: changes the settings of a server of G4.
    ///
    /// # Errors
    /// [`UsageError::NotInDialect`], [`UsageError::QueueFull`].
    pub fn update_old(&mut self, now: Instant, settings: OldSettings) -> Result<(), UsageError> {
        match self.config.dialect.settings() {
            SettingsForm::Old => self.request(now, Request::UpdateOld(settings)),
            _ => Err(UsageError::NotInDialect),
        }
    }

    /// A local call: asks for the settings by the extended form, which only servers of ours answer.
    ///
    /// # Errors
    /// [`UsageError::NotInDialect`], [`UsageError::QueueFull`].
    pub fn query_extended(&mut self, now: Instant) -> Result<(), UsageError> {
        match self.config.dialect.settings() {
            SettingsForm::Six => self.request(now, Request::ExtendedQuery),
            _ => Err(UsageError::NotInDialect),
        }
    }

    /// A local call: changes the settings by the extended form, to be acknowledged twice.
    ///
    /// # Errors
    /// [`UsageError::NotInDialect`], [`UsageError::QueueFull`].
    pub fn update_extended(&mut self, now: Instant, settings: ExtendedSettings) -> Result<(), UsageError> {
        match self.config.dialect.settings() {
            SettingsForm::Six => self.request(now, Request::ExtendedUpdate(settings)),
            _ => Err(UsageError::NotInDialect),
        }
    }

    fn request(&mut self, now: Instant, request: Request) -> Result<(), UsageError> {
        let max = self.config.max_requests;
        if self.requests.queue.len() >= max {
            return Err(UsageError::QueueFull { max });
        }
        self.requests.queue.push_back(request);
        self.next_request(now);
        Ok(())
    }

    /// Sends what may be sent now.
    pub(super) fn next_request(&mut self, now: Instant) {
        while self.settings.is_some()
            && let State::Quiet { until } = self.requests.state
            && until <= now
            && let Some(request) = self.requests.queue.pop_front()
        {
            self.send_request(request);
            self.requests.state = if request.is_query() {
                State::Waiting { query: request, tries: 1, until: now + self.config.query_timeout }
            } else {
                self.event(Event::UpdateSent);
                State::Quiet { until: now + self.config.gap_after_update }
            };
        }
    }

    pub(super) fn settings_reply(&mut self, now: Instant, block: SettingsBlock) {
        let SettingsBlock([a, b, c, d, e, _]) = block;
        self.event(match self.config.dialect.settings() {
            SettingsForm::Old | SettingsForm::OldReadOnly => Event::OldSettings(OldSettings([a, b, c, d, e])),
            SettingsForm::None | SettingsForm::Six => Event::Settings(block),
        });
        if matches!(self.requests.state, State::Waiting { query: Request::Query, .. }) {
            self.answered(now);
        }
    }

    pub(super) fn extended_reply(&mut self, now: Instant, settings: ExtendedSettings) {
        self.event(Event::ExtendedSettings(settings));
        if matches!(self.requests.state, State::Waiting { query: Request::ExtendedQuery, .. }) {
            self.answered(now);
        }
    }

    fn answered(&mut self, now: Instant) {
        self.requests.state = State::Quiet { until: now + self.config.gap_after_reply };
        self.next_request(now);
    }

    pub(super) fn requests_timeout(&mut self, now: Instant) {
        if self.settings.is_none() || self.requests.deadline().is_none_or(|at| at > now) {
            return;
        }
        match self.requests.state {
            State::Waiting { query, tries, .. } if tries < self.config.query_tries => {
                self.send_request(query);
                let until = now + self.config.query_timeout;
                self.requests.state = State::Waiting { query, tries: tries + 1, until };
            }
            State::Waiting { .. } => {
                self.requests.lost();
                self.close(SETTINGS);
                self.event(Event::Reconnect(SETTINGS));
            }
            State::Quiet { .. } => self.next_request(now),
        }
    }

    fn send_request(&mut self, request: Request) {
        let Some(id) = self.settings.as_ref().map(|link| link.id) else { return };
        let message = match request {
            Request::Query => Message::SettingsQuery,
            Request::Update(block) => Message::SettingsUpdate(block),
            Request::ExtendedQuery => Message::ExtendedQuery,
            Request::ExtendedUpdate(settings) => Message::ExtendedUpdate(settings),
            Request::UpdateOld(old) => {
                let mut frame = BytesMut::new();
                // Five bytes fit a frame.
                let _ = packet::encode(Kind::SETTINGS_REQUEST, &old.0, &mut frame);
                return self.send_request_frame(id, frame);
            }
        };
        let mut frame = BytesMut::new();
        // Settings fit a frame.
        let _ = message.encode(&mut frame);
        self.send_request_frame(id, frame);
    }

    fn send_request_frame(&mut self, id: machine::ConnId, mut frame: BytesMut) {
        if self.config.legacy_server {
            // QUIRK(ES_Stream_MTX): it never reads the checksum, which it then takes for the next header's first byte.
            frame.truncate(frame.len().saturating_sub(1));
        }
        self.send_frame(id, frame.freeze());
    }
}
