//! cargo run --example css_cues -- ws://127.0.0.1:7681/ts udp://127.0.0.1:6677
//!
//! A companion that plays a list of cues against a television's timeline.
//!
//! Each cue waits for its place on the timeline, not for a time of day: when the timeline is paused, jumps or runs
//! faster, the cue is planned anew.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use css_programs::options::{udp_url, ws_url};
use css_programs::wc_client::{self, AlgorithmName};
use driver::{Driver, Limits};
use dvb_css::Ratio;
use dvb_css::client::TsClient;
use dvb_css::config::TsClientConfig;
use dvb_css::message::{MaxFreqError, SetupData};
use dvb_css::server::TS;

/// Play cues against a television's timeline
#[derive(Parser)]
struct Options {
    /// Where it serves its timelines
    #[arg(value_parser = ws_url)]
    ts_url: String,
    /// Where it serves its wall clock
    #[arg(value_parser = udp_url)]
    wc_url: (String, u16),
    /// The timeline
    #[arg(long, default_value = "urn:dvb:css:timeline:pts")]
    selector: String,
    /// Its ticks in a second
    #[arg(long, default_value_t = 90_000)]
    tick_rate: i64,
    /// Cues: seconds of the timeline and what to say then
    #[arg(long = "cue", value_name = "SECONDS=TEXT", default_values = ["2=lights", "4=sound", "6=curtain"])]
    cues: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut cues = Vec::new();
    for cue in &options.cues {
        let (at, text) = cue.split_once('=').with_context(|| format!("--cue '{cue}': not SECONDS=TEXT"))?;
        let at: Ratio = at.parse().map_err(|_| anyhow::anyhow!("--cue '{cue}': '{at}' is no number"))?;
        cues.push((at * Ratio::from(options.tick_rate), text));
    }

    let wc = driver::cli::resolve("wc_url", &options.wc_url.0, options.wc_url.1)?;
    let error = MaxFreqError::from_ppm(Ratio::from(500));
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let (wall_clock, _exchanges) = wc_client::start(socket, wc, AlgorithmName::Bounds, error)?;
    let setup = SetupData::new("", options.selector);
    let config = TsClientConfig::new(setup, Ratio::from(options.tick_rate));
    let (timeline, mut events) = Driver::start(TsClient::new(config), Limits::default());
    timeline.connect_ws(&options.ts_url, TS).await?;

    for (at, text) in cues {
        loop {
            // The time until the cue, if the timeline goes there.
            let wait = wall_clock.call(|client, now| client.wall_clock(now)).and_then(|(wall_ns, _)| {
                let line = timeline.call(|client, _| client.line().copied())?;
                let left = at - line.ticks_at(Ratio::from(wall_ns));
                let seconds = left.over(line.speed * Ratio::from(options.tick_rate))?;
                u64::try_from((seconds * Ratio::from(1_000_000)).floor().max(0)).ok()
            });
            // At most a fifth of a second: the wall clock is known better all the time.
            let longest = Duration::from_millis(200);
            let wait = wait.map_or(longest, Duration::from_micros);
            if wait.is_zero() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait.min(longest)) => {}
                event = events.next() => { event.context("the television is gone")?; }
            }
        }
        println!("cue {text}");
    }
    Ok(())
}
