//! The command line of a device.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use driver::cli;
use multicam_common::Dialect;
use multicam_common::config::{ClockSource, DeviceConfig};
use multicam_common::constants::{NTP_PORT, NTP_SERVER, TCP_PORT};

use super::{Setup, Source};

/// What a device can be told.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Address or name to listen on
    #[arg(long, env = "MULTICAM_HOST", default_value = "0.0.0.0")]
    pub host: String,
    /// TCP port; 0 picks a free one
    #[arg(long, env = "MULTICAM_PORT", default_value_t = TCP_PORT)]
    pub port: u16,
    /// Name of this device; by default one is made up and kept in --dir
    #[arg(long, value_name = "ID")]
    pub device_id: Option<String>,
    /// Where recordings are kept
    #[arg(long, value_name = "DIR", default_value = "recordings")]
    pub dir: PathBuf,
    /// Answer as package 1.0 (v1), as package 2.0 (v2), or so that all understand
    #[arg(long, value_enum, default_value_t = Words::Both)]
    pub dialect: Words,
    /// What to record: test, rtsp:URL, v4l2:/dev/videoN or command:ARGV (v4l2 needs ffmpeg, and H.264 over rtsp needs it for
    /// MP4; a command gets the output path as its last argument and is ended by SIGINT)
    #[arg(long, default_value = "test")]
    pub source: Source,
    /// Where the time comes from; by default NTP, without it a controller that serves time, without it the system
    #[arg(long, value_enum)]
    pub clock: Option<Clock>,
    /// NTP server
    #[arg(long, value_name = "HOST[:PORT]", default_value = NTP_SERVER)]
    pub ntp: String,
    /// Do not announce this device by multicast DNS
    #[arg(long)]
    pub no_mdns: bool,
    /// Announce only on this interface (`lo`: this machine alone); may be given again
    #[arg(long, value_name = "NAME|ADDR")]
    pub interface: Vec<String>,
    /// Refuse commands that do not carry this word as `auth` (no original sends one)
    #[arg(long, env = "MULTICAM_AUTH", hide_env_values = true, value_name = "WORD")]
    pub auth: Option<String>,
}

/// In whose words to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Words {
    /// So that all generations understand.
    Both,
    /// Package 1.0.
    V1,
    /// Package 2.0.
    V2,
}

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// NTP, and no planned start without it.
    Ntp,
    /// The system, right or wrong.
    System,
    /// A controller that serves time, and no planned start without one.
    Controller,
}

impl Options {
    /// What to run.
    ///
    /// # Errors
    /// With one line naming the option that makes no sense.
    pub fn setup(&self) -> Result<Setup> {
        let clock = match self.clock {
            None => ClockSource::Auto,
            Some(Clock::Ntp) => ClockSource::Ntp,
            Some(Clock::System) => ClockSource::System,
            Some(Clock::Controller) => ClockSource::Controller,
        };
        let dialect = match self.dialect {
            Words::Both => Dialect::Both,
            Words::V1 => Dialect::V1,
            Words::V2 => Dialect::V2,
        };
        let id = match &self.device_id {
            Some(id) => id.clone(),
            None => kept_id(&self.dir)?,
        };
        if multicam_common::FileName::parse(&id).is_err() || id.len() > 100 {
            let error = anyhow::anyhow!("--device-id: '{}' cannot be part of a file name", id.escape_debug());
            return Err(cli::usage(error));
        }
        let config = DeviceConfig::new(driver::seed(), id)
            .with_clock(clock)
            .with_dialect(dialect)
            .with_auth(self.auth.clone());
        let asks = matches!(clock, ClockSource::Auto | ClockSource::Ntp);
        let ntp = if asks { Some(server(&self.ntp)?) } else { None };
        Ok(Setup { config, dir: self.dir.clone(), source: self.source.clone(), ntp })
    }
}

fn server(text: &str) -> Result<(String, u16)> {
    let bad = || cli::usage(anyhow::anyhow!("--ntp: '{text}' is not HOST or HOST:PORT"));
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Ok((host.into(), port.parse().map_err(|_| bad())?)),
        _ if text.is_empty() => Err(bad()),
        _ => Ok((text.into(), NTP_PORT)),
    }
}

/// The id that was made up for this directory, so that a device keeps its name.
fn kept_id(dir: &std::path::Path) -> Result<String> {
    use anyhow::Context;
    let path = dir.join(".device-id");
    if let Ok(id) = std::fs::read_to_string(&path) {
        return Ok(id.trim().into());
    }
    let [noun, a, b, c, d, ..] = driver::seed();
    let nouns = ["Mountain", "River", "Tiger", "Falcon", "Forest", "Ocean", "Meadow", "Comet"];
    let noun = nouns[usize::from(noun) % nouns.len()];
    let id = format!("{noun}-{:08X}", u32::from_be_bytes([a, b, c, d]));
    std::fs::create_dir_all(dir).with_context(|| format!("--dir: cannot make {}", dir.display()))?;
    std::fs::write(&path, &id).with_context(|| format!("--dir: cannot write in {}", dir.display()))?;
    Ok(id)
}
