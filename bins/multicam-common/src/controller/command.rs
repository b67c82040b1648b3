//! The controller's commands, on the command line and in the shell alike.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use multicam_common::UnixTime;

/// What holds for every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// A device; may be given again. Without any, devices are found by multicast DNS
    #[arg(long, value_name = "HOST[:PORT]", global = true)]
    pub device: Vec<String>,
    /// Look for devices on this interface only (`lo`: this machine alone); may be given again
    #[arg(long, value_name = "NAME|ADDR", global = true)]
    pub interface: Vec<String>,
    /// How long to look for devices, in seconds
    #[arg(long, value_name = "S", default_value_t = 2.0, global = true)]
    pub wait: f64,
    /// Print one JSON object for each answer
    #[arg(long, global = true)]
    pub json: bool,
    /// Where takes are remembered; by default multicam-state.json beside --out
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<PathBuf>,
    /// The word that devices ask for
    #[arg(long, env = "MULTICAM_AUTH", hide_env_values = true, value_name = "WORD", global = true)]
    pub auth: Option<String>,
}

/// One line of the shell.
#[derive(Debug, Parser)]
#[command(name = "", no_binary_name = true, disable_help_flag = true)]
pub struct Line {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Action {
    /// List the devices
    Discover,
    /// How are the devices?
    Status,
    /// Start all at one instant
    Start {
        /// So many seconds from now; 0: at once, each as soon as it is told
        #[arg(long = "in", value_name = "S", default_value_t = 3.0, conflicts_with = "at")]
        lead: f64,
        /// At this instant, in seconds since 1970
        #[arg(long, value_name = "UNIX", value_parser = instant)]
        at: Option<UnixTime>,
    },
    /// End the recordings
    Stop,
    /// Which files do the devices have?
    List,
    /// Fetch one file, by name or id, from whoever has it
    Get {
        /// Name or id
        file: String,
        /// Where to
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Fetch everything that is not here yet
    Collect {
        /// Where to: DIR/DEVICE/FILE, and DIR/manifest.json
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Delete a file from its device, of which a copy has been fetched
    Delete {
        /// Its name
        file: String,
        /// The SHA-256 of the copy, if it is not in the state file
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Let a device upload a file
    Upload {
        /// Its name
        file: String,
        /// An address that takes a PUT
        url: String,
    },
    /// Serve time to devices without NTP, until Ctrl-C
    ServeTime {
        /// UDP port; 0 picks a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Type these commands, as on the command line
    Shell,
    /// Leave the shell
    #[command(hide = true, alias = "exit")]
    Quit,
}

fn instant(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse(text).ok_or_else(|| "not a number of seconds since 1970".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let parse = |line: &str| Line::try_parse_from(line.split_whitespace()).map(|l| l.action);
        assert_eq!(parse("stop").unwrap(), Action::Stop);
        assert_eq!(parse("start --in 2.5").unwrap(), Action::Start { lead: 2.5, at: None });
        let at = Some(UnixTime::from_nanos(1_729_000_000_500_000_000));
        assert_eq!(parse("start --at 1729000000.5").unwrap(), Action::Start { lead: 3.0, at });
        assert_eq!(parse("exit").unwrap(), Action::Quit);
        assert!(parse("start --at soon").is_err() && parse("").is_err() && parse("dance").is_err());
    }
}
