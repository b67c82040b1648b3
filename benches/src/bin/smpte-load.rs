//! Loads a server of the timecode session protocol with many clients and says how exact it stays.
//!
//! ```text
//! cargo run --release -p benches --bin smpte-load -- --spawn target/release/smpte-server --clients 1000
//! ```
//!
//! It speaks the plain protocol without extensions, so any server of it can be measured. One client in each session
//! creates and starts it, the others join. An update's *deviation* is how much later it came than the quickest update
//! of the same session on the grid of the exact rate; the *drift* is label time against this machine's clock;
//! *delivered* are the updates that came of those that the exact rate makes.
//!
//! With `--slow`, `--flood` and `--churn` there are others that do not behave, and what those get who do is measured.
//!
//! Between two frames it sleeps, but from an update until a millisecond after the last it looks for more without
//! sleeping: otherwise half of what is measured would be the time that a processor takes to wake this program.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::spawned::{Spawned, apart};
use benches::{Member, Usage, percentile};
use clap::Parser;
use serde_json::json;
use smpte_timecode::{Rate, Timecode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Notify};
use tokio::task::LocalSet;

/// Load a timecode session server and measure it
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Server to load
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    server: String,
    /// Start this server for the measurement (it gets --host, --port 0 and limits that fit) and measure its process
    #[arg(long, value_name = "PROGRAM", conflicts_with = "server")]
    spawn: Option<String>,
    /// Process of the server, to measure what it uses
    #[arg(long)]
    pid: Option<u32>,
    /// Clients in all
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Sessions that they are spread over
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// Frame rate, as the protocol names it
    #[arg(long, default_value = "30")]
    rate: String,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// More members of each session that read nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    slow: usize,
    /// More members of each session that reset it thousands of times a second
    #[arg(long, value_name = "N", default_value_t = 0)]
    flood: usize,
    /// How many times one more client makes a session and leaves it meanwhile
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    churn: usize,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What one client has seen.
#[derive(Default)]
struct Seen {
    /// Arrival minus place on the grid, in ns since the run began.
    residuals: Vec<i64>,
    frames: Vec<i64>,
    session: usize,
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    ensure!(options.sessions > 0 && options.clients >= options.sessions, "--clients: each session needs one");
    let rate: Rate = options.rate.parse().with_context(|| format!("--rate: '{}'", options.rate))?;
    let all = options.clients + options.sessions * (options.slow + options.flood) + 1;
    let server = options.spawn.as_deref().map(|program| spawn(program, all)).transpose()?;
    if let Some((process, address)) = &server {
        options.server.clone_from(address);
        options.pid = Some(process.pid());
    }
    // The sockets are looked at after every few tasks, not after 61.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(4).build()?;
    let report = LocalSet::new().block_on(&runtime, run(Rc::new(options), rate))?;
    println!("{report}");
    Ok(())
}

fn spawn(program: &str, clients: usize) -> Result<(Spawned, String)> {
    let most = (clients + 16).to_string();
    let arguments = ["--host", "127.0.0.1", "--port", "0", "--no-status", "--max-clients", &most];
    let mut server = apart(|| Spawned::start(program, &arguments)).context("--spawn")?;
    let address = server.address("tcp").context("--spawn")?.to_string();
    Ok((server, address))
}

