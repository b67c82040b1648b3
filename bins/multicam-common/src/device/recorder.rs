//! From the event to the file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use machine::Instant;
use multicam_common::message::TakeTimes;
use multicam_common::server::{DeviceCalls, FileEntry, TakeId};
use multicam_common::{UnixTime, file_id};
use test_picture::Marks;

use super::DeviceDriver;
use super::camera::{AHEAD, Camera};
use super::capture::Local;
use super::store::{Store, hash_file};
use super::stream::Wanted;
use crate::avi;
use crate::still::Stills;

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The test picture, 25 frames a second from the instant of the start on, in an AVI file. Each frame says when it was,
    /// in synchronised time. As a frame is a function of its time it can be drawn later, so waiting costs nothing.
    Test,
    /// A stream, recorded by our own client: JPEG into AVI, H.264 into MP4 by ffmpeg. It is open before a planned start,
    /// and the first frame is the one that was sampled last at the instant.
    Rtsp(String),
    /// A camera of this machine, read by ffmpeg: JPEG into AVI. It is open before a planned start, and the first frame is
    /// the one that was taken last at the instant.
    V4l2(String),
    /// A program that is started with the output path as its last argument, and ended by SIGINT.
    Command(Vec<String>),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "test" => Ok(Self::Test),
            Some(("rtsp", rest)) if rest.starts_with("//") => Ok(Self::Rtsp(text.into())),
            Some(("rtsp", url)) if url.starts_with("rtsp://") => Ok(Self::Rtsp(url.into())),
            Some(("v4l2", device)) if device.starts_with('/') => Ok(Self::V4l2(device.into())),
            Some(("command", line)) if !line.trim().is_empty() => {
                Ok(Self::Command(line.split_whitespace().map(String::from).collect()))
            }
            _ => Err("a source is test, rtsp:URL, v4l2:/dev/videoN or command:ARGV".into()),
        }
    }
}

impl Source {
    fn extension(&self) -> &'static str {
        match self {
            Self::Test | Self::Rtsp(_) | Self::V4l2(_) => "avi",
            Self::Command(_) => "mp4",
        }
    }

    /// Whether its frames come before anybody asks for them, so that a start only says from when on they count.
    pub(super) fn is_running_before(&self) -> bool {
        match self {
            Self::Test | Self::Rtsp(_) | Self::V4l2(_) => true,
            Self::Command(_) => false,
        }
    }
}

/// Frames a second of the test source.
const TEST_RATE: u32 = 25;
/// Time from frame to frame.
const PERIOD_NS: i64 = 1_000_000_000 / TEST_RATE as i64;
/// Frames are drawn in so long steps, and not before the first has passed: at the instant of a start a machine has
/// better things to do.
const STEP: Duration = Duration::from_millis(250);
/// A program that was told to end has so long to close its file.
const CLOSING: Duration = Duration::from_secs(60);

/// Starts and ends takes.
#[derive(Debug)]
pub(super) struct Recorder {
    source: Source,
    store: Arc<Store>,
    driver: DeviceDriver,
    device_id: String,
    /// The camera of this machine, if it is one.
    local: Option<Arc<Local>>,
    /// The camera that the next take is of.
    camera: Option<Camera>,
    running: Option<(TakeId, Sender<Instant>, std::thread::JoinHandle<()>)>,
}

/// One take, in a thread of its own.
struct Take {
    id: TakeId,
    source: Source,
    store: Arc<Store>,
    driver: DeviceDriver,
    stem: String,
    at: Instant,
    actual: UnixTime,
    times: TakeTimes,
    camera: Option<Camera>,
}

impl Recorder {
    pub(super) fn new(source: Source, store: Arc<Store>, driver: DeviceDriver, device_id: String) -> Self {
        let local = match &source {
            Source::V4l2(device) => Some(Arc::new(Local::new(device))),
            _ => None,
        };
        Self { source, store, driver, device_id, local, camera: None, running: None }
    }

