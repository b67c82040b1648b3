//! The estimators on simulated networks (sheet §10, last line): a day of each, for seeds 1 to 20.
//!
//! The algorithms hear the same exchanges. Time is simulated to the nanosecond in whole numbers; the server's rate is
//! constant, or wanders as a random walk of 0.1 ppm per square root of a second, both within ±50 ppm.

mod wc_support;

use wc_support::{Network, Outcome, Rate, Scenario, simulate};

const DAY_S: u64 = 24 * 3600;

/// A day for each seed, constant and wandering rates in turn, plain and troubled networks in turn.
fn day(network: Network, seeds: std::ops::RangeInclusive<u64>) {
    let mut ours: Vec<u64> = Vec::new();
    let mut theirs: Vec<u64> = Vec::new();
    for seed in seeds {
        let scenario = Scenario {
            network,
            rate: if seed % 2 == 0 { Rate::Constant } else { Rate::Wandering },
            loss_ppm: if seed % 4 < 2 { 10_000 } else { 200_000 },
            congestion: seed % 5 >= 3,
            client_error_ppm: if seed % 3 == 0 { 50 } else { 500 },
            seconds: DAY_S,
            step_ns: None,
        };
        let outcome = simulate(seed, &scenario);
        let Outcome { samples, untrue, wider, stepped, .. } = outcome;
        println!("{network:?} seed {seed} {:?} {scenario:?}", outcome.percentiles());
        assert!(samples > 2 * DAY_S - 1000, "{samples}");
        assert_eq!(untrue, 0, "{network:?} seed {seed}: the true error left the bound");
        assert_eq!(wider, 0, "{network:?} seed {seed}: the bound was wider than the best single exchange's");
        assert_eq!(stepped, 0, "{network:?} seed {seed}: a step was seen that was none");
        let p = outcome.percentiles();
        if network != Network::Lan {
            assert!(4 * p.ours_p95_ns <= p.lowest_p95_ns, "{network:?} seed {seed}: {p:?}");
        }
        ours.push(p.ours_p95_ns);
        theirs.push(p.lowest_p95_ns);
    }
    println!("{network:?}: p95 {ours:?} against {theirs:?}");
}

macro_rules! days {
    ($($name:ident $network:ident $seeds:expr;)*) => {
        $(#[test]
        fn $name() {
            day(Network::$network, $seeds);
        })*
    };
}

days! {
    lan_1_to_5 Lan 1..=5;
    lan_6_to_10 Lan 6..=10;
    lan_11_to_15 Lan 11..=15;
    lan_16_to_20 Lan 16..=20;
    wifi_1_to_5 Wifi 1..=5;
    wifi_6_to_10 Wifi 6..=10;
    wifi_11_to_15 Wifi 11..=15;
    wifi_16_to_20 Wifi 16..=20;
    busy_1_to_5 Busy 1..=5;
    busy_6_to_10 Busy 6..=10;
    busy_11_to_15 Busy 11..=15;
    busy_16_to_20 Busy 16..=20;
}
