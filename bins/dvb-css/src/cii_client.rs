//! A CII client on a socket, and what `cii-client` tells of it.

use driver::{ConnectError, Driver, Events, Limits};
use dvb_css::client::{CiiClient, CiiClientEvent};
use dvb_css::message::CiiMessage;
use dvb_css::server::CII;

use crate::options::say;

/// A running CII client.
pub type Identification = Driver<CiiClient>;

/// Connects to a server.
///
/// # Errors
/// When there is none.
pub async fn connect(url: &str) -> Result<(Identification, Events<CiiClientEvent>), ConnectError> {
    let (client, events) = Driver::start(CiiClient::new(), Limits::default());
    client.connect_ws(url, CII).await?;
    Ok((client, events))
}

/// Tells what comes until the connection ends: as JSON lines, or as the original's log.
///
/// # Errors
/// When standard output is closed.
pub async fn tell(mut events: Events<CiiClientEvent>, json: bool) -> anyhow::Result<()> {
    // As it was after each message: the client's own may have gone on when that is told.
    let mut state = CiiMessage::default();
    while let Some(event) = events.next().await {
        match event {
            CiiClientEvent::Connected => {
                state = CiiMessage::default();
                tracing::info!(target: LOGGER, "connected");
            }
            CiiClientEvent::Received { message, .. } => {
                let changed = state.apply(&message);
                for property in &changed {
                    let value = state.describe(*property).unwrap_or_else(|| "None".into());
                    tracing::info!(target: LOGGER, "change to {property} property. Value is now: {value}");
                }
                if !changed.is_empty() {
                    tracing::info!(target: LOGGER, "CII is now: {}", state.to_json());
                }
                if json {
                    let names: Vec<_> = changed.iter().map(|property| property.name()).collect();
                    say(with_changed(&state, &names))?;
                }
            }
            CiiClientEvent::Unreadable(error) => {
                tracing::warn!(target: LOGGER, "Protocol error: {error}. Continuing anyway.");
            }
            CiiClientEvent::Disconnected(_) => {
                tracing::info!(target: LOGGER, "disconnected");
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

fn with_changed(state: &CiiMessage, changed: &[&str]) -> serde_json::Value {
    let mut object: serde_json::Value = serde_json::from_str(&state.to_json()).unwrap_or_default();
    object["changed"] = changed.into();
    object
}

const LOGGER: &str = "CIIClient";
