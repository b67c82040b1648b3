//! The clock model against the sheet's table (§10) and the rules of §6.

use dvb_css::clock::{ClockId, ClockTimers, ClockTree, Correlation, Significance};
use dvb_css::{ClockError, Ratio};
use machine::Instant;
use proptest::prelude::*;

fn r(text: &str) -> Ratio {
    text.parse().unwrap()
}

/// A root of 1 MHz with precision 0; `at` is the instant at which it reads so many ticks.
fn root() -> (ClockTree, ClockId) {
    let mut tree = ClockTree::new();
    let root = tree.add_system(r("1000000"), r("500"), Ratio::ZERO).unwrap();
    (tree, root)
}

fn at(ticks: u64) -> Instant {
    Instant::from_nanos(ticks * 1000)
}

const NOW: u64 = 1_000_000;

#[test]
fn a_correlated_clock_and_its_speeds() {
    let (mut tree, root) = root();
    let a = tree.add_correlated(root, r("1000"), Correlation::new(50, 300), Ratio::ONE).unwrap();
    assert_eq!(tree.ticks(a, at(NOW)), Ok(r("1299.95")));
    assert_eq!(tree.to_parent(a, r("400")), Ok(r("100050")));
    assert_eq!(tree.from_parent(a, r("2000050")), Ok(r("2300")));
    assert_eq!(tree.nanos(a, r("1299.95")), Ok(r("1299950000")));
    assert_eq!(tree.nanos_to_ticks(a, r("1299950000")), Ok(r("1299.95")));
    for (speed, ticks, parent) in [
        ("0.5", "799.975", Ok(r("200050"))),
        ("0", "300", Err(ClockError::Paused)),
        ("-1", "-699.95", Ok(r("-99950"))),
    ] {
        tree.set_speed(a, r(speed), at(NOW)).unwrap();
        assert_eq!(tree.ticks(a, at(NOW)), Ok(r(ticks)), "{speed}");
        assert_eq!(tree.to_parent(a, r("400")), parent, "{speed}");
    }
    tree.set_speed(a, Ratio::ZERO, at(NOW)).unwrap();
    assert_eq!(tree.to_parent(a, r("300")), Ok(r("50")));
    assert_eq!(tree.rebase(a, r("301")), Err(ClockError::Paused));
    assert_eq!(tree.ticks(a, at(5)), Ok(r("300")), "a refused rebase changes nothing");
}

#[test]
fn errors_add_up_along_a_chain() {
    let (mut tree, root) = root();
    let a = Correlation::new(0, 0).with_error(r("0.01"), r("0.001"));
    let a = tree.add_correlated(root, r("1000"), a, Ratio::ONE).unwrap();
    let b = Correlation::new(10, 0).with_error(r("0.5"), r("0.0001"));
    let b = tree.add_correlated(a, r("25"), b, Ratio::ONE).unwrap();
    assert_eq!(tree.ticks(b, at(NOW)), Ok(r("24.75")));
    assert_eq!(tree.to_root(b, r("25")), Ok(r("1010000")));
    assert_eq!(tree.from_root(b, r("1010000")), Ok(r("25")));
    // the sheet rounds 0.5 + 1 s * 0.0001 + 0.01 + 1.01 s * 0.001
    assert_eq!(tree.dispersion_at(b, r("25")), Ok(r("0.51111")));
    assert_eq!(tree.dispersion_at(a, r("1010")), Ok(r("0.01101")));
    assert_eq!(tree.dispersion_at(a, r("-1010")), Ok(r("0.01101")), "errors grow both ways");
    assert_eq!(tree.root_max_freq_error_ppm(b), Ok(r("500")));
}

