//! A session server on sockets: the machine of `smpte-timecode` under the driver.

use std::time::Duration;

use driver::record::Recording;
use driver::{Driver, Events, Limits, Route};
use machine::Service;
use machine::record::Recorded;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::server::{Event, Server};
use tokio::net::TcpListener;

/// The machine has one door; how a connection came in is told by its transport.
const SESSIONS: Service = Service(0);

/// A running session server: the driver's handle to it. Add listeners with [`serve_tcp`] and [`serve_ws`], act on its
/// sessions with [`Driver::call`] and [`ServerCalls`](smpte_timecode::server::ServerCalls).
pub type TimecodeServer = Driver<Recorded<Server>>;

/// Starts a session server without listeners. Events are told to whoever reads them; drop them if nobody does.
pub fn start(config: ServerConfig) -> (TimecodeServer, Events<Event>) {
    start_recorded(config, None)
}

/// The same, recorded if there is a recording.
pub fn start_recorded(
    config: ServerConfig,
    recording: Option<&Recording>,
) -> (TimecodeServer, Events<Event>) {
    let mut limits = Limits::default();
    // Room to tell those beyond `max_clients` that the server is full.
    limits.max_connections = usize::try_from(config.max_clients).unwrap_or(usize::MAX).saturating_add(1024);
    // A few seconds of updates: what a reader that was stuck gets to see before the newest.
    limits.send_buffer = Some(64 << 10);
    Driver::start(Recorded::new(config, recording.map(Recording::sink)), limits)
}

/// Serves the protocol as lines over TCP.
pub fn serve_tcp(server: &TimecodeServer, listener: TcpListener) {
    server.serve_tcp(listener, SESSIONS);
}

/// Serves the protocol as WebSocket messages, at any path.
pub fn serve_ws(server: &TimecodeServer, listener: TcpListener) {
    server.serve_ws(listener, vec![Route::new("*", SESSIONS)]);
}

/// Takes over a WebSocket that an HTTP server has upgraded.
pub async fn attach_ws<S>(
    server: &TimecodeServer,
    io: S,
    local: std::net::SocketAddr,
    remote: std::net::SocketAddr,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    server.attach_ws(io, SESSIONS, local, remote).await;
}

/// Prints `serving the cluster`, or that as JSON, when a server does for the first time, for scripts and tests to wait for.
pub fn announce_cluster(serves: tokio::sync::oneshot::Receiver<()>, json: bool) {
    tokio::spawn(async move {
        if serves.await.is_ok() {
            driver::cli::say(if json {
                r#"{"event":"serving","what":"cluster"}"#
            } else {
                "serving the cluster"
            });
        }
    });
}

/// Logs `Status: <n> clients, <m> sessions` at every `period`, unless there is nothing to tell (sheet B8).
pub async fn log_status(server: TimecodeServer, period: Duration) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = server.stopped() => return,
        }
        let status = server.call(|machine, _| machine.status());
        if !status.is_idle() {
            tracing::info!("{status}");
        }
    }
}
