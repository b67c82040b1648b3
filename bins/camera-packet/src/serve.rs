//! A camera server in this process: the machine of `camera-packet` under the driver, and its pipeline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use camera_packet::config::ServerConfig;
use camera_packet::server::{AUTH, DATA, Event, SETTINGS, Server, ServerCalls};
use camera_packet::settings::SettingsBlock;
use driver::record::Recording;
use driver::{Driver, Events, Limits};
use machine::record::Recorded;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::pipeline::{Pipeline, PipelineConfig};
use crate::settings_file;

/// What a [`CameraServer`] is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// The machine.
    pub machine: ServerConfig,
    /// The video.
    pub pipeline: PipelineConfig,
    /// Argon2 hash of the password, if the machine does not know it
    /// ([`with_external_password`](ServerConfig::with_external_password)).
    pub password_hash: Option<String>,
    /// File in which changed settings are kept.
    pub persist: Option<PathBuf>,
}

impl Config {
    /// Without hash and file.
    pub fn new(machine: ServerConfig, pipeline: PipelineConfig) -> Self {
        Self { machine, pipeline, password_hash: None, persist: None }
    }
}

/// The machine on sockets. Programs act on it through [`ServerCalls`].
pub type CameraDriver = Driver<Recorded<Server>>;

/// A running camera server. Give it listeners with [`serve`](Self::serve).
#[derive(Debug)]
pub struct CameraServer {
    driver: CameraDriver,
    pipeline: Arc<Pipeline>,
    tasks: TaskTracker,
}

impl CameraServer {
    /// Starts machine and pipeline. To be called within a tokio runtime.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn start(config: Config) -> std::io::Result<Self> {
        Self::start_recorded(config, None)
    }

    /// The same; the machine is recorded if there is a recording.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn start_recorded(config: Config, recording: Option<&Recording>) -> std::io::Result<Self> {
        let mut limits = Limits::default();
        let clients = usize::try_from(config.machine.max_clients).unwrap_or(usize::MAX);
        // Those beyond it are turned away by the machine, which counts each port by itself.
        limits.max_connections = clients.saturating_mul(3).saturating_add(256);
        limits.max_unread_bytes = 4 << 10;
        limits.send_timeout = Duration::from_secs(10);
        // About a second of telemetry: who stops reading and comes back shall not be told old stories.
        let second = u32::from(config.machine.rate_hz).saturating_mul(16);
        limits.unsent_limit = Some(second.max(64));
        limits.send_buffer = Some(16 << 10);

        let settings = config.machine.clamp.apply(config.machine.settings);
        let pipeline = Arc::new(Pipeline::start(config.pipeline, settings)?);
        let (driver, events) =
            Driver::start(Recorded::new(config.machine, recording.map(Recording::sink)), limits);
        let tasks = TaskTracker::new();
        let keep = watch::channel(None);
        tasks.spawn(follow_events(driver.clone(), events, pipeline.clone(), keep.0, config.password_hash));
        tasks.spawn(follow_pipeline(driver.clone(), pipeline.status()));
        if let Some(path) = config.persist {
            tasks.spawn(keep_settings(path, keep.1));
        }
        Ok(Self { driver, pipeline, tasks })
    }

    /// Serves a listener: [`DATA`], [`SETTINGS`] or [`AUTH`].
    pub fn serve(&self, listener: TcpListener, service: machine::Service) {
        self.driver.serve_tcp(listener, service);
    }

    /// The machine, for local calls.
    pub fn driver(&self) -> &CameraDriver {
        &self.driver
    }

    /// The video.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Ends connections, then the pipeline, in good order.
    pub async fn shutdown(self, grace: Duration) {
        self.driver.shutdown(grace).await;
        let Self { pipeline, tasks, driver } = self;
        drop(driver);
        tasks.close();
        // Ending programs takes its time; nobody else shall wait for it.
        let _ = tokio::task::spawn_blocking(move || drop(pipeline)).await;
        tasks.wait().await;
    }
}

