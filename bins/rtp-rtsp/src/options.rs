//! The server's command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use driver::cli;
use rtp_rtsp::auth::Credentials;
use rtp_rtsp::config::{Publish, ServerConfig};
use rtp_rtsp::lab::Fragments;

use crate::files::Library;
use crate::pattern::PatternSpec;

/// What a server serves, and to whom.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Serve the files under this folder by their names: .Mjpeg, .mjpeg, .h264
    #[arg(long, value_name = "DIR")]
    pub media_root: Option<PathBuf>,
    /// Serve the test picture with burnt-in time; may be given several times
    #[arg(long, value_name = "NAME=WxH@FPS")]
    pub test_pattern: Vec<String>,
    /// Let streams be published: anywhere, or at these paths only
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, value_delimiter = ',')]
    pub allow_publish: Option<Vec<String>>,
    /// Readers have to give this name (with --password)
    #[arg(long, value_name = "USER", requires = "password", env = "RTSP_USER")]
    pub user: Option<String>,
    /// Readers have to give this password (with --user)
    #[arg(long, requires = "user", env = "RTSP_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Publishers have to give this name (with --publish-password)
    #[arg(long, value_name = "USER", requires = "publish_password", env = "RTSP_PUBLISH_USER")]
    pub publish_user: Option<String>,
    /// Publishers have to give this password (with --publish-user)
    #[arg(
        long,
        value_name = "PASSWORD",
        requires = "publish_user",
        env = "RTSP_PUBLISH_PASSWORD",
        hide_env_values = true
    )]
    pub publish_password: Option<String>,
    /// How pictures are cut for clients of the classroom dialect
    #[arg(long, value_name = "HOW", value_enum, default_value = "same")]
    pub lab_fragments: LabFragments,
    /// Frames a second of files [default: 20 in the labs' own .Mjpeg format, else 25]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    /// Sessions at once; more are told that the server is full (453)
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_sessions: u32,
    /// Make pictures in files anew that RTP cannot carry (progressive, 4:4:4, own Huffman tables)
    #[arg(long)]
    pub reencode: bool,
    /// Begin files anew at their end
    #[arg(long = "loop")]
    pub loop_files: bool,
    /// Group for readers that ask for multicast
    #[arg(long, value_name = "ADDR", value_parser = multicast)]
    pub multicast: Option<Ipv4Addr>,
}

/// How pictures are cut for clients of the classroom dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabFragments {
    /// All pieces of a frame have one sequence number.
    Same,
    /// Each piece has the next number.
    PerFragment,
    /// One datagram for a frame.
    Whole,
}

fn multicast(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr = text.parse().map_err(|_| "not an IPv4 address".to_owned())?;
    if address.is_multicast() { Ok(address) } else { Err("not between 224.0.0.0 and 239.255.255.255".into()) }
}

/// First UDP port of multicast groups.
const MULTICAST_PORT: u16 = 15_004;

impl ServeOptions {
    /// The machine's configuration.
    pub fn config(&self) -> ServerConfig {
        let mut config = ServerConfig::new(driver::seed());
        let pair = |user: &Option<String>, password: &Option<String>| {
            Some(Credentials::new(user.as_deref()?, password.as_deref()?))
        };
        config.readers = pair(&self.user, &self.password);
        config.publishers = pair(&self.publish_user, &self.publish_password);
        config.publish = match &self.allow_publish {
            None => Publish::Nowhere,
            Some(paths) if paths.is_empty() => Publish::Anywhere,
            Some(paths) => Publish::At(paths.iter().map(|p| p.trim_matches('/').to_owned()).collect()),
        };
        config.lab_fragments = match self.lab_fragments {
            LabFragments::Same => Fragments::Same,
            LabFragments::PerFragment => Fragments::PerFragment,
            LabFragments::Whole => Fragments::Whole,
        };
        config.files = self.media_root.is_some();
        config.loop_files = self.loop_files;
        config.max_sessions = self.max_sessions;
        config.multicast = self.multicast.map(|group| (group, MULTICAST_PORT));
        config
    }

    /// The files.
    ///
    /// # Errors
    /// With one line naming the option, when there is no such folder.
    pub fn library(&self) -> Result<Option<Library>> {
        let Some(root) = &self.media_root else { return Ok(None) };
        let opened = Library::open(root, self.fps, self.reencode)
            .with_context(|| format!("--media-root: cannot open the folder {}", root.display()));
        opened.map(Some).map_err(cli::usage)
    }

    /// The patterns.
    ///
    /// # Errors
    /// With one line naming the option.
    pub fn patterns(&self) -> Result<Vec<PatternSpec>> {
        let parse = |text: &String| PatternSpec::parse(text).context("--test-pattern").map_err(cli::usage);
        self.test_pattern.iter().map(parse).collect()
    }
}
