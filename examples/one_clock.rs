//! cargo run --example one_clock -- 127.0.0.1:8088
//!
//! One clock, five protocols: schedules a take in a studio that runs (`cargo run --release --bin studio`), collects what
//! the recorders have, and reads out of the pictures whether everything kept one time.
//!
//! Nothing here depends on when this program looks. A picture says when it was taken, a session says when a frame of it
//! began, a television says where its timeline was at which time; all that is left to do is arithmetic.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use driver::{Driver, Limits};
use dvb_css::Ratio;
use dvb_css::client::{TsClient, TsClientEvent};
use dvb_css::config::TsClientConfig;
use dvb_css::message::SetupData;
use dvb_css::server::TS;
use machine::Service;
use multicam_common::client::{DeviceKey, Failure};
use multicam_common::codec::Reply;
use multicam_common::config::ControllerConfig;
use multicam_common::message::CommandMessage;
use multicam_common::{DeviceStatus, UnixTime};
use multicam_programs::controller::{Fleet, State, collect_all};
use multicam_programs::still::Ends;
use serde_json::Value;
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::message::Position;
use smpte_timecode::{Rate, Timecode};
use test_picture::Marks;

/// Schedule a take in a running studio and see whether everything kept one time
#[derive(Parser)]
struct Options {
    /// Address of the studio's page
    #[arg(default_value = "127.0.0.1:8088")]
    studio: SocketAddr,
    /// Where to put the recordings and their manifest
    #[arg(long, value_name = "DIR", default_value = "takes")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let story = tell(options.studio, &options.out).await?;
    println!("{:<34} {:<12} {:>12} {:>12}", "picture", "timecode", "session", "television");
    for seen in &story {
        let (of, label) =
            (format!("{}, {}", seen.device, seen.which), seen.marks.label().unwrap_or_default());
        println!("{of:<34} {label:<12} {:>9.3} fr {:>9.3} fr", seen.off_session, seen.off_television);
    }
    println!(
        "frames by which each picture's timecode is off what the session and the television say of its instant"
    );
    Ok(())
}

/// A picture of a recording, and how far off it is.
pub struct Seen {
    /// Whose recording.
    pub device: String,
    /// Which picture.
    pub which: &'static str,
    /// What it says of itself.
    pub marks: Marks,
    /// Frames between its timecode and the session's at the instant at which it was taken.
    pub off_session: f64,
    /// The same for the television's timeline.
    pub off_television: f64,
}

