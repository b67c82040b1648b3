//! Synchronised recording: three devices that record the test picture, and a controller of them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path as Name, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use driver::shutdown::GRACE;
use multicam_common::UnixTime;
use multicam_common::codec::Reply;
use multicam_common::config::{ClockSource, ControllerConfig, DeviceConfig};
use multicam_common::message::CommandMessage;
use multicam_common::server::DeviceCalls;
use multicam_programs::controller::{Fleet, Progress, State as Takes, collect_all};
use multicam_programs::device::{self, Running, Setup, Source};
use multicam_programs::still::Ends;
use serde_json::{Map, Value, json};
use test_picture::Marks;

use super::{Part, Service};
use crate::clock::LEAD;
use crate::ground::{Ground, on_this_machine};

const DEVICES: usize = 3;
const DEFAULT_PORT: u16 = 8091;

pub(crate) struct Multicam {
    devices: Vec<Running>,
    desk: Desk,
}

/// The controller and what it has done.
#[derive(Clone)]
struct Desk {
    fleet: Fleet,
    ground: Arc<Ground>,
    dir: PathBuf,
    takes: Arc<Mutex<Takes>>,
    done: Arc<Mutex<Done>>,
}

#[derive(Default)]
struct Done {
    /// Files of the last take, by device.
    last: Vec<(String, String)>,
    progress: Vec<(String, String, Arc<Progress>)>,
    result: Option<Outcome>,
    busy: bool,
}

/// What the last collection gave.
struct Outcome {
    /// In words.
    text: String,
    /// How far apart the first pictures of the last take are, in nanoseconds.
    spread_ns: Option<u64>,
    /// Device, file, and the labels in first and last picture, of the last take.
    takes: Vec<Value>,
}

impl Multicam {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("genlock-studio-{}", std::process::id()));
        let mut config = ControllerConfig::default();
        config.liveness = Duration::from_secs(2);
        let fleet = Fleet::start(config);
        // The camera's stream, where there is one.
        let source = ground.shared.camera_url.get().map_or(Source::Test, |url| Source::Rtsp(url.clone()));
        let mut devices = Vec::new();
        for (n, port) in (1..=DEVICES).zip(DEFAULT_PORT..) {
            let listener = ground.listen(port, &format!("multicam device {n}"))?;
            let config =
                DeviceConfig::new(driver::seed(), format!("Studio-{n}")).with_clock(ClockSource::System);
            let dir = dir.join(format!("device-{n}"));
            let device = device::start(Setup { config, dir, source: source.clone(), ntp: None }, listener)?;
            device.driver.call(|machine, _| machine.set_battery(Some(100)));
            fleet.add(on_this_machine(device.address), None)?;
            devices.push(device);
        }
        let takes = Arc::new(Mutex::new(Takes::load(&dir.join("takes.json"))?));
        let desk = Desk { fleet, ground, dir, takes, done: Arc::default() };
        Ok(Self { devices, desk })
    }
}

impl Part for Multicam {
    fn name(&self) -> &'static str {
        "multicam"
    }

    fn title(&self) -> &'static str {
        "Many cameras, one instant"
    }

    fn panel(&self) -> &'static str {
        include_str!("../../web/multicam.js")
    }

    fn services(&self) -> Vec<Service> {
        let state = |d: &Running| d.driver.call(|m, now| m.snapshot(now).status.to_string());
        self.devices
            .iter()
            .map(|d| Service { name: "multicam", role: "device", address: d.address, state: state(d) })
            .collect()
    }

    fn hints(&self) -> Vec<String> {
        let named: Vec<_> =
            self.devices.iter().map(|d| format!("--device {}", on_this_machine(d.address))).collect();
        let named = named.join(" ");
        vec![format!(
            "start its cameras from a terminal: cargo run --bin multicam-controller -- {named} start --in 3"
        )]
    }

    fn exposes(&self) -> &'static str {
        "anybody may start and stop recordings and fetch them"
    }

    fn state(&self, state: &mut Map<String, Value>) {
        let devices: Vec<Value> = self
            .desk
            .fleet
            .devices()
            .into_iter()
            .map(|(_, d)| {
                json!({
                    "device": d.device_id,
                    "address": d.address.to_string(),
                    "up": d.up,
                    "state": d.status.as_ref().map(|s| s.as_str().replace('_', " ")),
                    "recording": d.recording,
                    "battery": d.battery,
                    "offset_us": d.offset_ns.map(|ns| ns / 1000),
                    "error_us": d.offset_error_ns.map(|ns| ns / 1000),
                })
            })
            .collect();
        let done = self.desk.lock();
        let progress: Vec<Value> = done
            .progress
            .iter()
            .map(|(device, file, p)| {
                let (have, total) = (p.have.load(Ordering::Relaxed), p.total.load(Ordering::Relaxed));
                json!({"device": device, "file": file, "have": have, "total": total})
            })
            .collect();
        let result = done.result.as_ref();
        let result = result.map(|r| json!({"text": r.text, "spread_ns": r.spread_ns, "takes": r.takes}));
        let source = self.desk.ground.shared.camera_url.get();
        let panel = json!({"devices": devices, "source": source, "busy": done.busy, "progress": progress, "result": result});
        drop(done);
        state.insert("multicam".into(), panel);
    }

    fn routes(&self) -> Router {
        Router::new().route("/multicam/{action}", post(act)).with_state(self.desk.clone())
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.desk.fleet.shutdown().await;
            for device in &self.devices {
                device.driver.call(|machine, _| machine.stop_now());
                device.wait_closed(GRACE).await;
                device.driver.shutdown(GRACE).await;
            }
            let _ = std::fs::remove_dir_all(&self.desk.dir);
        })
    }
}

