//! cargo run --example blocking_server
//!
//! The session server without tokio: the same machine as everywhere, driven by `blocking_driver.rs`.

use std::io::{self, Write};
use std::net::TcpListener;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use machine::Service;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::server::Server;

/// Hold timecode sessions with threads and blocking sockets
#[derive(Parser)]
struct Options {
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8090)]
    port: u16,
}

fn main() -> Result<()> {
    let options = Options::parse();
    end_on_signals()?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("no randomness: {error}"))?;

    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .with_context(|| format!("cannot listen on port {}: choose another", options.port))?;
    let address = listener.local_addr()?;
    let server = Server::new(ServerConfig::new(seed).with_address("127.0.0.1", address.port()));
    println!("listening on {address} (tcp)");
    io::stdout().flush()?;
    let no_files = |_| Err(io::ErrorKind::NotFound.into());
    blocking_driver::serve(server, vec![(listener, Service(0))], no_files, |event, _, _| {
        println!("{event:?}")
    })
}

/// Ends the process in good order on Ctrl-C: clients see the end of the stream. To be called before there are other
/// threads, which would take the signals otherwise.
#[cfg(unix)]
fn end_on_signals() -> Result<()> {
    use nix::sys::signal::{SigSet, Signal};

    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    std::thread::spawn(move || match signals.wait() {
        Ok(_) => std::process::exit(0),
        Err(error) => eprintln!("signals cannot be waited for: {error}"),
    });
    Ok(())
}

/// Elsewhere Ctrl-C ends a process by itself.
#[cfg(not(unix))]
fn end_on_signals() -> Result<()> {
    Ok(())
}