#[test]
fn offsets_ranges_and_tuning() {
    let (mut tree, root) = root();
    let a = tree.add_correlated(root, r("1000"), Correlation::default(), Ratio::ONE).unwrap();
    let o = tree.add_offset(a, r("0.04")).unwrap();
    assert_eq!(tree.ticks(o, at(NOW)), Ok(r("1040")));
    assert_eq!((tree.to_parent(o, r("100")), tree.from_parent(o, r("100"))), (Ok(r("60")), Ok(r("140"))));
    tree.set_speed(a, r("2"), at(NOW)).unwrap();
    assert_eq!((tree.ticks(a, at(NOW)), tree.ticks(o, at(NOW))), (Ok(r("2000")), Ok(r("2080"))));
    assert_eq!(tree.effective_speed(o), Ok(r("2")));
    assert_eq!(tree.tick_rate(o), Ok(r("1000")));
    assert_eq!(tree.set_speed(o, r("2"), at(NOW)), Err(ClockError::NotForThisKind));

    let (first, second) = (Correlation::new(100, 0), Correlation::new(1_000_100, 1010));
    let range = tree.add_range(root, r("1000"), first, second).unwrap();
    assert_eq!(tree.ticks(range, at(NOW)), Ok(r("1009.899")));
    assert_eq!(tree.to_parent(range, r("505")), Ok(r("500100")));
    assert_eq!(tree.add_range(root, r("1000"), first, first), Err(ClockError::EmptyRange));

    let t = tree.add_tunable(root, r("1000"), r("5"), at(NOW)).unwrap();
    assert_eq!(tree.ticks(t, at(NOW)), Ok(r("5")));
    assert_eq!(tree.ticks(t, at(2 * NOW)), Ok(r("1005")));
    tree.set_slew(t, r("100"), at(2 * NOW)).unwrap();
    assert_eq!((tree.speed(t), tree.slew(t)), (Ok(r("1.1")), Ok(r("100"))));
    assert_eq!(tree.ticks(t, at(3 * NOW)), Ok(r("2105")));
    tree.adjust_ticks(t, r("7")).unwrap();
    assert_eq!(tree.ticks(t, at(3 * NOW)), Ok(r("2112")));
    // paused for a second, then on: it goes on from where it was paused
    tree.set_speed(t, Ratio::ZERO, at(3 * NOW)).unwrap();
    tree.set_speed(t, Ratio::ONE, at(4 * NOW)).unwrap();
    assert_eq!(tree.ticks(t, at(5 * NOW)), Ok(r("3112")));
    tree.set_error(t, r("0.25"), r("0.5"), at(5 * NOW)).unwrap();
    assert_eq!(tree.dispersion_at(t, r("4112")), Ok(r("0.75")));
    assert_eq!(tree.ticks(t, at(5 * NOW)), Ok(r("3112")));
}

#[test]
fn changes_are_measured_in_seconds() {
    let (mut tree, root) = root();
    let a = tree.add_correlated(root, r("1000"), Correlation::default(), Ratio::ONE).unwrap();
    let change = tree.change(a, &Correlation::new(0, 10), Ratio::ONE).unwrap();
    assert_eq!(change, Significance::Seconds(r("0.01")));
    assert!(!change.exceeds(r("0.01")) && change.exceeds(r("0.0099")));
    assert_eq!(tree.change(a, &Correlation::new(0, 10), r("1.1")), Ok(Significance::Unbounded));
    let a2 = tree.add_correlated(root, r("1000"), Correlation::new(0, 5), Ratio::ONE).unwrap();
    assert_eq!(tree.difference(a, a2, at(NOW)), Ok(Significance::Seconds(r("0.005"))));
    let b = tree.add_correlated(a, r("25"), Correlation::new(10, 0), Ratio::ONE).unwrap();
    assert_eq!(tree.to_other(b, a2, r("25")), Ok(r("1015")));
    assert_eq!(tree.difference(a, b, at(NOW)), Ok(Significance::Unbounded));
    tree.set_available(a, false).unwrap();
    assert_eq!((tree.is_available(b), tree.is_available(a2)), (Ok(false), Ok(true)));
    // a paused clock is measured by what it shows
    tree.set_speed(a, Ratio::ZERO, at(NOW)).unwrap();
    let change = tree.change(a, &Correlation::new(77, 10), Ratio::ZERO);
    assert_eq!(change, Ok(Significance::Seconds(r("0.01"))));
}

