//! Timecode sessions: the server, a demo session that runs, and one that chases LTC.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::any;
use driver::Events;
use driver::shutdown::GRACE;
use serde_json::{Map, Value, json};
use smpte_programs::chase::{self, Source};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{Event, ServerCalls, SessionInfo, SessionSpec};
use smpte_timecode::session::SessionClock;
use tokio::sync::watch;

use super::{Part, Service};
use crate::clock::OneClock;
use crate::ground::Ground;
use crate::http::upgrade;
use crate::log::Log;

const DEFAULT_PORT: u16 = 8080;

/// Twenty seconds of LTC, 25 frames a second from 10:00:00:00 on: `data/README.md` has the command that made it.
static RECORDING: &[u8] = include_bytes!("../../data/ltc-25.wav");

pub(crate) struct Smpte {
    server: TimecodeServer,
    tcp: SocketAddr,
    page: SocketAddr,
}

impl Smpte {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let listener = ground.listen(DEFAULT_PORT, "smpte tcp")?;
        let tcp = listener.local_addr()?;
        let config = ServerConfig::new(driver::seed()).with_address("127.0.0.1", tcp.port());
        let (server, events) = serve::start(config);
        serve::serve_tcp(&server, listener);
        let demo = server.call(|machine, now| {
            let demo = SessionSpec::new("29.97df")
                .with_label("01:00:00;00")
                .with_name("Demo, 29.97 drop-frame")
                .pinned();
            let id = machine.create_session(now, demo)?;
            machine.start(now, id)?;
            anyhow::Ok(id)
        })?;
        let (tell, changes) = watch::channel(server.call(|machine, _| machine.clock(demo)));
        tokio::spawn(follow_events(ground.log.clone(), events, server.clone(), demo, tell));
        let _ = ground.shared.clock.set(OneClock::new(server.clone(), demo, changes));
        chase::follow(&server, "Chasing LTC, 25 fps", Source::from_bytes(RECORDING).repeat()).await?;
        Ok(Self { server, tcp, page: ground.page })
    }
}

impl Part for Smpte {
    fn name(&self) -> &'static str {
        "smpte"
    }

    fn title(&self) -> &'static str {
        "Timecode sessions"
    }

    fn panel(&self) -> &'static str {
        include_str!("../../web/smpte.js")
    }

    fn services(&self) -> Vec<Service> {
        let status = self.server.call(|machine, _| machine.status());
        let state = format!("{} clients, {} sessions", status.connected_clients, status.active_sessions);
        vec![
            Service { name: "smpte", role: "tcp", address: self.tcp, state },
            Service { name: "smpte", role: "ws", address: self.page, state: "at /smpte".into() },
        ]
    }

    fn hints(&self) -> Vec<String> {
        let port = self.tcp.port();
        vec![
            format!("follow its sessions from a terminal: cargo run --bin smpte-client -- --port {port}"),
            "read a label: cargo run --bin smpte-tool -- info '01:00:00;00' --rate 29.97df".into(),
        ]
    }

    fn exposes(&self) -> &'static str {
        "anybody may create, start, stop and reset timecode sessions"
    }

    fn state(&self, state: &mut Map<String, Value>) {
        let mut sessions: Vec<_> = self.server.call(|machine, now| {
            let entry = |s: SessionInfo<'_>| {
                let json = json!({
                    "session_id": s.id.to_string(),
                    "framerate": s.framerate,
                    "timecode": s.label.to_string(),
                    "running": s.running,
                    "following": s.following,
                    "client_count": s.client_count,
                    "uptime_s": s.uptime.as_secs_f64(),
                    "name": s.name,
                });
                (s.uptime, json)
            };
            machine.sessions(now).map(entry).collect()
        });
        sessions.sort_by_key(|(uptime, _)| std::cmp::Reverse(*uptime));
        let sessions: Vec<_> = sessions.into_iter().map(|(_, json)| json).collect();
        state.insert("sessions".into(), json!(sessions));
    }

    fn routes(&self) -> Router {
        Router::new().route("/smpte", any(join)).with_state(self.server.clone())
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.server.shutdown(GRACE))
    }
}

async fn join(
    State(server): State<TimecodeServer>,
    ConnectInfo(peer): ConnectInfo<crate::http::Peer>,
    request: Request,
) -> Response {
    upgrade(request, move |io| async move { serve::attach_ws(&server, io, peer.local, peer.remote).await })
}

/// Sessions' lives, for the log, and what becomes of the one clock. Clients come and go too often to be told of.
async fn follow_events(
    log: Log,
    mut events: Events<Event>,
    server: TimecodeServer,
    clock: SessionId,
    tell: watch::Sender<Option<SessionClock>>,
) {
    while let Some(event) = events.next().await {
        let is = server.call(|machine, _| machine.clock(clock));
        tell.send_if_modified(|told| std::mem::replace(told, is) != is);
        let text = match event {
            Event::SessionCreated { id, label, .. } => format!("session {} made at {label}", short(id)),
            Event::SessionStarted { id, label, .. } => format!("session {} runs from {label}", short(id)),
            Event::SessionStopped { id, label, .. } => format!("session {} stopped at {label}", short(id)),
            Event::SessionReset { id, by: Some(_), label } => {
                format!("session {} set to {label}", short(id))
            }
            Event::SessionRemoved { id, label, .. } => format!("session {} ended at {label}", short(id)),
            _ => continue,
        };
        log.say("smpte", text);
    }
}

/// As much of an id as a person can tell apart.
fn short(id: SessionId) -> String {
    id.to_string().chars().take(8).collect()
}