/// Schedules a take and returns what the first and the last picture of each recording say.
pub async fn tell(studio: SocketAddr, out: &Path) -> Result<Vec<Seen>> {
    // 1. Ask the studio what runs where. `clock` is a reading of this machine's two clocks at once: pictures carry the
    //    time of day, session and television count on the monotonic clock.
    let state = state(studio)?;
    let clock = Clocks {
        monotonic_ns: state["clock"]["monotonic_ns"].as_i64().context("the studio has no clock")?,
        unix_ns: state["clock"]["unix_ns"].as_i64().context("the studio has no clock")?,
    };
    let session = state["clock"]["session"].as_str().context("a session")?;
    let addresses = |name: &str, role: &str| -> Vec<SocketAddr> {
        let services = state["services"].as_array().into_iter().flatten();
        let wanted = services.filter(|s| s["name"] == name && s["role"] == role);
        wanted.filter_map(|s| s["address"].as_str()?.parse().ok()).collect()
    };

    // 2. Join the timecode session, and keep one thing that its server said: frame N began then.
    let server = *addresses("smpte", "tcp").first().context("no timecode server")?;
    let position = position(server, session).await?;
    let rate = Rate::try_new(position.rate.num.get(), position.rate.den.get(), position.drop)?;

    // 3. Follow the television's timeline of that name, and keep one thing that it said: it was there then.
    let television = *addresses("dvb", "http").first().context("no television")?;
    let timeline = timeline(television, rate).await?;

    // 4. A controller with the studio's recorders, and a take that begins four seconds from now, in the middle of a
    //    frame, so that no rounding makes it another.
    let fleet = Fleet::start(ControllerConfig::default());
    let mut keys = Vec::new();
    for device in addresses("multicam", "device") {
        keys.push(fleet.add(device, None)?);
    }
    ensure!(!keys.is_empty(), "no recorders");
    let frame =
        session_frame(position, i64::try_from(driver::now().as_nanos())?) + 4 * i128::from(rate.nominal());
    let target_ns = i64::try_from(instant_of(position, frame) + half_a_frame(position))?;
    let target = UnixTime::from_nanos(clock.to_unix(target_ns));
    let start = |fleet: Fleet, key| async move { fleet.start_at(key, target).await };
    for reply in ask_all(&fleet, &keys, start).await? {
        ensure!(!matches!(reply, Reply::Error(_)), "a recorder says {}", reply.status());
    }

    // 5. All of them record; a second of it is enough.
    for key in &keys {
        while *fleet.ask(*key, CommandMessage::device_status()).await?.status() != DeviceStatus::Recording {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stop = |fleet: Fleet, key| async move { fleet.ask(key, CommandMessage::stop_recording()).await };
    let mut takes = Vec::new();
    for reply in ask_all(&fleet, &keys, stop).await? {
        match reply {
            Reply::Stopped(stopped) => {
                takes.push(stopped.file().context("a recording without a name")?.to_owned())
            }
            other => bail!("a recorder says {}", other.status()),
        }
    }

    // 6. Collect the files. Each is verified by its hash, and `manifest.json` says what is in them.
    let known = Arc::new(Mutex::new(State::load(&out.join("takes.json"))?));
    let collected = collect_all(&fleet, out, &known, None, |_, _, _| {}).await?;
    fleet.shutdown().await;

    // 7. Read the first and the last picture of each, and compare.
    let mut story = Vec::new();
    for file in collected.into_iter().filter(|file| takes.contains(&file.file)) {
        let (path, ..) = file.outcome.map_err(anyhow::Error::msg)?;
        let ends = Ends::read(&path).with_context(|| format!("{}", path.display()))?;
        for (which, marks) in [("first picture", ends.first), ("last picture", ends.last)] {
            let label = marks.label().context("a picture without timecode")?;
            let shown = i128::from(Timecode::parse(&label, rate)?.frame());
            let taken = clock.to_monotonic(i64::try_from(marks.time_ns)?);
            story.push(Seen {
                device: file.device.clone(),
                which,
                marks,
                off_session: frames(shown * 1000 - session_millis(position, taken)),
                off_television: frames(shown * 1000 - timeline.millis(taken, rate)),
            });
        }
    }
    Ok(story)
}

/// A reading of both clocks of the studio's machine.
#[derive(Clone, Copy)]
struct Clocks {
    monotonic_ns: i64,
    unix_ns: i64,
}

impl Clocks {
    fn to_unix(self, monotonic_ns: i64) -> i64 {
        monotonic_ns - self.monotonic_ns + self.unix_ns
    }

    fn to_monotonic(self, unix_ns: i64) -> i64 {
        unix_ns - self.unix_ns + self.monotonic_ns
    }
}

/// `GET /api/state`.
fn state(studio: SocketAddr) -> Result<Value> {
    let mut stream = TcpStream::connect(studio).with_context(|| format!("no studio at {studio}"))?;
    write!(stream, "GET /api/state HTTP/1.1\r\nHost: {studio}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no HTTP")?;
    Ok(serde_json::from_str(body)?)
}

/// When a frame of a session began.
async fn position(server: SocketAddr, session: &str) -> Result<Position> {
    let (client, mut events) = Driver::start(Client::new(ClientConfig::new()), Limits::default());
    client.connect_tcp(server, Service(0)).await?;
    let position = loop {
        match events.next().await.context("the session's server is gone")? {
            Event::Extensions { .. } => client.call(|client, _| client.join(session))?,
            Event::Timecode { position: Some(position), .. } => break position,
            Event::ServerError { message } => bail!("{message}"),
            Event::Disconnected(reason) => bail!("the session's server is gone: {reason:?}"),
            _ => {}
        }
    };
    client.shutdown(Duration::ZERO).await;
    Ok(position)
}

/// Where the television's timeline was at a time of its wall clock, which is the machine's monotonic clock here. (From
/// another machine, a wall clock client would say how that clock stands to one's own: see `css_cues`.)
struct Timeline {
    content_time: i128,
    wall_clock_ns: i128,
    speed: Ratio,
}

impl Timeline {
    /// Thousandths of frames at an instant.
    fn millis(&self, at_ns: i64, rate: Rate) -> i128 {
        let ticks = Ratio::new(1000 * i128::from(rate.numerator()), rate.denominator().into()) * self.speed;
        let passed = Ratio::new(i128::from(at_ns) - self.wall_clock_ns, 1_000_000_000);
        self.content_time * 1000 + (ticks * passed).round()
    }
}

async fn timeline(television: SocketAddr, rate: Rate) -> Result<Timeline> {
    let setup = SetupData::new("", "urn:genlock:timeline:smpte");
    let ticks = Ratio::new(rate.numerator().into(), rate.denominator().into());
    let (client, mut events) =
        Driver::start(TsClient::new(TsClientConfig::new(setup, ticks)), Limits::default());
    client.connect_ws(&format!("ws://{television}/ts"), TS).await?;
    let timeline = loop {
        match events.next().await.context("the television is gone")? {
            TsClientEvent::Received(stamp) => {
                if let Some(there) = stamp.timeline {
                    let wall_clock_ns = stamp.wall_clock_time;
                    break Timeline { content_time: there.content_time, wall_clock_ns, speed: there.speed };
                }
            }
            TsClientEvent::Disconnected { reason, .. } => bail!("the television is gone: {reason:?}"),
            _ => {}
        }
    };
    client.shutdown(Duration::ZERO).await;
    Ok(timeline)
}

/// Thousandths of frames that a session that goes on like this has counted at an instant.
fn session_millis(position: Position, at_ns: i64) -> i128 {
    let (num, den) = (i128::from(position.rate.num.get()), i128::from(position.rate.den.get()));
    let passed = i128::from(at_ns) - i128::from(position.at_ns);
    i128::from(position.frame) * 1000 + (passed * num).div_euclid(den * 1_000_000)
}

fn session_frame(position: Position, at_ns: i64) -> i128 {
    session_millis(position, at_ns).div_euclid(1000)
}

/// When a frame of that session begins.
fn instant_of(position: Position, frame: i128) -> i128 {
    let (num, den) = (i128::from(position.rate.num.get()), i128::from(position.rate.den.get()));
    i128::from(position.at_ns) + (frame - i128::from(position.frame)) * den * 1_000_000_000 / num
}

fn half_a_frame(position: Position) -> i128 {
    i128::from(position.rate.den.get()) * 500_000_000 / i128::from(position.rate.num.get())
}

fn frames(thousandths: i128) -> f64 {
    // A day has a few million frames: a float holds that to the last thousandth.
    thousandths as f64 / 1000.0
}

/// Asks all recorders at once.
async fn ask_all<F>(
    fleet: &Fleet,
    keys: &[DeviceKey],
    ask: impl Fn(Fleet, DeviceKey) -> F,
) -> Result<Vec<Reply>>
where
    F: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    let asked: Vec<_> = keys.iter().map(|key| tokio::spawn(ask(fleet.clone(), *key))).collect();
    let mut replies = Vec::new();
    for reply in asked {
        replies.push(reply.await?.context("a recorder does not answer")?);
    }
    Ok(replies)
}
