//! Loads three timecode servers on one NATS engine and says how alike they are.
//!
//! ```text
//! cargo build --release -p smpte-programs --features cluster
//! cargo run --release -p benches --bin cluster-load -- --spawn target/release/smpte-server
//! ```
//!
//! Everything runs on this machine: the engine, the servers and the clients, which are spread over the servers and
//! speak the plain protocol. It tells
//!
//! * *spread*: how much later an update came to a client than the same label came to the quickest of all clients;
//! * *start*: how long after a member of the first server said `start_timecode` members of the others were told;
//! * *changes*: how many changes of one session two servers manage in a second, against each other;
//! * what a session costs the engine and a server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use benches::{Usage, percentile};
use clap::Parser;
use serde_json::{Value, json};
use smpte_timecode::{Rate, Timecode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Load a cluster of timecode servers and measure it
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Server to start, built with the feature cluster
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
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.servers > 1 && options.clients >= options.servers,
        "at least two servers, and a client at each"
    );
    let rate: Rate = options.rate.parse().with_context(|| format!("--rate: '{}'", options.rate))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(4).build()?;
    let report = LocalSet::new().block_on(&runtime, run(options, rate))?;
    println!("{report:#}");
    Ok(())
}

fn engine(program: &str, folder: &std::path::Path) -> Result<(Process, String)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new(program)
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-l", "/dev/null", "-sd"])
        .arg(folder)
        .spawn()
        .with_context(|| format!("--engine: cannot start '{program}'"))?;
    let engine = Process(child);
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok((engine, format!("nats://127.0.0.1:{port}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("--engine: '{program}' does not listen")
}

fn server(program: &str, url: &str, k: usize) -> Result<(Process, String)> {
    let mut child = Command::new(program)
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-status",
            "--max-clients",
            "20000",
            "--cluster",
            url,
        ])
        .args(["--node-id", &format!("n{k}")])
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("--spawn: cannot start '{program}'"))?;
    let out = child.stdout.take().context("stdout")?;
    let (server, mut address) = (Process(child), None);
    for line in BufReader::new(out).lines() {
        let line = line?;
        if let Some(tcp) = line.strip_prefix("listening on ").and_then(|l| l.strip_suffix(" (tcp)")) {
            address = Some(tcp.to_owned());
        } else if line == "serving the cluster" {
            return Ok((server, address.context("address")?));
        }
    }
    bail!("--spawn: '{program}' does not serve a cluster; is it built with the feature?")
}

async fn run(options: Options, rate: Rate) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let (engine, url) = engine(&options.engine, folder.path())?;
    let mut servers = Vec::new();
    for k in 0..options.servers {
        servers.push(server(&options.spawn, &url, k)?);
    }
    let address = |k: usize| servers[k % servers.len()].1.clone();
    let mut clients = Vec::new();
    for k in 0..options.clients {
        clients.push(Client::connect(&address(k)).await?);
    }
    let create = json!({"type": "create_session", "framerate": options.rate});
    let id = clients[0].ask(&create, "session_created").await?["session_id"].clone();
    for client in &mut clients[1..] {
        client.ask(&json!({"type": "join_session", "session_id": id}), "session_joined").await?;
    }
    let updates = updates(&mut clients, rate, Duration::from_secs_f64(options.seconds)).await?;
    clients.truncate(options.servers);
    let starts = starts(&mut clients, options.starts).await?;
    let changes = changes(&mut clients).await?;
    let memory = memory(&options, &servers, &engine, &address(0)).await?;
    Ok(json!({
        "servers": options.servers, "clients": options.clients, "rate": options.rate,
        "updates": updates, "start": starts, "changes": changes, "memory": memory,
    }))
}

/// Lets the session run and compares when each label came to each client.
async fn updates(clients: &mut Vec<Client>, rate: Rate, time: Duration) -> Result<Value> {
    clients[0].send(&json!({"type": "start_timecode"})).await?;
    let end = driver::now() + Duration::from_secs(1) + time;
    let begin = driver::now() + Duration::from_secs(1);
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
                if let Some(label) = label(&client.line).filter(|_| now >= begin) {
                    let frame =
                        Timecode::parse(label, rate).with_context(|| format!("label '{label}'"))?.frame();
                    seen.push((frame, now.as_nanos()));
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
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        spread.extend(same.iter().map(|(_, at)| (at - same[0].1) as f64 / 1e6));
        within += same.iter().filter(|(_, at)| ((at - same[0].1) as f64 / 1e6) < frame_ms).count();
    }
    spread.sort_by(f64::total_cmp);
    clients[0].send(&json!({"type": "stop_timecode"})).await?;
    for client in clients {
        client.expect("timecode_stopped").await?;
    }
    Ok(json!({
        "seen": all.len(), "spread_p50_ms": percentile(&spread, 0.5), "spread_p99_ms": percentile(&spread, 0.99),
        "spread_max_ms": percentile(&spread, 1.0), "within_a_frame_percent": 100.0 * within as f64 / all.len() as f64,
    }))
}

