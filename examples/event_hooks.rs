//! cargo run --example event_hooks
//!
//! A server with behaviour of its own: the program is told what happens and acts on it. Here a session runs while two
//! or more follow it and rests otherwise, and administrators (the standard output) are told of each new session.

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{Event, ServerCalls};

/// Hold timecode sessions that run while at least two follow them
#[derive(Parser)]
struct Options {
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8089)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", options.port)?).await?;
    let address = listener.local_addr()?;
    let (server, mut events) = serve::start(ServerConfig::new(driver::seed()));
    serve::serve_tcp(&server, listener);
    cli::announce(address, "tcp");

    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = events.next() => event,
        };
        match event {
            Some(Event::SessionCreated { id, label, .. }) => println!("new session {id} at {label}"),
            Some(Event::SessionJoined { id, .. } | Event::SessionLeft { id, .. }) => attend(&server, id),
            Some(Event::SessionRemoved { id, uptime, .. }) => {
                println!("session {id} is over after {:.3} s", uptime.as_secs_f64());
            }
            Some(_) => {}
            None => break,
        }
    }
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}

/// Starts or stops a session by the number of its members.
fn attend(server: &TimecodeServer, id: SessionId) {
    let outcome = server.call(|machine, now| {
        let session = machine.session(now, id)?;
        let (wanted, running) = (session.client_count >= 2, session.running);
        let done = match (wanted, running) {
            (true, false) => machine.start(now, id),
            (false, true) => machine.stop(now, id),
            _ => return None,
        };
        Some(done.map(|()| wanted))
    });
    match outcome {
        Some(Ok(true)) => println!("started {id}"),
        Some(Ok(false)) => println!("stopped {id}"),
        Some(Err(error)) => eprintln!("{id}: {error}"),
        None => {} // nothing to do, or over already
    }
}