async fn run(options: Rc<Options>, rate: Rate) -> Result<String> {
    let measured = Duration::from_secs_f64(options.seconds);
    // Everybody has joined; everybody is done.
    let joined = Rc::new(Barrier::new(options.clients + 1));
    let awake = Rc::new(Awake::default());
    tokio::task::spawn_local(awake.clone().keep());
    let (mut clients, mut others) = (Vec::new(), Vec::new());
    // Where labels jump, frames are counted by the clock.
    let by_label = options.flood == 0;
    for session in 0..options.sessions {
        let mut creator = Member::connect(&options.server).await?;
        let create =
            json!({"type": "create_session", "framerate": options.rate, "initial_timecode": "00:00:00:00"});
        let id = creator.ask(&create, "session_created").await?["session_id"].clone();
        let mut members = vec![creator];
        while members.len() * options.sessions + session < options.clients {
            let mut member = Member::connect(&options.server).await?;
            member.ask(&json!({"type": "join_session", "session_id": id}), "session_joined").await?;
            members.push(member);
        }
        let join = json!({"type": "join_session", "session_id": id});
        for k in 0..options.slow + options.flood {
            let mut member = Member::connect(&options.server).await?;
            member.ask(&join, "session_joined").await?;
            others.push((member.into_stream(), k >= options.slow));
        }
        for (i, member) in members.into_iter().enumerate() {
            let (joined, awake) = (joined.clone(), awake.clone());
            clients.push(tokio::task::spawn_local(async move {
                let role = Role { session, starts: i == 0, by_label };
                follow(member, role, rate, measured, &joined, &awake).await
            }));
        }
    }
    joined.wait().await;
    // The first second is left out: everything is still warming up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = options.pid.and_then(Usage::of);
    // Those that do not read only have to stay.
    let mut silent = Vec::new();
    for (stream, floods) in others {
        match floods {
            true => drop(tokio::task::spawn_local(flood(stream))),
            false => silent.push(stream),
        }
    }
    let churn = tokio::task::spawn_local(churn(options.clone()));
    let mut seen = Vec::new();
    for client in clients {
        seen.push(client.await??);
    }
    let after = options.pid.and_then(Usage::of);
    ensure!(churn.is_finished(), "--churn: not done within --seconds");
    churn.await??;
    Ok(report(&options, rate, seen, before.zip(after)))
}

