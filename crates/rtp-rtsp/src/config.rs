//! Limits and defaults of the machines.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use crate::auth::Credentials;
use crate::client::Goal;
use crate::codec::Limits;
use crate::lab::Fragments;
use crate::sdp::Media;

/// How a [`Server`](crate::server::Server) is set up.
///
/// ```
/// use rtp_rtsp::config::{Publish, ServerConfig};
///
/// let mut config = ServerConfig::new([7; 32]);
/// config.publish = Publish::Anywhere;
/// assert_eq!(config.session_timeout.as_secs(), 60);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Seed of the generator of session names, nonces and first sequence numbers, from the operating system's
    /// randomness.
    pub rng_seed: [u8; 32],
    /// What `Server` headers say. Default `genlock/` and this crate's version.
    pub name: Cow<'static, str>,
    /// What readers have to know; `None`: anyone may read.
    pub readers: Option<Credentials>,
    /// What publishers have to know; `None`: anyone may publish where [`publish`](Self::publish) lets them.
    pub publishers: Option<Credentials>,
    /// Where streams may be published. Default nowhere.
    pub publish: Publish,
    /// The program has files: paths that are no mounts are [asked for](crate::server::Event::FileWanted).
    pub files: bool,
    /// Files begin anew at their end. Default: a BYE.
    pub loop_files: bool,
    /// Files that may be open at once. Default 64.
    pub max_files: u16,
    /// Sessions at once, readers and publishers; SETUP beyond gets 453. Default 10 000.
    pub max_sessions: u32,
    /// Sessions of one connection. Default 16.
    pub max_sessions_per_connection: u16,
    /// Published mounts at once; ANNOUNCE beyond gets 453. Default 256.
    pub max_published: u32,
    /// Without a sign of life for this long a session over UDP ends. Default 60 s (RFC 2326 §12.37).
    pub session_timeout: Duration,
    /// How long readers stay when their publisher is gone. Default 5 s.
    pub publisher_gap: Duration,
    /// How long a head may take from its first byte to its last. Default 10 s.
    pub head_timeout: Duration,
    /// How long PLAY waits for the first frame, so that `RTP-Info` can be true. Default 2 s.
    pub play_wait: Duration,
    /// Bytes of a head and of a body. Default 16 KiB and 64 KiB.
    pub limits: Limits,
    /// How JPEG is cut for readers of the classroom dialect.
    pub lab_fragments: Fragments,
    /// The first group and port for readers that ask for multicast; each track of a mount takes the next two ports.
    /// `None`: 461.
    pub multicast: Option<(Ipv4Addr, u16)>,
    /// Hops of multicast packets. Default 1.
    pub multicast_ttl: u8,
}

/// Where streams may be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// Nowhere: ANNOUNCE gets 403.
    #[default]
    Nowhere,
    /// At any path that is not taken by a mount of the program.
    Anywhere,
    /// At these paths, without slashes at their ends.
    At(Vec<String>),
}

impl ServerConfig {
    /// The defaults, with this seed.
    pub fn new(rng_seed: [u8; 32]) -> Self {
        Self {
            rng_seed,
            name: Cow::Borrowed(concat!("genlock/", env!("CARGO_PKG_VERSION"))),
            readers: None,
            publishers: None,
            publish: Publish::Nowhere,
            files: false,
            loop_files: false,
            max_files: 64,
            max_sessions: 10_000,
            max_sessions_per_connection: 16,
            max_published: 256,
            session_timeout: Duration::from_secs(60),
            publisher_gap: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            play_wait: Duration::from_secs(2),
            limits: Limits { max_head: 16 << 10, max_body: 64 << 10 },
            lab_fragments: Fragments::Same,
            multicast: None,
            multicast_ttl: 1,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("name", &self.name)
            .field("publish", &self.publish)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}

/// How a [`Client`](crate::client::Client) is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Seed of nonces and identifiers, from the operating system's randomness.
    pub rng_seed: [u8; 32],
    /// Address of the stream; a name and password in it are used where [`credentials`](Self::credentials) are not
    /// given.
    pub url: String,
    /// What `User-Agent` headers say. Default `genlock/` and this crate's version.
    pub name: Cow<'static, str>,
    /// What the server may want to know.
    pub credentials: Option<Credentials>,
    /// Play or publish.
    pub purpose: Purpose,
    /// What is published.
    pub media: Vec<Media>,
    /// How packets are to travel.
    pub transport: Wanted,
    /// Speak the classroom dialect, and ask for this file.
    pub lab: Option<String>,
    /// How far to go at first. Default to play.
    pub goal: Goal,
    /// How long an answer is waited for. Default 10 s.
    pub reply_timeout: Duration,
    /// How long packets are waited for over UDP. Default 3 s.
    pub udp_timeout: Duration,
    /// A longer frame is given up, in bytes. Default 8 MiB.
    pub max_frame: usize,
    /// Bytes of a head and of a body. Default 16 KiB and 64 KiB.
    pub limits: Limits,
}

/// What a client is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To receive.
    #[default]
    Play,
    /// To send.
    Publish,
}

/// How packets are to travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Over UDP, and over TCP if that does not work.
    #[default]
    Auto,
    /// Over UDP.
    Udp,
    /// On the connection.
    Tcp,
}

impl ClientConfig {
    /// The defaults, with this seed, for this address.
    pub fn new(rng_seed: [u8; 32], url: impl Into<String>) -> Self {
        Self {
            rng_seed,
            url: url.into(),
            name: Cow::Borrowed(concat!("genlock/", env!("CARGO_PKG_VERSION"))),
            credentials: None,
            purpose: Purpose::Play,
            media: Vec::new(),
            transport: Wanted::Auto,
            lab: None,
            goal: Goal::Playing,
            reply_timeout: Duration::from_secs(10),
            udp_timeout: Duration::from_secs(3),
            max_frame: 8 << 20,
            limits: Limits { max_head: 16 << 10, max_body: 64 << 10 },
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("ClientConfig")
            .field("purpose", &self.purpose)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
