//! The thread that owns the pipeline.

use std::io;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use camera_packet::extension::PipelineState;
use camera_packet::settings::SettingsBlock;
use tokio::sync::watch;

use super::child::{self, Group};
use super::feed::{self, Feed, Mount};
use super::pattern::{Pattern, Scene, Shown};
use super::plan::{Due, Plan};
use super::{Destination, PipelineConfig, Source, Status, Still, command, live};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Settings to show, and their revision.
    Apply(SettingsBlock, u32),
    /// A program has ended.
    Exited {
        /// Of this start.
        run: u64,
        /// Its name.
        name: String,
    },
    /// The built-in pattern shows this revision.
    Shown(u32),
    /// End everything.
    Stop,
}

/// Never.
const LONG: Duration = Duration::from_secs(3600);

struct Supervisor {
    config: PipelineConfig,
    to: Sender<Message>,
    status: watch::Sender<Status>,
    wanted: (SettingsBlock, u32),
    pattern: Option<Pattern>,
    /// Where programs' output is served by this process.
    mount: Option<Mount>,
    run: Option<Run>,
    runs: u64,
    plan: Plan,
}

/// A pipeline that was started.
struct Run {
    number: u64,
    group: Group,
    /// Revision of the settings that it was started with or has been given since.
    revision: u32,
    /// ffmpeg's standard input, where it takes commands.
    commands: Option<ChildStdin>,
    /// What reads the program's output.
    feed: Option<Feed>,
}

