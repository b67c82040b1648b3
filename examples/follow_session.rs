//! cargo run --example follow_session -- localhost:8082
//!
//! A client that joins a session and says each label as it comes. Any server of this protocol will do; the beginning of
//! the session's id is enough, and a server with one session needs none.

use anyhow::{Context, Result, bail};
use clap::Parser;
use driver::{Driver, Limits, shutdown};
use machine::Service;
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::message::TimecodeKind;

/// Follow a timecode session
#[derive(Parser)]
struct Options {
    /// The server
    #[arg(default_value = "localhost:8080")]
    server: String,
    /// The session's id, or its beginning
    #[arg(default_value = "")]
    session: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { server, session } = Options::parse();
    let stop = shutdown::on_signals();

    let (client, mut events) = Driver::start(Client::new(ClientConfig::new()), Limits::default());
    client.connect_tcp(&server, Service(0)).await.with_context(|| format!("cannot connect to {server}"))?;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = events.next() => event,
        };
        match event {
            // The server has said welcome and what it can do: whether it can tell us its sessions, above all.
            Some(Event::Extensions { .. }) => client.call(|machine, _| machine.join(&session))?,
            Some(Event::SessionJoined { id, framerate, label, running }) => {
                println!("following {id} at {framerate}");
                println!("{label}{}", if running { "" } else { " (at rest)" });
            }
            Some(Event::Timecode { kind, label, .. }) => match kind {
                TimecodeKind::Update => println!("{label}"),
                TimecodeKind::Started => println!("{label} (started)"),
                TimecodeKind::Stopped => println!("{label} (stopped)"),
                TimecodeKind::Reset => println!("{label} (reset)"),
            },
            Some(Event::Refused(error)) => bail!("{error}"),
            Some(Event::ServerError { message }) => bail!("{server} says: {message}"),
            Some(Event::Disconnected(reason)) => bail!("{server} is gone: {reason:?}"),
            Some(_) => {}
            None => break,
        }
    }
    client.shutdown(shutdown::GRACE).await;
    Ok(())
}
