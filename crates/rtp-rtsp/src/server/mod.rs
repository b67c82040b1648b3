//! The server machine: mounts that are fed by the program, by publishers or from files, and any number of readers.
//!
//! Connections come in through one door, or another for those over TLS, and speak RTSP 1.0 or the classroom dialect, told apart request by request.
//! Sockets for UDP are shared by all sessions: the program binds one pair of ports and [tells](Server::set_udp) the
//! machine, and a datagram belongs to the session that its sender's address was agreed on with.
//!
//! A frame is packetized once ([`Packets`]) and the same bytes go to all readers. A session ends with its connection,
//! with TEARDOWN, or, over UDP, when it gives no sign of life (a request, a receiver report).

mod access;
mod clip;
mod conn;
mod event;
mod fanout;
mod file;
mod lab;
mod mount;
mod play;
mod publish;
#[cfg(feature = "record")]
mod record;
mod requests;
mod session;
mod setup;
mod shared;
mod timers;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use machine::{Closing, ConnId, Input, Instant, Keep, Machine, Output, Payload, Peer, Service, SocketId};

pub use clip::{ClipError, MemoryClip};
pub use event::{CarrierKind, Event, MountId, MountInfo, MountKind, ReaderInfo, SessionKey};
pub(crate) use fanout::sender_report;
pub use file::{Clip, FileRefusal};
#[cfg(feature = "record")]
pub use record::{Offered, ServerCalls};

use self::conn::Conn;
use self::mount::{Mount, Track};
use self::session::Session;
use self::timers::Timer;
use crate::auth::Verifier;
use crate::config::ServerConfig;
use crate::error::UsageError;
use crate::media::Packets;
use crate::sdp::Media;

/// The door for connections that anybody on the way can read.
pub const RTSP: Service = Service(0);
/// The door for connections over TLS. What is asked for through it travels on it: UDP, which would be readable, gets 461.
pub const RTSPS: Service = Service(1);

/// The pair of UDP sockets that all sessions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpPorts {
    /// Socket for RTP.
    pub rtp: SocketId,
    /// Socket for RTCP.
    pub rtcp: SocketId,
    /// Their ports, as replies tell them.
    pub ports: (u16, u16),
}

/// The server. See the [module](self).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    rng: ChaCha20Rng,
    readers: Option<Verifier>,
    publishers: Option<Verifier>,
    conns: BTreeMap<ConnId, Conn>,
    sessions: BTreeMap<SessionKey, Session>,
    mounts: BTreeMap<MountId, Mount>,
    paths: BTreeMap<Arc<str>, MountId>,
    udp: Option<UdpPorts>,
    /// Who sends from there: a reader its reports, a publisher its packets.
    sources: BTreeMap<Source, (SessionKey, usize)>,
    /// Files that the program was asked for.
    wanted: BTreeMap<String, file::Wanted>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Nanoseconds to add to an instant for Unix time.
    wall_offset: Option<i128>,
    next_session: u64,
    next_mount: u32,
    out: VecDeque<Output<Event>>,
}

/// Address of a peer's UDP socket, and which of ours it sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    rtcp: bool,
    address: IpAddr,
    port: u16,
}

impl Server {
    /// A server without mounts.
    pub fn new(config: ServerConfig) -> Self {
        let mut rng = ChaCha20Rng::from_seed(config.rng_seed);
        let mut verifier = |credentials: &Option<_>| {
            let mut key = [0; 16];
            rng.fill_bytes(&mut key);
            credentials.clone().map(|c| Verifier::new(c, "genlock".into(), key))
        };
        let (readers, publishers) = (verifier(&config.readers), verifier(&config.publishers));
        Self {
            // The seed is used up.
            config: ServerConfig { rng_seed: [0; 32], ..config },
            rng,
            readers,
            publishers,
            conns: BTreeMap::new(),
            sessions: BTreeMap::new(),
            mounts: BTreeMap::new(),
            paths: BTreeMap::new(),
            udp: None,
            sources: BTreeMap::new(),
            wanted: BTreeMap::new(),
            timers: BTreeSet::new(),
            wall_offset: None,
            next_session: 0,
            next_mount: 0,
            out: VecDeque::new(),
        }
    }

