//! What every part of the studio stands on: where to listen, what to tell, and what the parts share.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};
use smpte_programs::serve::TimecodeServer;
use smpte_timecode::message::SessionId;
use tokio::net::TcpListener;

use crate::log::Log;
use crate::parts::camera::CameraOptions;

/// Given to every part when it starts.
pub(crate) struct Ground {
    /// The address that everything binds.
    pub(crate) host: IpAddr,
    /// Where the page is served.
    pub(crate) page: SocketAddr,
    /// What happens, for the page and for `--json`.
    pub(crate) log: Log,
    /// What earlier parts offer to later ones.
    pub(crate) shared: Shared,
    /// What the command line says of the camera.
    pub(crate) camera: CameraOptions,
    ports: Ports,
}

/// What earlier parts offer to later ones. Empty where a part was left out or failed: the others do without.
#[derive(Default)]
pub(crate) struct Shared {
    /// The one clock: the session whose timecode everything carries.
    pub(crate) timecode: OnceLock<(TimecodeServer, SessionId)>,
    /// Where its server listens.
    pub(crate) timecode_address: OnceLock<SocketAddr>,
}

impl Ground {
    pub(crate) fn new(host: IpAddr, page: SocketAddr, ports: Ports, log: Log, camera: CameraOptions) -> Self {
        Self { host, page, log, shared: Shared::default(), camera, ports }
    }

    /// A TCP listener for a part: on its default port, or on a free one if that is taken, which is then said.
    pub(crate) async fn listen(&self, default: u16, role: &str) -> Result<TcpListener> {
        self.ports.listen(self.host, default, role, &self.log).await
    }

    /// The same for a UDP socket.
    pub(crate) fn bind_udp(&self, default: u16, role: &str) -> Result<UdpSocket> {
        self.ports.bind_udp(self.host, default, role, &self.log)
    }
}

/// Which ports to take.
pub(crate) enum Ports {
    /// Each its default, or a free one.
    Default,
    /// One after another from here on, leaving out those that are taken.
    From(AtomicU16),
}

impl Ports {
    pub(crate) fn new(from: Option<u16>) -> Self {
        from.map_or(Self::Default, |first| Self::From(AtomicU16::new(first)))
    }

    pub(crate) async fn listen(
        &self,
        host: IpAddr,
        default: u16,
        role: &str,
        log: &Log,
    ) -> Result<TcpListener> {
        match self {
            Self::Default => {
                if let Ok(listener) = TcpListener::bind((host, default)).await {
                    return Ok(listener);
                }
                let listener = TcpListener::bind((host, 0)).await.context("no free port")?;
                let free = listener.local_addr()?.port();
                log.bad("studio", format!("port {default} ({role}) is taken: using {free} instead"));
                Ok(listener)
            }
            Self::From(next) => loop {
                let port = next.fetch_add(1, Ordering::Relaxed);
                // Past 65535 the count starts at 0, which is no port.
                if port == 0 {
                    bail!("no port is left for {role}: give --ports-from a lower one");
                }
                match TcpListener::bind((host, port)).await {
                    Ok(listener) => return Ok(listener),
                    Err(error) => log.bad("studio", format!("port {port} ({role}) cannot be used: {error}")),
                }
            },
        }
    }

    fn bind_udp(&self, host: IpAddr, default: u16, role: &str, log: &Log) -> Result<UdpSocket> {
        match self {
            Self::Default => {
                if let Ok(socket) = UdpSocket::bind((host, default)) {
                    return Ok(socket);
                }
                let socket = UdpSocket::bind((host, 0)).context("no free port")?;
                let free = socket.local_addr()?.port();
                log.bad("studio", format!("port {default} ({role}) is taken: using {free} instead"));
                Ok(socket)
            }
            Self::From(next) => loop {
                let port = next.fetch_add(1, Ordering::Relaxed);
                if port == 0 {
                    bail!("no port is left for {role}: give --ports-from a lower one");
                }
                match UdpSocket::bind((host, port)) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => log.bad("studio", format!("port {port} ({role}) cannot be used: {error}")),
                }
            },
        }
    }
}
