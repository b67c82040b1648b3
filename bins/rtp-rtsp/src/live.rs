//! A live mount that is fed with frames, as they come from a camera, an encoder, or a program's own pen.
//!
//! ```no_run
//! use rtsp_programs::{live::LiveMount, serve};
//!
//! # fn next_picture() -> Option<bytes::Bytes> { None }
//! # async fn serve() -> anyhow::Result<()> {
//! let (server, _) = serve::start(rtp_rtsp::config::ServerConfig::new(driver::seed()));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8554").await?;
//! serve::serve_udp(&server, listener.local_addr()?.ip(), 1)?;
//! serve::serve_tcp(&server, listener);
//!
//! // rtsp://127.0.0.1:8554/camera, until the mount is dropped
//! let mut camera = LiveMount::jpeg(&server, "camera", "Camera", (640, 480), (25, 1))?;
//! while let Some(jpeg) = next_picture() {
//!     camera.push(&jpeg, driver::now())?;
//! }
//! # Ok(()) }
//! ```
//!
//! The mount outlives whatever feeds it: when a camera is started anew its readers stay, and timestamps go on as time
//! does. What comes as bytes without frames, from a program's standard output say, is [cut into frames](cut).

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::Instant;
use rtp_rtsp::error::UsageError;
use rtp_rtsp::files::{FileError, MjpegFormat, MjpegReader};
use rtp_rtsp::h264::{AccessUnits, ParameterSets};
use rtp_rtsp::media::{Codec, PacketizeError, Packetizer};
use rtp_rtsp::rtp::{DEFAULT_MAX_PACKET, MediaClock, Outgoing};
use rtp_rtsp::sdp::{H264_PAYLOAD_TYPE, Media};
use rtp_rtsp::server::{MountId, ServerCalls};

use crate::serve::RtspServer;

/// A longer frame is given up, in bytes.
pub const MAX_FRAME: usize = 8 << 20;
/// Of both codecs, ticks a second.
const CLOCK_RATE: u32 = 90_000;

/// A mount of a streaming server that a program feeds with frames of one video track. Dropping it takes the mount away.
#[derive(Debug)]
pub struct LiveMount {
    server: RtspServer,
    path: String,
    title: String,
    rate: (u32, u32),
    codec: Codec,
    mount: Option<MountId>,
    /// By somebody else, for good.
    described: bool,
    sets: Option<ParameterSets>,
    packetizer: Packetizer,
    clock: MediaClock,
    /// When the last frame was taken.
    last: Option<Instant>,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveError {
    /// The mount cannot be had, or is gone: no frame will be taken.
    Mount(UsageError),
    /// This frame cannot be carried; others may be.
    Frame(PacketizeError),
    /// The server has been ended: no frame will be taken.
    Stopped,
}

impl std::fmt::Display for LiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mount(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Stopped => f.write_str("the server has been ended"),
        }
    }
}

impl std::error::Error for LiveError {}

impl From<UsageError> for LiveError {
    fn from(error: UsageError) -> Self {
        Self::Mount(error)
    }
}

impl From<PacketizeError> for LiveError {
    fn from(error: PacketizeError) -> Self {
        Self::Frame(error)
    }
}

impl LiveMount {
    /// A mount of JPEG pictures of this size (`pixels across, down`), at `rate` (a fraction) frames a second. It is there
    /// at once. Pictures are baseline, 4:2:0 or 4:2:2, with standard Huffman tables, as RFC 2435 wants them.
    ///
    /// # Errors
    /// When the path is none, or taken.
    pub fn jpeg(
        server: &RtspServer,
        path: &str,
        title: &str,
        (width, height): (u16, u16),
        rate: (u32, u32),
    ) -> Result<Self, UsageError> {
        let media = Media::jpeg(width, height, rate);
        let mount = server.call(|machine, _| machine.add_live(path, title, vec![media]))?;
        let mut live = Self::new(server, path, title, rate, Codec::Jpeg, rtp_rtsp::jpeg::PAYLOAD_TYPE);
        live.mount = Some(mount);
        Ok(live)
    }

