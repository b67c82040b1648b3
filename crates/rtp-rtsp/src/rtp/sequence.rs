//! Sequence numbers beyond 16 bits (RFC 3550 A.1).

/// What a packet's sequence number says about it. Extended numbers count from the first packet's own number on,
/// `cycles << 16 | sequence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The source is not taken for real yet: two packets in order are needed.
    Probation,
    /// In order, or ahead of packets that are missing.
    New {
        /// Its extended number.
        extended: u64,
        /// How many numbers were skipped before it; 0 in order.
        missing: u16,
    },
    /// Behind the highest by at most 100: late, or a duplicate.
    Late {
        /// Its extended number.
        extended: u64,
    },
    /// So far from the rest that it is left alone; if the next one follows it, the source has started over.
    Jump,
    /// The source has started over (its sender was restarted): this packet is the first of a new series.
    Restart {
        /// Its extended number.
        extended: u64,
    },
}

impl Arrival {
    /// The extended number; `None` for what is not to be used.
    pub const fn extended(self) -> Option<u64> {
        match self {
            Self::New { extended, .. } | Self::Late { extended } | Self::Restart { extended } => {
                Some(extended)
            }
            Self::Probation | Self::Jump => None,
        }
    }
}

/// Follows the sequence numbers of one source.
#[derive(Clone, Copy, Debug)]
pub struct SequenceTracker {
    max: u16,
    cycles: u64,
    /// The first number of the present series, extended.
    base: u64,
    /// Where a series would go on that began elsewhere.
    bad: Option<u16>,
    probation: u8,
    started: bool,
}

impl SequenceTracker {
    /// A tracker that takes a source for real at its second packet in order (`MIN_SEQUENTIAL`).
    pub const fn new() -> Self {
        Self::with_probation(MIN_SEQUENTIAL)
    }

    /// One that takes the first packet for real: where the sender is known, as it is after an RTSP SETUP.
    pub const fn trusting() -> Self {
        Self::with_probation(1)
    }

    const fn with_probation(probation: u8) -> Self {
        Self { max: 0, cycles: 0, base: 0, bad: None, probation, started: false }
    }

    /// Whether the source was taken for real.
    pub const fn is_valid(&self) -> bool {
        self.started && self.probation == 0
    }

    /// The highest extended number so far.
    pub const fn highest(&self) -> u64 {
        self.cycles + self.max as u64
    }

    /// The first extended number of the present series.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Takes the next packet's number.
    pub fn update(&mut self, sequence: u16) -> Arrival {
        let delta = sequence.wrapping_sub(self.max);
        if !self.started || self.probation > 0 {
            // `max` is the one before the expected one.
            let in_order = !self.started || delta == 1;
            self.started = true;
            self.max = sequence;
            if !in_order {
                self.probation = MIN_SEQUENTIAL;
            }
            self.probation = self.probation.saturating_sub(1);
            if self.probation > 0 {
                return Arrival::Probation;
            }
            self.base = self.highest();
            return Arrival::New { extended: self.base, missing: 0 };
        }
        if delta > 0 && delta < MAX_DROPOUT {
            if sequence < self.max {
                self.cycles += 1 << 16;
            }
            self.max = sequence;
            self.bad = None;
            return Arrival::New { extended: self.highest(), missing: delta - 1 };
        }
        let behind = self.max.wrapping_sub(sequence);
        if behind <= MAX_MISORDER {
            return match self.highest().checked_sub(u64::from(behind)) {
                Some(extended) if extended >= self.base => Arrival::Late { extended },
                // From before the start.
                _ => Arrival::Jump,
            };
        }
        if self.bad == Some(sequence) {
            // Two in a row: the sender was restarted. A later cycle, so that extended numbers never go back.
            self.cycles += 1 << 16;
            self.max = sequence;
            self.bad = None;
            self.base = self.highest();
            return Arrival::Restart { extended: self.base };
        }
        self.bad = Some(sequence.wrapping_add(1));
        Arrival::Jump
    }
}

impl Default for SequenceTracker {
    fn default() -> Self {
        Self::new()
    }
}

/// A step forward of this many numbers or more is no loss but a jump.
const MAX_DROPOUT: u16 = 3000;
/// A packet this far behind may still be a late one.
const MAX_MISORDER: u16 = 100;
/// Packets in order before a source is taken for real.
const MIN_SEQUENTIAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn updates(tracker: &mut SequenceTracker, numbers: &[u16]) -> Vec<Arrival> {
        numbers.iter().map(|n| tracker.update(*n)).collect()
    }

    #[test]
    fn probation_needs_two_in_order() {
        let mut t = SequenceTracker::new();
        let said = updates(&mut t, &[5, 9, 10]);
        assert_eq!(said, [Arrival::Probation, Arrival::Probation, Arrival::New { extended: 10, missing: 0 }]);
        assert_eq!(t.base(), 10);
    }

    #[test]
    fn the_wrap_counts_on() {
        let mut t = SequenceTracker::trusting();
        let said = updates(&mut t, &[65_534, 65_535, 1, 0, 2]);
        let expected = [
            Arrival::New { extended: 65_534, missing: 0 },
            Arrival::New { extended: 65_535, missing: 0 },
            Arrival::New { extended: 65_537, missing: 1 },
            Arrival::Late { extended: 65_536 },
            Arrival::New { extended: 65_538, missing: 0 },
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn late_over_the_wrap() {
        let mut t = SequenceTracker::trusting();
        updates(&mut t, &[65_530, 65_535, 3]);
        assert_eq!(t.update(65_534), Arrival::Late { extended: 65_534 });
        assert_eq!(t.update(3), Arrival::Late { extended: 65_539 });
    }

    #[test]
    fn nothing_before_the_first_packet() {
        let mut t = SequenceTracker::trusting();
        assert_eq!(updates(&mut t, &[10, 9])[1], Arrival::Jump);
    }

    #[test]
    fn a_restarted_sender_is_followed_at_its_second_packet() {
        let mut t = SequenceTracker::trusting();
        updates(&mut t, &[100, 101]);
        assert_eq!(
            updates(&mut t, &[30_000, 30_001]),
            [Arrival::Jump, Arrival::Restart { extended: 0x1_7531 }]
        );
        assert_eq!(updates(&mut t, &[7, 8]), [Arrival::Jump, Arrival::Restart { extended: 0x2_0008 }]);
    }

    #[test]
    fn a_stray_packet_changes_nothing() {
        let mut t = SequenceTracker::trusting();
        updates(&mut t, &[100, 40_000]);
        assert_eq!(t.update(101), Arrival::New { extended: 101, missing: 0 });
        assert_eq!(t.update(40_001), Arrival::Jump);
    }
}
