//! Hopping between three channels, a hop every seven seconds; or showing what a file says.

use std::path::Path;
use std::time::Duration;

use dvb_css::message::{CiiMessage, ContentIdStatus};
use dvb_css::server::{TvCalls, UpdateCii};

use crate::serve::Television;
use crate::state_file::{LOOK, Watched, read_cii};

/// The content identifiers of the original's three channels.
pub const CHANNELS: [&str; 3] = [
    "dvb://233a.1004.1044;363a~20130218T0915Z--PT00H45M",
    "dvb://233a.1168.122a;1aa4~20130218T0910Z--PT00H30M",
    "dvb://233a.1050.1008;9fd~20130218T0920Z--PT00H50M",
];

/// Each hop has a transition.
const TRANSITION: Duration = Duration::from_secs(2);
const SHOWN: Duration = Duration::from_secs(5);

/// What a CII server pretends to show.
#[derive(Debug)]
pub enum ChannelShow {
    /// One channel after the other.
    Hops,
    /// What a file says.
    File(Watched),
}

impl ChannelShow {
    /// Begins with the first channel.
    pub fn hops(television: &Television) -> Self {
        hop_to(television, CHANNELS[0]);
        Self::Hops
    }

    /// Begins with what a file says.
    ///
    /// # Errors
    /// When the file cannot be read, or the server does not take what it says.
    pub fn file(television: &Television, path: &Path) -> anyhow::Result<Self> {
        let (file, cii) = Watched::open(path, read_cii)?;
        television.call(|tv, now| tv.set_cii(now, cii))?;
        Ok(Self::File(file))
    }

    /// Goes on for ever.
    pub async fn run(self, television: Television) {
        match self {
            Self::Hops => hop(&television).await,
            Self::File(file) => follow(&television, file).await,
        }
    }
}

async fn hop(television: &Television) {
    let start = tokio::time::Instant::now();
    let mut after = Duration::ZERO;
    for channel in CHANNELS.into_iter().cycle() {
        hop_to(television, channel);
        after += TRANSITION;
        tokio::time::sleep_until(start + after).await;
        set(television, |cii| cii.presentation_status = vec!["okay".into()].into());
        after += SHOWN;
        tokio::time::sleep_until(start + after).await;
    }
}

fn hop_to(television: &Television, channel: &str) {
    set(television, |cii| {
        cii.protocol_version = "1.1".into();
        cii.content_id = channel.into();
        cii.content_id_status = ContentIdStatus::Final.into();
        cii.presentation_status = vec!["transitioning".into()].into();
    });
}

fn set(television: &Television, change: impl FnOnce(&mut CiiMessage)) {
    if let Err(error) = television.call(|tv, now| tv.update_cii(now, change)) {
        tracing::error!(target: "CIIServer", "{error}");
    }
}

async fn follow(television: &Television, mut file: Watched) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(cii) = file.look(read_cii)
            && let Err(error) = television.call(|tv, now| tv.set_cii(now, cii))
        {
            tracing::error!(target: "CIIServer", "{error}; the old state stays");
        }
    }
}