/// From the command at the first server to the message at the others.
async fn starts(clients: &mut [Client], count: usize) -> Result<Value> {
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
    Ok(json!({
        "starts": count, "p50_ms": percentile(&delays, 0.5), "p99_ms": percentile(&delays, 0.99),
        "max_ms": percentile(&delays, 1.0),
    }))
}

/// Members of two servers change one session as fast as they are answered.
async fn changes(clients: &mut Vec<Client>) -> Result<Value> {
    const EACH: usize = 1000;
    let begin = driver::now();
    let mut tasks = Vec::new();
    for (k, mut client) in clients.drain(..2).enumerate() {
        tasks.push(tokio::task::spawn_local(async move {
            for n in 0..EACH {
                let label = format!("{:02}:{:02}:{:02}:00", k + 1, n / 60, n % 60);
                client.send(&json!({"type": "reset_timecode", "timecode": label})).await?;
                while client.expect("timecode_reset").await?["timecode"] != label.as_str() {}
            }
            anyhow::Ok(client)
        }));
    }
    for task in tasks {
        clients.push(task.await??);
    }
    let seconds = driver::now().saturating_since(begin).as_secs_f64();
    Ok(json!({"changes": 2 * EACH, "per_second": 2.0 * EACH as f64 / seconds}))
}

async fn memory(
    options: &Options,
    servers: &[(Process, String)],
    engine: &Process,
    address: &str,
) -> Result<Value> {
    let resident =
        |process: &Process| Usage::of(process.0.id()).map(|usage| usage.resident_kib).unwrap_or_default();
    let before: Vec<_> = servers.iter().map(|(server, _)| resident(server)).collect();
    let engine_before = resident(engine);
    let mut members = Vec::new();
    for _ in 0..options.sessions {
        let mut member = Client::connect(address).await?;
        member.ask(&json!({"type": "create_session", "framerate": options.rate}), "session_created").await?;
        members.push(member);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each =
        |after: u64, before: u64| after.saturating_sub(before) as f64 * 1024.0 / options.sessions as f64;
    Ok(json!({
        "sessions": options.sessions,
        "bytes_at_the_server_with_its_member": each(resident(&servers[0].0), before[0]),
        "bytes_at_another_server": each(resident(&servers[1].0), before[1]),
        "bytes_at_the_engine": each(resident(engine), engine_before),
        "engine_mib": resident(engine) as f64 / 1024.0,
    }))
}

struct Client {
    stream: AsyncBufReader<TcpStream>,
    line: Vec<u8>,
}

impl Client {
    async fn connect(server: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(server).await.with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: AsyncBufReader::with_capacity(2048, stream), line: Vec::new() };
        client.expect("welcome").await?;
        Ok(client)
    }

    async fn send(&mut self, message: &Value) -> Result<()> {
        Ok(self.stream.get_mut().write_all(format!("{message}\n").as_bytes()).await?)
    }

    async fn ask(&mut self, message: &Value, answer: &str) -> Result<Value> {
        self.send(message).await?;
        self.expect(answer).await
    }

    /// Reads on to a message of this type.
    async fn expect(&mut self, kind: &str) -> Result<Value> {
        loop {
            ensure!(self.next_line().await?, "the server closed the connection instead of '{kind}'");
            let message: Value = serde_json::from_slice(&self.line)?;
            if message["type"] == kind {
                return Ok(message);
            }
            ensure!(message["type"] != "error", "the server says {}", message["message"]);
        }
    }

    async fn next_line(&mut self) -> Result<bool> {
        self.line.clear();
        Ok(self.stream.read_until(b'\n', &mut self.line).await? > 0)
    }
}

/// The label of an update, without the cost of reading the line as JSON.
fn label(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    if !line.contains("\"timecode_update\"") {
        return None;
    }
    line.split_once("\"timecode\": \"")?.1.split('"').next()
}
