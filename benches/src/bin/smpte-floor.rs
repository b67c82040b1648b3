//! The least that a server of timecode sessions can do, to measure `smpte-server` beside:
//!
//! ```text
//! target/release/smpte-load --spawn target/release/smpte-floor --clients 1000
//! ```
//!
//! A thread for each session sleeps to the next frame and writes the same text to one socket after the other, in
//! blocking mode. There are no limits, no leaving, no stopping, and a member that does not read holds up all others.
//! What this costs is what the system takes for it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::Value;
use smpte_timecode::{Rate, Timecode};

/// Serve timecode sessions with a plain loop of writes, as a measure for smpte-load
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Taken for smpte-load's sake; there is no status
    #[arg(long)]
    no_status: bool,
    /// Taken for smpte-load's sake; there is no limit
    #[arg(long, value_name = "N")]
    max_clients: Option<usize>,
}

type Members = Arc<Mutex<Vec<TcpStream>>>;

fn main() -> Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind((options.host.as_str(), options.port)).context("cannot listen")?;
    println!("listening on {} (tcp)", listener.local_addr()?);
    let mut sessions = HashMap::new();
    // smpte-load connects one client after the other, so each is led to its session before the next is taken.
    for stream in listener.incoming() {
        if let Err(error) = admit(stream?, &mut sessions) {
            eprintln!("{error:#}");
        }
    }
    Ok(())
}

fn admit(mut stream: TcpStream, sessions: &mut HashMap<String, Members>) -> Result<()> {
    stream.set_nodelay(true)?;
    writeln!(stream, r#"{{"type": "welcome"}}"#)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = message(&mut reader)?;
    if request["type"] == "join_session" {
        let id = request["session_id"].as_str().context("session_id")?;
        let members = sessions.get(id).context("no such session")?;
        writeln!(stream, r#"{{"type": "session_joined", "session_id": "{id}"}}"#)?;
        members.lock().expect("no holder panics").push(stream);
        return Ok(());
    }
    ensure!(request["type"] == "create_session", "neither created nor joined");
    let rate: Rate = request["framerate"].as_str().context("framerate")?.parse()?;
    let id = format!("session-{}", sessions.len());
    writeln!(stream, r#"{{"type": "session_created", "session_id": "{id}"}}"#)?;
    let members = Members::new(Mutex::new(vec![stream]));
    sessions.insert(id, members.clone());
    std::thread::spawn(move || {
        if message(&mut reader).is_ok() {
            run(rate, &members.lock().expect("no holder panics"));
        }
    });
    Ok(())
}

fn message(reader: &mut impl BufRead) -> Result<Value> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Sends the frames of a session until all members are gone.
fn run(rate: Rate, members: &[TcpStream]) {
    let to_all = |text: String| {
        let mut reached = false;
        for mut member in members {
            reached |= member.write_all(text.as_bytes()).is_ok();
        }
        reached
    };
    let text = |kind: &str, frame: u32| {
        let label = Timecode::from_frame(rate, frame.into());
        to_all(format!("{{\"type\": \"{kind}\", \"timecode\": \"{label}\"}}\n"))
    };
    let start = driver::now();
    let mut frame = 0;
    let mut sent = text("timecode_started", frame);
    while sent {
        frame += 1;
        let ns =
            u64::from(frame) * 1_000_000_000 * u64::from(rate.denominator()) / u64::from(rate.numerator());
        std::thread::sleep((start + Duration::from_nanos(ns)).saturating_since(driver::now()));
        sent = text("timecode_update", frame);
    }
}
