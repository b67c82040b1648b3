//! Many devices from one place.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use driver::{cli, shutdown};
use multicam_programs::controller::{self, Action, Global};

/// Start many recording devices at one instant, and collect every file
#[derive(Parser)]
#[command(
    version,
    after_help = "The protocol has neither authentication nor encryption.

Examples:
  multicam-controller discover
  multicam-controller start --in 3
  multicam-controller stop
  multicam-controller collect --out takes
  multicam-controller --device 192.168.1.20 --device 192.168.1.21:8081 status"
)]
struct Options {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    logging: cli::Logging,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => cli::exit(Err(error)),
    }
}

async fn run(options: Options) -> Result<bool> {
    options.logging.init(None)?;
    controller::run(&options.global, &options.action, shutdown::on_signals()).await
}
