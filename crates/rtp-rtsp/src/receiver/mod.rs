//! The receiving side of one stream: from datagrams to frames, with statistics and receiver reports.
//!
//! ```text
//! RTP ──▶ source (sequence, jitter, loss) ──▶ reorder buffer ──▶ depacketizer ──▶ frames
//! RTCP ─▶ sender reports: wall-clock time of timestamps; BYE          └─▶ receiver reports
//! ```
//!
//! Not a machine: it is the part of one that does not care how packets come, over UDP or interleaved.

mod config;
mod random;

use alloc::collections::VecDeque;

use bytes::Bytes;
use machine::Instant;

pub use config::Config;
use random::Random;

use crate::lab;
use crate::media::{Depacketizer, Frame};
use crate::rtcp::{self, Compound};
use crate::rtp::{
    Arrival, Offer, Packet, ReceiveClock, Released, ReorderBuffer, SequenceTracker, Source, TimestampExtender,
};

/// Something that came of packets, or is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A frame is whole.
    Frame(ReceivedFrame),
    /// RTCP to be sent to the sender: a receiver report.
    Send(Bytes),
    /// The sender has left: the end of a file, say.
    Bye,
}

/// A frame and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// The frame.
    pub frame: Frame,
    /// Its timestamp, unwrapped (see [`TimestampExtender`]); only differences mean anything.
    pub timestamp: u64,
    /// When it was sampled by the sender's wall clock, in nanoseconds since 1970; `None` before the first sender
    /// report.
    pub unix_ns: Option<i64>,
    /// When its last packet was used.
    pub completed: Instant,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// RTP packets of the source, late ones and duplicates included.
    pub packets: u64,
    /// Bytes in them, headers included.
    pub bytes: u64,
    /// Frames given.
    pub frames: u64,
    /// Frames of which a part was missing: given as damaged, or given up.
    pub incomplete_frames: u64,
    /// Packets that did not come, by their sequence numbers; negative if more came than were sent.
    pub lost: i64,
    /// Packets that came after one with a higher number, or again.
    pub reordered: u64,
    /// Interarrival jitter in nanoseconds.
    pub jitter_ns: u64,
    /// Datagrams that are no RTP packet of this stream, or whose payload was refused.
    pub refused: u64,
    /// Sender reports heard.
    pub sender_reports: u64,
}

/// The receiving side of one stream.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    source: Option<Source>,
    last_packet: Instant,
    buffer: ReorderBuffer,
    depacketizer: Option<Depacketizer>,
    lab: Option<lab::Depacketizer>,
    clock: ReceiveClock,
    timestamps: TimestampExtender,
    random: Random,
    next_report: Option<Instant>,
    reported: bool,
    statistics: Statistics,
    events: VecDeque<Event>,
}

impl Receiver {
    /// A receiver that has heard nothing.
    pub fn new(config: Config) -> Self {
        let mut depacketizer = Depacketizer::new(config.codec, config.max_frame);
        if let (Some(d), Some((width, height))) = (&mut depacketizer, config.dimensions) {
            d.set_dimensions(width, height);
        }
        Self {
            source: None,
            last_packet: Instant::default(),
            buffer: ReorderBuffer::new(config.reorder),
            lab: config.lab.then(|| lab::Depacketizer::new(config.max_frame)),
            depacketizer,
            clock: ReceiveClock::new(config.clock_rate),
            timestamps: TimestampExtender::new(),
            random: Random::new(config.seed),
            next_report: None,
            reported: false,
            statistics: Statistics::default(),
            events: VecDeque::new(),
            config,
        }
    }

    /// Takes an RTP packet that arrived at `now`.
    pub fn rtp(&mut self, now: Instant, data: &[u8]) {
        let Ok(packet) = Packet::parse(data) else {
            self.statistics.refused += 1;
            return;
        };
        if self.config.payload_type.is_some_and(|t| t != packet.header.payload_type) {
            self.statistics.refused += 1;
            return;
        }
        if self.lab.is_some() {
            return self.lab_packet(now, &packet, data.len());
        }
        let Some(arrival) = self.arrival(now, &packet, data.len()) else { return };
        if let Arrival::Restart { .. } = arrival {
            self.restart(now);
        }
        let Some(extended) = arrival.extended() else { return };
        match self.buffer.offer(extended) {
            Offer::Next => self.deliver(now, &packet),
            Offer::Hold => {
                self.buffer.hold(extended, now, Bytes::copy_from_slice(data));
                self.drain(now);
            }
            Offer::Stale => {}
        }
    }

    /// Takes an RTCP datagram that arrived at `now`.
    pub fn rtcp(&mut self, now: Instant, data: &[u8]) {
        let Ok(compound) = Compound::parse(data) else {
            self.statistics.refused += 1;
            return;
        };
        for packet in compound.iter() {
            match packet {
                rtcp::Packet::SenderReport { ssrc, info, .. } => {
                    // The first report may come before the first packet (ffmpeg sends it so).
                    if self.source.as_ref().is_some_and(|s| s.ssrc() != ssrc) {
                        continue;
                    }
                    self.statistics.sender_reports += 1;
                    self.clock.report(info.ntp, info.timestamp);
                    if let Some(source) = &mut self.source {
                        source.sender_report(now, info.ntp);
                    }
                }
                rtcp::Packet::Bye { sources, .. } => {
                    let ours = self.source.as_ref().map(Source::ssrc);
                    if sources.iter().any(|s| Some(s) == ours) {
                        self.finish(now);
                        self.events.push_back(Event::Bye);
                    }
                }
                _ => {}
            }
        }
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.drain(now);
        if self.next_report.is_some_and(|t| t <= now) {
            self.report(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.buffer.poll_timeout(), self.next_report].into_iter().flatten().min()
    }

    /// The next event.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The end of the stream: gives what is still held, with its gaps.
    pub fn finish(&mut self, now: Instant) {
        self.drain_all(now);
        let last = self.depacketizer.as_mut().and_then(Depacketizer::flush);
        self.frame(now, last);
    }

    /// A pause begins or ends: what is held is of no use any more, and the next packet may have any number.
    pub fn reset(&mut self, now: Instant) {
        self.finish(now);
        self.buffer.reset();
    }

    /// What was counted.
    pub fn statistics(&self) -> Statistics {
        let mut s = self.statistics;
        if let Some(source) = &self.source {
            s.packets += source.received();
            s.bytes += source.bytes();
            s.lost += source.lost();
            s.reordered += source.reordered();
            s.jitter_ns = u64::try_from(source.jitter_time().as_nanos()).unwrap_or(u64::MAX);
        }
        s
    }

    /// The sender's identifier, once it was heard of.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(Source::ssrc)
    }

