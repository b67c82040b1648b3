//! cargo run --example camera_sweep -- localhost:5001
//!
//! Goes through the gains of a camera, one after the other, and says what the server has applied: with a server that
//! clamps, that is not always what was asked for. It keeps to the rules that the original server needs (one request at a
//! time, silence after an update), so it takes a second for each step.

use anyhow::{Context, Result, bail};
use camera_packet::client::{Client, Event, SETTINGS};
use camera_packet::config::ClientConfig;
use camera_packet::settings::SettingsBlock;
use clap::Parser;
use driver::{Driver, Limits, shutdown};

/// Try one gain after the other
#[derive(Parser)]
struct Options {
    /// Settings port of the server
    #[arg(default_value = "localhost:5001")]
    server: String,
    /// First gain
    #[arg(long, default_value_t = 1)]
    from: u8,
    /// Last gain
    #[arg(long, default_value_t = 4)]
    to: u8,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let (client, mut events) =
        Driver::start(Client::new(ClientConfig::new(driver::seed())), Limits::default());
    let server = &options.server;
    client.connect_tcp(server, SETTINGS).await.with_context(|| format!("cannot connect to {server}"))?;
    client.call(|machine, now| machine.query(now))?;

    let mut gains = options.from..=options.to;
    let mut at_first = None;
    while let Some(event) = events.next().await {
        match event {
            Event::Settings(block) => {
                println!("gain {} applied", block.0[1]);
                let first = *at_first.get_or_insert(block);
                let mut wanted = first;
                // At the end all is as it was.
                let last = match gains.next() {
                    Some(gain) => {
                        wanted =
                            SettingsBlock([first.0[0], gain, first.0[2], first.0[3], first.0[4], first.0[5]]);
                        false
                    }
                    None => block == first,
                };
                if last {
                    break;
                }
                client.call(|machine, now| machine.update(now, wanted).and_then(|()| machine.query(now)))?;
            }
            Event::Reconnect(_) | Event::Closed(..) => bail!("{server} does not answer any more"),
            _ => {}
        }
    }
    client.shutdown(shutdown::GRACE).await;
    Ok(())
}
