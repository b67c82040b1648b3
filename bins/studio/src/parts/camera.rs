//! A camera: telemetry, settings and authentication, and the picture that shows what was applied.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::BytesMut;
use camera_packet::config::{ServerConfig, ValueSource};
use camera_packet::extension::PipelineState;
use camera_packet::server::{AUTH, DATA, SETTINGS};
use camera_programs::pipeline::{Film, PipelineConfig, Source, Status, VideoMount};
use camera_programs::serve::{CameraDriver, CameraServer, Config};
use clap::Args;
use driver::shutdown::GRACE;
use futures_util::stream;
use machine::Service as Door;
use rtp_rtsp::files::MjpegReader;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::rtsp::CAMERA_PATH;
use super::{Part, Service};
use crate::ground::Ground;
use crate::http::upgrade;
use crate::log::Log;

/// The original's ports, and the rest of what is listed of each.
const DOORS: [(Door, u16, &str); 3] =
    [(DATA, 5000, "data"), (SETTINGS, 5001, "settings"), (AUTH, 5002, "auth")];

/// What the command line says of the camera.
#[derive(Args, Clone, Debug)]
pub(crate) struct CameraOptions {
    /// Where the camera's pictures come from: test, rpicam, v4l2:/dev/videoN, lavfi, command:PROGRAM ARGUMENTS or none
    #[arg(long = "camera", env = "STUDIO_CAMERA", value_name = "SOURCE", default_value = "test", value_parser = str::parse::<Source>)]
    source: Source,
    /// RTSP server to publish the camera's video to, by ffmpeg, instead of the studio's own
    #[arg(long = "camera-rtsp", env = "STUDIO_CAMERA_RTSP", value_name = "URL")]
    rtsp_url: Option<String>,
    /// An MJPEG file to show, round and round, instead of the test picture; it gets the marks of the test picture
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    video: Option<PathBuf>,
    #[arg(skip)]
    loaded: Option<Arc<Film>>,
}

impl CameraOptions {
    /// Reads the file of `--video`.
    pub(crate) fn load(&mut self) -> Result<()> {
        let Some(path) = &self.video else { return Ok(()) };
        let name = path.display();
        let size = std::fs::metadata(path).with_context(|| format!("--video: cannot read {name}"))?.len();
        ensure!(size <= MAX_VIDEO, "--video: {name} has more than {} MiB", MAX_VIDEO >> 20);
        let file = std::fs::read(path).with_context(|| format!("--video: cannot read {name}"))?;
        let (mut data, mut reader) = (BytesMut::from(&file[..]), MjpegReader::new(MAX_FRAME));
        let mut frames = Vec::new();
        let wrong =
            || format!("--video: {name} is no MJPEG file, such as ffmpeg makes with -c:v mjpeg -f mjpeg");
        while let Some(frame) = reader.next(&mut data).with_context(wrong)? {
            frames.push(frame);
        }
        self.loaded = Some(Arc::new(Film::new(frames).with_context(wrong)?));
        Ok(())
    }
}

/// A video is held in memory.
const MAX_VIDEO: u64 = 1 << 30;
/// Of one picture, in bytes.
const MAX_FRAME: usize = 16 << 20;

pub(crate) struct Camera {
    server: Running,
    driver: CameraDriver,
    status: watch::Receiver<Status>,
    source: String,
    /// Where its video can be seen.
    publishes: Option<String>,
    addresses: [SocketAddr; 3],
    page: SocketAddr,
}

/// The server until its end.
type Running = Arc<Mutex<Option<CameraServer>>>;

impl Camera {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let mut listeners = Vec::new();
        for (door, port, role) in DOORS {
            let listener = ground.listen(port, &format!("camera {role}"))?;
            listeners.push((door, listener.local_addr()?, listener));
        }
        let options = ground.camera.clone();
        let source = options.source.to_string();
        let mut pipeline = PipelineConfig::new(options.source);
        pipeline.launcher = std::env::current_exe().ok();
        pipeline.film = options.loaded;
        if let Some(clock) = ground.shared.clock.get() {
            pipeline.reference = Some(clock.reference());
            pipeline.framerate = clock.nominal_rate().unwrap_or(pipeline.framerate);
        }
        pipeline.rtsp_url = options.rtsp_url;
        let elsewhere = pipeline.rtsp_url.is_some();
        let rtsp = ground.shared.rtsp.get().filter(|_| !elsewhere);
        let url = rtsp.map(|(_, address)| format!("rtsp://{address}/{CAMERA_PATH}"));
        pipeline.mount =
            rtsp.map(|(server, _)| VideoMount { server: server.clone(), path: CAMERA_PATH.into() });
        let publishes = pipeline.rtsp_url.clone().or_else(|| url.clone());
        let machine = ServerConfig::new(driver::seed()).with_source(ValueSource::Custom(Box::new(fingers)));
        let server = CameraServer::start(Config::new(machine, pipeline))?;
        let mut addresses = Vec::new();
        for (door, address, listener) in listeners {
            server.serve(listener, door);
            addresses.push(address);
        }
        let (driver, status) = (server.driver().clone(), server.pipeline().status());
        tokio::spawn(log_status(ground.log.clone(), status.clone()));
        if let Some(url) = url.filter(|_| source != Source::None.to_string()) {
            let _ = ground.shared.camera_url.set(url);
        }
        let addresses = addresses.try_into().map_err(|_| anyhow::anyhow!("three doors"))?;
        let server = Arc::new(Mutex::new(Some(server)));
        Ok(Self { server, driver, status, source, publishes, addresses, page: ground.page })
    }
}

