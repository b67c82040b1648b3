//! Counts the instructions of the hot paths and compares them with benches/budgets.toml. Counts are the same on a busy
//! machine and on an idle one, so this is a check, where times are only figures.
//!
//! ```text
//! cargo run --release -p benches --bin budgets
//! ```
//!
//! It runs itself under callgrind (Debian package valgrind), which takes about a minute.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use benches::contest::Entrant;
use benches::contests;
use clap::Parser;

/// Check how many instructions the hot paths take
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Write what is measured, and a tenth more, as the new budgets
    #[arg(long)]
    update: bool,
    /// Do every contest's pass once to warm up and once to be counted; what this program runs under callgrind
    #[arg(long, hide = true)]
    passes: bool,
}

const BUDGETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.toml");

fn main() -> Result<()> {
    let options = Options::parse();
    if options.passes {
        for mut contest in contests::all() {
            let ours = contest.entrants.first_mut().context("a contest has an entrant")?;
            ours.run(1);
            counted_pass(ours);
        }
        return Ok(());
    }
    let counts = count()?;
    if options.update {
        return update(&counts);
    }
    check(&counts)
}

/// The name by which callgrind knows what to count.
const PASS: &str = "budgets::counted_pass";

#[inline(never)]
fn counted_pass(entrant: &mut Entrant) {
    std::hint::black_box(entrant.run(1));
}

/// Instructions for each item, by what is done.
fn count() -> Result<BTreeMap<String, f64>> {
    let folder = tempfile::tempdir()?;
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*counted_pass*"])
        .arg(format!("--dump-before={PASS}"))
        .arg(format!("--callgrind-out-file={}/out", folder.path().display()))
        .arg(std::env::current_exe()?)
        .arg("--passes")
        .status()
        .context("cannot start valgrind: install the package of that name")?;
    ensure!(valgrind.success(), "valgrind failed");
    let contests = contests::all();
    let mut counts = BTreeMap::new();
    for (i, contest) in contests.iter().enumerate() {
        // The first dump is from before the first pass; the last pass is dumped at the end, without a number.
        let dump = if i + 1 == contests.len() { "out".to_owned() } else { format!("out.{}", i + 2) };
        let instructions = total(&folder.path().join(dump))?;
        // Of the many ways to be hostile the worst counts.
        let what = if contest.what.starts_with("hostile: ") { "hostile: the worst" } else { &contest.what };
        let most = counts.entry(what.to_owned()).or_insert(0.0_f64);
        *most = most.max(instructions / contest.items as f64);
    }
    Ok(counts)
}

/// The sum that callgrind writes at the end of a dump.
fn total(dump: &Path) -> Result<f64> {
    let text =
        std::fs::read_to_string(dump).with_context(|| format!("callgrind wrote no {}", dump.display()))?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("totals: ")).context("callgrind wrote no totals")?;
    let instructions: f64 = line.trim().parse()?;
    ensure!(instructions > 0.0, "callgrind counted nothing");
    Ok(instructions)
}

fn check(counts: &BTreeMap<String, f64>) -> Result<()> {
    let budgets: BTreeMap<String, f64> =
        basic_toml::from_str(&std::fs::read_to_string(BUDGETS).context(BUDGETS)?).context(BUDGETS)?;
    let mut over = Vec::new();
    println!("{:>12} {:>12}  instructions", "counted", "budget");
    for (what, &counted) in counts {
        let budget =
            *budgets.get(what).with_context(|| format!("no budget for '{what}': --update writes it"))?;
        println!("{counted:>12.2} {budget:>12.2}  {what}");
        if counted > budget {
            over.push(what.as_str());
        }
    }
    if let Some(gone) = budgets.keys().find(|what| !counts.contains_key(*what)) {
        bail!("'{gone}' has a budget and is not measured: --update removes it");
    }
    ensure!(over.is_empty(), "over budget: {}", over.join("; "));
    Ok(())
}

fn update(counts: &BTreeMap<String, f64>) -> Result<()> {
    let mut text = String::from(
        "# Most instructions for each item: label, sample, byte, message. Checked and written by\n\
         # cargo run --release -p benches --bin budgets [-- --update]\n",
    );
    for (what, counted) in counts {
        let _ = writeln!(text, "{what:?} = {:.2}", counted * 1.1);
    }
    std::fs::write(BUDGETS, text).context(BUDGETS)?;
    println!("{BUDGETS}");
    Ok(())
}
