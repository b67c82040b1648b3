//! The interactive client of timecode sessions.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Parser;
use driver::{cli, shutdown};
use smpte_programs::client::{self, Command};
use smpte_programs::feed::Outputs;

/// Follow and control timecode sessions, and drive LTC, MIDI timecode and Art-Net from them
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  smpte-client                                          type commands; 'help' lists them
  smpte-client --exec 'create 29.97 01:00:00:00; start; wait 2; stop; quit'
  smpte-client --server a --server b:9000 --join 3f2a   goes on with b when a is lost
  smpte-client --join 3f2a --ltc-out - | aplay -t raw -f S16_LE -r 48000"
)]
struct Options {
    /// Server to connect to
    #[arg(long, env = "SMPTE_HOST", default_value = "localhost")]
    host: String,
    /// Its TCP port
    #[arg(long, env = "SMPTE_PORT", default_value_t = 8080)]
    port: u16,
    /// Servers to use instead, given several times: when one is lost the next is tried, and the session joined again
    #[arg(long, value_name = "HOST[:PORT]", value_parser = client::server_address)]
    server: Vec<(String, u16)>,
    /// Print one JSON object for each event
    #[arg(long)]
    json: bool,
    /// Run these commands, with ';' between them, and end
    #[arg(long, value_name = "COMMANDS", value_parser = |s: &str| Command::parse_all(s).map(Script))]
    exec: Option<Script>,
    /// Join this session first: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    join: Option<String>,
    /// Write the session as LTC: a WAV file, or raw 16-bit samples at 48 kHz on stdout for -
    #[arg(long, value_name = "FILE|-", requires = "join")]
    ltc_out: Option<PathBuf>,
    /// Send the session as Art-Net timecode
    #[arg(long, value_name = "HOST[:PORT]", requires = "join")]
    artnet: Option<String>,
    /// Write the session as MIDI timecode: a file or device, or stdout for -
    #[arg(long, value_name = "FILE|-", requires = "join")]
    mtc_out: Option<PathBuf>,
    #[command(flatten)]
    logging: cli::Logging,
}

#[derive(Clone)]
struct Script(Vec<Command>);

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit(run(cli::parse()).await)
}

async fn run(options: Options) -> Result<()> {
    options.logging.init(None)?;
    let options = client::Options {
        servers: match options.server.is_empty() {
            true => vec![(options.host, options.port)],
            false => options.server,
        },
        json: options.json,
        script: options.exec.map(|script| script.0),
        join: options.join,
        outputs: Outputs { ltc: options.ltc_out, artnet: options.artnet, mtc: options.mtc_out },
    };
    if options.outputs.on_stdout() > 1 {
        return Err(cli::usage(anyhow!("--ltc-out and --mtc-out: only one can go to stdout")));
    }
    client::run(options, shutdown::on_signals()).await
}