    /// A start is planned. The test source needs no preparation; what is wrong with the directory is better said now.
    pub(super) fn arm(&mut self, take: TakeId, at: Instant, target: UnixTime) {
        if let Err(error) = self.store.reserve(&file_id(&self.device_id, target), self.source.extension()) {
            tracing::error!(take = take.0, "the recording will fail: {error:#}");
        }
        // One that is open stays so, however the instant moves.
        let from = at.saturating_sub(AHEAD);
        let now = driver::now();
        if self.camera.as_ref().is_none_or(|camera| from < camera.from && now < camera.from) {
            self.camera = self.open(from);
        }
        if let Some(camera) = &self.camera {
            camera.aim(at);
        }
    }

    /// What there is to open before a take.
    fn open(&self, from: Instant) -> Option<Camera> {
        match (&self.source, &self.local) {
            (Source::Rtsp(url), _) => Some(Camera::stream(url, from)),
            (_, Some(local)) => {
                let driver = self.driver.clone();
                let tell = move |connected| driver.call(|device, _| device.set_camera(connected));
                Some(Camera::local(local, from, Box::new(tell)))
            }
            _ => None,
        }
    }

    /// A planned start is called off.
    pub(super) fn disarm(&mut self) {
        self.camera = None;
    }

    pub(super) fn start(&mut self, id: TakeId, at: Instant, target: Option<UnixTime>, actual: UnixTime) {
        let (stop, stopped) = channel();
        let error_ns = self.driver.call(|device, now| device.snapshot(now).error_ns);
        let begin = target.unwrap_or(actual);
        let camera = self.camera.take().or_else(|| self.open(at));
        let take = Take {
            id,
            source: self.source.clone(),
            store: self.store.clone(),
            driver: self.driver.clone(),
            stem: file_id(&self.device_id, begin),
            at,
            actual,
            times: TakeTimes {
                target_start: target,
                actual_start: Some(actual),
                first_frame: None,
                clock_error_ns: error_ns,
            },
            camera,
        };
        let late = target.map(|t| actual.nanos_since(t) / 1000);
        tracing::info!(take = id.0, late_us = late, "recording");
        match std::thread::Builder::new().name("take".into()).spawn(move || take.run(&stopped)) {
            Ok(thread) => self.running = Some((id, stop, thread)),
            Err(error) => {
                tracing::error!(%error, "no thread for a recording");
                self.driver
                    .call(|device, now| device.take_finished(now, id, Err("no thread for the recording")));
            }
        }
    }

    pub(super) fn stop(&mut self, id: TakeId) {
        if let Some((_, stop, _)) = self.running.as_ref().filter(|(running, ..)| *running == id) {
            let _ = stop.send(driver::now());
        }
    }

    /// The device is ending: so is what runs.
    pub(super) fn finish(self) {
        if let Some((_, stop, thread)) = self.running {
            let _ = stop.send(driver::now());
            let _ = thread.join();
        }
    }
}

impl Take {
    fn run(mut self, stopped: &Receiver<Instant>) {
        let outcome = self.record(stopped);
        let (id, driver) = (self.id, self.driver.clone());
        match outcome {
            Ok(entry) => {
                let (name, path) = (entry.name.clone(), self.store.path(&entry.name));
                let finished = entry.clone();
                tracing::info!(take = id.0, %name, bytes = entry.size, "recorded");
                driver.call(|device, now| device.take_finished(now, id, Ok(entry)));
                // Whoever asks before this is done gets the file without its hash.
                if let Ok(hash) = hash_file(&path) {
                    self.store.note_hash(&finished, hash);
                    driver.call(|device, _| device.set_hash(&name, hash));
                }
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(take = id.0, "the recording failed: {why}");
                driver.call(|device, now| device.take_finished(now, id, Err(&why)));
            }
        }
    }

