//! `smpte-tool`: what the crate can do, for scripts and for people.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 it could not be done, 2 it was asked wrongly.

mod artnet;
mod convert;
mod failure;
mod label;
mod ltc;
mod mtc;
mod output;
mod parse;
mod vitc;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Work with SMPTE timecode: labels, LTC, VITC, MIDI timecode, Art-Net
///
/// Rates: 23.976, 24, 25, 29.97, 29.97df, 30, 47.952, 48, 50, 59.94, 59.94df, 60, 100, 119.88, 119.88df, 120, or
/// num/den[df]; df is drop-frame. Labels: HH:MM:SS:FF, HH:MM:SS;FF for drop-frame, three digits of frames above 100.
#[derive(Parser)]
#[command(name = "smpte-tool", version, after_help = EXAMPLES, max_term_width = 120)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  smpte-tool info '01:00:00;00' --rate 29.97df        frame, exact seconds, samples, feet of a label
  smpte-tool label 1800 --rate 29.97df                00:01:00;02
  smpte-tool convert 01:00:00:00 --rate 25 --to 24    the label at 24 of the same time
  smpte-tool ltc encode out.wav --rate 25 --start 10:00:00:00 --duration 60
  smpte-tool ltc decode out.wav --json                one line a word
  ffmpeg -i tape.mov -f wav - | smpte-tool ltc decode -
  smpte-tool mtc encode 01:02:03:04 --rate 25         04 10 23 30 .. as MIDI bytes
  smpte-tool vitc encode 01:02:03:04 --rate 25        the 90 bits
  smpte-tool artnet send 01:02:03:04 --rate 25 --to 192.168.1.20

Exit codes: 0 done, 1 it could not be done, 2 it was asked wrongly.";

#[derive(Subcommand)]
enum Command {
    /// Show what a label means: frame number, exact seconds, samples, feet+frames
    Info(label::Info),
    /// Print the label of a frame number
    Label(label::Label),
    /// Print a label as another rate has it
    Convert(convert::Convert),
    /// Write or read linear timecode in WAV files
    Ltc {
        /// What to do.
        #[command(subcommand)]
        command: ltc::Command,
    },
    /// Write or read MIDI timecode as hexadecimal bytes
    Mtc {
        /// What to do.
        #[command(subcommand)]
        command: mtc::Command,
    },
    /// Write or read the 90 bits of a line of vertical interval timecode
    Vitc {
        /// What to do.
        #[command(subcommand)]
        command: vitc::Command,
    },
    /// Send or receive timecode over Art-Net
    Artnet {
        /// What to do.
        #[command(subcommand)]
        command: artnet::Command,
    },
}

/// Runs the program as its command line says.
pub fn main() -> ExitCode {
    let options: Options = driver::cli::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = run(options.command, &mut out).and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // whoever read the output has had enough
        Err(Failure::Failed(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Info(info) => info.run(out),
        Command::Label(label) => label.run(out),
        Command::Convert(convert) => convert.run(out),
        Command::Ltc { command } => command.run(out),
        Command::Mtc { command } => command.run(out),
        Command::Vitc { command } => command.run(out),
        Command::Artnet { command } => command.run(out),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
