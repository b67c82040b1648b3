//! A television as companion screens see it: content identification, timelines and the wall clock.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Http, bind_udp, say};
use css_programs::serve::{self, EndPoints};
use css_programs::show::{CHANNELS, TvShow};
use css_programs::smpte;
use driver::{cli, shutdown};
use dvb_css::config::{TvServerConfig, WcServerConfig};
use tracing::level_filters::LevelFilter;

/// Pretend to be a television for companion screens: CSS-CII, CSS-TS and CSS-WC
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  tv-device                                    ws://HOST:7681/cii and /ts, udp://HOST:6677
  tv-device --state show.json                  what the file says, and what it says next when it changes
  tv-device --timeline smpte:localhost:8080/3f2a    a timeline that follows a timecode session"
)]
struct Options {
    /// Address or name for the WebSocket end points
    #[arg(default_value = "0.0.0.0")]
    ws_addr: String,
    /// TCP port for them; 0 picks a free one
    #[arg(default_value_t = 7681)]
    ws_port: u16,
    /// Address or name for the wall clock
    #[arg(default_value = "0.0.0.0")]
    wc_addr: String,
    /// UDP port for it; 0 picks a free one
    #[arg(default_value_t = 6677)]
    wc_port: u16,
    /// Show what this file says: {"cii": {…}, "timelines": [{"selector", "unitsPerTick", "unitsPerSecond", "speed"}]}
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Offer a timeline that follows a timecode session of an smpte-server
    #[arg(long, value_name = "smpte:HOST:PORT/SESSION")]
    timeline: Option<smpte::Source>,
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
    let socket = bind_udp("wc_addr and wc_port", &options.wc_addr, Some(options.wc_port))?;
    let wc_address = socket.local_addr()?;
    let address = cli::resolve("ws_addr", &options.ws_addr, options.ws_port)?;
    let listener = cli::listen("ws_addr and ws_port", address).await?;
    let address = listener.local_addr()?;

    let (wall_clock, _) = serve::wall_clock(socket, WcServerConfig::new(driver::seed()))?;
    let (tv, events) = serve::start_television(TvServerConfig::default());
    tokio::spawn(serve::watch(events, |_| {}));
    let show = tv.call(|server, now| match &options.state {
        Some(path) => TvShow::of_file(server, now, path),
        None => TvShow::original(server, now, wc_address.port()),
    })?;
    let (cii, ts) = (options.http.limit(5), options.http.limit(10));
    serve::serve_television(&tv, listener, &EndPoints::all(cii, ts));
    if !options.common.quiet {
        say("----")?;
        say(format_args!("CSS-CII endpoint URL: ws://{address}/cii"))?;
        say(format_args!("CSS-TS  endpoint URL: ws://{address}/ts"))?;
        say(format_args!(
            "CSS-WC  endpoint bound to host {} on port {}",
            wc_address.ip(),
            wc_address.port()
        ))?;
        say(format_args!("Content ID: {}", CHANNELS[0]))?;
        say("----")?;
        cli::announce(wc_address, "wc");
        cli::announce(address, "http");
    }
    let session = async {
        match options.timeline {
            Some(source) => smpte::follow(tv.clone(), source).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        result = show.run(tv.clone()) => result?,
        result = session => result?,
    }
    tv.shutdown(shutdown::GRACE).await;
    wall_clock.shutdown(shutdown::GRACE).await;
    Ok(())
}
