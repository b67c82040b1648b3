//! Files: each reader has a place of its own in them. Those at the same place [share](super::shared) what is sent.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::time::Duration;

use bytes::Bytes;
use chacha20::rand_core::Rng;
use machine::{ConnId, Datagram, Instant, Keep, Output, Payload};

use super::event::MountKind;
use super::fanout::{REPORT_NS, sender_report};
use super::lab;
use super::mount::{Carrier, PlayReply};
use super::session::{State, rtcp_output};
use super::shared::Made;
use super::timers::Timer;
use super::{Event, MemoryClip, MountId, Server, SessionKey};
use crate::codec::Item;
use crate::media::Packets;
use crate::message::Request;
use crate::rtp::{DEFAULT_MAX_PACKET, Outgoing};
use crate::rtsp::StatusCode;
use crate::rtsp::headers::{Npt, Range, RtpInfo, RtpInfoEntry, Scale};
use crate::sdp::Media;

/// A file without readers is kept for this long.
const UNUSED: Duration = Duration::from_secs(10);
/// Fastest winding, in thousandths.
const MAX_SCALE: i64 = 32_000;

/// A file that can be played: its frames, and how they become packets.
pub trait Clip: Debug + Send + Sync {
    /// Its description.
    fn media(&self) -> Media;
    /// How many frames there are, at least 1.
    fn frames(&self) -> u32;
    /// Frames a second as a fraction, neither part 0.
    fn rate(&self) -> (u32, u32);
    /// Whether a decoder can begin with this frame.
    fn is_key(&self, frame: u32) -> bool;
    /// The packets of a frame, always the same for the same arguments; `None` if there is no such frame.
    fn packets(&self, frame: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets>;
    /// The picture as a JPEG file, where it is one.
    fn jpeg(&self, frame: u32) -> Option<Bytes>;
    /// Itself, if it is a file in memory: what a recording of the server can keep.
    fn in_memory(&self) -> Option<&MemoryClip> {
        None
    }
}

/// Why a path is no file that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRefusal {
    /// There is none: 404.
    Missing,
    /// Its pictures cannot be carried: 415.
    Unsupported,
    /// It cannot be read now: 503.
    Failed,
}

impl FileRefusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA,
            Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A file that the program was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Who waits for it.
    conns: Vec<ConnId>,
    /// When the program was asked last.
    asked: Instant,
}

/// Where one reader is in its file.
#[derive(Debug)]
pub(super) struct FilePlay {
    numbers: Outgoing,
    /// Frames from `first` on, in thousandths of a frame for each tick: 1000 is as it was made.
    scale: i64,
    first: u32,
    /// The frame after the last one to be played.
    end: u32,
    /// When tick 0 was, and its timestamp.
    started: Instant,
    timestamp: u32,
    /// The next tick.
    tick: u64,
    /// The frame played last, to go on after it.
    played: Option<u32>,
    packets: u64,
    octets: u32,
    reported: Option<Instant>,
}

impl FilePlay {
    pub(super) const fn ssrc(&self) -> u32 {
        self.numbers.ssrc
    }

    /// The frame for the present tick; `None`: the end.
    fn frame(&self) -> Option<u32> {
        let ticks = i64::try_from(self.tick).ok()?;
        let moved = ticks.checked_mul(self.scale)?.div_euclid(1000);
        let frame = u32::try_from(i64::from(self.first).checked_add(moved)?).ok()?;
        (frame < self.end).then_some(frame)
    }

    fn timestamp_of(&self, tick: u64, (num, den): (u32, u32), clock_rate: u32) -> u32 {
        let ticks = u128::from(tick) * u128::from(den) * u128::from(clock_rate) / u128::from(num.max(1));
        // Timestamps wrap.
        let [.., a, b, c, d] = ticks.to_be_bytes();
        self.timestamp.wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }

    fn due(&self, tick: u64, rate: (u32, u32)) -> Instant {
        self.started + span(tick, rate)
    }
}

/// What a client wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    first: u32,
    end: u32,
    scale: i64,
}

