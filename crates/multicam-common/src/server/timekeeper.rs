//! The device's clock: what it believes, and what it asks.

use core::net::SocketAddr;
use core::time::Duration;

use machine::Instant;

use crate::UnixTime;
use crate::config::{ClockSource, DeviceConfig};
use crate::message::SchedulesOn;
use crate::ntp::{ClockEstimate, NtpClient, NtpConfig, Query};

/// Where the time comes from at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockKind {
    /// An NTP server.
    Ntp,
    /// A controller's time service.
    Controller,
    /// The system.
    System,
}

impl ClockKind {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ntp => "ntp",
            Self::Controller => "controller",
            Self::System => "system",
        }
    }
}

#[derive(Debug)]
pub(super) struct Timekeeper {
    source: ClockSource,
    limit_ns: u64,
    seed: [u8; 32],
    /// System's Unix time minus local time, in nanoseconds.
    wall: i64,
    ntp: Option<NtpClient>,
    controller: Option<NtpClient>,
    /// What was believed when it was last looked at.
    believed: ClockKind,
}

impl Timekeeper {
    pub(super) fn new(config: &DeviceConfig) -> Self {
        Self {
            source: config.clock,
            limit_ns: u64::try_from(config.sync_limit.as_nanos()).unwrap_or(u64::MAX),
            seed: config.rng_seed,
            wall: 0,
            ntp: None,
            controller: None,
            believed: ClockKind::System,
        }
    }

    pub(super) fn set_wall(&mut self, now: Instant, unix_ns: i64) {
        self.wall = unix_ns.saturating_sub(local_ns(now));
    }

    pub(super) fn set_ntp_server(&mut self, now: Instant, server: SocketAddr) {
        if !matches!(self.source, ClockSource::Auto | ClockSource::Ntp) {
            return;
        }
        match &mut self.ntp {
            Some(client) => client.ask_another(server, now),
            None => self.ntp = Some(NtpClient::new(NtpConfig::new(self.seed), server, now)),
        }
    }

    /// A controller serves time there. Whoever offered it first is asked until it falls silent.
    pub(super) fn offer(&mut self, now: Instant, server: SocketAddr) {
        if !matches!(self.source, ClockSource::Auto | ClockSource::Controller) {
            return;
        }
        let usable = self.usable(self.controller.as_ref(), now).is_some();
        match &mut self.controller {
            Some(client) if client.server() == server || usable => {}
            Some(client) => client.ask_another(server, now),
            None => {
                let mut seed = self.seed;
                seed.reverse();
                let mut config = NtpConfig::new(seed).with_burst_interval(Duration::from_millis(40));
                config.max_interval = Duration::from_secs(16);
                self.controller = Some(NtpClient::new(config, server, now));
            }
        }
    }

    /// The system's clock.
    pub(super) fn raw(&self, now: Instant) -> UnixTime {
        UnixTime::from_nanos(local_ns(now).saturating_add(self.wall))
    }

    /// Synchronised time.
    pub(super) fn unix(&self, now: Instant) -> UnixTime {
        self.estimate(now).map_or_else(|| self.raw(now), |(_, e)| e.unix(now))
    }

    /// The local instant of a synchronised time.
    pub(super) fn local(&self, now: Instant, unix: UnixTime) -> Instant {
        self.estimate(now).map_or_else(|| self.raw_local(unix), |(_, e)| e.local(unix))
    }

    /// The local instant of a time on the system's clock.
    pub(super) fn raw_local(&self, unix: UnixTime) -> Instant {
        Instant::from_nanos(u64::try_from(unix.as_nanos().saturating_sub(self.wall)).unwrap_or(0))
    }

    /// On which clock a start without further words is planned, `None` if none is good enough.
    pub(super) fn schedules_on(&self, now: Instant) -> Option<SchedulesOn> {
        match (self.estimate(now), self.source) {
            (Some(_), _) => Some(SchedulesOn::Synced),
            (None, ClockSource::System | ClockSource::Auto) => Some(SchedulesOn::Raw),
            (None, ClockSource::Ntp | ClockSource::Controller) => None,
        }
    }

    /// Source, synchronised minus the system's time, and the bound of its error.
    pub(super) fn report(&self, now: Instant) -> (ClockKind, i64, Option<u64>) {
        match self.estimate(now) {
            Some((kind, e)) => (kind, e.unix(now).nanos_since(self.raw(now)), Some(e.error(now))),
            None => (ClockKind::System, 0, None),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [&self.ntp, &self.controller].into_iter().flatten().filter_map(NtpClient::poll_timeout).min()
    }

    /// The next question that is due, with a tag that tells whose it is.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(Query, u64)> {
        let of = |client: &mut Option<NtpClient>, which: u64| {
            let query = client.as_mut()?.poll(now)?;
            Some((query, query.tag << 1 | which))
        };
        of(&mut self.ntp, 0).or_else(|| of(&mut self.controller, 1))
    }

    pub(super) fn sent(&mut self, tag: u64, left: Instant) {
        let client = if tag & 1 == 0 { &mut self.ntp } else { &mut self.controller };
        if let Some(client) = client {
            client.sent(tag >> 1, left);
        }
    }

    /// Takes an answer in; true: the clock may have moved.
    pub(super) fn handle(&mut self, received: Instant, from: SocketAddr, data: &[u8]) -> bool {
        let clients = [&mut self.ntp, &mut self.controller].into_iter().flatten();
        clients.filter(|c| c.server() == from).any(|c| c.handle(received, from, data).is_ok())
    }

    /// Whether the source has changed since this was last asked, without an answer having come.
    pub(super) fn lapsed(&mut self, now: Instant) -> bool {
        let (kind, ..) = self.report(now);
        core::mem::replace(&mut self.believed, kind) != kind
    }

    fn estimate(&self, now: Instant) -> Option<(ClockKind, ClockEstimate)> {
        let ntp = self.usable(self.ntp.as_ref(), now).map(|e| (ClockKind::Ntp, e));
        ntp.or_else(|| self.usable(self.controller.as_ref(), now).map(|e| (ClockKind::Controller, e)))
    }

    fn usable(&self, client: Option<&NtpClient>, now: Instant) -> Option<ClockEstimate> {
        client?.estimate(now).filter(|e| e.error(now) <= self.limit_ns)
    }
}

fn local_ns(at: Instant) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}
