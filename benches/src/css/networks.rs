//! The wall clock algorithms on simulated networks, hour after hour (`crates/dvb-css/tests/wc_networks.rs` runs an hour of
//! each).

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::simulation::{Network, Scenario, simulate};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NetworkName {
    /// 100 µs and an exponential rest of 30 µs on average
    Lan,
    /// 1 ms and 3 ms; 2 % another 20 to 150 ms
    Wifi,
    /// 2 ms and 15 ms; 5 % another 50 to 400 ms
    Busy,
}

impl From<NetworkName> for Network {
    fn from(name: NetworkName) -> Self {
        match name {
            NetworkName::Lan => Self::Lan,
            NetworkName::Wifi => Self::Wifi,
            NetworkName::Busy => Self::Busy,
        }
    }
}

/// So many hours for each of so many seeds: what must hold in every sample, and the errors.
///
/// # Errors
/// When something does not hold.
pub fn networks(network: NetworkName, hours: f64, seeds: u64) -> Result<Value> {
    let (mut ours, mut lowest, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut samples, mut odd) = (0, 0);
    for seed in 1..=seeds {
        let scenario = Scenario::of_seed(network.into(), seed, (hours * 3600.0) as u64);
        let outcome = simulate(seed, &scenario);
        ensure!(outcome.untrue == 0, "seed {seed}: the true error left the bound, {} times", outcome.untrue);
        ensure!(outcome.wider == 0, "seed {seed}: the bound was wider than the best exchange's");
        ensure!(outcome.stepped == 0, "seed {seed}: a step was seen that was none");
        samples += outcome.samples;
        odd += outcome.odd;
        let p = outcome.percentiles();
        eprintln!("{network:?} seed {seed}: {p:?}");
        ours.push(p.ours_p95_ns as f64 / 1e3);
        lowest.push(p.lowest_p95_ns as f64 / 1e3);
        ratios.push(p.lowest_p95_ns as f64 / p.ours_p95_ns.max(1) as f64);
    }
    let ends = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        json!([least, values.iter().copied().fold(0.0, f64::max)])
    };
    Ok(json!({
        "network": format!("{network:?}"),
        "hours": hours,
        "seeds": seeds,
        "samples": samples,
        "samples_outside_the_bound": 0,
        "samples_with_a_wider_bound_than_lowest_dispersion": 0,
        "steps_suspected_that_were_none": odd,
        "error_p95_us": ends(&ours),
        "lowest_dispersion_error_p95_us": ends(&lowest),
        "times_as_exact": ends(&ratios),
    }))
}

/// Steps of the server's clock by 5 ms, either way, after five minutes, with 1 and with 20 % loss: how many are noticed,
/// and how soon the bound is true again.
///
/// # Errors
/// When there was no step in a simulation, which cannot be.
pub fn steps(network: NetworkName, seeds: u64) -> Result<Value> {
    let (mut all, mut noticed, mut in_time, mut late) = (0, 0, 0, Vec::new());
    for seed in 1..=seeds {
        for step_ns in [5_000_000, -5_000_000] {
            for loss_ppm in [10_000, 200_000] {
                let short = Scenario::short(network.into(), seed);
                let outcome = simulate(seed, &Scenario { step_ns: Some(step_ns), loss_ppm, ..short });
                let until = outcome.exchanges_until_true.context("no step")?;
                all += 1;
                noticed += u32::from(outcome.noticed);
                if until <= 10 {
                    in_time += 1;
                } else {
                    late.push(
                        json!({"seed": seed, "step_ns": step_ns, "loss_ppm": loss_ppm, "exchanges": until}),
                    );
                }
            }
        }
    }
    Ok(json!({
        "network": format!("{network:?}"),
        "steps": all,
        "noticed_within_ten_exchanges": noticed,
        "bound_true_within_ten_exchanges": in_time,
        "later": late,
    }))
}
