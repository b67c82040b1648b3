use super::*;
use crate::message::Precision;

const SECOND: i64 = 1_000_000_000;

fn local(ppm: u32) -> LocalClock {
    LocalClock { max_freq_error: MaxFreqError(ppm * 256), precision: Dispersion::ZERO }
}

/// A server that leads by `lead`; delays there and back.
fn exchange(at: i64, lead: i64, there: i64, back: i64) -> Exchange {
    Exchange {
        sent: at,
        received: at + there + lead,
        answered: at + there + lead,
        arrived: at + there + back,
        precision: Precision(-60),
        max_freq_error: MaxFreqError(50 * 256),
    }
}

#[test]
fn two_lopsided_exchanges_are_better_than_the_best_of_them() {
    let mut bounds = Bounds::new(local(50), None);
    bounds.hear(&exchange(SECOND, 77, 10_000, 900_000));
    let heard = bounds.hear(&exchange(SECOND + 2_000_000, 77, 900_000, 10_000));
    // about 10 µs on either side, and what 50 + 50 ppm add in 2 ms
    assert!(heard.after < Dispersion::from_nanos(10_500), "{heard:?}");
    assert!(heard.alone > Dispersion::from_nanos(450_000), "{heard:?}");
    assert!(bounds.estimate(SECOND + 3_000_000).unwrap().offset_ns.abs_diff(77) < 300);
}

#[test]
fn without_steadiness_the_bound_opens_at_the_stated_rate() {
    let mut bounds = Bounds::new(local(450), None);
    for i in 0..100 {
        bounds.hear(&exchange(i * SECOND, 0, 100_000, 100_000));
    }
    let at = |s: i64| bounds.estimate(s * SECOND).unwrap().dispersion.as_nanos().unwrap();
    // 500 ppm: half a millisecond a second
    assert_eq!(at(110) - at(100), 5_000_000);
    let steady = {
        let mut steady = Bounds::new(local(450), Some(Steadiness::CAUTIOUS));
        for i in 0..100 {
            steady.hear(&exchange(i * SECOND, 0, 100_000, 100_000));
        }
        steady.estimate(110 * SECOND).unwrap().dispersion.as_nanos().unwrap()
    };
    assert!(steady < 550_000, "{steady}");
}

#[test]
fn a_rate_that_jumps_by_more_than_assumed_is_noticed_and_the_cone_holds() {
    let mut bounds = Bounds::new(local(450), Some(Steadiness::CAUTIOUS));
    let mut lead = 0;
    let mut seen = 0;
    for i in 0..400 {
        // after 200 s someone disciplines the server with 400 ppm
        lead += if i < 200 { 0 } else { 400_000 };
        let heard = bounds.hear(&exchange(i * SECOND, lead, 100_000, 100_000));
        seen += u32::from(matches!(heard.verdict, Verdict::Stepped { .. }));
        if i > 202 {
            let error = bounds.estimate(i * SECOND + 200_000).unwrap().offset_ns.abs_diff(lead);
            assert!(Dispersion::from_nanos(error) <= heard.after, "{i}: {error} {heard:?}");
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_jump_begins_anew_and_says_by_how_much() {
    let mut bounds = Bounds::new(local(500), Some(Steadiness::CAUTIOUS));
    for i in 0..20 {
        bounds.hear(&exchange(i * SECOND, 1_000_000, 50_000, 50_000));
    }
    let heard = bounds.hear(&exchange(20 * SECOND, -9_000_000, 50_000, 50_000));
    let Verdict::Stepped { by_ns } = heard.verdict else { panic!("{heard:?}") };
    assert!(by_ns.abs_diff(-10_000_000) < 100_000, "{by_ns}");
    assert!(heard.after <= heard.alone);
}

#[test]
fn a_server_that_states_another_frequency_error_is_believed_from_then_on() {
    let mut bounds = Bounds::new(local(0), None);
    bounds.hear(&exchange(0, 0, 1000, 1000));
    let mut worse = exchange(SECOND, 0, 1_000_000, 1_000_000);
    worse.max_freq_error = MaxFreqError(1000 * 256);
    bounds.hear(&worse);
    let at = |s: i64| bounds.range(s * SECOND).unwrap();
    // one second at 50 ppm, then 1000 ppm
    let (least, most) = at(2);
    assert!(
        (1_040_000..1_060_000).contains(&most) && (-1_060_000..-1_040_000).contains(&least),
        "{least} {most}"
    );
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut bounds = Bounds::new(local(500), Some(Steadiness::CAUTIOUS));
    let times = [i64::MIN, -1, 0, 1, i64::MAX / 2, i64::MAX];
    for sent in times {
        for received in times {
            for arrived in times.into_iter().filter(|a| *a >= sent) {
                let e = Exchange {
                    sent,
                    received,
                    answered: received,
                    arrived,
                    precision: Precision(127),
                    max_freq_error: MaxFreqError(u32::MAX),
                };
                bounds.hear(&e);
                let precise = Exchange { precision: Precision(-128), ..e };
                bounds.hear(&precise);
                bounds.estimate(i64::MAX);
                bounds.estimate(i64::MIN);
            }
        }
    }
}
