//! The studio's parts. A part is a server that the studio runs, and the panel that shows it: one file here, its panel
//! beside the page in `web/`, and one line in [`ALL`].

pub(crate) mod camera;
mod dvb;
mod multicam;
mod rtsp;
mod smpte;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use serde_json::{Map, Value};

use crate::ground::Ground;

/// Every part there is, in the order in which they start and stand on the page: a later one may use what an earlier
/// one shares.
const ALL: &[(&str, Start)] = &[
    ("smpte", |ground| starting(smpte::Smpte::start(ground))),
    ("rtsp", |ground| starting(rtsp::Rtsp::start(ground))),
    ("camera", |ground| starting(camera::Camera::start(ground))),
    ("multicam", |ground| starting(multicam::Multicam::start(ground))),
    ("dvb", |ground| starting(dvb::Dvb::start(ground))),
];

type Start = fn(Arc<Ground>) -> Starting;
type Starting = Pin<Box<dyn Future<Output = Result<Box<dyn Part>>> + Send>>;

/// The names of all parts.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// What was started, and what could not be.
pub(crate) struct Parts {
    pub(crate) running: Vec<Box<dyn Part>>,
    /// Name and reason.
    pub(crate) failed: Vec<(&'static str, String)>,
}

/// Starts every part that is wanted. One that cannot start does not keep the others from it.
pub(crate) async fn start(ground: &Arc<Ground>) -> Parts {
    let mut parts = Parts { running: Vec::new(), failed: Vec::new() };
    for (name, start) in ALL {
        if !ground.wants(name) {
            continue;
        }
        match start(ground.clone()).await {
            Ok(part) => parts.running.push(part),
            Err(error) => {
                let reason = format!("{error:#}");
                ground.log.bad(name, format!("not running: {reason}"));
                parts.failed.push((name, reason));
            }
        }
    }
    parts
}

fn starting<P: Part + 'static>(part: impl Future<Output = Result<P>> + Send + 'static) -> Starting {
    Box::pin(async { Ok(Box::new(part.await?) as Box<dyn Part>) })
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
    /// What whoever reaches its ports may do without proof of who they are; said before `--lan` opens them.
    fn exposes(&self) -> &'static str;
    /// Adds what its panel shows to the answer of `/api/state`.
    fn state(&self, state: &mut Map<String, Value>);
    /// Its own paths on the page's port.
    fn routes(&self) -> Router;
    /// Ends it in good order.
    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
