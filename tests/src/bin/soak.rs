//! Runs the studio for long under clients that come, go, die and talk nonsense, and checks that it stays what it was:
//! memory, descriptors and threads flat, timecode in step with the clock.
//!
//! ```text
//! cargo build --release --bins && target/release/soak --minutes 30
//! ```
//!
//! The clients are the workspace's own programs, ended by SIGKILL in the middle of whatever they do, and connections that
//! send noise, stop half-way, or do not read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use driver::cli::Progress;
use e2e::Running;
use e2e::faults::{TcpProxy, Wire};
use machine::sim::Rng;
use serde_json::Value;

/// Run the studio under churning clients and faults, and check that nothing grows
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How long, in minutes
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// What the visitors' choices are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Shared by all that visit.
struct Visit {
    /// Folder of the built programs.
    bin: PathBuf,
    /// What listens where, by role.
    addresses: BTreeMap<String, SocketAddr>,
    over: AtomicBool,
    visits: AtomicU64,
}

/// The studio at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    resident_kib: f64,
    descriptors: f64,
    threads: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let bin = std::env::current_exe()?.parent().context("this program lies in a folder")?.to_owned();
    let mut command = Command::new(bin.join("studio"));
    command.args(["--no-open", "--port", "0", "--log", "error"]).env_remove("STUDIO_PORT");
    let studio = Running::spawn(&mut command);
    let visit = Arc::new(Visit {
        bin: bin.clone(),
        addresses: addresses(&studio),
        over: AtomicBool::new(false),
        visits: AtomicU64::new(0),
    });
    let page = visit.at("http")?;

    let mut followers = Command::new(bin.join("smpte-load"))
        .args(["--server", &visit.at("smpte tcp")?.to_string(), "--clients", "20", "--json"])
        .args(["--seconds", &(time.as_secs_f64() - 5.0).max(5.0).to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .context("smpte-load is missing: cargo build --release --bins")?;

    let crowd: Vec<_> = (0..6)
        .map(|i| {
            let (visit, seed) = (visit.clone(), options.seed + i);
            thread::spawn(move || visit.keep_coming(seed))
        })
        .collect();

    let (begin, mut samples) = (Instant::now(), Vec::new());
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut progress = Progress::new("soak", millis(time));
    let pace = (time / 200).clamp(Duration::from_millis(500), Duration::from_secs(5));
    while begin.elapsed() < time {
        thread::sleep(pace);
        let sample = Sample::of(studio.pid(), begin).context("the studio has died")?;
        samples.push(sample);
        progress.at(millis(begin.elapsed()));
        if samples.len() % 20 == 0 {
            progress.hide();
            println!(
                "{:6.0} s: {:5.1} MiB, {} descriptors, {} threads, {} visits",
                sample.seconds,
                sample.resident_kib / 1024.0,
                sample.descriptors,
                sample.threads,
                visit.visits.load(Ordering::Relaxed)
            );
        }
    }
    drop(progress);
    visit.over.store(true, Ordering::Relaxed);
    for visitors in crowd {
        visitors.join().ok().context("a visitor failed")??;
    }
    let followed = ended(&mut followers)?;
    let state = get(page, "/api/state")?;
    ensure!(state["services"].as_array().is_some_and(|s| !s.is_empty()), "the page tells no state: {state}");
    verdict(&samples, &followed)?;
    println!("{} visits; the studio stayed as it was", visit.visits.load(Ordering::Relaxed));
    Ok(())
}

/// Reads what the studio says that it listens on, up to the line of its page.
fn addresses(studio: &Running) -> BTreeMap<String, SocketAddr> {
    let mut found = BTreeMap::new();
    while let Some(line) = studio.line() {
        if line.starts_with("The page: ") {
            break;
        }
        let parts =
            line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(')')?.split_once(" ("));
        if let Some((address, role)) = parts
            && let Ok(address) = address.parse()
        {
            found.insert(role.to_owned(), address);
        }
    }
    found
}

fn ended(program: &mut Child) -> Result<Value> {
    let mut text = String::new();
    program.stdout.take().context("stdout")?.read_to_string(&mut text)?;
    ensure!(program.wait()?.success(), "smpte-load failed");
    Ok(serde_json::from_str(&text)?)
}

fn get(page: SocketAddr, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(page)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let json = body.find('{').zip(body.rfind('}')).and_then(|(from, to)| body.get(from..=to));
    Ok(serde_json::from_str(json.context("no object")?)?)
}

/// Fails if the last four fifths show growth, or if timecode has drifted.
fn verdict(samples: &[Sample], followed: &Value) -> Result<()> {
    let settled = samples.get(samples.len() / 5..).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut judge = |what: &str, allowed: f64, value: fn(&Sample) -> f64| {
        let growth = growth(settled.iter().map(|sample| (sample.seconds, value(sample))));
        println!("{what}: grown by {growth:.1}, allowed are {allowed:.1}");
        if growth > allowed {
            wrong.push(what.to_owned());
        }
    };
    // What visitors who are there at the moment hold goes up and down; a leak goes on.
    let first = settled.first().context("no samples")?.resident_kib;
    judge("memory, KiB", (first * 0.05).max(2048.0), |sample| sample.resident_kib);
    judge("descriptors", 8.0, |sample| sample.descriptors);
    judge("threads", 4.0, |sample| sample.threads);
    let number = |key: &str| followed[key].as_f64().with_context(|| format!("smpte-load tells no {key}"));
    let (drift, delivered) = (number("drift_ms")?, number("delivered_percent")?);
    println!("timecode: drift {drift:.3} ms, {delivered:.3} % delivered");
    if drift > 5.0 {
        wrong.push("drift of timecode".to_owned());
    }
    // A machine with more to do than it can leaves out updates that are already old; smpte-load alone shows what it can.
    if delivered < 99.0 {
        wrong.push("delivery of timecode".to_owned());
    }
    ensure!(wrong.is_empty(), "not flat: {}", wrong.join(", "));
    Ok(())
}

