//! Loads the recording programs and says how exact, how fast and how robust they are.
//!
//! ```text
//! cargo build --release --bins
//! target/release/multicam-load start --devices 50      how late planned starts are, and how far apart
//! target/release/multicam-load clocks                  devices whose clocks are wrong (needs libfaketime)
//! target/release/multicam-load transfer                1 GiB beside a plain sendfile loop, and the memory it takes
//! target/release/multicam-load kill                    both sides are killed 20 times during 1 GiB
//! ```

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use benches::multicam::{self, Clocks, Programs};
use clap::{Parser, Subcommand};

/// Load the recording programs and measure them
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder of the built programs
    #[arg(long, value_name = "DIR", default_value = "target/release", global = true)]
    bin: PathBuf,
    /// Print the result in one line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// How late planned starts of several devices are, and how far apart
    Start {
        /// Devices
        #[arg(long, default_value_t = 2)]
        devices: usize,
        /// How long to measure, in seconds
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
        /// From the command to the instant, in milliseconds
        #[arg(long, default_value_t = 500)]
        lead_ms: u64,
    },
    /// How far from the instant devices start whose clocks are 0, 250 and 5000 ms ahead
    Clocks {
        /// libfaketime for programs with threads
        #[arg(long, default_value = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")]
        faketime: String,
        /// How often they are started
        #[arg(long, default_value_t = 20)]
        rounds: usize,
    },
    /// Throughput of a device and of `collect`, and the memory of both
    Transfer {
        /// Size of the file, in MiB
        #[arg(long, default_value_t = 1024)]
        mib: u64,
        /// Where to put it, twice: in memory
        #[arg(long, default_value = "/dev/shm")]
        dir: PathBuf,
        /// How long to measure, in seconds; each is measured once at least
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
    },
    /// SIGKILL to both sides in turns while a file is collected
    Kill {
        /// Size of the file, in MiB
        #[arg(long, default_value_t = 1024)]
        mib: u64,
        /// Where to put it, twice: in memory
        #[arg(long, default_value = "/dev/shm")]
        dir: PathBuf,
        /// How many times
        #[arg(long, default_value_t = 20)]
        kills: usize,
        /// Other places
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    #[command(hide = true)]
    PlainServer { file: PathBuf },
}

fn main() -> Result<()> {
    let Options { bin, json, what } = Options::parse();
    let program = |name: &str| bin.join(name).to_string_lossy().into_owned();
    let programs =
        Programs { device: program("multicam-device"), controller: program("multicam-controller") };
    let report = match what {
        What::Start { devices, seconds, lead_ms } => {
            multicam::starts(&programs.device, devices, span(seconds)?, Duration::from_millis(lead_ms))?
        }
        What::Clocks { faketime, rounds } => {
            multicam::clocks(&Clocks { program: programs.device, faketime, rounds })?
        }
        What::Transfer { mib, dir, seconds } => multicam::transfer(&programs, &dir, mib, span(seconds)?)?,
        What::Kill { mib, dir, kills, seed } => multicam::kills(&programs, &dir, mib, kills, seed)?,
        What::PlainServer { file } => return multicam::plain_server(&file),
    };
    println!("{}", benches::told(&report, json));
    Ok(())
}

fn span(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).context("--seconds")
}