impl Part for Camera {
    fn name(&self) -> &'static str {
        "camera"
    }

    fn title(&self) -> &'static str {
        "Camera"
    }

    fn panel(&self) -> &'static str {
        include_str!("../../web/camera.js")
    }

    fn services(&self) -> Vec<Service> {
        let state = |door| match self.driver.call(|server, _| server.clients(door)) {
            1 => "1 client".to_owned(),
            n => format!("{n} clients"),
        };
        let doors = DOORS.into_iter().zip(self.addresses);
        let mut services: Vec<Service> = doors
            .map(|((door, _, role), address)| Service { name: "camera", role, address, state: state(door) })
            .collect();
        let at = "at /camera".to_owned();
        services.push(Service { name: "camera", role: "ws", address: self.page, state: at });
        services
    }

    fn hints(&self) -> Vec<String> {
        let [data, settings, _] = self.addresses.map(|address| address.port());
        vec![
            format!(
                "watch the camera's telemetry: cargo run --bin camera-client -- --data-port {data} watch"
            ),
            format!(
                "change its settings: cargo run --bin camera-client -- --settings-port {settings} set gain=4"
            ),
        ]
    }

    fn exposes(&self) -> &'static str {
        "anybody may read telemetry and change the camera's settings; the password is the default one"
    }

    fn state(&self, state: &mut Map<String, Value>) {
        let (settings, revision) = self.driver.call(|server, _| (server.settings(), server.revision()));
        let status = self.status.borrow().clone();
        let raw: String = settings.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let camera = json!({
            "source": self.source,
            "preview": self.source == Source::Test.to_string(),
            "publishes": self.publishes,
            "raw": raw,
            "revision": revision,
            "live": status.live == revision,
            "pipeline": name_of(status.state),
            "problem": status.problem,
        });
        state.insert("camera".into(), camera);
    }

    fn routes(&self) -> Router {
        let doors = Router::new()
            .route("/camera/data", any(|state, info, request| join(state, info, request, DATA)))
            .route("/camera/settings", any(|state, info, request| join(state, info, request, SETTINGS)))
            .with_state(self.driver.clone());
        let pictures = Router::new().route("/camera/live", get(live)).with_state(self.server.clone());
        doors.merge(pictures)
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(server) = server {
                server.shutdown(GRACE).await;
            }
        })
    }
}

async fn join(
    State(driver): State<CameraDriver>,
    ConnectInfo(peer): ConnectInfo<crate::http::Peer>,
    request: Request,
    door: Door,
) -> Response {
    upgrade(request, move |io| async move {
        driver.attach_ws(io, door, peer.local, peer.remote).await;
    })
}

/// The test picture as it is drawn: JPEGs one after the other, each the newest when there is room for it.
async fn live(State(server): State<Running>) -> Response {
    let stills = server
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .map(|server| server.pipeline().stills());
    let Some(stills) = stills else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let parts = stream::unfold(stills, |mut stills| async move {
        stills.changed().await.ok()?;
        let jpeg = stills.borrow_and_update().as_ref().map(|still| still.jpeg.clone())?;
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

/// A stand-in for a count of fingers: held for two thirds of a second each, as by a person.
fn fingers(tick: u64) -> u8 {
    let mixed = (tick / 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    u8::try_from(mixed % 11).unwrap_or(0)
}

async fn log_status(log: Log, mut status: watch::Receiver<Status>) {
    let mut told = None;
    while status.changed().await.is_ok() {
        let Status { state, problem, .. } = status.borrow_and_update().clone();
        if told.as_ref() != Some(&(state, problem.clone())) {
            match &problem {
                Some(problem) => log.bad("camera", format!("no video: {problem}")),
                None => log.say("camera", format!("video {}", name_of(state))),
            }
            told = Some((state, problem));
        }
    }
}

fn name_of(state: PipelineState) -> &'static str {
    match state {
        PipelineState::Stopped => "stopped",
        PipelineState::Starting => "starting",
        PipelineState::Running => "running",
        PipelineState::Stopping => "stopping",
        PipelineState::Backoff => "waiting to start again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingers_are_held_and_counted_to_ten() {
        let values: Vec<u8> = (0..24 * 600).map(fingers).collect();
        assert!(values.iter().all(|value| *value <= 10));
        assert!((0..=10).all(|value| values.contains(&value)));
        assert!(values.chunks(16).all(|held| held.iter().all(|value| *value == held[0])));
    }
}
