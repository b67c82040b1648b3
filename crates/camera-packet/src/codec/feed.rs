//! Taking the events of one slice.

use core::mem;

use machine::Instant;

use super::decoder::{Skipped, Step, Wait, Why};
use super::{Checksum, Decoder, Event, Resync, bounds};
use crate::message::Telemetry;
use crate::packet::{Frame, HEADER_LEN, Kind, MARK};

/// The events of bytes that were fed. Frames borrow from the slice or from the decoder.
#[derive(Debug)]
pub struct Feed<'a> {
    decoder: &'a mut Decoder,
    now: Instant,
    /// All that was fed.
    input: &'a [u8],
    /// How much of it is decided on or copied to the decoder.
    taken: usize,
    /// How much of what the decoder holds is from `input`.
    copied: usize,
    ended: bool,
}

impl<'a> Feed<'a> {
    #[inline]
    pub(super) fn new(decoder: &'a mut Decoder, now: Instant, input: &'a [u8], ended: bool) -> Self {
        Self { decoder, now, input, taken: 0, copied: 0, ended }
    }

    /// The decoder's counters as of the last event.
    pub fn stats(&self) -> super::Stats {
        self.decoder.stats
    }

    /// The next event; `None` when the bytes are used up, and the rest is held for later.
    #[expect(
        clippy::should_implement_trait,
        reason = "the event borrows from the feed; iterators cannot lend"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Event<'_>> {
        if self.decoder.held.is_empty() {
            let buf = self.input.get(self.taken..).unwrap_or_default();
            // The whole path of a telemetry stream in order.
            if self.decoder.is_data(buf) {
                self.taken += Telemetry::FRAME_LEN;
                let offset = count(self.decoder, Telemetry::FRAME_LEN);
                let payload = buf.get(HEADER_LEN..Telemetry::FRAME_LEN - 1).unwrap_or_default();
                return Some(Event::Frame(Frame { kind: Kind::DATA, payload, offset }));
            }
            if buf.is_empty() && !self.ended {
                self.decoder.wait = None;
                return None;
            }
        }
        self.next_slow()
    }

    #[inline(never)]
    fn next_slow(&mut self) -> Option<Event<'_>> {
        if self.taken == 0 && !self.decoder.held.is_empty() {
            // What is held waits for more: that is known without looking.
            self.take_more(self.decoder.held() + 1);
        }
        loop {
            self.leave_held();
            let step = if self.decoder.held.is_empty() {
                self.decoder.step(self.input.get(self.taken..).unwrap_or_default())
            } else {
                let held = mem::take(&mut self.decoder.held);
                let step = self.decoder.step(held.get(self.decoder.held_from..).unwrap_or_default());
                self.decoder.held = held;
                step
            };
            let step = match step {
                Step::Need(needed, _) if self.take_more(needed) => continue,
                Step::Need(_, why) => self.wait(why)?,
                step => step,
            };
            match step {
                Step::Need(..) => return None,
                Step::Skip(n, why) => {
                    self.skip(n);
                    let stats = &mut self.decoder.stats;
                    match why {
                        Skipped::NoMark => {}
                        Skipped::FalseFrame => stats.false_frames += 1,
                        Skipped::Timeout => stats.timeouts += 1,
                    }
                }
                Step::Bad(total) => {
                    let event = self.bad(total);
                    return Some(event);
                }
                Step::Emit(total) => {
                    let holding = !self.decoder.held.is_empty();
                    let from = if holding { self.decoder.held_from } else { self.taken };
                    self.advance(total);
                    self.decoder.wait = None;
                    if !holding {
                        let buf = self.input.get(from..).unwrap_or_default();
                        return Some(emit(self.decoder, buf, total));
                    }
                    let counted = count(self.decoder, total);
                    let buf = self.decoder.held.get(from..).unwrap_or_default();
                    return Some(event(self.decoder.config.checksum, buf, total, counted));
                }
            }
        }
    }

    /// Copies what is needed to decide to the decoder, and some more, so that it is not called for every few bytes of a
    /// stream in which heads follow closely; false if there is nothing left.
    fn take_more(&mut self, needed: usize) -> bool {
        let rest = self.input.get(self.taken..).unwrap_or_default();
        let take = needed.saturating_sub(self.decoder.held()).max(AT_ONCE).min(rest.len());
        self.decoder.held.extend_from_slice(rest.get(..take).unwrap_or_default());
        self.taken += take;
        self.copied += take;
        take > 0
    }

    /// There are no more bytes. Says what to do if the time has come, or notes when it will.
    fn wait(&mut self, why: Why) -> Option<Step> {
        let decoder = &mut *self.decoder;
        if decoder.held() == 0 {
            decoder.wait = None;
            return None;
        }
        let deadline = match decoder.wait {
            // A head that stays keeps its deadline, but each byte that comes starts the wait for silence anew.
            Some(wait) if wait.offset == decoder.offset && wait.why == why && why == Why::Frame => {
                wait.deadline
            }
            _ => decoder.deadline(why),
        };
        decoder.wait = Some(Wait { why, offset: decoder.offset, deadline });
        let due = deadline.is_some_and(|deadline| self.now >= deadline);
        match why {
            Why::Lock(total) | Why::Checksum(total) if due || self.ended => Some(Step::Emit(total)),
            Why::Frame if due => Some(Step::Skip(1, Skipped::Timeout)),
            _ => None,
        }
    }

    fn bad(&mut self, total: usize) -> Event<'static> {
        let held = mem::take(&mut self.decoder.held);
        let buf =
            if held.is_empty() { self.input.get(self.taken..) } else { held.get(self.decoder.held_from..) };
        let buf = buf.unwrap_or_default();
        let (kind, len) = header(buf);
        let event = Event::BadChecksum { offset: self.decoder.offset, kind, len };
        let skipped = match self.decoder.config.resync {
            // One byte, and what cannot begin a frame after it: the other half of the mark.
            Resync::Rescan => self.decoder.next_candidate(buf, MARK.len()),
            Resync::Discard => total,
        };
        self.decoder.held = held;
        self.decoder.stats.bad += 1;
        self.skip(skipped);
        event
    }

    fn skip(&mut self, n: usize) {
        self.advance(n);
        self.decoder.offset += n as u64;
        self.decoder.stats.skipped += n as u64;
        self.decoder.sync = false;
        self.decoder.wait = None;
    }

    fn advance(&mut self, n: usize) {
        if self.decoder.held.is_empty() {
            self.taken += n;
        } else {
            self.decoder.held_from += n;
        }
    }

    /// Goes back to the slice itself as soon as something was decided and all that is still held was copied from it.
    fn leave_held(&mut self) {
        let held = self.decoder.held();
        if self.decoder.held_from > 0 && held <= self.copied {
            self.taken -= held;
            self.copied = 0;
            self.decoder.held.clear();
            self.decoder.held_from = 0;
        } else if self.decoder.held_from > super::MAX_HELD {
            self.decoder.held.drain(..self.decoder.held_from);
            self.decoder.held_from = 0;
        }
    }
}

