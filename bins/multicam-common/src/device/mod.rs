//! A recording device on sockets and disk.

mod camera;
mod capture;
mod notes;
mod options;
mod recorder;
mod store;
mod stream;
mod upload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use driver::record::Recording;
use driver::{Driver, Events, Limits, UdpOptions};
use machine::record::Recorded;
use multicam_common::config::DeviceConfig;
use multicam_common::server::{COMMANDS, Device, DeviceCalls, Event, TIME_SOCKET};
use tokio::net::TcpListener;

pub use options::Options;
pub use recorder::Source;
pub use store::{Store, hash_file};

use recorder::Recorder;

/// What a device is made of.
#[derive(Debug)]
pub struct Setup {
    /// Id, dialect, clock.
    pub config: DeviceConfig,
    /// Where recordings are kept.
    pub dir: PathBuf,
    /// What is recorded.
    pub source: Source,
    /// The NTP server to ask, with its port; `None`: none.
    pub ntp: Option<(String, u16)>,
}

/// The machine on sockets. Programs act on it through [`DeviceCalls`].
pub type DeviceDriver = Driver<Recorded<Device>>;

/// A running device.
#[derive(Clone, Debug)]
pub struct Running {
    /// The machine.
    pub driver: DeviceDriver,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its files.
    pub store: Arc<Store>,
}

/// Starts a device on a bound listener.
///
/// # Errors
/// When its directory cannot be used, or no socket can be had.
pub fn start(setup: Setup, listener: TcpListener) -> Result<Running> {
    start_recorded(setup, listener, None)
}

/// The same; the machine is recorded if there is a recording.
///
/// # Errors
/// When its directory cannot be used, or no socket can be had.
pub fn start_recorded(setup: Setup, listener: TcpListener, recording: Option<&Recording>) -> Result<Running> {
    let address = listener.local_addr()?;
    let (store, files) = Store::open(&setup.dir)?;
    let store = Arc::new(store);
    let mut limits = Limits::default();
    // A controller may sit on a file for as long as the originals allow.
    limits.send_timeout = Duration::from_secs(600);
    limits.stay_awake = STAY_AWAKE;
    let device_id = setup.config.device_id.clone();
    let mut config = setup.config;
    if setup.source.is_running_before() {
        config.settle = SETTLE;
    }
    let opener = store.clone();
    let (driver, events) = Driver::start_with_files(
        Recorded::<Device>::new(config, recording.map(Recording::sink)),
        limits,
        Arc::new(move |token| opener.open_token(token)),
    );
    driver.call(|device, _| files.into_iter().for_each(|file| device.add_file(file)));
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = std::net::UdpSocket::bind(any).context("no UDP socket to ask the time with")?;
    let mut options = UdpOptions::default();
    options.kernel_stamps = true;
    options.departures = true;
    driver.serve_udp(socket, TIME_SOCKET, options)?;
    driver.serve_tcp(listener, COMMANDS);
    if let Some((host, port)) = setup.ntp {
        tokio::spawn(find_time_server(driver.clone(), host, port));
    }
    let recorder = Recorder::new(setup.source, store.clone(), driver.clone(), device_id);
    tokio::spawn(serve_events(driver.clone(), events, recorder, store.clone()));
    Ok(Running { driver, address, store })
}

/// A device has few deadlines, and for the one that matters a fifth of a millisecond of sleep would be too much.
const STAY_AWAKE: Duration = Duration::from_micros(300);
/// So long after the instant of a start begins what is to be done for it.
const SETTLE: Duration = Duration::from_millis(20);

/// Does what the machine asks for.
async fn serve_events(
    driver: DeviceDriver,
    mut events: Events<Event>,
    mut recorder: Recorder,
    store: Arc<Store>,
) {
    while let Some(event) = events.next().await {
        match event {
            Event::Armed { take, at, target } => {
                let left = at.saturating_since(driver::now());
                tracing::info!(take = take.0, ?left, "a start is planned");
                recorder.arm(take, at, target);
            }
            Event::Disarmed { take } => {
                tracing::info!(take = take.0, "the start is called off");
                recorder.disarm();
            }
            Event::Started { take, at, target, actual } => recorder.start(take, at, target, actual),
            Event::Stop { take } => recorder.stop(take),
            Event::Delete { request, file, name, sha256 } => {
                let (driver, store) = (driver.clone(), store.clone());
                tokio::task::spawn_blocking(move || {
                    let outcome = store.delete(file, &name, &sha256);
                    tracing::info!(%name, ?outcome, "asked to delete a file");
                    driver.call(|device, now| device.deleted(now, request, &name, outcome));
                });
            }
            Event::Upload { file, name, to } => {
                let (driver, store) = (driver.clone(), store.clone());
                tokio::task::spawn_blocking(move || upload::run(&driver, &store, file, &name, &to));
            }
            _ => {}
        }
    }
    recorder.finish();
}

/// Names are looked up until one is found: networks come up later than programs.
async fn find_time_server(driver: DeviceDriver, host: String, port: u16) {
    loop {
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        if let Some(server) = found.ok().and_then(|mut all| all.find(SocketAddr::is_ipv4)) {
            tracing::debug!(%server, "asking for the time");
            driver.call(|device, now| device.set_ntp_server(now, server));
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(30)) => {}
            () = driver.stopped() => return,
        }
    }
}

impl Running {
    /// Waits until no recording is being closed any more, at most `patience` long.
    pub async fn wait_closed(&self, patience: Duration) {
        let closed = async {
            while self.driver.call(|device, now| device.snapshot(now).take.is_some()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(patience, closed).await.is_err() {
            tracing::warn!("a recording is not closed in time; it is made whole at the next start");
        }
    }
}
