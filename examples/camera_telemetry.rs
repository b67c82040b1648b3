//! cargo run --example camera_telemetry -- localhost:5000
//!
//! Reads a camera server's telemetry with the codec alone: no machine, no runtime.

use std::io::Read;

use camera_packet::codec::{Bounds, Decoder, DecoderConfig, Event};
use camera_packet::message::Message;

fn main() -> anyhow::Result<()> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "localhost:5000".into());
    let mut stream = std::net::TcpStream::connect(server)?;
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    let mut buffer = [0; 4096];
    loop {
        let n = match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => n,
        };
        let mut feed = decoder.feed(driver::now(), &buffer[..n]);
        while let Some(event) = feed.next() {
            if let Event::Frame(frame) = event
                && let Ok(Message::Telemetry(item)) = Message::parse(&frame)
            {
                println!("{} at {} ms", item.value, item.timestamp_ms);
            }
        }
    }
}
