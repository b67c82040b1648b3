//! The decoder's state, and what it makes of the bytes at the head of a buffer.

use alloc::vec::Vec;
use core::time::Duration;

use machine::Instant;

use super::sums::Sums;
use super::{Bounds, Checksum, Feed, Resync, bounds};
use crate::checksum;
use crate::message::Telemetry;
use crate::packet::{HEADER_LEN, Kind, MARK, OVERHEAD};

/// How a [`Decoder`] works.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DecoderConfig {
    /// Which frames may come.
    pub bounds: Bounds,
    /// What to do with a frame whose checksum is wrong. Default rescan.
    pub resync: Resync,
    /// Whether frames end in a checksum. Default always.
    pub checksum: Checksum,
    /// Whether the stream begins with a frame, as a TCP connection does (default), or anywhere, as a capture.
    pub in_sync: bool,
    /// A frame that is not complete after this long is no frame. Default 1 s (sheet §12).
    pub frame_timeout: Duration,
    /// Out of sync, a frame followed by nothing for this long counts. Default 100 ms.
    pub idle_timeout: Duration,
    /// A request followed by nothing for this long has no checksum ([`Checksum::Optional`]). Default 50 ms (§4.3).
    pub checksum_timeout: Duration,
}

impl DecoderConfig {
    /// The defaults, with these bounds.
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            resync: Resync::Rescan,
            checksum: Checksum::Required,
            in_sync: true,
            frame_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_millis(100),
            checksum_timeout: Duration::from_millis(50),
        }
    }

    /// With another [`resync`](Self::resync).
    #[must_use]
    pub const fn with_resync(self, resync: Resync) -> Self {
        Self { resync, ..self }
    }

    /// With another [`checksum`](Self::checksum).
    #[must_use]
    pub const fn with_checksum(self, checksum: Checksum) -> Self {
        Self { checksum, ..self }
    }

    /// For a stream that is joined in the middle.
    #[must_use]
    pub const fn unsynced(self) -> Self {
        Self { in_sync: false, ..self }
    }
}

/// What a decoder has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whole frames, those of unknown kinds and unexpected lengths included.
    pub frames: u64,
    /// Bytes that were part of no frame.
    pub skipped: u64,
    /// Frames with a wrong checksum.
    pub bad: u64,
    /// Headers that no frame can have.
    pub implausible: u64,
    /// Frames that were right by chance: out of sync, with something else than a frame after them.
    pub false_frames: u64,
    /// Frames that never became whole.
    pub timeouts: u64,
}

/// A decoder of one direction of one connection. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(super) config: DecoderConfig,
    pub(super) stats: Stats,
    pub(super) sync: bool,
    /// Bytes that wait for more, from `held_from` on.
    pub(super) held: Vec<u8>,
    pub(super) held_from: usize,
    /// Where in the stream the next byte is that was not decided on.
    pub(super) offset: u64,
    /// When bytes came last.
    pub(super) last_bytes: Instant,
    /// What the held bytes wait for.
    pub(super) wait: Option<Wait>,
    sums: Sums,
    /// Telemetry may come, with a checksum.
    data_allowed: bool,
}

/// Why the bytes at the head cannot be decided on, and when they will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) why: Why,
    /// Where the head is, so that a head that stays keeps its deadline.
    pub(super) offset: u64,
    pub(super) deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A header, or nothing at all.
    Header,
    /// The rest of the frame.
    Frame,
    /// A checksum that may be lacking; the frame has so many bytes without it.
    Checksum(usize),
    /// What comes after a frame that is out of sync; the frame has so many bytes.
    Lock(usize),
}

/// What to do with the bytes at the head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// At least so many bytes in all are needed to decide.
    Need(usize, Why),
    /// So many bytes belong to no frame.
    Skip(usize, Skipped),
    /// A frame of so many bytes.
    Emit(usize),
    /// A wrong checksum; the frame would have had so many bytes.
    Bad(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    NoMark,
    FalseFrame,
    Timeout,
}

impl Decoder {
    /// A decoder at the start of a stream. Takes no memory until it has to hold something.
    pub const fn new(config: DecoderConfig) -> Self {
        Self {
            sync: config.in_sync,
            config,
            stats: Stats { frames: 0, skipped: 0, bad: 0, implausible: 0, false_frames: 0, timeouts: 0 },
            held: Vec::new(),
            held_from: 0,
            offset: 0,
            last_bytes: Instant::from_nanos(0),
            wait: None,
            sums: Sums::new(),
            data_allowed: config.bounds.allow(Kind::DATA, 9)
                && matches!(config.checksum, Checksum::Required | Checksum::Optional),
        }
    }

    /// Bytes arrived. The events must be taken (until [`Feed::next`] is `None`); what is not taken is lost when the
    /// next bytes are fed.
    #[inline]
    pub fn feed<'a>(&'a mut self, now: Instant, bytes: &'a [u8]) -> Feed<'a> {
        if !bytes.is_empty() {
            self.last_bytes = now;
        }
        Feed::new(self, now, bytes, false)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn timeout(&mut self, now: Instant) -> Feed<'_> {
        Feed::new(self, now, &[], false)
    }

