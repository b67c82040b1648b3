//! What a receiver keeps about one source (RFC 3550 §6.4.1, A.3, A.8).

use core::time::Duration;

use machine::Instant;

use super::clock::ticks;
use super::{Arrival, NtpTime, SequenceTracker};

/// A reception report block, 24 bytes on the wire (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionReport {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Part of the packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, -2^23 to 2^23 - 1; negative where duplicates came.
    pub cumulative_lost: i32,
    /// Highest sequence number, with the number of cycles in the upper half.
    pub highest_sequence: u32,
    /// Mean deviation of the spacing of packets, in timestamp units.
    pub jitter: u32,
    /// The last sender report's NTP time, [compact](NtpTime::compact); 0 if none was heard.
    pub last_sr: u32,
    /// Time since that report was heard, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// One source as its receiver sees it: sequence, jitter and losses.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    ssrc: u32,
    rate: u32,
    sequence: SequenceTracker,
    received: u64,
    /// Packets expected in series that have ended, and received in them.
    ended: (u64, u64),
    /// Expected and received at the last report.
    prior: (u64, u64),
    reordered: u64,
    bytes: u64,
    /// 16 times the jitter, as in RFC 3550 A.8.
    jitter_16: u32,
    transit: Option<u32>,
    sender_report: Option<(NtpTime, Instant)>,
}

impl Source {
    /// A source that has just been heard of. `rate`: ticks of its clock a second, in which jitter is measured.
    pub const fn new(ssrc: u32, rate: u32, sequence: SequenceTracker) -> Self {
        Self {
            ssrc,
            rate,
            sequence,
            received: 0,
            ended: (0, 0),
            prior: (0, 0),
            reordered: 0,
            bytes: 0,
            jitter_16: 0,
            transit: None,
            sender_report: None,
        }
    }

    /// Its identifier.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Takes a packet of `bytes` bytes that arrived at `arrival`.
    pub fn receive(&mut self, arrival: Instant, sequence: u16, timestamp: u32, bytes: usize) -> Arrival {
        let before = (self.expected_in_series(), self.received);
        let said = self.sequence.update(sequence);
        match said {
            Arrival::Probation | Arrival::Jump => return said,
            Arrival::Restart { .. } => {
                self.ended.0 += before.0;
                self.ended.1 += before.1;
                // The packet that made the jump is lost to us and counted nowhere.
                self.received = 0;
                self.transit = None;
            }
            Arrival::Late { .. } => self.reordered += 1,
            Arrival::New { .. } => {}
        }
        self.received += 1;
        self.bytes += u64::try_from(bytes).unwrap_or(0);
        self.update_jitter(arrival, timestamp);
        said
    }

