//! Man pages and shell completions, made from a program's own options.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Command, ValueEnum};
use clap_complete::Shell;

/// What a program can write about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Man pages, one for the program and one for each subcommand.
    Man,
    /// A completion script.
    Completion(Shell),
}

/// Writes what `--generate` asks for, if that is the first argument, and ends the process. Every program understands,
/// alone, `--generate bash|zsh|fish|elvish|powershell` (its completion script on stdout) and `--generate man DIR` (its
/// man pages into that directory).
pub(super) fn if_asked(command: &Command) {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_none_or(|first| first != "--generate") {
        return;
    }
    let (kind, folder) = request(&arguments).unwrap_or_else(|error| super::refuse(&error));
    match generate(command.clone(), kind, folder) {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("error: --generate: {error}");
            std::process::exit(1)
        }
    }
}

fn request(arguments: &[OsString]) -> Result<(Kind, PathBuf), clap::Error> {
    let shells = Shell::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let kinds = PossibleValuesParser::new(shells.chain([PossibleValue::new("man")]));
    let matches = Command::new("--generate")
        .disable_help_flag(true)
        .arg(Arg::new("WHAT").required(true).value_parser(kinds))
        .arg(Arg::new("DIR").required_if_eq("WHAT", "man").value_parser(clap::value_parser!(PathBuf)))
        .try_get_matches_from(arguments)?;
    let what = matches.get_one::<String>("WHAT").map_or("man", String::as_str);
    let kind = Shell::from_str(what, false).map_or(Kind::Man, Kind::Completion);
    Ok((kind, matches.get_one::<PathBuf>("DIR").cloned().unwrap_or_default()))
}

fn generate(mut command: Command, kind: Kind, folder: PathBuf) -> io::Result<()> {
    match kind {
        Kind::Man => clap_mangen::generate_to(command, folder),
        Kind::Completion(shell) => {
            let name = command.get_name().to_owned();
            // Made whole before it is written: whoever reads it may stop early.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            match io::stdout().write_all(&script) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written,
            }
        }
    }
}
