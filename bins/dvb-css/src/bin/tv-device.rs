//! A television as companion screens see it: content identification, timelines and the wall clock.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::cluster::{self, Content, Sharing};
use css_programs::options::{Common, Http, Listen, ListenWallClock};
use css_programs::program::Program;
use css_programs::serve::{self, EndPoints};
use css_programs::show::TvShow;
use css_programs::smpte::Timeline;
use driver::cli;
use dvb_css::server::TvCalls;

/// Pretend to be a television for companion screens: CSS-CII, CSS-TS and CSS-WC
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  tv-device                                    ws://HOST:7681/cii and /ts, udp://HOST:6677
  tv-device --state show.json                  what the file says, and what it says next when it changes
  tv-device --timeline smpte:localhost:8080/3f2a    a timeline that follows a timecode session
  tv-device --cluster nats://10.0.0.5:4222 --timeline cluster:3f2a    one of several that say the same (where built with
                                               that feature)"
)]
struct Options {
    /// Address or name for the WebSocket end points
    #[arg(default_value = "0.0.0.0", group = "address")]
    ws_addr: String,
    /// TCP port for them; 0 picks a free one
    #[arg(default_value_t = 7681, group = "address_port")]
    ws_port: u16,
    /// Address or name for the wall clock
    #[arg(default_value = "0.0.0.0", group = "wc_address")]
    wc_addr: String,
    /// UDP port for it; 0 picks a free one
    #[arg(default_value_t = 6677, group = "wc_address_port")]
    wc_port: u16,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    listen_wall_clock: ListenWallClock,
    /// Show what this file says: {"cii": {…}, "timelines": [{"selector", "unitsPerTick", "unitsPerSecond", "speed"}],
    /// "disabled": [end points that are shut: "cii", "ts", "wc"]}
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Offer a timeline that follows a timecode session of an smpte-server, or of the cluster
    #[arg(long, value_name = "smpte:HOST:PORT/SESSION|cluster:SESSION")]
    timeline: Option<Timeline>,
    #[command(flatten)]
    sharing: Sharing,
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
    let at = options.listen.place("ws_addr and ws_port", &options.ws_addr, options.ws_port);
    let wc = options.listen_wall_clock.place("wc_addr and wc_port", &options.wc_addr, options.wc_port);
    let (program, events) = Program::start(&options.common, &options.http, at, Some(wc)).await?;
    tokio::spawn(serve::watch(events, |_| {}));
    let end_points = EndPoints::all(options.http.limit(5), options.http.limit(10));
    let joined = tokio::select! {
        joined = options.sharing.join(options.timeline.as_ref(), program.telling()) => joined?,
        () = program.stopped() => return Ok(()),
    };
    let tv = program.television().clone();
    let wc_port = program.wall_clock().map_or(0, |address| address.port());
    let (show, content_id) = tv.call(|tv, now| {
        let show = match (&options.state, joined.is_some()) {
            (Some(path), _) => Some(TvShow::of_file(tv, now, path, &end_points)?),
            (None, false) => Some(TvShow::original(tv, now, wc_port)?),
            (None, true) => {
                tv.set_cii(now, cluster::first_cii(wc_port))?;
                None
            }
        };
        anyhow::Ok((show, tv.cii().known_content_id().unwrap_or_default().to_owned()))
    })?;
    let http = program.http();
    let lines = [
        Some(format!("CSS-CII endpoint URL: ws://{http}/cii")),
        Some(format!("CSS-TS  endpoint URL: ws://{http}/ts")),
        program.wall_clock_line("CSS-WC "),
        Some(format!("Content ID: {content_id}")),
    ];
    let content = if options.state.is_some() { Content::Told } else { Content::Followed };
    let session = cluster::follow(tv.clone(), joined, options.timeline, content);
    let show = async {
        match show {
            Some(show) => show.run(tv).await,
            None => std::future::pending().await,
        }
    };
    let all = async {
        tokio::select! {
            result = show => result,
            result = session => result,
        }
    };
    program.run(&end_points, lines.into_iter().flatten(), all).await
}
