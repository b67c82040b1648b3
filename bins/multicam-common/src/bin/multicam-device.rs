//! A recording device.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use multicam_common::server::DeviceCalls;
use multicam_programs::device;

/// Record in step with other devices: listens for MultiCam commands, starts at the instant it is told, hands files out
#[derive(Parser)]
#[command(
    version,
    after_help = "The protocol has neither authentication nor encryption: whoever reaches the port can start, stop and
fetch recordings. --host 127.0.0.1 keeps it on this machine.

Examples:
  multicam-device --dir takes                              records the test picture, found by multicast DNS
  multicam-device --source rtsp://camera.local/stream      records a camera
  multicam-device --port 0 --host 127.0.0.1 --no-mdns      on a free port, for this machine alone"
)]
struct Options {
    #[command(flatten)]
    device: device::Options,
    #[command(flatten)]
    announce: cli::Announce,
    #[command(flatten)]
    record: cli::Record,
    #[command(flatten)]
    logging: cli::Logging,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse()).await)
}

async fn run(options: Options) -> Result<()> {
    options.logging.init(None)?;
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();
    let setup = options.device.setup()?;
    let device_id = setup.config.device_id.clone();
    let address = cli::resolve("--host", &options.device.host, options.device.port)?;
    let listener = cli::listen("--port", address).await?;
    let recording = options.record.start()?;
    let device = device::start_recorded(setup, listener, recording.as_ref())?;
    options.announce.listening(device.address, "multicam");
    #[cfg(feature = "mdns")]
    let announced = if options.device.no_mdns {
        None
    } else {
        multicam_programs::mdns::announce(&device_id, device.address, &options.device.interface)
            .inspect_err(|error| tracing::warn!("not announced by multicast DNS: {error:#}"))
            .ok()
    };
    #[cfg(not(feature = "mdns"))]
    let _ = device_id;
    stop.cancelled().await;
    #[cfg(feature = "mdns")]
    if let Some(announced) = announced {
        announced.withdraw();
    }
    // A recording that runs is ended as by STOP: its file is closed before the program is gone.
    device.driver.call(|machine, _| machine.stop_now());
    device.wait_closed(shutdown::GRACE).await;
    device.driver.shutdown(shutdown::GRACE).await;
    Ok(())
}
