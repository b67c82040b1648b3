//! Timelines: who wants what, and what they are told.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use machine::{ConnId, Instant, Keep, Payload};

use super::{Client, Kind, TimelineId, TvServer, TvServerEvent};
use crate::config::{MAX_TIMELINES, MAX_URL};
use crate::message::{ControlTimestamp, PresentationTimestamps, SetupData};
use crate::timeline::{TimelineState, stem_matches};
use crate::{DecodeError, UsageError};

/// How far a TS client is.
#[derive(Debug)]
pub(super) enum TsClientState {
    /// It has not said what it wants.
    Silent,
    /// It has.
    Following {
        setup: SetupData,
        /// What it was told last.
        told: Option<ControlTimestamp>,
    },
}

impl TvServer {
    /// Offers a timeline. Of several with the same selector the oldest counts.
    ///
    /// # Errors
    /// [`UsageError::TooMuch`] beyond 256 timelines, or for a selector of more than 2048 bytes.
    pub fn add_timeline(
        &mut self,
        now: Instant,
        selector: impl Into<String>,
        state: TimelineState,
    ) -> Result<TimelineId, UsageError> {
        let selector = selector.into();
        if self.timelines.len() >= MAX_TIMELINES {
            let limit = u32::try_from(MAX_TIMELINES).unwrap_or(u32::MAX);
            return Err(UsageError::TooMuch { what: "timelines", limit });
        }
        if selector.len() > MAX_URL {
            let limit = u32::try_from(MAX_URL).unwrap_or(u32::MAX);
            return Err(UsageError::TooMuch { what: "bytes of a selector", limit });
        }
        let id = self.timelines.add(selector, state);
        self.update_timelines(now);
        Ok(id)
    }

    /// Says what is known of a timeline now. Whoever follows it is told if that is something else.
    ///
    /// # Errors
    /// [`UsageError::NoSuchTimeline`].
    pub fn set_timeline(
        &mut self,
        now: Instant,
        id: TimelineId,
        state: TimelineState,
    ) -> Result<(), UsageError> {
        let before = self.timelines.set(id, state).ok_or(UsageError::NoSuchTimeline)?;
        if before != state {
            self.update_timelines(now);
        }
        Ok(())
    }

    /// Offers a timeline no longer.
    ///
    /// # Errors
    /// [`UsageError::NoSuchTimeline`].
    pub fn remove_timeline(&mut self, now: Instant, id: TimelineId) -> Result<(), UsageError> {
        if !self.timelines.remove(id) {
            return Err(UsageError::NoSuchTimeline);
        }
        self.update_timelines(now);
        Ok(())
    }

    /// The selectors that clients want now.
    pub fn wanted_timelines(&self) -> impl Iterator<Item = &str> {
        self.timelines.wanted()
    }

    pub(super) fn ts_message(&mut self, conn: ConnId, now: Instant, text: &str) -> Result<(), DecodeError> {
        let Some(Client { kind: Kind::Ts(state), .. }) = self.clients.get_mut(&conn) else { return Ok(()) };
        if let TsClientState::Silent = state {
            let setup = SetupData::parse(text)?;
            *state = TsClientState::Following { setup: setup.clone(), told: None };
            self.plan(conn, None);
            if self.timelines.want(&setup.timeline_selector) {
                let selector = setup.timeline_selector.clone();
                self.event(TvServerEvent::TimelineWanted { selector });
            }
            self.event(TvServerEvent::Setup { conn, setup });
            self.tell(now, [conn]);
            return Ok(());
        }
        match PresentationTimestamps::parse(text) {
            Ok(timestamps) => self.event(TvServerEvent::Presentation { conn, timestamps }),
            // QUIRK(ORB): it may send another Setup-Data, and as in the original the first one stays.
            Err(_) if SetupData::parse(text).is_ok() => self.stats.ignored += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn unwant(&mut self, selector: &str) {
        if self.timelines.unwant(selector) {
            self.event(TvServerEvent::TimelineUnwanted { selector: selector.into() });
        }
    }

    /// Tells every TS client for whom something has changed.
    pub(super) fn update_timelines(&mut self, now: Instant) {
        let all: Vec<ConnId> = self.clients.keys().copied().collect();
        self.tell(now, all);
    }

    fn tell(&mut self, now: Instant, conns: impl IntoIterator<Item = ConnId>) {
        let wall = i128::from(self.wall.at(now));
        // Encoded once for all that are told the same.
        let mut encoded: Option<(ControlTimestamp, Bytes)> = None;
        for conn in conns {
            let Some(Client { kind: Kind::Ts(TsClientState::Following { setup, told }), .. }) =
                self.clients.get_mut(&conn)
            else {
                continue;
            };
            let state = if stem_matches(&setup.content_id_stem, self.cii.known_content_id()) {
                self.timelines.find(&setup.timeline_selector).unwrap_or(TimelineState::Unavailable)
            } else {
                TimelineState::Unavailable
            };
            let timestamp = match state {
                TimelineState::Deferred => continue,
                TimelineState::Unavailable => ControlTimestamp::unavailable(wall),
                TimelineState::At(timestamp) => timestamp,
            };
            if told.is_some_and(|told| told.says_the_same(&timestamp)) {
                continue;
            }
            *told = Some(timestamp);
            let text = match &encoded {
                Some((same, text)) if *same == timestamp => text.clone(),
                _ => {
                    let text = Bytes::from(timestamp.to_json());
                    encoded = Some((timestamp, text.clone()));
                    text
                }
            };
            self.stats.timestamps += 1;
            self.send(conn, Payload::Text(text), Keep::Latest);
        }
    }
}
