//! cargo run --example rtsp_relay -- rtsp://camera:554/live
//!
//! Plays a stream from one server and offers it at a server of its own, as `rtsp://127.0.0.1:8555/relay`: one reader there,
//! any number here.

use clap::Parser;
use driver::{cli, shutdown};
use rtp_rtsp::client::Event;
use rtp_rtsp::config::{ClientConfig, ServerConfig};
use rtp_rtsp::media::Codec;
use rtsp_programs::client::{bind_udp, connect, place};
use rtsp_programs::live::LiveMount;
use rtsp_programs::serve;

/// Pass a stream on
#[derive(Parser)]
struct Options {
    /// Address of the stream
    url: String,
    /// TCP port to serve it at; 0 picks a free one
    #[arg(default_value_t = 8555)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { url, port } = Options::parse();
    let stop = shutdown::on_signals();
    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", port)?).await?;
    let address = listener.local_addr()?;
    let (server, _) = serve::start(ServerConfig::new(driver::seed()));
    serve::serve_udp(&server, address.ip(), 1)?;
    serve::serve_tcp(&server, listener);

    let (host, port) = place(&url)?;
    let (client, mut events) = connect(ClientConfig::new(driver::seed(), &url), &host, port).await?;
    let mut relay = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stop.cancelled() => break,
        };
        match event {
            Some(Event::UdpWanted { pairs }) => bind_udp(&client, pairs, None, false),
            Some(Event::Described { tracks }) => {
                let mut tracks = tracks.into_iter().enumerate();
                let chosen = tracks.find(|(_, track)| matches!(track.codec, Codec::Jpeg | Codec::H264));
                let (number, track) = chosen.ok_or_else(|| anyhow::anyhow!("no track of JPEG or H.264"))?;
                relay = Some((number, LiveMount::described(&server, "relay", "Relay", track.media)?));
                cli::announce(address, "rtsp");
            }
            Some(Event::Frame { track, frame }) => {
                if let Some((_, mount)) = relay.as_mut().filter(|(number, _)| *number == track) {
                    // Timestamps are those of the source.
                    mount.push_at(&frame.frame.data, frame.frame.timestamp)?;
                }
            }
            Some(Event::Failed(failure)) => return Err(failure.into()),
            Some(Event::Ended) | None => break,
            Some(_) => {}
        }
    }
    drop(relay);
    client.shutdown(shutdown::GRACE).await;
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}