/// So many bytes are copied at least, if there are so many.
const AT_ONCE: usize = 64;

/// A frame of `total` bytes at the head of `buf`, counted.
#[inline]
fn emit<'b>(decoder: &mut Decoder, buf: &'b [u8], total: usize) -> Event<'b> {
    let offset = count(decoder, total);
    event(decoder.config.checksum, buf, total, offset)
}

/// Counts a frame; returns where it began.
#[inline]
fn count(decoder: &mut Decoder, total: usize) -> u64 {
    let offset = decoder.offset;
    decoder.offset += total as u64;
    decoder.stats.frames += 1;
    decoder.sync = true;
    offset
}

#[inline]
fn event(checksum: Checksum, buf: &[u8], total: usize, offset: u64) -> Event<'_> {
    let (kind, len) = header(buf);
    let len = usize::from(len);
    debug_assert!(total == HEADER_LEN + len + 1 || checksum != Checksum::Required);
    let payload = buf.get(HEADER_LEN..HEADER_LEN + len).unwrap_or_default();
    let frame = Frame { kind, payload, offset };
    match bounds::known(kind, len) {
        Some(true) => Event::Frame(frame),
        Some(false) => Event::UnexpectedLength(frame),
        None => Event::Unknown(frame),
    }
}

#[inline]
fn header(buf: &[u8]) -> (Kind, u16) {
    match buf {
        &[_, _, id, ty, high, low, ..] => (Kind::new(id, ty), u16::from_be_bytes([high, low])),
        _ => (Kind::new(0, 0), 0), // a step is taken on a whole header only
    }
}