    /// The sender's wall clock, as its reports have it.
    pub const fn clock(&self) -> &ReceiveClock {
        &self.clock
    }

    /// Counts a packet of the source; `None` if it is of another.
    fn arrival(&mut self, now: Instant, packet: &Packet<'_>, bytes: usize) -> Option<Arrival> {
        let ssrc = packet.header.ssrc;
        let other = self.source.as_ref().is_some_and(|s| s.ssrc() != ssrc);
        if other && now.saturating_since(self.last_packet) < SILENCE
            || self.source.is_none() && self.config.ssrc.is_some_and(|wanted| wanted != ssrc)
        {
            self.statistics.refused += 1;
            return None;
        }
        if other {
            // The sender came back as another.
            self.restart(now);
            self.statistics = Statistics { jitter_ns: 0, ..self.statistics() };
            self.source = None;
        }
        self.last_packet = now;
        let rate = self.config.clock_rate;
        let tracker = SequenceTracker::trusting();
        let source = self.source.get_or_insert_with(|| Source::new(ssrc, rate, tracker));
        let arrival = source.receive(now, packet.header.sequence, packet.header.timestamp, bytes);
        if self.next_report.is_none() && self.config.reports {
            self.schedule_report(now);
        }
        Some(arrival)
    }

    fn restart(&mut self, now: Instant) {
        self.drain_all(now);
        self.buffer.reset();
        if let Some(d) = &mut self.depacketizer {
            d.lost();
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(released) = self.buffer.poll(now) {
            self.released(now, released);
        }
    }

    fn drain_all(&mut self, now: Instant) {
        while let Some(t) = self.buffer.poll_timeout() {
            // The time at which nothing is waited for any more.
            while let Some(released) = self.buffer.poll(t.max(now)) {
                self.released(now, released);
            }
        }
    }

    fn released(&mut self, now: Instant, released: Released) {
        match released {
            Released::Packet { data, .. } => {
                if let Ok(packet) = Packet::parse(&data) {
                    self.deliver(now, &packet);
                }
            }
            Released::Lost { .. } => {
                if let Some(d) = &mut self.depacketizer {
                    d.lost();
                }
            }
        }
    }

    fn deliver(&mut self, now: Instant, packet: &Packet<'_>) {
        let Some(d) = &mut self.depacketizer else { return };
        let given_up = d.given_up();
        let frame = d.push(packet).unwrap_or_else(|_| {
            self.statistics.refused += 1;
            None
        });
        self.statistics.incomplete_frames += d.given_up() - given_up;
        self.frame(now, frame);
    }

    fn lab_packet(&mut self, now: Instant, packet: &Packet<'_>, bytes: usize) {
        let Some(lab) = &mut self.lab else { return };
        self.statistics.packets += 1;
        self.statistics.bytes += u64::try_from(bytes).unwrap_or(0);
        let given_up = lab.given_up();
        let received = lab.push(packet);
        self.statistics.incomplete_frames += lab.given_up() - given_up;
        match received {
            lab::Received::Frame(data) => {
                let timestamp = packet.header.timestamp;
                self.frame(now, Some(Frame { data, timestamp, key: true, damaged: false }));
            }
            lab::Received::End => self.events.push_back(Event::Bye),
            lab::Received::Part | lab::Received::GivenUp => {}
        }
    }

    fn frame(&mut self, now: Instant, frame: Option<Frame>) {
        let Some(frame) = frame else { return };
        self.statistics.frames += 1;
        self.statistics.incomplete_frames += u64::from(frame.damaged);
        let timestamp = self.timestamps.extend(frame.timestamp);
        let unix_ns = self.clock.unix_ns(frame.timestamp);
        self.events.push_back(Event::Frame(ReceivedFrame { frame, timestamp, unix_ns, completed: now }));
    }

    fn report(&mut self, now: Instant) {
        let Some(source) = &mut self.source else {
            self.next_report = None;
            return;
        };
        let mut writer = rtcp::Writer::default();
        writer.receiver_report(self.config.own_ssrc, &[source.report(now)]);
        writer.source_description(self.config.own_ssrc, &[(rtcp::sdes::CNAME, &self.config.cname)]);
        self.events.push_back(Event::Send(writer.finish()));
        self.reported = true;
        self.schedule_report(now);
    }

    fn schedule_report(&mut self, now: Instant) {
        let interval = rtcp::Interval {
            members: 2,
            senders: 1,
            session_bytes_per_second: 0,
            we_send: false,
            average_bytes: 100,
            initial: !self.reported,
        };
        self.next_report = Some(now + interval.next(self.random.next_u32()));
    }
}

/// Another source is followed when the one before was silent for this long.
const SILENCE: core::time::Duration = core::time::Duration::from_secs(1);
