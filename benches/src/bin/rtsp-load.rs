//! Loads an RTSP server with many readers and says what it costs the server, and whether each reader got its stream.
//!
//! ```text
//! cargo run --release -p benches --bin rtsp-load -- rtsp://127.0.0.1:8554/film.h264 --pid PID --readers 100
//! ```
//!
//! With `--spawn target/release/rtsp-server` it starts the server itself, with a film of its own making. Any server can be
//! measured; `benches/gst_rtsp_server.py` is GStreamer's, `rtsp-floor` a plain loop of sends, and
//! `benches/rtsp_beside_gst.py` measures all three in turns. Each reader does DESCRIBE, SETUP and PLAY,
//! then counts for the time given, all of them the same time, and ends with TEARDOWN. A reader counts packets of one
//! SSRC, gaps in their sequence numbers, and frames (by their marker).

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use benches::Usage;
use benches::film::{FPS, Film};
use benches::rtsp_reader::{Carrier, Reader, Seen};
use benches::spawned::Spawned;
use clap::{Parser, ValueEnum};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

/// Load an RTSP server with readers and measure it
#[derive(Parser)]
#[command(version)]
struct Options {
    /// What is read
    #[arg(required_unless_present = "spawn", default_value = "")]
    url: String,
    /// Start this server for the measurement (it gets --port 0, --loop, and a film as --media-root) and measure its process
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["url", "pid"])]
    spawn: Option<String>,
    /// With --spawn: what the film is made of
    #[arg(long, value_enum, default_value = "h264")]
    film: Film,
    /// With --spawn: megabits a second of the film
    #[arg(long, default_value_t = 4.0)]
    mbit: f64,
    /// Process of the server, to measure what it uses
    #[arg(long)]
    pid: Option<u32>,
    /// How many readers
    #[arg(long, default_value_t = 100)]
    readers: usize,
    /// How packets come
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// Over UDP: readers look for packets every so many milliseconds instead of being woken by each. On one machine
    /// waking them is charged to the server, which readers elsewhere do not cost it
    #[arg(long, value_name = "MS")]
    poll: Option<f64>,
    /// Over UDP: readers take what left in one call in one (`UDP_GRO`). On one machine the kernel else cuts it in the
    /// server's time, and hands on each packet; to readers elsewhere a network card cuts it, or the driver just before it
    #[arg(long)]
    joined: bool,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Frames a second of the stream: every reader has to get as many, give or take 2 %
    #[arg(long)]
    fps: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    ensure!(options.readers > 0, "--readers: at least 1");
    ensure!(options.poll.is_none_or(|ms| (0.5..1000.0).contains(&ms)), "--poll: 0.5 to 1000 ms");
    let folder = tempfile::tempdir()?;
    let server =
        options.spawn.as_deref().map(|program| spawn(program, folder.path(), &options)).transpose()?;
    if let Some((server, url)) = &server {
        options.url.clone_from(url);
        options.pid = Some(server.pid());
        options.fps.get_or_insert(FPS.into());
    }
    // More sockets than a shell's usual limit allows.
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(run(options)))
}

fn spawn(program: &str, folder: &Path, options: &Options) -> Result<(Spawned, String)> {
    let frame = options.mbit * 1e6 / 8.0 / f64::from(FPS);
    ensure!((400.0..1e7).contains(&frame), "--mbit: {} makes no film", options.mbit);
    let name = options.film.write(folder, frame as usize)?;
    let root = folder.to_str().context("the path of temporary files is not UTF-8")?;
    let fps = FPS.to_string();
    let arguments = ["--port", "0", "--host", "127.0.0.1", "--loop", "--fps", &fps, "--media-root", root];
    let mut server = Spawned::start(program, &arguments)?;
    let address = server.address("rtsp")?;
    Ok((server, format!("rtsp://{address}/{name}")))
}

