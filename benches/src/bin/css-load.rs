//! Loads the companion screen programs and says how exact and how quick they are.
//!
//! ```text
//! cargo build --release --bins
//! target/release/css-load wall-clock      replies a second, beside a minimal server in the same run
//! target/release/css-load push            changes to 500 companions, beside a plain loop that writes to as many
//! target/release/css-load idle            5000 companions that hear nothing
//! target/release/css-load accuracy        the error of a client on this machine
//! target/release/css-load networks        the client's algorithm on simulated networks
//! target/release/css-load steps           steps of the server's clock on such networks
//! target/release/css-load day             a simulated day of all machines
//! target/release/css-load soak            companions that come, misbehave and go for ten minutes
//! ```

use anyhow::Result;
use benches::css::{self, Door, NetworkName};
use clap::{Parser, Subcommand};

/// Load the companion screen programs and measure them
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Replies a second of a wall clock server, beside a minimal receive-reply loop
    WallClock {
        /// Program to start as the server
        #[arg(long, value_name = "PROGRAM", default_value = "target/release/wall-clock-server")]
        server: String,
        /// Requests under way
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
        under_way: u16,
        /// Take each answer by itself, also those that left together
        #[arg(long)]
        one_by_one: bool,
        /// How long to measure, in seconds
        #[arg(long, default_value_t = 10.0)]
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
    /// Simulated networks: whether the bound is true in every sample, and how exact the estimate
    Networks {
        /// Which
        #[arg(long, value_enum, default_value = "busy")]
        network: NetworkName,
        /// Simulated hours for each seed
        #[arg(long, default_value_t = 24.0)]
        hours: f64,
        /// Seeds, from 1 on; constant and wandering rates, plain and troubled networks in turns
        #[arg(long, default_value_t = 20)]
        seeds: u64,
    },
    /// Steps of the server's clock by 5 ms on simulated networks: whether they are noticed, and the bound true again soon
    Steps {
        /// Which
        #[arg(long, value_enum, default_value = "busy")]
        network: NetworkName,
        /// Seeds, from 1 on; four steps each
        #[arg(long, default_value_t = 200)]
        seeds: u64,
    },
    /// A day of all machines under a virtual clock, on a network that loses a fifth
    Day {
        /// Simulated hours
        #[arg(long, default_value_t = 24)]
        hours: u64,
    },
    /// What a television keeps of companions that come, misbehave and go
    Soak {
        /// Program to start as the television
        #[arg(long, value_name = "PROGRAM", default_value = "target/release/tv-device")]
        server: String,
        /// Companions at once
        #[arg(long, default_value_t = 50)]
        companions: usize,
        /// How long, in seconds
        #[arg(long, default_value_t = 600.0)]
        seconds: f64,
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
    #[command(hide = true)]
    MinimalTelevision {
        #[arg(long, value_enum)]
        door: Door,
        #[arg(long)]
        clients: usize,
    },
}

fn main() -> Result<()> {
    let Options { json, what } = Options::parse();
    let report = match what {
        What::WallClock { server, under_way, one_by_one, seconds } => {
            css::wall_clock(&server, under_way.into(), one_by_one, seconds)?
        }
        What::Push { door, clients, seconds } => css::push(door, clients, seconds)?,
        What::Idle { clients } => css::idle(clients)?,
        What::Accuracy { server, client, algorithm, seconds, idle, plot } => {
            css::accuracy(&server, &client, &algorithm, seconds, !idle, plot.as_deref())?
        }
        What::Networks { network, hours, seeds } => css::networks(network, hours, seeds)?,
        What::Steps { network, seeds } => css::steps(network, seeds)?,
        What::Day { hours } => css::day(hours)?,
        What::Soak { server, companions, seconds } => css::soak(&server, companions, seconds)?,
        What::Minimal => return css::minimal_server(),
        What::Burn => css::burn(),
        What::Television { period_ms } => return css::serve_television(period_ms),
        What::MinimalTelevision { door, clients } => return css::minimal_television(door, clients),
    };
    println!("{}", benches::told(&report, json));
    Ok(())
}
