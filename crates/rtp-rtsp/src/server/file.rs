//! Files: each reader has a place of its own in them.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt::Debug;
use core::time::Duration;

use bytes::Bytes;
use machine::{ConnId, Instant};

use super::mount::PlayReply;
use super::{MountId, Server, SessionKey};
use crate::media::Packets;
use crate::message::Request;
use crate::sdp::Media;

#[derive(Debug)]
pub struct Outgoing { pub ssrc: u32 }
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
    /// The packets of a frame; `None` if there is no such frame.
    fn packets(&self, frame: u32, timestamp: u32, numbers: &mut Outgoing) -> Option<Packets>;
    /// The picture as a JPEG file, where it is one.
    fn jpeg(&self, frame: u32) -> Option<Bytes>;
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

#[derive(Debug)]
pub(super) struct FilePlay {
    numbers: Outgoing,
}

impl FilePlay {
    pub(super) fn ssrc(&self) -> u32 {
        self.numbers.ssrc
    }

    pub(super) fn stop(&mut self, _now: Instant) {}
}

impl Server {
    pub(super) fn file_range(&self, _mount: MountId) -> Option<String> {
        None
    }

    pub(super) fn start_file(&mut self, _now: Instant, _key: SessionKey, _from: Option<u32>) {}

    pub(super) fn play_file(
        &mut self,
        _now: Instant,
        _conn: ConnId,
        _request: &Request,
        _key: SessionKey,
        _reply: PlayReply,
    ) {
    }

    pub(super) fn next_frame(&mut self, _now: Instant, _key: SessionKey) {}

    pub(super) fn mark_unused(&mut self, _now: Instant, _mount: MountId) {}

    pub(super) fn check_unused(&mut self, _now: Instant, _mount: MountId) {}

    /// Answers [`Event::FileWanted`](super::Event::FileWanted).
    pub fn offer_file(&mut self, _now: Instant, _path: &str, _clip: Result<Arc<dyn Clip>, FileRefusal>) {}
}
const _: fn() -> (Duration, String) = || (Duration::ZERO, "".to_string());