    fn record(&mut self, stopped: &Receiver<Instant>) -> Result<FileEntry> {
        if let Some(camera) = self.camera.take() {
            let (at, actual) = (self.at, self.actual);
            let recorded = Wanted {
                camera: &camera,
                store: &self.store,
                stem: &self.stem,
                begin: self.times.target_start.unwrap_or(actual),
                unix: &|local| unix(at, actual, local),
            }
            .record(stopped)?;
            self.times.first_frame = Some(recorded.first_frame);
            return self
                .store
                .publish(&recorded.part, &recorded.name, self.times)
                .context("cannot name the recording");
        }
        let (name, part) = self.store.reserve(&self.stem, self.source.extension())?;
        match &self.source {
            Source::Command(line) => {
                run_program(line, &part, stopped)?;
                File::open(&part).and_then(|f| f.sync_all()).context("the program has left no file")?;
            }
            _ => self.draw(&part, stopped)?,
        }
        self.store.publish(&part, &name, self.times).context("cannot name the recording")
    }

    /// Synchronised time of a local instant during this take.
    fn unix(&self, at: Instant) -> UnixTime {
        unix(self.at, self.actual, at)
    }

    fn draw(&mut self, part: &Path, stopped: &Receiver<Instant>) -> Result<()> {
        let file = File::create_new(part).context("cannot make a file")?;
        let mut out = avi::Writer::new(file, Stills::SIZE, TEST_RATE)?;
        let mut stills = Stills::new()?;
        // It is locked to the instant of the start: devices whose clocks differ by microseconds would not agree in which
        // frame of a fixed grid an instant near its lines lies, and be a whole frame apart.
        let begin = self.times.target_start.unwrap_or(self.actual);
        let capture = |frame: u32| begin.offset_by(i64::from(frame) * PERIOD_NS);
        self.times.first_frame = Some(capture(0));
        let mut next = 0_u32;
        loop {
            let until = match stopped.recv_timeout(STEP) {
                Ok(at) => Some(at),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(driver::now()),
            };
            let end = self.unix(until.unwrap_or_else(driver::now));
            // One frame at least, however soon it was stopped.
            while next == 0 || capture(next) <= end {
                let marks = Marks {
                    time_ns: capture(next).as_nanos().unsigned_abs(),
                    frame: next,
                    rate_hundredths: u16::try_from(TEST_RATE * 100)?,
                    ..Marks::default()
                };
                match out.frame(stills.draw(&marks)) {
                    // What AVI can hold, not what the system lets us write.
                    Err(e) if e.kind() == io::ErrorKind::FileTooLarge && e.raw_os_error().is_none() => {
                        tracing::warn!(frames = out.frames(), "the file is as long as it can be");
                        let _ = stopped.recv();
                        return out.finish().context("cannot close the file");
                    }
                    result => result.context("cannot write the recording")?,
                }
                next += 1;
            }
            if until.is_some() {
                return out.finish().context("cannot close the file");
            }
            out.flush().context("cannot write the recording")?;
        }
    }
}

/// Runs a program from now to the end, with the output path as its last argument.
fn run_program(line: &[String], out: &Path, stopped: &Receiver<Instant>) -> Result<()> {
    let (program, arguments) = line.split_first().context("this source has no program")?;
    let mut command = Command::new(program);
    command.args(arguments).arg(out).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    loop {
        match stopped.recv_timeout(STEP) {
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = child.try_wait()? {
                    // It has given up; wait for STOP with what it wrote.
                    tracing::error!(%status, "the recording program has ended by itself");
                    let _ = stopped.recv();
                    return Ok(());
                }
            }
            _ => {
                interrupt(&mut child);
                let end = driver::now() + CLOSING;
                while child.try_wait()?.is_none() {
                    if driver::now() >= end {
                        let _ = child.kill();
                        let _ = child.wait();
                        bail!("{program} did not end when told to");
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                return Ok(());
            }
        }
    }
}

/// Synchronised time of a local instant, from that of another.
fn unix(at: Instant, time: UnixTime, local: Instant) -> UnixTime {
    let ns = i128::from(local.as_nanos()) - i128::from(at.as_nanos());
    time.offset_by(i64::try_from(ns).unwrap_or(i64::MAX))
}

#[cfg(unix)]
fn interrupt(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
}

#[cfg(not(unix))]
fn interrupt(child: &mut Child) {
    let _ = child.kill();
}
