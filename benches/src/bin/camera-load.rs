//! Loads a camera server's telemetry port with many clients and says how exact it stays.
//!
//! ```text
//! cargo run --release -p benches --bin camera-load -- --spawn target/release/camera-server --clients 1000
//! ```
//!
//! Any server of the protocol can be measured: clients only listen. A *period deviation* is how far the time between two
//! frames of one client is from the exact period; the *mean rate* is over all clients from first frame to last, its
//! deviation in parts per million (on this machine's clock); *delivered* are the frames that came of those that the exact
//! rate makes.
//!
//! One thread reads all sockets. Between two ticks it sleeps, but from a frame until a millisecond after the last it looks
//! for more without sleeping: otherwise a part of what is measured would be the time that a processor takes to wake this
//! program.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use benches::{Usage, percentile};
use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event};
use camera_packet::packet::Kind;
use clap::Parser;
use machine::Instant;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Notify};
use tokio::task::LocalSet;

/// Load a camera server's telemetry port and measure it
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Server to load
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "HOST:PORT")]
    server: String,
    /// Start this server for the measurement (it gets --source none, free ports and --rate) and measure its process
    #[arg(long, value_name = "PROGRAM", conflicts_with = "server")]
    spawn: Option<String>,
    /// Process of the server, to measure what it uses
    #[arg(long)]
    pid: Option<u32>,
    /// Clients
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// Frames a second that the server sends
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rate: u16,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    ensure!(options.clients > 0, "--clients: at least one");
    driver::cli::raise_descriptor_limit();
    let server = options.spawn.as_deref().map(|program| spawn(program, &options)).transpose()?;
    if let Some((child, address)) = &server {
        options.server.clone_from(address);
        options.pid = Some(child.0.id());
    }
    // The sockets are looked at after every few tasks, not after 61.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(4).build()?;
    let report = LocalSet::new().block_on(&runtime, run(&options))?;
    println!("{report}");
    Ok(())
}

fn spawn(program: &str, options: &Options) -> Result<(Server, String)> {
    let (most, rate) = ((options.clients + 16).to_string(), options.rate.to_string());
    let mut child = Command::new(program)
        .args(["--host", "127.0.0.1", "--data-port", "0", "--settings-port", "0", "--auth-port", "0"])
        .args(["--source", "none", "--max-clients", &most, "--rate", &rate, "--log-level", "WARNING"])
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("--spawn: cannot start '{program}'"))?;
    let out = child.stdout.take().context("stdout")?;
    let server = Server(child);
    for line in BufReader::new(out).lines() {
        let line = line?;
        if let Some(address) = line.strip_prefix("listening on ").and_then(|l| l.strip_suffix(" (data)")) {
            return Ok((server, address.to_owned()));
        }
    }
    bail!("--spawn: '{program}' did not say where it listens")
}

async fn run(options: &Options) -> Result<String> {
    let measured = Duration::from_secs_f64(options.seconds);
    let joined = Rc::new(Barrier::new(options.clients + 1));
    let awake = Rc::new(Awake::default());
    tokio::task::spawn_local(awake.clone().keep());
    let mut clients = Vec::new();
    for _ in 0..options.clients {
        let stream = TcpStream::connect(&options.server)
            .await
            .with_context(|| format!("cannot connect to {}", options.server))?;
        stream.set_nodelay(true)?;
        let (joined, awake) = (joined.clone(), awake.clone());
        clients
            .push(tokio::task::spawn_local(async move { follow(stream, measured, &joined, &awake).await }));
    }
    joined.wait().await;
    // The first second is left out: everything is still warming up.
    tokio::time::sleep(WARM_UP).await;
    let before = options.pid.and_then(Usage::of);
    let mut arrivals = Vec::new();
    for client in clients {
        arrivals.push(client.await??);
    }
    let after = options.pid.and_then(Usage::of);
    report(options, &arrivals, before.zip(after))
}

/// When each frame came whole to one client.
async fn follow(stream: TcpStream, time: Duration, joined: &Barrier, awake: &Awake) -> Result<Vec<Instant>> {
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    let mut buffer = [0; 4096];
    let mut arrivals = Vec::new();
    joined.wait().await;
    let begin = driver::now() + WARM_UP;
    let end = begin + time;
    loop {
        stream.readable().await?;
        let n = match stream.try_read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        let now = driver::now();
        awake.note(now);
        if now >= end {
            return Ok(arrivals);
        }
        let mut feed = decoder.feed(now, &buffer[..n]);
        while let Some(event) = feed.next() {
            match event {
                Event::Frame(frame) if frame.kind == Kind::DATA => {
                    if now >= begin {
                        arrivals.push(now);
                    }
                }
                other => bail!("the server sent something else: {other:?}"),
            }
        }
    }
}

fn report(options: &Options, arrivals: &[Vec<Instant>], usage: Option<(Usage, Usage)>) -> Result<String> {
    let period_ns = 1e9 / f64::from(options.rate);
    let frames: usize = arrivals.iter().map(Vec::len).sum();
    let (mut deviations, mut rates, mut expected) = (Vec::with_capacity(frames), Vec::new(), 0.0);
    for client in arrivals {
        let (Some(&first), Some(&last)) = (client.first(), client.last()) else {
            bail!("a client heard nothing; is --rate right?")
        };
        let span = last.saturating_since(first).as_nanos() as f64;
        // The periods that really passed, whatever was left out.
        let periods = (span / period_ns).round();
        expected += periods + 1.0;
        rates.push(periods * 1e9 / span.max(1.0));
        deviations.extend(client.windows(2).map(|pair| {
            let between = pair[1].saturating_since(pair[0]).as_nanos() as f64;
            (between - period_ns).abs() / 1e6
        }));
    }
    deviations.sort_by(f64::total_cmp);
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let mut report = json!({
        "clients": options.clients,
        "rate": options.rate,
        "seconds": options.seconds,
        "frames": frames,
        "delivered_percent": 100.0 * frames as f64 / expected,
        "mean_rate_hz": mean,
        "mean_rate_ppm": (mean / f64::from(options.rate) - 1.0) * 1e6,
        "deviation_p50_ms": percentile(&deviations, 0.5),
        "deviation_p99_ms": percentile(&deviations, 0.99),
        "deviation_p99_9_ms": percentile(&deviations, 0.999),
        "deviation_max_ms": percentile(&deviations, 1.0),
    });
    if let Some((before, after)) = usage {
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        report["cpu_us_per_frame"] = json!(cpu * 1e6 / frames.max(1) as f64);
        report["cores"] = json!(cpu / options.seconds);
        report["resident_mib"] = json!(after.resident_kib as f64 / 1024.0);
    }
    if options.json {
        return Ok(report.to_string());
    }
    let lines = report.as_object().into_iter().flatten().map(|(key, value)| match value.as_f64() {
        Some(number) if !value.is_u64() => format!("{key:20} {number:.3}"),
        _ => format!("{key:20} {value}"),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Keeps the program from sleeping while a tick's frames come in.
#[derive(Default)]
struct Awake {
    last: Cell<Instant>,
    frame: Notify,
}

impl Awake {
    fn note(&self, now: Instant) {
        self.last.set(now);
        self.frame.notify_one();
    }

    async fn keep(self: Rc<Self>) {
        loop {
            self.frame.notified().await;
            while driver::now().saturating_since(self.last.get()) < Duration::from_millis(1) {
                tokio::task::yield_now().await;
            }
        }
    }
}

const WARM_UP: Duration = Duration::from_secs(1);