pub(super) fn run(
    config: PipelineConfig,
    settings: SettingsBlock,
    to: Sender<Message>,
    from: &Receiver<Message>,
    status: watch::Sender<Status>,
    stills: watch::Sender<Option<Still>>,
) {
    let mut supervisor = Supervisor {
        config,
        to,
        status,
        wanted: (settings, 0),
        pattern: None,
        mount: None,
        run: None,
        runs: 0,
        plan: Plan::new(driver::now(), true),
    };
    supervisor.begin(stills);
    loop {
        let left = supervisor.plan.deadline().map_or(LONG, |at| at.saturating_since(driver::now()));
        match from.recv_timeout(left) {
            Ok(Message::Apply(settings, revision)) => {
                supervisor.wanted = (settings, revision);
                let mut stop = false;
                // All that has come meanwhile is one update.
                while let Ok(message) = from.try_recv() {
                    match message {
                        Message::Apply(settings, revision) => supervisor.wanted = (settings, revision),
                        Message::Stop => stop = true,
                        other => supervisor.handle(other),
                    }
                }
                if stop {
                    break;
                }
                supervisor.apply();
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(message) => supervisor.handle(message),
            Err(RecvTimeoutError::Timeout) => supervisor.due(),
        }
    }
    supervisor.stop();
    supervisor.set(|status| status.state = PipelineState::Stopped);
}

impl Supervisor {
    /// What needs no program: the built-in pattern, or nothing at all.
    fn begin(&mut self, stills: watch::Sender<Option<Still>>) {
        match &self.config.source {
            Source::None => self.plan.never(),
            Source::Test => {
                if let Some((width, height)) = self.config.film.as_ref().map(|film| film.size()) {
                    (self.config.width, self.config.height) = (width, height);
                }
                let mount = self.config.mount.as_ref().map(|to| feed::pictures(to, &self.config));
                let made = Scene::new(&self.config).map_err(|error| error.to_string()).and_then(|scene| {
                    let mount = mount.transpose()?;
                    Pattern::start(scene, self.wanted, Shown { stills, mount }, self.to.clone())
                        .map_err(|e| e.to_string())
                });
                match made {
                    Ok(pattern) => self.pattern = Some(pattern),
                    Err(problem) => {
                        self.plan.never();
                        self.problem(problem);
                    }
                }
                if self.config.rtsp_url.is_none() || self.config.mount.is_some() {
                    self.plan.never();
                }
            }
            _ if self.config.mount.is_some() => {
                let made = self.config.mount.as_ref().map(|to| Mount::new(to, &self.config)).transpose();
                match made {
                    Ok(mount) => self.mount = mount,
                    Err(problem) => {
                        self.plan.never();
                        self.problem(problem);
                    }
                }
            }
            _ if self.config.rtsp_url.is_none() => {
                self.plan.never();
                self.problem("there is nowhere to publish to".into());
            }
            _ => {}
        }
    }

    fn due(&mut self) {
        match self.plan.due(driver::now()) {
            Due::Nothing => {}
            Due::Start => self.start(),
            Due::Settled => {
                let shown = match (&self.run, &self.pattern) {
                    (Some(run), None) => Some(run.revision),
                    _ => None,
                };
                self.set(|status| {
                    status.state = PipelineState::Running;
                    status.problem = None;
                    status.live = shown.unwrap_or(status.live);
                });
                tracing::info!("video runs");
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Exited { run, name } if self.run.as_ref().is_some_and(|r| r.number == run) => {
                tracing::warn!("{name} has ended by itself");
                self.stop();
                self.back_off(format!("{name} has ended by itself"));
            }
            Message::Shown(revision) => self.set(|status| {
                status.live = revision;
                if status.state == PipelineState::Stopped {
                    status.state = PipelineState::Running;
                }
            }),
            _ => {}
        }
    }

    /// Shows the wanted settings: live where that can be.
    fn apply(&mut self) {
        let (settings, revision) = self.wanted;
        if let Some(pattern) = &self.pattern {
            return pattern.apply(settings, revision);
        }
        let restarts = match &self.config.source {
            Source::None => return self.set(|status| status.live = revision),
            Source::Rpicam => true,
            Source::Command(words) => command::filled_in(words, settings).is_some(),
            Source::Lavfi | Source::V4l2(_) | Source::Test => false,
        };
        let Some(run) = &mut self.run else { return };
        if restarts {
            self.stop();
            return self.plan.restart(driver::now());
        }
        run.revision = revision;
        let settled = self.plan.is_settled();
        let done = match (&self.config.source, &mut run.commands) {
            (Source::Lavfi, Some(stdin)) => live::filters(stdin, settings).map_err(|error| error.to_string()),
            (Source::V4l2(device), _) => live::controls(device, settings),
            _ => Ok(()),
        };
        match done {
            Ok(()) if settled => self.set(|status| status.live = revision),
            Ok(()) => {}
            Err(problem) => tracing::warn!("settings do not act: {problem}"),
        }
    }

    fn start(&mut self) {
        self.runs += 1;
        let starts = self.runs;
        self.set(|status| (status.state, status.starts) = (PipelineState::Starting, starts));
        let group = Group::new(self.runs, self.config.launcher.clone(), self.to.clone());
        let mut run = Run { number: self.runs, group, revision: self.wanted.1, commands: None, feed: None };
        match self.spawn(&mut run) {
            Ok(()) => {
                self.run = Some(run);
                self.plan.started(driver::now());
            }
            Err(problem) => {
                drop(run);
                self.back_off(problem);
            }
        }
    }

    fn spawn(&mut self, run: &mut Run) -> Result<(), String> {
        let config = &self.config;
        let (settings, _) = self.wanted;
        let url = config.rtsp_url.as_deref().unwrap_or_default();
        let mount = self.mount.as_ref();
        let to = if mount.is_some() { Destination::Pipe } else { Destination::Publish(url) };
        let stdout = || if mount.is_some() { Stdio::piped() } else { Stdio::null() };
        let publisher = config.publisher.as_str();
        let failed = |program: &str, error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("{program} is not installed"),
            _ => format!("{program}: {error}"),
        };
        match &config.source {
            Source::None => {}
            Source::Rpicam => {
                let names: Vec<&str> = config.camera_programs.iter().map(String::as_str).collect();
                let camera =
                    child::find(&names).ok_or_else(|| format!("no camera program: {}", names.join(", ")))?;
                let camera = camera.to_string_lossy().into_owned();
                let arguments = command::camera_arguments(config, settings);
                return self.camera(run, &camera, &arguments, url);
            }
            Source::Command(words) => {
                let filled = command::filled_in(words, settings).unwrap_or_else(|| words.clone());
                let Some((program, arguments)) = filled.split_first() else { return Ok(()) };
                return self.camera(run, program, arguments, url);
            }
            Source::Test => {
                let arguments = command::raw_publisher_arguments(config, to);
                let ends = run.group.spawn(publisher, &arguments, Stdio::piped(), Stdio::null());
                let stdin = ends.map_err(|error| failed(publisher, error))?.stdin;
                if let (Some(pattern), Some(stdin)) = (&self.pattern, stdin) {
                    pattern.publish(stdin);
                }
            }
            Source::Lavfi => {
                let arguments = command::lavfi_arguments(config, settings, to);
                let ends = run.group.spawn(publisher, &arguments, Stdio::piped(), stdout());
                let ends = ends.map_err(|error| failed(publisher, error))?;
                run.commands = ends.stdin;
                return self.read_from(run, ends.stdout);
            }
            Source::V4l2(device) => {
                if let Err(problem) = live::controls(device, settings) {
                    tracing::warn!("settings do not act: {problem}");
                }
                let arguments = command::v4l2_arguments(config, device, to);
                let ends = run.group.spawn(publisher, &arguments, Stdio::null(), stdout());
                return self.read_from(run, ends.map_err(|error| failed(publisher, error))?.stdout);
            }
        }
        Ok(())
    }

    /// Starts a program that writes video. Either we read it, or a publisher does.
    fn camera(&self, run: &mut Run, program: &str, arguments: &[String], url: &str) -> Result<(), String> {
        if self.mount.is_none() {
            return publish(&self.config, run, program, arguments, url);
        }
        let ends = run.group.spawn(program, arguments, Stdio::null(), Stdio::piped());
        let ends = ends.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{program} is not installed"),
            _ => format!("{program}: {error}"),
        })?;
        self.read_from(run, ends.stdout)
    }

    /// What a program writes goes to the mount.
    fn read_from(&self, run: &mut Run, stdout: Option<ChildStdout>) -> Result<(), String> {
        if let (Some(mount), Some(stdout)) = (&self.mount, stdout) {
            run.feed = Some(mount.feed(stdout).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(mut run) = self.run.take() {
            // What a program writes as it is ended may be half a frame.
            drop(run.feed.take());
            self.set(|status| status.state = PipelineState::Stopping);
            run.group.end();
        }
    }

    fn back_off(&mut self, problem: String) {
        let pause = self.plan.failed(driver::now());
        tracing::debug!("next start in {pause:?}");
        self.set(|status| status.state = PipelineState::Backoff);
        self.problem(problem);
    }

    /// Says why there is no video, once for each reason.
    fn problem(&self, problem: String) {
        if self.status.borrow().problem.as_ref() != Some(&problem) {
            tracing::warn!("no video: {problem}");
            self.set(|status| status.problem = Some(problem));
        }
    }

    fn set(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }
}

/// Starts a program that writes H.264, and the publisher that reads it. The pipe between them is theirs alone: each
/// sees the other's end.
fn publish(
    config: &PipelineConfig,
    run: &mut Run,
    program: &str,
    arguments: &[String],
    url: &str,
) -> Result<(), String> {
    let failed = |program: &str, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("{program} is not installed"),
        _ => format!("{program}: {error}"),
    };
    if child::find(&[config.publisher.as_str()]).is_none() {
        return Err(format!("{} is not installed", config.publisher));
    }
    let ends = run.group.spawn(program, arguments, Stdio::null(), Stdio::piped());
    let stdout = ends.map_err(|error| failed(program, error))?.stdout;
    let stdout = stdout.ok_or("the camera program has no output")?;
    let arguments = command::publisher_arguments(config, url);
    let ends = run.group.spawn(&config.publisher, &arguments, Stdio::from(stdout), Stdio::null());
    ends.map(drop).map_err(|error| failed(&config.publisher, error))
}
