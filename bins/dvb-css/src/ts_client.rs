//! A timeline client with its wall clock client, and what `ts-client` prints of them.

use std::time::Duration;

use driver::{ConnectError, Driver, Events, Limits};
use dvb_css::client::{TsClient, TsClientEvent};
use dvb_css::config::TsClientConfig;
use dvb_css::server::TS;
use dvb_css::wc::Dispersion;
use dvb_css::{Ratio, wc};
use tokio_util::sync::CancellationToken;

use crate::options::say;
use crate::wc_client::WallClockClient;

/// A running timeline client.
pub type Follower = Driver<TsClient>;

/// Starts a client without a connection.
pub fn start(config: TsClientConfig) -> (Follower, Events<TsClientEvent>) {
    Driver::start(TsClient::new(config), Limits::default())
}

/// Keeps a client connected: connects, and again, with growing pauses, when the server has gone before it told
/// anything. Returns when it has gone after that.
///
/// # Errors
/// When the server cannot be reached.
pub async fn run(
    follower: &Follower,
    mut events: Events<TsClientEvent>,
    url: &str,
) -> Result<(), ConnectError> {
    let mut pause = Duration::from_millis(50);
    follower.connect_ws(url, TS).await?;
    while let Some(event) = events.next().await {
        match event {
            TsClientEvent::Connected => tracing::info!(target: LOGGER, "connected"),
            TsClientEvent::Available => tracing::info!(target: LOGGER, "timeline became available"),
            TsClientEvent::Unavailable => tracing::info!(target: LOGGER, "timeline became un-available"),
            TsClientEvent::TimingChanged => {
                tracing::info!(target: LOGGER, "change in timing and/or play speed");
            }
            TsClientEvent::Unreadable(error) => {
                tracing::warn!(target: LOGGER, "Protocol error: {error}. Continuing anyway.");
            }
            TsClientEvent::Disconnected { told_nothing, .. } => {
                tracing::info!(target: LOGGER, "disconnected");
                if !told_nothing || pause > MAX_PAUSE {
                    return Ok(());
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
                follower.connect_ws(url, TS).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a timeline is.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// What the wall clock reads, in nanoseconds.
    pub wall_clock_ns: i64,
    /// How far that may be off.
    pub dispersion: Dispersion,
    /// If the timeline is available: its speed, and its ticks.
    pub timeline: Option<(Ratio, Ratio)>,
}

/// Where a timeline is now; `None` before the wall clock is known.
pub fn position(follower: &Follower, wall_clock: &WallClockClient) -> Option<Position> {
    let (wall_clock_ns, estimate): (i64, wc::Estimate) =
        wall_clock.call(|client, now| client.wall_clock(now))?;
    let timeline = follower.call(|client, _| {
        let line = client.line()?;
        Some((line.speed, client.ticks_at(wall_clock_ns)?))
    });
    Some(Position { wall_clock_ns, dispersion: estimate.dispersion, timeline })
}

/// How to print positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    Quiet,
    /// As the original does.
    #[default]
    Original,
    /// One JSON object a line.
    Json,
    /// The same as columns.
    Csv,
}

/// Prints the position every 0.4 s until told to stop.
///
/// # Errors
/// When standard output is closed.
pub async fn print(
    follower: &Follower,
    wall_clock: &WallClockClient,
    tick_rate: Ratio,
    style: Style,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(PERIOD);
    if style == Style::Csv {
        say("available,speed,position_s,content_time,wall_clock_ns,dispersion_ms")?;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let position = position(follower, wall_clock);
        let seconds = |ticks: Ratio| ticks.over(tick_rate).unwrap_or(Ratio::ZERO);
        match (style, position) {
            (Style::Quiet, _) => {}
            (Style::Original, None) => say("Nothing received from TV yet.")?,
            (Style::Original, Some(Position { dispersion, timeline, .. })) => {
                let status = match timeline {
                    Some((speed, ticks)) => format!(
                        "Status: AVAILABLE.      Speed = {speed:5.2}  Timeline position = {:10.3} secs",
                        seconds(ticks)
                    ),
                    None => {
                        "Status: NOT available.  Speed = -----  Timeline position = ----------     ".into()
                    }
                };
                say(format_args!("{status}    Uncertainty (dispersion) = +/- {dispersion:.3} milliseconds"))?;
            }
            (Style::Json, position) => say(json(position, seconds))?,
            (Style::Csv, None) => say("false,,,,,")?,
            (Style::Csv, Some(Position { wall_clock_ns, dispersion, timeline })) => {
                let rest = format!("{wall_clock_ns},{dispersion:.6}");
                match timeline {
                    Some((speed, ticks)) => {
                        say(format_args!("true,{speed},{:.6},{},{rest}", seconds(ticks), ticks.round()))?;
                    }
                    None => say(format_args!("false,,,,{rest}"))?,
                }
            }
        }
    }
}

fn json(position: Option<Position>, seconds: impl Fn(Ratio) -> Ratio) -> serde_json::Value {
    let number = |r: Ratio, places: usize| {
        serde_json::from_str::<serde_json::Value>(&format!("{r:.places$}")).unwrap_or_default()
    };
    let timeline = position.and_then(|p| p.timeline);
    let dispersion = position.and_then(|p| p.dispersion.as_seconds());
    serde_json::json!({
        "available": timeline.is_some(),
        "speed": timeline.map(|(speed, _)| number(speed, 9)),
        "position_s": timeline.map(|(_, ticks)| number(seconds(ticks), 9)),
        "content_time": timeline.map(|(_, ticks)| number(Ratio::from(ticks.round()), 0)),
        "wall_clock_ns": position.map(|p| p.wall_clock_ns),
        "dispersion_ms": dispersion.map(|d| number(d * Ratio::from(1000), 6)),
    })
}

const LOGGER: &str = "TSClient";
/// Time between two lines.
const PERIOD: Duration = Duration::from_millis(400);
/// A server that has gone six times before it told anything is not asked again.
const MAX_PAUSE: Duration = Duration::from_secs(2);
