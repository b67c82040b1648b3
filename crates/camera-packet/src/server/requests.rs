//! Port 5001: what the settings are and what they shall be (sheet §4.2, §10).

use machine::ConnId;

use super::Server;
use crate::extension::ExtendedSettings;
use crate::message::Message;

impl Server {
    /// Answers in the order of the requests, at once: a query behind an update sees the new bytes, whatever the
    /// pipeline is doing.
    pub(super) fn settings_message(&mut self, id: ConnId, message: Message<'_>) {
        match message {
            Message::SettingsQuery => {
                let block = self.settings;
                self.reply(id, &Message::SettingsReply(block));
            }
            Message::SettingsUpdate(block) => {
                self.apply_settings(block);
            }
            Message::ExtendedQuery => {
                let live = self.revision == self.live_revision;
                self.reply_extended(id, if live { ExtendedSettings::LIVE } else { 0 });
            }
            Message::ExtendedUpdate(wanted) => match wanted.to_block() {
                Some(block) => {
                    let revision = self.apply_settings(block);
                    if let Some(conn) = self.conns.get_mut(&id) {
                        conn.awaits_live = Some(revision);
                    }
                    self.reply_extended(id, ExtendedSettings::ACCEPTED);
                }
                None => self.reply_extended(id, ExtendedSettings::REFUSED),
            },
            // Not for this port, or not for a server.
            _ => {}
        }
    }

    fn reply_extended(&mut self, id: ConnId, flags: u16) {
        let settings = ExtendedSettings::from_block(self.settings, self.revision, flags);
        self.reply(id, &Message::ExtendedReply(settings));
    }
}