    /// The stream has ended: what only waited for something to follow counts now. Incomplete frames stay in
    /// [`held`](Self::held).
    pub fn end(&mut self, now: Instant) -> Feed<'_> {
        Feed::new(self, now, &[], true)
    }

    /// When [`timeout`](Self::timeout) should be called, if no bytes come before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wait.and_then(|wait| wait.deadline)
    }

    /// How many bytes wait for more.
    pub fn held(&self) -> usize {
        self.held.len() - self.held_from
    }

    /// Whether the last thing seen was a whole frame (or the start of the stream).
    pub fn is_in_sync(&self) -> bool {
        self.sync
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether a whole and right telemetry frame is at the head, in sync: almost all that a stream in order has.
    #[inline]
    pub(super) fn is_data(&self, buf: &[u8]) -> bool {
        let Some(&[a, b, c, d, e, f, g, h, ref tail @ ..]) = buf.first_chunk::<{ Telemetry::FRAME_LEN }>()
        else {
            return false;
        };
        let head = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        head >> 16 == DATA_HEADER
            && self.sync
            && self.data_allowed
            && checksum::fold(head ^ u64::from_be_bytes(*tail)) == 0
    }

    /// Looks at the head of `buf`.
    #[inline]
    pub(super) fn step(&mut self, buf: &[u8]) -> Step {
        let &[p, n, id, ty, high, low, ..] = buf else { return self.short(buf) };
        if [p, n] != MARK {
            return Step::Skip(self.next_candidate(buf, 0), Skipped::NoMark);
        }
        let (kind, len) = (Kind::new(id, ty), u16::from_be_bytes([high, low]));
        if !self.config.bounds.allow(kind, len) {
            self.stats.implausible += 1;
            return Step::Skip(self.next_candidate(buf, MARK.len()), Skipped::NoMark);
        }
        let bare = HEADER_LEN + usize::from(len);
        let total = bare + 1;
        match self.config.checksum {
            Checksum::Required => {}
            Checksum::Optional if is_request(kind, len) => match buf.get(bare) {
                None if buf.len() == bare => return Step::Need(total, Why::Checksum(bare)),
                Some(0) if buf.get(..total).is_some_and(|frame| checksum::xor(frame) != 0) => {
                    return self.lock(buf, bare);
                }
                _ => {}
            },
            Checksum::Optional => {}
            Checksum::Absent if buf.len() < bare => return Step::Need(bare, Why::Frame),
            Checksum::Absent => return self.lock(buf, bare),
        }
        match buf.get(..total) {
            None => Step::Need(total, Why::Frame),
            Some(frame) if self.sum(frame) != 0 => Step::Bad(total),
            Some(_) => self.lock(buf, total),
        }
    }

    /// XOR of the frame at the head.
    #[inline]
    fn sum(&mut self, frame: &[u8]) -> u8 {
        if frame.len() <= SHORT { checksum::xor(frame) } else { self.sums.xor(self.offset, frame) }
    }

    /// The lock rule: out of sync, a frame counts only when a frame or nothing follows.
    #[inline]
    fn lock(&mut self, buf: &[u8], total: usize) -> Step {
        if self.sync {
            return Step::Emit(total);
        }
        match buf.get(total..).unwrap_or_default() {
            [] | [0x00] => Step::Need(total + 2, Why::Lock(total)),
            [0x00, 0xff, ..] => Step::Emit(total),
            _ => Step::Skip(self.next_candidate(buf, MARK.len()), Skipped::FalseFrame),
        }
    }

    /// Bytes before the next place, `from` or later, where a frame may begin. A 00 at the very end may be the first half
    /// of a mark, and a mark less than a header from the end is not judged yet. No mark begins inside another.
    pub(super) fn next_candidate(&mut self, buf: &[u8], mut from: usize) -> usize {
        loop {
            let rest = buf.get(from..).unwrap_or_default();
            let Some(at) = rest.windows(2).position(|pair| pair == MARK) else {
                return from + rest.len() - usize::from(rest.last() == Some(&0x00));
            };
            match rest.get(at..) {
                Some(&[_, _, id, ty, high, low, ..])
                    if !self.config.bounds.allow(Kind::new(id, ty), u16::from_be_bytes([high, low])) =>
                {
                    self.stats.implausible += 1;
                    from += at + MARK.len();
                }
                _ => return from + at,
            }
        }
    }

    /// Fewer bytes than a header has.
    #[cold]
    fn short(&mut self, buf: &[u8]) -> Step {
        match buf {
            [] | [0x00] | [0x00, 0xff, ..] => Step::Need(HEADER_LEN, Why::Header),
            _ => Step::Skip(self.next_candidate(buf, 0), Skipped::NoMark),
        }
    }

    /// When waiting for `why` is over.
    pub(super) fn deadline(&self, why: Why) -> Option<Instant> {
        match why {
            Why::Header => None,
            Why::Frame => Some(self.last_bytes + self.config.frame_timeout),
            Why::Checksum(_) => Some(self.last_bytes + self.config.checksum_timeout),
            Why::Lock(_) => Some(self.last_bytes + self.config.idle_timeout),
        }
    }
}

/// Whether it is a settings request as the original's clients send it.
fn is_request(kind: Kind, len: u16) -> bool {
    kind == Kind::SETTINGS_REQUEST && bounds::known(kind, len.into()) == Some(true)
}

/// The first six bytes of telemetry.
const DATA_HEADER: u64 = 0x00ff_0100_0009;
/// Frames up to so many bytes are summed one by one.
const SHORT: usize = 128;

const _: () = assert!(OVERHEAD == HEADER_LEN + 1);
