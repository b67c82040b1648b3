//! A session server as one of several: the node of `smpte-timecode` on an engine.

#[cfg(feature = "cluster")]
mod args;
mod entry;
mod local;
#[cfg(feature = "cluster")]
mod nats;

use std::future::Future;

use driver::Events;
use smpte_timecode::server::{ClusterEvent, Event, ServerCalls};
use smpte_timecode::session::replicated::{Command, Health, Heard, NodeName};
use tokio::sync::{mpsc, oneshot, watch};

#[cfg(feature = "cluster")]
pub use self::args::ClusterArgs;
pub use self::entry::SharedEntry;
pub use self::local::LocalEngine;
#[cfg(feature = "cluster")]
pub use self::nats::{Credentials, Nats, Options};

use crate::serve::TimecodeServer;

/// The way to an engine: a key-value store with compare-and-set and a watch, and messages between nodes. One
/// connection of one node, which comes and goes.
pub trait Backplane: Send + 'static {
    /// Does what comes through `commands` and tells what the engine says, until either end is closed. Every
    /// [`Command::Write`] and [`Command::Delete`] is answered, unless the connection is lost; those to one key are done
    /// in their order.
    fn run(
        self,
        node: NodeName,
        commands: mpsc::Receiver<Command>,
        heard: mpsc::Sender<Heard>,
    ) -> impl Future<Output = ()> + Send;
}

/// What a program can see of a server's part in its cluster.
#[derive(Debug)]
pub struct Joined {
    /// Told when it serves the cluster for the first time.
    pub serves: oneshot::Receiver<()>,
    /// Marked whenever the server has heard something of the engine.
    pub heard: watch::Receiver<()>,
}

/// Joins a server to its cluster. It is to be a server with
/// [`ServerConfig::cluster`](smpte_timecode::config::ServerConfig::cluster).
pub fn join(server: &TimecodeServer, mut events: Events<Event>, backplane: impl Backplane) -> Joined {
    let (tell_engine, commands) = mpsc::channel(QUEUE);
    let (tell_server, mut from_engine) = mpsc::channel(QUEUE);
    let (serves, ready) = oneshot::channel();
    let (mark, marked) = watch::channel(());
    let joined = Joined { serves: ready, heard: marked };
    let mut serves = Some(serves);
    let Some(name) = server.call(|machine, _| machine.node().map(|node| node.name())) else { return joined };
    tokio::spawn(backplane.run(name, commands, tell_server));
    let listener = server.clone();
    tokio::spawn(async move {
        while let Some(heard) = from_engine.recv().await {
            listener.call(|machine, now| machine.hear(now, heard));
            mark.send_replace(());
        }
    });
    let stopped = server.stopped();
    tokio::spawn(async move {
        tokio::pin!(stopped);
        loop {
            // A server that ends leaves its sessions to its lease, so that its members can go on elsewhere.
            let event = tokio::select! {
                biased;
                () = &mut stopped => return,
                event = events.next() => event,
            };
            match event {
                None => return,
                Some(Event::Engine(command)) => {
                    if tell_engine.send(command).await.is_err() {
                        return;
                    }
                }
                Some(Event::Cluster(event)) => {
                    if event == ClusterEvent::Health(Health::Serving)
                        && let Some(serves) = serves.take()
                    {
                        // Nobody may wait for it.
                        let _ = serves.send(());
                    }
                    log(&event);
                }
                Some(_) => {}
            }
        }
    });
    joined
}

fn log(event: &ClusterEvent) {
    match event {
        ClusterEvent::Health(Health::Serving) => tracing::info!("serving the sessions of the cluster"),
        ClusterEvent::Health(Health::Away) => {
            tracing::warn!("the engine of the cluster is away: sessions go on, changes are refused");
        }
        ClusterEvent::Health(Health::ClockOff { offset_ns }) => {
            let ms = *offset_ns as f64 / 1e6;
            tracing::error!(
                "the clock of this machine is {ms:.1} ms ahead of the cluster's: changes are refused"
            );
        }
        ClusterEvent::Health(Health::Duplicate) => {
            tracing::error!("another server has the node id of this one: changes are refused");
        }
        ClusterEvent::Health(health) => tracing::debug!(?health, "joining the cluster"),
        ClusterEvent::NodeFound(name) => tracing::info!(%name, "a server of the cluster is there"),
        ClusterEvent::NodeLost(name) => tracing::warn!(%name, "a server of the cluster is dead"),
        ClusterEvent::Garbage { key, error } => {
            tracing::error!(key, "an entry of the cluster's store is passed over: {error}");
        }
        event => tracing::info!(?event, "cluster"),
    }
}

/// What may wait on the way to the engine, and from it.
const QUEUE: usize = 1024;
