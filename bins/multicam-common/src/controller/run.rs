//! Carrying out a command.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use driver::cli;
use multicam_common::client::{DeviceKey, DeviceView, Failure};
use multicam_common::codec::Reply;
use multicam_common::config::ControllerConfig;
use multicam_common::constants::TCP_PORT;
use multicam_common::message::{CommandMessage, Secret, Upload};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::collect::{collect_all, folder, name_of};
use super::command::{Action, Global};
use super::fetch::{Progress, fetch};
use super::fleet::{Fleet, serve_time};
use super::shell;
use super::show::{Bars, Show, printable};
use super::state::State;

/// All that a command works with.
pub(super) struct Desk {
    fleet: Fleet,
    show: Show,
    state: Arc<Mutex<State>>,
    auth: Option<Secret>,
    pub(super) stop: CancellationToken,
}

/// Does one command; `false`: something of it did not work.
///
/// # Errors
/// With one line that says what to do.
pub async fn run(global: &Global, action: &Action, stop: CancellationToken) -> Result<bool> {
    let auth = global.auth.clone().map(Secret);
    let mut config = ControllerConfig::default();
    config.auth.clone_from(&auth);
    if matches!(action, Action::Shell | Action::ServeTime { .. }) {
        config.liveness = Duration::from_secs(2);
    }
    let fleet = Fleet::start(config);
    let count = find(global, &fleet).await?;
    let state = Arc::new(Mutex::new(State::load(&state_path(global, action))?));
    let desk = Desk { fleet, show: Show { json: global.json }, state, auth, stop };
    if count == 0 && !matches!(action, Action::ServeTime { .. }) {
        bail!("no device was found: name one with --device HOST:PORT");
    }
    let ok = match action {
        Action::Shell => shell::run(&desk).await,
        action => desk.act(action).await,
    };
    desk.fleet.shutdown().await;
    ok
}

fn state_path(global: &Global, action: &Action) -> PathBuf {
    let out = match action {
        Action::Collect { out } => out.parent().unwrap_or(Path::new("")),
        _ => Path::new(""),
    };
    global.state.clone().unwrap_or_else(|| out.join("multicam-state.json"))
}

/// Takes the devices in that were named, or that are found.
async fn find(global: &Global, fleet: &Fleet) -> Result<usize> {
    for name in &global.device {
        let bad = || cli::usage(anyhow!("--device: '{name}' is not HOST or HOST:PORT"));
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
            None => (name.as_str(), TCP_PORT),
        };
        if host.is_empty() {
            return Err(bad());
        }
        fleet.add(cli::resolve("--device", host, port)?, None)?;
    }
    if !global.device.is_empty() {
        return Ok(global.device.len());
    }
    #[cfg(feature = "mdns")]
    {
        let wait = Duration::try_from_secs_f64(global.wait)
            .map_err(|_| cli::usage(anyhow!("--wait: not a number of seconds")))?;
        let interfaces = global.interface.clone();
        let found = tokio::task::spawn_blocking(move || {
            Ok::<_, anyhow::Error>(crate::mdns::Browser::start(&interfaces)?.collect(wait))
        });
        let found = found.await??;
        for device in &found {
            fleet.add(device.address, Some(&device.instance))?;
        }
        Ok(found.len())
    }
    #[cfg(not(feature = "mdns"))]
    Err(cli::usage(anyhow!("--device: this build finds no devices by itself; name one")))
}

