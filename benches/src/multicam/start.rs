//! How late planned starts are, and how far apart.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use multicam_common::UnixTime;
use multicam_common::client::DeviceKey;
use multicam_common::codec::Reply;
use multicam_common::config::ControllerConfig;
use multicam_common::message::CommandMessage;
use multicam_programs::controller::Fleet;
use multicam_programs::emulate::{self, Emulated, Peer};
use serde_json::{Value, json};

use super::Device;
use crate::percentile;

/// Starts so many devices again and again at one instant, and says how late each let capture go and how far apart they
/// were. The devices and the controller read the same clock, but the controller does not know that.
///
/// # Errors
/// When a device cannot be started, or does not do what it is told.
pub fn starts(program: &str, devices: usize, span: Duration, lead: Duration) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut fleet = Started::new()?;
    for n in 0..devices {
        let device = Device::start(program, &dir.path().join(n.to_string()), &format!("Load-{n}"), &[])?;
        fleet.add(device, 0)?;
    }
    let (mut late, mut spread) = (Vec::new(), Vec::new());
    let end = Instant::now() + span;
    while spread.is_empty() || Instant::now() < end {
        let round = fleet.round(lead)?;
        spread.push(round.iter().max().unwrap_or(&0) - round.iter().min().unwrap_or(&0));
        late.extend(round);
    }
    late.sort_unstable();
    spread.sort_unstable();
    let us = |ns: i64| ns as f64 / 1e3;
    let ms = |ns: i64| ns as f64 / 1e6;
    Ok(json!({
        "devices": devices,
        "rounds": spread.len(),
        "late_p50_us": us(percentile(&late, 0.5)),
        "late_p99_us": us(percentile(&late, 0.99)),
        "late_max_us": us(percentile(&late, 1.0)),
        "early_max_us": us(-percentile(&late, 0.0)),
        "spread_p50_ms": ms(percentile(&spread, 0.5)),
        "spread_max_ms": ms(percentile(&spread, 1.0)),
    }))
}

/// Devices whose clocks are wrong.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// `multicam-device`.
    pub program: String,
    /// libfaketime, for processes with threads.
    pub faketime: String,
    /// How often.
    pub rounds: usize,
}

/// Starts devices whose clocks are right, 250 ms and 5 s ahead (by libfaketime), and OAK-like ones beside them, and says
/// how far from the instant each began.
///
/// # Errors
/// When a device cannot be started, or does not do what it is told.
pub fn clocks(clocks: &Clocks) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut fleet = Started::new()?;
    let mut oaks = Vec::new();
    for ahead_ms in [0, 250, 5000] {
        let environment = [
            ("LD_PRELOAD", clocks.faketime.clone()),
            ("FAKETIME", format!("+{}.{:03}", ahead_ms / 1000, ahead_ms % 1000)),
        ];
        let environment = if ahead_ms == 0 { &[][..] } else { &environment };
        let id = format!("Ahead-{ahead_ms}");
        let device = Device::start(&clocks.program, &dir.path().join(&id), &id, environment)?;
        fleet.add(device, ahead_ms * 1_000_000)?;
        let oak = Arc::new(Emulated::new(Peer::OakG2, &format!("oak-{ahead_ms}"), ahead_ms * 1_000_000));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        fleet.oaks.push(fleet.fleet.add(listener.local_addr()?, None)?);
        let serving = oak.clone();
        std::thread::Builder::new().name("oak".into()).spawn(move || emulate::serve(&serving, &listener))?;
        oaks.push(oak);
    }
    let (mut ours, mut theirs) = (vec![0_i64; 3], vec![0_i64; 3]);
    for _ in 0..clocks.rounds {
        for (worst, late) in ours.iter_mut().zip(fleet.round(Duration::from_secs(1))?) {
            *worst = if late.abs() > worst.abs() { late } else { *worst };
        }
        for (worst, oak) in theirs.iter_mut().zip(&oaks) {
            let began = *oak.started().last().context("the OAK did not start")?;
            let late = began - fleet.target.as_nanos();
            *worst = if late.abs() > worst.abs() { late } else { *worst };
        }
    }
    let us = |all: &[i64]| all.iter().map(|ns| *ns as f64 / 1e3).collect::<Vec<_>>();
    Ok(json!({
        "rounds": clocks.rounds,
        "ahead_ms": [0, 250, 5000],
        "worst_us": us(&ours),
        "oak_worst_us": us(&theirs),
    }))
}

/// Devices with a controller of them.
struct Started {
    runtime: tokio::runtime::Runtime,
    fleet: Fleet,
    /// Each with the nanoseconds that its clock is ahead.
    devices: Vec<(DeviceKey, Device, i64)>,
    oaks: Vec<DeviceKey>,
    target: UnixTime,
}

impl Started {
    fn new() -> Result<Self> {
        driver::cli::raise_descriptor_limit();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let fleet = {
            let _inside = runtime.enter();
            Fleet::start(ControllerConfig::default())
        };
        Ok(Self { runtime, fleet, devices: Vec::new(), oaks: Vec::new(), target: UnixTime::default() })
    }

    fn add(&mut self, device: Device, ahead_ns: i64) -> Result<()> {
        let address: SocketAddr = device.address;
        let key = self.fleet.add(address, None)?;
        self.devices.push((key, device, ahead_ns));
        Ok(())
    }

    /// One start of all; nanoseconds that each was late, on the one clock there is.
    fn round(&mut self, lead: Duration) -> Result<Vec<i64>> {
        let Self { runtime, fleet, devices, oaks, target } = self;
        runtime.block_on(async {
            // What a device is, and so on which clock it plans, is known before it is asked to.
            for key in oaks.iter() {
                let _ = fleet.ask(*key, CommandMessage::device_status()).await;
            }
            *target = fleet.time() + lead;
            let at = *target;
            let all: Vec<DeviceKey> =
                devices.iter().map(|(key, ..)| *key).chain(oaks.iter().copied()).collect();
            let asked: Vec<_> = all
                .iter()
                .map(|key| {
                    let (fleet, key) = (fleet.clone(), *key);
                    tokio::spawn(async move { fleet.start_at(key, at).await })
                })
                .collect();
            for answer in asked {
                let reply = answer.await?.map_err(anyhow::Error::from)?;
                if reply.status().is_error() {
                    bail!("a device would not start: {}", reply.status());
                }
            }
            tokio::time::sleep(at.saturating_since(fleet.time()) + Duration::from_millis(60)).await;
            let mut late = Vec::new();
            let asked: Vec<_> = all
                .iter()
                .map(|key| {
                    let (fleet, key) = (fleet.clone(), *key);
                    tokio::spawn(async move { fleet.ask(key, CommandMessage::stop_recording()).await })
                })
                .collect();
            for (n, answer) in asked.into_iter().enumerate() {
                let reply = answer.await?.map_err(anyhow::Error::from)?;
                let Some((_, _, ahead_ns)) = devices.get(n) else {
                    continue;
                };
                let Reply::Stopped(stopped) = reply else {
                    bail!("a device had not started: {}", reply.status());
                };
                let actual = stopped.times.actual_start.context("no actualStart")?;
                late.push(actual.nanos_since(at) - ahead_ns);
            }
            Ok(late)
        })
    }
}
