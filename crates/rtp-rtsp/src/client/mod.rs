//! The client machine: plays from a server, publishes to one, or speaks the classroom dialect.
//!
//! The program connects (`driver.connect_tcp`) and the machine does the rest up to the [goal](Goal) it is given:
//! OPTIONS, DESCRIBE, SETUP for each track, PLAY; or OPTIONS, ANNOUNCE, SETUP, RECORD. Where UDP is wanted it
//! [asks](Event::UdpWanted) for pairs of ports. If no packet comes over UDP it goes over to TCP by itself.

mod event;
mod lab;
mod media;
mod replies;
mod steps;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use machine::{CloseReason, Closing, ConnId, Input, Instant, Keep, Machine, Output, Payload, Peer};

pub use self::event::{Event, Failure, Track};
pub use crate::server::UdpPorts;

use self::media::TrackState;
use self::replies::Pending;
use crate::auth::Credentials;
use crate::codec::{Codec, Item, Limits};
use crate::config::{ClientConfig, Purpose, Wanted};
use crate::receiver::Statistics;
use crate::rtsp::Url;
use crate::rtsp::headers::{Public, Range};

/// How far a client is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// Know what there is.
    Described,
    /// Have agreed on how tracks travel; a stream that plays is paused.
    Ready,
    /// Play, or record.
    Playing,
    /// Be gone: TEARDOWN.
    Gone,
}

/// The client. See the [module](self).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: ChaCha20Rng,
    credentials: Option<Credentials>,
    /// Address of the presentation as requests name it, without credentials.
    url: String,
    /// What tracks' addresses are relative to.
    base: String,
    goal: Goal,
    conn: Option<ConnId>,
    server: Option<SocketAddr>,
    codec: Codec,
    /// Bytes of a reply of the classroom dialect, which has no end.
    held: BytesMut,
    cseq: u32,
    pending: Option<Pending>,
    public: Option<Public>,
    described: bool,
    session: Option<String>,
    /// The server ends a session that is silent for so long.
    timeout: Duration,
    tracks: Vec<TrackState>,
    /// How packets travel now.
    over_tcp: bool,
    ports_asked: bool,
    /// Tracks that are set up.
    set_up: usize,
    playing: bool,
    /// What the next PLAY asks for.
    range: Option<Range>,
    challenge: Option<String>,
    nonce_count: u32,
    /// When a sign of life is due.
    keep_alive_at: Option<Instant>,
    /// When UDP is given up for lack of packets.
    fallback_at: Option<Instant>,
    /// When what is held is taken for a whole reply.
    idle_at: Option<Instant>,
    wall_offset: Option<i128>,
    ended: bool,
    out: VecDeque<Output<Event>>,
}

impl Client {
    /// A client that is not connected; connect it to the address in the config.
    pub fn new(config: ClientConfig) -> Self {
        let parts = Url::parse(&config.url);
        let credentials = config.credentials.clone().or_else(|| {
            let (user, password) = parts.as_ref()?.credentials?;
            let decode = |part| crate::rtsp::percent_decode(part).map(|p| p.into_owned());
            Some(Credentials::new(decode(user)?, decode(password)?))
        });
        let url = match config.url.split_once("://").zip(parts.and_then(|p| p.credentials)) {
            Some(((scheme, rest), _)) => {
                let rest = rest.split_once('@').map_or(rest, |(_, r)| r);
                alloc::format!("{scheme}://{rest}")
            }
            None => config.url.clone(),
        };
        let limits: Limits = config.limits;
        Self {
            rng: ChaCha20Rng::from_seed(config.rng_seed),
            credentials,
            base: url.clone(),
            url,
            goal: config.goal,
            conn: None,
            server: None,
            codec: Codec::new(limits),
            held: BytesMut::new(),
            cseq: 0,
            pending: None,
            public: None,
            described: false,
            session: None,
            timeout: Duration::from_secs(60),
            tracks: Vec::new(),
            over_tcp: config.transport == Wanted::Tcp,
            ports_asked: false,
            set_up: 0,
            playing: false,
            range: None,
            challenge: None,
            nonce_count: 0,
            keep_alive_at: None,
            fallback_at: None,
            idle_at: None,
            wall_offset: None,
            ended: false,
            out: VecDeque::new(),
            config: ClientConfig { rng_seed: [0; 32], ..config },
        }
    }

    /// Sets another goal. `range`: where to play, if it is to play.
    pub fn go(&mut self, now: Instant, goal: Goal, range: Option<Range>) {
        self.goal = goal;
        if range.is_some() {
            self.range = range;
            // It plays already, elsewhere.
            if self.playing && goal == Goal::Playing && self.config.purpose == Purpose::Play {
                self.ask_play(now);
            }
        }
        self.step(now);
    }

    /// Answers [`Event::UdpWanted`]: a pair for each track. Fewer than that: no UDP.
    pub fn udp_ready(&mut self, now: Instant, ports: &[UdpPorts]) {
        if ports.len() >= self.tracks.len() {
            for (track, ports) in self.tracks.iter_mut().zip(ports) {
                track.ports = Some(*ports);
            }
        } else if self.config.transport == Wanted::Udp || self.config.lab.is_some() {
            self.fail(Failure::NoUdp);
        } else {
            self.over_tcp = true;
        }
        self.step(now);
    }

