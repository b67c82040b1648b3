//! Timecode sessions over TCP and WebSocket.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use driver::{cli, shutdown};
use serde_json::json;
use smpte_programs::chase::{self, Source};
use smpte_programs::{serve, wav};
use smpte_timecode::config::ServerConfig;

/// Serve SMPTE timecode sessions: clients create and join them, and get one update a frame
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  smpte-server --host 0.0.0.0 --port 9000      reachable from the network (there is no authentication)
  smpte-server --port 0 --ws-port 0            on free ports, for browsers too
  smpte-server --port 0 --json                 telling a script which port it is
  smpte-server --chase recording.wav           with a session that follows the LTC in a recording
  smpte-server --cluster nats://10.0.0.5:4222  one of several that share sessions (where built with that feature)"
)]
struct Options {
    /// Address or name to listen on
    #[arg(long, env = "SMPTE_HOST", default_value = "localhost")]
    host: String,
    /// TCP port; 0 picks a free one
    #[arg(long, env = "SMPTE_PORT", default_value_t = 8080)]
    port: u16,
    /// Serve the same messages over WebSocket on this port; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    ws_port: Option<u16>,
    /// Do not log the numbers of clients and sessions every 30 s
    #[arg(long)]
    no_status: bool,
    /// Log what connections do, as --log debug
    #[arg(long)]
    debug: bool,
    /// Clients at once; more are told `Server full`
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_clients: u32,
    /// Sessions at once
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_sessions: u32,
    /// Count and label as the original Python server does: 29 labels a second at 29.97, its seven rates only
    #[cfg_attr(feature = "cluster", arg(long, conflicts_with = "cluster"))]
    #[cfg_attr(not(feature = "cluster"), arg(long))]
    compat_truncated_labels: bool,
    /// Add a session that follows the LTC in a WAV file, played in its own time, or in WAV on stdin for -
    #[arg(long, value_name = "FILE.wav|-")]
    chase: Option<String>,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: smpte_programs::cluster::ClusterArgs,
    #[command(flatten)]
    announce: cli::Announce,
    #[command(flatten)]
    record: cli::Record,
    #[command(flatten)]
    logging: cli::Logging,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse()).await)
}

async fn run(options: Options) -> Result<()> {
    // What its client says of the engine we say ourselves, in our words.
    let quiet = (options.logging.log == "info").then_some("info,async_nats=off");
    options.logging.init(if options.debug { Some("debug") } else { quiet })?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();

    let tcp = cli::listen("--port", cli::resolve("--host", &options.host, options.port)?).await?;
    let address = tcp.local_addr()?;
    let config = ServerConfig::new(driver::seed())
        .with_max_clients(options.max_clients)
        .with_max_sessions(options.max_sessions)
        .with_truncated_labels(options.compat_truncated_labels)
        .with_address(options.host.clone(), address.port());
    #[cfg(feature = "cluster")]
    let (config, engine) = tokio::select! {
        connected = options.cluster.connect(config) => connected?,
        () = stop.cancelled() => return Ok(()),
    };
    let recording = options.record.start()?;
    let (server, events) = serve::start_recorded(config, recording.as_ref());
    #[cfg(feature = "cluster")]
    let serves = match engine {
        Some(engine) => Some(smpte_programs::cluster::join(&server, events, engine).serves),
        None => {
            drop(events);
            None
        }
    };
    #[cfg(not(feature = "cluster"))]
    drop(events);
    serve::serve_tcp(&server, tcp);
    options.announce.listening(address, "tcp");
    if let Some(port) = options.ws_port {
        let ws = cli::listen("--ws-port", cli::resolve("--host", &options.host, port)?).await?;
        options.announce.listening(ws.local_addr()?, "ws");
        serve::serve_ws(&server, ws);
    }
    #[cfg(feature = "cluster")]
    if let Some(serves) = serves {
        serve::announce_cluster(serves, options.announce.json);
    }
    if !options.no_status {
        tokio::spawn(serve::log_status(server.clone(), Duration::from_secs(30)));
    }

    if let Some(name) = &options.chase {
        let title = format!("LTC from {name}");
        tokio::select! {
            // A recording that cannot be chased ends the program; a live source may take its time.
            made = chase::follow(&server, &title, Source::from_name(name)) => {
                let id = made.map_err(|error| cli::usage_if(wav::is_broken, error)).context("--chase")?;
                if options.announce.json {
                    cli::say(json!({"event": "chasing", "file": name, "session_id": id.to_string()}));
                } else {
                    cli::say(format_args!("chasing {name} in session {id}"));
                }
            }
            () = stop.cancelled() => {}
        }
    }

    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
