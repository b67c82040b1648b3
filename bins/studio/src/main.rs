//! All of genlock's servers in one process, with one page that shows and controls them.

mod clock;
mod ground;
mod http;
mod log;
mod parts;

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use driver::{cli, shutdown};
use serde_json::json;

use crate::ground::{Ground, Ports, on_this_machine};
use crate::log::Log;
use crate::parts::Parts;

/// Run every genlock server on this machine, with a page that shows and controls them
#[derive(Parser)]
#[command(
    version,
    after_help = "Everything listens on 127.0.0.1 only, unless --lan is given. Ctrl-C ends it.

Examples:
  studio                                   everything, and the page in a browser
  studio --only smpte,rtsp,camera          these parts only
  studio --ports-from 20000 --json         on ports of one's own, telling scripts what happens
  studio --video film.mjpeg                pictures of a file instead of the test picture"
)]
struct Options {
    /// Port of the page; 0 picks a free one
    #[arg(long, env = "STUDIO_PORT", value_name = "PORT", conflicts_with = "ports_from")]
    port: Option<u16>,
    /// Take ports from here on, one after another, the page's first
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports_from: Option<u16>,
    /// Run these parts only
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(parts::names()))]
    only: Vec<String>,
    /// Listen on all interfaces: whoever reaches this machine then controls it
    #[arg(long)]
    lan: bool,
    /// Print one JSON object a line: listeners, and what happens
    #[arg(long)]
    json: bool,
    /// Do not open the page in a browser
    #[arg(long)]
    no_open: bool,
    #[command(flatten)]
    camera: parts::camera::CameraOptions,
    #[command(flatten)]
    logging: cli::Logging,
}

/// The page's port where none is asked for.
const DEFAULT_PORT: u16 = 8088;

fn main() -> ExitCode {
    // The camera's programs are started through this one.
    camera_programs::pipeline::run_if_child();
    let options = cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    cli::exit(runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(options))))
}

async fn run(options: Options) -> Result<()> {
    options.logging.init(None)?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();

    let mut options = options;
    options.camera.load().map_err(cli::usage)?;
    let log = Log::new(options.json);
    let host: IpAddr = if options.lan { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST }.into();
    let ports = Ports::new(options.ports_from);
    let page = match options.port {
        // A port that was asked for is that port or an error; the default may give way.
        Some(port) => cli::listen("--port", SocketAddr::new(host, port)).await?,
        None => {
            let (page, said) = ports.listen(host, DEFAULT_PORT, "http")?;
            said.into_iter().for_each(|text| log.bad("studio", text));
            page
        }
    };
    let address = page.local_addr()?;
    let ground = Arc::new(Ground::new(host, address, ports, log.clone(), options.camera, options.only));
    let parts = Arc::new(parts::start(&ground).await);
    if options.lan {
        for part in &parts.running {
            log.bad(part.name(), format!("open to the network: {}", part.exposes()));
        }
    }
    tell(&parts, address, &log, options.json);
    if !options.no_open && std::io::stdout().is_terminal() {
        open_browser(&format!("http://{}", on_this_machine(address)));
    }

    http::serve(page, parts.clone(), ground, options.lan, stop).await;
    for part in &parts.running {
        part.shutdown().await;
    }
    Ok(())
}

/// Says where everything is.
fn tell(parts: &Parts, page: SocketAddr, log: &Log, json: bool) {
    let url = format!("http://{}", on_this_machine(page));
    let services = parts.running.iter().flat_map(|p| p.services());
    if json {
        log.emit(
            &json!({"event": "listening", "name": "studio", "role": "http", "address": page.to_string()}),
        );
        for s in services {
            let address = s.address.to_string();
            log.emit(&json!({"event": "listening", "name": s.name, "role": s.role, "address": address}));
        }
        log.emit(&json!({"event": "page", "url": url}));
        return;
    }
    cli::announce(page, "http");
    for service in services {
        cli::announce(service.address, &format!("{} {}", service.name, service.role));
    }
    println!("\nThe page: {url}");
    for part in &parts.running {
        part.hints().iter().for_each(|hint| println!("  {hint}"));
    }
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
