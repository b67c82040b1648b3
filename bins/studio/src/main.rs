//! All of genlock's servers in one process, with one page that shows and controls them.

mod http;
mod parts;

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use driver::{cli, shutdown};
use tokio::net::TcpListener;

use crate::parts::Part;

/// Run every genlock server on this machine, with a page that shows and controls them
#[derive(Parser)]
#[command(version, after_help = "Everything listens on 127.0.0.1 only. Ctrl-C ends it.")]
struct Options {
    /// Port of the page; 0 picks a free one
    #[arg(long, env = "STUDIO_PORT", value_name = "PORT")]
    port: Option<u16>,
    /// Do not open the page in a browser
    #[arg(long)]
    no_open: bool,
    #[command(flatten)]
    logging: cli::Logging,
}

/// The page's port where none is asked for.
const DEFAULT_PORT: u16 = 8088;

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<()> {
    options.logging.init(None)?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();

    let page = match options.port {
        // A port that was asked for is that port or an error; the default may give way.
        Some(port) => cli::listen("--port", loopback(port)).await?,
        None => bind_or_free(DEFAULT_PORT, "http").await?,
    };
    let address = page.local_addr()?;
    let parts: Arc<[Box<dyn Part>]> = parts::start(address).await?.into();
    cli::announce(address, "http");
    for part in parts.iter() {
        for service in part.services() {
            cli::announce(service.address, &format!("{} {}", service.name, service.role));
        }
    }
    println!("\nThe page: http://{address}");
    for part in parts.iter() {
        part.hints().iter().for_each(|hint| println!("  {hint}"));
    }
    if !options.no_open && std::io::stdout().is_terminal() {
        open_browser(&format!("http://{address}"));
    }

    http::serve(page, parts.clone(), stop).await;
    for part in parts.iter() {
        part.shutdown().await;
    }
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Binds a default port, or a free one if it is taken, and says so.
async fn bind_or_free(port: u16, role: &str) -> Result<TcpListener> {
    if let Ok(listener) = TcpListener::bind(loopback(port)).await {
        return Ok(listener);
    }
    let listener = TcpListener::bind(loopback(0)).await.context("no free port on 127.0.0.1")?;
    let free = listener.local_addr()?.port();
    eprintln!("port {port} ({role}) is taken: using {free} instead");
    Ok(listener)
}

/// Best effort: the address is printed anyway.
fn open_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
