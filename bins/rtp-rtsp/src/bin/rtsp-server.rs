//! A streaming server.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use driver::{cli, shutdown};
use rtsp_programs::options::ServeOptions;
use rtsp_programs::pattern::Pattern;
#[cfg(feature = "tls")]
use rtsp_programs::tls;
use rtsp_programs::{files, serve};

/// Serve streams over RTSP to ffmpeg, GStreamer, live555 players and the classroom lab clients
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  rtsp-server --test-pattern test                       rtsp://localhost:8554/test
  rtsp-server --media-root films --loop                 rtsp://localhost:8554/movie.Mjpeg
  rtsp-server --host 0.0.0.0 --allow-publish ES_MTX     ffmpeg -f rtsp rtsp://host:8554/ES_MTX, from the network"
)]
struct Options {
    /// Address or name to listen on
    #[arg(long, env = "RTSP_HOST", default_value = "localhost")]
    host: String,
    /// TCP port; 0 picks a free one
    #[arg(long, env = "RTSP_PORT", default_value_t = 8554)]
    port: u16,
    /// Serve rtsps too, with the certificates in this file (PEM, the server's own first)
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<std::path::PathBuf>,
    /// The private key of the certificate (PEM)
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<std::path::PathBuf>,
    /// TCP port of rtsps; 0 picks a free one
    #[cfg(feature = "tls")]
    #[arg(long, env = "RTSPS_PORT", default_value_t = rtsp_programs::tls::PORT)]
    tls_port: u16,
    #[command(flatten)]
    serve: ServeOptions,
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
    options.logging.init(None)?;
    let (library, patterns) = (options.serve.library()?, options.serve.patterns()?);
    #[cfg(feature = "tls")]
    let identity = match (&options.tls_cert, &options.tls_key) {
        (Some(cert), Some(key)) => Some(tls::Identity::load(cert, key).map_err(cli::usage)?),
        _ => None,
    };
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();

    let listener = cli::listen("--port", cli::resolve("--host", &options.host, options.port)?).await?;
    let address = listener.local_addr()?;
    let config = options.serve.config();
    let ttl = config.multicast_ttl;
    let recording = options.record.start()?;
    let (server, events) = serve::start_recorded(config, recording.as_ref());
    serve::serve_udp(&server, address.ip(), ttl).context("no two UDP ports for RTP and RTCP")?;
    let mut running = Vec::new();
    for spec in &patterns {
        let pattern = Pattern::start(&server, spec);
        running.push(pattern.with_context(|| format!("--test-pattern: {}", spec.path)).map_err(cli::usage)?);
    }
    tokio::spawn(files::answer(server.clone(), events, library, serve::log));
    serve::serve_tcp(&server, listener);
    options.announce.listening(address, "rtsp");
    #[cfg(feature = "tls")]
    if let Some(identity) = identity {
        let listener =
            cli::listen("--tls-port", cli::resolve("--host", &options.host, options.tls_port)?).await?;
        let address = listener.local_addr()?;
        tls::serve(&server, listener, identity);
        options.announce.listening(address, "rtsps");
    }

    stop.cancelled().await;
    drop(running);
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
