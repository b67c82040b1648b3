//! Going on with another server when one is lost.

use std::io;
use std::time::Duration;

use driver::Driver;
use machine::{ConnId, Service};
use smpte_timecode::client::{Client, Event};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// The label runs on for so long while no server can be reached.
pub(super) const FLYWHEEL: Duration = Duration::from_secs(60);
/// How long a server may take to greet us and let us in.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts, when all servers have been tried.
const PAUSE: Duration = Duration::from_millis(250);

/// The servers, and where we stand with them.
pub(super) struct Failover {
    servers: Vec<(String, u16)>,
    /// The one that we are connected to, or try.
    at: usize,
    /// The session to be in.
    member_of: Option<String>,
    state: State,
}

enum State {
    Connected,
    /// Nothing happens before.
    Resting {
        until: Instant,
    },
    Connecting {
        attempt: JoinHandle<io::Result<ConnId>>,
        until: Instant,
    },
    /// We have a connection and wait for its greeting.
    Greeted {
        until: Instant,
    },
    /// We wait to be let into the session.
    Asked {
        until: Instant,
    },
}

/// What there is to be said.
pub(super) enum News {
    Trying(String),
    Back(String),
}

impl Failover {
    /// Servers in the order in which they are tried; the first is the one to begin with.
    pub(super) fn new(servers: Vec<(String, u16)>) -> Self {
        Self { servers, at: 0, member_of: None, state: State::Connected }
    }

    /// Whether there is anywhere to go.
    pub(super) fn is_possible(&self) -> bool {
        self.servers.len() > 1
    }

    /// The server that we are at, or try.
    pub(super) fn server(&self) -> &(String, u16) {
        &self.servers[self.at]
    }

    /// The next in the ring.
    pub(super) fn turn(&mut self) {
        self.at = (self.at + 1) % self.servers.len();
    }

    /// Whether a server was lost and none found yet.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Connected)
    }

    /// The connection is lost, or of no use.
    pub(super) fn lost(&mut self) {
        self.turn();
        // The others at once; a pause comes when all have been tried.
        let pause = if self.at == 0 { PAUSE } else { Duration::ZERO };
        self.state = State::Resting { until: Instant::now() + pause };
    }

    /// Remembers which session we are in.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::SessionCreated { id, .. } | Event::SessionJoined { id, .. } => {
                self.member_of = Some(id.clone())
            }
            Event::SessionLeft { .. } => self.member_of = None,
            _ => {}
        }
    }

    /// Takes in what the machine reports.
    pub(super) fn hear(&mut self, driver: &Driver<Client>, event: &Event) -> Option<News> {
        match (&self.state, event) {
            // The last of the greeting; the connection may be told of after it.
            (State::Connecting { .. } | State::Greeted { .. }, Event::Extensions { .. }) => {
                let Some(id) = self.member_of.clone() else { return self.back() };
                match driver.call(|client, _| client.join(&id)) {
                    Ok(()) => self.state = State::Asked { until: Instant::now() + PATIENCE },
                    Err(_) => self.lost(),
                }
                None
            }
            (State::Asked { .. }, Event::SessionJoined { .. }) => self.back(),
            (State::Asked { .. }, Event::ServerError { message }) => {
                if message == "Session not found" {
                    self.member_of = None;
                    driver.call(|client, _| client.stop_flywheel());
                    return self.back();
                }
                // This server may not let us in now; another may.
                self.lost();
                None
            }
            _ => None,
        }
    }

    fn back(&mut self) -> Option<News> {
        self.state = State::Connected;
        Some(News::Back(self.name()))
    }

    fn name(&self) -> String {
        let (host, port) = self.server();
        format!("{host}:{port}")
    }

    /// Waits for what is next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, driver: &Driver<Client>) -> Option<News> {
        match &mut self.state {
            State::Connected => std::future::pending().await,
            State::Resting { until } => {
                sleep_until(*until).await;
                let (driver, server) = (driver.clone(), self.server().clone());
                let attempt = tokio::spawn(async move {
                    let connecting = driver.connect_tcp((server.0.as_str(), server.1), Service(0));
                    timeout(PATIENCE, connecting)
                        .await
                        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                });
                self.state = State::Connecting { attempt, until: Instant::now() + 2 * PATIENCE };
                Some(News::Trying(self.name()))
            }
            State::Connecting { attempt, until } => {
                let until = *until;
                match attempt.await {
                    Ok(Ok(_)) => self.state = State::Greeted { until },
                    _ => self.lost(),
                }
                None
            }
            State::Greeted { until } | State::Asked { until } => {
                sleep_until(*until).await;
                self.lost();
                None
            }
        }
    }
}

/// Reads `HOST` or `HOST:PORT`, with `[…]` around an IPv6 address that has a port.
///
/// # Errors
/// When the port is none.
pub fn server_address(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, port),
        _ => (text, "8080"),
    };
    let port = port.parse().ok().filter(|port| *port > 0);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port {
        Some(port) if !host.is_empty() => Ok((host.into(), port)),
        _ => Err("write HOST or HOST:PORT, with a port from 1 to 65535".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::server_address;

    #[test]
    fn servers_are_hosts_with_or_without_a_port() {
        for (text, host, port) in [
            ("a", "a", 8080),
            ("a:9", "a", 9),
            ("[::1]:9000", "::1", 9000),
            ("::1", "::1", 8080),
            ("10.0.0.1:8081", "10.0.0.1", 8081),
        ] {
            assert_eq!(server_address(text), Ok((host.into(), port)), "{text}");
        }
        for wrong in ["", ":80", "a:0", "a:65536", "a:x"] {
            assert!(server_address(wrong).is_err(), "{wrong}");
        }
    }
}
