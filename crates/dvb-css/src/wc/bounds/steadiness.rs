//! How far the server's clock can stray from a straight line, as seen by the local one.

/// What is assumed of the two clocks' rates against each other, besides that they keep their maximum frequency errors.
///
/// Counted back (or on) by an age from any moment, the difference of the clocks lies within `jump * age + wander *
/// age^1.5` of the straight line that leaves that moment with the rate of that moment. The first part covers changes of
/// rate at any time, by temperature or by a program that disciplines one of the clocks; the second a rate that
/// wanders at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steadiness {
    /// In thousand-millionths (ns per s).
    pub jump_ppb: u32,
    /// In nanoseconds for an age of one second. A rate that wanders as a random walk of 0.1 ppm per square root of a
    /// second leaves the line by 58 ns * (age / 1 s)^1.5 in one standard deviation.
    pub wander_ns: u32,
}

impl Steadiness {
    /// What the bound rests on by default: sudden changes up to 5 ppm, and six standard deviations of a wander of
    /// 0.1 ppm per square root of a second, ten times that of a cheap crystal at rest.
    pub const CAUTIOUS: Self = Self { jump_ppb: 5000, wander_ns: 350 };
    /// What the estimate inside the bound is made with: one standard deviation.
    pub(super) const LIKELY: Self = Self { jump_ppb: 100, wander_ns: 58 };

    /// The greatest distance from the line at an age, in nanoseconds, rounded up.
    pub fn stray_ns(self, age_ns: u64) -> u64 {
        let jump = u128::from(age_ns) * u128::from(self.jump_ppb);
        // age^1.5 in s^1.5 is (age in µs) * sqrt(age in µs) / 10^9
        let age_us = age_ns.div_ceil(1000);
        let root = age_us.isqrt() + 1;
        let wander = u128::from(age_us) * u128::from(root) * u128::from(self.wander_ns);
        u64::try_from((jump + wander).div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straying_grows_as_stated() {
        let second = 1_000_000_000;
        let wander = Steadiness { jump_ppb: 0, wander_ns: 350 };
        assert_eq!(wander.stray_ns(second), 351);
        assert_eq!(wander.stray_ns(100 * second), 350_035);
        let jump = Steadiness { jump_ppb: 5000, wander_ns: 0 };
        assert_eq!(jump.stray_ns(second), 5000);
        assert_eq!(jump.stray_ns(1), 1);
        assert_eq!(Steadiness::CAUTIOUS.stray_ns(0), 0);
        assert!(Steadiness::CAUTIOUS.stray_ns(u64::MAX) > 1 << 40);
    }
}