    /// A mount of H.264, without frames that are shown in another order than they come in. It is there (404 before) from
    /// the first access unit with parameter sets on, as these belong to its description.
    pub fn h264(server: &RtspServer, path: &str, title: &str, rate: (u32, u32)) -> Self {
        Self::new(server, path, title, rate, Codec::H264, H264_PAYLOAD_TYPE)
    }

    /// A mount of what another server describes so, to pass its frames on. It is there at once.
    ///
    /// # Errors
    /// When the path is none, or taken; [`UsageError::Media`] for what is neither JPEG nor H.264.
    pub fn described(server: &RtspServer, path: &str, title: &str, media: Media) -> Result<Self, UsageError> {
        let codec = media.rtp_map().map(|map| Codec::from_encoding_name(&map.encoding));
        let codec = codec.filter(|codec| matches!(codec, Codec::Jpeg | Codec::H264));
        let (codec, payload_type) = codec.zip(media.payload_type()).ok_or(UsageError::Media)?;
        let mut live = Self::new(server, path, title, (25, 1), codec, payload_type);
        live.mount = Some(server.call(|machine, _| machine.add_live(path, title, vec![media]))?);
        live.described = true;
        Ok(live)
    }

    fn new(
        server: &RtspServer,
        path: &str,
        title: &str,
        rate: (u32, u32),
        codec: Codec,
        payload_type: u8,
    ) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, ..] = driver::seed();
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        let numbers = Outgoing::new(payload_type, ssrc, u16::from_be_bytes([e, f]), DEFAULT_MAX_PACKET);
        Self {
            server: server.clone(),
            path: path.to_owned(),
            title: title.to_owned(),
            rate,
            codec,
            mount: None,
            described: false,
            sets: None,
            packetizer: Packetizer::new(codec, numbers),
            clock: MediaClock::new(CLOCK_RATE, driver::now(), u32::from_be_bytes([g, h, i, j])),
            last: None,
        }
    }

    /// Brings a frame to all readers: a JPEG file, or an access unit of H.264 in Annex B. `captured`: when it was taken,
    /// by [`driver::now`]'s clock; timestamps follow it. A frame that is not later than the one before is taken to be a
    /// millisecond later.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn push(&mut self, frame: &Bytes, captured: Instant) -> Result<(), LiveError> {
        let next = self.last.map(|last| last + Duration::from_millis(1));
        let captured = next.map_or(captured, |next| next.max(captured));
        self.last = Some(captured);
        self.bring(frame, self.clock.timestamp(captured), Some(captured))
    }

    /// The same with a timestamp in ticks of 90 kHz, as frames that are passed on have one.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn push_at(&mut self, frame: &Bytes, timestamp: u32) -> Result<(), LiveError> {
        self.bring(frame, timestamp, None)
    }

    /// `sampled`: when, if that is known better than that it is now.
    fn bring(&mut self, frame: &Bytes, timestamp: u32, sampled: Option<Instant>) -> Result<(), LiveError> {
        if self.is_over() {
            return Err(LiveError::Stopped);
        }
        if self.codec == Codec::H264 && !self.described {
            self.describe(frame)?;
        }
        let Some(mount) = self.mount else { return Ok(()) };
        let packets = self.packetizer.packetize(frame, timestamp)?;
        let picture = (self.codec == Codec::Jpeg).then_some(frame);
        Ok(self.server.call(|machine, now| {
            let sampled = sampled.unwrap_or(now);
            machine.push_sampled(now, sampled, mount, 0, &packets, picture)
        })?)
    }

    /// Whether anybody plays it, or is about to. A source that is costly need not draw for nobody.
    pub fn has_readers(&self) -> bool {
        self.mount.is_some_and(|mount| self.server.call(|machine, _| machine.has_readers(mount)))
    }

    /// Whether the server has been ended.
    pub fn is_over(&self) -> bool {
        self.server.is_stopped()
    }

    /// Its mount, as the server knows it; `None` while it is not there.
    pub fn id(&self) -> Option<MountId> {
        self.mount
    }

    /// Parameter sets that are new become part of the description.
    fn describe(&mut self, access_unit: &[u8]) -> Result<(), UsageError> {
        let sets = ParameterSets::find(access_unit).filter(|sets| self.sets.as_ref() != Some(sets));
        let Some(sets) = sets else { return Ok(()) };
        let media = Media::h264(Some(&sets), self.rate);
        let (path, title) = (&self.path, &self.title);
        match self.mount {
            Some(mount) => self.server.call(|machine, _| machine.describe_anew(mount, 0, media))?,
            None => {
                self.mount = Some(self.server.call(|machine, _| machine.add_live(path, title, vec![media]))?);
            }
        }
        self.sets = Some(sets);
        Ok(())
    }
}

