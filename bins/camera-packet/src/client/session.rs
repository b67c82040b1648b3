//! A client under the driver, and where its server is.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use camera_packet::client::{Client, DATA, Event, SETTINGS};
use camera_packet::config::ClientConfig;
use driver::{Driver, Events, Limits};
use machine::{Instant, Service};
use tokio::time::timeout_at;

/// A client and its connections.
#[derive(Debug)]
pub struct Session {
    driver: Driver<Client>,
    events: Events<Event>,
    addresses: [SocketAddr; 3],
    settings_stand: bool,
    legacy: bool,
}

impl Session {
    /// A client without connections, for the addresses of telemetry, settings and authentication. To be called within a
    /// tokio runtime.
    pub fn start(config: ClientConfig, addresses: [SocketAddr; 3]) -> Self {
        let legacy = config.legacy_server;
        let (driver, events) = Driver::start(Client::new(config), Limits::default());
        Self { driver, events, addresses, settings_stand: false, legacy }
    }

    /// A local call.
    pub fn call<R>(&self, call: impl FnOnce(&mut Client, Instant) -> R) -> R {
        self.driver.call(call)
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// With one line that names the address.
    pub async fn connect(&mut self, service: Service) -> Result<()> {
        let [data, settings, auth] = self.addresses;
        let to = match service {
            DATA => data,
            SETTINGS => settings,
            _ => auth,
        };
        self.driver.connect_tcp(to, service).await.with_context(|| format!("cannot connect to {to}"))?;
        self.settings_stand |= service == SETTINGS;
        Ok(())
    }

    /// Makes a connection unless there is one: the settings connection is kept for the whole run.
    ///
    /// # Errors
    /// With one line that names the address.
    pub async fn stand(&mut self, service: Service) -> Result<()> {
        if service == SETTINGS && self.settings_stand { Ok(()) } else { self.connect(service).await }
    }

    /// The next event.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn next_event(&mut self) -> Result<Event> {
        let event = self.events.next().await.context("the client has ended")?;
        self.settings_stand &= !matches!(event, Event::Closed(SETTINGS, _) | Event::Reconnect(SETTINGS));
        Ok(event)
    }

    /// The next event, if it comes in time.
    ///
    /// # Errors
    /// When it does not.
    pub async fn next(&mut self, deadline: tokio::time::Instant) -> Result<Event> {
        match timeout_at(deadline, self.next_event()).await {
            Ok(event) => event,
            Err(_) if self.legacy => bail!(
                "the server does not answer; a camera-server takes requests of --legacy-server with \
                 --accept-missing-checksum only"
            ),
            Err(_) => bail!("the server does not answer; it may want a login first"),
        }
    }

    /// Ends all connections.
    pub async fn end(self) {
        self.driver.shutdown(std::time::Duration::from_secs(1)).await;
    }
}
