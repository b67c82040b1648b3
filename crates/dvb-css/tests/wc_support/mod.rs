//! A server's clock, a network, and estimators that hear the same exchanges.
#![allow(dead_code, reason = "each test file uses a part")]

use dvb_css::Ratio;
use dvb_css::message::{MaxFreqError, Precision};
use dvb_css::wc::{Bounds, Dispersion, Exchange, LocalClock, LowestDispersion, Steadiness, Verdict};
use machine::sim::Rng;

pub(crate) const SECOND: i64 = 1_000_000_000;

/// One-way delays (sheet §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// 100 µs and an exponential rest of 30 µs on average.
    Lan,
    /// 1 ms and 3 ms; 2 % another 20 to 150 ms.
    Wifi,
    /// 2 ms and 15 ms; 5 % another 50 to 400 ms.
    Busy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Constant,
    Wandering,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) network: Network,
    pub(crate) rate: Rate,
    /// Of each message, either way.
    pub(crate) loss_ppm: u32,
    /// Every ten minutes one direction is 20 to 100 ms slower for 5 to 30 s.
    pub(crate) congestion: bool,
    /// What the client states of its own clock, which here is right.
    pub(crate) client_error_ppm: u32,
    pub(crate) seconds: u64,
    /// Halfway the server's clock jumps by so much.
    pub(crate) step_ns: Option<i64>,
}

impl Scenario {
    /// Constant and wandering rates, plain and troubled networks in turn.
    pub(crate) fn of_seed(network: Network, seed: u64, seconds: u64) -> Self {
        Self {
            network,
            rate: if seed.is_multiple_of(2) { Rate::Constant } else { Rate::Wandering },
            loss_ppm: if seed % 4 < 2 { 10_000 } else { 200_000 },
            congestion: seed % 5 >= 3,
            client_error_ppm: if seed.is_multiple_of(3) { 50 } else { 500 },
            seconds,
            step_ns: None,
        }
    }

    /// Ten minutes without congestion; constant and wandering rates in turn.
    pub(crate) fn short(network: Network, seed: u64) -> Self {
        Self {
            network,
            rate: if seed.is_multiple_of(2) { Rate::Constant } else { Rate::Wandering },
            loss_ppm: 10_000,
            congestion: false,
            client_error_ppm: if seed.is_multiple_of(3) { 50 } else { 500 },
            seconds: 600,
            step_ns: None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) samples: u64,
    /// Samples whose true error was outside the bound.
    pub(crate) untrue: u64,
    /// Samples with a bound wider than that of the best single exchange.
    pub(crate) wider: u64,
    pub(crate) stepped: u64,
    /// Exchanges that looked as if a clock had jumped a little.
    pub(crate) odd: u64,
    ours: Vec<u64>,
    lowest: Vec<u64>,
    /// Exchanges after the step until the bound was true for good.
    pub(crate) exchanges_until_true: Option<u32>,
    /// Whether the step was noticed within ten exchanges.
    pub(crate) noticed: bool,
    /// When the bound was first below 5 ms.
    pub(crate) usable_at_ns: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "printed")]
pub(crate) struct Percentiles {
    pub(crate) ours_p50_ns: u64,
    pub(crate) ours_p95_ns: u64,
    pub(crate) ours_max_ns: u64,
    pub(crate) lowest_p50_ns: u64,
    pub(crate) lowest_p95_ns: u64,
    pub(crate) lowest_max_ns: u64,
}

impl Outcome {
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |all: &[u64], percent: usize| {
            let mut all = all.to_vec();
            all.sort_unstable();
            all[(all.len() - 1) * percent / 100]
        };
        Percentiles {
            ours_p50_ns: at(&self.ours, 50),
            ours_p95_ns: at(&self.ours, 95),
            ours_max_ns: at(&self.ours, 100),
            lowest_p50_ns: at(&self.lowest, 50),
            lowest_p95_ns: at(&self.lowest, 95),
            lowest_max_ns: at(&self.lowest, 100),
        }
    }
}

/// Exponentially distributed with this mean, by von Neumann's comparison method: whole numbers only.
fn exponential(rng: &mut Rng, mean_ns: i64) -> i64 {
    let mut whole = 0;
    loop {
        let first = rng.next_u64();
        let mut last = first;
        let mut runs = 0_u32;
        loop {
            let next = rng.next_u64();
            if next >= last {
                break;
            }
            last = next;
            runs += 1;
        }
        if runs.is_multiple_of(2) {
            let part = (u128::from(first) * u128::try_from(mean_ns).unwrap()) >> 64;
            return whole * mean_ns + i64::try_from(part).unwrap();
        }
        whole += 1;
    }
}

/// Normally distributed with variance 1, in thousandths: the sum of twelve uniform numbers.
fn normal_thousandths(rng: &mut Rng) -> i64 {
    (0..12).map(|_| i64::try_from(rng.up_to(1000)).unwrap()).sum::<i64>() - 6000
}

fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    low + i64::try_from(rng.up_to(u64::try_from(high - low).unwrap())).unwrap()
}

pub(crate) fn delay(rng: &mut Rng, network: Network) -> i64 {
    const MS: i64 = 1_000_000;
    match network {
        Network::Lan => 100_000 + exponential(rng, 30_000),
        Network::Wifi => {
            let extra = if rng.chance(20_000) { between(rng, 20 * MS, 150 * MS) } else { 0 };
            MS + exponential(rng, 3 * MS) + extra
        }
        Network::Busy => {
            let extra = if rng.chance(50_000) { between(rng, 50 * MS, 400 * MS) } else { 0 };
            2 * MS + exponential(rng, 15 * MS) + extra
        }
    }
}

