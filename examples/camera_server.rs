//! cargo run --example camera_server
//!
//! A camera server whose telemetry is your own: here how busy this machine is, in tenths of a processor.

use anyhow::Result;
use camera_packet::config::{ServerConfig, ValueSource};
use camera_packet::server::{DATA, Event, SETTINGS, Server};
use clap::Parser;
use driver::{Driver, Limits, cli, shutdown};

/// Serve this machine's load as camera telemetry
#[derive(Parser)]
struct Options {
    /// Port for telemetry; 0 picks a free one
    #[arg(default_value_t = 5000)]
    data_port: u16,
    /// Port for settings
    #[arg(default_value_t = 5001)]
    settings_port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let stop = shutdown::on_signals();

    // Called whenever something is to be sent; it must not block.
    let source = ValueSource::Custom(Box::new(|_tick| tenths_of_load()));
    let config = ServerConfig::new(driver::seed()).with_source(source).with_rate(10);
    let (server, mut events) = Driver::start(Server::new(config), Limits::default());
    for (service, role, port) in
        [(DATA, "data", options.data_port), (SETTINGS, "settings", options.settings_port)]
    {
        let listener = cli::listen("PORT", cli::resolve("HOST", "localhost", port)?).await?;
        let address = listener.local_addr()?;
        server.serve_tcp(listener, service);
        cli::announce(address, role);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.next() => match event {
                // Here is where a camera would be told.
                Some(Event::SettingsChanged { block, revision }) => println!("{revision}: {:?}", block.values()),
                Some(_) => {}
                None => break,
            },
        }
    }
    server.shutdown(shutdown::GRACE).await;
    Ok(())
}

/// Processes that want a processor, on average over a minute, times ten (Linux; 0 elsewhere).
fn tenths_of_load() -> u8 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    (load * 10.0) as u8
}
