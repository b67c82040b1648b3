//! A timeline as a companion screen follows it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use css_programs::options::{Common, bind_udp, say, udp_url, ws_url};
use css_programs::wc_client::{self, AlgorithmName};
use css_programs::{logging, ts_client};
use driver::{cli, shutdown};
use dvb_css::Ratio;
use dvb_css::config::TsClientConfig;
use dvb_css::message::{MaxFreqError, SetupData};
use tracing::level_filters::LevelFilter;

/// Follow a timeline of a television (CSS-TS) by its wall clock (CSS-WC)
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:
  ts-client ws://127.0.0.1:7681/ts udp://127.0.0.1:6677 \"dvb://\" \"urn:dvb:css:timeline:pts\" 90000"
)]
struct Options {
    /// Address of the timelines, as ws://HOST:PORT/PATH
    #[arg(value_name = "tsUrl", value_parser = ws_url)]
    ts_url: String,
    /// Address of the wall clock, as udp://HOST:PORT
    #[arg(value_name = "wcUrl", value_parser = udp_url)]
    wc_url: (String, u16),
    /// What the content identifier has to begin with
    #[arg(value_name = "contentIdStem")]
    stem: String,
    /// Which timeline
    #[arg(value_name = "timelineSelector")]
    selector: String,
    /// Ticks in a second of it
    #[arg(value_name = "timelineFreq", value_parser = clap::value_parser!(u64).range(1..))]
    freq: u64,
    /// Address to ask for the wall clock from
    #[arg(default_value = "0.0.0.0")]
    wc_bindaddr: String,
    /// UDP port for that; without it a random one
    wc_bindport: Option<u16>,
    /// Log the wall clock client up to this level
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = logging::level)]
    wcloglevel: LevelFilter,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma separated values, with a head line
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    common: Common,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse_or_usage()).await)
}

async fn run(options: Options) -> Result<()> {
    let mut logging = options.common.logging(LevelFilter::INFO);
    logging.wall_clock = if options.common.quiet { LevelFilter::ERROR } else { options.wcloglevel };
    logging.init()?;
    let stop = shutdown::on_signals();
    let style = match (options.common.quiet, options.json, options.csv) {
        (true, ..) => ts_client::Style::Quiet,
        (_, true, _) => ts_client::Style::Json,
        (_, _, true) => ts_client::Style::Csv,
        _ => ts_client::Style::Original,
    };
    let server = cli::resolve("wcUrl", &options.wc_url.0, options.wc_url.1)?;
    let socket = bind_udp("wc_bindaddr and wc_bindport", &options.wc_bindaddr, options.wc_bindport)?;
    let mfe = MaxFreqError::from_ppm(Ratio::from(500));
    let (wall_clock, exchanges) = wc_client::start(socket, server, AlgorithmName::default(), mfe)?;
    tokio::spawn(wc_client::log_exchanges(exchanges));
    if style == ts_client::Style::Original {
        say("Connecting, requesting timeline for:")?;
        say(format_args!("   Any contentId beginning with: {}", options.stem))?;
        say(format_args!("   and using timeline selector:  {}", options.selector))?;
        say("")?;
    }
    let rate = Ratio::from(options.freq);
    let mut config = TsClientConfig::new(SetupData::new(options.stem, options.selector), rate);
    config.threshold = Duration::from_millis(1);
    let (follower, events) = ts_client::start(config);
    let url = &options.ts_url;
    let result = tokio::select! {
        result = ts_client::run(&follower, events, url) => result.with_context(|| format!("cannot connect to {url}")),
        result = ts_client::print(&follower, &wall_clock, rate, style, stop) => result,
    };
    follower.call(|client, _| client.disconnect());
    follower.shutdown(shutdown::GRACE).await;
    wall_clock.shutdown(shutdown::GRACE).await;
    result
}
