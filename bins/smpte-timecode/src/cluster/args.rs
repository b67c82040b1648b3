//! The options of a program that is one of several.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use driver::cli::usage;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::session::replicated::{NodeConfig, NodeName};

use super::{Credentials, Nats, Options};

/// Options of a program that is one of several. Secrets come from the environment or a file, never from the command line.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Share sessions with the other servers of a NATS engine with JetStream: nats://HOST:PORT, several with commas
    #[arg(long, value_name = "URL", env = "SMPTE_CLUSTER")]
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
    /// Take a server for dead that has been silent for so many milliseconds; the same at all servers
    #[arg(long, value_name = "MS", requires = "cluster", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1000..=60_000))]
    cluster_lease: u64,
    /// File with a NATS token and its seed; or set SMPTE_CLUSTER_USER and SMPTE_CLUSTER_PASSWORD, or SMPTE_CLUSTER_TOKEN
    #[arg(long, value_name = "FILE", requires = "cluster", env = "SMPTE_CLUSTER_CREDENTIALS")]
    cluster_credentials: Option<PathBuf>,
    /// File with the certificates (PEM) that prove who the engine is, besides those of the system; for tls:// URLs
    #[arg(long, value_name = "FILE", requires = "cluster", env = "SMPTE_CLUSTER_CA")]
    cluster_ca: Option<PathBuf>,
}

impl ClusterArgs {
    /// Connects to the engine, if one is wanted, and makes the server a node.
    ///
    /// # Errors
    /// With one line, when the options make no sense or the engine cannot be used.
    pub async fn connect(&self, config: ServerConfig) -> Result<(ServerConfig, Option<Nats>)> {
        let node = self.node()?.with_max_sessions(usize::try_from(config.max_sessions).unwrap_or(usize::MAX));
        match self.engine("smpte").await? {
            Some(engine) => Ok((config.with_cluster(node), Some(engine))),
            None => Ok((config, None)),
        }
    }

    /// Connects to the engine, if one is wanted, for the entries of one kind of program.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn engine(&self, kind: &'static str) -> Result<Option<Nats>> {
        let Some(url) = &self.cluster else { return Ok(None) };
        let options = Options {
            url: url.clone(),
            kind,
            cluster: self.cluster_name.clone(),
            credentials: self.credentials()?,
            certificates: self.cluster_ca.clone(),
            wait: self.wait,
        };
        Nats::connect(options).await.map(Some)
    }

    fn node(&self) -> Result<NodeConfig> {
        let [a, b, c, d, e, f, g, h, ..] = driver::seed();
        let incarnation = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let drawn = || format!("{:08x}", incarnation >> 32);
        let name: NodeName =
            self.node_id.clone().unwrap_or_else(drawn).parse().context("--node-id").map_err(usage)?;
        Ok(NodeConfig::new(name, incarnation)
            .with_lease(Duration::from_millis(self.cluster_lease))
            .with_max_offset(Duration::from_millis(self.clock_limit)))
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
