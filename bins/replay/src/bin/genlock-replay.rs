//! Plays recordings back.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use driver::cli;
use replay::{Failure, Summary};
use serde_json::json;

/// Play a recording that a server wrote with --record: tells whether every output is the same, or the first that differs
#[derive(Parser)]
#[command(
    version,
    after_help = "A recording holds all that the server was told and said, passwords and contents too.
Ends with 0 if all outputs are the same, with 1 if one differs or the file cannot be read.

Examples:
  smpte-server --record smpte.rec    writes one
  genlock-replay smpte.rec           as fast as the machine can
  genlock-replay smpte.rec --json    for scripts"
)]
struct Options {
    /// The recording
    file: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => cli::exit(Err(error)),
    }
}

/// Whether all outputs are the same.
fn run(options: &Options) -> Result<bool> {
    let name = || options.file.display().to_string();
    let file = File::open(&options.file).with_context(name)?;
    let length = file.metadata().with_context(name)?.len();
    let shown = cli::Reading::new(file, cli::Progress::new("playing", length));
    let begun = driver::now();
    let played = replay::replay(BufReader::with_capacity(1 << 20, shown));
    let took = driver::now().saturating_since(begun);
    let (text, same) = match played {
        Ok(summary) => (if options.json { json_of(&summary, took) } else { text_of(&summary, took) }, true),
        Err(failure @ Failure::Differs { .. }) => {
            (if options.json { json_of_difference(&failure) } else { text_of_difference(&failure) }, false)
        }
        Err(failure) => return Err(failure).with_context(name),
    };
    // Whoever reads it may have stopped.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(same)
}

fn text_of(summary: &Summary, took: Duration) -> String {
    let Summary { program, version, inputs, outputs, recorded, .. } = summary;
    let cut = if summary.is_cut { "; its last line is cut off" } else { "" };
    let times = recorded.as_secs_f64() / took.as_secs_f64().max(1e-9);
    format!(
        "the same: {inputs} inputs, {outputs} outputs of {program} {version}; {:.3} s recorded, {:.3} s to play, {times:.0} times \
         as fast{cut}\n",
        recorded.as_secs_f64(),
        took.as_secs_f64(),
    )
}

fn json_of(summary: &Summary, took: Duration) -> String {
    let json = json!({
        "same": true,
        "program": summary.program,
        "version": summary.version,
        "machines": summary.machines,
        "inputs": summary.inputs,
        "outputs": summary.outputs,
        "recorded_s": summary.recorded.as_secs_f64(),
        "took_s": took.as_secs_f64(),
        "cut": summary.is_cut,
    });
    format!("{json}\n")
}

fn text_of_difference(failure: &Failure) -> String {
    let Failure::Differs { difference, .. } = failure else { return String::new() };
    format!("{failure}\n{}", replay::difference(difference))
}

fn json_of_difference(failure: &Failure) -> String {
    let Failure::Differs { line, machine, output, after, difference } = failure else { return String::new() };
    let json = json!({
        "same": false,
        "line": line,
        "machine": machine,
        "output": output,
        "after_s": after.as_secs_f64(),
        "recorded": difference.recorded,
        "replayed": difference.replayed,
    });
    format!("{json}\n")
}
