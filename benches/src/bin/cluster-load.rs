//! Loads three timecode servers on one NATS engine and says how alike they are.
//!
//! ```text
//! cargo build --release -p smpte-programs --features smpte-programs/cluster
//! cargo run --release -p benches --bin cluster-load -- --spawn target/release/smpte-server
//! ```
//!
//! Everything runs on this machine: the engine, the servers and the clients, which are spread over the servers and
//! speak the plain protocol. It tells
//!
//! * *updates*: how much later an update came to a client than the same label came to the quickest of all clients;
//! * *start*: how long after a member of the first server said `start_timecode` members of the others were told;
//! * *changes*: how many changes servers manage in a second, of one session against each other and of one each, and
//!   what a change has the engine read and write;
//! * what a session costs the engine and a server in memory;
//! * *failover*: when the first server is killed, how long its clients (`smpte-client`) take to be members again, and
//!   what their displays do meanwhile.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use benches::spawned::Spawned;
use benches::{Member, Usage, percentile};
use clap::Parser;
use machine::Instant;
use serde_json::{Value, json};
use smpte_timecode::{Rate, Timecode};
use tokio::task::LocalSet;

/// Load a cluster of timecode servers and measure it
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Server to start, built with the feature cluster; smpte-client is to lie beside it
    #[arg(long, value_name = "PROGRAM")]
    spawn: String,
    /// Engine to start
    #[arg(long, value_name = "PROGRAM", default_value = "nats-server")]
    engine: String,
    /// How many servers
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// Clients in all, in one session
    #[arg(long, default_value_t = 300)]
    clients: usize,
    /// Frame rate, as the protocol names it
    #[arg(long, default_value = "59.94")]
    rate: String,
    /// How long to measure updates, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How many starts to measure
    #[arg(long, default_value_t = 200)]
    starts: usize,
    /// Sessions to make for the measurement of memory
    #[arg(long, default_value_t = 2000)]
    sessions: usize,
    /// Clients whose server is killed
    #[arg(long, default_value_t = 20)]
    followers: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.servers > 1 && options.clients >= options.servers,
        "at least two servers, and a client at each"
    );
    let rate: Rate = options.rate.parse().with_context(|| format!("--rate: '{}'", options.rate))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(4).build()?;
    let json = options.json;
    let report = LocalSet::new().block_on(&runtime, run(options, rate))?;
    println!("{}", benches::told(&report, json));
    Ok(())
}

async fn run(options: Options, rate: Rate) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::start(&options.engine, folder.path())?;
    let mut servers = Vec::new();
    for k in 0..options.servers {
        servers.push(Server::start(&options.spawn, &engine.url, k)?);
    }
    let mut clients = Vec::new();
    for k in 0..options.clients {
        clients.push(Member::connect(&servers[k % servers.len()].address).await?);
    }
    let create = json!({"type": "create_session", "framerate": options.rate});
    let id = clients[0].ask(&create, "session_created").await?["session_id"].clone();
    for client in &mut clients[1..] {
        client.ask(&json!({"type": "join_session", "session_id": id}), "session_joined").await?;
    }
    let updates = updates(&mut clients, rate, Duration::from_secs_f64(options.seconds)).await?;
    clients.truncate(options.servers);
    let starts = starts(&mut clients, options.starts).await?;
    let together = changes(&mut clients, &engine).await?;
    for client in &mut clients {
        client.ask(&create, "session_created").await?;
    }
    let apart = changes(&mut clients, &engine).await?;
    drop(clients);
    let memory = memory(&options, &servers, &engine).await?;
    let failover = failover(&options, rate, &mut servers).await?;
    Ok(json!({
        "servers": options.servers, "clients": options.clients, "rate": options.rate, "updates": updates, "start": starts,
        "changes_of_one_session": together, "changes_of_one_session_each": apart, "memory": memory,
        "failover": failover,
    }))
}

struct Engine {
    process: Spawned,
    url: String,
    /// Where it tells how it is.
    monitor: u16,
}

impl Engine {
    fn start(program: &str, folder: &Path) -> Result<Self> {
        let free = || anyhow::Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        let (port, monitor) = (free()?, free()?);
        let ports = ["-p", &port.to_string(), "-m", &monitor.to_string()];
        let arguments =
            [&["-js", "-a", "127.0.0.1", "-l", "/dev/null", "-sd", &folder.to_string_lossy()], &ports[..]];
        let process = Spawned::start(program, &arguments.concat()).context("--engine")?;
        for _ in 0..200 {
            if [port, monitor].iter().all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return Ok(Self { process, url: format!("nats://127.0.0.1:{port}"), monitor });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("--engine: '{program}' does not listen")
    }

    /// Bytes of messages that it has read and written so far.
    fn bytes(&self) -> Result<(f64, f64)> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.monitor))?;
        stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the engine's monitor sends no body")?;
        let status: Value = serde_json::from_str(body)?;
        let number =
            |name: &str| status[name].as_f64().with_context(|| format!("the engine tells no {name}"));
        Ok((number("in_bytes")?, number("out_bytes")?))
    }
}

