//! A streaming server in this process, for the camera's video alone.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use driver::record::Recording;
use rtp_rtsp::config::ServerConfig;
use rtsp_programs::files;
use rtsp_programs::serve::{self, RtspServer};
use tokio::net::TcpListener;

use crate::pipeline::{DEFAULT_PATH, VideoMount};

/// A running server. It has no mount before the [pipeline](crate::pipeline) makes one.
#[derive(Debug)]
pub struct Video {
    server: RtspServer,
    address: SocketAddr,
}

impl Video {
    /// Serves a listener, and a pair of UDP ports at its address. Recorded if there is a recording.
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    /// When no two UDP ports can be had.
    pub fn start(listener: TcpListener, recording: Option<&Recording>) -> Result<Self> {
        let address = listener.local_addr()?;
        let config = ServerConfig::new(driver::seed());
        let ttl = config.multicast_ttl;
        let (server, events) = serve::start_recorded(config, recording);
        serve::serve_udp(&server, address.ip(), ttl).context("no two UDP ports for RTP and RTCP")?;
        tokio::spawn(files::answer(server.clone(), events, None, serve::log));
        serve::serve_tcp(&server, listener);
        Ok(Self { server, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mount of the camera, for [`PipelineConfig::mount`](crate::pipeline::PipelineConfig::mount).
    pub fn mount(&self) -> VideoMount {
        VideoMount { server: self.server.clone(), path: DEFAULT_PATH.into() }
    }

    /// Lets readers go and ends.
    pub async fn shutdown(self, grace: Duration) {
        self.server.shutdown(grace).await;
    }
}
