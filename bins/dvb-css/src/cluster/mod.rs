//! A television as one of many: its timeline follows a session that timecode servers share, and what it says of its
//! content is an entry of their engine, so that all say the same, whichever of them a companion is connected to.
//!
//! ```text
//! bucket smpte-<cluster>  timecode sessions: this television is a node as an smpte-server is, without members
//! bucket css-<cluster>    entry `cii`: a CII message as JSON
//! ```

#[cfg(feature = "cluster")]
mod node;

use anyhow::{Result, anyhow};
use clap::Args;
use driver::cli::usage;
use dvb_css::message::{CiiMessage, Field};

#[cfg(feature = "cluster")]
pub use self::node::Cluster;

use crate::options::Telling;
use crate::serve::Television;
use crate::show::television_cii;
use crate::smpte::{self, Timeline};

/// Options of a program that can be one of several, if it is built so.
#[derive(Args, Clone, Debug)]
pub struct Sharing {
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    args: smpte_programs::cluster::ClusterArgs,
}

/// Who decides what televisions say of their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// This one: what it says is written into the entry.
    Told,
    /// The entry.
    Followed,
}

/// There is none where programs are built without it.
#[cfg(not(feature = "cluster"))]
#[derive(Clone, Copy, Debug)]
pub enum Cluster {}

impl Sharing {
    /// Becomes part of the cluster, if that is wanted. It is told when it is.
    ///
    /// # Errors
    /// With one line, when the options make no sense or the engine cannot be used.
    pub async fn join(&self, timeline: Option<&Timeline>, telling: Telling) -> Result<Option<Cluster>> {
        let joined = self.connect(telling).await?;
        if joined.is_none() && matches!(timeline, Some(Timeline::Cluster(_))) {
            let how = if cfg!(feature = "cluster") { "" } else { ", which this program is built without" };
            return Err(usage(anyhow!("--timeline: a session of a cluster needs --cluster{how}")));
        }
        Ok(joined)
    }

    #[cfg(feature = "cluster")]
    async fn connect(&self, telling: Telling) -> Result<Option<Cluster>> {
        Cluster::join(&self.args, telling).await
    }

    #[cfg(not(feature = "cluster"))]
    async fn connect(&self, _: Telling) -> Result<Option<Cluster>> {
        Ok(None)
    }
}

#[cfg(not(feature = "cluster"))]
impl Cluster {
    async fn run(self, _: &Television, _: Option<&str>, _: Content) -> Result<()> {
        match self {}
    }
}

/// What a television of a cluster says before it knows what all say: the original's channel, without its timelines.
pub fn first_cii(wc_port: u16) -> CiiMessage {
    let mut cii = television_cii(wc_port);
    cii.timelines = Field::Absent;
    cii
}

/// Follows the session that `--timeline` names, and the cluster, until the television ends.
///
/// # Errors
/// When the television has too many timelines.
pub async fn follow(
    television: Television,
    cluster: Option<Cluster>,
    timeline: Option<Timeline>,
    content: Content,
) -> Result<()> {
    let (source, session) = match timeline {
        Some(Timeline::Server(source)) => (Some(source), None),
        Some(Timeline::Cluster(session)) => (None, Some(session)),
        None => (None, None),
    };
    let at_server = async {
        match source {
            Some(source) => smpte::follow(television.clone(), source).await,
            None => Ok(()),
        }
    };
    let in_cluster = async {
        match cluster.map(|cluster| cluster.run(&television, session.as_deref(), content)) {
            Some(part) => part.await,
            None => Ok(()),
        }
    };
    tokio::try_join!(at_server, in_cluster)?;
    television.stopped().await;
    Ok(())
}
