//! Pairs of a whole tick and a whole nanosecond that lie exactly on a timeline.
//!
//! A Control Timestamp holds whole numbers on both sides. A timeline of 90 kHz reads a whole tick at a whole nanosecond
//! once in 100 µs; the pair to send is the last such one, not the tick of just now cut off. (The original samples both
//! clocks and cuts: on a timeline of 50 Hz it is off by up to 20 ms.)

use crate::Ratio;
use crate::message::ControlTimestamp;

/// The timestamp of a timeline that reads `ticks` when the wall clock reads `wall_ns`.
///
/// If it runs, the last moment is taken at which both are whole numbers, up to a minute back; if there is none (its
/// rate or position have no such moments), the nearest tick with its nanosecond rounded. If it stands still, the nearest
/// tick, now.
pub fn exact_timestamp(ticks: Ratio, wall_ns: i128, tick_rate: Ratio, speed: Ratio) -> ControlTimestamp {
    let slope = tick_rate * speed * Ratio::new(1, 1_000_000_000);
    let (content, back_ns) = match slope.signum() {
        0 => (ticks.round(), 0),
        1 => last_whole(ticks, slope).unwrap_or_else(|| nearest(ticks, slope)),
        _ => {
            let (content, back) = last_whole(-ticks, -slope).unwrap_or_else(|| nearest(-ticks, -slope));
            (-content, back)
        }
    };
    ControlTimestamp::available(content, wall_ns.saturating_sub(back_ns), speed)
}

/// The last whole tick that is reached at a whole nanosecond, and how many nanoseconds ago that was.
fn last_whole(ticks: Ratio, slope: Ratio) -> Option<(i128, i128)> {
    // With slope a/b ticks per ns and a reading of floor + f/d: k ticks below floor were read (f/d + k) * b/a ns ago.
    // That is whole for some k if d divides b, and then for k = -f * (b/d) / b modulo a.
    let (a, b) = (slope.numerator(), slope.denominator());
    let floor = ticks.floor();
    let rest = ticks - Ratio::from(floor);
    let (f, d) = (rest.numerator(), rest.denominator());
    // the longest way back is b ns
    if b > MAX_BACK_NS || a > MAX_BACK_NS || b % d != 0 {
        return None;
    }
    let wanted = (f * (b / d)) % a;
    let k = if wanted == 0 { 0 } else { (a - wanted) * inverse(b % a, a)? % a };
    let back = (rest + Ratio::from(k)) * Ratio::new(b, a);
    back.is_whole().then_some((floor - k, back.numerator()))
}

/// The nearest tick, and how many nanoseconds ago it was (or will be), rounded.
fn nearest(ticks: Ratio, slope: Ratio) -> (i128, i128) {
    let content = ticks.round();
    let back = (ticks - Ratio::from(content)).over(slope).unwrap_or(Ratio::ZERO);
    (content, back.round())
}

/// The inverse of `x` modulo `m`, both at least 1 and without common divisor.
fn inverse(x: i128, m: i128) -> Option<i128> {
    let (mut old_rest, mut rest) = (x, m);
    let (mut old_factor, mut factor) = (1, 0);
    while rest != 0 {
        let times = old_rest / rest;
        (old_rest, rest) = (rest, old_rest - times * rest);
        (old_factor, factor) = (factor, old_factor - times * factor);
    }
    (old_rest == 1).then(|| old_factor.rem_euclid(m))
}

/// A pair is not looked for further back than a minute.
const MAX_BACK_NS: i128 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_lie_exactly_on_the_timeline() {
        let speeds = ["1", "-1", "0.5", "1.001", "2", "-0.25", "25"];
        let rates = [
            Ratio::from(90_000),
            Ratio::from(50),
            Ratio::from(48_000),
            Ratio::from(44_100),
            Ratio::from(27_000_000),
        ];
        for speed in speeds.map(|s| s.parse::<Ratio>().unwrap()) {
            for rate in rates.into_iter().chain([Ratio::new(30_000, 1001)]) {
                for wall in [0_i128, 1, 123_456_789, 999_999_999_999, 1_795_252_445_123_456_789] {
                    // a timeline that read 1234 at 5 s
                    let exact = |wall: i128| {
                        let seconds = Ratio::new(wall - 5_000_000_000, 1_000_000_000);
                        Ratio::from(1234) + seconds * rate * speed
                    };
                    let stamp = exact_timestamp(exact(wall), wall, rate, speed);
                    let moment = stamp.timeline.unwrap();
                    assert_eq!(
                        exact(stamp.wall_clock_time),
                        Ratio::from(moment.content_time),
                        "{rate} {speed} {wall}"
                    );
                    assert!((0..MAX_BACK_NS).contains(&(wall - stamp.wall_clock_time)));
                    assert_eq!(stamp.content_ticks_at(wall, rate), Some(exact(wall)));
                }
            }
        }
    }

    #[test]
    fn what_has_no_whole_moments_is_rounded() {
        // a third of a tick off for ever
        let stamp = exact_timestamp(Ratio::new(100, 3), 1_000_000_000, Ratio::from(1000), Ratio::ONE);
        assert_eq!(stamp, ControlTimestamp::available(33, 999_666_667, Ratio::ONE));
        let paused = exact_timestamp(Ratio::new(67, 2), 77, Ratio::from(1000), Ratio::ZERO);
        assert_eq!(paused, ControlTimestamp::available(34, 77, Ratio::ZERO));
    }
}