impl Server {
    /// Answers [`Event::FileWanted`].
    pub fn offer_file(&mut self, now: Instant, path: &str, clip: Result<Arc<dyn Clip>, FileRefusal>) {
        let Some(Wanted { conns, .. }) = self.wanted.remove(path) else { return };
        let files = self.mounts.values().filter(|m| m.kind == MountKind::File).count();
        let found = match clip {
            Ok(_) if files >= self.config.max_files.into() => Err(FileRefusal::Failed),
            Ok(clip) => match self.add_mount(path, MountKind::File, path, alloc::vec![clip.media()]) {
                Ok(id) => {
                    if let Some(mount) = self.mounts.get_mut(&id) {
                        mount.clip = Some(clip);
                    }
                    self.mark_unused(now, id);
                    Ok(())
                }
                Err(_) => Err(FileRefusal::Unsupported),
            },
            Err(refusal) => Err(refusal),
        };
        for conn in conns {
            let Some(c) = self.conns.get_mut(&conn) else { continue };
            c.waits = false;
            match (found, c.request.take()) {
                (Ok(()), Some(item)) => self.answer(now, conn, item),
                (Err(refusal), Some(item)) => self.refuse_file(conn, &item, refusal.status()),
                (_, None) => {}
            }
            if self.conns.get(&conn).is_some_and(|c| !c.waits) {
                self.go_on(now, conn);
            }
        }
    }

    /// Asks the program for a file, unless it was asked a short while ago and may still answer.
    pub(super) fn want_file(&mut self, now: Instant, conn: ConnId, path: &str) {
        let patience = self.config.head_timeout;
        let unanswered = |wanted: &Wanted| now.saturating_since(wanted.asked) >= patience;
        // What nobody waits for and nobody answers is forgotten.
        self.wanted.retain(|_, wanted| !wanted.conns.is_empty() || !unanswered(wanted));
        let known = self.wanted.get(path).is_some_and(|wanted| !unanswered(wanted));
        let new = || Wanted { conns: Vec::new(), asked: now };
        let wanted = self.wanted.entry(path.to_string()).or_insert_with(new);
        wanted.conns.push(conn);
        if !known {
            wanted.asked = now;
            self.event(Event::FileWanted { path: path.to_string() });
        }
    }

    /// A connection waits no more.
    pub(super) fn want_no_more(&mut self, conn: ConnId) {
        for wanted in self.wanted.values_mut() {
            wanted.conns.retain(|other| *other != conn);
        }
    }

