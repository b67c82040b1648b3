//! cargo run --example server_set
//!
//! Three servers that are started, watched and stopped as one: if one of the ports is taken none of them starts, and
//! one line tells how many clients and sessions there are on all of them, whenever that has changed.

use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::config::ServerConfig;
use tokio::sync::Notify;

/// Hold timecode sessions on three ports
#[derive(Parser)]
struct Options {
    /// The first of three TCP ports in a row; 0 picks free ones
    #[arg(default_value_t = 8083, value_parser = clap::value_parser!(u16).range(..=65533))]
    first_port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    let mut listeners = Vec::new();
    for at in 0..3 {
        let port = if options.first_port == 0 { 0 } else { options.first_port + at };
        listeners.push(cli::listen("FIRST_PORT", cli::resolve("HOST", "localhost", port)?).await?);
    }
    let something_happened = Arc::new(Notify::new());
    let mut set = Vec::new();
    for listener in listeners {
        let address = listener.local_addr()?;
        let config = ServerConfig::new(driver::seed()).with_address("localhost", address.port());
        let (server, mut events) = serve::start(config);
        let notify = something_happened.clone();
        tokio::spawn(async move {
            while events.next().await.is_some() {
                notify.notify_one();
            }
        });
        serve::serve_tcp(&server, listener);
        cli::announce(address, "tcp");
        set.push(server);
    }

    let mut before = (0, 0);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = something_happened.notified() => {}
        }
        let (clients, sessions) = total(&set);
        if (clients, sessions) != before {
            println!("all together: {clients} clients, {sessions} sessions");
            before = (clients, sessions);
        }
    }
    // All are told first, so that they end at the same time.
    let ending: Vec<_> = set
        .into_iter()
        .map(|server| tokio::spawn(async move { server.shutdown(shutdown::GRACE).await }))
        .collect();
    for server in ending {
        server.await?;
    }
    Ok(())
}

fn total(set: &[TimecodeServer]) -> (usize, usize) {
    let status = set.iter().map(|server| server.call(|machine, _| machine.status()));
    status.fold((0, 0), |(clients, sessions), one| {
        (clients + one.connected_clients, sessions + one.active_sessions)
    })
}
