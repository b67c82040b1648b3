//! A camera server: telemetry, settings, authentication, and the camera's video.

use std::process::ExitCode;

use anyhow::Result;
use camera_programs::options::{Options, Setup};
use camera_programs::serve::{CameraServer, Config, ROLES};
use camera_programs::{logging, pipeline, video};
use clap::Parser;
use driver::{cli, shutdown};

/// Serve a camera: telemetry, settings and authentication on three ports, video to an RTSP server
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  camera-server --source test --rtsp-url ''            the built-in pattern, without video to the outside
  camera-server --source test --rtsp builtin           the same, served as rtsp://localhost:8554/ES_MTX
  camera-server --source lavfi                         ffmpeg's test picture, published to localhost:8554
  AUTH_PASSWORD=secret camera-server --persist         a Raspberry Pi's camera, reachable from the network

Layers, low to high: defaults, --config, camera_settings.json (camera values), environment, command line."
)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    announce: cli::Announce,
    #[command(flatten)]
    record: cli::Record,
    /// Print what is in force, as JSON, and end
    #[arg(long)]
    print_config: bool,
}

fn main() -> ExitCode {
    pipeline::run_if_child();
    let line: CommandLine = cli::parse();
    let setup = line.options.resolve(|name| std::env::var(name).ok());
    let ended = setup.and_then(|setup| {
        if line.print_config {
            for warning in &setup.warnings {
                eprintln!("warning: {warning}");
            }
            println!("{:#}", setup.to_json());
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(setup, line.announce, &line.record))
    });
    cli::exit(ended)
}

async fn run(mut setup: Setup, announce: cli::Announce, record: &cli::Record) -> Result<()> {
    logging::init(&setup.log_filter, setup.log_file.as_deref(), &setup.log_format)?;
    for warning in &setup.warnings {
        tracing::warn!("{warning}");
    }
    let stop = shutdown::on_signals();
    cli::raise_descriptor_limit();
    let mut listeners = Vec::new();
    for ((service, role, option), address) in ROLES.into_iter().zip(setup.addresses) {
        listeners.push((cli::listen(option, address).await?, service, role));
    }
    let recording = record.start()?;
    let video = match setup.rtsp {
        Some(address) => {
            let listener = cli::listen("--rtsp-port", address).await?;
            Some(video::Video::start(listener, recording.as_ref())?)
        }
        None => None,
    };
    setup.pipeline.mount = video.as_ref().map(video::Video::mount);
    setup.pipeline.launcher = std::env::current_exe().ok();
    let mut config = Config::new(setup.machine(driver::seed()), setup.pipeline.clone());
    config.password_hash = setup.password_hash.clone();
    config.persist = setup.persist.then(|| setup.camera_settings.clone());
    let server = CameraServer::start_recorded(config, recording.as_ref())?;
    for (listener, service, role) in listeners {
        let address = listener.local_addr()?;
        server.serve(listener, service);
        announce.listening(address, role);
    }
    if let Some(video) = &video {
        announce.listening(video.address(), "rtsp");
    }
    stop.cancelled().await;
    server.shutdown(shutdown::GRACE).await;
    if let Some(video) = video {
        video.shutdown(shutdown::GRACE).await;
    }
    Ok(())
}
