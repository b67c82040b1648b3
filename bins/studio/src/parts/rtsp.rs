//! The streaming server: the test picture as a live mount, and room for whatever is published to it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use driver::Events;
use driver::shutdown::GRACE;
use futures_util::stream;
use rtp_rtsp::config::{Publish, ServerConfig};
use rtp_rtsp::server::{CarrierKind, Event, MountKind};
use rtsp_programs::pattern::{Pattern, PatternSpec};
use rtsp_programs::serve::{self, RtspServer};
use serde_json::{Map, Value, json};

use super::{Part, Service};
use crate::ground::Ground;
use crate::log::Log;

/// As other streaming servers have it.
const PORT: u16 = 8554;

pub(crate) struct Rtsp {
    server: RtspServer,
    /// Until the end.
    pattern: Running,
    address: SocketAddr,
    udp: (u16, u16),
}

type Running = Arc<Mutex<Option<Pattern>>>;

impl Rtsp {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let listener = ground.listen(PORT, "rtsp").await?;
        let address = listener.local_addr()?;
        let mut config = ServerConfig::new(driver::seed());
        config.publish = Publish::Anywhere;
        let ttl = config.multicast_ttl;
        let (server, events) = serve::start(config);
        let udp = serve::serve_udp(&server, ground.host, ttl).context("no two UDP ports for RTP and RTCP")?;
        let pattern = Pattern::start(&server, &PatternSpec::parse("test=640x480@25")?)?;
        tokio::spawn(log_events(ground.log.clone(), events));
        serve::serve_tcp(&server, listener);
        Ok(Self { server, pattern: Arc::new(Mutex::new(Some(pattern))), address, udp })
    }
}

impl Part for Rtsp {
    fn name(&self) -> &'static str {
        "rtsp"
    }

    fn title(&self) -> &'static str {
        "Streams"
    }

    fn panel(&self) -> &'static str {
        include_str!("../../web/rtsp.js")
    }

    fn services(&self) -> Vec<Service> {
        let state = match self.server.call(|machine, _| machine.sessions()) {
            1 => "1 session".to_owned(),
            n => format!("{n} sessions"),
        };
        let udp = SocketAddr::new(self.address.ip(), self.udp.0);
        let rtcp = format!("RTCP on {}", self.udp.1);
        vec![
            Service { name: "rtsp", role: "tcp", address: self.address, state },
            Service { name: "rtsp", role: "udp", address: udp, state: rtcp },
        ]
    }

    fn hints(&self) -> Vec<String> {
        let at = format!("rtsp://{}", self.address);
        vec![
            format!("watch the test picture: ffplay {at}/test"),
            format!("measure it: cargo run --bin rtsp-client -- {at}/test --duration 5 --stats"),
            format!("publish a stream: ffmpeg -re -f lavfi -i testsrc2 -c:v libx264 -f rtsp {at}/live"),
        ]
    }

    fn exposes(&self) -> &'static str {
        "anybody may watch its streams and publish others"
    }

    fn state(&self, state: &mut Map<String, Value>) {
        let mounts: Vec<Value> = self.server.call(|machine, now| {
            let mounts: Vec<_> = machine.mounts().collect();
            let shown = mounts.into_iter().map(|mount| {
                let readers: Vec<Value> = machine
                    .readers(now, mount.id)
                    .map(|reader| {
                        json!({
                            "remote": reader.remote.to_string(),
                            "carrier": carrier_name(reader.carrier),
                            "playing_s": reader.playing.as_secs_f64(),
                            "frames": reader.frames,
                            "bytes": reader.bytes,
                            "dropped": reader.dropped,
                            "lost_percent": reader.fraction_lost.map(|lost| f64::from(lost) / 2.56),
                            "jitter_ms": reader.jitter.map(|jitter| jitter.as_secs_f64() * 1e3),
                        })
                    })
                    .collect();
                json!({
                    "path": mount.path.as_ref(),
                    "kind": match mount.kind {
                        MountKind::Live => "live",
                        MountKind::Published => "published",
                        MountKind::File => "file",
                    },
                    "encodings": mount.encodings,
                    "publisher": mount.publisher.map(|p| p.to_string()),
                    "packets": mount.packets,
                    "bytes": mount.bytes,
                    "readers": readers,
                })
            });
            shown.collect()
        });
        state.insert("rtsp".into(), json!({ "address": self.address.to_string(), "mounts": mounts }));
    }

    fn routes(&self) -> Router {
        Router::new().route("/rtsp/live", get(live)).with_state(self.pattern.clone())
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            drop(self.pattern.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.server.shutdown(GRACE).await;
        })
    }
}

const fn carrier_name(carrier: CarrierKind) -> &'static str {
    match carrier {
        CarrierKind::Udp => "UDP",
        CarrierKind::Tcp => "TCP",
        CarrierKind::Multicast => "multicast",
        CarrierKind::Lab => "lab",
        _ => "other",
    }
}

/// The pictures that readers get: JPEGs one after the other, each the newest when there is room for it.
async fn live(State(pattern): State<Running>) -> Response {
    let stills = pattern.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Pattern::stills);
    let Some(stills) = stills else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let parts = stream::unfold(stills, |mut stills| async move {
        stills.changed().await.ok()?;
        let jpeg = stills.borrow_and_update().clone();
        let length = jpeg.len();
        let head = format!("--{BORDER}\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
        let part = [head.as_bytes(), &jpeg, b"\r\n"].concat();
        Some((Ok::<_, Infallible>(Bytes::from(part)), stills))
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BORDER}");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store".into())], Body::from_stream(parts))
        .into_response()
}

const BORDER: &str = "genlock-picture";

async fn log_events(log: Log, mut events: Events<Event>) {
    while let Some(event) = events.next().await {
        match event {
            Event::ReaderJoined { path, remote, carrier, .. } => {
                log.say("rtsp", format!("{remote} reads {path} over {}", carrier_name(carrier)));
            }
            Event::Published { path, remote, .. } => log.say("rtsp", format!("{remote} publishes {path}")),
            Event::PublisherLeft { path } => log.say("rtsp", format!("the publisher of {path} is gone")),
            Event::Unpublished { path } => log.say("rtsp", format!("{path} is gone")),
            _ => {}
        }
    }
}
