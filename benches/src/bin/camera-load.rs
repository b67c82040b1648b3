//! Loads a camera server's telemetry port with many clients and says how exact it stays.
//!
//! ```text
//! cargo run --release -p benches --bin camera-load -- --spawn target/release/camera-server --clients 1000 --floor
//! ```
//!
//! Any server of the protocol can be measured: clients only listen. A *period deviation* is how far the time between two
//! frames of one client is from the exact period; the *mean rate* is over all clients from first frame to last, its
//! deviation in parts per million (on this machine's clock); *delivered* are the frames that came of those that the exact
//! rate makes. A frame has come when the client's kernel has it (Linux; elsewhere when it is read); how much later this
//! program got to read it is told as *read late*.

use std::time::Duration;

use anyhow::{Result, ensure};
use benches::camera::{self, Load, Report, Server};
use clap::Parser;

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
    /// Then measure a bare loop that writes the same frames to as many clients, to see what the machine itself adds
    #[arg(long)]
    floor: bool,
    /// In how many turns a period the bare loop writes; default as camera-server
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    floor_turns: Option<u32>,
    /// Be the bare loop
    #[arg(long, hide = true)]
    serve_floor: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.clients > 0, "--clients: at least one");
    driver::cli::raise_descriptor_limit();
    let turns = options.floor_turns.unwrap_or_else(|| camera::turns(options.clients));
    if options.serve_floor {
        return camera::serve(options.clients, options.rate, turns);
    }
    let mut report = Report::default();
    report.put("clients", options.clients);
    report.put("rate", options.rate);
    report.put("seconds", options.seconds);
    report.put_all(
        "",
        match &options.spawn {
            Some(program) => spawned(&options, program)?,
            None => measure(&options, options.server.clone(), options.pid)?,
        },
    );
    if options.floor {
        report.put_all("floor_", floor(&options, turns)?);
    }
    println!("{}", benches::told(&report.0.into(), options.json));
    Ok(())
}

fn spawned(options: &Options, program: &str) -> Result<Report> {
    let (most, rate) = ((options.clients + 16).to_string(), options.rate.to_string());
    let mut arguments = vec!["--host", "127.0.0.1", "--data-port", "0", "--settings-port", "0"];
    arguments.extend(["--auth-port", "0", "--source", "none", "--log-level", "WARNING"]);
    arguments.extend(["--max-clients", &most, "--rate", &rate]);
    let mut server = Server::start(program, &arguments)?;
    let address = server.data_address()?;
    measure(options, address, Some(server.pid()))
}

fn floor(options: &Options, turns: u32) -> Result<Report> {
    let numbers = [options.clients.to_string(), options.rate.to_string(), turns.to_string()];
    let [clients, rate, turns] = numbers.each_ref().map(String::as_str);
    let program = std::env::current_exe()?;
    let mut server = Server::start(
        &program.to_string_lossy(),
        &["--serve-floor", "--clients", clients, "--rate", rate, "--floor-turns", turns],
    )?;
    let address = server.data_address()?;
    measure(options, address, Some(server.pid()))
}

fn measure(options: &Options, server: String, pid: Option<u32>) -> Result<Report> {
    let time = Duration::from_secs_f64(options.seconds);
    let arrivals = camera::measure(&Load { server, pid, clients: options.clients, time })?;
    Report::of(&arrivals, options.rate, options.seconds)
}