    /// Sends a frame of a track that is recorded; left out while it is not.
    pub fn push(&mut self, now: Instant, track: usize, packets: &crate::media::Packets) {
        if self.playing && self.config.purpose == Purpose::Publish {
            self.send_packets(now, track, packets);
        }
    }

    /// Whether it plays or records.
    pub const fn is_playing(&self) -> bool {
        self.playing
    }

    /// How packets travel.
    pub const fn is_over_tcp(&self) -> bool {
        self.over_tcp
    }

    /// The address as requests name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The tracks, once they are known.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().map(|t| &t.track)
    }

    /// What was received of a track.
    pub fn statistics(&self, track: usize) -> Option<Statistics> {
        self.tracks.get(track)?.receiver.as_ref().map(|r| r.statistics())
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn send(&mut self, data: Bytes) {
        if let Some(to) = self.conn {
            self.out.push_back(Output::Send { to, data: Payload::Bytes(data), keep: Keep::Always });
        }
    }

    /// Says what went wrong, and ends the connection.
    fn fail(&mut self, failure: Failure) {
        if !self.ended {
            self.event(Event::Failed(failure));
        }
        self.end();
    }

    fn end(&mut self) {
        self.ended = true;
        self.playing = false;
        self.pending = None;
        (self.keep_alive_at, self.fallback_at, self.idle_at) = (None, None, None);
        if let Some(conn) = self.conn.take() {
            self.out.push_back(Output::Close { conn, how: Closing::AfterFlush });
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, opened: machine::Opened) {
        if self.conn.is_some() || self.ended {
            self.out.push_back(Output::Close { conn, how: Closing::Now });
            return;
        }
        self.conn = Some(conn);
        self.server = Some(opened.remote);
        self.step(now);
    }

    fn bytes(&mut self, now: Instant, conn: ConnId, buffer: &mut BytesMut) {
        if self.conn != Some(conn) {
            buffer.clear();
            return;
        }
        if self.config.lab.is_some() {
            return self.lab_bytes(now, buffer);
        }
        while self.conn == Some(conn) {
            match self.codec.decode(buffer) {
                Ok(Some(Item::Response(response))) => self.response(now, &response),
                Ok(Some(Item::Interleaved { channel, data })) => self.interleaved(now, channel, &data),
                // What a server may ask of a client is not needed (RFC 2326 §10.8, §10.10).
                Ok(Some(Item::Request(request))) => self.refuse(&request),
                Ok(Some(Item::Lab(_))) => {}
                Ok(None) => return,
                Err(error) => {
                    buffer.clear();
                    self.fail(Failure::NotRtsp(error));
                }
            }
        }
        buffer.clear();
    }

    fn closed(&mut self, now: Instant, conn: ConnId, reason: CloseReason) {
        if self.conn != Some(conn) {
            return;
        }
        self.conn = None;
        self.finish_tracks(now);
        let failure = (self.goal != Goal::Gone).then_some(Failure::Closed(reason));
        match failure {
            Some(failure) => self.fail(failure),
            None => {
                self.end();
                self.event(Event::Ended);
            }
        }
    }

    fn timers(&self) -> impl Iterator<Item = Instant> {
        let pending = self.pending.as_ref().map(|p| p.sent + self.config.reply_timeout);
        let own = [pending, self.keep_alive_at, self.fallback_at, self.idle_at];
        let tracks = self.tracks.iter().filter(|_| !self.ended);
        own.into_iter().flatten().chain(tracks.filter_map(|t| t.receiver.as_ref()?.poll_timeout()))
    }

    fn random_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
}

impl Machine for Client {
    type Event = Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        match (from, input) {
            (Peer::Conn(conn), Input::Opened(opened)) => self.opened(now, conn, opened),
            (Peer::Conn(conn), Input::Bytes(buffer)) => self.bytes(now, conn, buffer),
            (Peer::Conn(conn), Input::End(buffer)) => {
                self.bytes(now, conn, buffer);
                self.lab_idle(now);
                if self.conn == Some(conn) {
                    self.out.push_back(Output::Close { conn, how: Closing::AfterFlush });
                    self.closed(now, conn, CloseReason::Remote);
                }
            }
            (Peer::Conn(conn), Input::Closed(reason)) => self.closed(now, conn, reason),
            (Peer::Udp(peer), Input::Datagram { data, .. }) => self.datagram(now, peer, data),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.pending.as_ref().is_some_and(|p| p.sent + self.config.reply_timeout <= now) {
            return self.fail(Failure::Timeout);
        }
        if self.idle_at.is_some_and(|at| at <= now) {
            self.lab_idle(now);
        }
        if self.fallback_at.is_some_and(|at| at <= now) {
            self.fall_back(now);
        }
        if self.keep_alive_at.is_some_and(|at| at <= now) {
            self.keep_alive(now);
        }
        self.run_receivers(now);
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.wall_offset = Some(i128::from(unix_ns) - i128::from(now.as_nanos()));
    }

    fn poll_output(&mut self) -> Option<Output<Event>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers().min()
    }
}
