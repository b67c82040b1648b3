//! cargo run --example simple_server
//!
//! The least that it takes to hold timecode sessions in a program of one's own.

use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::serve;
use smpte_timecode::config::ServerConfig;

/// Hold timecode sessions
#[derive(Parser)]
struct Options {
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8080)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", options.port)?).await?;
    let address = listener.local_addr()?;
    let (server, events) = serve::start(ServerConfig::new(driver::seed()));
    drop(events); // nobody here wants to know what happens
    serve::serve_tcp(&server, listener);
    cli::announce(address, "tcp");

    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
