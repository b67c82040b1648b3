//! The wall clock over UDP.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use css_programs::options::{Common, Listen, Telling, bind_udp, say};
use css_programs::{serve, wc_client};
use driver::{cli, shutdown};
use dvb_css::config::WcServerConfig;
use dvb_css::message::MaxFreqError;
use tracing::level_filters::LevelFilter;

/// Serve a wall clock to companion screens (CSS-WC)
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  wall-clock-server                            on all addresses, port 6677
  wall-clock-server 127.0.0.1 0 --mfe 50       on a free port of this machine, with a better clock
  wall-clock-server --followup-replies         telling when each response really left"
)]
struct Options {
    /// Address or name to listen on
    #[arg(default_value = "0.0.0.0", group = "address")]
    wc_addr: String,
    /// UDP port; 0 picks a free one
    #[arg(default_value_t = 6677, group = "address_port")]
    wc_port: u16,
    #[command(flatten)]
    listen: Listen,
    /// Maximum frequency error of this clock, in ppm
    #[arg(long, visible_alias = "maxfreqerror", value_name = "PPM", default_value = "500", value_parser = wc_client::ppm)]
    mfe: MaxFreqError,
    /// Follow each response up with the time at which it really left
    #[arg(long, visible_alias = "fr")]
    followup_replies: bool,
    #[command(flatten)]
    announce: cli::Announce,
    #[command(flatten)]
    record: cli::Record,
    #[command(flatten)]
    common: Common,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse_or_usage()).await)
}

async fn run(options: Options) -> Result<()> {
    let logging = options.common.logging(LevelFilter::INFO);
    logging.init()?;
    let stop = shutdown::on_signals();
    let at = options.listen.place("wc_addr and wc_port", &options.wc_addr, options.wc_port);
    let socket = bind_udp(at.names, at.host, Some(at.port))?;
    let address = socket.local_addr()?;
    let mut config = WcServerConfig::new(driver::seed());
    config.max_freq_error = options.mfe;
    config.follow_ups = options.followup_replies;
    config.report_requests = logging.shows_requests();
    let recording = options.record.start()?;
    let (server, events) = serve::wall_clock_recorded(socket, config, recording.as_ref())?;
    tokio::spawn(serve::log_requests(events));
    let telling = options.common.telling(options.announce);
    if telling == Telling::Lines {
        say("----")?;
        say(format_args!("CSS-WC endpoint bound to host {} on port {}", address.ip(), address.port()))?;
        say("----")?;
    }
    telling.listening(address, "wc");
    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
