//! Measures the camera frame's codec beside crate mavlink, in turns, and what hostile streams cost; prints the table of
//! README.md.
//!
//! ```text
//! cargo run --release -p benches --bin camera-table
//! ```

use std::time::Duration;

use benches::contests::{camera, hostile};
use clap::Parser;

/// Measure the camera frame's codec and print a Markdown table
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How long to measure, in seconds, all in all
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Tell every hostile stream, not only the worst
    #[arg(long)]
    all: bool,
}

fn main() {
    let options = Options::parse();
    let (mut contests, mut streams) = (camera(), hostile());
    let half = options.seconds.max(0.0) / 2.0;
    let each = |contests: usize| Duration::from_secs_f64(half / contests.max(1) as f64);
    let (time, hostile_time) = (each(contests.len()), each(streams.len()));
    println!("| | genlock | peer | | times as fast |");
    println!("|---|---|---|---|---|");
    for contest in &mut contests {
        let outcome = contest.hold(time);
        for (peer, (theirs, ratio)) in outcome.peers.iter().enumerate() {
            let (name, unit) = (&contest.entrants[peer + 1].name, contest.unit);
            println!("| {} | {} {unit} | {name} | {theirs} {unit} | {ratio} |", contest.what, outcome.ours);
        }
    }
    let mut costs: Vec<_> = streams.iter_mut().map(|c| (c.hold(hostile_time).ours, c.what.clone())).collect();
    costs.sort_by(|a, b| b.0.median.total_cmp(&a.0.median));
    println!("\nnanoseconds for each byte of a hostile stream:\n");
    for (cost, what) in costs.iter().take(if options.all { costs.len() } else { 5 }) {
        println!("{cost:25} {what}");
    }
}
