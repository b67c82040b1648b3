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
            rate: if seed.is_multiple_of(2) { Rate::Constant } else { Rate::Wandering },
            loss_ppm: if seed % 4 < 2 { 10_000 } else { 200_000 },
            congestion: seed % 5 >= 3,
            client_error_ppm: if seed.is_multiple_of(3) { 50 } else { 500 },
            seconds: DAY_S,
            step_ns: None,
        };
        let outcome = simulate(seed, &scenario);
        let Outcome { samples, untrue, wider, stepped, odd, .. } = outcome;
        println!("{network:?} seed {seed} {:?} {scenario:?}", outcome.percentiles());
        assert!(samples > 2 * DAY_S - 1000, "{samples}");
        assert_eq!(untrue, 0, "{network:?} seed {seed}: the true error left the bound");
        assert_eq!(wider, 0, "{network:?} seed {seed}: the bound was wider than the best single exchange's");
        assert_eq!(stepped, 0, "{network:?} seed {seed}: a step was seen that was none");
        assert!(odd <= 3, "{network:?} seed {seed}: a step was suspected {odd} times");
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

fn short(network: Network, seed: u64) -> Scenario {
    Scenario {
        network,
        rate: if seed.is_multiple_of(2) { Rate::Constant } else { Rate::Wandering },
        loss_ppm: 10_000,
        congestion: false,
        client_error_ppm: if seed.is_multiple_of(3) { 50 } else { 500 },
        seconds: 600,
        step_ns: None,
    }
}

/// The server's clock jumps by 5 ms. Where delays vary by less than that it is noticed, and the bound true again, within
/// ten exchanges.
#[test]
fn a_step_of_5_ms_is_noticed_within_ten_exchanges() {
    for network in [Network::Lan, Network::Wifi] {
        for seed in 1..=100 {
            for step in [5_000_000, -5_000_000] {
                let outcome = simulate(seed, &Scenario { step_ns: Some(step), ..short(network, seed) });
                let until = outcome.exchanges_until_true.unwrap();
                assert!(outcome.noticed && until <= 10, "{network:?} seed {seed} step {step}: {until}");
                assert!(outcome.stepped <= 1, "{network:?} seed {seed}");
            }
        }
    }
}

/// Where delays vary by three times as much as the step, it can hide: what an exchange shows of it depends on one of its
/// messages being quick, and in one case of thirty none of ten is (even if the shortest delay were known exactly). Most
/// are found soon, all in the end.
#[test]
fn a_step_of_5_ms_is_found_on_a_busy_network_too() {
    let mut soon = 0;
    for seed in 1..=100 {
        let step = if seed.is_multiple_of(2) { 5_000_000 } else { -5_000_000 };
        let outcome = simulate(seed, &Scenario { step_ns: Some(step), ..short(Network::Busy, seed) });
        let until = outcome.exchanges_until_true.unwrap();
        assert!(until <= 100, "seed {seed}: {until}");
        soon += u32::from(until <= 10);
    }
    println!("within ten exchanges: {soon} of 100");
    assert!(soon >= 60, "{soon}");
}

/// A clock with a bound below 5 ms on WiFi within 300 ms of the start.
#[test]
fn the_first_burst_gives_a_usable_clock() {
    for seed in 1..=200 {
        for loss_ppm in [10_000, 200_000] {
            let scenario = Scenario { loss_ppm, seconds: 3, ..short(Network::Wifi, seed) };
            let usable = simulate(seed, &scenario).usable_at_ns.unwrap();
            assert!(usable <= 300_000_000, "seed {seed}, loss {loss_ppm}: {usable} ns");
        }
    }
}
