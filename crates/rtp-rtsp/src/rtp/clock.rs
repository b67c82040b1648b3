//! RTP timestamps, wall-clock time and how one gives the other (RFC 3550 §6.4.1).

use machine::Instant;

/// An NTP timestamp: seconds since 1900-01-01T00:00:00Z in the upper 32 bits, fractions below (RFC 5905 §6). It
/// begins again in 2036.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The NTP time of `unix_ns`, rounded down to 2^-32 s.
    pub const fn from_unix_ns(unix_ns: i64) -> Self {
        let seconds = unix_ns.div_euclid(NS_PER_S).wrapping_add(UNIX_EPOCH);
        // Below 10^9 * 2^32, which fits in 62 bits.
        let fraction = (unix_ns.rem_euclid(NS_PER_S) << 32) / NS_PER_S;
        Self(seconds.cast_unsigned() << 32 | fraction.cast_unsigned())
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, rounded to the nearest; what it says is taken to
    /// lie between 1968 and 2104.
    pub fn to_unix_ns(self) -> i64 {
        let seconds = i64::from(u32::try_from(self.0 >> 32).unwrap_or(u32::MAX));
        let era = if seconds < 1 << 31 { 1_i64 << 32 } else { 0 };
        let fraction = (u128::from(self.0 & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        (seconds + era - UNIX_EPOCH) * NS_PER_S + i64::try_from(fraction).unwrap_or(0)
    }

    /// The middle 32 bits: 16.16 seconds, as in LSR and DLSR.
    pub fn compact(self) -> u32 {
        u32::try_from(self.0 >> 16 & 0xffff_ffff).unwrap_or(0)
    }
}

/// The clock of one medium that is sent: monotonic time to RTP timestamps.
///
/// `timestamp = base + floor(elapsed * rate)`, in integers from the start on, so that nothing adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaClock {
    rate: u32,
    start: Instant,
    base: u32,
}

impl MediaClock {
    /// A clock of `rate` ticks a second that reads `base` (random, RFC 3550 §5.1) at `start`.
    pub const fn new(rate: u32, start: Instant, base: u32) -> Self {
        Self { rate, start, base }
    }

    /// Ticks a second.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// The timestamp at `at`; before the start it reads the base.
    pub fn timestamp(&self, at: Instant) -> u32 {
        self.base.wrapping_add(ticks(at.saturating_since(self.start).as_nanos(), self.rate))
    }
}

/// Timestamps of one received medium, mapped to wall-clock time by the last sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveClock {
    rate: u32,
    report: Option<(NtpTime, u32)>,
}

impl ReceiveClock {
    /// A clock of `rate` ticks a second (0 is taken for 1) that has not heard a report.
    pub const fn new(rate: u32) -> Self {
        Self { rate: if rate == 0 { 1 } else { rate }, report: None }
    }

    /// A sender report said that `ntp` and `timestamp` are one instant. A report with an NTP time of 0 (the sender
    /// has no wall clock) is passed over.
    pub fn report(&mut self, ntp: NtpTime, timestamp: u32) {
        if ntp.0 != 0 {
            self.report = Some((ntp, timestamp));
        }
    }

    /// When `timestamp` was sampled, in nanoseconds since 1970-01-01T00:00:00Z by the sender's clock; `None` before
    /// the first report. It is taken to be within half the range of timestamps of the report (6.6 h at 90 kHz).
    pub fn unix_ns(&self, timestamp: u32) -> Option<i64> {
        let (ntp, at) = self.report?;
        let delta = i64::from(timestamp.wrapping_sub(at).cast_signed());
        // Below 2^31 * 10^9, which fits.
        Some(ntp.to_unix_ns().saturating_add((delta * NS_PER_S).div_euclid(i64::from(self.rate))))
    }

