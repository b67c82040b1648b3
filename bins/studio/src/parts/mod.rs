//! The studio's parts. A part is a server that the studio runs, and the panel that shows it: one file here, its panel
//! beside the page in `web/`, and one line in [`start`].

mod smpte;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use anyhow::Result;
use axum::Router;
use serde_json::{Map, Value};

/// Starts every part; `page` is where the page is served.
pub(crate) async fn start(page: SocketAddr) -> Result<Vec<Box<dyn Part>>> {
    Ok(vec![Box::new(smpte::Smpte::start(page).await?)])
}

/// One listener of a part, as the page lists it.
pub(crate) struct Service {
    /// The part.
    pub(crate) name: &'static str,
    /// What is spoken there.
    pub(crate) role: &'static str,
    /// Where.
    pub(crate) address: SocketAddr,
    /// How it is, in a few words.
    pub(crate) state: String,
}

/// A server that the studio runs, and its panel.
pub(crate) trait Part: Send + Sync {
    /// Short name, unique, in addresses.
    fn name(&self) -> &'static str;
    /// Heading of its panel.
    fn title(&self) -> &'static str;
    /// Its panel: a JavaScript module with `export function mount(element, studio)`.
    fn panel(&self) -> &'static str;
    /// Its listeners.
    fn services(&self) -> Vec<Service>;
    /// What to try from a terminal, a line each.
    fn hints(&self) -> Vec<String>;
    /// Adds what its panel shows to the answer of `/api/state`.
    fn state(&self, state: &mut Map<String, Value>);
    /// Its own paths on the page's port.
    fn routes(&self) -> Router;
    /// Ends it in good order.
    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