/// A button. What comes of it is told by the events and by the state; only one runs at a time.
async fn act(State(desk): State<Desk>, Name(action): Name<String>) -> Response {
    if !matches!(action.as_str(), "start" | "stop" | "collect") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if std::mem::replace(&mut desk.lock().busy, true) {
        return (StatusCode::CONFLICT, "the last one is not done yet\n").into_response();
    }
    tokio::spawn(async move {
        match action.as_str() {
            "start" => desk.start().await,
            "stop" => desk.stop().await,
            _ => {
                if let Err(error) = desk.collect().await {
                    desk.ground.log.bad("multicam", format!("{error:#}"));
                }
            }
        }
        desk.lock().busy = false;
    });
    StatusCode::ACCEPTED.into_response()
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self) {
        self.lock().result = None;
        let (now, unix_ns) = driver::both();
        let at = now + LEAD;
        let at = self.ground.shared.clock.get().map_or(at, |clock| clock.middle(at));
        let target = UnixTime::from_nanos(unix_ns) + at.saturating_since(now);
        let all = self.fleet.devices().into_iter().map(|(key, _)| {
            let desk = self.clone();
            tokio::spawn(async move {
                let reply = desk.fleet.start_at(key, target).await;
                let reply = reply.map_or_else(|why| why.to_string(), |r| r.status().to_string());
                desk.ground.log.say("multicam", format!("{}: {}", desk.name(key), reply.replace('_', " ")));
                // The page shows it as it is now.
                let _ = desk.fleet.ask(key, CommandMessage::device_status()).await;
            })
        });
        for task in all.collect::<Vec<_>>() {
            let _ = task.await;
        }
    }

    async fn stop(&self) {
        self.lock().last.clear();
        let all = self.fleet.devices().into_iter().map(|(key, _)| {
            let desk = self.clone();
            tokio::spawn(async move {
                let name = desk.name(key);
                match desk.fleet.ask(key, CommandMessage::stop_recording()).await {
                    Ok(Reply::Stopped(stopped)) => {
                        let file = stopped.file().unwrap_or_default().to_owned();
                        desk.ground.log.say("multicam", format!("{name}: recorded {file}"));
                        desk.lock().last.push((name, file));
                    }
                    Ok(Reply::Error(error)) => {
                        desk.ground.log.bad("multicam", format!("{name}: {}", error.message))
                    }
                    Ok(reply) => desk.ground.log.say("multicam", format!("{name}: {}", reply.status())),
                    Err(why) => desk.ground.log.bad("multicam", format!("{name}: {why}")),
                }
                let _ = desk.fleet.ask(key, CommandMessage::device_status()).await;
            })
        });
        for task in all.collect::<Vec<_>>() {
            let _ = task.await;
        }
    }

    async fn collect(&self) -> Result<()> {
        self.lock().progress.clear();
        let done = self.done.clone();
        let watch = move |device: &str, file: &str, progress: &Arc<Progress>| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.progress.push((device.into(), file.into(), progress.clone()));
        };
        let all = collect_all(&self.fleet, &self.dir.join("collected"), &self.takes, None, watch).await?;
        let last = self.lock().last.clone();
        let (mut first, mut takes) = (Vec::new(), Vec::new());
        for file in &all {
            match &file.outcome {
                Ok((path, ..)) if last.contains(&(file.device.clone(), file.file.clone())) => {
                    let ends = Ends::read(path)?;
                    first.push(ends.first.time_ns);
                    let [from, to] = [ends.first, ends.last].map(|marks| label(&marks));
                    takes.push(json!({"device": file.device, "file": file.file, "first": from, "last": to}));
                }
                Ok(_) => {}
                Err(why) => self.ground.log.bad("multicam", format!("{}: {why}", file.device)),
            }
        }
        let here = all.iter().filter(|f| f.outcome.is_ok()).count();
        let spread = first.iter().max().zip(first.iter().min()).map(|(last, first)| last - first);
        let text = format!("{here} of {} files are here, whole and verified", all.len());
        self.ground.log.say("multicam", text.clone());
        let spread_ns = spread.filter(|_| first.len() > 1);
        self.lock().result = Some(Outcome { text, spread_ns, takes });
        Ok(())
    }

    fn name(&self, key: multicam_common::client::DeviceKey) -> String {
        self.fleet.device(key).and_then(|d| d.device_id).unwrap_or_else(|| format!("device {}", key.0))
    }
}

/// The label in a picture, for people.
fn label(marks: &Marks) -> String {
    marks.label().unwrap_or_else(|| "no timecode".into())
}
