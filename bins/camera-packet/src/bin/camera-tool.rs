//! Captures of the camera protocol, and an original server for testing clients.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use camera_packet::dialect::Dialect;
use camera_programs::options::{ResyncMode, address};
use camera_programs::tool::{decode, emulate};
use clap::{Parser, Subcommand};
use driver::cli;

/// Decode camera packets, or act as an original camera server
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  echo 00ff02010000fc | camera-tool decode --hex -
  camera-tool decode --pcap --json capture.pcap
  camera-tool emulate --generation G7"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logging: cli::Logging,
}

#[derive(Subcommand)]
enum Command {
    /// Print frames, and what was skipped and why
    Decode {
        /// A file, or - for standard input
        file: PathBuf,
        /// The input is hexadecimal text
        #[arg(long, conflicts_with = "pcap")]
        hex: bool,
        /// The input is a capture of network packets
        #[arg(long)]
        pcap: bool,
        /// The stream is joined in the middle
        #[arg(long)]
        unsynced: bool,
        /// After a wrong checksum: look again from the next byte, or discard the frame
        #[arg(long, value_name = "HOW", value_enum, default_value = "rescan")]
        resync: ResyncMode,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Act as an original server, quirks included
    Emulate {
        /// G1, G1b, G2 to G7
        #[arg(long, default_value = "G7", value_parser = str::parse::<Dialect>)]
        generation: Dialect,
        /// Address or name to listen on
        #[arg(long, default_value = "127.0.0.1")]
        host: String,
        /// Port for telemetry, or HOST:PORT; 0 picks a free one
        #[arg(long, value_name = "[HOST:]PORT", default_value = "5000")]
        data_port: String,
        /// Port for settings, or HOST:PORT; 0 picks a free one
        #[arg(long, value_name = "[HOST:]PORT", default_value = "5001")]
        settings_port: String,
        /// Port for authentication, or HOST:PORT; 0 picks a free one
        #[arg(long, value_name = "[HOST:]PORT", default_value = "5002")]
        auth_port: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let line: CommandLine = cli::parse();
    let started = line.logging.init(None).map(|()| line.command);
    match started {
        Ok(command) => cli::exit(run(command).await),
        Err(error) => cli::exit(Err(error)),
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Decode { file, hex, pcap, unsynced, resync, json } => {
            let mut input = Vec::new();
            if file.as_os_str() == "-" {
                std::io::stdin().lock().read_to_end(&mut input)?;
            } else {
                input = std::fs::read(&file).with_context(|| file.display().to_string())?;
            }
            let options = decode::Options { hex, pcap, unsynced, resync: resync.into(), json };
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            decode::run(&input, options, &mut out)
        }
        Command::Emulate { generation, host, data_port, settings_port, auth_port } => {
            let stop = driver::shutdown::on_signals();
            let addresses = [
                address("--data-port", ("--host", &host), &data_port)?,
                address("--settings-port", ("--host", &host), &settings_port)?,
                address("--auth-port", ("--host", &host), &auth_port)?,
            ];
            let emulation = emulate::start(generation, addresses).context(
                "cannot listen: choose other ports with --data-port, --settings-port and --auth-port",
            )?;
            for (address, role) in emulation.addresses {
                cli::announce(address, role);
            }
            stop.cancelled().await;
            Ok(())
        }
    }
}
