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
use benches::loads::{self, Growth, Load, Peer, PeerRun};
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
    save(&options, &report)?;
    if !options.no_loads {
        programs(&options, &mut report)?;
    }
    save(&options, &report)?;
    if options.out.is_none() {
        print!("{report}");
    }
    Ok(())
}

/// Writes what there is so far: measuring all takes a quarter of an hour.
fn save(options: &Options, report: &str) -> Result<()> {
    let Some(folder) = &options.out else { return Ok(()) };
    let file = folder.join("measured.md");
    std::fs::write(&file, report).with_context(|| format!("--out: cannot write {}", file.display()))
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
    let runner = Runner::build(options.seconds)?;
    report.push_str(
        "\n## Programs under load\n\nServers and their clients on the same machine: median (least to most) of runs in turns. \
         A plain loop is the least that any such server can do: it writes the same bytes at the same times, and nothing else.\n",
    );
    for load in &loads {
        under_load(load, &runner, options.rounds, report);
        save(options, report)?;
    }
    if options.no_growth {
        return Ok(());
    }
    report.push_str("\n## How cost grows\n");
    for load in loads {
        if let Some(growth) = load.growth {
            grow(load, &growth, &runner, options.out.as_deref(), report)?;
            save(options, report)?;
        }
    }
    Ok(())
}

/// One load: ours and its peers in turns, a column each.
fn under_load(load: &Load, runner: &Runner, rounds: u32, report: &mut String) {
    let mut absent = String::new();
    let mut columns = vec![("genlock".to_owned(), Vec::new())];
    let mut peers = Vec::new();
    for peer in load.peers {
        match runner.version(peer) {
            Ok(version) => {
                columns.push((format!("{} {version}", peer.name).trim_end().to_owned(), Vec::new()));
                peers.push(peer);
            }
            Err(e) => {
                let _ = writeln!(absent, "\n{}: not measured, {e:#}.", peer.name);
            }
        }
    }
    for _ in 0..rounds {
        let ours = runner.run(load.command, &[]);
        for (column, peer) in columns[1..].iter_mut().zip(&peers) {
            column.1.push(match (peer.run, &ours) {
                (PeerRun::Within(prefix), Some(ours)) => Some(within(ours, prefix)),
                (PeerRun::Within(_), None) => None,
                (PeerRun::After(command), _) => runner.run(command, &[]),
            });
        }
        columns[0].1.push(ours);
    }
    let _ = writeln!(report, "\n### {}\n\n`{}`\n", capital(load.what), runner.shown(load.command));
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(report, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let of = |results: &[Option<Outcome>], key: &str| -> Vec<Option<f64>> {
        results.iter().map(|result| result.as_ref()?.get(key)?.as_f64()).collect()
    };
    let ours = &columns[0].1;
    for figure in load.figures {
        let cells: Vec<String> =
            columns.iter().map(|(_, results)| told(&of(results, figure.key), figure.places)).collect();
        let _ = writeln!(report, "| {} | {} |", figure.heading, cells.join(" | "));
        if figure.ratio && columns.len() > 1 {
            let mine = of(ours, figure.key);
            let cells: Vec<String> = columns[1..]
                .iter()
                .map(|(_, results)| {
                    let theirs = of(results, figure.key);
                    let ratios: Vec<_> = mine.iter().zip(theirs).map(|(a, b)| Some((*a)? / b?)).collect();
                    told(&ratios, 2)
                })
                .collect();
            let _ = writeln!(report, "| genlock's, in parts of the peer's | | {} |", cells.join(" | "));
        }
    }
    report.push_str(&absent);
}

/// A load with ever more clients.
fn grow(
    load: &Load,
    growth: &Growth,
    runner: &Runner,
    out: Option<&Path>,
    report: &mut String,
) -> Result<()> {
    let mut points = Vec::new();
    for clients in loads::CLIENTS {
        let clients_told = clients.to_string();
        let more = [&[growth.option, clients_told.as_str()], growth.more].concat();
        let result = runner.run(load.command, &more);
        if let Some(value) = result.and_then(|result| result.get(growth.figure.key)?.as_f64()) {
            points.push((f64::from(clients), value));
        }
    }
    let heading = growth.figure.heading;
    if let Some(folder) = out {
        let svg = plot::log_log(load.what, "clients", heading, &points);
        std::fs::write(folder.join(growth.file), svg)?;
        let _ = writeln!(report, "\n![{}: {heading} over clients]({})", load.what, growth.file);
    }
    let _ = writeln!(report, "\n{}, {heading}:\n", capital(load.what));
    for (clients, value) in points {
        let _ = writeln!(report, "* {clients} clients: {value:.*}", growth.figure.places);
    }
    Ok(())
}

/// What a load program printed: one JSON object.
type Outcome = BTreeMap<String, Value>;

/// What the keys with this prefix say.
fn within(outcome: &Outcome, prefix: &str) -> Outcome {
    let named =
        outcome.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())));
    named.collect()
}

