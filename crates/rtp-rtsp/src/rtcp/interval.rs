//! When the next report is due (RFC 3550 §6.2, §6.3, A.7).

use core::time::Duration;

/// The least time between reports, before it is drawn from; the first is due after half of it.
pub const MINIMUM: Duration = Duration::from_secs(5);

/// What the time to the next report depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Participants, ourselves included; in an RTSP session 2.
    pub members: u32,
    /// Those of them that send.
    pub senders: u32,
    /// Bandwidth of the session in bytes a second, of which RTCP takes a twentieth; 0 where it is not known.
    pub session_bytes_per_second: u64,
    /// Whether we are a sender.
    pub we_send: bool,
    /// Mean length of a compound packet in bytes, with IP and UDP headers.
    pub average_bytes: u32,
    /// Whether no report was sent yet.
    pub initial: bool,
}

impl Interval {
    /// The time to the next report; `random` is drawn evenly from all 32-bit numbers.
    ///
    /// `max(minimum, n * size / bandwidth) * (0.5 to 1.5) / (e - 3/2)`, where senders share a quarter of the bandwidth
    /// while they are at most a quarter of the members. At most an hour.
    pub fn next(&self, random: u32) -> Duration {
        let minimum = if self.initial { MINIMUM / 2 } else { MINIMUM };
        // In 1/80 of the session's bandwidth: 4 for RTCP, of which senders have 1 and the others 3.
        let (mut n, mut share) = (u64::from(self.members), 4);
        if u64::from(self.senders) * 4 <= n {
            (n, share) =
                if self.we_send { (u64::from(self.senders), 1) } else { (n - u64::from(self.senders), 3) };
        }
        let bytes = u128::from(n) * u128::from(self.average_bytes);
        let ns = (bytes * 80 * 1_000_000_000)
            .checked_div(u128::from(self.session_bytes_per_second) * share)
            .unwrap_or(0)
            .clamp(minimum.as_nanos(), 3_600_000_000_000);
        // 0.5 to 1.5 as 2^31 to 3 * 2^31 over 2^32; e - 1.5 = 1.21828.
        let factor = (1_u128 << 31) + u128::from(random);
        let ns = (ns * factor * 100_000 / 121_828) >> 32;
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNICAST: Interval = Interval {
        members: 2,
        senders: 1,
        session_bytes_per_second: 500_000,
        we_send: true,
        average_bytes: 100,
        initial: false,
    };

    #[test]
    fn two_participants_report_every_2_to_6_seconds() {
        let ms = |random| UNICAST.next(random).as_millis();
        // 5 s * 0.5 / 1.21828 and 5 s * 1.5 / 1.21828.
        assert_eq!((ms(0), ms(u32::MAX)), (2052, 6156));
        let first = Interval { initial: true, ..UNICAST };
        assert_eq!(first.next(1 << 31).as_millis(), 2052);
    }

    #[test]
    fn many_receivers_share_three_quarters() {
        let many = Interval { members: 1001, we_send: false, ..UNICAST };
        // 1000 * 100 bytes at 3/80 of 500 kB/s: 5.333 s, and 4.378 s after the division.
        assert_eq!(many.next(1 << 31).as_millis(), 4377);
        let sender = Interval { members: 1001, ..UNICAST };
        assert_eq!(sender.next(1 << 31).as_millis(), 4104);
    }

    #[test]
    fn never_longer_than_an_hour() {
        let all = Interval { members: u32::MAX, session_bytes_per_second: 1, we_send: false, ..UNICAST };
        assert!(all.next(u32::MAX) <= Duration::from_secs(5400));
    }
}