    /// The sockets for UDP; until they are there, and after `None`, SETUP for UDP gets 461.
    pub fn set_udp(&mut self, ports: Option<UdpPorts>) {
        self.udp = ports;
    }

    /// Adds a mount that the program feeds with [`push`](Self::push). `title` is what the description calls it.
    ///
    /// # Errors
    /// [`UsageError::Path`] and [`UsageError::PathTaken`]; [`UsageError::Media`] for a track whose payload type is
    /// not known.
    pub fn add_live(&mut self, path: &str, title: &str, media: Vec<Media>) -> Result<MountId, UsageError> {
        self.add_mount(path, MountKind::Live, title, media)
    }

    /// Removes a mount; its readers get a BYE and are let go.
    ///
    /// # Errors
    /// [`UsageError::NoSuchMount`].
    pub fn remove(&mut self, now: Instant, mount: MountId) -> Result<(), UsageError> {
        if !self.mounts.contains_key(&mount) {
            return Err(UsageError::NoSuchMount);
        }
        self.drop_mount(now, mount);
        Ok(())
    }

    /// Describes a track of a live mount otherwise from now on, as its source has other parameters than before. Readers
    /// that are there stay; it goes on with the same clock rate and payload type.
    ///
    /// # Errors
    /// [`UsageError::NoSuchMount`] and [`UsageError::NoSuchTrack`]; [`UsageError::Media`] for another clock rate, payload
    /// type or encoding.
    pub fn describe_anew(&mut self, mount: MountId, track: usize, media: Media) -> Result<(), UsageError> {
        let mount = self.mounts.get_mut(&mount).ok_or(UsageError::NoSuchMount)?;
        let track = mount.tracks.get_mut(track).ok_or(UsageError::NoSuchTrack)?;
        let new = Track::new(media).filter(|new| track.is_continued_by(new)).ok_or(UsageError::Media)?;
        track.media = new.media;
        Ok(())
    }

    /// A frame for one track of a live mount: its packets, and, for JPEG, the picture itself where readers of the
    /// classroom dialect are to have it.
    ///
    /// # Errors
    /// [`UsageError::NoSuchMount`] and [`UsageError::NoSuchTrack`].
    pub fn push(
        &mut self,
        now: Instant,
        mount: MountId,
        track: usize,
        packets: &Packets,
        jpeg: Option<&Bytes>,
    ) -> Result<(), UsageError> {
        self.push_sampled(now, now, mount, track, packets, jpeg)
    }

