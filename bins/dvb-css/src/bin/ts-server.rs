//! Timelines over WebSocket, and the wall clock they stand on.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Http, bind_udp, say};
use css_programs::serve::{self, EndPoints};
use css_programs::show::{CHANNELS, TimelineShow};
use driver::{cli, shutdown};
use dvb_css::config::{TvServerConfig, WcServerConfig};
use tracing::level_filters::LevelFilter;

/// Offer timelines to companion screens (CSS-TS), with the wall clock (CSS-WC) they stand on
#[derive(Parser)]
#[command(
    version,
    after_help = "Timelines:
  urn:dvb:css:timeline:pts        90000 ticks a second; tweaked, paused and resumed
  urn:dvb:css:timeline:temi:1:1   1000 ticks a second, following the first
  urn:dvb:css:timeline:temi:1:5   the same, coming and going
  urn:dvb:css:timeline:temi:1:2   the same, known ten seconds after somebody asks
  urn:pydvbcss:sporadic           coming and going, without meaning"
)]
struct Options {
    /// Address or name to serve timelines on
    #[arg(default_value = "127.0.0.1")]
    ts_addr: String,
    /// TCP port for it; 0 picks a free one
    #[arg(default_value_t = 7681)]
    ts_port: u16,
    /// Address or name to serve the wall clock on
    #[arg(default_value = "0.0.0.0")]
    wc_addr: String,
    /// UDP port for it; 0 picks a free one
    #[arg(default_value_t = 6677)]
    wc_port: u16,
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
    let quiet = options.common.quiet;
    let mut logging = options.common.logging(LevelFilter::INFO);
    logging.http = !options.http.quiet_http;
    logging.init()?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();
    let socket = bind_udp("wc_addr and wc_port", &options.wc_addr, Some(options.wc_port))?;
    let wc_address = socket.local_addr()?;
    let address = cli::resolve("ts_addr", &options.ts_addr, options.ts_port)?;
    let listener = cli::listen("ts_addr and ts_port", address).await?;
    let address = listener.local_addr()?;

    let (wall_clock, _) = serve::wall_clock(socket, WcServerConfig::new(driver::seed()))?;
    let (server, events) = serve::start_television(TvServerConfig::default());
    let (forward, receive) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(serve::watch(events, move |event| {
        // the show ends with the program
        let _ = forward.send(event.clone());
    }));
    let show = server.call(|tv, now| TimelineShow::new(tv, now, quiet))?;
    serve::serve_television(&server, listener, &EndPoints::ts(options.http.limit(3)));
    if !quiet {
        say("----")?;
        say(format_args!("CSS-TS endpoint URL: ws://{address}/ts"))?;
        say(format_args!("CSS-WC endpoint bound to host {} on port {}", wc_address.ip(), wc_address.port()))?;
        say(format_args!("Content ID: {}", CHANNELS[0]))?;
        say("----")?;
        cli::announce(wc_address, "wc");
        cli::announce(address, "http");
    }
    tokio::select! {
        () = stop.cancelled() => {}
        result = show.run(server.clone(), receive) => result?,
    }
    server.shutdown(shutdown::GRACE).await;
    wall_clock.shutdown(shutdown::GRACE).await;
    Ok(())
}
