//! What every part of the studio stands on: where to listen, what to tell, and what the parts share.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};
use rtsp_programs::serve::RtspServer;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clock::OneClock;
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
    /// The parts that were asked for; empty: all.
    pub(crate) only: Vec<String>,
    ports: Ports,
    /// What a panel is to say for as long as it is there, by part.
    notices: Mutex<Vec<(String, String)>>,
}

/// What earlier parts offer to later ones. Empty where a part was left out or failed: the others do without.
#[derive(Default)]
pub(crate) struct Shared {
    /// The one clock: the session whose timecode everything carries.
    pub(crate) clock: OnceLock<OneClock>,
    /// The streaming server and where it listens.
    pub(crate) rtsp: OnceLock<(RtspServer, SocketAddr)>,
    /// Address of the stream that carries the camera.
    pub(crate) camera_url: OnceLock<String>,
}

impl Ground {
    pub(crate) fn new(
        host: IpAddr,
        page: SocketAddr,
        ports: Ports,
        log: Log,
        camera: CameraOptions,
        only: Vec<String>,
    ) -> Self {
        Self { host, page, log, shared: Shared::default(), camera, only, ports, notices: Mutex::default() }
    }

    /// Whether a part was asked for.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// A TCP listener for a part: on its default port, or on a free one if that is taken, which is then said. The role
    /// begins with the part's name.
    pub(crate) fn listen(&self, default: u16, role: &str) -> Result<TcpListener> {
        let (listener, said) = self.ports.listen(self.host, default, role)?;
        said.into_iter().for_each(|text| self.notice(role, text));
        Ok(listener)
    }

    /// The same for a UDP socket.
    pub(crate) fn bind_udp(&self, default: u16, role: &str) -> Result<UdpSocket> {
        let (socket, said) = self.ports.bind(self.host, default, role, UdpSocket::bind)?;
        said.into_iter().for_each(|text| self.notice(role, text));
        Ok(socket)
    }

    /// Something that the log and the part's panel say.
    pub(crate) fn notice(&self, role: &str, text: String) {
        let part = role.split(' ').next().unwrap_or(role);
        self.log.bad(part, text.clone());
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push((part.to_owned(), text));
    }

    /// All that panels are to say.
    pub(crate) fn notices(&self) -> Vec<Value> {
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().map(|(part, text)| json!({"part": part, "text": text})).collect()
    }
}

/// Where a program on this machine finds a listener.
pub(crate) fn on_this_machine(listener: SocketAddr) -> SocketAddr {
    let host = if listener.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { listener.ip() };
    SocketAddr::new(host, listener.port())
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

    /// A listener, and what is to be said of its port if it is not the one that was wanted.
    pub(crate) fn listen(
        &self,
        host: IpAddr,
        default: u16,
        role: &str,
    ) -> Result<(TcpListener, Vec<String>)> {
        let (listener, said) = self.bind(host, default, role, std::net::TcpListener::bind)?;
        listener.set_nonblocking(true)?;
        Ok((TcpListener::from_std(listener)?, said))
    }

    /// `said`: which ports could not be used, and what is used instead.
    fn bind<S: Bound>(
        &self,
        host: IpAddr,
        default: u16,
        role: &str,
        bind: impl Fn(SocketAddr) -> io::Result<S>,
    ) -> Result<(S, Vec<String>)> {
        let at = |port| bind(SocketAddr::new(host, port));
        match self {
            Self::Default => match at(default) {
                Ok(bound) => Ok((bound, Vec::new())),
                Err(error) => {
                    let bound = at(0).context("no free port")?;
                    let free = bound.port()?;
                    Ok((bound, vec![format!("{}: using {free} instead", refused(default, role, &error))]))
                }
            },
            Self::From(next) => {
                let mut said = Vec::new();
                loop {
                    let port = next.fetch_add(1, Ordering::Relaxed);
                    // Past 65535 the count starts at 0, which is no port.
                    if port == 0 {
                        bail!("no port is left for {role}: give --ports-from a lower one");
                    }
                    match at(port) {
                        Ok(bound) => return Ok((bound, said)),
                        Err(error) => said.push(refused(port, role, &error)),
                    }
                }
            }
        }
    }
}

fn refused(port: u16, role: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} ({role}) is taken"),
        _ => format!("port {port} ({role}) cannot be used: {error}"),
    }
}

/// Something that has a port.
trait Bound {
    fn port(&self) -> io::Result<u16>;
}

impl Bound for std::net::TcpListener {
    fn port(&self) -> io::Result<u16> {
        self.local_addr().map(|address| address.port())
    }
}

impl Bound for UdpSocket {
    fn port(&self) -> io::Result<u16> {
        self.local_addr().map(|address| address.port())
    }
}
