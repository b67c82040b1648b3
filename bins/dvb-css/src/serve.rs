//! The server machines on sockets.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use driver::{Driver, Events, Gate, Limits, Refusal, Route, UdpOptions};
use dvb_css::config::{TvServerConfig, WcServerConfig};
use dvb_css::server::{CII, TS, TvServer, TvServerEvent, WC, WcServer, WcServerEvent};
use machine::SocketId;
use tokio::net::TcpListener;

use crate::logging::HTTP;

/// A running wall clock server.
pub type WallClockServer = Driver<WcServer>;
/// The running WebSocket side of a television.
pub type Television = Driver<TvServer>;

/// Serves the wall clock on a bound socket, with stamps by the kernel where it gives them.
///
/// # Errors
/// When the socket cannot be set up.
pub fn wall_clock(
    socket: UdpSocket,
    config: WcServerConfig,
) -> io::Result<(WallClockServer, Events<WcServerEvent>)> {
    let options = if config.follow_ups { UdpOptions::STAMPED } else { UdpOptions::ARRIVALS };
    let (server, events) = Driver::start(WcServer::new(config), Limits::default());
    server.serve_udp(socket, SocketId(0), options)?;
    Ok((server, events))
}

/// The end points of a television and how many connections each takes.
#[derive(Clone, Debug)]
pub struct EndPoints {
    /// `/cii`
    pub cii: Option<Gate>,
    /// `/ts`
    pub ts: Option<Gate>,
    /// `/wc`, for browsers.
    pub wc: bool,
}

impl EndPoints {
    /// Content identification alone.
    pub fn cii(limit: Option<usize>) -> Self {
        Self { cii: Some(gate(limit)), ts: None, wc: false }
    }

    /// Timelines, and the wall clock for browsers.
    pub fn ts(limit: Option<usize>) -> Self {
        Self { cii: None, ts: Some(gate(limit)), wc: true }
    }

    /// All three.
    pub fn all(cii: Option<usize>, ts: Option<usize>) -> Self {
        Self { cii: Some(gate(cii)), ts: Some(gate(ts)), wc: true }
    }

    fn routes(&self) -> Vec<Route> {
        let gated = |path: &str, service, gate: &Option<Gate>| {
            gate.clone().map(|gate| Route::new(path, service).with_gate(gate))
        };
        let wc = self.wc.then(|| Route::new("/wc", WC));
        [gated("/cii", CII, &self.cii), gated("/ts", TS, &self.ts), wc].into_iter().flatten().collect()
    }
}

/// Lets so many in, and tells others what the original tells them.
pub fn gate(limit: Option<usize>) -> Gate {
    let text = "Service Unavailable. No more connections to end-point permitted. Maximum limit reached.";
    Gate::new(limit, Refusal { status: 503, text: text.into() })
}

/// Shuts an end point, as the original does with one that is disabled: who is there is closed with 1001, who comes gets
/// 403.
pub fn disable(television: &Television, service: machine::Service, gate: &Gate) {
    gate.shut(Refusal { status: 403, text: "Forbidden. This end-point is currently unavailable".into() });
    television.call(|tv, _| tv.set_enabled(service, false));
}

/// Ends [`disable`].
pub fn enable(television: &Television, service: machine::Service, gate: &Gate) {
    television.call(|tv, _| tv.set_enabled(service, true));
    gate.open();
}

/// Starts the WebSocket side of a television without a listener.
pub fn start_television(config: TvServerConfig) -> (Television, Events<TvServerEvent>) {
    Driver::start(TvServer::new(config), Limits::default())
}

/// Serves a television's end points, all on one port.
pub fn serve_television(television: &Television, listener: TcpListener, end_points: &EndPoints) {
    television.serve_ws(listener, end_points.routes());
}

/// Takes over a WebSocket that an HTTP server has upgraded.
pub async fn attach_ws<S>(
    television: &Television,
    io: S,
    service: machine::Service,
    local: SocketAddr,
    remote: SocketAddr,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    television.attach_ws(io, service, local, remote).await;
}

/// Logs each answered request as the original does, until the server ends.
pub async fn log_requests(mut events: Events<WcServerEvent>) {
    while let Some(event) = events.next().await {
        if let WcServerEvent::Request { remote, originate } = event {
            tracing::info!(
                target: "WallClockServer",
                "Responding to request from {} port {} with originate time={:20} ns",
                remote.ip(), remote.port(), originate.as_nanos()
            );
        }
    }
}

/// Logs what clients of a television do, and hands on each event.
pub async fn watch(mut events: Events<TvServerEvent>, mut handle: impl FnMut(&TvServerEvent)) {
    while let Some(event) = events.next().await {
        let name = |service| match service {
            CII => "cii",
            TS => "ts",
            _ => "wc",
        };
        match &event {
            TvServerEvent::Connected { service, remote, .. } => {
                tracing::info!(target: HTTP, "{remote} connected to /{}", name(*service));
            }
            TvServerEvent::Disconnected { service, reason, .. } => {
                tracing::info!(target: HTTP, "a client of /{} is gone ({reason:?})", name(*service));
            }
            TvServerEvent::Unreadable { conn, error } => {
                tracing::warn!(target: HTTP, "client {} sent what is no message: {error}", conn.0);
            }
            _ => {}
        }
        handle(&event);
    }
}
