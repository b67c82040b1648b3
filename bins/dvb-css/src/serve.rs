//! The server machines on sockets.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use driver::record::Recording;
use driver::{Driver, Events, Gate, Limits, Refusal, Route, UdpOptions};
use dvb_css::config::{TvServerConfig, WcServerConfig};
use dvb_css::server::{CII, TS, TvCalls, TvServer, TvServerEvent, WC, WcServer, WcServerEvent};
use machine::record::Recorded;
use machine::{Service, SocketId};
use tokio::net::TcpListener;

use crate::logging::{HTTP, WALL_CLOCK_SERVER};

/// A running wall clock server.
pub type WallClockServer = Driver<Recorded<WcServer>>;
/// The running WebSocket side of a television. Programs act on it through [`TvCalls`].
pub type Television = Driver<Recorded<TvServer>>;

/// Serves the wall clock on a bound socket, with stamps by the kernel where it gives them.
///
/// # Errors
/// When the socket cannot be set up.
pub fn wall_clock(
    socket: UdpSocket,
    config: WcServerConfig,
) -> io::Result<(WallClockServer, Events<WcServerEvent>)> {
    wall_clock_recorded(socket, config, None)
}

/// The same, recorded if there is a recording.
///
/// # Errors
/// When the socket cannot be set up.
pub fn wall_clock_recorded(
    socket: UdpSocket,
    config: WcServerConfig,
    recording: Option<&Recording>,
) -> io::Result<(WallClockServer, Events<WcServerEvent>)> {
    let options = if config.follow_ups { UdpOptions::STAMPED } else { UdpOptions::ARRIVALS };
    let (server, events) =
        Driver::start(Recorded::new(config, recording.map(Recording::sink)), Limits::default());
    server.serve_udp(socket, SocketId(0), options)?;
    Ok((server, events))
}

/// The end points of a television, each with how many connections it takes. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub struct EndPoints(Vec<EndPoint>);

#[derive(Clone, Debug)]
struct EndPoint {
    name: &'static str,
    service: Service,
    gate: Gate,
    pause: Duration,
}

/// Between the end of the handshake and the state that comes unasked. pydvbcss' WebSocket library begins to read in a second
/// thread before the first has taken in what came with the handshake: of such companions one in ten would hear nothing.
const BEFORE_THE_STATE: Duration = Duration::from_millis(20);

impl EndPoints {
    /// The names of all that there are.
    pub const NAMES: [&'static str; 3] = ["cii", "ts", "wc"];

    /// Content identification alone.
    pub fn cii(limit: Option<usize>) -> Self {
        Self(vec![EndPoint { name: "cii", service: CII, gate: gate(limit), pause: BEFORE_THE_STATE }])
    }

    /// Timelines, and the wall clock for browsers.
    pub fn ts(limit: Option<usize>) -> Self {
        let pause = Duration::ZERO;
        let ts = EndPoint { name: "ts", service: TS, gate: gate(limit), pause };
        Self(vec![ts, EndPoint { name: "wc", service: WC, gate: gate(None), pause }])
    }

    /// All three.
    pub fn all(cii: Option<usize>, ts: Option<usize>) -> Self {
        Self([Self::cii(cii).0, Self::ts(ts).0].concat())
    }

    /// Opens all end points but those named. As the original does it: who is at one that is shut is sent away with code
    /// 1001, and who comes to it gets 403.
    pub fn disable_only(&self, tv: &mut Recorded<TvServer>, names: &[String]) {
        for EndPoint { name, service, gate, .. } in &self.0 {
            let enabled = !names.iter().any(|disabled| disabled == name);
            if enabled {
                gate.open();
            } else {
                let text = "Forbidden. This end-point is currently unavailable";
                gate.shut(Refusal { status: 403, text: text.into() });
            }
            tv.set_enabled(*service, enabled);
        }
    }

    fn routes(&self) -> Vec<Route> {
        let route = |e: &EndPoint| {
            Route::new(format!("/{}", e.name), e.service).with_gate(e.gate.clone()).with_pause(e.pause)
        };
        self.0.iter().map(route).collect()
    }
}

/// Lets so many in, and tells others what the original tells them.
fn gate(limit: Option<usize>) -> Gate {
    let text = "Service Unavailable. No more connections to end-point permitted. Maximum limit reached.";
    Gate::new(limit, Refusal { status: 503, text: text.into() })
}

/// Starts the WebSocket side of a television without a listener.
pub fn start_television(config: TvServerConfig) -> (Television, Events<TvServerEvent>) {
    start_television_recorded(config, None)
}

/// The same, recorded if there is a recording.
pub fn start_television_recorded(
    config: TvServerConfig,
    recording: Option<&Recording>,
) -> (Television, Events<TvServerEvent>) {
    Driver::start(Recorded::new(config, recording.map(Recording::sink)), Limits::default())
}

/// Serves a television's end points, all on one port.
pub fn serve_television(television: &Television, listener: TcpListener, end_points: &EndPoints) {
    television.serve_ws(listener, end_points.routes());
}

/// Takes over a WebSocket that an HTTP server has upgraded.
pub async fn attach_ws<S>(
    television: &Television,
    io: S,
    service: Service,
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
                target: WALL_CLOCK_SERVER,
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
