//! Loads the companion screen programs and says how exact and how quick they are.
//!
//! ```text
//! cargo build --release --bins
//! target/release/css-load wall-clock      replies a second, beside a minimal server in the same run
//! target/release/css-load push            changes to 500 companions
//! target/release/css-load idle            5000 companions that hear nothing
//! target/release/css-load accuracy        the error of a client on this machine
//! ```

use anyhow::Result;
use benches::css::{self, Door};
use clap::{Parser, Subcommand};

/// Load the companion screen programs and measure them
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Replies a second of a wall clock server, beside a minimal receive-reply loop, with 1 and 16 requests under way
    WallClock {
        /// Program to start as the server
        #[arg(long, value_name = "PROGRAM", default_value = "target/release/wall-clock-server")]
        server: String,
        /// How long to measure, in seconds
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
    },
    /// How long a change takes to reach the last of many companions
    Push {
        /// End point
        #[arg(long, value_enum, default_value = "ts")]
        door: Door,
        /// Companions
        #[arg(long, default_value_t = 500)]
        clients: usize,
        /// How long to measure, in seconds
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
    },
    /// What an idle WebSocket costs
    Idle {
        /// Companions
        #[arg(long, default_value_t = 5000)]
        clients: usize,
    },
    /// The error of a wall clock client whose server runs on the same clock
    Accuracy {
        /// Program to start as the server
        #[arg(long, value_name = "PROGRAM", default_value = "target/release/wall-clock-server")]
        server: String,
        /// Program to start as the client
        #[arg(long, value_name = "PROGRAM", default_value = "target/release/wall-clock-client")]
        client: String,
        /// The client's algorithm
        #[arg(long, default_value = "bounds")]
        algorithm: String,
        /// How long to measure after the first ten seconds, in seconds
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
        /// Leave the other cores alone
        #[arg(long)]
        idle: bool,
        /// Where the client draws offset and bound
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<String>,
    },
    #[command(hide = true)]
    Minimal,
    #[command(hide = true)]
    Burn,
    #[command(hide = true)]
    Television {
        #[arg(long)]
        period_ms: u64,
    },
}

fn main() -> Result<()> {
    let report = match Options::parse().what {
        What::WallClock { server, seconds } => css::wall_clock(&server, seconds)?,
        What::Push { door, clients, seconds } => css::push(door, clients, seconds)?,
        What::Idle { clients } => css::idle(clients)?,
        What::Accuracy { server, client, algorithm, seconds, idle, plot } => {
            css::accuracy(&server, &client, &algorithm, seconds, !idle, plot.as_deref())?
        }
        What::Minimal => return css::minimal_server(),
        What::Burn => css::burn(),
        What::Television { period_ms } => return css::serve_television(period_ms),
    };
    println!("{report:#}");
    Ok(())
}