struct Server {
    process: Spawned,
    address: String,
}

impl Server {
    fn start(program: &str, url: &str, k: usize) -> Result<Self> {
        let local = ["--host", "127.0.0.1", "--port", "0", "--no-status", "--max-clients", "20000"];
        let node = ["--cluster", url, "--node-id", &format!("n{k}")];
        let mut process = Spawned::start(program, &[&local[..], &node].concat()).context("--spawn")?;
        let address = process.address("tcp")?.to_string();
        while process.line().context("--spawn: is it built with the feature cluster?")?
            != "serving the cluster"
        {}
        Ok(Self { process, address })
    }
}

/// Lets the session run and compares when each label came to each client.
async fn updates(clients: &mut Vec<Member>, rate: Rate, time: Duration) -> Result<Value> {
    clients[0].send(&json!({"type": "start_timecode"})).await?;
    let begin = driver::now() + Duration::from_secs(1);
    let end = begin + time;
    let mut tasks = Vec::new();
    for mut client in clients.drain(..) {
        tasks.push(tokio::task::spawn_local(async move {
            let mut seen = Vec::new();
            loop {
                ensure!(client.next_line().await?, "the server closed the connection");
                let now = driver::now();
                if now >= end {
                    return Ok((client, seen));
                }
                if let Some(label) = client.update().filter(|_| now >= begin) {
                    seen.push((frame(label, rate)?, now.as_nanos()));
                }
            }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        let (client, seen) = task.await??;
        clients.push(client);
        all.extend(seen);
    }
    all.sort_unstable();
    let (mut spread, mut within) = (Vec::new(), 0);
    let frame_ms = 1e3 * f64::from(rate.denominator()) / f64::from(rate.numerator());
    let expected = clients.len() as f64 * time.as_secs_f64() * 1e3 / frame_ms;
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let late = same.iter().map(|(_, at)| (at - same[0].1) as f64 / 1e6);
        within += late.clone().filter(|late| *late < frame_ms).count();
        spread.extend(late);
    }
    spread.sort_by(f64::total_cmp);
    clients[0].send(&json!({"type": "stop_timecode"})).await?;
    for client in clients {
        client.expect("timecode_stopped").await?;
    }
    Ok(json!({
        "seen": all.len(), "delivered_percent": 100.0 * all.len() as f64 / expected, "apart": spread_of(&spread),
        "within_a_frame_percent": 100.0 * within as f64 / all.len() as f64,
    }))
}

/// From the command at the first server to the message at the others.
async fn starts(clients: &mut [Member], count: usize) -> Result<Value> {
    let mut delays = Vec::new();
    for _ in 0..count {
        let (first, others) = clients.split_first_mut().context("clients")?;
        let said = driver::now();
        first.send(&json!({"type": "start_timecode"})).await?;
        for other in others.iter_mut() {
            other.expect("timecode_started").await?;
            delays.push(driver::now().saturating_since(said).as_secs_f64() * 1e3);
        }
        first.expect("timecode_started").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        first.send(&json!({"type": "stop_timecode"})).await?;
        for client in clients.iter_mut() {
            client.expect("timecode_stopped").await?;
        }
    }
    delays.sort_by(f64::total_cmp);
    Ok(json!({"starts": count, "reaches_others": spread_of(&delays)}))
}

/// Members at different servers change their sessions, or their one session, as fast as they are answered.
async fn changes(clients: &mut Vec<Member>, engine: &Engine) -> Result<Value> {
    const EACH: usize = 1000;
    let (members, begin, before) = (clients.len(), driver::now(), engine.bytes()?);
    let mut tasks = Vec::new();
    for (k, mut client) in clients.drain(..).enumerate() {
        tasks.push(tokio::task::spawn_local(async move {
            for n in 0..EACH {
                let label = format!("{:02}:{:02}:{:02}:00", k % 24, n / 60, n % 60);
                client.send(&json!({"type": "reset_timecode", "timecode": label})).await?;
                while client.expect("timecode_reset").await?["timecode"] != label.as_str() {}
            }
            anyhow::Ok(client)
        }));
    }
    for task in tasks {
        clients.push(task.await??);
    }
    let (seconds, after) = (driver::now().saturating_since(begin).as_secs_f64(), engine.bytes()?);
    let changes = (members * EACH) as f64;
    Ok(json!({
        "changes": changes, "per_second": changes / seconds, "bytes_to_the_engine_each": (after.0 - before.0) / changes,
        "bytes_from_the_engine_each": (after.1 - before.1) / changes,
    }))
}

async fn memory(options: &Options, servers: &[Server], engine: &Engine) -> Result<Value> {
    let resident =
        |process: &Spawned| Usage::of(process.pid()).map(|usage| usage.resident_kib).unwrap_or_default();
    let before: Vec<_> = servers.iter().map(|server| resident(&server.process)).collect();
    let engine_before = resident(&engine.process);
    let mut members = Vec::new();
    for _ in 0..options.sessions {
        let mut member = Member::connect(&servers[0].address).await?;
        member.ask(&json!({"type": "create_session", "framerate": options.rate}), "session_created").await?;
        members.push(member);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each =
        |after: u64, before: u64| after.saturating_sub(before) as f64 * 1024.0 / options.sessions as f64;
    Ok(json!({
        "sessions": options.sessions,
        "bytes_at_the_server_with_its_member": each(resident(&servers[0].process), before[0]),
        "bytes_at_another_server": each(resident(&servers[1].process), before[1]),
        "bytes_at_the_engine": each(resident(&engine.process), engine_before),
        "engine_mib": resident(&engine.process) as f64 / 1024.0,
    }))
}

/// What a client printed: when, and the frame of its label, or that it goes on elsewhere.
#[derive(Clone, Copy, Debug)]
struct Shown {
    at: Instant,
    frame: Option<i64>,
}

/// Kills the first server and looks at what its clients show.
async fn failover(options: &Options, rate: Rate, servers: &mut [Server]) -> Result<Value> {
    const BEFORE: Duration = Duration::from_secs(3);
    const AFTER: Duration = Duration::from_secs(7);
    let program = Path::new(&options.spawn).with_file_name("smpte-client");
    let (first, second) = (servers[0].address.clone(), servers[1].address.clone());
    let mut host = Member::connect(&second).await?;
    let create = json!({"type": "create_session", "framerate": options.rate});
    let id = host.ask(&create, "session_created").await?["session_id"].as_str().context("id")?.to_owned();
    host.ask(&json!({"type": "start_timecode"}), "timecode_started").await?;
    let arguments = ["--server", &first, "--server", &second, "--join", &id, "--json"];
    let (joined, all_joined) = mpsc::channel();
    let mut followers = Vec::new();
    for _ in 0..options.followers {
        let (mut client, joined) = (Spawned::start(&program.to_string_lossy(), &arguments)?, joined.clone());
        followers.push(std::thread::spawn(move || follow(&mut client, rate, &joined, BEFORE + AFTER)));
    }
    for _ in 0..options.followers {
        all_joined.recv_timeout(Duration::from_secs(30)).context("a client does not join")?;
    }
    // The member's queue is not read meanwhile: it is a slow reader, which harms nobody.
    tokio::time::sleep(BEFORE - Duration::from_secs(1)).await;
    let killed = driver::now();
    servers[0].process.kill()?;
    let (mut rejoined, mut silences, mut steps, mut back) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for follower in followers {
        let shown = follower.join().map_err(|_| anyhow::anyhow!("a reader has failed"))??;
        let again = shown.iter().find(|shown| shown.frame.is_none());
        let again = again.context("a client is not a member again")?;
        rejoined.push(again.at.saturating_since(killed).as_secs_f64() * 1e3);
        let near = |shown: &&Shown| shown.at + Duration::from_secs(1) > killed && shown.frame.is_some();
        let labels: Vec<_> = shown.iter().filter(near).collect();
        for pair in labels.windows(2) {
            silences.push(pair[1].at.saturating_since(pair[0].at).as_secs_f64() * 1e3);
            let step = pair[1].frame.zip(pair[0].frame).map_or(0, |(next, last)| next - last);
            steps.push(step);
            back = back.min(step);
        }
    }
    rejoined.sort_by(f64::total_cmp);
    silences.sort_by(f64::total_cmp);
    steps.sort_unstable();
    Ok(json!({
        "clients": options.followers, "member_again_after": spread_of(&rejoined),
        "between_two_labels": spread_of(&silences), "frames_from_label_to_label_p99": percentile(&steps, 0.99),
        "frames_from_label_to_label_max": percentile(&steps, 1.0), "frames_back_max": -back,
    }))
}

/// Reads what a client prints for some time after it has joined.
fn follow(client: &mut Spawned, rate: Rate, joined: &mpsc::Sender<()>, time: Duration) -> Result<Vec<Shown>> {
    let (mut shown, mut end, mut line) = (Vec::new(), None, String::new());
    loop {
        line.clear();
        ensure!(client.out.read_line(&mut line)? > 0, "a client has ended");
        let at = driver::now();
        let event: Value = serde_json::from_str(&line)?;
        match event["event"].as_str().unwrap_or_default() {
            "session_joined" if end.is_none() => {
                end = Some(at + time);
                joined.send(())?;
            }
            "timecode_update" | "flywheel" => {
                let label = event["timecode"].as_str().context("a label")?;
                shown.push(Shown { at, frame: Some(frame(label, rate)?.into()) });
            }
            "back" => shown.push(Shown { at, frame: None }),
            _ => {}
        }
        if end.is_some_and(|end| at >= end) {
            return Ok(shown);
        }
    }
}

fn frame(label: &str, rate: Rate) -> Result<u32> {
    Ok(Timecode::parse(label, rate).with_context(|| format!("label '{label}'"))?.frame())
}

fn spread_of(sorted: &[f64]) -> Value {
    json!({
        "p50_ms": percentile(sorted, 0.5), "p99_ms": percentile(sorted, 0.99), "max_ms": percentile(sorted, 1.0),
    })
}