    /// The program does not answer.
    pub(super) fn give_up_file(&mut self, now: Instant, conn: ConnId) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        let Some(item) = c.request.take() else { return };
        self.want_no_more(conn);
        self.refuse_file(conn, &item, StatusCode::SERVICE_UNAVAILABLE);
        self.go_on(now, conn);
    }

    fn refuse_file(&mut self, conn: ConnId, item: &Item, status: StatusCode) {
        match item {
            Item::Request(request) => self.reply(conn, status, request.cseq()),
            Item::Lab(request) => {
                let number = self.conns.get(&conn).and_then(|c| c.lab).unwrap_or(0);
                self.send(conn, request.reply(status, number));
            }
            Item::Response(_) | Item::Interleaved { .. } => {}
        }
    }

    /// `npt=0.000-14.920` for a file; `None` for other mounts.
    pub(super) fn file_range(&self, mount: MountId) -> Option<String> {
        let clip = self.mounts.get(&mount)?.clip.as_ref()?;
        Some(Range::Npt { start: Npt(0), end: Some(time_of(clip.as_ref(), clip.frames())) }.to_string())
    }

    pub(super) fn play_file(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: &Request,
        key: SessionKey,
        reply: PlayReply,
    ) {
        let Some(session) = self.sessions.get(&key) else { return };
        let Some(clip) = self.mounts.get(&session.mount).and_then(|m| m.clip.clone()) else { return };
        let range = request.header("Range").map(Range::parse).transpose();
        let Ok(range) = range else { return self.reply(conn, StatusCode::INVALID_RANGE, reply.cseq) };
        let scale = request.header("Scale").and_then(Scale::parse).map_or(1000, |s| s.0);
        let scale = if scale == 0 { 1000 } else { scale.clamp(-MAX_SCALE, MAX_SCALE) };
        let playing = session.state == State::Playing;
        // Without a range it goes on where it is (RFC 2326 §10.5).
        let resumed = session.file.as_ref().and_then(|f| f.played).map_or(0, |n| n.saturating_add(1));
        let resumed = if resumed >= clip.frames() { 0 } else { resumed };
        let (first, end) = match range {
            Some(Range::Npt { start, end }) => (frame_at(&*clip, start), end.map(|e| frame_at(&*clip, e))),
            Some(Range::Now) | None => (resumed, None),
        };
        if first >= clip.frames() {
            return self.reply(conn, StatusCode::INVALID_RANGE, reply.cseq);
        }
        let end = end.map_or(clip.frames(), |e| e.clamp(first + 1, clip.frames()));
        if playing {
            self.stop_playing(key);
        }
        // A decoder has to be able to begin there.
        let first = (0..=first).rev().find(|n| clip.is_key(*n)).unwrap_or(0);
        let wish = Wish { first, end, scale };
        let Some((sequence, rtptime)) = self.prepare_file(now, key, wish) else { return };
        let start = time_of(&*clip, first);
        let range = Range::Npt { start, end: Some(time_of(&*clip, end)) };
        let entry = RtpInfoEntry {
            url: alloc::format!("{}/trackID=0", reply.base),
            seq: Some(sequence),
            rtptime: Some(rtptime),
        };
        let writer = self.writer(StatusCode::OK, reply.cseq).header("Session", &reply.session);
        let writer =
            writer.header("Range", range).header("RTP-Info", RtpInfo { entries: alloc::vec![entry] });
        let scale = (scale != 1000).then(|| Scale(scale).to_string());
        self.send(conn, writer.header_if("Scale", scale).finish());
        self.add_reader(now, key, None, false);
        self.next_frame(now, key);
    }

    /// Plays a file from where it is, for the classroom dialect.
    pub(super) fn resume_file(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let Some(clip) = self.mounts.get(&session.mount).and_then(|m| m.clip.clone()) else { return };
        let first = session.file.as_ref().and_then(|f| f.played).map_or(0, |n| n.saturating_add(1));
        let first = if first >= clip.frames() { 0 } else { first };
        if self.prepare_file(now, key, Wish { first, end: clip.frames(), scale: 1000 }).is_some() {
            self.next_frame(now, key);
        }
    }

    /// Makes ready to play; gives number and timestamp of the first packet.
    fn prepare_file(&mut self, now: Instant, key: SessionKey, wish: Wish) -> Option<(u16, u32)> {
        let session = self.sessions.get_mut(&key)?;
        let mount = self.mounts.get_mut(&session.mount)?;
        let (clip, track) = (mount.clip.as_deref()?, mount.tracks.first()?);
        let payload_type = track.media.payload_type()?;
        // All readers of files of this rate have their frames at the same times, so that what goes out at one of them
        // goes out together. The frame after the first comes sooner for it, never later.
        let frames = frames_in(now.saturating_since(Instant::default()), clip.rate());
        let started = Instant::default() + span(frames, clip.rate());
        let (numbers, timestamp, counted) = match &session.file {
            // Timestamps go on one frame after the last.
            Some(f) => {
                (f.numbers, f.timestamp_of(f.tick, clip.rate(), track.clock_rate), (f.packets, f.octets))
            }
            None => {
                let rng = &mut self.rng;
                let (numbers, timestamp) = mount.shared.begin(started, wish, || {
                    let [a, b, ..] = rng.next_u32().to_be_bytes();
                    let first = u16::from_be_bytes([a, b]);
                    let ssrc = rng.next_u32();
                    (Outgoing::new(payload_type, ssrc, first, DEFAULT_MAX_PACKET), rng.next_u32())
                });
                (numbers, timestamp, (0, 0))
            }
        };
        let Wish { first, end, scale } = wish;
        session.file = Some(FilePlay {
            numbers,
            scale,
            first,
            end,
            started,
            timestamp,
            tick: 0,
            played: session.file.as_ref().and_then(|f| f.played),
            packets: counted.0,
            octets: counted.1,
            reported: None,
        });
        Some((numbers.next_sequence, timestamp))
    }

    /// Sends the frame that is due to a session, and sets the time for the next.
    pub(super) fn next_frame(&mut self, now: Instant, key: SessionKey) {
        let unix_ns = self.unix_ns(now);
        let Some(session) = self.sessions.get_mut(&key).filter(|s| s.state == State::Playing) else { return };
        session.frame_at = None;
        let Some(mount) = self.mounts.get_mut(&session.mount) else { return };
        let (Some(clip), Some(play)) = (mount.clip.as_deref(), session.file.as_mut()) else { return };
        let (Some(track), Some(reader)) = (mount.tracks.first_mut(), mount.readers.get_mut(&key)) else {
            return;
        };
        // A machine that slept does not catch up in a burst: the rest of the file is later by as many frames.
        let late = now.saturating_since(play.due(play.tick, clip.rate()));
        play.started = play.started + span(frames_in(late, clip.rate()), clip.rate());
        let mut frame = play.frame();
        if frame.is_none() && self.config.loop_files {
            play.timestamp = play.timestamp_of(play.tick, clip.rate(), track.clock_rate);
            (play.first, play.started, play.tick) = (0, play.due(play.tick, clip.rate()), 0);
            frame = play.frame();
        }
        let Some(frame) = frame else {
            play.played = None;
            self.file_over(key);
            return;
        };
        // Winding shows whole pictures only; slow motion shows each once.
        let repeated = play.tick > 0 && play.played == Some(frame);
        let shown = !repeated && ((1..=1000).contains(&play.scale) || clip.is_key(frame));
        let timestamp = play.timestamp_of(play.tick, clip.rate(), track.clock_rate);
        play.tick += 1;
        let at = play.due(play.tick, clip.rate());
        session.frame_at = Some(at);
        self.timers.insert((at, Timer::Frame(key)));
        if !shown {
            return;
        }
        play.played = Some(frame);
        let Some((_, carrier)) = reader.tracks.first_mut() else { return };
        if let Carrier::Lab { to, numbers } = carrier {
            let Some(jpeg) = clip.jpeg(frame) else { return };
            let Some(picture) = lab::cut(self.config.lab_fragments, &jpeg, unix_ns) else { return };
            reader.frames += 1;
            reader.bytes += picture.len_bytes() as u64;
            self.out.extend(lab::outputs(*to, numbers, &picture));
            return;
        }
        let made = mount.shared.packets(now, clip, frame, timestamp, &mut play.numbers);
        let Some(Made { packets, framed, .. }) = made else { return };
        reader.frames += 1;
        reader.bytes += packets.len_bytes() as u64;
        track.packets += u64::from(packets.count());
        track.bytes += packets.len_bytes() as u64;
        play.packets += u64::from(packets.count());
        play.octets = play.octets.wrapping_add(u32::try_from(packets.payload_bytes()).unwrap_or(u32::MAX));
        match carrier {
            Carrier::Udp { rtp, .. } | Carrier::Multicast { rtp, .. } => {
                let runs = packets.runs().map(|run| {
                    Output::Datagram(Datagram { to: *rtp, data: run.data, segment: run.segment, stamp: None })
                });
                self.out.extend(runs);
            }
            Carrier::Tcp { rtp, .. } => {
                let data = Payload::Bytes(framed.on(*rtp, packets));
                self.out.push_back(Output::Send { to: reader.conn, data, keep: Keep::IfRoom });
            }
            Carrier::Lab { .. } => {}
        }
        let due = play.reported.is_none_or(|at| now.saturating_since(at).as_nanos() >= REPORT_NS);
        if let (true, Some(unix_ns)) = (due, unix_ns) {
            play.reported = Some(now);
            let report = sender_report(play.ssrc(), timestamp, unix_ns, play.packets, play.octets);
            self.out.extend(rtcp_output(reader.conn, carrier, &report));
        }
    }

    /// The end of a file: a BYE; the session stays, and PLAY begins anew.
    fn file_over(&mut self, key: SessionKey) {
        self.say_bye(key);
        self.stop_playing(key);
    }

    /// A file that nobody reads is forgotten after a while.
    pub(super) fn mark_unused(&mut self, now: Instant, id: MountId) {
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        if mount.kind != MountKind::File || mount.sessions > 0 {
            return;
        }
        let at = now + UNUSED;
        if let Some(before) = mount.unused_at.replace(at) {
            self.timers.remove(&(before, Timer::Unused(id)));
        }
        self.timers.insert((at, Timer::Unused(id)));
    }

    pub(super) fn check_unused(&mut self, now: Instant, id: MountId) {
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        mount.unused_at = None;
        if mount.sessions == 0 {
            let path = mount.path.to_string();
            self.drop_mount(now, id);
            self.event(Event::FileReleased { path });
        }
    }

    /// The sessions of a mount, to let them go.
    pub(super) fn sessions_of(&self, id: MountId) -> Vec<(SessionKey, ConnId)> {
        self.sessions.iter().filter(|(_, s)| s.mount == id).map(|(key, s)| (*key, s.conn)).collect()
    }
}

/// How long so many frames take, rounded up: then these are [the frames in it](frames_in).
fn span(frames: u64, (num, den): (u32, u32)) -> Duration {
    let ns = (u128::from(frames) * u128::from(den) * 1_000_000_000).div_ceil(u128::from(num.max(1)));
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// How many frames a time has.
fn frames_in(time: Duration, (num, den): (u32, u32)) -> u64 {
    let frames = time.as_nanos() * u128::from(num) / (u128::from(den.max(1)) * 1_000_000_000);
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// When a frame begins.
fn time_of(clip: &dyn Clip, frame: u32) -> Npt {
    let (num, den) = clip.rate();
    Npt(u64::from(frame) * u64::from(den) * 1000 / u64::from(num.max(1)))
}

/// The frame at a time; beyond the end a number that is no frame's.
fn frame_at(clip: &dyn Clip, time: Npt) -> u32 {
    let (num, den) = clip.rate();
    // Times are told in whole milliseconds, rounded down: a half of one belongs to the frame that begins there.
    let frame = (u128::from(time.0) * 1000 + 999) * u128::from(num) / (u128::from(den.max(1)) * 1_000_000);
    u32::try_from(frame).unwrap_or(u32::MAX)
}