/// Resets the session as fast as the server reads.
async fn flood(stream: TcpStream) -> Result<()> {
    let (mut read, mut write) = stream.into_split();
    tokio::task::spawn_local(async move { while let Ok(1..) = read.read(&mut [0; 16 << 10]).await {} });
    let resets = b"{\"type\": \"reset_timecode\", \"timecode\": \"01:00:00:00\"}\n".repeat(10);
    loop {
        write.write_all(&resets).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes sessions and leaves them.
async fn churn(options: Rc<Options>) -> Result<()> {
    if options.churn == 0 {
        return Ok(());
    }
    let mut member = Member::connect(&options.server).await?;
    let create = json!({"type": "create_session", "framerate": options.rate});
    for _ in 0..options.churn {
        member.ask(&create, "session_created").await?;
        member.send(&json!({"type": "leave_session"})).await?;
    }
    Ok(())
}

fn report(options: &Options, rate: Rate, seen: Vec<Seen>, usage: Option<(Usage, Usage)>) -> String {
    let frame_ns = 1e9 * f64::from(rate.denominator()) / f64::from(rate.numerator());
    let updates: usize = seen.iter().map(|s| s.frames.len()).sum();
    // The frames that really passed between each client's first update and its last.
    let expected: f64 = seen
        .iter()
        .filter_map(|s| {
            let at = |i: usize| Some(s.residuals.get(i)? + (*s.frames.get(i)? as f64 * frame_ns) as i64);
            let passed = (at(s.frames.len().checked_sub(1)?)? - at(0)?) as f64 / frame_ns;
            Some(passed.round() + 1.0)
        })
        .sum();
    let mut deviations = Vec::with_capacity(updates);
    let mut drift_ms = 0.0_f64;
    for session in 0..options.sessions {
        let members = || seen.iter().filter(|s| s.session == session);
        let quickest = members().flat_map(|s| &s.residuals).min().copied().unwrap_or(0);
        deviations.extend(members().flat_map(|s| &s.residuals).map(|r| (r - quickest) as f64 / 1e6));
        // Drift: the quickest updates of the last tenth against those of the first.
        for s in members().take(1) {
            let tenth = (s.residuals.len() / 10).max(1);
            let first = s.residuals.iter().take(tenth).min().copied().unwrap_or(0);
            let last = s.residuals.iter().rev().take(tenth).min().copied().unwrap_or(0);
            drift_ms = drift_ms.max(((last - first) as f64 / 1e6).abs());
        }
    }
    deviations.sort_by(f64::total_cmp);
    let backwards = seen.iter().flat_map(|s| s.frames.windows(2)).filter(|w| w[1] <= w[0]).count();
    let mut report = json!({
        "clients": options.clients,
        "sessions": options.sessions,
        "rate": options.rate,
        "seconds": options.seconds,
        "updates": updates,
        "delivered_percent": 100.0 * updates as f64 / expected,
        "drift_ms": drift_ms,
        "deviation_p50_ms": percentile(&deviations, 0.5),
        "deviation_p99_ms": percentile(&deviations, 0.99),
        "deviation_max_ms": percentile(&deviations, 1.0),
    });
    if options.flood == 0 {
        report["backwards"] = json!(backwards);
    }
    if options.slow + options.flood + options.churn > 0 {
        report["misbehaving"] = json!({"slow": options.slow, "flood": options.flood, "churn": options.churn});
    }
    if let Some((before, after)) = usage {
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        report["cpu_us_per_update"] = json!(cpu * 1e6 / updates as f64);
        report["cores"] = json!(cpu / options.seconds);
        report["resident_mib"] = json!(after.resident_kib as f64 / 1024.0);
        report["resident_before_mib"] = json!(before.resident_kib as f64 / 1024.0);
    }
    benches::told(&report, options.json)
}

/// Keeps the program from sleeping while a frame's updates come in.
#[derive(Default)]
struct Awake {
    last: Cell<machine::Instant>,
    update: Notify,
}

impl Awake {
    fn note(&self, now: machine::Instant) {
        self.last.set(now);
        self.update.notify_one();
    }

    async fn keep(self: Rc<Self>) {
        loop {
            self.update.notified().await;
            while driver::now().saturating_since(self.last.get()) < Duration::from_millis(1) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// What a member is for.
#[derive(Clone, Copy)]
struct Role {
    session: usize,
    /// It starts the session.
    starts: bool,
    /// Frames are told by their labels, not by when they come.
    by_label: bool,
}

async fn follow(
    mut member: Member,
    role: Role,
    rate: Rate,
    time: Duration,
    joined: &Barrier,
    awake: &Awake,
) -> Result<Seen> {
    joined.wait().await;
    if role.starts {
        member.send(&json!({"type": "start_timecode"})).await?;
    }
    member.expect("timecode_started").await?;
    let mut seen = Seen { session: role.session, ..Seen::default() };
    let begin = driver::now() + Duration::from_secs(1);
    let end = begin + time;
    let day = i64::from(rate.frames_per_day());
    let frames_per_second = f64::from(rate.numerator()) / f64::from(rate.denominator());
    loop {
        ensure!(member.next_line().await?, "the server closed the connection");
        let now = driver::now();
        awake.note(now);
        if now >= end {
            return Ok(seen);
        }
        if now < begin {
            continue;
        }
        let Some(label) = member.update() else { continue };
        let mut frame = match role.by_label {
            true => Timecode::parse(label, rate).with_context(|| format!("label '{label}'"))?.frame().into(),
            false => (now.saturating_since(begin).as_secs_f64() * frames_per_second).round() as i64,
        };
        // Labels start again after a day; frames go on.
        if let Some(&last) = seen.frames.last() {
            frame += (last - frame + day / 2).div_euclid(day) * day;
        }
        let on_grid =
            i128::from(frame) * 1_000_000_000 * i128::from(rate.denominator()) / i128::from(rate.numerator());
        seen.residuals.push((i128::from(now.as_nanos()) - on_grid) as i64);
        seen.frames.push(frame);
    }
}