impl Drop for LiveMount {
    fn drop(&mut self) {
        if let Some(mount) = self.mount {
            // It is gone already where the server has been ended.
            let _ = self.server.call(|machine, now| machine.remove(now, mount));
        }
    }
}

/// Reads what a camera program or an encoder writes, H.264 in Annex B or JPEG pictures one behind the other, and hands
/// each frame to `take` with the time at which it began to come, on an even pace of about `rate` (a fraction) frames a
/// second. Goes on until the end, or until `take` gives `false`.
///
/// A frame is known to be whole when the next one begins (H.264) or at its end marker (JPEG).
///
/// # Errors
/// Whatever reading ends with, [`Unsupported`](io::ErrorKind::Unsupported) for another codec, and
/// [`InvalidData`](io::ErrorKind::InvalidData) where frames cannot be told apart any more.
pub fn cut(
    mut from: impl Read,
    codec: Codec,
    rate: (u32, u32),
    mut take: impl FnMut(Bytes, Instant) -> bool,
) -> io::Result<()> {
    let mut cutter = match codec {
        Codec::Jpeg => Cutter::Jpeg(MjpegReader::new(MAX_FRAME)),
        Codec::H264 => Cutter::H264(AccessUnits::new(MAX_FRAME)),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let mut pace = Pace::new(rate);
    let mut data = BytesMut::new();
    let mut buffer = vec![0; 64 << 10];
    // When the frame that is being read began to come.
    let mut begun = None;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let now = driver::now();
        let begun = begun.get_or_insert(now);
        data.extend_from_slice(buffer.get(..count).unwrap_or_default());
        loop {
            match cutter.next(&mut data) {
                Ok(Some(frame)) => {
                    if !take(frame, pace.next(*begun)) {
                        return Ok(());
                    }
                    *begun = now;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a frame is left out");
                    if !cutter.goes_on() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
    }
    if let (Cutter::H264(units), Some(begun)) = (&mut cutter, begun)
        && let Some(last) = units.finish(&mut data)
    {
        take(last, pace.next(begun));
    }
    Ok(())
}

enum Cutter {
    Jpeg(MjpegReader),
    H264(AccessUnits),
}

impl Cutter {
    fn next(&mut self, data: &mut BytesMut) -> Result<Option<Bytes>, FileError> {
        match self {
            Self::Jpeg(reader) => reader.next(data),
            Self::H264(units) => units.next(data),
        }
    }

    /// Whether it finds the next frame after one that it could not read.
    fn goes_on(&self) -> bool {
        match self {
            Self::Jpeg(reader) => reader.format() != Some(MjpegFormat::Lab),
            Self::H264(_) => true,
        }
    }
}

/// Even times for frames that come unevenly: each a period after the last, drawn towards when it came; and the period
/// towards what it is in truth, so that it does not matter if a source is faster or slower than it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// In ns, as all here.
    period: i64,
    last: Option<i64>,
}

impl Pace {
    pub(crate) fn new((num, den): (u32, u32)) -> Self {
        let period = u64::from(den.max(1)) * 1_000_000_000 / u64::from(num.max(1));
        Self { period: i64::try_from(period).unwrap_or(SECOND).clamp(MS, SECOND), last: None }
    }

    pub(crate) fn next(&mut self, came: Instant) -> Instant {
        let came = i64::try_from(came.as_nanos()).unwrap_or(i64::MAX);
        let at = match self.last {
            None => came,
            Some(last) => {
                let due = last.saturating_add(self.period);
                let late = came.saturating_sub(due);
                let at = if late.abs() > FAR_OFF {
                    // It paused, or was started anew.
                    came
                } else {
                    self.period = (self.period + late / 1024).clamp(MS, SECOND);
                    due + late / 16
                };
                // However they come: later than the last.
                at.max(last + MS)
            }
        };
        self.last = Some(at);
        Instant::from_nanos(at.unsigned_abs())
    }
}

const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;
/// What is further off than this is no unevenness.
const FAR_OFF: i64 = 500 * MS;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn times_are_even_and_follow_the_source() {
        // As it says, 1 % slower, and twice as fast; each 10 ms early or late in turns.
        for period in [40_000, 40_400, 20_000] {
            let mut pace = Pace::new((25, 1));
            let came: Vec<u64> = (0..2000).map(|n| 1_000_000 + n * period + (n % 2) * 10_000).collect();
            let times: Vec<Instant> =
                came.iter().map(|us| pace.next(Instant::from_nanos(us * 1000))).collect();
            assert!(times.windows(2).all(|w| w[0] < w[1]));
            for pair in times[500..].windows(2) {
                let step = pair[1].saturating_since(pair[0]).as_micros() as i64;
                assert!((step - period as i64).abs() < 1500, "{step} of {period}");
            }
            for (came, time) in came.iter().zip(&times).skip(500) {
                let off = (time.as_nanos() / 1000) as i64 - *came as i64;
                assert!(off.abs() < 10_000, "{off} with {period}");
            }
        }
        let mut pace = Pace::new((25, 1));
        pace.next(at(1000));
        // A camera is started anew.
        assert_eq!(pace.next(at(3000)), at(3000));
        // What comes all at once is later each time all the same.
        let mut last = at(3000);
        for _ in 0..100 {
            let next = pace.next(at(3000));
            assert!(next > last);
            last = next;
        }
    }

    const KEY: &[u8] = &[0, 0, 0, 1, 0x67, 66, 0xc0, 30, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88, 9];
    const SLICE: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 7];

    /// Gives its bytes a few at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(5).min(buffer.len());
            let (given, rest) = self.0.split_at(count);
            buffer[..count].copy_from_slice(given);
            self.0 = rest;
            Ok(count)
        }
    }

    #[test]
    fn a_stream_without_frames_is_cut_into_them() {
        let stream = [KEY, SLICE, SLICE, KEY].concat();
        let (mut frames, mut times) = (Vec::new(), Vec::new());
        cut(Trickle(&stream), Codec::H264, (25, 1), |frame, time| {
            frames.push(frame);
            times.push(time);
            true
        })
        .unwrap();
        assert_eq!(frames, [KEY, SLICE, SLICE, KEY]);
        assert!(times.windows(2).all(|w| w[0] < w[1]));
        let mut count = 0;
        cut(Trickle(&stream), Codec::H264, (25, 1), |_, _| {
            count += 1;
            count < 2
        })
        .unwrap();
        assert_eq!(count, 2, "it ends when nobody takes any more");
        assert!(cut(Trickle(&stream), Codec::H265, (25, 1), |_, _| true).is_err());
    }

    #[tokio::test]
    async fn a_mount_of_h264_is_there_when_it_can_be_described() {
        let (server, _) = crate::serve::start(rtp_rtsp::config::ServerConfig::new(driver::seed()));
        let mounts = || server.call(|machine, _| machine.mounts().count());
        let mut live = LiveMount::h264(&server, "camera", "Camera", (25, 1));
        live.push(&Bytes::from_static(SLICE), driver::now()).unwrap();
        assert_eq!((mounts(), live.id()), (0, None));
        live.push(&Bytes::from_static(KEY), driver::now()).unwrap();
        let id = live.id();
        assert!(id.is_some() && !live.has_readers());
        // Other parameter sets, the same mount.
        let other: Vec<u8> = KEY.iter().map(|b| if *b == 30 { 31 } else { *b }).collect();
        live.push(&other.into(), driver::now()).unwrap();
        assert_eq!((mounts(), live.id()), (1, id));
        assert_eq!(
            LiveMount::jpeg(&server, "camera", "", (64, 64), (25, 1)).err(),
            Some(UsageError::PathTaken)
        );
        drop(live);
        assert_eq!(mounts(), 0);
        server.shutdown(Duration::ZERO).await;
    }
}
