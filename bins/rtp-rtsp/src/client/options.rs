//! The client's command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use driver::cli;
use rtp_rtsp::auth::Credentials;

/// Play a stream: save it, measure it, or just see whether it comes
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  rtsp-client rtsp://localhost:8554/test --duration 5 --stats       over UDP, else TCP
  rtsp-client rtsp://u:p@camera/live --transport tcp --record a.h264
  rtsp-client localhost 8554 25000 movie.Mjpeg --save-frames out    as the classroom client is called"
)]
pub struct Options {
    /// Address of the stream, or HOST PORT RTP_PORT FILE for a classroom server
    #[arg(value_name = "URL | HOST PORT RTP_PORT FILE", num_args = 1..=4, required = true)]
    target: Vec<String>,
    /// How packets are to travel
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    pub transport: TransportChoice,
    /// Speak the classroom dialect, whatever the address looks like
    #[arg(long)]
    lab: bool,
    /// Leave after so many seconds of playing
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub duration: Option<f64>,
    /// Save each JPEG picture in this folder
    #[arg(long, value_name = "DIR")]
    pub save_frames: Option<PathBuf>,
    /// Record to this file: .mjpeg, .Mjpeg (as the labs have it) or .h264; .mp4, .mkv, .mov, .avi and .ts with ffmpeg's help
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Say every second how it goes
    #[arg(long)]
    pub stats: bool,
    /// Say so as JSON: print one JSON object a line, and one at the end
    #[arg(long)]
    pub json: bool,
    /// Do what is typed: setup, play, pause, stats, teardown
    #[arg(long)]
    pub interactive: bool,
    /// Show the video in a window, with buttons (and keys): setup, play, pause, teardown
    #[cfg(feature = "window")]
    #[arg(long)]
    pub window: bool,
    /// How long the window holds pictures back, so that they come evenly
    #[cfg(feature = "window")]
    #[arg(long, value_name = "S", default_value = "0.4", value_parser = buffer, requires = "window")]
    pub buffer: f64,
    /// Name for the server, if it wants one
    #[arg(long, requires = "password", env = "RTSP_USER")]
    user: Option<String>,
    /// Password for the server
    #[arg(long, requires = "user", env = "RTSP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// How to log
    #[command(flatten)]
    pub logging: cli::Logging,
}

/// How packets are to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportChoice {
    /// Over UDP, and over TCP if nothing comes.
    Auto,
    /// Over UDP.
    Udp,
    /// On the connection.
    Tcp,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s: &f64| (0.0..1e9).contains(s)).ok_or_else(|| "not a number of seconds".into())
}

#[cfg(feature = "window")]
fn buffer(text: &str) -> Result<f64, String> {
    let held = text.parse().ok().filter(|s: &f64| (0.0..=10.0).contains(s));
    held.ok_or_else(|| "not a number of seconds from 0 to 10".into())
}

impl Options {
    /// Address, file of the classroom dialect if that is to be spoken, and the RTP port if it is given.
    ///
    /// # Errors
    /// With one line that says what is wrong.
    pub fn source(&self) -> Result<(String, Option<String>, Option<u16>)> {
        match &self.target[..] {
            [url] if self.lab => {
                let file = url.rsplit('/').next().unwrap_or_default().to_owned();
                Ok((url.clone(), Some(file), None))
            }
            [url] => Ok((url.clone(), None, None)),
            [host, port, rtp_port, file] => {
                let Ok(port) = port.parse::<u16>() else { bail!("'{port}' is not a port") };
                let Some(rtp_port) = rtp_port.parse::<u16>().ok().filter(|p| *p > 0) else {
                    bail!("'{rtp_port}' is not a port")
                };
                Ok((format!("rtsp://{host}:{port}/{file}"), Some(file.clone()), Some(rtp_port)))
            }
            _ => bail!("give an address, or HOST PORT RTP_PORT FILE"),
        }
    }

    /// What is played, without a password that is in its address.
    #[cfg(feature = "window")]
    pub(super) fn name(&self) -> String {
        let said = self.target.join(" ");
        match said.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
            Some((scheme, rest)) => format!("{scheme}://{rest}"),
            None => said,
        }
    }

    /// Whether it does nothing before it is told to, and stays at the end of the stream.
    pub(super) fn waits(&self) -> bool {
        #[cfg(feature = "window")]
        if self.window {
            return true;
        }
        self.interactive
    }

    /// What the server may want to know.
    pub fn credentials(&self) -> Option<Credentials> {
        Some(Credentials::new(self.user.as_deref()?, self.password.as_deref()?))
    }
}