    /// The same for a frame that was sampled at `sampled`, a while before `now`: sender reports say that its timestamp
    /// belongs to that instant, so that readers know when each frame was sampled however long it took to get here.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_sampled(
        &mut self,
        now: Instant,
        sampled: Instant,
        mount: MountId,
        track: usize,
        packets: &Packets,
        jpeg: Option<&Bytes>,
    ) -> Result<(), UsageError> {
        let tracks = self.mounts.get(&mount).ok_or(UsageError::NoSuchMount)?.tracks.len();
        if track >= tracks {
            return Err(UsageError::NoSuchTrack);
        }
        self.deliver(now, sampled, mount, track, packets, jpeg);
        Ok(())
    }

    /// All mounts.
    pub fn mounts(&self) -> impl Iterator<Item = MountInfo> {
        self.mounts.iter().map(|(id, mount)| {
            let publisher = mount.publisher.and_then(|p| self.sessions.get(&p)).map(|s| s.remote);
            let mut encodings = String::new();
            for track in &mount.tracks {
                if !encodings.is_empty() {
                    encodings.push_str(", ");
                }
                encodings.push_str(&track.encoding);
            }
            MountInfo {
                id: *id,
                path: mount.path.clone(),
                kind: mount.kind,
                encodings,
                readers: mount.readers.len(),
                publisher,
                packets: mount.tracks.iter().map(|t| t.packets).sum(),
                bytes: mount.tracks.iter().map(|t| t.bytes).sum(),
            }
        })
    }

    /// Who reads a mount.
    pub fn readers(&self, now: Instant, mount: MountId) -> impl Iterator<Item = ReaderInfo> {
        self.mounts.get(&mount).into_iter().flat_map(move |mount| {
            mount.readers.iter().map(move |(session, reader)| ReaderInfo {
                session: *session,
                remote: reader.remote,
                carrier: reader.tracks.first().map_or(CarrierKind::Tcp, |(_, c)| c.kind()),
                playing: now.saturating_since(reader.since),
                frames: reader.frames,
                bytes: reader.bytes,
                dropped: reader.dropped,
                fraction_lost: reader.fraction_lost,
                jitter: reader.jitter,
            })
        })
    }

    /// Whether anybody plays a mount, or is about to.
    pub fn has_readers(&self, mount: MountId) -> bool {
        self.mounts.get(&mount).is_some_and(|m| !m.readers.is_empty())
    }

    /// How many sessions there are, playing or not.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn add_mount(
        &mut self,
        path: &str,
        kind: MountKind,
        title: &str,
        media: Vec<Media>,
    ) -> Result<MountId, UsageError> {
        if !access::is_path(path) {
            return Err(UsageError::Path);
        }
        if self.paths.contains_key(path) {
            return Err(UsageError::PathTaken);
        }
        let tracks: Option<Vec<_>> = media.into_iter().map(Track::new).collect();
        let tracks = tracks.filter(|t| !t.is_empty()).ok_or(UsageError::Media)?;
        let path: Arc<str> = path.into();
        let id = MountId(self.next_mount);
        self.next_mount = self.next_mount.wrapping_add(1);
        self.paths.insert(path.clone(), id);
        self.mounts.insert(id, Mount::new(path, kind, title.into(), tracks));
        Ok(id)
    }

    /// Lets all readers go and forgets the mount.
    fn drop_mount(&mut self, now: Instant, id: MountId) {
        let Some(mount) = self.mounts.get(&id) else { return };
        let path = mount.path.clone();
        for (key, conn) in self.sessions_of(id) {
            self.let_go(now, key, conn);
        }
        if let Some(mount) = self.mounts.remove(&id) {
            self.paths.remove(&path);
            for (at, timer) in [(mount.gap_until, Timer::Gap(id)), (mount.unused_at, Timer::Unused(id))] {
                if let Some(at) = at {
                    self.timers.remove(&(at, timer));
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Says something to a connection, unless its end has been said.
    fn send(&mut self, to: ConnId, data: Bytes) {
        if self.conns.get(&to).is_none_or(|c| c.closing) {
            return;
        }
        self.out.push_back(Output::Send { to, data: Payload::Bytes(data), keep: Keep::Always });
    }

    /// Ends a connection after what was said to it; what it plays or publishes ends with it.
    fn close(&mut self, now: Instant, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(&conn)
            && !core::mem::replace(&mut c.closing, true)
        {
            self.end_sessions_of(now, conn);
            self.out.push_back(Output::Close { conn, how: Closing::AfterFlush });
        }
    }

    /// Unix time in nanoseconds, if the wall clock was told.
    fn unix_ns(&self, now: Instant) -> Option<i64> {
        i64::try_from(self.wall_offset? + i128::from(now.as_nanos())).ok()
    }

    fn random_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match (from, input) {
            (Peer::Conn(conn), Input::Opened(opened)) => self.opened(now, conn, opened),
            (Peer::Conn(conn), Input::Bytes(buffer)) => self.bytes(now, conn, buffer),
            (Peer::Conn(conn), Input::End(buffer)) => self.ended(now, conn, buffer),
            (Peer::Conn(conn), Input::Dropped(count)) => self.left_out(conn, count),
            (Peer::Conn(conn), Input::Closed(_)) => self.closed(now, conn),
            (Peer::Udp(peer), Input::Datagram { data, .. }) => self.datagram(now, peer, data),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.run_timers(now);
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall_offset = Some(i128::from(unix_ns) - i128::from(now.as_nanos()));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        let output = self.out.pop_front();
        if self.out.is_empty() && self.out.capacity() > 256 {
            self.out = VecDeque::new();
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}
