//! Timelines over WebSocket, and the wall clock they stand on.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::cluster::{self, Content, Sharing};
use css_programs::options::{Common, Http, Listen, ListenWallClock, Telling};
use css_programs::program::Program;
use css_programs::serve::{self, EndPoints};
use css_programs::show::{CHANNELS, TimelineShow};
use css_programs::smpte::Timeline;
use driver::cli;
use dvb_css::server::TvCalls;

/// Offer timelines to companion screens (CSS-TS), with the wall clock (CSS-WC) they stand on
#[derive(Parser)]
#[command(
    version,
    after_help = "Timelines:
  urn:dvb:css:timeline:pts        90000 ticks a second; tweaked, paused and resumed
  urn:dvb:css:timeline:temi:1:1   1000 ticks a second, following the first
  urn:dvb:css:timeline:temi:1:5   the same, coming and going
  urn:dvb:css:timeline:temi:1:2   the same, known ten seconds after somebody asks
  urn:pydvbcss:sporadic           coming and going, without meaning
  urn:genlock:timeline:smpte      with --timeline: one tick a frame of a timecode session; in a cluster the only one

Examples:
  ts-server 127.0.0.1 0 127.0.0.1 0    on free ports of this machine
  ts-server --cluster nats://10.0.0.5:4222 --timeline cluster:3f2a    one of several (where built with that feature)"
)]
struct Options {
    /// Address or name to serve timelines on
    #[arg(default_value = "127.0.0.1", group = "address")]
    ts_addr: String,
    /// TCP port for it; 0 picks a free one
    #[arg(default_value_t = 7681, group = "address_port")]
    ts_port: u16,
    /// Address or name to serve the wall clock on
    #[arg(default_value = "0.0.0.0", group = "wc_address")]
    wc_addr: String,
    /// UDP port for it; 0 picks a free one
    #[arg(default_value_t = 6677, group = "wc_address_port")]
    wc_port: u16,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    listen_wall_clock: ListenWallClock,
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
    let at = options.listen.place("ts_addr and ts_port", &options.ts_addr, options.ts_port);
    let wc = options.listen_wall_clock.place("wc_addr and wc_port", &options.wc_addr, options.wc_port);
    let (program, events) = Program::start(&options.common, &options.http, at, Some(wc)).await?;
    let (forward, receive) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(serve::watch(events, move |event| {
        // the show ends with the program
        let _ = forward.send(event.clone());
    }));
    let joined = tokio::select! {
        joined = options.sharing.join(options.timeline.as_ref(), program.telling()) => joined?,
        () = program.stopped() => return Ok(()),
    };
    let server = program.television().clone();
    let wc_port = program.wall_clock().map_or(0, |address| address.port());
    let show = server.call(|tv, now| match joined.is_some() {
        false => TimelineShow::new(tv, now, program.telling() != Telling::Lines).map(Some),
        true => {
            tv.set_cii(now, cluster::first_cii(wc_port))?;
            Ok(None)
        }
    })?;
    let lines = [
        Some(format!("CSS-TS endpoint URL: ws://{}/ts", program.http())),
        program.wall_clock_line("CSS-WC"),
        Some(format!("Content ID: {}", CHANNELS[0])),
    ];
    let end_points = EndPoints::ts(options.http.limit(3));
    let session = cluster::follow(server.clone(), joined, options.timeline, Content::Followed);
    let show = async {
        match show {
            Some(show) => show.run(server, receive).await,
            None => {
                // nobody reads what happens
                drop(receive);
                std::future::pending().await
            }
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
