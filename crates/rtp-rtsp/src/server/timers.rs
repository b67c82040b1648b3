//! What happens when nothing happens.

use core::time::Duration;

use machine::{ConnId, Instant};

use super::{MountId, Server, SessionKey};
use crate::rtsp::StatusCode;

/// A request of the classroom dialect is over when nothing came for this long.
pub(super) const LAB_IDLE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A file's next frame.
    Frame(SessionKey),
    /// What is held is a request of the classroom dialect.
    LabIdle(ConnId),
    /// PLAY has waited long enough for a frame.
    PlayWait(SessionKey),
    /// A publisher stays away.
    Gap(MountId),
    /// A session may have died.
    Session(SessionKey),
    /// A connection may hang.
    Conn(ConnId),
    /// A file may be without readers.
    Unused(MountId),
}

impl Server {
    pub(super) fn run_timers(&mut self, now: Instant) {
        // Each timer once: those that are set anew are later than now.
        while let Some(&(at, timer)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Frame(session) => self.next_frame(now, session),
                Timer::LabIdle(conn) => self.lab_idle(now, conn),
                Timer::PlayWait(session) => self.play_without_frame(now, session),
                Timer::Gap(mount) => self.gap_over(now, mount),
                Timer::Session(session) => self.check_session(now, session),
                Timer::Conn(conn) => self.check_conn(now, conn),
                Timer::Unused(mount) => self.check_unused(now, mount),
            }
        }
    }

    fn check_conn(&mut self, now: Instant, conn: ConnId) {
        let Some(c) = self.conns.get(&conn).filter(|c| !c.closing) else { return };
        let patience = self.config.head_timeout;
        if c.partial_since.is_some_and(|since| now.saturating_since(since) >= patience) {
            self.give_up(now, conn, StatusCode::REQUEST_TIMEOUT);
            return;
        }
        if c.request.is_some() && now.saturating_since(c.last_item) >= patience {
            self.give_up_file(now, conn);
        }
        let Some(c) = self.conns.get(&conn) else { return };
        let idle = now.saturating_since(c.last_item) >= self.config.session_timeout;
        if c.sessions.is_empty() && idle {
            self.close(now, conn);
            return;
        }
        if let Some(c) = self.conns.get_mut(&conn) {
            c.check_at = now + patience;
            self.timers.insert((c.check_at, Timer::Conn(conn)));
        }
    }

    fn check_session(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let timeout = self.config.session_timeout;
        // What travels on the connection lives as long as the connection does.
        let silent = session.needs_signs() && now.saturating_since(session.last_seen) >= timeout;
        if silent {
            let conn = session.conn;
            self.let_go(now, key, conn);
            return;
        }
        let next = if session.needs_signs() { session.last_seen + timeout } else { now + timeout };
        if let Some(session) = self.sessions.get_mut(&key) {
            session.check_at = next;
            self.timers.insert((next, Timer::Session(key)));
        }
    }
}
