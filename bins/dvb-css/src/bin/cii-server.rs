//! Content identification over WebSocket.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Http, say};
use css_programs::serve::{self, EndPoints};
use css_programs::show::ChannelShow;
use driver::{cli, shutdown};
use dvb_css::config::TvServerConfig;
use tracing::level_filters::LevelFilter;

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
    #[arg(default_value = "127.0.0.1")]
    cii_addr: String,
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 7681)]
    cii_port: u16,
    /// Serve this CII message, a JSON object, instead of hopping
    #[arg(long, value_name = "STATE.json")]
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
    let mut logging = options.common.logging(LevelFilter::INFO);
    logging.http = !options.http.quiet_http;
    logging.init()?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();
    let address = cli::resolve("cii_addr", &options.cii_addr, options.cii_port)?;
    let listener = cli::listen("cii_addr and cii_port", address).await?;
    let address = listener.local_addr()?;
    let (server, events) = serve::start_television(TvServerConfig::default());
    tokio::spawn(serve::watch(events, |_| {}));
    let show = match &options.file {
        Some(path) => ChannelShow::file(&server, path)?,
        None => ChannelShow::hops(&server),
    };
    serve::serve_television(&server, listener, &EndPoints::cii(options.http.limit(2)));
    if !options.common.quiet {
        say("----")?;
        say(format_args!("CSS-CII endpoint URL: ws://{address}/cii"))?;
        say("----")?;
        cli::announce(address, "http");
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = show.run(server.clone()) => {}
    }
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