    /// The timestamp that was sampled at `unix_ns`; `None` before the first report.
    pub fn timestamp(&self, unix_ns: i64) -> Option<u32> {
        let (ntp, at) = self.report?;
        let elapsed = i128::from(unix_ns) - i128::from(ntp.to_unix_ns());
        let ticks = (elapsed * i128::from(self.rate)).div_euclid(i128::from(NS_PER_S)).rem_euclid(1 << 32);
        Some(at.wrapping_add(u32::try_from(ticks).unwrap_or(0)))
    }
}

/// Unwraps timestamps to 64 bits: each is taken to be within 2^31 of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampExtender {
    last: Option<u64>,
}

impl TimestampExtender {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The next timestamp, extended. The first is itself plus 2^32, so that earlier ones have room.
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let extended = match self.last {
            None => (1 << 32) + u64::from(timestamp),
            Some(last) => {
                let low = u32::try_from(last & 0xffff_ffff).unwrap_or(0);
                last.saturating_add_signed(i64::from(timestamp.wrapping_sub(low).cast_signed()))
            }
        };
        self.last = Some(extended);
        extended
    }
}

/// `nanos` in ticks of `rate` a second, rounded down, modulo 2^32.
pub(crate) fn ticks(nanos: u128, rate: u32) -> u32 {
    let ticks = nanos.saturating_mul(u128::from(rate)) / 1_000_000_000;
    u32::try_from(ticks & 0xffff_ffff).unwrap_or(0)
}

const NS_PER_S: i64 = 1_000_000_000;
/// 1970 by the clock of 1900.
const UNIX_EPOCH: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use proptest::prelude::*;

    #[test]
    fn the_epochs_lie_70_years_apart() {
        assert_eq!(NtpTime::from_unix_ns(0).0, 2_208_988_800 << 32);
        assert_eq!(NtpTime::from_unix_ns(500_000_000).0 & 0xffff_ffff, 0x8000_0000);
        // After the end of era 0.
        assert_eq!(NtpTime::from_unix_ns(2_085_978_496 * NS_PER_S).0, 0);
        assert_eq!(NtpTime(1 << 32).to_unix_ns(), 2_085_978_497 * NS_PER_S);
        assert_eq!(NtpTime(0x1234_5678_9abc_def0).compact(), 0x5678_9abc);
    }

    #[test]
    fn a_media_clock_does_not_drift() {
        let start = Instant::from_nanos(77);
        let clock = MediaClock::new(90_000, start, u32::MAX);
        assert_eq!(clock.timestamp(start), u32::MAX);
        assert_eq!(clock.timestamp(start + Duration::from_secs(1)), 89_999);
        let day = start + Duration::from_secs(86_400);
        assert_eq!(clock.timestamp(day), (86_400_u64 * 90_000 - 1) as u32);
    }

    #[test]
    fn reports_tie_timestamps_to_the_wall_clock() {
        let mut clock = ReceiveClock::new(90_000);
        assert_eq!(clock.unix_ns(1), None);
        clock.report(NtpTime(0), 5);
        assert_eq!(clock.unix_ns(1), None);
        clock.report(NtpTime::from_unix_ns(1_700_000_000 * NS_PER_S), 10);
        assert_eq!(clock.unix_ns(90_010), Some(1_700_000_001 * NS_PER_S));
        assert_eq!(clock.unix_ns(10_u32.wrapping_sub(90_000)), Some(1_699_999_999 * NS_PER_S));
        assert_eq!(clock.timestamp(1_699_999_999 * NS_PER_S), Some(10_u32.wrapping_sub(90_000)));
    }

    #[test]
    fn timestamps_are_unwrapped_both_ways() {
        let mut t = TimestampExtender::new();
        let first = t.extend(u32::MAX - 1);
        assert_eq!(t.extend(3), first + 5);
        assert_eq!(t.extend(u32::MAX), first + 1);
    }

    proptest! {
        #[test]
        fn ntp_keeps_nanoseconds(unix_ns in 0..4_200_000_000_000_000_000_i64) {
            prop_assert!((NtpTime::from_unix_ns(unix_ns).to_unix_ns() - unix_ns).abs() <= 1);
        }
    }
}
