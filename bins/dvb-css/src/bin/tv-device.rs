//! A television as companion screens see it: content identification, timelines and the wall clock.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Http};
use css_programs::program::{Place, Program};
use css_programs::serve::{self, EndPoints};
use css_programs::show::TvShow;
use css_programs::smpte;
use driver::cli;

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
    /// Show what this file says: {"cii": {…}, "timelines": [{"selector", "unitsPerTick", "unitsPerSecond", "speed"}],
    /// "disabled": [end points that are shut: "cii", "ts", "wc"]}
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
    let at = Place { names: "ws_addr and ws_port", host: &options.ws_addr, port: options.ws_port };
    let wc = Place { names: "wc_addr and wc_port", host: &options.wc_addr, port: options.wc_port };
    let (program, events) = Program::start(&options.common, &options.http, at, Some(wc)).await?;
    tokio::spawn(serve::watch(events, |_| {}));
    let end_points = EndPoints::all(options.http.limit(5), options.http.limit(10));
    let tv = program.television().clone();
    let (show, content_id) = tv.call(|tv, now| {
        let show = match &options.state {
            Some(path) => TvShow::of_file(tv, now, path, &end_points)?,
            None => TvShow::original(tv, now, program.wall_clock().map_or(0, |address| address.port()))?,
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
    let session = async {
        match options.timeline {
            Some(source) => smpte::follow(tv.clone(), source).await,
            None => std::future::pending().await,
        }
    };
    let show = async {
        tokio::select! {
            result = show.run(tv.clone()) => result,
            result = session => result,
        }
    };
    program.run(&end_points, lines.into_iter().flatten(), show).await
}