#[test]
fn whoever_follows_a_changed_clock_is_named_once() {
    let (mut tree, root) = root();
    let a = tree.add_correlated(root, r("1000"), Correlation::default(), Ratio::ONE).unwrap();
    let b = tree.add_correlated(a, r("25"), Correlation::default(), Ratio::ONE).unwrap();
    let c = tree.add_offset(b, r("1")).unwrap();
    let d = tree.add_correlated(root, r("25"), Correlation::default(), Ratio::ONE).unwrap();
    assert_eq!(tree.set_correlation(a, Correlation::new(1, 1)), Ok(vec![a, b, c]));
    assert_eq!(tree.set_correlation(a, Correlation::new(1, 1)), Ok(vec![]), "nothing has changed");
    assert_eq!(tree.set_tick_rate(root, r("2000000"), at(NOW)), Ok(vec![root, a, d, b, c]));
    assert_eq!(tree.set_offset(c, r("2")), Ok(vec![c]));
    assert_eq!(tree.set_available(b, false), Ok(vec![b, c]));
    assert_eq!(tree.set_available(a, false), Ok(vec![a]), "for b and c nothing has changed");
    assert_eq!(tree.set_available(b, true), Ok(vec![]));
    assert_eq!(tree.set_available(root, false), Err(ClockError::NotForThisKind));
    assert_eq!(tree.set_parent(a, c), Err(ClockError::Circle));
    assert_eq!(tree.set_parent(root, a), Err(ClockError::Circle));
    assert_eq!(tree.set_parent(c, d), Ok(vec![c]));
    assert_eq!(tree.set_parent(d, b), Ok(vec![d, c]));
    let other = tree.add_system(r("1"), r("1"), Ratio::ZERO).unwrap();
    assert_eq!(tree.to_other(other, a, Ratio::ONE), Err(ClockError::NoCommonClock));
    assert_eq!(tree.set_parent(other, a), Err(ClockError::NotForThisKind));
    assert_eq!(tree.parent(other), Ok(None));
    assert_eq!(
        tree.add_correlated(a, Ratio::ZERO, Correlation::default(), Ratio::ONE),
        Err(ClockError::TickRate)
    );
    let (_, stranger) = {
        let mut big = tree.clone();
        let id = big.add_offset(a, Ratio::ONE).unwrap();
        (big, id)
    };
    assert_eq!(tree.ticks(stranger, at(1)), Err(ClockError::NoSuchClock));
}

#[test]
fn timers_move_with_their_clocks() {
    let (mut tree, root) = root();
    let a = tree.add_tunable(root, r("1000"), Ratio::ZERO, at(0)).unwrap();
    let b = tree.add_correlated(a, r("25"), Correlation::default(), Ratio::ONE).unwrap();
    let mut timers = ClockTimers::new();
    let second = timers.at(b, r("50"));
    let first = timers.after(&tree, b, r("25"), at(0)).unwrap();
    assert_eq!(timers.next_due(&tree), Some(at(NOW)));
    assert_eq!(timers.take_due(&tree, at(NOW - 1)), vec![]);
    // twice as fast from half a second on: half of the rest
    tree.set_speed(a, r("2"), at(NOW / 2)).unwrap();
    assert_eq!(timers.next_due(&tree), Some(at(NOW * 3 / 4)));
    assert_eq!(timers.take_due(&tree, at(NOW * 3 / 4)), vec![first]);
    tree.set_speed(a, Ratio::ZERO, at(NOW)).unwrap();
    assert_eq!(timers.next_due(&tree), None, "paused");
    assert_eq!(timers.take_due(&tree, at(100 * NOW)), vec![]);
    tree.set_speed(a, Ratio::ONE, at(100 * NOW)).unwrap();
    assert_eq!(timers.next_due(&tree), Some(at(100 * NOW + NOW / 2)));
    let third = timers.at(b, r("0"));
    assert_eq!(timers.take_due(&tree, at(200 * NOW)), vec![third, second]);
    assert!(!timers.cancel(second));
    assert_eq!(timers.next_due(&tree), None);
}

/// The clocks of a television: usual rates, whole correlations, speeds of a few digits.
fn usual_clock() -> impl Strategy<Value = (Ratio, Correlation, Ratio)> {
    let rate = prop::sample::select(vec![25_u32, 1000, 48_000, 90_000, 1_000_000, 1_000_000_000]);
    let speed = (1..=200_i128, 1..=100_i128, any::<bool>());
    (rate, 0..1_i64 << 40, -(1_i64 << 40)..1 << 40, speed).prop_map(|(rate, p, c, (num, den, backwards))| {
        let speed = Ratio::new(if backwards { -num } else { num }, den);
        (Ratio::from(rate), Correlation::new(p, c), speed)
    })
}

proptest! {
    /// Up to the root and down again is where one began, exactly.
    #[test]
    fn conversions_come_back(clocks in prop::collection::vec(usual_clock(), 1..4), ticks in -(1_i64 << 50)..1 << 50) {
        let (mut tree, mut clock) = root();
        for (rate, correlation, speed) in clocks {
            clock = tree.add_correlated(clock, rate, correlation, speed).unwrap();
        }
        let up = tree.to_root(clock, Ratio::from(ticks)).unwrap();
        prop_assert_eq!(tree.from_root(clock, up), Ok(Ratio::from(ticks)));
    }
}