/// How far the straight line through the points rises from the first to the last.
fn growth(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = points.clone().count() as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in points.clone() {
        above += (x - mean_x) * (y - mean_y);
        below += (x - mean_x).powi(2);
    }
    let span = points.clone().last().zip(points.clone().next()).map_or(0.0, |(last, first)| last.0 - first.0);
    if below > 0.0 { above / below * span } else { 0.0 }
}

impl Sample {
    fn of(pid: u32, begin: Instant) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            seconds: begin.elapsed().as_secs_f64(),
            resident_kib: field("VmRSS:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64,
            threads: field("Threads:")?,
        })
    }
}

impl Visit {
    fn at(&self, role: &str) -> Result<SocketAddr> {
        self.addresses.get(role).copied().with_context(|| format!("nothing listens as {role}"))
    }

    /// Visits until it is over.
    fn keep_coming(&self, seed: u64) -> Result<()> {
        let mut random = Rng::new(seed);
        while !self.over.load(Ordering::Relaxed) {
            if random.chance(500_000) {
                self.program(&mut random)?;
            } else {
                self.stranger(&mut random)?;
            }
            self.visits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One of our clients, for up to three seconds, then killed; at times through a wire that cuts.
    fn program(&self, random: &mut Rng) -> Result<()> {
        let roles = ["smpte tcp", "camera data", "rtsp tcp", "multicam device", "dvb http"];
        let role = roles[random.size_up_to(roles.len() - 1)];
        let target = self.at(role)?;
        let proxy = random.chance(300_000).then(|| {
            let (piece, reset_after) = (random.size_up_to(30), 1 + random.size_up_to(20_000));
            TcpProxy::start(target, Wire { piece, reset_after, ..Wire::default() })
        });
        let to = proxy.as_ref().map_or(target, |proxy| proxy.address);
        let port = to.port().to_string();
        let wall_clock = self.at("dvb wc")?;
        let (name, arguments): (&str, Vec<String>) = match (role, random.size_up_to(1)) {
            ("smpte tcp", _) => {
                let script = "create 25 01:00:00:00; start; wait 5; stop; quit";
                ("smpte-client", vec!["--port".into(), port, "--exec".into(), script.into()])
            }
            ("camera data", _) => ("camera-client", vec!["--data-port".into(), port, "watch".into()]),
            ("rtsp tcp", transport) => {
                let transport = ["udp", "tcp"][transport];
                let url = format!("rtsp://{to}/test");
                (
                    "rtsp-client",
                    vec![url, "--transport".into(), transport.into(), "--duration".into(), "5".into()],
                )
            }
            ("multicam device", _) => {
                ("multicam-controller", vec!["--device".into(), to.to_string(), "status".into()])
            }
            (_, 0) => ("cii-client", vec![format!("ws://{to}/cii")]),
            (_, _) => {
                let timeline = "urn:genlock:timeline:smpte";
                let mut arguments = vec![format!("ws://{to}/ts"), format!("udp://{wall_clock}")];
                arguments.extend(["dvb://", timeline, "30"].map(String::from));
                ("ts-client", arguments)
            }
        };
        let mut child = Command::new(self.bin.join(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{name} is missing: cargo build --release --bins"))?;
        thread::sleep(random.duration_up_to(Duration::from_secs(3)));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait()?;
        Ok(())
    }

    /// A connection, or a datagram, with nonsense in it.
    fn stranger(&self, random: &mut Rng) -> Result<()> {
        let kinds: Vec<(&String, &SocketAddr)> = self.addresses.iter().collect();
        let (role, &address) = kinds[random.size_up_to(kinds.len() - 1)];
        let mut nonsense = vec![0; random.size_up_to(5000)];
        random.fill(&mut nonsense);
        let beginnings: [&[u8]; 5] = [
            b"",
            b"{\"type\": \"create_session\", ",
            b"GET /ts HTTP/1.1\r\nUpgrade: websocket\r\n",
            b"DESCRIBE rtsp://127.0.0.1/test RTSP/1.0\r\nCSeq: ",
            b"{\"command\": \"LIST_FILES\", \"timestamp\": 1",
        ];
        let beginning = beginnings[random.size_up_to(beginnings.len() - 1)];
        nonsense.splice(0..0, beginning.iter().copied());
        if role.ends_with("wc") || role.ends_with("udp") {
            nonsense.truncate(random.size_up_to(1400));
            UdpSocket::bind("127.0.0.1:0")?.send_to(&nonsense, address)?;
            thread::sleep(random.duration_up_to(Duration::from_millis(20)));
            return Ok(());
        }
        // A server that is full may refuse.
        let Ok(mut stream) = TcpStream::connect(address) else { return Ok(()) };
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        let _ = stream.write_all(&nonsense);
        match random.up_to(2) {
            0 => {}
            1 => _ = stream.read(&mut [0; 4096]),
            _ => thread::sleep(random.duration_up_to(Duration::from_secs(2))),
        }
        Ok(())
    }
}
