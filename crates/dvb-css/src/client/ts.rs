//! The timeline client (sheet §4.4).
//!
//! ```text
//! Opened ── 20 ms ──▶ Setup-Data sent ── Control Timestamp ──▶ following ── Closed ──▶ none
//! ```
//!
//! It keeps the timeline as a straight line on the wall clock; what the wall clock reads it is told by whoever asks.

use alloc::collections::VecDeque;

use machine::{CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Output, Payload, Peer};

use crate::clock::{Correlation, Linear};
use crate::config::TsClientConfig;
use crate::message::{ControlTimestamp, Limit, PresentationTimestamp, PresentationTimestamps};
use crate::{DecodeError, Ratio, UsageError};

/// The timeline client. See the [module](self).
#[derive(Debug)]
pub struct TsClient {
    config: TsClientConfig,
    link: Option<Link>,
    line: Linear,
    is_available: bool,
    out: VecDeque<Output<TsClientEvent>>,
}

#[derive(Debug)]
struct Link {
    conn: ConnId,
    /// When Setup-Data is due; `None`: it is sent.
    setup_due: Option<Instant>,
    /// A Control Timestamp has come, which it may before anything was asked.
    told: bool,
}

/// What a timeline client reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TsClientEvent {
    /// The connection stands.
    Connected,
    /// A Control Timestamp came. Followed by what has changed by it.
    Received(ControlTimestamp),
    /// The timeline stands elsewhere than before, by more than the threshold, or runs at another speed.
    TimingChanged,
    /// The timeline can be followed from now on.
    Available,
    /// The timeline cannot be followed any more.
    Unavailable,
    /// A message came that cannot be understood.
    Unreadable(DecodeError),
    /// The connection is gone.
    Disconnected {
        /// How.
        reason: CloseReason,
        /// Whether that was before anything was told: then it is worth trying again (sheet §5).
        told_nothing: bool,
    },
}

impl TsClient {
    /// Without a connection.
    pub fn new(config: TsClientConfig) -> Self {
        let line = Linear {
            parent_rate: Ratio::from(1_000_000_000),
            rate: config.tick_rate,
            correlation: Correlation::default(),
            speed: Ratio::ZERO,
        };
        Self { config, link: None, line, is_available: false, out: VecDeque::new() }
    }

    /// Whether the timeline can be followed.
    pub const fn is_available(&self) -> bool {
        self.is_available
    }

    /// The timeline as a line from the wall clock; `None` while it is not available.
    pub fn line(&self) -> Option<&Linear> {
        self.is_available.then_some(&self.line)
    }

    /// Where the timeline is when the wall clock reads so many nanoseconds, in ticks.
    pub fn ticks_at(&self, wall_ns: i64) -> Option<Ratio> {
        self.line().map(|line| line.ticks_at(Ratio::from(wall_ns)))
    }

    /// Tells the server what is shown, and what could be.
    ///
    /// # Errors
    /// [`UsageError::NotConnected`] before Setup-Data is sent.
    pub fn send_presentation(&mut self, timestamps: &PresentationTimestamps) -> Result<(), UsageError> {
        match &self.link {
            Some(Link { conn, setup_due: None, .. }) => {
                let data = Payload::Text(timestamps.to_json().into());
                self.out.push_back(Output::Send { to: *conn, data, keep: Keep::Always });
                Ok(())
            }
            _ => Err(UsageError::NotConnected),
        }
    }

    /// Tells the server that the timeline is shown as it is followed, when the wall clock reads `wall_ns`, and that the
    /// client could show it at any time.
    ///
    /// # Errors
    /// [`UsageError::NotConnected`], [`UsageError::NotAvailable`].
    pub fn send_position(&mut self, wall_ns: i64) -> Result<(), UsageError> {
        let content_time = self.ticks_at(wall_ns).ok_or(UsageError::NotAvailable)?.round();
        let at = |wall_clock_time| PresentationTimestamp { content_time, wall_clock_time };
        self.send_presentation(&PresentationTimestamps {
            actual: Some(at(Limit::At(i128::from(wall_ns)))),
            earliest: at(Limit::MinusInfinity),
            latest: at(Limit::PlusInfinity),
        })
    }

    /// Ends the connection.
    pub fn disconnect(&mut self) {
        if let Some(conn) = self.link.as_ref().map(|link| link.conn) {
            self.out.push_back(Output::Close { conn, how: Closing::Code(GOING_AWAY) });
            self.gone(CloseReason::Local);
        }
    }

    fn gone(&mut self, reason: CloseReason) {
        let Some(link) = self.link.take() else { return };
        if core::mem::replace(&mut self.is_available, false) {
            self.event(TsClientEvent::Unavailable);
        }
        let told_nothing = !link.told;
        self.event(TsClientEvent::Disconnected { reason, told_nothing });
    }

    fn text(&mut self, text: &str) {
        // QUIRK(CCMA): an App2App link says so when both ends are there.
        if text == "pairingcompleted" {
            return;
        }
        let timestamp = match ControlTimestamp::parse(text) {
            Ok(timestamp) => timestamp,
            Err(error) => return self.event(TsClientEvent::Unreadable(error)),
        };
        if let Some(link) = &mut self.link {
            link.told = true;
        }
        self.event(TsClientEvent::Received(timestamp));
        let was_available = core::mem::replace(&mut self.is_available, timestamp.timeline.is_some());
        if let Some(moment) = timestamp.timeline {
            let correlation = Correlation::new(timestamp.wall_clock_time, moment.content_time);
            let threshold = i128::try_from(self.config.threshold.as_nanos()).unwrap_or(i128::MAX);
            let threshold = Ratio::new(threshold, 1_000_000_000);
            // The first one counts whatever it says.
            let change = self.line.change(&correlation, moment.speed);
            if change.exceeds(threshold) || (!was_available && self.line.correlation != correlation) {
                self.line = Linear { correlation, speed: moment.speed, ..self.line };
                self.event(TsClientEvent::TimingChanged);
            }
        }
        match (was_available, self.is_available) {
            (false, true) => self.event(TsClientEvent::Available),
            (true, false) => self.event(TsClientEvent::Unavailable),
            _ => {}
        }
    }

    fn event(&mut self, event: TsClientEvent) {
        self.out.push_back(Output::Event(event));
    }
}

impl Machine for TsClient {
    type Event = TsClientEvent;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        let Peer::Conn(conn) = from else { return };
        let ours = self.link.as_ref().is_some_and(|link| link.conn == conn);
        match input {
            Input::Opened(_) => {
                self.disconnect();
                self.link = Some(Link { conn, setup_due: Some(now + self.config.setup_delay), told: false });
                self.event(TsClientEvent::Connected);
                self.handle_timeout(now);
            }
            Input::Closed(reason) if ours => self.gone(reason),
            Input::Text(text) if ours => self.text(text),
            Input::Binary(data) if ours => match core::str::from_utf8(data) {
                Ok(text) => self.text(text),
                Err(_) => self.event(TsClientEvent::Unreadable(DecodeError::Syntax { offset: 0 })),
            },
            Input::Bytes(buffer) | Input::End(buffer) => buffer.clear(),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        if link.setup_due.is_some_and(|due| due <= now) {
            link.setup_due = None;
            let data = Payload::Text(self.config.setup.to_json().into());
            self.out.push_back(Output::Send { to: link.conn, data, keep: Keep::Always });
        }
    }

    fn poll_output(&mut self) -> Option<Output<TsClientEvent>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.as_ref()?.setup_due
    }
}

/// What the original's clients close with.
const GOING_AWAY: u16 = 1001;
