//! The wall clock as a companion screen sees it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, bind_udp};
use css_programs::wc_client::{self, AlgorithmName, Printing};
use driver::{cli, shutdown};
use dvb_css::message::MaxFreqError;
use tracing::level_filters::LevelFilter;

/// Follow the wall clock of a television (CSS-WC)
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  wall-clock-client 192.168.1.20
  wall-clock-client --json --loglevel error --mfe 50
  wall-clock-client --algorithm lowest-dispersion --plot original.svg"
)]
struct Options {
    /// Address or name of the server
    #[arg(default_value = "127.0.0.1")]
    addr: String,
    /// Its UDP port
    #[arg(default_value_t = 6677)]
    port: u16,
    /// Address to send from
    #[arg(default_value = "0.0.0.0")]
    bindaddr: String,
    /// UDP port to send from; without it a random one
    bindport: Option<u16>,
    /// Address or name of the server, instead of the argument
    #[arg(long, value_name = "HOST", conflicts_with = "addr")]
    host: Option<String>,
    /// Its UDP port, instead of the argument
    #[arg(id = "by_port", long = "port", value_name = "PORT", conflicts_with = "port")]
    by_port: Option<u16>,
    /// How to make an estimate of what the server answers
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    algorithm: AlgorithmName,
    /// Maximum frequency error of this machine's clock, in ppm
    #[arg(long, value_name = "PPM", default_value = "500", value_parser = wc_client::ppm)]
    mfe: MaxFreqError,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Draw offset and dispersion over time into this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse_or_usage()).await)
}

async fn run(options: Options) -> Result<()> {
    options.common.logging(LevelFilter::DEBUG).init()?;
    let stop = shutdown::on_signals();
    let (name, host) =
        options.host.as_deref().map_or(("addr", options.addr.as_str()), |host| ("--host", host));
    let server = cli::resolve(name, host, options.by_port.unwrap_or(options.port))?;
    let socket = bind_udp("bindaddr and bindport", &options.bindaddr, options.bindport)?;
    let (client, events) = wc_client::start(socket, server, options.algorithm, options.mfe)?;
    tokio::spawn(wc_client::log_exchanges(events));
    let printing = Printing { quiet: options.common.quiet, json: options.json, plot: options.plot };
    let result = wc_client::print(&client, &printing, stop).await;
    client.shutdown(shutdown::GRACE).await;
    result
}
