//! cargo run --example rtsp_save_frames -- rtsp://127.0.0.1:8554/test 10
//!
//! Pulls a stream of JPEG from any server and saves its first pictures: `0000.jpg`, `0001.jpg` and so on.

use std::path::PathBuf;

use clap::Parser;
use rtp_rtsp::client::{Event, Goal};
use rtp_rtsp::config::ClientConfig;
use rtsp_programs::client::{bind_udp, connect, place};

/// Save pictures of a stream
#[derive(Parser)]
struct Options {
    /// Address of the stream
    url: String,
    /// How many pictures
    #[arg(default_value_t = 10)]
    count: usize,
    /// Where to save them
    #[arg(default_value = ".")]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { url, count, folder } = Options::parse();
    let (host, port) = place(&url)?;
    let (client, mut events) = connect(ClientConfig::new(driver::seed(), &url), &host, port).await?;
    let mut saved = 0;
    while let Some(event) = events.next().await {
        match event {
            Event::UdpWanted { pairs } => bind_udp(&client, pairs, None, false),
            Event::Frame { frame, .. } if saved < count => {
                std::fs::write(folder.join(format!("{saved:04}.jpg")), &frame.frame.data)?;
                saved += 1;
                if saved == count {
                    client.call(|machine, now| machine.go(now, Goal::Gone, None));
                }
            }
            Event::Failed(failure) => return Err(failure.into()),
            Event::Ended => break,
            _ => {}
        }
    }
    println!("saved {saved} pictures");
    Ok(())
}
