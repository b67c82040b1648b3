//! cargo run --example live_source
//!
//! A live source of one's own: a program draws pictures, and any player watches them: `ffplay
//! rtsp://127.0.0.1:8554/ball`.

use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use driver::{cli, shutdown};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rtp_rtsp::config::ServerConfig;
use rtsp_programs::live::LiveMount;
use rtsp_programs::serve;

const WIDTH: u16 = 320;
const HEIGHT: u16 = 240;
const FPS: u32 = 25;

/// Serve a bouncing ball
#[derive(Parser)]
struct Options {
    /// TCP port; 0 picks a free one
    #[arg(default_value_t = 8554)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", options.port)?).await?;
    let address = listener.local_addr()?;
    let (server, events) = serve::start(ServerConfig::new(driver::seed()));
    drop(events); // nobody here wants to know who watches
    serve::serve_udp(&server, address.ip(), 1)?;
    serve::serve_tcp(&server, listener);
    let mut ball = LiveMount::jpeg(&server, "ball", "A ball", (WIDTH, HEIGHT), (FPS, 1))?;
    cli::announce(address, "rtsp");

    let mut ticks = tokio::time::interval(Duration::from_secs(1) / FPS);
    for n in 0_u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        if ball.has_readers() {
            ball.push_at(&draw(n)?, n.wrapping_mul(90_000 / FPS))?;
        }
    }
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}

/// A white ball that bounces on black. Baseline, 4:2:0 and standard Huffman tables: what RTP can carry.
fn draw(n: u32) -> anyhow::Result<Bytes> {
    let bounce = |n: u32, room: u32| room - (n % (2 * room)).abs_diff(room);
    let (x, y) = (bounce(4 * n, 280) + 20, bounce(3 * n, 200) + 20);
    let inside = |a: u32, b: u32| a.abs_diff(x).pow(2) + b.abs_diff(y).pow(2) < 400;
    let pixels = (0..u32::from(HEIGHT)).flat_map(|b| (0..u32::from(WIDTH)).map(move |a| (a, b)));
    let luma: Vec<u8> = pixels.flat_map(|(a, b)| [if inside(a, b) { 235 } else { 16 }; 3]).collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 80);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&luma, WIDTH, HEIGHT, ColorType::Rgb)?;
    Ok(jpeg.into())
}