    /// A sender report of this source was heard.
    pub fn sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp, now));
    }

    /// Packets received, late ones and duplicates included.
    pub const fn received(&self) -> u64 {
        self.ended.1 + self.received
    }

    /// Bytes in them, as given.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packets that came after one with a higher number, or again.
    pub const fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Packets that should have come, less those that did. Negative if more came than should.
    pub const fn lost(&self) -> i64 {
        self.expected().wrapping_sub(self.received()).cast_signed()
    }

    /// Jitter in timestamp units.
    pub const fn jitter(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// Jitter as a time.
    pub fn jitter_time(&self) -> Duration {
        let ns = u64::from(self.jitter_16) * 62_500_000 / u64::from(self.rate.max(1));
        Duration::from_nanos(ns)
    }

    /// The block for the next report. What is lost from then on counts for the one after.
    pub fn report(&mut self, now: Instant) -> ReceptionReport {
        let (expected, received) = (self.expected(), self.received());
        let expected_interval = expected.saturating_sub(self.prior.0);
        let lost_interval = expected_interval.saturating_sub(received.saturating_sub(self.prior.1));
        self.prior = (expected, received);
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0);
        let (last_sr, delay_since_last_sr) = match self.sender_report {
            Some((ntp, at)) => {
                let delay = (now.saturating_since(at).as_nanos() << 16) / 1_000_000_000;
                (ntp.compact(), u32::try_from(delay).unwrap_or(u32::MAX))
            }
            None => (0, 0),
        };
        ReceptionReport {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(self.lost().clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0),
            highest_sequence: u32::try_from(self.sequence.highest() & 0xffff_ffff).unwrap_or(0),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr,
        }
    }

    const fn expected(&self) -> u64 {
        self.ended.0 + self.expected_in_series()
    }

    const fn expected_in_series(&self) -> u64 {
        if self.received == 0 { 0 } else { self.sequence.highest() - self.sequence.base() + 1 }
    }

    fn update_jitter(&mut self, arrival: Instant, timestamp: u32) {
        let transit = ticks(u128::from(arrival.as_nanos()), self.rate).wrapping_sub(timestamp);
        if let Some(last) = self.transit {
            // A step of the sender's timestamps gives one huge difference; it is held to a second.
            let d = transit.wrapping_sub(last).cast_signed().unsigned_abs().min(self.rate);
            // J += (|D| - J) / 16, with J kept 16 times as large (A.8).
            self.jitter_16 = self.jitter_16.saturating_add(d).saturating_sub((self.jitter_16 + 8) >> 4);
        }
        self.transit = Some(transit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::new(7, 90_000, SequenceTracker::trusting())
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn losses_and_their_fraction() {
        let mut s = source();
        for (i, n) in [1_u16, 2, 4, 5].into_iter().enumerate() {
            s.receive(at(i as u64 * 40), n, i as u32 * 3600, 100);
        }
        let r = s.report(at(200));
        assert_eq!((r.fraction_lost, r.cumulative_lost, r.highest_sequence), (51, 1, 5));
        // Nothing more: nothing lost since.
        assert_eq!(s.report(at(300)).fraction_lost, 0);
        assert_eq!((s.received(), s.bytes(), s.lost()), (4, 400, 1));
    }

    #[test]
    fn duplicates_make_the_loss_negative() {
        let mut s = source();
        for n in [1_u16, 2, 2, 2] {
            s.receive(at(0), n, 0, 1);
        }
        let r = s.report(at(1));
        assert_eq!((r.fraction_lost, r.cumulative_lost), (0, -2));
        assert_eq!(s.reordered(), 2);
    }

    #[test]
    fn a_steady_source_has_no_jitter() {
        let mut s = source();
        for i in 0..100_u64 {
            s.receive(at(i * 40), i as u16, i as u32 * 3600, 1);
        }
        assert_eq!(s.jitter(), 0);
    }

    #[test]
    fn jitter_nears_the_mean_deviation() {
        let mut s = source();
        // Every other packet 1 ms (90 ticks) late: each difference is 90 ticks.
        for i in 0..400_u64 {
            s.receive(at(i * 40 + i % 2), i as u16, i as u32 * 3600, 1);
        }
        assert!((88..=90).contains(&s.jitter()), "{}", s.jitter());
        let time = s.jitter_time();
        assert!(time > Duration::from_micros(980) && time < Duration::from_micros(1010), "{time:?}");
    }

    #[test]
    fn time_since_the_last_sender_report() {
        let mut s = source();
        s.receive(at(0), 1, 0, 1);
        s.sender_report(at(100), NtpTime(0x1111_2222_3333_4444));
        let r = s.report(at(600));
        assert_eq!((r.last_sr, r.delay_since_last_sr), (0x2222_3333, 0x8000));
    }

    #[test]
    fn a_restart_is_no_loss() {
        let mut s = source();
        for n in [1_u16, 2, 40_000, 40_001, 40_002] {
            s.receive(at(0), n, 0, 1);
        }
        assert_eq!((s.received(), s.lost()), (4, 0));
    }
}