/// Runs load programs.
struct Runner {
    root: String,
    bin: String,
    seconds: String,
}

impl Runner {
    /// Builds every program, and knows where they are.
    fn build(seconds: f64) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace")?;
        let built = Command::new("cargo")
            .current_dir(root)
            .args(["build", "--release", "--quiet", "--workspace", "--bins"])
            .status()
            .context("cargo")?;
        ensure!(built.success(), "the programs cannot be built");
        let this = std::env::current_exe()?;
        let bin = this.parent().context("target/release")?;
        let text =
            |path: &Path| Ok::<_, anyhow::Error>(path.to_str().context("a path is not UTF-8")?.to_owned());
        Ok(Self { root: text(root)?, bin: text(bin)?, seconds: seconds.to_string() })
    }

    fn words(&self, command: &[&str]) -> Vec<String> {
        let place = |word: &&str| word.replace("{bin}", &self.bin).replace("{root}", &self.root);
        command.iter().map(place).collect()
    }

    /// As somebody types it in the workspace's folder.
    fn shown(&self, command: &[&str]) -> String {
        let place = |word: &&str| word.replace("{bin}", "target/release").replace("{root}/", "");
        let mut words: Vec<String> = command.iter().map(place).collect();
        words.extend(["--seconds".into(), self.seconds.clone()]);
        words.join(" ")
    }

    /// The peer's version, where there is that peer.
    fn version(&self, peer: &Peer) -> Result<String> {
        if peer.version.is_empty() {
            return Ok(String::new());
        }
        let words = self.words(peer.version);
        let output = Command::new(&words[0]).args(&words[1..]).output().context("it is not here")?;
        ensure!(output.status.success(), "it is not here");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What the load came to; nothing when it failed, which it says itself on stderr. An option given again in `more` wins.
    fn run(&self, command: &[&str], more: &[&str]) -> Option<Outcome> {
        let mut words = self.words(command);
        for pair in more.chunks(2) {
            match words.iter().position(|word| word == pair[0]) {
                Some(at) => words[at + 1] = pair[1].into(),
                None => words.extend(pair.iter().map(|&word| word.to_owned())),
            }
        }
        eprintln!("{}", words.join(" "));
        let output = Command::new(&words[0])
            .args(&words[1..])
            .args(["--json", "--seconds", &self.seconds])
            .stderr(Stdio::inherit())
            .output()
            .inspect_err(|e| eprintln!("{}: {e}", words[0]))
            .ok()?;
        if !output.status.success() {
            eprintln!("{} failed", words.join(" "));
            return None;
        }
        serde_json::from_slice(&output.stdout)
            .inspect_err(|e| eprintln!("what {} printed: {e}", words[0]))
            .ok()
    }
}

/// Median (least to most) of what was measured in all rounds, and how many rounds failed.
fn told(values: &[Option<f64>], places: usize) -> String {
    let mut all: Vec<f64> = values.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let at = |part| benches::percentile(&all, part);
    let failed = values.len() - all.len();
    let mut text = match all.len() {
        0 => String::new(),
        1 => format!("{:.places$}", at(0.0)),
        _ => format!("{:.places$} ({:.places$} to {:.places$})", at(0.5), at(0.0), at(1.0)),
    };
    if failed > 0 && !all.is_empty() {
        let _ = write!(text, ", {failed} of {} runs failed", values.len());
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What the system calls the processor.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{cores} cores of {}", name.map_or("an unknown processor", |(_, name)| name.trim()))
}