async fn run(options: Options) -> Result<()> {
    let options = Rc::new(options);
    let rest = options.url.strip_prefix("rtsp://").context("the URL begins with rtsp://")?;
    let address = rest.split('/').next().unwrap_or(rest);
    let server: SocketAddr = tokio::net::lookup_host(address).await?.next().context("no address")?;
    let before = options.pid.and_then(Usage::of).map(|u| u.resident_kib);

    let playing = Rc::new(Barrier::new(options.readers + 1));
    let measure = Rc::new(Barrier::new(options.readers + 1));
    let mut tasks = Vec::new();
    for _ in 0..options.readers {
        let poll = options.poll.map(|ms| Duration::from_secs_f64(ms / 1000.0));
        let carrier = match options.transport {
            Transport::Tcp => Carrier::Tcp,
            Transport::Udp => Carrier::Udp { poll, joined: options.joined },
        };
        let mut reader = Reader::connect(server, &options.url, carrier).await?;
        let (options, playing, measure) = (options.clone(), playing.clone(), measure.clone());
        tasks.push(tokio::task::spawn_local(async move {
            reader.play().await?;
            // The first frame says that it flows.
            reader.read_for(Duration::from_secs(20), true).await?;
            // Read on while others begin.
            tokio::select! {
                _ = playing.wait() => {}
                result = reader.read_forever() => result?,
            }
            tokio::select! {
                _ = measure.wait() => {}
                result = reader.read_forever() => result?,
            }
            reader.reset();
            let seen = reader.read_for(Duration::from_secs_f64(options.seconds), false).await?;
            reader.teardown().await?;
            Ok::<Seen, anyhow::Error>(seen)
        }));
    }
    playing.wait().await;
    let (start, usage) = (Instant::now(), options.pid.and_then(Usage::of));
    measure.wait().await;
    tokio::time::sleep(Duration::from_secs_f64(options.seconds)).await;
    let (took, after) = (start.elapsed(), options.pid.and_then(Usage::of));
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await??);
    }

    let bytes: u64 = all.iter().map(|s| s.bytes).sum();
    let mbit = bytes as f64 * 8.0 / 1e6;
    let rates: Vec<f64> = all.iter().map(|s| s.frames as f64 / options.seconds).collect();
    let (min, max) = rates.iter().fold((f64::MAX, 0.0_f64), |(a, b), r| (a.min(*r), b.max(*r)));
    let foreign: u64 = all.iter().map(|s| s.foreign).sum();
    let cpu = usage.zip(after).map(|(a, b)| b.cpu.saturating_sub(a.cpu));
    let memory =
        before.zip(after).map(|(a, b)| b.resident_kib.saturating_sub(a) as f64 / options.readers as f64);
    let result = json!({
        "readers": options.readers,
        "transport": format!("{:?}", options.transport).to_lowercase(),
        "seconds": options.seconds,
        "delivered_mbit": mbit,
        "mbit_per_second": mbit / options.seconds,
        "packets": all.iter().map(|s| s.packets).sum::<u64>(),
        "lost": all.iter().map(|s| s.lost).sum::<u64>(),
        "foreign_packets": foreign,
        "fps_min": min,
        "fps_max": max,
        "cpu_percent": cpu.map(|c| 100.0 * c.as_secs_f64() / took.as_secs_f64()),
        "cpu_us_per_mbit": cpu.map(|c| c.as_secs_f64() * 1e6 / mbit),
        "resident_kib_per_reader": memory,
    });
    println!("{}", benches::told(&result, options.json));
    ensure!(foreign == 0, "{foreign} packets of another SSRC");
    if let Some(fps) = options.fps {
        // What was on its way when the measurement began comes on top: four frames at most, and what is lost in rounding.
        let slack = (fps * 0.02).max(4.5 / options.seconds);
        if (min - fps).abs() > slack || (max - fps).abs() > slack {
            bail!("readers got {min:.2} to {max:.2} frames a second of {fps}");
        }
    }
    Ok(())
}
