//! Measures everything that README.md claims, beside its peers, and writes docs/measured.md with its plots.
//!
//! ```text
//! cargo run --release -p benches --bin report
//! ```
//!
//! On a machine that does something else at the same time, ratios hold and times do not.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::contest::{Contest, Spread};
use benches::loads::{self, Figure, Load};
use benches::{contests, plot};
use clap::Parser;
use serde_json::Value;

/// Measure the crates and programs beside their peers and write a report
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Only what has this text in its name
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// How long to measure each, in seconds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often each load is run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leave out the loads of whole programs
    #[arg(long)]
    no_loads: bool,
    /// Leave out how cost grows with the number of clients
    #[arg(long)]
    no_growth: bool,
    /// Write the report to this folder instead of stdout, with the plots
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut report = format!(
        "# Measured\n\n`cargo run --release -p benches --bin report -- --out docs` makes this page. On {}.\n\n",
        processor()
    );
    codecs(&options, &mut report);
    if !options.no_loads {
        programs(&options, &mut report)?;
    }
    match &options.out {
        None => print!("{report}"),
        Some(folder) => {
            let file = folder.join("measured.md");
            std::fs::write(&file, report)
                .with_context(|| format!("--out: cannot write {}", file.display()))?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

/// Codecs and arithmetic, in this process.
fn codecs(options: &Options, report: &mut String) {
    let mut contests: Vec<Contest> = contests::all();
    contests.retain(|contest| contest.what.contains(&options.only));
    if contests.is_empty() {
        return;
    }
    report.push_str(
        "## Codecs and arithmetic\n\nProcessor time on one core: median (least to most) of rounds in turns. ns: nanoseconds \
         each; M/s: millions of samples a second.\n\n| | genlock | peer | | times as fast |\n|---|---|---|---|---|\n",
    );
    for contest in &mut contests {
        eprintln!("{}", contest.what);
        let outcome = contest.hold(Duration::from_secs_f64(options.seconds.max(0.0)));
        let cell = |entrant: usize, spread: Spread| {
            let note = contest.entrants[entrant].note.as_ref().map(|note| format!("<br>{note}"));
            format!("{spread} {}{}", contest.unit, note.unwrap_or_default())
        };
        let ours = cell(0, outcome.ours);
        if outcome.peers.is_empty() {
            let _ = writeln!(report, "| {} | {ours} | | | |", contest.what);
        }
        for (peer, (theirs, ratio)) in outcome.peers.iter().enumerate() {
            let name = &contest.entrants[peer + 1].name;
            let theirs = cell(peer + 1, *theirs);
            let _ = writeln!(report, "| {} | {ours} | {name} | {theirs} | {ratio} |", contest.what);
        }
    }
}

/// Whole programs under load, and how their cost grows.
fn programs(options: &Options, report: &mut String) -> Result<()> {
    let loads: Vec<&Load> = loads::ALL.iter().filter(|load| load.what.contains(&options.only)).collect();
    if loads.is_empty() {
        return Ok(());
    }
    let bin = build()?;
    report.push_str("\n## Programs under load\n\nFrom the same machine: median (least to most) of runs.\n");
    for load in &loads {
        let mut results = Vec::new();
        for _ in 0..options.rounds {
            results.push(run(load, &bin, options.seconds, None)?);
        }
        let _ = write!(report, "\n**{}**", load.what);
        let _ = writeln!(
            report,
            ": `target/release/{}`\n",
            load.command.join(" ").replace("{bin}", "target/release")
        );
        report.push_str("| | |\n|---|---|\n");
        for figure in load.figures {
            let _ = writeln!(report, "| {} | {} |", figure.heading, spread(&results, figure));
        }
    }
    if options.no_growth {
        return Ok(());
    }
    report.push_str("\n## How cost grows\n");
    for load in loads {
        let Some(growth) = load.growth else { continue };
        let mut points = Vec::new();
        for clients in loads::CLIENTS {
            let result = run(load, &bin, options.seconds, Some((growth.option, clients)))?;
            if let Some(value) = result.get(growth.figure.key).and_then(Value::as_f64) {
                points.push((f64::from(clients), value));
            }
        }
        if let Some(folder) = &options.out {
            let svg = plot::log_log(load.what, "clients", growth.figure.heading, &points);
            std::fs::write(folder.join(growth.file), svg)?;
            let _ = writeln!(
                report,
                "\n![{}: {} over clients]({})",
                load.what, growth.figure.heading, growth.file
            );
        }
        let _ = writeln!(report, "\n{}, {}:\n", load.what, growth.figure.heading);
        for (clients, value) in points {
            let _ = writeln!(report, "* {clients} clients: {value:.*}", growth.figure.places);
        }
    }
    Ok(())
}

/// Builds every program, and tells where they are.
fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace")?;
    let built = Command::new("cargo")
        .current_dir(root)
        .args(["build", "--release", "--quiet", "--workspace", "--bins"])
        .status()
        .context("cargo")?;
    ensure!(built.success(), "the programs cannot be built");
    let this = std::env::current_exe()?;
    Ok(this.parent().context("target/release")?.to_owned())
}

fn run(
    load: &Load,
    bin: &Path,
    seconds: f64,
    clients: Option<(&str, u32)>,
) -> Result<BTreeMap<String, Value>> {
    let folder = bin.to_str().context("the path of the programs is not UTF-8")?;
    let mut words: Vec<String> = load.command.iter().map(|word| word.replace("{bin}", folder)).collect();
    if let Some((option, count)) = clients {
        let at = words.iter().position(|word| word == option).context("the load has no such option")?;
        words[at + 1] = count.to_string();
    }
    eprintln!("{}", words.join(" "));
    let output = Command::new(bin.join(&words[0]))
        .args(&words[1..])
        .args(["--json", "--seconds", &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| words[0].clone())?;
    ensure!(output.status.success(), "{} failed", words.join(" "));
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {} printed", words[0]))
}

fn spread(results: &[BTreeMap<String, Value>], figure: &Figure) -> String {
    let mut values: Vec<f64> = results.iter().filter_map(|r| r.get(figure.key)?.as_f64()).collect();
    values.sort_by(f64::total_cmp);
    let at = |part| benches::percentile(&values, part);
    match values.len() {
        0 => "not measured".into(),
        1 => format!("{:.*}", figure.places, at(0.0)),
        _ => format!("{:.p$} ({:.p$} to {:.p$})", at(0.5), at(0.0), at(1.0), p = figure.places),
    }
}

/// What the system calls the processor.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{cores} cores of {}", name.map_or("an unknown processor", |(_, name)| name.trim()))
}