/// The server's clock: local time plus a lead that changes with a rate in 10^-12.
struct Server {
    at: i64,
    lead_ns: i64,
    /// Below a nanosecond, in 10^-12 ns.
    lead_rest: i64,
    rate_ppt: i64,
}

const MAX_RATE_PPT: i64 = 50_000_000;

impl Server {
    fn lead(&self, at: i64) -> i64 {
        let gained = i128::from(at - self.at) * i128::from(self.rate_ppt) + i128::from(self.lead_rest);
        self.lead_ns + i64::try_from(gained.div_euclid(1_000_000_000_000)).unwrap()
    }

    fn advance(&mut self, to: i64, wander: Option<&mut Rng>) {
        let gained = i128::from(to - self.at) * i128::from(self.rate_ppt) + i128::from(self.lead_rest);
        self.lead_ns += i64::try_from(gained.div_euclid(1_000_000_000_000)).unwrap();
        self.lead_rest = i64::try_from(gained.rem_euclid(1_000_000_000_000)).unwrap();
        if let Some(rng) = wander {
            // 0.1 ppm * sqrt(seconds), in 10^-12
            let root = i64::try_from((u64::try_from((to - self.at) / 1000).unwrap()).isqrt()).unwrap();
            self.rate_ppt += 100_000 * root / 1000 * normal_thousandths(rng) / 1000;
            self.rate_ppt = self.rate_ppt.clamp(-MAX_RATE_PPT, MAX_RATE_PPT);
        }
        self.at = to;
    }
}

/// Runs both estimators for a while and compares them with the truth, twice a second.
pub(crate) fn simulate(seed: u64, scenario: &Scenario) -> Outcome {
    let mut rng = Rng::new(seed);
    let local = LocalClock {
        max_freq_error: MaxFreqError::from_ppm(Ratio::from(scenario.client_error_ppm)),
        precision: Dispersion::from_nanos(1),
    };
    let mut ours = Bounds::new(local, Some(Steadiness::CAUTIOUS));
    let mut lowest = LowestDispersion::new(local);
    let start = 1_000 * SECOND;
    let mut server = Server {
        at: start,
        lead_ns: between(&mut rng, 0, 1 << 60),
        lead_rest: 0,
        rate_ppt: between(&mut rng, -MAX_RATE_PPT, MAX_RATE_PPT),
    };
    let mut outcome = Outcome::default();
    let seconds = i64::try_from(scenario.seconds).unwrap();
    let (mut congested_until, mut congested_way) = (start, 0);
    let mut exchanges_since_step = 0;
    for i in 0..seconds + 8 {
        // eight requests 25 ms apart, then one a second
        let at = start + if i < 8 { i * 25_000_000 } else { (i - 7) * SECOND };
        let wander = if scenario.rate == Rate::Wandering { Some(&mut rng) } else { None };
        server.advance(at, wander);
        if let Some(step) = scenario.step_ns.filter(|_| i == seconds / 2) {
            server.lead_ns += step;
            exchanges_since_step = 1;
            outcome.exchanges_until_true = Some(0);
        }
        if scenario.congestion && at > congested_until + 600 * SECOND {
            congested_until = at + between(&mut rng, 5 * SECOND, 30 * SECOND);
            congested_way = 1 + rng.up_to(1);
        }
        let mut one_way = |way| {
            let extra = if at < congested_until && congested_way == way {
                between(&mut rng, 20_000_000, 100_000_000)
            } else {
                0
            };
            (!rng.chance(scenario.loss_ppm)).then(|| delay(&mut rng, scenario.network) + extra)
        };
        let (there, back) = (one_way(1), one_way(2));
        let mut answered_at = at;
        if let (Some(there), Some(back)) = (there, back) {
            let (arrives, leaves) = (at + there, at + there + 50_000);
            answered_at = leaves + back;
            let exchange = Exchange {
                sent: at,
                received: arrives + server.lead(arrives),
                answered: leaves + server.lead(leaves),
                arrived: answered_at,
                precision: Precision(-29),
                max_freq_error: MaxFreqError::from_ppm(Ratio::from(50)),
            };
            lowest.hear(&exchange);
            let heard = ours.hear(&exchange);
            let stepped = matches!(heard.verdict, Verdict::Stepped { .. });
            outcome.stepped += u64::from(stepped);
            outcome.odd += u64::from(heard.verdict == Verdict::Odd);
            if stepped || heard.verdict == Verdict::Odd {
                outcome.noticed |= exchanges_since_step > 0 && exchanges_since_step <= 10;
            }
            if outcome.usable_at_ns.is_none() && heard.after < Dispersion::from_nanos(5_000_000) {
                outcome.usable_at_ns = Some(answered_at - start);
            }
            if exchanges_since_step > 0 {
                exchanges_since_step += 1;
            }
        }
        for after in [SECOND / 2, SECOND - 1] {
            let sample_at = at + after;
            if i < 8 || sample_at < answered_at {
                continue;
            }
            let (Some(we), Some(they)) = (ours.estimate(sample_at), lowest.estimate(sample_at)) else {
                continue;
            };
            let truth = server.lead(sample_at);
            let error = we.offset_ns.abs_diff(truth);
            outcome.samples += 1;
            let is_untrue = Dispersion::from_nanos(error) > we.dispersion;
            outcome.untrue += u64::from(is_untrue);
            if is_untrue && exchanges_since_step > 0 {
                outcome.exchanges_until_true = Some(exchanges_since_step);
            }
            outcome.wider += u64::from(we.dispersion > they.dispersion);
            outcome.ours.push(error);
            outcome.lowest.push(they.offset_ns.abs_diff(truth));
        }
    }
    outcome
}
