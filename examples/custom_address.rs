//! cargo run --example custom_address -- 0.0.0.0 9000
//!
//! A server on the address that its user wants, with limits of its own and a status line in the log every 30 seconds.
//! Without arguments it listens on port 8081 of this machine. On 0.0.0.0 everybody in the network can reach it: there
//! is no authentication.

use std::time::Duration;

use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::serve;
use smpte_timecode::config::ServerConfig;

/// Hold timecode sessions at an address of one's choice
#[derive(Parser)]
struct Options {
    /// Address or name to listen on
    #[arg(default_value = "localhost")]
    host: String,
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8081)]
    port: u16,
    #[command(flatten)]
    logging: cli::Logging,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.logging.init(None)?;
    let stop = shutdown::on_signals();

    let listener = cli::listen("HOST or PORT", cli::resolve("HOST", &options.host, options.port)?).await?;
    let address = listener.local_addr()?;
    let config = ServerConfig::new(driver::seed())
        .with_address(options.host, address.port())
        .with_max_clients(100)
        .with_max_sessions(10);
    let (server, events) = serve::start(config);
    drop(events);
    serve::serve_tcp(&server, listener);
    cli::announce(address, "tcp");
    tokio::spawn(serve::log_status(server.clone(), Duration::from_secs(30)));

    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
