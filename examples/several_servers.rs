//! cargo run --example several_servers
//!
//! Two servers that know nothing of each other in one program, which makes a session on each, watches them and stops
//! them. The first counts as the standard says, the second as the original Python server did: 29 labels a second at
//! 29.97, so that after an hour the two are two minutes apart.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::UsageError;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::server::{ServerCalls, SessionSpec};

/// Hold timecode sessions on two servers with different rules
#[derive(Parser)]
struct Options {
    /// TCP port of the first server; 0 picks a free one
    #[arg(default_value_t = 8082)]
    port: u16,
    /// TCP port of the second
    #[arg(default_value_t = 8087)]
    compatible_port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    let exact = open(options.port, "exact", false).await?;
    let compatible = open(options.compatible_port, "compatible", true).await?;
    let servers = [&exact, &compatible];
    for server in servers {
        let id = server.call(|machine, now| {
            let house = SessionSpec::new("29.97").with_label("10:00:00:00").with_name("House clock").pinned();
            let id = machine.create_session(now, house)?;
            machine.start(now, id)?;
            Ok::<_, UsageError>(id)
        })?;
        println!("session {id}");
    }

    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(Duration::from_secs(15)) => servers.into_iter().for_each(report),
        }
    }
    tokio::join!(exact.shutdown(shutdown::GRACE), compatible.shutdown(shutdown::GRACE));
    Ok(())
}

async fn open(port: u16, role: &str, compatible: bool) -> Result<TimecodeServer> {
    let listener = cli::listen("another port", cli::resolve("HOST", "localhost", port)?).await?;
    let address = listener.local_addr()?;
    let config = ServerConfig::new(driver::seed())
        .with_address("localhost", address.port())
        .with_truncated_labels(compatible);
    let (server, events) = serve::start(config);
    drop(events);
    serve::serve_tcp(&server, listener);
    cli::announce(address, role);
    Ok(server)
}

fn report(server: &TimecodeServer) {
    server.call(|machine, now| {
        println!("{}", machine.status());
        for session in machine.sessions(now) {
            println!(
                "  {} at {}: {}, {} clients",
                session.id, session.framerate, session.label, session.client_count
            );
        }
    });
}
