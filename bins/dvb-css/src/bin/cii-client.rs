//! Content identification as a companion screen sees it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use css_programs::cii_client;
use css_programs::options::{Common, ws_url};
use driver::{cli, shutdown};
use tracing::level_filters::LevelFilter;

/// Show what a television tells of what it shows (CSS-CII)
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  cii-client ws://127.0.0.1:7681/cii
  cii-client ws://192.168.1.20:7681/cii --json --loglevel error"
)]
struct Options {
    /// Address of the end point, as ws://HOST:PORT/PATH
    #[arg(value_name = "ciiUrl", value_parser = ws_url)]
    cii_url: String,
    /// Print one JSON object a line: all that is known after each message, with what has changed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse_or_usage()).await)
}

async fn run(options: Options) -> Result<()> {
    options.common.logging(LevelFilter::INFO).init()?;
    let stop = shutdown::on_signals();
    let url = &options.cii_url;
    let (client, events) =
        cii_client::connect(url).await.with_context(|| format!("cannot connect to {url}"))?;
    tokio::select! {
        result = cii_client::tell(events, options.json && !options.common.quiet) => result?,
        () = stop.cancelled() => client.call(|client, _| client.disconnect()),
    }
    client.shutdown(shutdown::GRACE).await;
    Ok(())
}
