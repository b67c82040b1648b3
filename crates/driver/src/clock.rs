//! The two clocks, and how a reading of one is carried over to the other.

use machine::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// Monotonic time now. On Linux this is `CLOCK_MONOTONIC`, the same for all processes of the machine.
#[cfg(target_os = "linux")]
pub fn now() -> Instant {
    use nix::time::{ClockId, clock_gettime};
    // CLOCK_MONOTONIC always exists on Linux and never reads negative.
    let t = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or_else(|_| nix::sys::time::TimeSpec::new(0, 0));
    Instant::from_nanos(t.tv_sec().unsigned_abs() * 1_000_000_000 + t.tv_nsec().unsigned_abs())
}

/// Monotonic time now, counted from the first call in this process.
#[cfg(not(target_os = "linux"))]
pub fn now() -> Instant {
    static EPOCH: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = EPOCH.get_or_init(std::time::Instant::now).elapsed();
    // One second in, so that "a little earlier" still exists.
    Instant::from_nanos(1_000_000_000 + u64::try_from(since.as_nanos()).unwrap_or(u64::MAX / 2))
}

/// Wall-clock time now, in nanoseconds since 1970-01-01T00:00:00Z (as far as 2262).
pub fn unix_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(d) => i64::try_from(d.as_nanos()).unwrap_or(i64::MAX),
        Err(e) => -i64::try_from(e.duration().as_nanos()).unwrap_or(i64::MAX),
    }
}

/// What the wall clock read, or will read, at an instant: nanoseconds since 1970-01-01T00:00:00Z, as the two clocks stand
/// to each other now.
pub fn unix_at(at: Instant) -> i64 {
    let (now, wall) = both();
    let ahead = i128::from(at.as_nanos()) - i128::from(now.as_nanos());
    i64::try_from(i128::from(wall) + ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
}

/// Both clocks read as nearly at once as can be: `(monotonic, wall)`. Of three tries the tightest counts.
pub fn both() -> (Instant, i64) {
    let mut best = (u64::MAX, now(), unix_now());
    for _ in 0..3 {
        let before = now().as_nanos();
        let wall = unix_now();
        let after = now().as_nanos();
        let width = after.saturating_sub(before);
        if width < best.0 {
            best = (width, Instant::from_nanos(before + width / 2), wall);
        }
    }
    (best.1, best.2)
}
