//! A streaming server.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use rtp_rtsp::config::{Publish, ServerConfig};
use rtsp_programs::serve;

/// Serve streams over RTSP to ffmpeg, GStreamer, live555 players and the classroom lab clients
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Address or name to listen on
    #[arg(long, env = "RTSP_HOST", default_value = "localhost")]
    host: String,
    /// TCP port; 0 picks a free one
    #[arg(long, env = "RTSP_PORT", default_value_t = 8554)]
    port: u16,
    /// Let streams be published: anywhere, or at these paths only
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, value_delimiter = ',')]
    allow_publish: Option<Vec<String>>,
    #[command(flatten)]
    logging: cli::Logging,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<()> {
    options.logging.init(None)?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();
    let mut config = ServerConfig::new(driver::seed());
    config.publish = match options.allow_publish {
        None => Publish::Nowhere,
        Some(paths) if paths.is_empty() => Publish::Anywhere,
        Some(paths) => Publish::At(paths),
    };
    let listener = cli::listen("--port", cli::resolve("--host", &options.host, options.port)?).await?;
    let address = listener.local_addr()?;
    let (server, events) = serve::start(config);
    drop(events);
    serve::serve_udp(&server, address.ip(), 1)?;
    serve::serve_tcp(&server, listener);
    cli::announce(address, "rtsp");
    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
