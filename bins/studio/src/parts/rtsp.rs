//! The streaming server: the camera as a live mount, and room for whatever is published to it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use driver::Events;
use driver::shutdown::GRACE;
use rtp_rtsp::config::{Publish, ServerConfig};
use rtp_rtsp::server::{CarrierKind, Event, MountKind};
use rtsp_programs::pattern::{Pattern, PatternSpec};
use rtsp_programs::serve::{self, RtspServer};
use serde_json::{Map, Value, json};

use super::{Part, Service};
use crate::ground::{Ground, on_this_machine};
use crate::log::Log;

/// As other streaming servers have it.
const PORT: u16 = 8554;
/// Path of the camera's mount.
pub(crate) const CAMERA_PATH: &str = "camera";

pub(crate) struct Rtsp {
    server: RtspServer,
    /// Where there is no camera; until the end.
    pattern: Mutex<Option<Pattern>>,
    address: SocketAddr,
    udp: (u16, u16),
}

impl Rtsp {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let listener = ground.listen(PORT, "rtsp")?;
        let address = listener.local_addr()?;
        let mut config = ServerConfig::new(driver::seed());
        config.publish = Publish::Anywhere;
        let ttl = config.multicast_ttl;
        let (server, events) = serve::start(config);
        let udp = serve::serve_udp(&server, ground.host, ttl).context("no two UDP ports for RTP and RTCP")?;
        // The camera makes a mount of its own.
        let pattern = if ground.wants("camera") {
            None
        } else {
            Some(Pattern::start(&server, &PatternSpec::parse("test=640x480@25")?)?)
        };
        tokio::spawn(log_events(ground.log.clone(), events));
        serve::serve_tcp(&server, listener);
        let _ = ground.shared.rtsp.set((server.clone(), on_this_machine(address)));
        Ok(Self { server, pattern: Mutex::new(pattern), address, udp })
    }
}

impl Rtsp {
    /// What there is to see.
    fn path(&self) -> &'static str {
        let pattern = self.pattern.lock().unwrap_or_else(PoisonError::into_inner);
        if pattern.is_some() { "test" } else { CAMERA_PATH }
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
        let at = format!("rtsp://{}", on_this_machine(self.address));
        let path = self.path();
        vec![
            format!("watch it: ffplay {at}/{path}"),
            format!("measure it: cargo run --bin rtsp-client -- {at}/{path} --duration 5 --stats"),
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
        state.insert("rtsp".into(), json!({ "address": on_this_machine(self.address).to_string(), "path": self.path(), "mounts": mounts }));
    }

    fn routes(&self) -> Router {
        Router::new()
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