impl Desk {
    pub(super) async fn act(&self, action: &Action) -> Result<bool> {
        let fleet = &self.fleet;
        match action {
            Action::Discover | Action::Status => self.status().await,
            Action::Start { lead, at } => {
                let lead = Duration::try_from_secs_f64(*lead)
                    .map_err(|_| cli::usage(anyhow!("--in: not a number of seconds")))?;
                let target = at.unwrap_or_else(|| fleet.time() + lead);
                if at.is_none() && lead.is_zero() {
                    let now = |key| fleet.ask(key, CommandMessage::start_recording(fleet.time()));
                    return Ok(self.each("start", now).await);
                }
                let object = json!({"what": "target", "targetStartNs": target.as_nanos()});
                let text = format!("starting at {}", target.to_text(multicam_common::Style::Python));
                self.show.line(&text, &object);
                Ok(self.each("start", move |key| fleet.start_at(key, target)).await)
            }
            Action::Stop => {
                let ok = self.each("stop", |key| fleet.ask(key, CommandMessage::stop_recording())).await;
                self.lock().save()?;
                Ok(ok)
            }
            Action::List => self.list().await,
            Action::Get { file, out } => self.get(file, out).await,
            Action::Collect { out } => self.collect(out).await,
            Action::Delete { file, sha256 } => self.delete(file, sha256.as_deref()).await,
            Action::Upload { file, url } => {
                let (key, view) = self.owner(file).await?;
                let command = CommandMessage::upload_to_cloud(file, Upload::to_url(url));
                let outcome = fleet.ask(key, command).await;
                Ok(self.show.outcome("upload", &view, &outcome))
            }
            Action::ServeTime { port } => self.serve_time(*port).await,
            Action::Shell | Action::Quit => Ok(true),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all at once; their answers in the order of the devices.
    async fn ask_all<F>(&self, ask: impl Fn(DeviceKey) -> F) -> Vec<(DeviceView, F::Output)>
    where
        F: Future,
    {
        let keys: Vec<_> = self.fleet.devices().into_iter().map(|(key, _)| key).collect();
        let outcomes = join_all(keys.iter().map(|key| ask(*key))).await;
        let views = keys.into_iter().map(|key| self.fleet.device(key));
        views.zip(outcomes).filter_map(|(view, outcome)| Some((view?, outcome))).collect()
    }

    /// The same, and shows the answers.
    async fn each<F>(&self, what: &str, ask: impl Fn(DeviceKey) -> F) -> bool
    where
        F: Future<Output = Result<Reply, Failure>>,
    {
        let mut ok = true;
        for (view, outcome) in self.ask_all(ask).await {
            if let Ok(Reply::Stopped(stopped)) = &outcome
                && let Some(file) = stopped.file()
            {
                self.lock().add(&name_of(&view), file, stopped.times);
            }
            ok &= self.show.outcome(what, &view, &outcome);
        }
        ok
    }

    async fn status(&self) -> Result<bool> {
        let ask = |key| async move {
            let _ = self.fleet.ask(key, CommandMessage::heartbeat()).await;
            self.fleet.ask(key, CommandMessage::device_status()).await
        };
        let all = self.ask_all(ask).await;
        all.iter().for_each(|(view, _)| self.show.device(view));
        Ok(all.iter().all(|(_, outcome)| outcome.is_ok()))
    }

    async fn list(&self) -> Result<bool> {
        let mut ok = true;
        let ask = |key| self.fleet.ask(key, CommandMessage::list_files().with_limit(100_000));
        for (view, outcome) in self.ask_all(ask).await {
            let Ok(Reply::Files(list)) = outcome else {
                ok &= self.show.outcome("list", &view, &outcome);
                continue;
            };
            for file in list.files {
                let (device, name) = (name_of(&view), printable(&file.file_name));
                let object = json!({
                    "what": "file", "device": device, "file": file.file_name, "size": file.file_size,
                    "sha256": file.sha256,
                });
                self.show.line(&format!("{device:<24} {name:<48} {:>14}", file.file_size), &object);
            }
        }
        Ok(ok)
    }

    async fn get(&self, file: &str, out: &Path) -> Result<bool> {
        let mut last = None;
        for (_, view) in self.fleet.devices() {
            let progress = Arc::new(Progress::default());
            let bars = Bars::default();
            bars.add(file.into(), &progress);
            let (name, dir, auth) = (file.to_owned(), out.to_owned(), self.auth.clone());
            let job = tokio::task::spawn_blocking(move || {
                fetch(view.address, view.kind, &name, &dir, auth.as_ref(), &progress)
            });
            match self.watched(&bars, job).await? {
                Ok(fetched) => {
                    let path = fetched.path.to_string_lossy().into_owned();
                    let object =
                        json!({"what": "file", "path": path, "size": fetched.size, "sha256": fetched.sha256});
                    self.show.line(&format!("{path}  {} bytes  {}", fetched.size, fetched.sha256), &object);
                    return Ok(true);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("no device")))
    }

    /// Waits for a job with its bars on the screen; Ctrl-C calls it off.
    async fn watched<T>(&self, bars: &Bars, job: impl Future<Output = T>) -> T {
        tokio::pin!(job);
        tokio::select! {
            done = &mut job => return done,
            () = self.stop.cancelled() => bars.cancel(),
            never = bars.draw() => match never {},
        }
        job.await
    }

    async fn collect(&self, out: &Path) -> Result<bool> {
        let bars = Bars::default();
        let watcher = bars.clone();
        let watch = move |device: &str, file: &str, progress: &Arc<Progress>| {
            watcher.add(format!("{}/{}", folder(device), printable(file)), progress);
        };
        let job = collect_all(&self.fleet, out, &self.state, self.auth.as_ref(), watch);
        let all = self.watched(&bars, job).await?;
        let mut ok = true;
        for c in &all {
            let mut object =
                json!({"what": "file", "device": c.device, "file": c.file, "ok": c.outcome.is_ok()});
            let text = match &c.outcome {
                Ok((path, size, sha256)) => {
                    let path = path.to_string_lossy();
                    (object["path"], object["size"], object["sha256"]) =
                        (json!(path), json!(size), json!(sha256));
                    format!("{path}  {size} bytes")
                }
                Err(why) => {
                    ok = false;
                    object["error"] = json!(why);
                    format!("{:<24} {}", c.device, printable(why))
                }
            };
            self.show.line(&text, &object);
        }
        Ok(ok)
    }

    /// Whose a file is: who lists it.
    async fn owner(&self, file: &str) -> Result<(DeviceKey, DeviceView)> {
        for (key, _) in self.fleet.devices() {
            let list = self.fleet.ask(key, CommandMessage::list_files().with_limit(100_000)).await;
            let has = matches!(&list, Ok(Reply::Files(l)) if l.files.iter().any(|f| f.file_name == file));
            if let Some(view) = self.fleet.device(key).filter(|_| has) {
                return Ok((key, view));
            }
        }
        bail!("no device has {file}")
    }

    async fn delete(&self, file: &str, sha256: Option<&str>) -> Result<bool> {
        let (key, view) = self.owner(file).await?;
        let known = self.lock().take(&name_of(&view), file).and_then(|t| t.copy.clone());
        let proof = match (sha256, known) {
            (Some(proof), _) => proof.to_owned(),
            // Not what was written down, but what is on the disk now.
            (None, Some((path, ..))) => {
                let hash = crate::device::hash_file(&path)
                    .with_context(|| format!("the copy {} cannot be read", path.display()))?;
                multicam_common::server::hex(&hash)
            }
            (None, None) => {
                bail!("{file} has not been collected: nothing is deleted of which there is no copy")
            }
        };
        let outcome = self.fleet.ask(key, CommandMessage::delete_file(file, &proof)).await;
        Ok(self.show.outcome("delete", &view, &outcome))
    }

    async fn serve_time(&self, port: u16) -> Result<bool> {
        let (service, address) = serve_time(port)?;
        self.fleet.set_time_port(Some(address.port()));
        cli::announce(address, "time");
        self.stop.cancelled().await;
        let answered = service.call(|s, _| s.answered());
        self.show.line(&format!("answered {answered} times"), &json!({"what": "time", "answered": answered}));
        Ok(true)
    }
}

/// All of them at once, results in their order.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, done) in &mut running {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}
