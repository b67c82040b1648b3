//! A wall clock client on a socket, and what `wall-clock-client` prints of it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use driver::{Driver, Events, Limits, UdpOptions};
use dvb_css::Ratio;
use dvb_css::client::{WcClient, WcClientEvent};
use dvb_css::config::{AlgorithmChoice, Schedule, WcClientConfig};
use dvb_css::message::MaxFreqError;
use dvb_css::wc::{Dispersion, Estimate, Steadiness, Verdict};
use machine::{SocketId, UdpPeer};
use tokio_util::sync::CancellationToken;

use crate::logging::WALL_CLOCK_CLIENT;
use crate::options::say;
use crate::plot::{Plot, Sample};

/// A running wall clock client.
pub type WallClockClient = Driver<WcClient>;

/// Which algorithm, by its name on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AlgorithmName {
    /// All exchanges together; the bound is their intersection
    #[default]
    Bounds,
    /// The single best exchange, as the original has it
    LowestDispersion,
    /// The last exchange
    MostRecent,
    /// The last exchange with a round trip of at most 1 ms and a low dispersion
    FilterPredict,
}

impl AlgorithmName {
    fn choice(self) -> (AlgorithmChoice, Schedule) {
        match self {
            Self::Bounds => (AlgorithmChoice::Bounds(Some(Steadiness::CAUTIOUS)), Schedule::BURSTS),
            Self::LowestDispersion => (AlgorithmChoice::LowestDispersion, Schedule::ORIGINAL),
            Self::MostRecent => (AlgorithmChoice::MostRecent, Schedule::ORIGINAL),
            Self::FilterPredict => {
                let max_round_trip = Some(Duration::from_millis(1));
                (
                    AlgorithmChoice::FilterAndPredict { max_round_trip, lowest_dispersion: true },
                    Schedule::ORIGINAL,
                )
            }
        }
    }
}

/// Starts a client of `server` on a bound socket, with stamps by the kernel where it gives them.
///
/// # Errors
/// When the socket cannot be set up.
pub fn start(
    socket: UdpSocket,
    server: SocketAddr,
    algorithm: AlgorithmName,
    max_freq_error: MaxFreqError,
) -> io::Result<(WallClockClient, Events<WcClientEvent>)> {
    let peer = UdpPeer { socket: SocketId(0), remote: server, local: None };
    let mut config = WcClientConfig::new(driver::seed(), peer);
    config.local.max_freq_error = max_freq_error;
    (config.algorithm, config.schedule) = algorithm.choice();
    let (client, events) = Driver::start(WcClient::new(config), Limits::default());
    client.serve_udp(socket, SocketId(0), UdpOptions::STAMPED)?;
    // a client that is new has not been started
    let _ = client.call(|client, now| client.start(now));
    Ok((client, events))
}

/// What to print.
#[derive(Clone, Debug, Default)]
pub struct Printing {
    /// Nothing.
    pub quiet: bool,
    /// JSON objects instead of the original's lines.
    pub json: bool,
    /// A picture to keep up to date.
    pub plot: Option<PathBuf>,
}

/// Prints the estimate five times a second until told to stop.
///
/// # Errors
/// When standard output is closed, or the picture cannot be written.
pub async fn print(
    client: &WallClockClient,
    printing: &Printing,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(PERIOD);
    let (mut lines, mut worst, mut plot) = (0_u32, Dispersion::ZERO, Plot::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let (now, estimate, round_trip) =
            client.call(|client, now| (now, client.estimate(now), client.last_round_trip_ns()));
        let monotonic_ns = i64::try_from(now.as_nanos())?;
        worst = worst.max(estimate.map_or(Dispersion::UNKNOWN, |e| e.dispersion));
        if let (Some(estimate), Some(_)) = (estimate, &printing.plot) {
            let dispersion_ns = ns(estimate.dispersion).unwrap_or(i64::MAX);
            plot.add(Sample { at_ns: monotonic_ns, offset_ns: estimate.offset_ns, dispersion_ns });
        }
        lines += 1;
        if !printing.quiet {
            if printing.json {
                say(json(monotonic_ns, estimate, round_trip))?;
            } else {
                let offset = estimate.map_or(0, |e| e.offset_ns);
                let micros = monotonic_ns.saturating_add(offset).div_euclid(1000);
                let dispersion = estimate.map_or(Dispersion::UNKNOWN, |e| e.dispersion);
                say(format_args!(
                    "Time={micros:20} microseconds. Dispersion = {dispersion:15.3} milliseconds"
                ))?;
                if lines.is_multiple_of(LINES) {
                    say(format_args!(
                        "*** Worst dispersion over previous 5 seconds = {worst:15.3} milliseconds"
                    ))?;
                }
            }
        }
        if lines.is_multiple_of(LINES) {
            worst = Dispersion::ZERO;
            if let Some(path) = &printing.plot {
                plot.write(path)?;
            }
        }
    }
    if let Some(path) = &printing.plot {
        plot.write(path)?;
    }
    Ok(())
}

/// Logs each exchange as the original does each candidate, until the client ends.
pub async fn log_exchanges(mut events: Events<WcClientEvent>) {
    while let Some(event) = events.next().await {
        let WcClientEvent::Exchange { exchange, heard } = event else { continue };
        let is_used = match heard.verdict {
            Verdict::NotBetter | Verdict::Filtered => "False",
            Verdict::Used | Verdict::Odd | Verdict::Stepped { .. } => "True",
        };
        tracing::info!(
            target: WALL_CLOCK_CLIENT,
            "Old / New dispersion (millis) is {:.5} / {:.5} ... offset={:20}  new best candidate? {is_used}",
            heard.before, heard.after, exchange.offset_ns()
        );
        match heard.verdict {
            Verdict::Stepped { by_ns } => {
                tracing::warn!(target: WALL_CLOCK_CLIENT, "a clock has jumped: {by_ns} ns");
            }
            Verdict::Odd => {
                tracing::info!(target: WALL_CLOCK_CLIENT, "a clock may have jumped a little");
            }
            _ => {}
        }
    }
}

/// So many millionths of frequency error.
///
/// # Errors
/// When it is not a number that is at least 0.
pub fn ppm(text: &str) -> Result<MaxFreqError, String> {
    let ppm: Ratio = text.parse().map_err(|_| "not a number")?;
    if ppm.signum() < 0 {
        return Err("less than 0".into());
    }
    Ok(MaxFreqError::from_ppm(ppm))
}

fn json(monotonic_ns: i64, estimate: Option<Estimate>, round_trip: Option<i64>) -> serde_json::Value {
    serde_json::json!({
        "monotonic_ns": monotonic_ns,
        "wall_clock_ns": estimate.map(|e| monotonic_ns.saturating_add(e.offset_ns)),
        "offset_ns": estimate.map(|e| e.offset_ns),
        "dispersion_ns": estimate.and_then(|e| ns(e.dispersion)),
        "rtt_ns": round_trip,
    })
}

fn ns(dispersion: Dispersion) -> Option<i64> {
    dispersion.as_nanos().and_then(|ns| i64::try_from(ns).ok())
}

/// Time between two lines.
const PERIOD: Duration = Duration::from_millis(200);
/// After so many lines the worst dispersion is told.
const LINES: u32 = 25;
