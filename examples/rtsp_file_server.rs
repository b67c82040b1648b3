//! cargo run --example rtsp_file_server -- films
//!
//! A streaming server for the files of a folder, in thirty lines: `ffplay rtsp://127.0.0.1:8554/movie.mjpeg`, or any
//! client of the classroom labs.

use std::path::PathBuf;

use clap::Parser;
use driver::{cli, shutdown};
use rtp_rtsp::config::ServerConfig;
use rtsp_programs::{files, serve};

/// Serve the .Mjpeg, .mjpeg and .h264 files of a folder
#[derive(Parser)]
struct Options {
    /// The folder
    folder: PathBuf,
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8554)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", options.port)?).await?;
    let address = listener.local_addr()?;
    let mut config = ServerConfig::new(driver::seed());
    config.files = true;
    let (server, events) = serve::start(config);
    serve::serve_udp(&server, address.ip(), 1)?;
    serve::serve_tcp(&server, listener);
    let library = files::Library::open(&options.folder, None, true)?;
    tokio::spawn(files::answer(server.clone(), events, Some(library), |event| println!("{event:?}")));
    cli::announce(address, "rtsp");
    shutdown::on_signals().cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
