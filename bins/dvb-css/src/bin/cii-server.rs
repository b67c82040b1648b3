//! Content identification over WebSocket.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Http, Listen};
use css_programs::program::Program;
use css_programs::serve::{self, EndPoints};
use css_programs::show::ChannelShow;
use driver::cli;

/// Tell companion screens what is shown (CSS-CII): a hop between three channels every 7 seconds, or what a file says
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  cii-server                                   on ws://127.0.0.1:7681/cii
  cii-server 0.0.0.0 8000 --file state.json    what the file says, and what it says next when it changes"
)]
struct Options {
    /// Address or name to listen on
    #[arg(default_value = "127.0.0.1", group = "address")]
    cii_addr: String,
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 7681, group = "address_port")]
    cii_port: u16,
    #[command(flatten)]
    listen: Listen,
    /// Serve the CII message in this file, a JSON object, instead of hopping; again whenever the file changes
    #[arg(long, visible_alias = "state", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    http: Http,
    #[command(flatten)]
    common: Common,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse_or_usage()).await)
}

async fn run(options: Options) -> Result<()> {
    let at = options.listen.place("cii_addr and cii_port", &options.cii_addr, options.cii_port);
    let (program, events) = Program::start(&options.common, &options.http, at, None).await?;
    tokio::spawn(serve::watch(events, |_| {}));
    let server = program.television().clone();
    let show = match &options.file {
        Some(path) => ChannelShow::file(&server, path)?,
        None => ChannelShow::hops(&server),
    };
    let show = async {
        show.run(server).await;
        Ok(())
    };
    let line = format!("CSS-CII endpoint URL: ws://{}/cii", program.http());
    program.run(&EndPoints::cii(options.http.limit(2)), [line], show).await
}
