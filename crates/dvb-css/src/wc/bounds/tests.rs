use super::*;
use machine::sim::Rng;
use std::println;
#[test]
fn dbg() {
    let mut rng = Rng::new(5);
    let local = LocalClock { max_freq_error: MaxFreqError(128_000), precision: Dispersion::from_nanos(1) };
    let mut b = Bounds::new(local, Some(Steadiness::CAUTIOUS));
    let s = 1_000_000_000i64;
    let mut exp = |rng: &mut Rng| -> i64 { let u = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64; (-(1.0 - u).ln() * 3e6) as i64 };
    let (mut hw, mut e1, mut e2, mut n, mut cl) = (0f64, 0f64, 0f64, 0, 0);
    for i in 0..3000i64 {
        let at = 1000 * s + i * s;
        let (d1, d2) = (1_000_000 + exp(&mut rng), 1_000_000 + exp(&mut rng));
        let e = Exchange { sent: at, received: at + d1, answered: at + d1 + 50_000, arrived: at + d1 + d2 + 50_000, precision: crate::message::Precision(-29), max_freq_error: MaxFreqError(12_800) };
        b.hear(&e);
        if i < 100 { continue }
        for dt in [s / 2, s - 1] {
            let t = at + dt;
            let est = b.estimate(t).unwrap();
            let (l, h) = b.range(t).unwrap();
            let line = b.line.unwrap().middle.unwrap();
            let raw = line.0 + (((t - b.line.unwrap().at) as i128 * line.1 as i128) >> 40) as i64;
            hw += (h - l) as f64 / 2.0; e1 += est.offset_ns.abs() as f64; e2 += raw.abs() as f64; n += 1; cl += (raw != est.offset_ns) as i32;
            if i > 2990 { println!("range {l} {h} raw {raw} est {} cap {} rate {}", est.offset_ns, b.single.dispersion_at(t).as_picos()/1000, line.1 as f64/ (1u64<<40) as f64*1e9); }
        }
    }
    println!("hw {} est {} raw {} clamped {}/{}", hw / n as f64, e1 / n as f64, e2 / n as f64, cl, n);
}
