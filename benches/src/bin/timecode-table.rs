//! Measures this workspace's timecode beside its peers, in turns, and prints the table of README.md.
//!
//! ```text
//! cargo run --release -p benches --bin timecode-table
//! ```

use std::time::Duration;

use benches::contest::{Contest, Spread};
use benches::contests::{labels, ltc, session};
use clap::Parser;

/// Measure timecode beside its peers and print a Markdown table
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Only what has this text in its name
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// How long to measure, in seconds, all in all
    #[arg(long, default_value_t = 40.0)]
    seconds: f64,
}

fn main() {
    let options = Options::parse();
    let mut contests: Vec<Contest> = labels().into_iter().chain(ltc()).chain(session()).collect();
    contests.retain(|contest| contest.what.contains(&options.only));
    let time = Duration::from_secs_f64(options.seconds.max(0.0) / contests.len().max(1) as f64);
    println!("| | genlock | peer | | times as fast |");
    println!("|---|---|---|---|---|");
    for contest in &mut contests {
        let outcome = contest.hold(time);
        let cell = |entrant: usize, spread: Spread| {
            let note = contest.entrants[entrant].note.as_ref().map(|note| format!("<br>{note}"));
            format!("{spread} {}{}", contest.unit, note.unwrap_or_default())
        };
        let ours = cell(0, outcome.ours);
        for (peer, (theirs, ratio)) in outcome.peers.iter().enumerate() {
            let name = &contest.entrants[peer + 1].name;
            println!("| {} | {ours} | {name} | {} | {ratio} |", contest.what, cell(peer + 1, *theirs));
        }
    }
    println!();
    println!("Processor time on one core of {}: median (least to most) of rounds", processor());
    println!("in turns. ns: nanoseconds each; M/s: millions of samples a second.");
}

/// What the system calls the processor.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{} with {cores}", name.map_or("unknown processor", |(_, name)| name.trim()))
}
