//! cargo run --example session_history
//!
//! A server that remembers the last 100 things that happened to its sessions: created, joined, started, stopped,
//! removed. It says each as it happens, and all that it remembers when it ends (Ctrl-C).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use machine::ConnId;
use smpte_programs::serve;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::server::Event;

/// Entries that are remembered.
const LAST: usize = 100;

/// Hold timecode sessions and remember what happened to them
#[derive(Parser)]
struct Options {
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8086)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();
    let started = Instant::now();

    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", options.port)?).await?;
    let address = listener.local_addr()?;
    let (server, mut events) = serve::start(ServerConfig::new(driver::seed()));
    serve::serve_tcp(&server, listener);
    cli::announce(address, "tcp");
    tokio::spawn(async move {
        stop.cancelled().await;
        server.shutdown(shutdown::GRACE).await; // ends the events too, after the last
    });

    let mut history = History::default();
    while let Some(event) = events.next().await {
        if let Some(entry) = history.note(&event) {
            println!("{entry}");
        }
    }
    println!("up for {:.3} s; the last {}:", started.elapsed().as_secs_f64(), history.entries.len());
    for entry in &history.entries {
        println!("{entry}");
    }
    Ok(())
}

#[derive(Default)]
struct History {
    entries: VecDeque<Entry>,
    /// The clients that are here, to name them by where they are.
    clients: HashMap<ConnId, SocketAddr>,
}

impl History {
    fn note(&mut self, event: &Event) -> Option<&Entry> {
        let (session, what, by) = match event {
            Event::ClientConnected { conn, remote } => {
                self.clients.insert(*conn, *remote);
                return None;
            }
            Event::ClientDisconnected { conn } => {
                self.clients.remove(conn);
                return None;
            }
            Event::SessionCreated { id, by, label } => (id, format!("created at {label}"), *by),
            Event::SessionJoined { id, by } => (id, "joined".to_owned(), Some(*by)),
            Event::SessionStarted { id, by, label } => (id, format!("started from {label}"), *by),
            Event::SessionStopped { id, by, label } => (id, format!("stopped at {label}"), *by),
            Event::SessionRemoved { id, label, uptime } => {
                (id, format!("removed at {label} after {:.3} s", uptime.as_secs_f64()), None)
            }
            _ => return None,
        };
        let by = by.and_then(|conn| self.clients.get(&conn).copied());
        if self.entries.len() == LAST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at: SystemTime::now(), session: *session, what, by });
        self.entries.back()
    }
}

struct Entry {
    at: SystemTime,
    session: SessionId,
    what: String,
    by: Option<SocketAddr>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix_time = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (unix_time.as_secs() % 86_400, unix_time.subsec_millis());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z {} {}", self.session, self.what)?;
        match self.by {
            Some(client) => write!(f, " by {client}"),
            None => Ok(()),
        }
    }
}
