//! Playing the originals, and reading recordings of the test source back.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand, ValueEnum};
use driver::cli;
use multicam_common::constants::TCP_PORT;
use multicam_programs::emulate::{self, Emulated, Original, run_controller};
use multicam_programs::frames;

/// Play the original MultiCam implementations, quirks included, and read recordings of the test source back
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  multicam-tool frames takes/Tiger-1/Tiger-1_1729000000123.avi --first 1    what its first picture says
  multicam-tool frames recording.avi --json                                  what all say, for scripts
  multicam-tool emulate --peer oak-g2 --port 8080                            the device of the OAK generation"
)]
struct Options {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    logging: cli::Logging,
}

#[derive(Subcommand)]
enum Action {
    /// Be an original device, or do a cycle as an original controller
    Emulate {
        /// Which implementation
        #[arg(long, value_name = "NAME", value_enum)]
        peer: Peer,
        /// Device: address or name to listen on
        #[arg(long, default_value = "127.0.0.1")]
        host: String,
        /// Device: TCP port; 0 picks a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Device: its id
        #[arg(long, value_name = "ID", default_value = "Emulated-00000001")]
        device_id: String,
        /// Device: its clock is ahead by so many milliseconds
        #[arg(long, value_name = "MS", default_value_t = 0, allow_negative_numbers = true)]
        clock_offset: i64,
        /// Controller: the device to talk to
        #[arg(long, value_name = "HOST[:PORT]")]
        device: Option<String>,
        /// Controller: where to put the file
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Controller: seconds from the command to the start
        #[arg(long, value_name = "S", default_value_t = 1.0)]
        lead: f64,
        /// Controller: seconds from the start to the stop
        #[arg(long, value_name = "S", default_value_t = 1.0)]
        record: f64,
    },
    /// Print what the frames of a recording of the test source say of themselves
    Frames {
        /// The file
        file: PathBuf,
        /// Only the first so many
        #[arg(long, value_name = "N")]
        first: Option<usize>,
        /// Print one JSON object a line: frame, unixNanos and timecode
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    OakG2,
    OakG0,
    Ios,
    Android,
    ControllerG0,
    ControllerG2,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    cli::exit(options.logging.init(None).and_then(|()| run(options.action)))
}

fn run(action: Action) -> Result<()> {
    match action {
        Action::Emulate { peer, host, port, device_id, clock_offset, device, out, lead, record } => {
            let played = match peer {
                Peer::OakG2 => emulate::Peer::OakG2,
                Peer::OakG0 => emulate::Peer::OakG0,
                Peer::Ios => emulate::Peer::Ios,
                Peer::Android => emulate::Peer::Android,
                Peer::ControllerG0 | Peer::ControllerG2 => {
                    let original = if peer == Peer::ControllerG0 { Original::G0 } else { Original::G2 };
                    let device =
                        device.ok_or_else(|| cli::usage(anyhow!("--device: a controller needs one")))?;
                    let wrong = || cli::usage(anyhow!("--device: '{device}' is not HOST or HOST:PORT"));
                    let (host, port) = match device.rsplit_once(':') {
                        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
                        None => (device.as_str(), TCP_PORT),
                    };
                    let seconds = |option: &str, s: f64| {
                        Duration::try_from_secs_f64(s)
                            .map_err(|_| cli::usage(anyhow!("{option}: not a number of seconds")))
                    };
                    let (lead, record) = (seconds("--lead", lead)?, seconds("--record", record)?);
                    let address = cli::resolve("--device", host, port)?;
                    let cycle = run_controller(original, address, lead, record, out.as_deref())?;
                    cycle.replies.iter().for_each(|reply| println!("{reply}"));
                    println!("fetched {}, {} bytes", cycle.file.0, cycle.file.1.len());
                    return Ok(());
                }
            };
            let address = cli::resolve("--host", &host, port)?;
            let listener = TcpListener::bind(address)
                .with_context(|| format!("cannot listen on {address}: choose another with --port"))?;
            cli::announce(listener.local_addr()?, "emulated");
            let device = Emulated::new(played, &device_id, clock_offset.saturating_mul(1_000_000));
            Ok(emulate::serve(&Arc::new(device), &listener)?)
        }
        Action::Frames { file, first, json } => frames::print(&file, first.unwrap_or(usize::MAX), json),
    }
}
