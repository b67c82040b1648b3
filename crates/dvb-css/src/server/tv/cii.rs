//! Content identification: publishing a state and its changes.

use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use machine::{ConnId, Instant, Keep, Payload};

use super::{CATCH_UP, Kind, TvServer};
use crate::UsageError;
use crate::config::{MAX_MESSAGE, MAX_TIMELINES, MAX_URL};
use crate::message::{CiiMessage, Field};

impl TvServer {
    /// The state that is published.
    pub const fn cii(&self) -> &CiiMessage {
        &self.cii
    }

    /// Publishes a state: every client is told what has changed, and nothing if nothing has. Timelines are re-evaluated
    /// if the content identifier is another one.
    ///
    /// # Errors
    /// [`UsageError::TooMuch`] beyond the limits of [`config`](crate::config), [`UsageError::Value`] for a presentation
    /// status that is none. Nothing is published then.
    pub fn set_cii(&mut self, now: Instant, cii: CiiMessage) -> Result<(), UsageError> {
        check(&cii)?;
        let changes = cii.changes_since(&self.cii);
        let new_content = cii.content_id != self.cii.content_id;
        self.cii = cii;
        if !changes.is_empty() {
            self.publish(&changes);
        }
        if new_content {
            self.update_timelines(now);
        }
        Ok(())
    }

    /// Changes some properties of the state, as [`set_cii`](Self::set_cii).
    ///
    /// # Errors
    /// As there.
    pub fn update_cii(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut CiiMessage),
    ) -> Result<(), UsageError> {
        let mut cii = self.cii.clone();
        change(&mut cii);
        self.set_cii(now, cii)
    }

    /// Sends every client the whole state again, which is allowed at any time; or, if not `full`, an empty message.
    pub fn push_cii(&mut self, full: bool) {
        let message = if full { self.whole() } else { CiiMessage::default() };
        self.publish(&message);
    }

    /// All that is known. QUIRK(dvbcss-protocols): it takes a message without timelines for one with none.
    fn whole(&self) -> CiiMessage {
        self.with_timelines(self.cii.clone())
    }

    fn with_timelines(&self, mut message: CiiMessage) -> CiiMessage {
        if self.config.always_timelines && !self.cii.timelines.is_absent() {
            message.timelines = self.cii.timelines.clone();
        }
        message
    }

    fn publish(&mut self, message: &CiiMessage) {
        let message = if message.is_empty() { message.clone() } else { self.with_timelines(message.clone()) };
        let depends = message.depends_on_address();
        // Encoded once for all that have connected to the same address.
        let mut encoded: Option<(SocketAddr, Bytes)> = None;
        let up_to_date = self.clients.iter().filter(|(_, client)| matches!(client.kind, Kind::CiiUpToDate));
        let clients: Vec<(ConnId, SocketAddr)> = up_to_date.map(|(conn, c)| (*conn, c.local)).collect();
        for (conn, local) in clients {
            let text = match &encoded {
                Some((address, text)) if !depends || *address == local => text.clone(),
                _ => {
                    let text = Bytes::from(message.for_address(local).to_json());
                    encoded = Some((local, text.clone()));
                    text
                }
            };
            self.stats.cii_messages += 1;
            self.send(conn, Payload::Text(text), Keep::IfRoom);
        }
    }

    /// Tells a client everything.
    pub(super) fn tell_all(&mut self, conn: ConnId) {
        let whole = self.whole();
        let Some(client) = self.clients.get_mut(&conn) else { return };
        client.kind = Kind::CiiUpToDate;
        let text = whole.for_address(client.local).to_json();
        self.stats.cii_messages += 1;
        self.send(conn, Payload::Text(text.into()), Keep::IfRoom);
    }

    /// A client does not take what it is sent.
    pub(super) fn fell_behind(&mut self, now: Instant, conn: ConnId) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        if matches!(client.kind, Kind::CiiUpToDate | Kind::CiiBehind) {
            client.kind = Kind::CiiBehind;
            self.plan(conn, Some(now + CATCH_UP));
        }
    }
}

fn check(cii: &CiiMessage) -> Result<(), UsageError> {
    let limit = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let urls = [&cii.mrs_url, &cii.content_id, &cii.wc_url, &cii.ts_url, &cii.te_url];
    if urls.into_iter().filter_map(Field::value).any(|url| url.len() > MAX_URL) {
        return Err(UsageError::TooMuch { what: "bytes of a URL", limit: limit(MAX_URL) });
    }
    if cii.timelines.value().is_some_and(|all| all.len() > MAX_TIMELINES) {
        return Err(UsageError::TooMuch { what: "timelines", limit: limit(MAX_TIMELINES) });
    }
    if let Some(terms) = cii.presentation_status.value()
        && (terms.is_empty() || terms.iter().any(|term| term.is_empty() || term.contains(' ')))
    {
        return Err(UsageError::Value { what: "presentationStatus" });
    }
    // with room for what is put in for {{host}} and {{port}}
    if cii.to_json().len() > MAX_MESSAGE - 1024 {
        return Err(UsageError::TooMuch { what: "bytes of a message", limit: limit(MAX_MESSAGE - 1024) });
    }
    Ok(())
}
