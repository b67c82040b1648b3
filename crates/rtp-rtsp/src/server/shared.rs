//! What readers at the same place of a file have in common.
//!
//! Who begins at the same frame within the time of one frame gets the same numbers (source, sequence numbers, timestamps),
//! as all readers of a live mount do. Then a frame is the same packets for all of them, made once, as long as they
//! stay together; one that pauses goes on with these numbers at its own time.

use alloc::vec::Vec;

use machine::Instant;

use super::file::{Clip, Wish};
use super::mount::Framed;
use crate::media::Packets;
use crate::rtp::Outgoing;

/// So many places in a file can be in use in turns at one instant before a frame is made twice.
const KEPT: usize = 8;

/// What one file's readers share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Who began last: when by the grid of frames, with what, and with which numbers and timestamp.
    begun: Option<(Instant, Wish, Outgoing, u32)>,
    /// Frames of one instant, kept until one is made at another.
    made: Vec<Made>,
    made_at: Instant,
    /// The place of the next one, round and round.
    next: usize,
}

/// A frame in packets.
#[derive(Debug)]
pub(super) struct Made {
    frame: u32,
    timestamp: u32,
    before: Outgoing,
    after: Outgoing,
    pub(super) packets: Packets,
    pub(super) framed: Framed,
}

impl Shared {
    /// Numbers and timestamp for somebody who begins: those of who began in the same way at the same time, or `new` ones.
    pub(super) fn begin(
        &mut self,
        started: Instant,
        wish: Wish,
        new: impl FnOnce() -> (Outgoing, u32),
    ) -> (Outgoing, u32) {
        match self.begun {
            Some((at, as_wished, numbers, timestamp)) if (at, as_wished) == (started, wish) => {
                (numbers, timestamp)
            }
            _ => {
                let (numbers, timestamp) = new();
                self.begun = Some((started, wish, numbers, timestamp));
                (numbers, timestamp)
            }
        }
    }

    /// A frame with this timestamp and these numbers, which go on behind it. `None` if there is no such frame.
    pub(super) fn packets(
        &mut self,
        now: Instant,
        clip: &dyn Clip,
        frame: u32,
        timestamp: u32,
        numbers: &mut Outgoing,
    ) -> Option<&mut Made> {
        let before = *numbers;
        let alike = |m: &Made| (m.frame, m.timestamp, m.before) == (frame, timestamp, before);
        let place = match self.made.iter().position(alike) {
            Some(place) => place,
            None => {
                let packets = clip.packets(frame, timestamp, numbers)?;
                if self.made_at != now {
                    self.made.clear();
                    (self.made_at, self.next) = (now, 0);
                }
                let framed = Framed::default();
                let made = Made { frame, timestamp, before, after: *numbers, packets, framed };
                let place = self.next;
                self.next = (place + 1) % KEPT;
                match self.made.get_mut(place) {
                    Some(oldest) => *oldest = made,
                    None => self.made.push(made),
                }
                place
            }
        };
        let made = self.made.get_mut(place)?;
        *numbers = made.after;
        Some(made)
    }
}
