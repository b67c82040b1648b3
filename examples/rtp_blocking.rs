//! cargo run --example rtp_blocking -- film.mjpeg 127.0.0.1:5000
//!
//! RTP without any server: the frames of a .mjpeg file over a blocking socket of the standard library, and the lines
//! that a player needs to know what comes.
//!
//! ```text
//! cargo run --example rtp_blocking -- film.mjpeg 127.0.0.1:5000 > film.sdp
//! ffplay -protocol_whitelist file,udp,rtp film.sdp
//! ```

use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use clap::Parser;
use rtp_rtsp::files::MjpegReader;
use rtp_rtsp::media::{Codec, Packetizer};
use rtp_rtsp::rtp::{DEFAULT_MAX_PACKET, Outgoing};

/// Send a .mjpeg file as RTP
#[derive(Parser)]
struct Options {
    /// The file, lab format or raw
    file: std::path::PathBuf,
    /// Where to
    to: SocketAddr,
    /// Frames a second
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    fps: u32,
}

fn main() -> anyhow::Result<()> {
    let Options { file, to, fps } = Options::parse();
    let mut data = BytesMut::from(&std::fs::read(file)?[..]);
    let mut reader = MjpegReader::new(16 << 20);
    let seed = driver::seed();
    let [s0, s1, a, b, c, d, ..] = seed;
    let out =
        Outgoing::new(26, u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([s0, s1]), DEFAULT_MAX_PACKET);
    let mut packetizer = Packetizer::new(Codec::Jpeg, out);

    let address = if to.is_ipv4() { "IP4" } else { "IP6" };
    println!("v=0\no=- 0 0 IN {address} {ip}\ns=film\nc=IN {address} {ip}\nt=0 0", ip = to.ip());
    println!("m=video {} RTP/AVP 26", to.port());

    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    let start = Instant::now();
    let mut n = 0_u64;
    while let Some(frame) = reader.next(&mut data)? {
        // Frame n is due n / fps after the start, whatever those before it took.
        let due = Duration::from_nanos(n * 1_000_000_000 / u64::from(fps));
        sleep(due.saturating_sub(start.elapsed()));
        let timestamp = n * 90_000 / u64::from(fps);
        let packets = packetizer.packetize(&frame, u32::try_from(timestamp & 0xffff_ffff)?)?;
        for packet in packets.iter() {
            socket.send_to(packet, to)?;
        }
        n += 1;
    }
    eprintln!("{n} frames sent");
    Ok(())
}