/// The role of a service, as it is announced.
pub const ROLES: [(machine::Service, &str, &str); 3] =
    [(DATA, "data", "--data-port"), (SETTINGS, "settings", "--settings-port"), (AUTH, "auth", "--auth-port")];

/// Whether this is an Argon2 hash that passwords can be compared with.
///
/// # Errors
/// With one line that says what is wrong.
pub fn check_hash(hash: &str) -> anyhow::Result<()> {
    let parsed = PasswordHash::new(hash).map_err(|error| anyhow::anyhow!("not a PHC string: {error}"))?;
    anyhow::ensure!(
        parsed.algorithm.as_str().starts_with("argon2"),
        "not an Argon2 hash: {}",
        parsed.algorithm
    );
    anyhow::ensure!(parsed.hash.is_some(), "the PHC string has no hash");
    Ok(())
}

async fn follow_events(
    driver: CameraDriver,
    mut events: Events<Event>,
    pipeline: Arc<Pipeline>,
    keep: watch::Sender<Option<SettingsBlock>>,
    hash: Option<String>,
) {
    let hash: Option<Arc<str>> = hash.map(Into::into);
    // One at a time: each takes tens of megabytes and a good part of a core.
    let turn = Arc::new(Semaphore::new(1));
    while let Some(event) = events.next().await {
        match event {
            Event::SettingsChanged { block, revision } => {
                tracing::debug!("settings {} (revision {revision})", settings_file::hex(block));
                pipeline.apply(block, revision);
                keep.send_replace(Some(block));
            }
            Event::VerifyPassword { conn, password } => {
                let (driver, hash, turn) = (driver.clone(), hash.clone(), turn.clone());
                tokio::spawn(async move {
                    let _turn = turn.acquire().await;
                    let verify = move || {
                        hash.is_some_and(|hash| {
                            let parsed = PasswordHash::new(&hash);
                            parsed.is_ok_and(|parsed| {
                                argon2::Argon2::default().verify_password(&password.0, &parsed).is_ok()
                            })
                        })
                    };
                    let right = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
                    driver.call(|server, now| server.verified(now, conn, right));
                });
            }
            Event::Authenticated { remote, scram } => {
                tracing::info!("{remote} has logged in (scram: {scram})")
            }
            Event::AuthFailed { remote, delayed } => {
                tracing::warn!("{remote} failed to log in (answer delayed: {delayed})");
            }
            Event::Full { service, remote } => {
                tracing::warn!("{remote} turned away: too many clients on service {}", service.0);
            }
            Event::Opened { conn, service, remote } => {
                tracing::debug!(conn = conn.0, service = service.0, %remote, "client has come");
            }
            Event::Dropped { conn, why } => tracing::info!(conn = conn.0, ?why, "client sent away"),
            Event::Closed { conn, reason } => tracing::debug!(conn = conn.0, ?reason, "client has gone"),
            _ => {}
        }
    }
}

/// Tells the machine what the pipeline does.
async fn follow_pipeline(driver: CameraDriver, mut status: watch::Receiver<crate::pipeline::Status>) {
    loop {
        let (state, live) = {
            let status = status.borrow_and_update();
            (status.state, status.live)
        };
        driver.call(|server, _| {
            server.set_pipeline(state);
            server.settings_live(live);
        });
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = driver.stopped() => return,
        }
    }
}

/// Writes the last of the settings that came within a while.
async fn keep_settings(path: PathBuf, mut settings: watch::Receiver<Option<SettingsBlock>>) {
    let mut open = true;
    while open {
        open = settings.changed().await.is_ok();
        if open {
            // What comes in a row is written once; at the end at once.
            let pause = tokio::time::sleep(Duration::from_millis(100));
            tokio::select! {
                () = pause => {}
                () = async { while settings.changed().await.is_ok() {} } => {}
            }
        }
        let Some(block) = *settings.borrow_and_update() else { continue };
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || settings_file::save(&to, block)).await;
        if let Ok(Err(error)) = written {
            tracing::error!("{}: settings cannot be written: {error}", path.display());
        }
    }
}
