//! The options of a server that is one of several.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use driver::cli::usage;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::session::replicated::{NodeConfig, NodeName};

use super::{Credentials, Nats, Options};

/// Options for `smpte-server`. Secrets come from the environment or a file, never from the command line.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Share sessions with the other servers of a NATS engine with JetStream: nats://HOST:PORT, several with commas
    #[arg(long, value_name = "URL", env = "SMPTE_CLUSTER", conflicts_with = "compat_truncated_labels")]
    cluster: Option<String>,
    /// Which of the engine's clusters
    #[arg(long, value_name = "NAME", requires = "cluster", default_value = "default")]
    cluster_name: String,
    /// Name of this server in the cluster, which no other may have; drawn if not given
    #[arg(long, value_name = "ID", requires = "cluster")]
    node_id: Option<String>,
    /// Wait for an engine that cannot be reached yet
    #[arg(long, requires = "cluster")]
    wait: bool,
    /// Refuse to serve the cluster when this machine's clock is further from the others' than so many milliseconds
    #[arg(long, value_name = "MS", requires = "cluster", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    clock_limit: u64,
    /// File with a NATS token and its seed; or set SMPTE_CLUSTER_USER and SMPTE_CLUSTER_PASSWORD, or SMPTE_CLUSTER_TOKEN
    #[arg(long, value_name = "FILE", requires = "cluster", env = "SMPTE_CLUSTER_CREDENTIALS")]
    cluster_credentials: Option<PathBuf>,
}

impl ClusterArgs {
    /// Connects to the engine, if one is wanted, and makes the server a node.
    ///
    /// # Errors
    /// With one line, when the options make no sense or the engine cannot be used.
    pub async fn connect(&self, config: ServerConfig) -> Result<(ServerConfig, Option<Nats>)> {
        let Some(url) = &self.cluster else { return Ok((config, None)) };
        let [a, b, c, d, e, f, g, h, ..] = driver::seed();
        let incarnation = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let drawn = || format!("{:08x}", incarnation >> 32);
        let name: NodeName =
            self.node_id.clone().unwrap_or_else(drawn).parse().context("--node-id").map_err(usage)?;
        let node = NodeConfig::new(name, incarnation)
            .with_max_sessions(usize::try_from(config.max_sessions).unwrap_or(usize::MAX))
            .with_max_offset(Duration::from_millis(self.clock_limit));
        let options = Options {
            url: url.clone(),
            cluster: self.cluster_name.clone(),
            credentials: self.credentials()?,
            wait: self.wait,
        };
        Ok((config.with_cluster(node), Some(Nats::connect(options).await?)))
    }

    fn credentials(&self) -> Result<Credentials> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(file) = &self.cluster_credentials {
            return Ok(Credentials::File(file.clone()));
        }
        match (
            variable("SMPTE_CLUSTER_USER"),
            variable("SMPTE_CLUSTER_PASSWORD"),
            variable("SMPTE_CLUSTER_TOKEN"),
        ) {
            (Some(user), Some(password), None) => Ok(Credentials::User(user, password)),
            (None, None, Some(token)) => Ok(Credentials::Token(token)),
            (None, None, None) => Ok(Credentials::None),
            _ => Err(usage(anyhow::anyhow!(
                "set SMPTE_CLUSTER_USER and SMPTE_CLUSTER_PASSWORD, or SMPTE_CLUSTER_TOKEN alone"
            ))),
        }
    }
}
